/** A factorisation machine over hashed features: a weight for each value, and a short vector for each, whose products are the weights of all pairs. */
import type { HashedSpace } from './hashing.ts'

export interface FactorModel {
  kind: 'FactorModel'
  /** Features of a row before hashing. */
  nFeatures: number
  nOutputs: 1
  link: 'identity' | 'sigmoid'
  /** Without pairs of its own. */
  space: HashedSpace
  /** Length of the vectors. */
  factors: number
  /** The raw score is `offset + scale * (bias + sum of weights * values + sum over pairs of (v_i . v_j) * values)`. */
  offset: number
  scale: number
  bias: number
  /** Slots that were met in training, ascending; others have weight 0 and a vector of zeros. */
  slots: Uint32Array
  /** `[slots]`. */
  weights: Float64Array
  /** `[slots * factors]`. */
  vectors: Float64Array
}
