import type { BinnedData, FeatureBins } from './binning.ts'
import type { Split } from './split.ts'

/** One tree in bins, as it was grown. Node 0 is the root; children lie behind their parent. */
export interface GrownTree {
  /** Split of each node; `null` in leaves. */
  splits: (Split | null)[]
  left: number[]
  right: number[]
  missingLeft: boolean[]
  /** Leaf number of each node; -1 in splits. */
  leafOfNode: number[]
  /** Node of each leaf. */
  leafNodes: number[]
  /** Rows in each leaf. */
  leafRows: number[]
}

/** Leaf number of one binned row. */
export function leafOfRow(tree: GrownTree, data: BinnedData, row: number): number {
  const at = row * data.rowWords * 4
  let node = 0
  for (let split = tree.splits[0]; split; split = tree.splits[node]) {
    const bin = data.bytes[at + split.feature]
    node = goesLeft(split, bin, data.features[split.feature].nBins, tree.missingLeft[node])
      ? tree.left[node]
      : tree.right[node]
  }
  return tree.leafOfNode[node]
}

function goesLeft(split: Split, bin: number, nBins: number, missingLeft: boolean): boolean {
  if (bin === nBins) return missingLeft
  return split.leftBins ? split.leftBins[bin] === 1 : bin <= split.bin
}

/** Levels below the root. */
export function treeDepth({ left, right }: GrownTree): number {
  const depths = new Int32Array(left.length)
  let deepest = 0
  for (let node = 0; node < left.length; node++) {
    if (left[node] < 0) continue
    depths[left[node]] = depths[node] + 1
    depths[right[node]] = depths[node] + 1
    deepest = Math.max(deepest, depths[node] + 1)
  }
  return deepest
}

/** 32-bit words of a node in a table for walking. */
export const NODE_WORDS = 11

/**
 * Lays a tree out for walking without branches. Words of a node: feature, left child (the right one is next to it), a bit for each of 256 bins that goes
 * right, leaf number. Leaves go on to themselves. Children are always opened in pairs, so they lie side by side already.
 */
export function writeNodeTable(tree: GrownTree, features: readonly FeatureBins[], out: Int32Array): void {
  out.fill(0, 0, tree.splits.length * NODE_WORDS)
  tree.splits.forEach((split, node) => {
    const at = node * NODE_WORDS
    out[at + 1] = split ? tree.left[node] : node
    out[at + NODE_WORDS - 1] = tree.leafOfNode[node]
    if (!split) return
    out[at] = split.feature
    const { nBins } = features[split.feature]
    for (let bin = 0; bin <= nBins; bin++) {
      if (!goesLeft(split, bin, nBins, tree.missingLeft[node])) out[at + 2 + (bin >> 5)] |= 1 << (bin & 31)
    }
  })
}
