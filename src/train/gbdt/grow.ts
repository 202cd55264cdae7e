import { mix32 } from '../../core/rng.ts'
import type { FeatureBins } from './binning.ts'
import type { ColumnPlan } from './columns.ts'
import { type GrownTree, openTree } from './grown-tree.ts'
import { isPlain, type LeafLimits, leafValue } from './leaf-value.ts'
import type { Histogram, Machine, RowSet, Scale, ScanLeaf } from './machine.ts'
import { type Bounds, boundsOf, separatorsOf, UNBOUND } from './monotone.ts'
import type { GbdtParams } from './params.ts'
import type { LeafView, Scan, Split, SplitRules } from './search.ts'
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

interface Leaf {
  node: number
  depth: number
  rows: RowSet
  /** Packed sum of its rows. */
  packed: number
  limits: LeafLimits
  /** Features of the splits above it. */
  path: readonly number[]
  hist: Histogram | null
  split: Split | null
}

interface Growth extends Seedbed {
  ground: Ground
  rules: SplitRules
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
  const scanned = scannedOf(ground, bed.features)
  const growth: Growth = { ...bed, ground, rules, scanned, tree: openTree(), leaves: [] }
  const root = openLeaf(growth, null, bed.rows, 0)
  growth.leaves.push(root)
  if (canDivide(growth, root)) {
    fillHistogram(growth, root)
    root.packed = packedSum(growth, root)
    root.limits.value = quantisedValue(growth, root)
    search(growth, [root])
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
    packed,
    limits: { value: 0, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY },
    path: parent ? extended(parent.path, parent.split!.feature) : [],
    hist: null,
    split: null,
  }
}

function extended(path: readonly number[], feature: number): readonly number[] {
  return path.includes(feature) ? path : [...path, feature]
}

function packedSum({ ground }: Growth, { hist }: Leaf): number {
  const slots = ground.machine.readHistogram(hist!)
  let sum = 0
  for (let slot = 0; slot < ground.plan.featureSlots[1]; slot++) sum += slots[slot]
  return sum
}

function canDivide({ ground }: Growth, leaf: Leaf): boolean {
  const { minRowsInLeaf, maxDepth } = ground.params
  return leaf.rows.nRows >= 2 * minRowsInLeaf && leaf.depth < maxDepth
}

// ---------------------------------------------------------------- searching

/** Finds the split of each leaf; at most two at a time, and one where rows are counted. */
function search(growth: Growth, leaves: readonly Leaf[], counts: Histogram | null = null): void {
  const { features, plan, scans, machine } = growth.ground
  const offered = leaves.map((leaf) => featuresOf(growth, leaf))
  const asked = leaves.map((leaf, i) => askScan(growth, leaf, offered[i], counts))
  const found = asked.some((leaf) => leaf !== null) ? machine.scanLeaves!(asked, growth.scale) : null
  leaves.forEach((leaf, i) => {
    const view = viewOf(growth, leaf, offered[i], { scan: found?.[i] ?? null, counts })
    leaf.split =
      findSplit(view, features, plan.featureSlots, growth.rules, scans) ?? searchOthers(growth, leaf, view)
    if (leaf.split === null) dropHistogram(growth.ground, leaf)
  })
}

function viewOf(
  growth: Growth,
  leaf: Leaf,
  features: Int32Array,
  { scan, counts }: { scan: Scan | null; counts: Histogram | null },
): LeafView {
  const { machine } = growth.ground
  const { limits, packed, rows, hist } = leaf
  const isScanned = scan !== null && features === growth.features && features.length === growth.scanned.length
  let slots: Float64Array | null = null
  return {
    value: limits.value,
    low: limits.low,
    high: limits.high,
    packed,
    nRows: rows.nRows,
    counts: counts && !isScanned ? machine.readHistogram(counts).slice() : null,
    features,
    salt: saltOf(growth, leaf),
    hist: () => {
      slots ??= machine.readHistogram(hist!)
      return slots
    },
    scan,
  }
}

/** What is asked of a scan; `null` where it would find nothing. */
function askScan(
  growth: Growth,
  leaf: Leaf,
  features: Int32Array,
  counts: Histogram | null,
): ScanLeaf | null {
  const { params } = growth.ground
  const scanned = features === growth.features ? growth.scanned : scannedOf(growth.ground, features)
  if (scanned.length === 0 || !isPlain(leaf.limits, params)) return null
  if (leaf.packed % growth.rules.unit === 0) return null
  return { histogram: leaf.hist!, counts, packed: leaf.packed, nRows: leaf.rows.nRows, features: scanned }
}

function scannedOf({ scans }: Ground, features: Int32Array): Int32Array {
  return scans ? features.filter((j) => scans[j]) : NO_FEATURES
}

const NO_FEATURES = new Int32Array(0)

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
  return drawFeatures(openFeatures(growth, leaf), featureFractionByNode, saltOf(growth, leaf))
}

