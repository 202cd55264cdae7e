import { type BinnedData, binAt, type FeatureBins } from './binning.ts'
import { byCode, type ColumnPlan, type SparsePlace } from './columns.ts'
import { type LeafLimits, settleValue } from './leaf-value.ts'
import type { GbdtParams } from './params.ts'
import type { Split } from './search.ts'

/** One tree in bins, as it was grown. Node 0 is the root; children lie behind their parent. */
export interface GrownTree {
  /** Split of each node; `null` in leaves. */
  splits: (Split | null)[]
  left: number[]
  right: number[]
  /** -1 above the root. */
  parent: number[]
  missingLeft: boolean[]
  /** Value of each node from quantised sums, before the learning rate. */
  values: number[]
  /** Leaf number of each node; -1 in splits. */
  leafOfNode: number[]
  /** Node of each leaf. */
  leafNodes: number[]
  /** Rows in each leaf. */
  leafRows: number[]
  /** What the final value of each leaf is held to. */
  leafLimits: LeafLimits[]
}

export function openTree(): GrownTree {
  return {
    splits: [],
    left: [],
    right: [],
    parent: [],
    missingLeft: [],
    values: [],
    leafOfNode: [],
    leafNodes: [],
    leafRows: [],
    leafLimits: [],
  }
}

/**
 * Holds final leaf values, whatever they were computed from, to what the tree was grown under: the largest step, smoothing, and the order of features.
 * Changes `values`, by leaf number and before the learning rate.
 */
export function settleLeaves(tree: GrownTree, values: Float64Array, params: GbdtParams): void {
  const { maxDeltaStep } = params
  values.forEach((value, leaf) => {
    const step = maxDeltaStep > 0 ? Math.max(-maxDeltaStep, Math.min(maxDeltaStep, value)) : value
    values[leaf] = settleValue(step, tree.leafRows[leaf], tree.leafLimits[leaf], params)
  })
}

/** Leaf number of one binned row. */
export function leafOfRow(tree: GrownTree, data: BinnedData, row: number): number {
  let node = 0
  for (let split = tree.splits[0]; split; split = tree.splits[node]) {
    const bin = binAt(data, row, split.feature)
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
export const NODE_WORDS = 12
/** Words of the sides of a node whose column has two bytes. */
export const WIDE_WORDS = 65_536 / 32

/** Memory that a tree is laid out in for walking. */
export interface NodeTable {
  nodes: Int32Array
  /** `WIDE_WORDS` for each split by a wide column, and where they lie in bytes; `null` without such columns. */
  wide: { bits: Int32Array; at: number } | null
}

/**
 * Lays a tree out for walking without branches on values. Words of a node: byte of a row where its code lies, left child (the right one is next to it), 8
 * words with a bit for each code that goes right, leaf number, and for codes of two bytes where their bits lie, else 0. Leaves go on to themselves. Of a
 * sparse feature: its first slot, and at the end the number of its bins, less than any place in memory; bit 255 is for rows that hold none of them.
 * Children are always opened in pairs, so they lie side by side already.
 */
export function writeNodeTable(
  tree: GrownTree,
  features: readonly FeatureBins[],
  plan: ColumnPlan,
  { nodes, wide }: NodeTable,
): void {
  nodes.fill(0, 0, tree.splits.length * NODE_WORDS)
  let nWide = 0
  tree.splits.forEach((split, node) => {
    const at = node * NODE_WORDS
    nodes[at + 1] = split ? tree.left[node] : node
    nodes[at + 10] = tree.leafOfNode[node]
    if (!split) return
    const place = plan.places[split.feature]
    const byBin = binSides(split, features[split.feature].nBins, tree.missingLeft[node])
    if (place.kind === 'sparse') {
      writeSparse(place, byBin, nodes, at)
      return
    }
    const column = plan.columns[place.column]
    nodes[at] = column.at
    const sides = byCode(place, column.codes, byBin, new Uint8Array(column.codes))
    if (!column.isWide) {
      writeBits(sides, nodes, at + 2)
      return
    }
    nodes[at + 11] = wide!.at + nWide * WIDE_WORDS * 4
    wide!.bits.fill(0, nWide * WIDE_WORDS, (nWide + 1) * WIDE_WORDS)
    writeBits(sides, wide!.bits, nWide++ * WIDE_WORDS)
  })
}

function writeSparse({ slot, codes, common }: SparsePlace, sides: Uint8Array, nodes: Int32Array, at: number) {
  nodes[at] = slot
  nodes[at + 11] = codes
  writeBits(sides, nodes, at + 2)
  if (sides[common]) nodes[at + 9] |= 1 << 31
}

/** 1 for each bin that goes right. */
function binSides(split: Split, nBins: number, missingLeft: boolean): Uint8Array {
  return Uint8Array.from({ length: nBins + 1 }, (_, bin) => Number(!goesLeft(split, bin, nBins, missingLeft)))
}

function writeBits(sides: Uint8Array, out: Int32Array, from: number): void {
  for (let code = 0; code < sides.length; code++) {
    if (sides[code]) out[from + (code >> 5)] |= 1 << (code & 31)
  }
}
