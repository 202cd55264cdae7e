/** Runs of one act, stage after stage, told as one progress. */
import type { Digest, RunSpec } from '../core/records.ts'
import type { Runtime } from './runtime.ts'

export interface StageOptions {
  signal?: AbortSignal
  onProgress?: (progress: { done: number; note: string }) => void
}

type Outcomes = ReturnType<Runtime['jobs']['run']>

/** Runs the specs of one stage, which takes the whole of the act from `from` to `to`, both within 0 and 1. Outcomes are in the order of the specs. */
export type RunStage = (specs: readonly RunSpec[], from: number, to: number) => Outcomes

export function stagesOf({ jobs }: Pick<Runtime, 'jobs'>, { signal, onProgress }: StageOptions): RunStage {
  return async (specs, from, to) => {
    const shares = new Map<Digest, number>()
    return await jobs.run([...specs], {
      signal,
      onProgress: ({ spec, done, note }) => {
        shares.set(spec, done)
        const share = [...shares.values()].reduce((sum, x) => sum + x, 0) / specs.length
        onProgress?.({ done: from + (to - from) * share, note })
      },
    })
  }
}
