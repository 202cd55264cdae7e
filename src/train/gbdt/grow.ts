import { mix32 } from '../../core/rng.ts'
import type { BinnedData, FeatureBins } from './binning.ts'
import type { ColumnPlan } from './columns.ts'
import { type GrownTree, openTree } from './grown-tree.ts'
import { isPlain, leafValue } from './leaf-value.ts'
import type { Histogram, Machine, RowSet, Scale, ScanLeaf } from './machine.ts'
import { type Bounds, boundsOf, separatorsOf, UNBOUND } from './monotone.ts'
import type { GbdtParams } from './params.ts'
import { scannable } from './scan.ts'
import { type LeafView, openSearch, type Scan, type Search, type Split } from './search.ts'
import { findSplit } from './split.ts'

/** Bytes of histograms that may be kept for subtraction; above, both children are built from their rows. */
const HISTOGRAM_BYTES_MAX = 512 * 1024 * 1024

/** Whether each leaf may keep its histogram, so that one of two children gets its own by subtraction. */
export function keepsHistograms({ nSlots }: Pick<ColumnPlan, 'nSlots'>, { leaves }: GbdtParams): boolean {
  return nSlots * 8 * leaves <= HISTOGRAM_BYTES_MAX
}

/** What all trees of a training share. */
export interface Ground {
  machine: Machine
  features: readonly FeatureBins[]
  plan: ColumnPlan
  params: GbdtParams
  /** By feature, whether the machine's scans find its best split in plain leaves; `null` where it finds none. */
  scans: Uint8Array | null
  /** By bin of the feature of a split, 1 where rows go right. */
  goesRight: Uint8Array
}

export function openGround(machine: Machine, { features, plan }: BinnedData, params: GbdtParams): Ground {
  const scans = machine.scanLeaves ? scannable(features, params) : null
  const binsMax = features.reduce((max, { nBins }) => Math.max(max, nBins), 0)
  return { machine, features, plan, params, scans, goesRight: new Uint8Array(binsMax + 1) }
}

/** What one tree is grown on. */
export interface Seedbed {
  rows: RowSet
  scale: Scale
  /** Features it may use, ascending. */
  features: Int32Array
  /** For draws within the tree. */
  salt: number
}

interface Leaf extends LeafView, ScanLeaf {
  node: number
  depth: number
  rows: RowSet
  /** Features of the splits above it. */
  path: readonly number[]
  /** Features it may be divided by, ascending. */
  features: Int32Array
  split: Split | null
}

interface Growth extends Seedbed {
  ground: Ground
  search: Search
  /** Those of `features` that are scanned. */
  scanned: Int32Array
  tree: GrownTree
  leaves: Leaf[]
}

/**
 * Grows one tree leaf by leaf, always dividing where the gain is largest, from the quantised gradients of the machine.
 * Returns a tree of one leaf when nothing can be gained. The machine then knows the leaf of each row.
 */
export function growTree(ground: Ground, bed: Seedbed): GrownTree {
  const { packing, gradStep, hessStep } = bed.scale
  const rules = { unit: packing.unit, gradStep, hessStep, params: ground.params }
  const { features, plan, scans } = ground
  const search = openSearch({ rules, features, starts: plan.featureSlots, scans })
  const scanned = scannedOf(ground, bed.features)
  const growth: Growth = { ...bed, ground, search, scanned, tree: openTree(), leaves: [] }
  const root = openLeaf(growth, null, bed.rows, 0)
  growth.leaves.push(root)
  if (canDivide(growth, root)) {
    fillHistogram(growth, root)
    root.packed = packedSum(growth, root)
    root.value = quantisedValue(growth, root)
    searchLeaves(growth, [root])
  }
  for (
    let leaf = bestLeaf(growth);
    leaf && growth.leaves.length < ground.params.leaves;
    leaf = bestLeaf(growth)
  ) {
    if (boundsHaveMoved(growth, leaf)) searchAgain(growth, leaf, null)
    else divide(growth, leaf)
  }
  return finish(growth)
}

