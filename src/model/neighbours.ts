/** A model that is its training rows: an answer is the mean of the targets of the rows nearest to it. */
import { Nearest, type NeighbourSpace, squareTo } from './nearest.ts'
import { VantageTree } from './vantage-tree.ts'

export interface NeighbourModel {
  kind: 'NeighbourModel'
  nFeatures: number
  /** 1, or one a class. */
  nOutputs: number
  /** Raw scores are the outputs: values, or shares of the neighbours. */
  link: 'identity'
  /** Neighbours that are asked. */
  k: number
  /** `distance`: neighbours count by 1 / distance; where any lie at the row itself, only those count. */
  weights: 'uniform' | 'distance'
  /** Of each feature: 0 for a category, else what a difference is divided by. */
  scales: Float64Array
  /** What a missing number is taken for. */
  missing: Float64Array
  /** What another value of a category adds to the squared distance. */
  mismatch: number
  /** Training rows, row-major `[nRows * nFeatures]`: numbers in raw units, codes of categories, -1 where a category is missing. */
  rows: Float64Array
  /** A value, or the code of a class. `[nRows]`. */
  targets: Float64Array
}

/** Rows from which, and features up to which, a tree finds neighbours faster than going through all rows: 25 times at 20,000 rows of 2, half as fast of 8. */
const TREE_ROWS_MIN = 2_000
const TREE_FEATURES_MAX = 5

/** Finds the nearest rows of one row: indexes and squared distances, nearest first, of equal ones the earlier row. Owns scratch memory. */
export interface NeighbourSearch {
  readonly indexes: Int32Array
  readonly squares: Float64Array
  /** `x[at, at + nFeatures)`; fills `indexes` and `squares`. */
  find(x: Float64Array, at: number): void
}

export type SearchKind = 'auto' | 'all' | 'tree'

export function neighbourSearch(model: NeighbourModel, kind: SearchKind = 'auto'): NeighbourSearch {
  const space = spaceOf(model)
  const nearest = new Nearest(model.k)
  const wanted =
    kind === 'auto' && space.nRows >= TREE_ROWS_MIN && model.nFeatures <= TREE_FEATURES_MAX ? 'tree' : kind
  const tree = wanted === 'tree' ? new VantageTree(space) : undefined
  const query = new Float64Array(model.nFeatures)
  return {
    indexes: nearest.indexes,
    squares: nearest.squares,
    find(x, at) {
      space.place(x, at, query)
      nearest.clear()
      if (tree) tree.find(query, nearest)
      else searchAll(space, query, nearest)
    },
  }
}

function spaceOf({ nFeatures, scales, missing, mismatch, rows, targets }: NeighbourModel): NeighbourSpace {
  const order = [...scales.keys()].sort((a, b) => Number(scales[a] === 0) - Number(scales[b] === 0) || a - b)
  const nNumbers = scales.reduce((n, s) => n + (s === 0 ? 0 : 1), 0)
  const place = (x: Float64Array, at: number, out: Float64Array, to = 0) => {
    for (let c = 0; c < nFeatures; c++) {
      const j = order[c]
      const value = x[at + j]
      if (c < nNumbers) out[to + c] = (Number.isNaN(value) ? missing[j] : bounded(value)) / scales[j]
      else out[to + c] = Number.isNaN(value) ? -1 : value
    }
  }
  const points = new Float64Array(rows.length)
  for (let i = 0; i < targets.length; i++) place(rows, i * nFeatures, points, i * nFeatures)
  return { nRows: targets.length, width: nFeatures, nNumbers, points, mismatch, place }
}

/** Infinite values lie far away, not nowhere. */
function bounded(value: number): number {
  return Math.max(-1e150, Math.min(1e150, value))
}

function searchAll(space: NeighbourSpace, query: Float64Array, nearest: Nearest): void {
  for (let i = 0; i < space.nRows; i++) nearest.offer(i, squareTo(space, query, i, nearest.worst))
}
