import type { FeatureBins } from './binning.ts'
import type { GbdtParams } from './params.ts'
import { SLOTS } from './sizes.ts'

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
  /** Categories: bins that go left, by bin; `null` for numbers. */
  leftBins: Uint8Array | null
  /** Where missing values go; `null` when none was seen, so that the rows decide afterwards. */
  missingLeft: boolean | null
}

/** One leaf's histogram and totals as a search sees them. */
export interface LeafView {
  hist: Float64Array
  nRows: number
  /** Exact rows by slot, where the estimate from the hessian has failed; else `null`. */
  counts: Int32Array | null
}

/** A leaf's sums in real units, and the search's running best. */
interface Search {
  leaf: LeafView
  rules: SplitRules
  grad: number
  hess: number
  /** Rows per unit of real hessian: estimates counts, as LightGBM does. */
  rowsPerHess: number
  /** Score of the undivided leaf. */
  parent: number
  best: Split | null
}

/**
 * The best split of a leaf over the given features, or `null` when none gains.
 * Ties go to the first feature, then to the lowest bin. Cost: O(slots in use), twice where values are missing.
 */
export function findSplit(
  leaf: LeafView,
  features: readonly FeatureBins[],
  used: Int32Array,
  rules: SplitRules,
): Split | null {
  const search = openSearch(leaf, features, rules)
  if (search === null) return null
  for (const j of used) {
    const feature = features[j]
    if (feature.kind === 'number') searchNumber(search, j, feature.nBins)
    else searchCategory(search, j, feature.nBins)
  }
  return search.best
}

function openSearch(leaf: LeafView, features: readonly FeatureBins[], rules: SplitRules): Search | null {
  let total = 0
  for (let b = 0; b <= features[0].nBins; b++) total += leaf.hist[b]
  const gradSteps = Math.floor(total / rules.unit)
  const grad = gradSteps * rules.gradStep
  const hess = (total - gradSteps * rules.unit) * rules.hessStep
  if (!(hess > 0)) return null
  const parent = leafGain(grad, hess, rules.params.l1, rules.params.l2)
  return { leaf, rules, grad, hess, rowsPerHess: leaf.nRows / hess, parent, best: null }
}

/** Twice the loss that the best value of a leaf saves: (|G| - l1)^2 / (H + l2). */
function leafGain(grad: number, hess: number, l1: number, l2: number): number {
  const g = l1 === 0 ? grad : Math.max(0, Math.abs(grad) - l1)
  return (g * g) / (hess + l2)
}

// ---------------------------------------------------------------- numbers

function searchNumber(search: Search, feature: number, nBins: number): void {
  const missing = search.leaf.hist[feature * SLOTS + nBins]
  const hasMissing = missing !== 0 || (search.leaf.counts?.[feature * SLOTS + nBins] ?? 0) > 0
  scanNumber(search, feature, hasMissing ? nBins : nBins - 1, 0, 0, hasMissing ? false : null)
  if (!hasMissing) return
  const missingRows = search.leaf.counts?.[feature * SLOTS + nBins] ?? 0
  scanNumber(search, feature, nBins - 1, missing, missingRows, true)
}

/** Tries each border behind bins `[0, end)`, the left side beginning with what is missing when that goes left. */
function scanNumber(
  search: Search,
  feature: number,
  end: number,
  startPacked: number,
  startRows: number,
  missingLeft: boolean | null,
): void {
  const { hist, counts, nRows } = search.leaf
  const { gradStep, hessStep, unit, params } = search.rules
  const { l1, l2, minHessian } = params
  const { grad, hess, rowsPerHess } = search
  const minRows = counts ? params.minRowsInLeaf : params.minRowsInLeaf - 0.5
  const perUnit = 1 / unit
  const base = feature * SLOTS
  let packed = startPacked
  let rows = startRows
  let bestGain = search.best ? search.best.gain + search.parent : search.parent + params.minGain
  let bestBin = -1
  for (let b = 0; b < end; b++) {
    packed += hist[base + b]
    const gradSteps = Math.floor(packed * perUnit)
    const leftHess = (packed - gradSteps * unit) * hessStep
    if (counts) rows += counts[base + b]
    else rows = leftHess * rowsPerHess
    const rightHess = hess - leftHess
    if (rows < minRows || leftHess < minHessian) continue
    if (nRows - rows < minRows || rightHess < minHessian) break
    const leftGrad = gradSteps * gradStep
    const gain =
      l1 === 0
        ? (leftGrad * leftGrad) / (leftHess + l2) + ((grad - leftGrad) * (grad - leftGrad)) / (rightHess + l2)
        : leafGain(leftGrad, leftHess, l1, l2) + leafGain(grad - leftGrad, rightHess, l1, l2)
    if (gain > bestGain) {
      bestGain = gain
      bestBin = b
    }
  }
  if (bestBin >= 0)
    record(search, { gain: bestGain - search.parent, feature, bin: bestBin, leftBins: null, missingLeft })
}

