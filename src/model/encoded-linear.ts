import type { Link } from './trees.ts'

/** A linear model some of whose features are categories, with a weight for each value. */
export interface EncodedLinearModel {
  kind: 'EncodedLinearModel'
  nFeatures: number
  nOutputs: number
  link: Link
  /** Values of each feature with a weight, codes from 0; 0 for numbers, which have one weight. */
  levels: Int32Array
  /** Row-major `[nOutputs * width]`, features one after another; `width` is the sum of `max(1, levels)`. */
  weights: Float64Array
  /** `[nOutputs]`. */
  intercepts: Float64Array
  /** Training mean of each column of the weights: of numbers, and the share of rows that have a value. `[width]`. */
  means: Float64Array
}