function openLeaf({ tree }: Growth, parent: Leaf | null, rows: RowSet, packed: number): Leaf {
  const node = tree.splits.length
  tree.splits.push(null)
  tree.left.push(-1)
  tree.right.push(-1)
  tree.parent.push(parent ? parent.node : -1)
  tree.missingLeft.push(false)
  tree.leafOfNode.push(-1)
  tree.values.push(0)
  return {
    node,
    depth: parent ? parent.depth + 1 : 0,
    rows,
    nRows: rows.nRows,
    packed,
    value: parent ? parent.value : 0,
    low: parent ? parent.low : Number.NEGATIVE_INFINITY,
    high: parent ? parent.high : Number.POSITIVE_INFINITY,
    path: parent ? extended(parent.path, parent.split!.feature) : NO_PATH,
    salt: 0,
    features: NO_FEATURES,
    scanned: NO_FEATURES,
    histogram: null,
    scan: null,
    slots: null,
    counts: null,
    split: null,
  }
}

const NO_PATH: readonly number[] = []
const NO_FEATURES = new Int32Array(0)

function extended(path: readonly number[], feature: number): readonly number[] {
  return path.includes(feature) ? path : [...path, feature]
}

function packedSum({ ground }: Growth, { histogram }: Leaf): number {
  const slots = ground.machine.readHistogram(histogram!)
  let sum = 0
  for (let slot = 0; slot < ground.plan.featureSlots[1]; slot++) sum += slots[slot]
  return sum
}

function canDivide({ ground }: Growth, leaf: Leaf): boolean {
  const { minRowsInLeaf, maxDepth } = ground.params
  return leaf.nRows >= 2 * minRowsInLeaf && leaf.depth < maxDepth
}

// ---------------------------------------------------------------- searching

/** Finds the split of each leaf; at most two at a time, and one where rows are counted. */
function searchLeaves(growth: Growth, leaves: readonly Leaf[], counts: Histogram | null = null): void {
  const { machine } = growth.ground
  let nScanned = 0
  for (const leaf of leaves) {
    leaf.salt = saltOf(growth, leaf)
    leaf.features = featuresOf(growth, leaf)
    leaf.scanned = scannedIn(growth, leaf)
    nScanned += leaf.scanned.length
  }
  const scans = nScanned > 0 ? machine.scanLeaves!(leaves, counts, growth.scale) : null
  for (let i = 0; i < leaves.length; i++) searchLeaf(growth, leaves[i], scans?.[i] ?? null, counts)
}

function searchLeaf(growth: Growth, leaf: Leaf, scan: Scan | null, counts: Histogram | null): void {
  leaf.scan = leaf.scanned.length > 0 ? scan : null
  if (leaf.scanned.length < leaf.features.length) readSlots(growth, leaf, counts)
  leaf.split = findSplit(growth.search, leaf, leaf.features) ?? searchOthers(growth, leaf, counts)
  leaf.scan = leaf.slots = leaf.counts = null
  if (leaf.split === null) dropHistogram(growth.ground, leaf)
}

function readSlots({ ground }: Growth, leaf: Leaf, counts: Histogram | null): void {
  leaf.counts = counts && ground.machine.readHistogram(counts).slice()
  leaf.slots = ground.machine.readHistogram(leaf.histogram!)
}

/** The features of a leaf that are scanned: none without a hessian, or where gains do not follow from sums alone. */
function scannedIn({ ground, search, features, scanned }: Growth, leaf: Leaf): Int32Array {
  if (leaf.packed % search.rules.unit === 0 || !isPlain(leaf, ground.params)) return NO_FEATURES
  return leaf.features === features ? scanned : scannedOf(ground, leaf.features)
}

function scannedOf({ scans }: Ground, features: Int32Array): Int32Array {
  return scans ? features.filter((j) => scans[j]) : NO_FEATURES
}

function saltOf({ salt }: Growth, { node }: Leaf): number {
  return mix32((salt + Math.imul(node + 1, 0x9e3779b9)) | 0)
}

