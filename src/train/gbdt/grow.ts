import type { FeatureBins } from './binning.ts'
import type { GrownTree } from './grown-tree.ts'
import { type Packing, SLOTS } from './kernels.ts'
import type { Machine, RowSet } from './machine.ts'
import type { GbdtParams } from './params.ts'
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
  begin: number
  end: number // exclusive
  hist: Float64Array | null
  split: Split | null
}

interface Growth {
  space: Workspace
  scale: { packing: Packing; gradStep: number; hessStep: number }
  used: Int32Array
  tree: GrownTree
  leaves: Leaf[]
}

/**
 * Grows one tree leaf by leaf, always dividing where the gain is largest, from the packed gradients in the workspace.
 * `nRows` rows of `space.rows` take part. Returns a tree of one leaf when nothing can be gained.
 */
export function growTree(
  space: Workspace,
  nRows: number,
  scale: { packing: Packing; gradStep: number; hessStep: number },
  used: Int32Array,
): GrownTree {
  const tree: GrownTree = {
    splits: [],
    left: [],
    right: [],
    missingLeft: [],
    leafOfNode: [],
    leafNodes: [],
    leafRows: [],
  }
  const growth: Growth = { space, scale, used, tree, leaves: [] }
  const root = openLeaf(growth, 0, 0, nRows)
  if (canDivide(growth, root)) {
    root.hist = takeHistogram(space)
    buildHistogram(root.hist, space.records, scale.packing, space.rows, 0, nRows, nRows === space.data.nRows)
    search(growth, root, null)
  }
  growth.leaves.push(root)
  for (
    let leaf = bestLeaf(growth);
    leaf && growth.leaves.length < space.params.leaves;
    leaf = bestLeaf(growth)
  ) {
    divide(growth, leaf)
  }
  return finish(growth)
}

function openLeaf({ tree }: Growth, depth: number, begin: number, end: number): Leaf {
  const node = tree.splits.length
  tree.splits.push(null)
  tree.left.push(-1)
  tree.right.push(-1)
  tree.missingLeft.push(false)
  tree.leafOfNode.push(-1)
  return { node, depth, begin, end, hist: null, split: null }
}

function canDivide({ space }: Growth, leaf: Leaf): boolean {
  const { minRowsInLeaf, maxDepth } = space.params
  return leaf.end - leaf.begin >= 2 * minRowsInLeaf && leaf.depth < maxDepth
}

function search({ space, scale, used }: Growth, leaf: Leaf, counts: Int32Array | null): void {
  const rules = {
    unit: scale.packing.unit,
    gradStep: scale.gradStep,
    hessStep: scale.hessStep,
    params: space.params,
  }
  const view = { hist: leaf.hist!, nRows: leaf.end - leaf.begin, counts }
  leaf.split = findSplit(view, space.data.features, used, rules)
  if (leaf.split === null) dropHistogram(space, leaf)
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
  const { space, tree } = growth
  const split = leaf.split!
  const middle = partition(space, leaf, split)
  const nLeft = middle - leaf.begin
  const nRight = leaf.end - middle
  if (Math.min(nLeft, nRight) < space.params.minRowsInLeaf) {
    searchExactly(growth, leaf)
    return
  }
  const left = openLeaf(growth, leaf.depth + 1, leaf.begin, middle)
  const right = openLeaf(growth, leaf.depth + 1, middle, leaf.end)
  tree.splits[leaf.node] = split
  tree.left[leaf.node] = left.node
  tree.right[leaf.node] = right.node
  tree.missingLeft[leaf.node] = split.missingLeft ?? nLeft >= nRight
  growth.leaves.splice(growth.leaves.indexOf(leaf), 1, left, right)
  if (growth.leaves.length < space.params.leaves) searchChildren(growth, leaf, left, right)
  else dropHistogram(space, leaf)
}

function partition(space: Workspace, leaf: Leaf, split: Split): number {
  const { nBins } = space.data.features[split.feature]
  const { goesRight } = space
  for (let b = 0; b < nBins; b++)
    goesRight[b] = Number(split.leftBins ? split.leftBins[b] === 0 : b > split.bin)
  goesRight[nBins] = Number(split.missingLeft !== true)
  return partitionRows(space.rows, leaf.begin, leaf.end, space.columns[split.feature], goesRight, space.spare)
}

/** The hessian's estimate of row counts has failed here: count, and search again. */
function searchExactly(growth: Growth, leaf: Leaf): void {
  const { space } = growth
  const counts = new Int32Array(space.data.nFeatures * SLOTS)
  countHistogram(counts, space.columns, space.rows, leaf.begin, leaf.end)
  if (!leaf.hist) fillHistogram(growth, leaf)
  search(growth, leaf, counts)
  if (!space.keepsHistograms) dropHistogram(space, leaf)
}

/** Builds the smaller child's histogram and gets the larger one's by subtraction from the parent's. */
function searchChildren(growth: Growth, parent: Leaf, left: Leaf, right: Leaf): void {
  const { space } = growth
  const [small, large] = left.end - left.begin <= right.end - right.begin ? [left, right] : [right, left]
  if (!canDivide(growth, large)) {
    dropHistogram(space, parent)
    return
  }
  if (space.keepsHistograms) {
    fillHistogram(growth, small)
    large.hist = parent.hist
    subtractHistogram(large.hist!, small.hist!)
  } else {
    dropHistogram(space, parent)
    if (canDivide(growth, small)) fillHistogram(growth, small)
    fillHistogram(growth, large)
  }
  parent.hist = null
  search(growth, large, null)
  if (canDivide(growth, small)) search(growth, small, null)
  else dropHistogram(space, small)
  if (!space.keepsHistograms) {
    dropHistogram(space, small)
    dropHistogram(space, large)
  }
}

function fillHistogram({ space, scale }: Growth, leaf: Leaf): void {
  leaf.hist = takeHistogram(space)
  buildHistogram(leaf.hist, space.records, scale.packing, space.rows, leaf.begin, leaf.end, false)
}

function takeHistogram(space: Workspace): Float64Array {
  return space.histograms.pop() ?? new Float64Array(Math.ceil(space.data.nFeatures / 4) * 4 * SLOTS)
}

function dropHistogram(space: Workspace, leaf: Leaf): void {
  if (leaf.hist) space.histograms.push(leaf.hist)
  leaf.hist = null
}

function finish({ space, tree, leaves }: Growth): GrownTree {
  leaves.forEach((leaf, i) => {
    dropHistogram(space, leaf)
    tree.leafOfNode[leaf.node] = i
    tree.leafNodes.push(leaf.node)
    tree.leafRows.push(leaf.end - leaf.begin)
    markLeaf(space.leafOf, space.rows, leaf.begin, leaf.end, i)
  })
  return tree
}

