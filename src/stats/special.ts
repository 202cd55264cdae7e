/**
 * Special functions in doubles, tails included. Accuracy: relative error < 1e-10 against SciPy and mpmath over the points in
 * test/reference/stats (most points < 1e-13). The arguments outside a domain are refused with MR_STATS_RANGE.
 */
import { requireRange } from './inputs.ts'

const HALF_LOG_2PI = 0.9189385332046727
const EULER_GAMMA = 0.5772156649015329
const ITERATIONS_MAX = 100_000
const TINY = 1e-300
const EPSILON = 2.220446049250313e-16

/** `ζ(k) - 1` for k = 2, 3, …: the coefficients of ln Γ around 2, summed by Euler and Maclaurin. */
const ZETA_LESS_ONE = Float64Array.from({ length: 40 }, (_, i) => zetaLessOne(i + 2))

function zetaLessOne(k: number): number {
  const N = 20
  let tail = N ** (1 - k) / (k - 1) + 0.5 * N ** -k
  tail += (k / 12) * N ** (-k - 1) - ((k * (k + 1) * (k + 2)) / 720) * N ** (-k - 3)
  tail += ((k * (k + 1) * (k + 2) * (k + 3) * (k + 4)) / 30240) * N ** (-k - 5)
  for (let n = N - 1; n >= 2; n--) tail += n ** -k
  return tail
}

/**
 * ln Γ(x) for x > 0; also exact to relative precision near its zeros 1 and 2. Cost: O(1).
 * Method: Taylor series at 2 on [1.5, 2.5], recurrence into it below 10, Stirling's series above.
 */
export function logGamma(x: number): number {
  requireRange(x > 0, 'x of logGamma', '> 0', x)
  if (x === Number.POSITIVE_INFINITY) return x
  if (x >= 10) return (x - 0.5) * Math.log(x) - x + HALF_LOG_2PI + stirlingTail(x)
  if (x < 0.5) return logGammaNear1(x) - Math.log(x)
  if (x < 1.5) return logGammaNear1(x - 1)
  let z = x
  let product = 1
  while (z > 2.5) {
    z -= 1
    product *= z
  }
  return logGammaNear2(z - 2) + Math.log(product)
}

/** ln Γ(2 + z), |z| <= 0.5. */
function logGammaNear2(z: number): number {
  let total = 0
  for (let k = ZETA_LESS_ONE.length + 1; k >= 2; k--) {
    total = (k % 2 === 0 ? ZETA_LESS_ONE[k - 2] : -ZETA_LESS_ONE[k - 2]) / k + z * total
  }
  return z * (1 - EULER_GAMMA + z * total)
}

/** ln Γ(1 + z), |z| <= 0.5. */
function logGammaNear1(z: number): number {
  return logGammaNear2(z) - Math.log1p(z)
}

/** B₂ₖ / (2k(2k - 1)), k = 1, 2, … (DLMF 5.11.1). */
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156]

/** What Stirling's formula lacks of ln Γ(x): 1/(12x) - 1/(360x³) + …, for x >= 10. */
function stirlingTail(x: number): number {
  const u = 1 / (x * x)
  let total = 0
  for (let i = STIRLING.length - 1; i >= 0; i--) total = STIRLING[i] + u * total
  return total / x
}

/** ln(n!) - ln(√(2πn) (n/e)^n), n > 0. Source: Loader, 2000, "Fast and accurate computation of binomial probabilities". */
function stirlingError(n: number): number {
  if (n >= 10) return stirlingTail(n)
  return logGamma(n + 1) - (n + 0.5) * Math.log(n) + n - HALF_LOG_2PI
}

/** Loader's deviance part `x ln(x/m) + m - x`, without cancellation when x is near m. */
function deviance(x: number, m: number): number {
  if (x === 0) return m
  if (Math.abs(x - m) >= 0.1 * (x + m)) return x * Math.log(x / m) + m - x
  const v = (x - m) / (x + m)
  let total = (x - m) * v
  let term = 2 * x * v
  for (let j = 3; ; j += 2) {
    term *= v * v
    const next = total + term / j
    if (next === total) return total
    total = next
  }
}

/** `m^x e^-m / Γ(x + 1)`, x >= 0, m > 0. */
function poissonDensity(x: number, m: number): number {
  if (x === 0) return Math.exp(-m)
  return Math.exp(-stirlingError(x) - deviance(x, m)) / Math.sqrt(2 * Math.PI * x)
}

/** Regularised lower incomplete gamma function P(a, x), a > 0, x >= 0. */
export function gammaP(a: number, x: number): number {
  return gammaTails(a, x)[0]
}

/** Regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x), with its own relative precision. */
export function gammaQ(a: number, x: number): number {
  return gammaTails(a, x)[1]
}

function gammaTails(a: number, x: number): [lower: number, upper: number] {
  requireRange(a > 0 && Number.isFinite(a), 'a of the incomplete gamma function', '> 0', a)
  requireRange(x >= 0, 'x of the incomplete gamma function', '>= 0', x)
  if (x === 0) return [0, 1]
  if (x === Number.POSITIVE_INFINITY) return [1, 0]
  if (x < a + 1) {
    const lower = gammaSeries(a, x)
    return [lower, 1 - lower]
  }
  const upper = gammaFraction(a, x)
  return [1 - upper, upper]
}

/** Σ x^k / ((a+1)…(a+k)), times the density. */
function gammaSeries(a: number, x: number): number {
  let term = 1
  let total = 1
  for (let k = 1; k < ITERATIONS_MAX && term > total * EPSILON; k++) {
    term *= x / (a + k)
    total += term
  }
  return Math.min(1, total * poissonDensity(a, x))
}

/** Lentz's evaluation of the continued fraction of Γ(a, x), x >= a + 1. */
function gammaFraction(a: number, x: number): number {
  let b = x + 1 - a
  let c = 1 / TINY
  let d = 1 / b
  let h = d
  for (let i = 1; i < ITERATIONS_MAX; i++) {
    const an = -i * (i - a)
    b += 2
    d = 1 / nonZero(an * d + b)
    c = nonZero(b + an / c)
    h *= c * d
    if (Math.abs(c * d - 1) < EPSILON) break
  }
  return Math.min(1, a * poissonDensity(a, x) * h)
}

function nonZero(x: number): number {
  return Math.abs(x) < TINY ? TINY : x
}

/** Error function. Odd; 1 at infinity. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x
  return x < 0 ? -gammaP(0.5, x * x) : gammaP(0.5, x * x)
}

/** Complementary error function, precise in the upper tail too (`erfc(20)` is 5.4e-176). */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return x
  return x < 0 ? 1 + gammaP(0.5, x * x) : gammaQ(0.5, x * x)
}

/** Regularised incomplete beta function I_x(a, b), a and b > 0, x in [0, 1]. */
export function betaI(a: number, b: number, x: number): number {
  return betaTails(a, b, x, 1 - x)[0]
}

/**
 * Both tails of the beta distribution at x, each with relative precision: `[I_x(a, b), I_y(b, a)]`.
 * `y` is 1 - x, passed by the caller, who often knows it more exactly than the difference would.
 */
export function betaTails(a: number, b: number, x: number, y: number): [lower: number, upper: number] {
  requireRange(a > 0 && Number.isFinite(a), 'a of the incomplete beta function', '> 0', a)
  requireRange(b > 0 && Number.isFinite(b), 'b of the incomplete beta function', '> 0', b)
  requireRange(x >= 0 && x <= 1, 'x of the incomplete beta function', 'in [0, 1]', x)
  if (x === 0) return [0, 1]
  if (y === 0) return [1, 0]
  if (x <= (a + 1) / (a + b + 2)) {
    const lower = Math.min(1, betaPower(a, b, x, y) * betaFraction(a, b, x))
    return [lower, 1 - lower]
  }
  const upper = Math.min(1, betaPower(b, a, y, x) * betaFraction(b, a, y))
  return [1 - upper, upper]
}

/** `x^a y^b / (a B(a, b))`, by Loader's binomial density. */
function betaPower(a: number, b: number, x: number, y: number): number {
  const n = a + b
  const log = stirlingError(n) - stirlingError(a) - stirlingError(b) - deviance(a, n * x) - deviance(b, n * y)
  return Math.exp(log) * Math.sqrt(b / (2 * Math.PI * a * n))
}

/** Lentz's evaluation of the continued fraction of I_x(a, b). Source: DLMF 8.17.22. */
function betaFraction(a: number, b: number, x: number): number {
  let c = 1
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1))
  let h = d
  for (let m = 1; m < ITERATIONS_MAX; m++) {
    const m2 = 2 * m
    const even = (m * (b - m) * x) / ((a + m2 - 1) * (a + m2))
    d = 1 / nonZero(1 + even * d)
    c = nonZero(1 + even / c)
    h *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + m2) * (a + m2 + 1))
    d = 1 / nonZero(1 + odd * d)
    c = nonZero(1 + odd / c)
    h *= d * c
    if (Math.abs(d * c - 1) < EPSILON) break
  }
  return h
}