/** Features a leaf may be divided by: those of the tree that may meet the ones above it. */
function openFeatures({ ground, features }: Growth, leaf: Leaf): Int32Array {
  const { interactions } = ground.params
  if (!interactions) return features
  const open = interactions.filter((group) => leaf.path.every((j) => group.includes(j)))
  return features.filter((j) => open.some((group) => group.includes(j)))
}

/** The share of them that is drawn for each node. */
function featuresOf(growth: Growth, leaf: Leaf): Int32Array {
  const { featureFractionByNode } = growth.ground.params
  return drawFeatures(openFeatures(growth, leaf), featureFractionByNode, leaf.salt)
}

/** Where no feature that was drawn divides a leaf, further ones are tried one by one until one does, as forests do. */
function searchOthers(growth: Growth, leaf: Leaf, counts: Histogram | null): Split | null {
  const open = openFeatures(growth, leaf)
  if (open.length === leaf.features.length) return null
  leaf.scan = null
  if (!leaf.slots) readSlots(growth, leaf, counts)
  for (const j of byHash(open, leaf.salt).subarray(leaf.features.length)) {
    const split = findSplit(growth.search, leaf, Int32Array.of(j))
    if (split) return split
  }
  return null
}

/** The features with the smallest hashes, in rising order; at least one. */
export function drawFeatures(features: Int32Array, share: number, salt: number): Int32Array {
  if (share === 1 || features.length === 0) return features
  return byHash(features, salt)
    .subarray(0, Math.max(1, Math.round(share * features.length)))
    .sort()
}

/** Features in the order of their hashes. */
export function byHash(features: Int32Array, salt: number): Int32Array {
  const hash = new Map(Array.from(features, (j) => [j, mix32(Math.imul(j + 1, 0xc2b2ae35) ^ salt)]))
  return features.slice().sort((a, b) => hash.get(a)! - hash.get(b)! || a - b)
}

function bestLeaf({ leaves }: Growth): Leaf | null {
  let best: Leaf | null = null
  for (const leaf of leaves) {
    if (leaf.split && (best?.split == null || leaf.split.gain > best.split.gain)) best = leaf
  }
  return best
}

/** Leaves across the tree may have been divided since the leaf was searched. */
function boundsHaveMoved(growth: Growth, leaf: Leaf): boolean {
  const { low, high } = boundsFor(growth, leaf.node)
  if (low === leaf.low && high === leaf.high) return false
  leaf.low = low
  leaf.high = high
  return true
}

function boundsFor({ ground, tree }: Growth, node: number): Bounds {
  const { monotone } = ground.params
  return monotone ? boundsOf(tree, monotone, node) : UNBOUND
}

// ---------------------------------------------------------------- dividing

/** Divides a leaf by its split, or finds it another one when the split leaves too few rows on a side. */
function divide(growth: Growth, leaf: Leaf): void {
  const { ground, tree } = growth
  const split = leaf.split!
  const { features, goesRight, machine } = ground
  writeSides(split, features[split.feature].nBins, goesRight)
  const [leftRows, rightRows] = machine.divideRows(leaf.rows, split.feature, goesRight)
  if (Math.min(leftRows.nRows, rightRows.nRows) < ground.params.minRowsInLeaf) {
    const counts = machine.countRows(leaf.rows)
    searchAgain(growth, leaf, counts)
    machine.dropHistogram(counts)
    return
  }
  const left = openLeaf(growth, leaf, leftRows, split.leftPacked)
  const right = openLeaf(growth, leaf, rightRows, leaf.packed - split.leftPacked)
  tree.splits[leaf.node] = split
  tree.left[leaf.node] = left.node
  tree.right[leaf.node] = right.node
  tree.missingLeft[leaf.node] = split.missingLeft ?? leftRows.nRows >= rightRows.nRows
  growth.leaves.splice(growth.leaves.indexOf(leaf), 1, left, right)
  limitChildren(growth, left, right)
  if (growth.leaves.length < ground.params.leaves) searchChildren(growth, leaf, left, right)
  else dropHistogram(ground, leaf)
}

