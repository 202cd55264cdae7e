/**
 * Mean, variance and skewness in one pass, by Welford's updates, so that a large offset costs no digits; mergeable after Chan.
 * Source: Welford, 1962; Chan, Golub and LeVeque, 1979; third moment as Pébay, 2008, equations 2.1 and 3.1.
 */
import { MillraceError } from '../core/errors.ts'
import { type Numbers, requireRows } from './inputs.ts'

/** Plain JSON once it holds a value. `min` and `max` are 0 while `n` is 0. */
export interface Moments {
  n: number
  mean: number
  /** Σ(x - mean)². */
  m2: number
  /** Σ(x - mean)³. */
  m3: number
  min: number
  max: number
}

export function emptyMoments(): Moments {
  return { n: 0, mean: 0, m2: 0, m3: 0, min: 0, max: 0 }
}

/** Takes one finite value into `into`, in place. NaN and infinities are refused (MR_STATS_NAN). Cost: O(1). */
export function addValue(into: Moments, x: number): void {
  if (!Number.isFinite(x)) throw new MillraceError('MR_STATS_NAN', { what: 'values', index: into.n, got: x })
  const n = into.n + 1
  const delta = x - into.mean
  const step = delta / n
  const term = delta * step * into.n
  into.m3 += term * step * (n - 2) - 3 * step * into.m2
  into.m2 += term
  into.mean += step
  into.min = into.n === 0 ? x : Math.min(into.min, x)
  into.max = into.n === 0 ? x : Math.max(into.max, x)
  into.n = n
}

/** Moments of a list of finite numbers. Cost: O(n). */
export function momentsOf(values: Numbers): Moments {
  const moments = emptyMoments()
  for (let i = 0; i < values.length; i++) addValue(moments, values[i])
  return moments
}

/** Moments of the two samples together; neither is changed. Order matters only in the last bits. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.n === 0) return { ...b }
  if (b.n === 0) return { ...a }
  const n = a.n + b.n
  const delta = b.mean - a.mean
  const cross = (delta * delta * a.n * b.n) / n
  return {
    n,
    mean: a.mean + (delta * b.n) / n,
    m2: a.m2 + b.m2 + cross,
    m3: a.m3 + b.m3 + (cross * delta * (a.n - b.n)) / n + (3 * delta * (a.n * b.m2 - b.n * a.m2)) / n,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  }
}

/** Variance with divisor `n - ddof`; `ddof` 1 (default) for a sample, 0 for a population. Needs `ddof + 1` values. */
export function variance(moments: Moments, ddof: 0 | 1 = 1): number {
  requireRows('variance', moments.n, ddof + 1)
  return moments.m2 / (moments.n - ddof)
}

/** Root of `variance`. */
export function deviation(moments: Moments, ddof: 0 | 1 = 1): number {
  return Math.sqrt(variance(moments, ddof))
}

/** Skewness g1 = m3 / m2^1.5 with population moments (SciPy's `bias=True`); 0 for constant input. Needs one value. */
export function skewness(moments: Moments): number {
  requireRows('skewness', moments.n, 1)
  if (moments.m2 === 0) return 0
  return (Math.sqrt(moments.n) * moments.m3) / moments.m2 ** 1.5
}
