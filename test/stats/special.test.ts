import { expect, test } from 'vitest'
import * as d from '../../src/stats/distributions.ts'
import {
  kolmogorovSf,
  kolmogorovSmirnovSf,
  smirnovSf,
  twoSampleKolmogorovSf,
} from '../../src/stats/kolmogorov.ts'
import { betaTails, erf, erfc, gammaP, gammaQ, logGamma } from '../../src/stats/special.ts'
import reference from '../reference/stats/special.json' with { type: 'json' }
import { expectClose, expectCode } from './close.ts'

const rows = reference as unknown as Record<string, number[][]>

test('the logarithm of gamma agrees with mpmath, near its zeros too', () => {
  for (const [x, y] of rows.logGamma) expectClose(logGamma(x), y, 1e-13, `logGamma(${x})`)
})

test('both tails of the incomplete gamma function agree with mpmath', () => {
  for (const [a, x, p, q] of rows.gamma) {
    expectClose(gammaP(a, x), p, 1e-10, `gammaP(${a}, ${x})`)
    expectClose(gammaQ(a, x), q, 1e-10, `gammaQ(${a}, ${x})`)
  }
})

test('both tails of the incomplete beta function agree with mpmath', () => {
  for (const [a, b, x, low, high] of rows.beta) {
    const [lower, upper] = betaTails(a, b, x, 1 - x)
    expectClose(lower, low, 1e-10, `betaTails(${a}, ${b}, ${x}) lower`)
    expectClose(upper, high, 1e-10, `betaTails(${a}, ${b}, ${x}) upper`)
  }
})

test('the error function and its complement agree with mpmath', () => {
  for (const [x, y, c] of rows.erf) {
    expectClose(erf(x), y, 1e-13, `erf(${x})`)
    expectClose(erfc(x), c, 1e-12, `erfc(${x})`)
  }
})

test('normal tails and quantiles agree with mpmath', () => {
  for (const [z, p] of rows.normal) expectClose(d.normalCdf(z), p, 1e-11, `normalCdf(${z})`)
  for (const [p, z] of rows.normalQuantile) expectClose(d.normalQuantile(p), z, 1e-10, `normalQuantile(${p})`)
})

test('chi-square, Student, F and binomial tails agree with the references', () => {
  for (const [x, df, p, q] of rows.chiSquare) {
    expectClose(d.chiSquareCdf(x, df), p, 1e-10, `chiSquareCdf(${x}, ${df})`)
    expectClose(d.chiSquareSf(x, df), q, 1e-10, `chiSquareSf(${x}, ${df})`)
  }
  for (const [t, df, p] of rows.studentSf) expectClose(d.studentSf(t, df), p, 1e-10, `studentSf(${t}, ${df})`)
  for (const [p, df, t] of rows.studentQuantile)
    expectClose(d.studentQuantile(p, df), t, 1e-10, `studentQuantile(${p}, ${df})`)
  for (const [x, a, b, p] of rows.fSf) expectClose(d.fSf(x, a, b), p, 1e-10, `fSf(${x}, ${a}, ${b})`)
  for (const [k, n, p, low, high] of rows.binomial) {
    expectClose(d.binomialCdf(k, n, p), low, 1e-10, `binomialCdf(${k}, ${n}, ${p})`)
    expectClose(d.binomialSf(k, n, p), high, 1e-10, `binomialSf(${k}, ${n}, ${p})`)
  }
})

test('the Kolmogorov limit agrees with SciPy', () => {
  for (const [x, p] of rows.kolmogorov) expectClose(kolmogorovSf(x), p, 1e-10, `kolmogorovSf(${x})`)
})

test('the one-sample Kolmogorov-Smirnov tail agrees with SciPy to six digits, small samples to ten', () => {
  for (const [x, n, p] of rows.ksOneSample) {
    expectClose(kolmogorovSmirnovSf(x, n), p, n <= 100 ? 1e-9 : 2e-6, `kolmogorovSmirnovSf(${x}, ${n})`)
  }
})

test('quantiles undo the distribution functions', () => {
  for (const p of [1e-9, 0.01, 0.3, 0.5, 0.8, 0.999]) {
    expectClose(d.normalCdf(d.normalQuantile(p)), p, 1e-12, 'normal')
    expectClose(d.studentCdf(d.studentQuantile(p, 3), 3), p, 1e-12, 'student')
    expectClose(d.betaCdf(d.betaQuantile(p, 2.5, 40), 2.5, 40), p, 1e-12, 'beta')
  }
})

test('ends of the domains have their limits', () => {
  expect(d.normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY)
  expect(d.normalQuantile(1)).toBe(Number.POSITIVE_INFINITY)
  expect(gammaQ(2, Number.POSITIVE_INFINITY)).toBe(0)
  expect(gammaP(2, 0)).toBe(0)
  expect(betaTails(1, 1, 0, 1)).toEqual([0, 1])
  expect(d.binomialCdf(-1, 5, 0.5)).toBe(0)
  expect(d.binomialCdf(5, 5, 0.5)).toBe(1)
  expect(smirnovSf(0, 5)).toBe(1)
  expect(twoSampleKolmogorovSf(0, 3, 4)).toBe(1)
  expect(erf(Number.POSITIVE_INFINITY)).toBe(1)
  expect(d.studentSf(Number.POSITIVE_INFINITY, 3)).toBe(0)
  expect(d.fSf(Number.POSITIVE_INFINITY, 3, 5)).toBe(0)
})

test('arguments outside a domain are refused', () => {
  expectCode(() => logGamma(0), 'MR_STATS_RANGE')
  expectCode(() => gammaP(-1, 1), 'MR_STATS_RANGE')
  expectCode(() => gammaP(1, Number.NaN), 'MR_STATS_RANGE')
  expectCode(() => betaTails(1, 1, 1.5, -0.5), 'MR_STATS_RANGE')
  expectCode(() => d.normalQuantile(1.1), 'MR_STATS_RANGE')
  expectCode(() => d.studentSf(1, 0), 'MR_STATS_RANGE')
})
