/**
 * Features whose order the model keeps.
 *
 * What holds at any moment of growing: at each split by such a feature, no leaf of the side that must be lower has a value above one of the other side.
 * A leaf is divided within the bounds that all leaves across those splits leave it now, not those of the moment it was searched; so bounds are as wide as
 * they can be without a look at which leaves touch (the "intermediate" method of LightGBM draws the same bounds from touching leaves alone).
 */
import type { GrownTree } from './grown-tree.ts'

/** By feature: 1 where scores must not fall as it rises, -1 where they must not rise, 0 anything. */
export type Monotone = readonly number[]

export interface Bounds {
  low: number
  high: number
}

export const UNBOUND: Bounds = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }

/** What the values of all leaves across leave to a leaf. */
export function boundsOf(tree: GrownTree, monotone: Monotone, leaf: number): Bounds {
  return narrow(tree, monotone, leaf, (_, across) => across)
}

/** Bounds that hold for the values of a finished tree whatever they become: half way between both sides of each split. */
export function separatorsOf(tree: GrownTree, monotone: Monotone, leaf: number): Bounds {
  return narrow(tree, monotone, leaf, (own, across) => own / 2 + across / 2)
}

/** Goes up from a leaf; `border` says where the leaf's side ends, given the nearest value on its own side and that across. */
function narrow(
  tree: GrownTree,
  monotone: Monotone,
  leaf: number,
  border: (own: number, across: number) => number,
): Bounds {
  const bounds = { ...UNBOUND }
  for (let child = leaf, node = tree.parent[leaf]; node >= 0; child = node, node = tree.parent[node]) {
    const order = monotone[tree.splits[node]!.feature] ?? 0
    if (order === 0) continue
    const isLeft = tree.left[node] === child
    const other = isLeft ? tree.right[node] : tree.left[node]
    if (isLeft === order > 0) {
      const across = extreme(tree, other, Math.min)
      bounds.high = Math.min(bounds.high, border(extreme(tree, child, Math.max), across))
    } else {
      const across = extreme(tree, other, Math.max)
      bounds.low = Math.max(bounds.low, border(extreme(tree, child, Math.min), across))
    }
  }
  return bounds
}

/** Lowest or highest value of the leaves below a node. Cost: O(nodes below). */
function extreme(tree: GrownTree, node: number, pick: (a: number, b: number) => number): number {
  if (tree.left[node] < 0) return tree.values[node]
  return pick(extreme(tree, tree.left[node], pick), extreme(tree, tree.right[node], pick))
}
