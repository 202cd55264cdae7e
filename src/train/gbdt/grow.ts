import type { FeatureBins } from './binning.ts'
import type { GrownTree } from './grown-tree.ts'
import type { Packing } from './kernels.ts'
import type { Machine, RowSet } from './machine.ts'
import type { GbdtParams } from './params.ts'
import { SLOTS } from './sizes.ts'
import { findSplit, type Split } from './split.ts'

/** Bytes of histograms that may be kept for subtraction; above, both children are built from their rows. */
const HISTOGRAM_BYTES_MAX = 512 * 1024 * 1024

/** Whether each leaf may keep its histogram, so that one of two children gets its own by subtraction. */
export function keepsHistograms(nFeatures: number, { leaves }: GbdtParams): boolean {
  return nFeatures * SLOTS * 8 * leaves <= HISTOGRAM_BYTES_MAX
}

/** What all trees of a training share. */
export interface Ground {
  machine: Machine
  features: readonly FeatureBins[]
  params: GbdtParams
}

/** How to read the histograms of one tree. */
export interface Scale {
  packing: Packing
  /** Real gradient of one quantised step; the same for the hessian. */
  gradStep: number
  hessStep: number
}

interface Leaf {
  node: number
  depth: number
  rows: RowSet
  hist: Float64Array | null
  split: Split | null
}

interface Growth {
  ground: Ground
  scale: Scale
  used: Int32Array
  tree: GrownTree
  leaves: Leaf[]
}

/**
 * Grows one tree leaf by leaf, always dividing where the gain is largest, from the quantised gradients of the machine.
 * Returns a tree of one leaf when nothing can be gained. The machine then knows the leaf of each row.
 */
export function growTree(ground: Ground, rows: RowSet, scale: Scale, used: Int32Array): GrownTree {
  const tree: GrownTree = {
    splits: [],
    left: [],
    right: [],
    missingLeft: [],
    leafOfNode: [],
    leafNodes: [],
    leafRows: [],
  }
  const growth: Growth = { ground, scale, used, tree, leaves: [] }
  const root = openLeaf(growth, 0, rows)
  if (canDivide(growth, root)) {
    fillHistogram(growth, root)
    search(growth, root, null)
  }
  growth.leaves.push(root)
  for (
    let leaf = bestLeaf(growth);
    leaf && growth.leaves.length < ground.params.leaves;
    leaf = bestLeaf(growth)
  ) {
    divide(growth, leaf)
  }
  return finish(growth)
}

function openLeaf({ tree }: Growth, depth: number, rows: RowSet): Leaf {
  const node = tree.splits.length
  tree.splits.push(null)
  tree.left.push(-1)
  tree.right.push(-1)
  tree.missingLeft.push(false)
  tree.leafOfNode.push(-1)
  return { node, depth, rows, hist: null, split: null }
}

function canDivide({ ground }: Growth, leaf: Leaf): boolean {
  const { minRowsInLeaf, maxDepth } = ground.params
  return leaf.rows.nRows >= 2 * minRowsInLeaf && leaf.depth < maxDepth
}

function search({ ground, scale, used }: Growth, leaf: Leaf, counts: Int32Array | null): void {
  const { machine, features, params } = ground
  const rules = { unit: scale.packing.unit, gradStep: scale.gradStep, hessStep: scale.hessStep, params }
  const view = { hist: machine.readHistogram(leaf.hist!), nRows: leaf.rows.nRows, counts }
  leaf.split = findSplit(view, features, used, rules)
  if (leaf.split === null) dropHistogram(ground, leaf)
}

function bestLeaf({ leaves }: Growth): Leaf | null {
  let best: Leaf | null = null
  for (const leaf of leaves) {
    if (leaf.split && (best?.split == null || leaf.split.gain > best.split.gain)) best = leaf
  }
  return best
}

/** Divides a leaf by its split, or finds it another one when the split leaves too few rows on a side. */
function divide(growth: Growth, leaf: Leaf): void {
  const { ground, tree } = growth
  const split = leaf.split!
  const [leftRows, rightRows] = ground.machine.divideRows(
    leaf.rows,
    split.feature,
    sidesOf(ground.features[split.feature].nBins, split),
  )
  if (Math.min(leftRows.nRows, rightRows.nRows) < ground.params.minRowsInLeaf) {
    searchExactly(growth, leaf)
    return
  }
  const left = openLeaf(growth, leaf.depth + 1, leftRows)
  const right = openLeaf(growth, leaf.depth + 1, rightRows)
  tree.splits[leaf.node] = split
  tree.left[leaf.node] = left.node
  tree.right[leaf.node] = right.node
  tree.missingLeft[leaf.node] = split.missingLeft ?? leftRows.nRows >= rightRows.nRows
  growth.leaves.splice(growth.leaves.indexOf(leaf), 1, left, right)
  if (growth.leaves.length < ground.params.leaves) searchChildren(growth, leaf, left, right)
  else dropHistogram(ground, leaf)
}

/** 1 for each bin that goes right; missing values that no split has seen may go anywhere, as there are none. */
function sidesOf(nBins: number, split: Split): Uint8Array {
  const goesRight = new Uint8Array(SLOTS)
  for (let b = 0; b < nBins; b++)
    goesRight[b] = Number(split.leftBins ? split.leftBins[b] === 0 : b > split.bin)
  goesRight[nBins] = Number(split.missingLeft !== true)
  return goesRight
}

/** The hessian's estimate of row counts has failed here: count, and search again. */
function searchExactly(growth: Growth, leaf: Leaf): void {
  const { machine, features, params } = growth.ground
  const counts = machine.countRows(leaf.rows)
  if (!leaf.hist) fillHistogram(growth, leaf)
  search(growth, leaf, counts)
  if (!keepsHistograms(features.length, params)) dropHistogram(growth.ground, leaf)
}

/** Builds the smaller child's histogram and gets the larger one's by subtraction from the parent's. */
function searchChildren(growth: Growth, parent: Leaf, left: Leaf, right: Leaf): void {
  const { ground } = growth
  const [small, large] = left.rows.nRows <= right.rows.nRows ? [left, right] : [right, left]
  if (!canDivide(growth, large)) {
    dropHistogram(ground, parent)
    return
  }
  const keeps = keepsHistograms(ground.features.length, ground.params)
  if (keeps) {
    fillHistogram(growth, small)
    large.hist = parent.hist
    ground.machine.subtractHistogram(large.hist!, small.hist!)
  } else {
    dropHistogram(ground, parent)
    if (canDivide(growth, small)) fillHistogram(growth, small)
    fillHistogram(growth, large)
  }
  parent.hist = null
  search(growth, large, null)
  if (canDivide(growth, small)) search(growth, small, null)
  else dropHistogram(ground, small)
  if (!keeps) {
    dropHistogram(ground, small)
    dropHistogram(ground, large)
  }
}

function fillHistogram({ ground, scale }: Growth, leaf: Leaf): void {
  leaf.hist = ground.machine.buildHistogram(leaf.rows, scale.packing)
}

function dropHistogram({ machine }: Ground, leaf: Leaf): void {
  if (leaf.hist) machine.dropHistogram(leaf.hist)
  leaf.hist = null
}

function finish({ ground, tree, leaves }: Growth): GrownTree {
  leaves.forEach((leaf, i) => {
    dropHistogram(ground, leaf)
    tree.leafOfNode[leaf.node] = i
    tree.leafNodes.push(leaf.node)
    tree.leafRows.push(leaf.rows.nRows)
  })
  ground.machine.markLeaves(leaves.map((leaf) => leaf.rows))
  return tree
}
