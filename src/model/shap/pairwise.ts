/**
 * Interventional contributions pair by pair of a row and a background row: for trees of more nodes than ranks, and as the plain statement of it. Down the tree, the paths of all
 * hybrids of the two rows; at a leaf, features that must come from the row and those that must not share its value by Shapley's weights.
 * Source: Lundberg et al. 2020, algorithm 3. Cost a row: O(background rows * nodes).
 */

import type { FeatureRows } from '../feature-rows.ts'
import { rowGoesLeft } from '../forms/tree-explainer.ts'
import type { TreeEnsemble } from '../trees.ts'
import { shapleyWeight } from './paths.ts'

export function pairwiseContributions(
  model: TreeEnsemble,
  background: { rows: FeatureRows; n: number },
): (x: Float64Array, output: number) => Float64Array {
  const { nFeatures, roots, outputOf } = model
  const others = Array.from({ length: background.n }, (_, i) =>
    Float64Array.from({ length: nFeatures }, (_, j) =>
      background.rows instanceof Float64Array ? background.rows[i * nFeatures + j] : background.rows[j][i],
    ),
  )
  return (x, output) => {
    const out = new Float64Array(nFeatures)
    roots.forEach((root, t) => {
      if (outputOf[t] === output) for (const z of others) addPair(model, root, x, z, out)
    })
    return out.map((sum) => sum / background.n)
  }
}

/** Sides of features on a path: from the row, from the background row, or not told apart yet. */
type Sides = Map<number, 'row' | 'other'>

function addPair(
  model: TreeEnsemble,
  root: number,
  x: Float64Array,
  z: Float64Array,
  out: Float64Array,
): void {
  const { left, right, feature, value } = model
  const visit = (node: number, sides: Sides, nRow: number) => {
    if (left[node] < 0) {
      share(value[node], sides, nRow, out)
      return
    }
    const next = (row: Float64Array) => (rowGoesLeft(model, node, row) ? left[node] : right[node])
    const [a, b] = [next(x), next(z)]
    const side = sides.get(feature[node])
    if (a === b) visit(a, sides, nRow)
    else if (side !== undefined) visit(side === 'row' ? a : b, sides, nRow)
    else {
      visit(a, new Map(sides).set(feature[node], 'row'), nRow + 1)
      visit(b, new Map(sides).set(feature[node], 'other'), nRow)
    }
  }
  visit(root, new Map(), 0)
}

function share(value: number, sides: Sides, nRow: number, out: Float64Array): void {
  const n = sides.size
  const nOther = n - nRow
  for (const [feature, side] of sides) {
    if (side === 'row') out[feature] += value * shapleyWeight(nRow - 1, nOther)
    else out[feature] -= value * shapleyWeight(nRow, nOther - 1)
  }
}
