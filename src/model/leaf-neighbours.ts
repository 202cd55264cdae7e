/** Training rows that a tree ensemble treats like a given row: those that share its leaves. */
import { MillraceError } from '../core/errors.ts'
import { type FeatureRows, readRow } from './feature-rows.ts'
import { rowGoesLeft } from './forms/tree-explainer.ts'
import { rowsOfSource } from './tree/source-rules.ts'
import type { TreeEnsemble } from './trees.ts'

export interface Neighbour {
  /** Index of the row. */
  row: number
  /** Share of trees in which both rows end in the same leaf. */
  similarity: number
}

export interface LeafIndex {
  readonly nRows: number
  /** The rows most similar to `x`, most similar first, then by index. Cost: rows in the leaves of `x`. */
  nearest(x: Float64Array, k: number): Neighbour[]
}

/** Rows times trees that an index may hold: 4 bytes each. */
export const LEAF_ENTRIES_MAX = 2 ** 27

/**
 * An index of rows by leaf. Similarity is the proximity of random forests: the share of trees that cannot tell two rows apart.
 * Source: Breiman 2003, "Manual on setting up, using, and understanding random forests", proximities. Errors: MR_MODEL_SHAPE when rows times trees
 * are more than 2^27. Cost: rows * depth * trees, 4 bytes a row and tree.
 */
export function indexLeaves(model: TreeEnsemble, rows: FeatureRows, n: number): LeafIndex {
  const nTrees = model.roots.length
  if (n * nTrees > LEAF_ENTRIES_MAX)
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: 'rows of a leaf index',
      expected: Math.floor(LEAF_ENTRIES_MAX / nTrees),
      got: n,
    })
  const first = new Uint32Array(model.feature.length + 1)
  const leafOf = new Uint32Array(n * nTrees)
  const x = new Float64Array(model.nFeatures)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    leavesOf(model, x, leafOf, i * nTrees)
  }
  for (const leaf of leafOf) first[leaf + 1]++
  for (let node = 0; node < first.length - 1; node++) first[node + 1] += first[node]
  const members = new Uint32Array(n * nTrees)
  const next = first.slice()
  for (let at = 0; at < leafOf.length; at++) members[next[leafOf[at]]++] = Math.floor(at / nTrees)
  const own = new Uint32Array(nTrees)
  return {
    nRows: n,
    nearest: (row, k) => {
      leavesOf(model, row, own, 0)
      const shared = new Uint32Array(n)
      for (const leaf of own) for (let at = first[leaf]; at < first[leaf + 1]; at++) shared[members[at]]++
      return mostOf(shared, k).map((i) => ({ row: i, similarity: shared[i] / nTrees }))
    },
  }
}

/** Leaf of each tree that a row ends in, written to `out` from `at` on. */
export function leavesOf(model: TreeEnsemble, given: Float64Array, out: Uint32Array, at: number): void {
  const x = rowsOfSource(model, given) as Float64Array
  for (let t = 0; t < model.roots.length; t++) {
    let node = model.roots[t]
    while (model.left[node] >= 0) node = rowGoesLeft(model, node, x) ? model.left[node] : model.right[node]
    out[at + t] = node
  }
}

/** Indexes of the `k` largest counts above 0. */
function mostOf(counts: Uint32Array, k: number): number[] {
  const some = Array.from(counts.keys()).filter((i) => counts[i] > 0)
  return some.sort((a, b) => counts[b] - counts[a] || a - b).slice(0, k)
}