/** Where no feature that was drawn divides a leaf, further ones are tried one by one until one does, as forests do. */
function searchOthers(growth: Growth, leaf: Leaf, view: LeafView): Split | null {
  const { features, plan } = growth.ground
  const open = openFeatures(growth, leaf)
  if (open.length === view.features.length) return null
  for (const j of byHash(open, saltOf(growth, leaf)).subarray(view.features.length)) {
    const split = findSplit(
      { ...view, scan: null, features: Int32Array.of(j) },
      features,
      plan.featureSlots,
      growth.rules,
    )
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
  if (low === leaf.limits.low && high === leaf.limits.high) return false
  leaf.limits = { ...leaf.limits, low, high }
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
  const [leftRows, rightRows] = ground.machine.divideRows(
    leaf.rows,
    split.feature,
    sidesOf(ground.features[split.feature].nBins, split),
  )
  if (Math.min(leftRows.nRows, rightRows.nRows) < ground.params.minRowsInLeaf) {
    const counts = ground.machine.countRows(leaf.rows)
    searchAgain(growth, leaf, counts)
    ground.machine.dropHistogram(counts)
    return
  }
  const left = openLeaf(growth, leaf, leftRows, split.leftPacked)
  const right = openLeaf(growth, leaf, rightRows, leaf.packed - split.leftPacked)
  tree.splits[leaf.node] = split
  tree.left[leaf.node] = left.node
  tree.right[leaf.node] = right.node
  tree.missingLeft[leaf.node] = split.missingLeft ?? leftRows.nRows >= rightRows.nRows
  growth.leaves.splice(growth.leaves.indexOf(leaf), 1, left, right)
  limitChildren(growth, leaf, left, right)
  if (growth.leaves.length < ground.params.leaves) searchChildren(growth, leaf, left, right)
  else dropHistogram(ground, leaf)
}

/** Values of both sides within the bounds of the leaf they came from; then each is a bound to the other where their order must hold. */
function limitChildren(growth: Growth, parent: Leaf, left: Leaf, right: Leaf): void {
  for (const leaf of [left, right]) {
    leaf.limits = { ...parent.limits }
    leaf.limits.value = quantisedValue(growth, leaf)
    growth.tree.values[leaf.node] = leaf.limits.value
  }
  for (const leaf of [left, right]) Object.assign(leaf.limits, boundsFor(growth, leaf.node))
}

/** Value of a leaf from its quantised sums; its limits still hold the value of the leaf above. */
function quantisedValue(growth: Growth, leaf: Leaf): number {
  const { unit, gradStep, hessStep, params } = growth.rules
  const gradSteps = Math.floor(leaf.packed / unit)
  const hess = (leaf.packed - gradSteps * unit) * hessStep
  return leafValue(gradSteps * gradStep, hess, leaf.rows.nRows, leaf.limits, params)
}

/** 1 for each bin that goes right; missing values that no split has seen may go anywhere, as there are none. */
function sidesOf(nBins: number, split: Split): Uint8Array {
  const goesRight = new Uint8Array(nBins + 1)
  for (let b = 0; b < nBins; b++)
    goesRight[b] = Number(split.leftBins ? split.leftBins[b] === 0 : b > split.bin)
  goesRight[nBins] = Number(split.missingLeft !== true)
  return goesRight
}

/** Searches a leaf once more: its bounds have moved, or the hessian's estimate of row counts has failed and rows are counted. */
function searchAgain(growth: Growth, leaf: Leaf, counts: Histogram | null): void {
  const { plan, params } = growth.ground
  if (!leaf.hist) fillHistogram(growth, leaf)
  search(growth, [leaf], counts)
  if (!keepsHistograms(plan, params)) dropHistogram(growth.ground, leaf)
}

/** Builds the smaller child's histogram and gets the larger one's by subtraction from the parent's. */
function searchChildren(growth: Growth, parent: Leaf, left: Leaf, right: Leaf): void {
  const { ground } = growth
  const [small, large] = left.rows.nRows <= right.rows.nRows ? [left, right] : [right, left]
  if (!canDivide(growth, large)) {
    dropHistogram(ground, parent)
    return
  }
  const keeps = keepsHistograms(ground.plan, ground.params)
  const searched = canDivide(growth, small) ? [large, small] : [large]
  if (keeps) {
    fillHistogram(growth, small)
    large.hist = parent.hist
    ground.machine.subtractHistogram(large.hist!, small.hist!)
  } else {
    dropHistogram(ground, parent)
    for (const leaf of searched) fillHistogram(growth, leaf)
  }
  parent.hist = null
  search(growth, searched)
  if (searched.length === 1) dropHistogram(ground, small)
  if (!keeps) for (const leaf of searched) dropHistogram(ground, leaf)
}

function fillHistogram({ ground, scale }: Growth, leaf: Leaf): void {
  leaf.hist = ground.machine.buildHistogram(leaf.rows, scale.packing)
}

function dropHistogram({ machine }: Ground, leaf: Leaf): void {
  if (leaf.hist) machine.dropHistogram(leaf.hist)
  leaf.hist = null
}

function finish({ ground, tree, leaves }: Growth): GrownTree {
  const { monotone } = ground.params
  leaves.forEach((leaf, i) => {
    dropHistogram(ground, leaf)
    tree.leafOfNode[leaf.node] = i
    tree.leafNodes.push(leaf.node)
    tree.leafRows.push(leaf.rows.nRows)
    const above = tree.parent[leaf.node]
    const value = above < 0 ? 0 : tree.values[above]
    tree.leafLimits.push({ value, ...(monotone ? separatorsOf(tree, monotone, leaf.node) : UNBOUND) })
  })
  ground.machine.markLeaves(leaves.map((leaf) => leaf.rows))
  return tree
}