/** Values of both sides within the bounds of the leaf they came from; then each is a bound to the other where their order must hold. */
function limitChildren(growth: Growth, left: Leaf, right: Leaf): void {
  const { values } = growth.tree
  values[left.node] = left.value = quantisedValue(growth, left)
  values[right.node] = right.value = quantisedValue(growth, right)
  if (!growth.ground.params.monotone) return
  Object.assign(left, boundsFor(growth, left.node))
  Object.assign(right, boundsFor(growth, right.node))
}

/** Value of a leaf from its quantised sums; it still holds that of the leaf above. */
function quantisedValue({ search }: Growth, leaf: Leaf): number {
  const { unit, gradStep, hessStep, params } = search.rules
  const gradSteps = Math.floor(leaf.packed / unit)
  const hess = (leaf.packed - gradSteps * unit) * hessStep
  return leafValue(gradSteps * gradStep, hess, leaf.nRows, leaf, params)
}

/** 1 for each bin that goes right; missing values that no split has seen may go anywhere, as there are none. */
function writeSides({ leftBins, bin, missingLeft }: Split, nBins: number, goesRight: Uint8Array): void {
  if (leftBins) for (let b = 0; b < nBins; b++) goesRight[b] = 1 - leftBins[b]
  else goesRight.fill(0, 0, bin + 1).fill(1, bin + 1, nBins)
  goesRight[nBins] = Number(missingLeft !== true)
}

/** Searches a leaf once more: its bounds have moved, or the hessian's estimate of row counts has failed and rows are counted. */
function searchAgain(growth: Growth, leaf: Leaf, counts: Histogram | null): void {
  const { plan, params } = growth.ground
  if (!leaf.histogram) fillHistogram(growth, leaf)
  searchLeaves(growth, [leaf], counts)
  if (!keepsHistograms(plan, params)) dropHistogram(growth.ground, leaf)
}

/** Builds the smaller child's histogram and gets the larger one's by subtraction from the parent's. */
function searchChildren(growth: Growth, parent: Leaf, left: Leaf, right: Leaf): void {
  const { ground } = growth
  const [small, large] = left.nRows <= right.nRows ? [left, right] : [right, left]
  if (!canDivide(growth, large)) {
    dropHistogram(ground, parent)
    return
  }
  const keeps = keepsHistograms(ground.plan, ground.params)
  const searched = canDivide(growth, small) ? [large, small] : [large]
  if (keeps) {
    fillHistogram(growth, small)
    large.histogram = parent.histogram
    ground.machine.subtractHistogram(large.histogram!, small.histogram!)
  } else {
    dropHistogram(ground, parent)
    for (const leaf of searched) fillHistogram(growth, leaf)
  }
  parent.histogram = null
  searchLeaves(growth, searched)
  if (searched.length === 1) dropHistogram(ground, small)
  if (!keeps) for (const leaf of searched) dropHistogram(ground, leaf)
}

function fillHistogram({ ground, scale }: Growth, leaf: Leaf): void {
  leaf.histogram = ground.machine.buildHistogram(leaf.rows, scale.packing)
}

function dropHistogram({ machine }: Ground, leaf: Leaf): void {
  if (leaf.histogram) machine.dropHistogram(leaf.histogram)
  leaf.histogram = null
}

function finish({ ground, tree, leaves }: Growth): GrownTree {
  const { monotone } = ground.params
  leaves.forEach((leaf, i) => {
    dropHistogram(ground, leaf)
    tree.leafOfNode[leaf.node] = i
    tree.leafNodes.push(leaf.node)
    tree.leafRows.push(leaf.nRows)
    const above = tree.parent[leaf.node]
    const value = above < 0 ? 0 : tree.values[above]
    tree.leafLimits.push({ value, ...(monotone ? separatorsOf(tree, monotone, leaf.node) : UNBOUND) })
  })
  ground.machine.markLeaves(leaves.map((leaf) => leaf.rows))
  return tree
}
