/** How far beyond what was seen a tail reaches: levels that fresh values pass with a stated chance only. */

import { runEnd, upperBound } from './order.ts'

/** Excesses that a fit needs at least. */
const EXCESSES_MIN = 20
/** Share of the values that is taken for the tail. */
const TAIL_SHARE = 0.1
/** Shapes outside of this say more of few values than of the tail. */
const SHAPE = { min: -0.3, max: 1 }

/**
 * The level that one fresh value exceeds with chance `p`, by the values above their ninth decile: a generalised Pareto tail fitted to the excesses by
 * probability-weighted moments, with a shape one standard error heavier, and beyond the largest value by half the mean excess at least.
 *
 * `sorted: [n]` ascending, finite. Domain: 0 < p <= 0.1. Returns undefined where fewer than twenty values lie above the ninth decile, since ties or few rows leave
 * no tail to fit. Cost: O(n/10). Source: Hosking and Wallis, 1987, "Parameter and quantile estimation for the generalized Pareto distribution",
 * section 3, with plotting positions (j - 0.35)/n. Conventions: the shape is kept within [-0.3, 1]; equal values are spread over the least gap between values around
 * them, so that counts are treated as what they round.
 */
export function tailLevel(sorted: ArrayLike<number>, p: number): number | undefined {
  const n = sorted.length
  if (n === 0) return undefined
  const top = sorted[n - 1]!
  const decile = sorted[Math.max(0, Math.ceil((1 - TAIL_SHARE) * n) - 1)]!
  const first = upperBound(sorted, decile)
  const nExcess = n - first
  if (nExcess < EXCESSES_MIN) return undefined
  const step = leastGap(sorted, first - 1)
  const threshold = decile + step / 2
  const { mean, shape, scale } = paretoOf(excessesOf(sorted, first, step, threshold))
  const rarity = Math.min(1, (p * n) / nExcess)
  const reach =
    Math.abs(shape) < 1e-9
      ? -scale * Math.log(rarity)
      : (scale / shape) * (Math.exp(-shape * Math.log(rarity)) - 1)
  return Math.max(threshold + reach, top + mean / 2)
}

/** Least difference between neighbours that differ, from a place on. */
function leastGap(sorted: ArrayLike<number>, from: number): number {
  let gap = Number.POSITIVE_INFINITY
  for (let i = from + 1; i < sorted.length; i++) {
    const apart = sorted[i]! - sorted[i - 1]!
    if (apart > 0) gap = Math.min(gap, apart)
  }
  return gap
}

/** Ascending; each run of equal values is laid out evenly over one `step` around it. */
function excessesOf(sorted: ArrayLike<number>, first: number, step: number, threshold: number): Float64Array {
  const excesses = new Float64Array(sorted.length - first)
  for (let i = first; i < sorted.length; ) {
    const end = runEnd(sorted, i)
    const equal = end - i
    for (let r = 0; r < equal; r++)
      excesses[i - first + r] = sorted[i]! - threshold + step * ((r + 0.5) / equal - 0.5)
    i = end
  }
  return excesses
}

/** Mean, shape (xi) and scale of excesses in ascending order. */
function paretoOf(excesses: Float64Array): { mean: number; shape: number; scale: number } {
  const k = excesses.length
  let [mean, weighted] = [0, 0]
  for (let j = 0; j < k; j++) {
    mean += excesses[j]! / k
    weighted += (excesses[j]! * (1 - (j + 0.65) / k)) / k
  }
  const apart = mean - 2 * weighted
  const fitted = apart <= 0 ? SHAPE.max : 2 - mean / apart
  const shape = Math.min(SHAPE.max, Math.max(SHAPE.min, fitted + 1 / Math.sqrt(k)))
  return { mean, shape, scale: mean * (1 - Math.min(shape, 0.9)) }
}
