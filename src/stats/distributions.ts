/**
 * Distribution functions and quantiles, each with a precise upper tail (`…Sf` is 1 - cdf without the loss).
 * Accuracy as in `special.ts`. NaN and parameters outside their domain are refused with MR_STATS_RANGE.
 */
import { requireRange } from './inputs.ts'
import { betaTails, erf, erfc, gammaP, gammaQ } from './special.ts'

/** Chance that a standard normal is at most `z`. */
export function normalCdf(z: number): number {
  return 0.5 * erfc(-z / Math.SQRT2)
}

/** Chance that a standard normal is above `z`. */
export function normalSf(z: number): number {
  return normalCdf(-z)
}

/**
 * The z that a standard normal falls below with chance `p`; -inf at 0, inf at 1. Cost: two or three evaluations of the cdf.
 * Method: Abramowitz and Stegun 26.2.23 as the start, then Halley steps on the lower tail, or on the distance
 * from a half where that is the more exact number.
 */
export function normalQuantile(p: number): number {
  requireRange(p >= 0 && p <= 1, 'a probability', 'in [0, 1]', p)
  if (p > 0.5) return -lowerNormalQuantile(1 - p)
  return lowerNormalQuantile(p)
}

/** p <= 0.5. */
function lowerNormalQuantile(p: number): number {
  if (p === 0) return Number.NEGATIVE_INFINITY
  if (p === 0.5) return 0
  const t = Math.sqrt(-2 * Math.log(p))
  const top = 2.515517 + t * (0.802853 + t * 0.010328)
  let z = top / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t
  for (let i = 0; i < 3; i++) {
    const miss = p > 0.25 ? 0.5 * erf(z / Math.SQRT2) - (p - 0.5) : normalCdf(z) - p
    const step = miss / (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI))
    z -= step / (1 + (z * step) / 2)
    if (Math.abs(step) < 1e-9) break
  }
  return z
}

export function chiSquareCdf(x: number, df: number): number {
  return gammaP(df / 2, x / 2)
}

export function chiSquareSf(x: number, df: number): number {
  return gammaQ(df / 2, x / 2)
}

export function studentCdf(t: number, df: number): number {
  return t < 0 ? studentUpper(-t, df) : 1 - studentUpper(t, df)
}

export function studentSf(t: number, df: number): number {
  return studentCdf(-t, df)
}

/** Chance above t >= 0. */
function studentUpper(t: number, df: number): number {
  requireRange(df > 0, 'degrees of freedom', '> 0', df)
  requireRange(t >= 0, 't', 'a number', t)
  if (df === Number.POSITIVE_INFINITY) return normalSf(t)
  if (t === Number.POSITIVE_INFINITY) return 0
  const s = (t * t) / df
  return 0.5 * betaTails(df / 2, 0.5, 1 / (1 + s), s / (1 + s))[0]
}

/** The t that a Student variable of `df` degrees falls below with chance `p`. Cost: some ten evaluations of the cdf. */
export function studentQuantile(p: number, df: number): number {
  requireRange(p >= 0 && p <= 1, 'a probability', 'in [0, 1]', p)
  if (p === 0.5) return 0
  if (p < 0.5) return -upperStudentQuantile(p, df)
  return upperStudentQuantile(1 - p, df)
}

function upperStudentQuantile(tail: number, df: number): number {
  if (tail === 0) return Number.POSITIVE_INFINITY
  let high = Math.max(1, -normalQuantile(tail))
  while (studentUpper(high, df) > tail) high *= 2
  return solve((t) => tail - studentUpper(t, df), 0, high)
}

/** Chance that a beta variable of shape a, b is at most x. */
export function betaCdf(x: number, a: number, b: number): number {
  return betaTails(a, b, x, 1 - x)[0]
}

export function betaQuantile(p: number, a: number, b: number): number {
  requireRange(p >= 0 && p <= 1, 'a probability', 'in [0, 1]', p)
  if (p === 0 || p === 1) return p
  return solve((x) => betaCdf(x, a, b) - p, 0, 1)
}

/** Chance that an F variable of `df1`, `df2` degrees is above `f` >= 0. */
export function fSf(f: number, df1: number, df2: number): number {
  requireRange(f >= 0, 'f', '>= 0', f)
  if (df2 === Number.POSITIVE_INFINITY) return chiSquareSf(f * df1, df1)
  if (f === Number.POSITIVE_INFINITY) return 0
  const s = (df1 * f) / df2
  return betaTails(df2 / 2, df1 / 2, 1 / (1 + s), s / (1 + s))[0]
}

/** Chance of at most `k` hits in `n` draws of chance `p`. */
export function binomialCdf(k: number, n: number, p: number): number {
  return binomialTails(k, n, p)[0]
}

/** Chance of more than `k` hits in `n` draws of chance `p`. */
export function binomialSf(k: number, n: number, p: number): number {
  return binomialTails(k, n, p)[1]
}

function binomialTails(k: number, n: number, p: number): [atMost: number, above: number] {
  requireRange(Number.isInteger(n) && n >= 0, 'the number of draws', 'a whole number >= 0', n)
  requireRange(p >= 0 && p <= 1, 'a probability', 'in [0, 1]', p)
  const hits = Math.floor(k)
  if (hits < 0) return [0, 1]
  if (hits >= n) return [1, 0]
  return betaTails(n - hits, hits + 1, 1 - p, p)
}

/**
 * Root of an increasing function on [low, high] by bisection with secant steps (the Illinois rule), to the last bits.
 * `f(low) <= 0 <= f(high)`.
 */
function solve(f: (x: number) => number, low: number, high: number): number {
  let a = low
  let b = high
  let fa = f(a)
  let fb = f(b)
  if (fa >= 0) return a
  if (fb <= 0) return b
  for (let i = 0; i < 200; i++) {
    const middle = (a + b) / 2
    const secant = b - (fb * (b - a)) / (fb - fa)
    const x = i % 3 !== 2 && secant > a && secant < b ? secant : middle
    const fx = f(x)
    if (fx === 0 || b - a <= 4e-16 * Math.abs(x)) return x
    if (fx < 0) {
      a = x
      fa = fx
      if (i % 3 !== 2) fb /= 2
    } else {
      b = x
      fb = fx
      if (i % 3 !== 2) fa /= 2
    }
  }
  return (a + b) / 2
}
