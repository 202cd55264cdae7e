import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clopperPearson, meanInterval, normalInterval, wilson } from '../../src/stats/intervals.ts'
import {
  addValue,
  deviation,
  emptyMoments,
  mergeMoments,
  momentsOf,
  skewness,
  variance,
} from '../../src/stats/moments.ts'
import { median, quantile, weightedQuantile } from '../../src/stats/quantiles.ts'
import reference from '../reference/stats/metrics.json' with { type: 'json' }
import { expectClose, expectCode } from './close.ts'

test('moments agree with SciPy', () => {
  const r = reference.moments
  const found = momentsOf(r.values)
  expectClose(found.mean, r.mean, 1e-13, 'mean')
  expectClose(variance(found), r.variance, 1e-12, 'variance')
  expectClose(variance(found, 0), r.variancePopulation, 1e-12, 'population variance')
  expectClose(skewness(found), r.skewness, 1e-11, 'skewness')
  const { interval } = meanInterval(found)
  expectClose(interval[0], r.interval[0], 1e-11, 'lower')
  expectClose(interval[1], r.interval[1], 1e-11, 'upper')
})

test('a deviation of 0.1 survives an offset of ten million, in one pass and merged', () => {
  const values = Array.from({ length: 1001 }, (_, i) => 10_000_000 + (i % 2 === 0 ? 0.1 : -0.1))
  const exact = Math.sqrt((1001 * 0.01 - 1001 * (0.1 / 1001) ** 2) / 1000)
  expect(deviation(momentsOf(values))).toBeCloseTo(exact, 8)
  const merged = mergeMoments(momentsOf(values.slice(0, 300)), momentsOf(values.slice(300)))
  expect(deviation(merged)).toBeCloseTo(exact, 8)
})

test('merging two halves equals one pass, in either order', () => {
  const numbers = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { maxLength: 30 })
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const whole = momentsOf([...a, ...b])
      for (const merged of [
        mergeMoments(momentsOf(a), momentsOf(b)),
        mergeMoments(momentsOf(b), momentsOf(a)),
      ]) {
        expect(merged.n).toBe(whole.n)
        expect(merged.mean).toBeCloseTo(whole.mean, 8)
        expect(Math.abs(merged.m2 - whole.m2)).toBeLessThanOrEqual(1e-9 * (1 + whole.m2))
        expect(Math.abs(merged.m3 - whole.m3)).toBeLessThanOrEqual(1e-9 * (1 + whole.m2 ** 1.5))
        expect([merged.min, merged.max]).toEqual([whole.min, whole.max])
      }
    }),
  )
})

test('no value, one value and constant values have the moments they can have', () => {
  expectCode(() => variance(emptyMoments()), 'MR_STATS_EMPTY')
  expectCode(() => variance(momentsOf([1])), 'MR_STATS_EMPTY')
  expect(variance(momentsOf([1]), 0)).toBe(0)
  expect(skewness(momentsOf([4, 4, 4]))).toBe(0)
  expectCode(() => addValue(emptyMoments(), Number.NaN), 'MR_STATS_NAN')
  expectCode(() => momentsOf([1, Number.POSITIVE_INFINITY]), 'MR_STATS_NAN')
})

test('intervals of shares agree with SciPy', () => {
  for (const [k, n, level, wl, wh, el, eh] of reference.proportions) {
    const w = wilson(k, n, level)
    const e = clopperPearson(k, n, level)
    for (const [got, want] of [
      [w.interval[0], wl],
      [w.interval[1], wh],
      [e.interval[0], el],
      [e.interval[1], eh],
    ]) {
      expect(Math.abs(got - want), `${k} of ${n} at ${level}: ${got} against ${want}`).toBeLessThan(
        1e-12 + 1e-9 * want,
      )
    }
  }
})

test('intervals of no trials are everything, and bad counts are refused', () => {
  expect(wilson(0, 0).interval).toEqual([0, 1])
  expect(clopperPearson(0, 0).interval).toEqual([0, 1])
  expectCode(() => wilson(3, 2), 'MR_STATS_RANGE')
  expectCode(() => wilson(1, 2, 1), 'MR_STATS_RANGE')
  expectCode(() => clopperPearson(-1, 2), 'MR_STATS_RANGE')
  expectCode(() => meanInterval(momentsOf([1])), 'MR_STATS_EMPTY')
  expect(normalInterval(0.01, 0.1, 5, { min: 0 }).interval[0]).toBe(0)
})

test('quantiles agree with NumPy, plain and weighted', () => {
  const { values, weights, rows } = reference.quantiles
  for (const [q, plain, weighted] of rows) {
    expectClose(quantile(values, q), plain, 1e-13, `quantile ${q}`)
    expectClose(weightedQuantile(values, weights, q), weighted, 0, `weighted quantile ${q}`)
  }
})

test('quantiles take one value, ties, infinities and -0, and refuse none and NaN', () => {
  expect(quantile([7], 0.3)).toBe(7)
  expect(median([2, 2, 2, 9])).toBe(2)
  expect(quantile([Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY], 0.5)).toBe(1)
  expect(quantile([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY], 0.5)).toBe(Number.NEGATIVE_INFINITY)
  expect(Math.abs(median([-0, 0, 0]))).toBe(0)
  expect(weightedQuantile([5, 1, 3], [0, 1, 1], 1)).toBe(3)
  expectCode(() => quantile([], 0.5), 'MR_STATS_EMPTY')
  expectCode(() => quantile([Number.NaN], 0.5), 'MR_STATS_NAN')
  expectCode(() => quantile([1], 1.5), 'MR_STATS_RANGE')
})
