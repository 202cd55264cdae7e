/** Quantiles of lists held in memory. For streams and merges see `sketch-kll.ts`. */
import {
  type Numbers,
  refuseNaN,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { ascendingOrder, sortedCopy } from './order.ts'

/**
 * Quantile of type 7 (R's and NumPy's default): linear between the order statistics around `(n - 1)·q`.
 * Shapes: `values: [n]`, n >= 1, any order, infinities allowed; `q` in [0, 1]. Cost: O(n log n).
 * Errors: MR_STATS_EMPTY, MR_STATS_NAN, MR_STATS_RANGE. Source: Hyndman and Fan, 1996, definition 7.
 */
export function quantile(values: Numbers, q: number): number {
  return quantiles(values, [q])[0]
}

/** Several quantiles of one list with one sort. Otherwise as `quantile`. */
export function quantiles(values: Numbers, qs: readonly number[]): number[] {
  refuseNaN('values', values)
  const sorted = sortedCopy(values)
  return qs.map((q) => quantileOfSorted(sorted, q))
}

/** Quantile of type 7 of an ascending list without NaN. Cost: O(1). */
export function quantileOfSorted(sorted: Numbers, q: number): number {
  requireRows('quantile', sorted.length)
  requireRange(q >= 0 && q <= 1, 'q', 'in [0, 1]', q)
  const at = (sorted.length - 1) * q
  const below = Math.floor(at)
  const low = sorted[below]
  const high = sorted[Math.min(below + 1, sorted.length - 1)]
  return at === below || low === high ? low : low + (at - below) * (high - low)
}

/** Middle of a list: quantile ½ of type 7. */
export function median(values: Numbers): number {
  return quantile(values, 0.5)
}

/**
 * Weighted quantile: the least value whose cumulative weight reaches `q` of the whole (type 1, the inverted distribution function).
 * Equals repeating every value as often as its weight says. Weights >= 0, not all 0; values of weight 0 never answer.
 * Cost: O(n log n). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function weightedQuantile(values: Numbers, weights: Numbers, q: number): number {
  requireRows('weightedQuantile', values.length)
  requireLength('weights', weights, values.length)
  requireRange(q >= 0 && q <= 1, 'q', 'in [0, 1]', q)
  refuseNaN('values', values)
  refuseNotWeight('weights', weights)
  const order = ascendingOrder(values).filter((i) => weights[i] > 0)
  let total = 0
  for (const i of order) total += weights[i]
  let reached = 0
  for (const i of order) {
    reached += weights[i]
    if (reached >= q * total) return values[i]
  }
  return values[order[order.length - 1]]
}