/** Rounding may leave a gain of a few bits where nothing is gained: such a split is no split. */
function record(search: Search, split: Split): void {
  if (split.gain > 1e-12 * Math.max(1, search.parent)) search.best = split
}

// ---------------------------------------------------------------- categories

interface CategorySum {
  bin: number
  grad: number
  hess: number
  rows: number
}

/**
 * Few categories: each alone against the rest. Many: ordered by gradient over hessian and divided at a border (Fisher, 1958), with
 * smoothing, extra L2 and a bound on the smaller side as LightGBM has it. Missing values are one more category; bins with fewer rows
 * than `smooth` stay right.
 */
function searchCategory(search: Search, feature: number, nBins: number): void {
  const sums = categorySums(search, feature, nBins)
  const { smooth, oneHotMax } = search.rules.params.categorical
  if (sums.length <= oneHotMax) {
    for (const one of sums) tryCategories(search, feature, nBins, [one], one.grad, one.hess, one.rows, 0)
    return
  }
  const placed = sums.filter((sum) => sum.rows >= smooth)
  const ratio = (sum: CategorySum) => sum.grad / (sum.hess + smooth)
  placed.sort((a, b) => ratio(a) - ratio(b) || a.bin - b.bin)
  scanCategories(search, feature, nBins, placed)
  scanCategories(search, feature, nBins, placed.reverse())
}

function categorySums(search: Search, feature: number, nBins: number): CategorySum[] {
  const { hist, counts } = search.leaf
  const { unit, gradStep, hessStep } = search.rules
  const sums: CategorySum[] = []
  for (let bin = 0; bin <= nBins; bin++) {
    const packed = hist[feature * SLOTS + bin]
    const gradSteps = Math.floor(packed / unit)
    const hess = (packed - gradSteps * unit) * hessStep
    const rows = counts ? counts[feature * SLOTS + bin] : hess * search.rowsPerHess
    if (packed !== 0 || rows > 0) sums.push({ bin, grad: gradSteps * gradStep, hess, rows })
  }
  return sums
}

/** Tries the first 1, 2, … categories of an ordering against the rest. */
function scanCategories(search: Search, feature: number, nBins: number, ordered: CategorySum[]): void {
  const { setMax, groupRows, l2 } = search.rules.params.categorical
  const end = Math.min(setMax, Math.ceil(ordered.length / 2))
  let grad = 0
  let hess = 0
  let rows = 0
  let groupBegan = 0
  for (let i = 0; i < end; i++) {
    grad += ordered[i].grad
    hess += ordered[i].hess
    rows += ordered[i].rows
    if (rows - groupBegan < Math.min(groupRows, search.leaf.nRows / 4)) continue
    groupBegan = rows
    tryCategories(search, feature, nBins, ordered.slice(0, i + 1), grad, hess, rows, l2)
  }
}

function tryCategories(
  search: Search,
  feature: number,
  nBins: number,
  left: CategorySum[],
  grad: number,
  hess: number,
  rows: number,
  extraL2: number,
): void {
  const { minRowsInLeaf, minHessian, l1, l2, minGain } = search.rules.params
  const minRows = search.leaf.counts ? minRowsInLeaf : minRowsInLeaf - 0.5
  const rightHess = search.hess - hess
  if (Math.min(rows, search.leaf.nRows - rows) < minRows || Math.min(hess, rightHess) < minHessian) return
  const gain =
    leafGain(grad, hess, l1, l2 + extraL2) +
    leafGain(search.grad - grad, rightHess, l1, l2 + extraL2) -
    search.parent
  if (gain <= (search.best?.gain ?? minGain)) return
  const leftBins = new Uint8Array(SLOTS)
  for (const sum of left) leftBins[sum.bin] = 1
  const { hist, counts } = search.leaf
  const slot = feature * SLOTS + nBins
  const seenMissing = hist[slot] !== 0 || (counts?.[slot] ?? 0) > 0
  record(search, {
    gain,
    feature,
    bin: -1,
    leftBins,
    missingLeft: seenMissing ? leftBins[nBins] === 1 : null,
  })
}
