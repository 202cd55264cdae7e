import { mix32 } from '../../core/rng.ts'
import type { FeatureBins } from './binning.ts'
import { gainAt, isPlain, type LeafLimits, leafValue, plainGain } from './leaf-value.ts'
import type { GbdtParams } from './params.ts'

/** How to read a packed histogram, and what a split must hold to. */
export interface SplitRules {
  unit: number
  /** Real gradient of one quantised step; the same for the hessian. */
  gradStep: number
  hessStep: number
  params: GbdtParams
}

/** A division of a leaf's rows by bin. */
export interface Split {
  gain: number
  feature: number
  /** Numbers: last bin that goes left. Categories: -1. */
  bin: number
  /** Categories: bins that go left, by bin, that of missing values at the end; `null` for numbers. */
  leftBins: Uint8Array | null
  /** Where missing values go; `null` when none was seen, so that the rows decide afterwards. */
  missingLeft: boolean | null
  /** Packed sum of the rows that go left. */
  leftPacked: number
}

/** The best border of each number feature, as a machine found it, by feature. */
export interface NumberScan {
  /** Three a feature: gain of both sides before that of the leaf is taken off, packed sum of the left side, two of `words`. */
  doubles: Float64Array
  /** Six a feature, the last two: bin or -1 where no border is better than none; where missing values go, 1 left, 0 right, -1 none seen. */
  words: Int32Array
}

/** A leaf as a search sees it. */
export interface LeafView extends LeafLimits {
  /** Packed sum of its rows. */
  packed: number
  nRows: number
  /** Exact rows by slot, where the estimate from the hessian has failed; else `null`. */
  counts: Int32Array | null
  /** Features it may be split by, ascending. */
  features: Int32Array
  /** For borders drawn at random. */
  salt: number
  /** Histogram over features. */
  hist(): Float64Array
  /** Borders that a machine has found among the features for which `scansPlainly` holds. */
  scan: NumberScan | null
}

/** Sums of a leaf in real units, and what a border must exceed. */
export interface LeafSum {
  grad: number
  hess: number
  /** Rows per unit of real hessian: estimates counts, as LightGBM does. */
  rowsPerHess: number
  /** Gain of the undivided leaf. */
  parent: number
}

interface Search extends LeafSum {
  leaf: LeafView
  rules: SplitRules
  features: readonly FeatureBins[]
  slots: Int32Array
  best: Split | null
  /** Gain of both sides that the next split must exceed. */
  bestTotal: number
}

/**
 * The best split of a leaf over its features, or `null` when none gains.
 * Ties go to the first feature, then to the lowest bin. Cost: O(slots in use), twice where values are missing.
 */
export function findSplit(
  leaf: LeafView,
  features: readonly FeatureBins[],
  slots: Int32Array,
  rules: SplitRules,
): Split | null {
  const sum = leafSum(leaf, rules)
  if (sum === null) return null
  const bestTotal = sum.parent + rules.params.minGain
  const search: Search = { ...sum, leaf, rules, features, slots, best: null, bestTotal }
  for (const j of leaf.features) {
    if (features[j].kind === 'category') searchCategory(search, j)
    else if (leaf.scan && scansPlainly(leaf, j, rules.params)) takeScanned(search, j, leaf.scan)
    else searchNumber(search, j)
  }
  return search.best
}

/** Whether the borders of a feature can be tried by gain alone, which machines do. */
export function scansPlainly(leaf: LeafView, feature: number, params: GbdtParams): boolean {
  return leaf.counts === null && !params.randomBorders && isPlain(leaf, params) && !params.monotone?.[feature]
}

/** `null` for a leaf without hessian. */
export function leafSum(leaf: LeafView, { unit, gradStep, hessStep, params }: SplitRules): LeafSum | null {
  const gradSteps = Math.floor(leaf.packed / unit)
  const grad = gradSteps * gradStep
  const hess = (leaf.packed - gradSteps * unit) * hessStep
  if (!(hess > 0)) return null
  const parent = isPlain(leaf, params)
    ? plainGain(grad, hess, params.l2)
    : gainAt(grad, hess, leaf.value, params, params.l2)
  return { grad, hess, rowsPerHess: leaf.nRows / hess, parent }
}

/** Gain of a division, both sides taken together; `-Infinity` where it is against the order that a feature must keep. */
function totalGain(
  { grad, hess, leaf, rules }: Search,
  feature: number,
  leftGrad: number,
  leftHess: number,
  leftRows: number,
  l2: number,
): number {
  const { params } = rules
  const rightGrad = grad - leftGrad
  const rightHess = hess - leftHess
  const order = params.monotone?.[feature] ?? 0
  if (order === 0 && isPlain(leaf, params)) {
    return plainGain(leftGrad, leftHess, l2) + plainGain(rightGrad, rightHess, l2)
  }
  const left = leafValue(leftGrad, leftHess, leftRows, leaf, params, l2)
  const right = leafValue(rightGrad, rightHess, leaf.nRows - leftRows, leaf, params, l2)
  if (order * (right - left) < 0) return Number.NEGATIVE_INFINITY
  return gainAt(leftGrad, leftHess, left, params, l2) + gainAt(rightGrad, rightHess, right, params, l2)
}

