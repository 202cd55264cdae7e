/** Intervals of shares and means. All are two-sided at `level` (default 0.95) with half of the error on each side. */
import { betaQuantile, normalQuantile, studentQuantile } from './distributions.ts'
import { type Estimate, requireRange, requireRows, requireShare } from './inputs.ts'
import { type Moments, variance } from './moments.ts'

/**
 * Wilson's score interval for a share of `hits` in `n` trials, without continuity correction. Fractional counts are fine.
 * `n = 0` gives the whole of [0, 1] around 0.5. Source: Wilson, 1927. Cost: O(1).
 */
export function wilson(hits: number, n: number, level = 0.95): Estimate {
  checkTrials(hits, n, level)
  if (n === 0) return { value: 0.5, interval: [0, 1], n: 0, se: 0 }
  const z = normalQuantile((1 + level) / 2)
  const p = hits / n
  const scale = 1 + (z * z) / n
  const centre = (p + (z * z) / (2 * n)) / scale
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))
  const lower = hits === 0 ? 0 : Math.max(0, centre - half)
  const upper = hits === n ? 1 : Math.min(1, centre + half)
  return { value: p, interval: [lower, upper], n, se: Math.sqrt((p * (1 - p)) / n) }
}

/**
 * Clopper and Pearson's exact interval for a share: never covers less than `level`, so it is wide for few trials.
 * `n = 0` gives [0, 1]. Source: Clopper and Pearson, 1934, by beta quantiles. Cost: some fifty evaluations of the beta cdf.
 */
export function clopperPearson(hits: number, n: number, level = 0.95): Estimate {
  checkTrials(hits, n, level)
  if (n === 0) return { value: 0.5, interval: [0, 1], n: 0, se: 0 }
  const tail = (1 - level) / 2
  const lower = hits === 0 ? 0 : betaQuantile(tail, hits, n - hits + 1)
  const upper = hits === n ? 1 : 1 - betaQuantile(tail, n - hits, hits + 1)
  const p = hits / n
  return { value: p, interval: [lower, upper], n, se: Math.sqrt((p * (1 - p)) / n) }
}

function checkTrials(hits: number, n: number, level: number): void {
  requireRange(n >= 0 && Number.isFinite(n), 'the number of trials', '>= 0', n)
  requireRange(hits >= 0 && hits <= n, 'the number of hits', `between 0 and ${n}`, hits)
  requireShare('level', level)
}

/** Student's interval for a mean, from moments of at least two values (MR_STATS_EMPTY). Standard error with n - 1. */
export function meanInterval(moments: Moments, level = 0.95): Estimate {
  requireRows('meanInterval', moments.n, 2)
  requireShare('level', level)
  const se = Math.sqrt(variance(moments) / moments.n)
  const half = studentQuantile((1 + level) / 2, moments.n - 1) * se
  return { value: moments.mean, interval: [moments.mean - half, moments.mean + half], n: moments.n, se }
}

/** The normal interval `value ± z·se`, cut to `[min, max]`. */
export function normalInterval(
  value: number,
  se: number,
  n: number,
  options: { level?: number; min?: number; max?: number } = {},
): Estimate {
  const { level = 0.95, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = options
  requireShare('level', level)
  const half = normalQuantile((1 + level) / 2) * se
  return { value, interval: [Math.max(min, value - half), Math.min(max, value + half)], n, se }
}
