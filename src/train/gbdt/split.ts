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
  /** Whether gains follow from sums alone, but for the order of features. */
  isPlain: boolean
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
  const plain = isPlain(leaf, rules.params)
  const search: Search = { ...sum, leaf, rules, features, slots, isPlain: plain, best: null, bestTotal }
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
  search: Search,
  feature: number,
  leftGrad: number,
  leftHess: number,
  leftRows: number,
  l2: number,
): number {
  const { grad, hess, leaf, rules } = search
  const { params } = rules
  const rightGrad = grad - leftGrad
  const rightHess = hess - leftHess
  const order = params.monotone?.[feature] ?? 0
  if (order === 0 && search.isPlain) {
    return plainGain(leftGrad, leftHess, l2) + plainGain(rightGrad, rightHess, l2)
  }
  const left = leafValue(leftGrad, leftHess, leftRows, leaf, params, l2)
  const right = leafValue(rightGrad, rightHess, leaf.nRows - leftRows, leaf, params, l2)
  if (order * (right - left) < 0) return Number.NEGATIVE_INFINITY
  return gainAt(leftGrad, leftHess, left, params, l2) + gainAt(rightGrad, rightHess, right, params, l2)
}

/** Rounding may leave a gain of a few bits where nothing is gained: such a split is no split. */
function gainOf({ parent }: Search, total: number): number {
  const gain = total - parent
  return gain > 1e-12 * Math.max(1, parent) ? gain : 0
}

function record(search: Search, total: number, split: Split): void {
  search.best = split
  search.bestTotal = total
}

// ---------------------------------------------------------------- numbers