/** Rounding may leave a gain of a few bits where nothing is gained: such a split is no split. */
function record(search: Search, total: number, split: Omit<Split, 'gain'>): void {
  const gain = total - search.parent
  if (!(gain > 1e-12 * Math.max(1, search.parent))) return
  search.best = { gain, ...split }
  search.bestTotal = total
}

// ---------------------------------------------------------------- numbers

function takeScanned(search: Search, feature: number, { doubles, words }: NumberScan): void {
  const total = doubles[3 * feature]
  const bin = words[6 * feature + 4]
  const side = words[6 * feature + 5]
  if (bin < 0 || !(total > search.bestTotal)) return
  const missingLeft = side < 0 ? null : side === 1
  record(search, total, { feature, bin, leftBins: null, missingLeft, leftPacked: doubles[3 * feature + 1] })
}

function searchNumber(search: Search, feature: number): void {
  const { nBins } = search.features[feature]
  const { counts } = search.leaf
  const at = search.slots[feature] + nBins
  const missing = search.leaf.hist()[at]
  const missingRows = counts?.[at] ?? 0
  const hasMissing = missing !== 0 || missingRows > 0
  const only = search.rules.params.randomBorders ? drawBorder(search, feature) : -1
  scanNumber(search, feature, hasMissing ? nBins : nBins - 1, 0, 0, hasMissing ? false : null, only)
  if (hasMissing) scanNumber(search, feature, nBins - 1, missing, missingRows, true, only)
}

/** Tries each border behind bins `[0, end)`, or only one; the left side begins with what is missing when that goes left. */
function scanNumber(
  search: Search,
  feature: number,
  end: number,
  startPacked: number,
  startRows: number,
  missingLeft: boolean | null,
  only: number,
): void {
  const { leaf, hess, rowsPerHess, slots } = search
  const { counts, nRows } = leaf
  const { gradStep, hessStep, unit, params } = search.rules
  const { l2, minHessian } = params
  const hist = leaf.hist()
  const minRows = counts ? params.minRowsInLeaf : params.minRowsInLeaf - 0.5
  const perUnit = 1 / unit
  const base = slots[feature]
  let packed = startPacked
  let rows = startRows
  let best = search.bestTotal
  let bestBin = -1
  let bestPacked = 0
  for (let b = 0; b < end; b++) {
    const slot = hist[base + b]
    if (slot === 0 && counts === null && only < 0) continue
    packed += slot
    const gradSteps = Math.floor(packed * perUnit)
    const leftHess = (packed - gradSteps * unit) * hessStep
    if (counts) rows += counts[base + b]
    else rows = leftHess * rowsPerHess
    const rightHess = hess - leftHess
    if (rows < minRows || leftHess < minHessian) continue
    if (nRows - rows < minRows || rightHess < minHessian) break
    if (only >= 0 && b !== only) continue
    const gain = totalGain(search, feature, gradSteps * gradStep, leftHess, rows, l2)
    if (gain > best) {
      best = gain
      bestBin = b
      bestPacked = packed
    }
  }
  if (bestBin < 0) return
  record(search, best, { feature, bin: bestBin, leftBins: null, missingLeft, leftPacked: bestPacked })
}

/**
 * A border at random: uniform between the edges that part the leaf's rows, as extremely randomised trees draw it (Geurts, Ernst and Wehenkel, 2006).
 * Infinities are left out of the range. The hash is not the one that draws features, else their borders would all be low. With one bin in use there is only what parts the missing values from the others.
 */
function drawBorder({ leaf, features, slots }: Search, feature: number): number {
  const bins = features[feature]
  if (bins.kind !== 'number') return -1
  const hist = leaf.hist()
  const isUsed = (b: number) => hist[slots[feature] + b] !== 0 || (leaf.counts?.[slots[feature] + b] ?? 0) > 0
  let first = 0
  while (first < bins.nBins && !isUsed(first)) first++
  let last = bins.nBins - 1
  while (last > first && !isUsed(last)) last--
  if (first >= last) return bins.nBins - 1
  const share = mix32(Math.imul(feature + 1, 0x27d4eb2f) ^ ~leaf.salt) / 2 ** 32
  const low = Math.max(-Number.MAX_VALUE / 4, bins.edges[first])
  const high = Math.min(Number.MAX_VALUE / 4, bins.edges[last - 1])
  const value = low + share * (high - low)
  let b = first
  while (b < last - 1 && bins.edges[b] < value) b++
  return b
}

