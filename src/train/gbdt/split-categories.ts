/** Splits by categories, tried one by one or in order of their gradients. */
import { gainOf, record, type Search, totalGain } from './search.ts'

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
export function searchCategory(search: Search, feature: number): void {
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
function sumCategories({ leaf, rules, rowsPerHess, starts, features }: Search, feature: number): number {
  const { counts } = leaf
  const { unit, gradStep, hessStep } = rules
  const hist = leaf.slots!
  const base = starts[feature]
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
  const { leaf, starts } = search
  const { nBins } = search.features[feature]
  const { bin, order } = categories
  const leftBins = new Uint8Array(nBins + 1)
  for (let i = 0; i < end; i++) leftBins[bin[order[i]]] = 1
  const slot = starts[feature] + nBins
  const seenMissing = leaf.slots![slot] !== 0 || (leaf.counts?.[slot] ?? 0) > 0
  const missingLeft = seenMissing ? leftBins[nBins] === 1 : null
  record(search, total, { gain, feature, bin: -1, leftBins, missingLeft, leftPacked })
}
