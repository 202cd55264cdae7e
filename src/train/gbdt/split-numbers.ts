/** Splits by the borders of a number. */
import { mix32 } from '../../core/rng.ts'
import { gainOf, record, type Search, totalGain } from './search.ts'

export function searchNumber(search: Search, feature: number): void {
  const { nBins } = search.features[feature]
  const { counts } = search.leaf
  const at = search.starts[feature] + nBins
  const missing = search.leaf.slots![at]
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
  const { leaf, hess, rowsPerHess, starts } = search
  const { counts, nRows } = leaf
  const { gradStep, hessStep, unit, params } = search.rules
  const { l2, minHessian } = params
  const hist = leaf.slots!
  const minRows = counts ? params.minRowsInLeaf : params.minRowsInLeaf - 0.5
  const perUnit = 1 / unit
  const base = starts[feature]
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
function drawBorder({ leaf, features, starts }: Search, feature: number): number {
  const bins = features[feature]
  if (bins.kind !== 'number') return -1
  const hist = leaf.slots!
  const isUsed = (b: number) =>
    hist[starts[feature] + b] !== 0 || (leaf.counts?.[starts[feature] + b] ?? 0) > 0
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