// ---------------------------------------------------------------- categories

interface CategorySum {
  bin: number
  packed: number
  grad: number
  hess: number
  rows: number
  /** What categories are ordered by. */
  ratio: number
}

/**
 * Few categories: each alone against the rest. Many: ordered by gradient over hessian and divided at a border (Fisher, 1958), with
 * smoothing, extra L2 and a bound on the smaller side as LightGBM has it. Missing values are one more category; bins with fewer rows
 * than `smooth` stay right.
 */
function searchCategory(search: Search, feature: number): void {
  const sums = categorySums(search, feature)
  const { smooth, oneHotMax } = search.rules.params.categorical
  if (sums.length <= oneHotMax) {
    for (const one of sums) {
      const total = categoryTotal(search, feature, one, 0)
      if (total > search.bestTotal) recordCategories(search, feature, total, one.packed, [one], 1)
    }
    return
  }
  const placed = sums.filter((sum) => sum.rows >= smooth)
  for (const sum of placed) sum.ratio = sum.grad / (sum.hess + smooth)
  placed.sort((a, b) => a.ratio - b.ratio || a.bin - b.bin)
  scanCategories(search, feature, placed)
  scanCategories(search, feature, placed.reverse())
}

function categorySums(search: Search, feature: number): CategorySum[] {
  const { counts } = search.leaf
  const { unit, gradStep, hessStep } = search.rules
  const hist = search.leaf.hist()
  const base = search.slots[feature]
  const sums: CategorySum[] = []
  for (let bin = 0; bin <= search.features[feature].nBins; bin++) {
    const packed = hist[base + bin]
    const gradSteps = Math.floor(packed / unit)
    const hess = (packed - gradSteps * unit) * hessStep
    const rows = counts ? counts[base + bin] : hess * search.rowsPerHess
    if (packed !== 0 || rows > 0) sums.push({ bin, packed, grad: gradSteps * gradStep, hess, rows, ratio: 0 })
  }
  return sums
}

/** Tries the first 1, 2, … categories of an ordering against the rest. */
function scanCategories(search: Search, feature: number, ordered: CategorySum[]): void {
  const { setMax, groupRows, l2 } = search.rules.params.categorical
  const end = Math.min(setMax, Math.ceil(ordered.length / 2))
  const groupMin = Math.min(groupRows, search.leaf.nRows / 4)
  const left = { packed: 0, grad: 0, hess: 0, rows: 0 }
  let groupBegan = 0
  let best = search.bestTotal
  let bestEnd = 0
  let bestPacked = 0
  for (let i = 0; i < end; i++) {
    left.packed += ordered[i].packed
    left.grad += ordered[i].grad
    left.hess += ordered[i].hess
    left.rows += ordered[i].rows
    if (left.rows - groupBegan < groupMin) continue
    groupBegan = left.rows
    const total = categoryTotal(search, feature, left, l2)
    if (!(total > best)) continue
    best = total
    bestEnd = i + 1
    bestPacked = left.packed
  }
  if (bestEnd > 0) recordCategories(search, feature, best, bestPacked, ordered, bestEnd)
}

/** Gain of both sides; `-Infinity` when one is too small. */
function categoryTotal(
  search: Search,
  feature: number,
  { grad, hess, rows }: Pick<CategorySum, 'grad' | 'hess' | 'rows'>,
  extraL2: number,
): number {
  const { leaf, rules } = search
  const { minRowsInLeaf, minHessian, l2 } = rules.params
  const minRows = leaf.counts ? minRowsInLeaf : minRowsInLeaf - 0.5
  const isSmall =
    Math.min(rows, leaf.nRows - rows) < minRows || Math.min(hess, search.hess - hess) < minHessian
  return isSmall ? Number.NEGATIVE_INFINITY : totalGain(search, feature, grad, hess, rows, l2 + extraL2)
}

/** Takes the first `end` of some categories to the left. */
function recordCategories(
  search: Search,
  feature: number,
  total: number,
  leftPacked: number,
  ordered: readonly CategorySum[],
  end: number,
): void {
  const { leaf, slots } = search
  const { nBins } = search.features[feature]
  const leftBins = new Uint8Array(nBins + 1)
  for (let i = 0; i < end; i++) leftBins[ordered[i].bin] = 1
  const slot = slots[feature] + nBins
  const seenMissing = leaf.hist()[slot] !== 0 || (leaf.counts?.[slot] ?? 0) > 0
  const missingLeft = seenMissing ? leftBins[nBins] === 1 : null
  record(search, total, { feature, bin: -1, leftBins, missingLeft, leftPacked })
}
