/** Distances between two binned samples: how far, whatever the number of rows. */
import { type Numbers, refuseNotFinite, requireLength, requireRange, requireRows } from './inputs.ts'
import { sortedCopy } from './order.ts'

/**
 * Population stability index: Σ(p - q)·ln(p / q) over bins.
 *
 * Shapes: `expected: [k]`, `actual: [k]` counts (or shares, with `smoothing: 0`) over the same bins, >= 0, each with a positive sum. Units: nats.
 * Convention: every bin gets `smoothing` (default half) a count, `p = (c + ½) / (n + k/2)`, so that empty bins cost a finite amount; with
 * `smoothing: 0` a bin empty on one side gives infinity. Without drift the mean is about `psiNoise`, not 0: small samples look drifted.
 * Returns a number in [0, inf]. Cost: O(k). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Source: Siddiqi, 2006, as the symmetrised Kullback-Leibler divergence of Jeffreys, 1946.
 */
export function psi(expected: Numbers, actual: Numbers, options: { smoothing?: number } = {}): number {
  const { smoothing = 0.5 } = options
  requireRange(smoothing >= 0 && Number.isFinite(smoothing), 'smoothing', '>= 0', smoothing)
  const p = sharesOf('expected', expected, smoothing)
  const q = sharesOf('actual', actual, smoothing)
  requireLength('actual', actual, expected.length)
  let total = 0
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) total += (p[i] - q[i]) * Math.log(p[i] / q[i])
  return total
}

/** Mean PSI of two samples of `n` and `m` rows from one distribution over `bins` bins: `(bins - 1)(1/n + 1/m)`. */
export function psiNoise(bins: number, n: number, m: number): number {
  return (bins - 1) * (1 / n + 1 / m)
}

/**
 * Jensen-Shannon distance: the root of the divergence `½KL(p‖m) + ½KL(q‖m)`, m the mean of the two.
 * Convention: the distance (SciPy's), not the divergence; logarithm to `base` (default 2, so the range is [0, 1]; with base e it ends at √ln 2).
 * Shapes and errors as `psi`; no smoothing is needed. Source: Lin, 1991; Endres and Schindelin, 2003.
 */
export function jensenShannon(expected: Numbers, actual: Numbers, options: { base?: number } = {}): number {
  const { base = 2 } = options
  requireRange(base > 1, 'base', '> 1', base)
  const p = sharesOf('expected', expected)
  const q = sharesOf('actual', actual)
  requireLength('actual', actual, expected.length)
  let total = 0
  for (let i = 0; i < p.length; i++) {
    const middle = (p[i] + q[i]) / 2
    if (p[i] > 0) total += (p[i] * Math.log(p[i] / middle)) / 2
    if (q[i] > 0) total += (q[i] * Math.log(q[i] / middle)) / 2
  }
  return Math.sqrt(Math.max(0, total) / Math.log(base))
}

/** Hellinger distance `√(½Σ(√p - √q)²)`, in [0, 1]. Shapes and errors as `psi`. */
export function hellinger(expected: Numbers, actual: Numbers): number {
  const p = sharesOf('expected', expected)
  const q = sharesOf('actual', actual)
  requireLength('actual', actual, expected.length)
  let total = 0
  for (let i = 0; i < p.length; i++) total += (Math.sqrt(p[i]) - Math.sqrt(q[i])) ** 2
  return Math.min(1, Math.sqrt(total / 2))
}

/** Largest difference of the two distribution functions at the borders of ordered bins: a lower bound of the samples' D. In [0, 1]. */
export function binnedKolmogorov(expected: Numbers, actual: Numbers): number {
  const p = sharesOf('expected', expected)
  const q = sharesOf('actual', actual)
  requireLength('actual', actual, expected.length)
  let gap = 0
  let widest = 0
  for (let i = 0; i < p.length; i++) {
    gap += p[i] - q[i]
    widest = Math.max(widest, Math.abs(gap))
  }
  return Math.min(1, widest)
}

/**
 * Wasserstein distance of first order between two samples: the area between their distribution functions, in the unit of the values.
 * Shapes: `a: [n]`, `b: [m]`, finite, not empty. Divide by the reference's deviation (`wassersteinNormalised`) to compare columns.
 * Cost: O((n + m) log(n + m)). Errors: MR_STATS_EMPTY, MR_STATS_NAN. Source: Vallender, 1974.
 */
export function wasserstein(a: Numbers, b: Numbers): number {
  requireRows('wasserstein', Math.min(a.length, b.length))
  refuseNotFinite('reference values', a)
  refuseNotFinite('current values', b)
  const x = sortedCopy(a)
  const y = sortedCopy(b)
  let i = 0
  let j = 0
  let at = Math.min(x[0], y[0])
  let area = 0
  while (i < x.length || j < y.length) {
    const next = Math.min(
      i < x.length ? x[i] : Number.POSITIVE_INFINITY,
      j < y.length ? y[j] : Number.POSITIVE_INFINITY,
    )
    area += (next - at) * Math.abs(i / x.length - j / y.length)
    while (i < x.length && x[i] === next) i++
    while (j < y.length && y[j] === next) j++
    at = next
  }
  return area
}

/** `wasserstein(reference, current)` over the population deviation of the reference; infinity when that is 0 and the two differ, 0 when not. */
export function wassersteinNormalised(reference: Numbers, current: Numbers): number {
  const distance = wasserstein(reference, current)
  if (distance === 0) return 0
  let mean = 0
  for (let i = 0; i < reference.length; i++) mean += reference[i] / reference.length
  let spread = 0
  for (let i = 0; i < reference.length; i++) spread += (reference[i] - mean) ** 2
  return distance / Math.sqrt(spread / reference.length)
}

/** `wasserstein` of two binned samples, rows taken as spread evenly over their bin: the area between the two polygons. `edges: [k + 1]`. */
export function binnedWasserstein(edges: Numbers, expected: Numbers, actual: Numbers): number {
  requireLength('edges', edges, expected.length + 1)
  requireLength('actual', actual, expected.length)
  const p = sharesOf('expected', expected)
  const q = sharesOf('actual', actual)
  let gap = 0
  let area = 0
  for (let i = 0; i < p.length; i++) {
    const next = gap + p[i] - q[i]
    area += (edges[i + 1] - edges[i]) * meanOfAbsolute(gap, next)
    gap = next
  }
  return area
}

/** Mean of |x| as x runs evenly from a to b. */
function meanOfAbsolute(a: number, b: number): number {
  if (a * b >= 0) return (Math.abs(a) + Math.abs(b)) / 2
  return (a * a + b * b) / (2 * (Math.abs(a) + Math.abs(b)))
}

/** Shares of counts, each bin raised by `smoothing`. */
function sharesOf(what: string, counts: Numbers, smoothing = 0): Float64Array {
  requireRows(`${what} bins`, counts.length)
  refuseNotFinite(what, counts)
  let total = 0
  for (let i = 0; i < counts.length; i++) {
    requireRange(counts[i] >= 0, what, '>= 0', counts[i])
    total += counts[i] + smoothing
  }
  requireRange(total > 0, `the sum of ${what}`, '> 0', total)
  return Float64Array.from(counts, (c) => (c + smoothing) / total)
}
