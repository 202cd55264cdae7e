import type { Digest } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import type { Predictor } from './predictor.ts'

export async function loadPredictor(_store: Store, _digest: Digest): Promise<Predictor> {
  throw new Error('absent')
}