function takeScanned(search: Search, feature: number, { doubles, words }: NumberScan): void {
  const total = doubles[3 * feature]
  const bin = words[6 * feature + 4]
  const side = words[6 * feature + 5]
  if (bin < 0 || !(total > search.bestTotal)) return
  const gain = gainOf(search, total)
  if (gain === 0) return
  const missingLeft = side < 0 ? null : side === 1
  const leftPacked = doubles[3 * feature + 1]
  record(search, total, { gain, feature, bin, leftBins: null, missingLeft, leftPacked })
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
  const gain = bestBin < 0 ? 0 : gainOf(search, best)
  if (gain === 0) return
  record(search, best, { gain, feature, bin: bestBin, leftBins: null, missingLeft, leftPacked: bestPacked })
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

/** The categories of a feature that a leaf has, by number. Kept from search to search, as a tree has a hundred of them. */
interface Categories {
  bin: Int32Array
  packed: Float64Array
  grad: Float64Array
  hess: Float64Array
  rows: Float64Array
  /** What categories are ordered by. */
  ratio: Float64Array
  /** Numbers of categories, in an order. */
  order: Int32Array
}

let categories = openCategories(256)

function openCategories(size: number): Categories {
  const doubles = () => new Float64Array(size)
  return {
    bin: new Int32Array(size),
    packed: doubles(),
    grad: doubles(),
    hess: doubles(),
    rows: doubles(),
    ratio: doubles(),
    order: new Int32Array(size),
  }
}

/**
 * Few categories: each alone against the rest. Many: ordered by gradient over hessian and divided at a border (Fisher, 1958), with
 * smoothing, extra L2 and a bound on the smaller side as LightGBM has it. Missing values are one more category; bins with fewer rows
 * than `smooth` stay right.
 */
function searchCategory(search: Search, feature: number): void {
  const n = sumCategories(search, feature)
  if (n <= search.rules.params.categorical.oneHotMax) {
    searchEach(search, feature, n)
    return
  }
  const { order } = categories
  const nOrdered = orderCategories(n, search.rules.params.categorical.smooth)
  scanCategories(search, feature, nOrdered)
  order.subarray(0, nOrdered).reverse()
  scanCategories(search, feature, nOrdered)
}

/** Fills `categories`; returns how many there are. */
function sumCategories({ leaf, rules, rowsPerHess, slots, features }: Search, feature: number): number {
  const { counts } = leaf
  const { unit, gradStep, hessStep } = rules
  const hist = leaf.hist()
  const base = slots[feature]
  const nCodes = features[feature].nBins + 1
  if (nCodes > categories.bin.length) categories = openCategories(nCodes)
  const { bin: bins, packed: packs, grad, hess, rows } = categories
  const perUnit = 1 / unit
  let n = 0
  for (let bin = 0; bin < nCodes; bin++) {
    const packed = hist[base + bin]
    if (packed === 0 && (counts === null || counts[base + bin] === 0)) continue
    const gradSteps = Math.floor(packed * perUnit)
    bins[n] = bin
    packs[n] = packed
    grad[n] = gradSteps * gradStep
    hess[n] = (packed - gradSteps * unit) * hessStep
    rows[n] = counts ? counts[base + bin] : hess[n] * rowsPerHess
    n++
  }
  return n
}

function searchEach(search: Search, feature: number, n: number): void {
  const { order, packed, grad, hess, rows } = categories
  for (let k = 0; k < n; k++) {
    const total = categoryTotal(search, feature, grad[k], hess[k], rows[k], 0)
    if (!(total > search.bestTotal)) continue
    order[0] = k
    recordCategories(search, feature, total, packed[k], 1)
  }
}

/** Puts the numbers of the categories with enough rows in order by ratio, equal ones by bin; returns how many they are. */
function orderCategories(n: number, smooth: number): number {
  const { order, ratio, grad, hess, rows } = categories
  let placed = 0
  for (let k = 0; k < n; k++) {
    if (rows[k] < smooth) continue
    ratio[k] = grad[k] / (hess[k] + smooth)
    order[placed++] = k
  }
  if (placed > INSERTED_MAX) order.subarray(0, placed).sort((a, b) => ratio[a] - ratio[b] || a - b)
  else insertionSort(order, placed, ratio)
  return placed
}

/** Categories that are ordered by insertion; more are left to the engine, whose sort takes longer to begin. */
const INSERTED_MAX = 48

/** Stable, and `order` rises to begin with. */
function insertionSort(order: Int32Array, n: number, by: Float64Array): void {
  for (let i = 1; i < n; i++) {
    const item = order[i]
    const value = by[item]
    let at = i
    for (; at > 0 && by[order[at - 1]] > value; at--) order[at] = order[at - 1]
    order[at] = item
  }
}

/** Tries the first 1, 2, … categories of the order against the rest. */
function scanCategories(search: Search, feature: number, n: number): void {
  const { setMax, groupRows, l2 } = search.rules.params.categorical
  const { order, packed: packs, grad: grads, hess: hesses, rows: counts } = categories
  const end = Math.min(setMax, Math.ceil(n / 2))
  const groupMin = Math.min(groupRows, search.leaf.nRows / 4)
  let packed = 0
  let grad = 0
  let hess = 0
  let rows = 0
  let groupBegan = 0
  let best = search.bestTotal
  let bestEnd = 0
  let bestPacked = 0
  for (let i = 0; i < end; i++) {
    const k = order[i]
    packed += packs[k]
    grad += grads[k]
    hess += hesses[k]
    rows += counts[k]
    if (rows - groupBegan < groupMin) continue
    groupBegan = rows
    const total = categoryTotal(search, feature, grad, hess, rows, l2)
    if (!(total > best)) continue
    best = total
    bestEnd = i + 1
    bestPacked = packed
  }
  if (bestEnd > 0) recordCategories(search, feature, best, bestPacked, bestEnd)
}

/** Gain of both sides; `-Infinity` when one is too small. */
function categoryTotal(
  search: Search,
  feature: number,
  grad: number,
  hess: number,
  rows: number,
  extraL2: number,
): number {
  const { leaf, rules } = search
  const { minRowsInLeaf, minHessian, l2 } = rules.params
  const minRows = leaf.counts ? minRowsInLeaf : minRowsInLeaf - 0.5
  const isSmall =
    Math.min(rows, leaf.nRows - rows) < minRows || Math.min(hess, search.hess - hess) < minHessian
  return isSmall ? Number.NEGATIVE_INFINITY : totalGain(search, feature, grad, hess, rows, l2 + extraL2)
}

/** Takes the first `end` categories of the order to the left. */
function recordCategories(
  search: Search,
  feature: number,
  total: number,
  leftPacked: number,
  end: number,
): void {
  const gain = gainOf(search, total)
  if (gain === 0) return
  const { leaf, slots } = search
  const { nBins } = search.features[feature]
  const { bin, order } = categories
  const leftBins = new Uint8Array(nBins + 1)
  for (let i = 0; i < end; i++) leftBins[bin[order[i]]] = 1
  const slot = slots[feature] + nBins
  const seenMissing = leaf.hist()[slot] !== 0 || (leaf.counts?.[slot] ?? 0) > 0
  const missingLeft = seenMissing ? leftBins[nBins] === 1 : null
  record(search, total, { gain, feature, bin: -1, leftBins, missingLeft, leftPacked })
}
