import { forest } from '../../define/trainers.ts'
import type { GbdtResult } from '../gbdt/train.ts'

export interface ForestParams {
  /** Default 200. */
  trees: number
  /** Leaves of a tree at most. Default 2048. */
  leaves: number
  /** Rows in a leaf at least. Default 5. */
  minRowsInLeaf: number
  /** Levels below the root at most. Default 64. */
  maxDepth: number
  /** Features that each node may use: the square root of their number, a third of them, or a share. Default: `sqrt`. */
  features: 'sqrt' | 'third' | number
  /** Whether each tree has a bootstrap of the rows (a random forest), or all of them. Default true. */
  bootstrap: boolean
  /** Whether borders are drawn at random (extremely randomised trees). Default false. */
  randomBorders: boolean
  /** Value bins of a feature at most. Default 255. */
  bins: number
  seed: number
}

const { kind: _, ...WRITTEN } = forest()
/** Those of a config that says nothing. */
export const FOREST_DEFAULTS: ForestParams = { ...WRITTEN, seed: 1 }

export interface ForestResult extends Pick<GbdtResult, 'model' | 'trees' | 'gains' | 'ranOn'> {
  /** By training row, the mean of the trees that did not see it, `[nRows * nOutputs]` row by row; NaN where all did. */
  outOfBag: Float64Array
}
