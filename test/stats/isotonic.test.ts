import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { applyCalibration, fitIsotonic, isotonicFit } from '../../src/stats/isotonic.ts'
import { expectedCalibrationError, logLoss } from '../../src/stats/metrics.ts'
import reference from '../reference/stats/metrics.json' with { type: 'json' }
import { expectCode } from './close.ts'

test('the blocks of the fit are those of scikit-learn', () => {
  for (const c of reference.cases) {
    const weights = c.weights.map((w) => Math.max(w, 1))
    const blocks = isotonicFit(c.scores, c.labels, weights)
    const expected = [...new Set(c.isotonicFit.map((y) => y.toFixed(10)))].sort()
    expect(blocks.map((b) => b.mean.toFixed(10)).sort()).toEqual(expected)
  }
})

test('a calibration ascends strictly in x, ascends in y, and stays within the outcomes', () => {
  const row = fc.tuple(
    fc.double({ min: -5, max: 5, noNaN: true }),
    fc.double({ min: -1, max: 2, noNaN: true }),
  )
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 50 }),
      fc.integer({ min: 2, max: 8 }),
      (rows, knotsMax) => {
        const y = rows.map((r) => r[1])
        const fit = fitIsotonic(
          rows.map((r) => r[0]),
          y,
          { knotsMax, keepOffEnds: false },
        )
        expect(fit.x.length).toBeLessThanOrEqual(knotsMax)
        for (let i = 1; i < fit.x.length; i++) {
          expect(fit.x[i]).toBeGreaterThan(fit.x[i - 1])
          expect(fit.y[i]).toBeGreaterThanOrEqual(fit.y[i - 1])
        }
        const value = applyCalibration(fit, 0.3)
        expect(value).toBeGreaterThanOrEqual(Math.min(...y) - 1e-12)
        expect(value).toBeLessThanOrEqual(Math.max(...y) + 1e-12)
      },
    ),
  )
})

test('the exact fit has the least squared error of all monotone fits of a few rows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }), (y) => {
      const x = y.map((_, i) => i)
      const blocks = isotonicFit(x, y)
      const error = (values: number[]) => values.reduce((s, v, i) => s + (v - y[i]) ** 2, 0)
      const fitted = blocks.flatMap((b) => Array.from({ length: b.weight }, () => b.mean))
      for (let code = 0; code < 5 ** y.length; code++) {
        const other = y.map((_, i) => Math.floor(code / 5 ** i) % 5)
        if (other.every((v, i) => i === 0 || v >= other[i - 1]))
          expect(error(fitted)).toBeLessThanOrEqual(error(other) + 1e-9)
      }
    }),
    { numRuns: 25 },
  )
})

test('weights count as repeated rows, and rows of weight 0 do not count', () => {
  const once = fitIsotonic([1, 2, 3], [0, 1, 0.5], { weights: [2, 0, 1] })
  expect(once).toEqual(fitIsotonic([1, 1, 3], [0, 0, 0.5]))
})

test('between knots it is linear, beyond them flat, and "none" gives the score back', () => {
  const fit = { kind: 'isotonic' as const, x: [0, 1], y: [0.2, 0.6] }
  expect([-3, 0, 0.5, 1, 9].map((s) => applyCalibration(fit, s))).toEqual([0.2, 0.2, 0.4, 0.6, 0.6])
  expect(applyCalibration({ kind: 'none', x: [], y: [] }, 0.37)).toBe(0.37)
  expect(applyCalibration(fit, Number.NaN)).toBeNaN()
  expectCode(() => applyCalibration({ kind: 'isotonic', x: [], y: [] }, 1), 'MR_STATS_DECODE')
})

test('fitted probabilities of binary outcomes never reach 0 or 1', () => {
  const fit = fitIsotonic([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
  expect(fit.y[0]).toBeGreaterThan(0)
  expect(fit.y[fit.y.length - 1]).toBeLessThan(1)
  expect(fitIsotonic([5], [1])).toEqual({ kind: 'isotonic', x: [5], y: [0.75] })
  expect(fitIsotonic([2, 2, 2], [0, 1, 1]).y[0]).toBeCloseTo(2 / 3, 12)
})

test('few knots keep nearly all of the calibration, on rows that were not fitted', () => {
  const rng = seededRng(3)
  const rows = (n: number) => {
    const raw = Float64Array.from({ length: n }, () => rng.next())
    return { raw, y: Uint8Array.from(raw, (s) => (rng.next() < 0.1 + 0.6 * s * s ? 1 : 0)) }
  }
  const train = rows(20_000)
  const fresh = rows(20_000)
  const apply = (knotsMax: number) => {
    const fit = fitIsotonic(train.raw, train.y, { knotsMax })
    return fresh.raw.map((s) => applyCalibration(fit, s))
  }
  const few = apply(16)
  expect(expectedCalibrationError(few, fresh.y)).toBeLessThan(0.02)
  expect(logLoss(few, fresh.y)).toBeLessThan(logLoss(apply(1000), fresh.y) + 0.002)
  expect(expectedCalibrationError(fresh.raw, fresh.y)).toBeGreaterThan(0.1)
})

test('a hundred thousand distinct blocks are joined in good time', () => {
  const x = Float64Array.from({ length: 100_000 }, (_, i) => i)
  const fit = fitIsotonic(x, x)
  expect(fit.x).toHaveLength(64)
  expect(applyCalibration(fit, 50_000)).toBeCloseTo(50_000, 3)
})

test('bad rows are refused with a code', () => {
  expectCode(() => fitIsotonic([], []), 'MR_STATS_EMPTY')
  expectCode(() => fitIsotonic([1], [1, 2]), 'MR_STATS_LENGTH')
  expectCode(() => fitIsotonic([Number.NaN], [1]), 'MR_STATS_NAN')
  expectCode(() => fitIsotonic([1], [1], { knotsMax: 1 }), 'MR_STATS_RANGE')
  expectCode(() => fitIsotonic([1], [1], { weights: [0] }), 'MR_STATS_RANGE')
})
