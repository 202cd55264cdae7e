import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { aucInterval, pairedAucDelta } from '../../src/stats/delong.ts'
import * as m from '../../src/stats/metrics.ts'
import { pairedDelta, pairedLogLossDelta } from '../../src/stats/paired.ts'
import reference from '../reference/stats/metrics.json' with { type: 'json' }
import { expectClose, expectCode, hitsAtMost } from './close.ts'

test('AUC, log loss and Brier score agree with scikit-learn, with ties and weights', () => {
  for (const c of reference.cases) {
    expectClose(m.auc(c.scores, c.labels), c.auc, 1e-12, 'auc')
    expectClose(m.auc(c.scores, c.labels, c.weights), c.aucWeighted, 1e-12, 'weighted auc')
    expectClose(m.logLoss(c.scores, c.labels), c.logLoss, 1e-12, 'logLoss')
    expectClose(m.logLoss(c.scores, c.labels, c.weights), c.logLossWeighted, 1e-12, 'weighted logLoss')
    expectClose(m.brier(c.scores, c.labels), c.brier, 1e-12, 'brier')
    expectClose(m.brier(c.scores, c.labels, c.weights), c.brierWeighted, 1e-12, 'weighted brier')
  }
})

test('errors of regressions agree with scikit-learn', () => {
  const r = reference.regression
  const measures = { rmse: m.rmse, mae: m.mae, r2: m.r2 }
  for (const name of ['rmse', 'mae', 'r2'] as const) {
    expectClose(measures[name](r.predicted, r.actual), r[name], 1e-12, name)
    expectClose(
      measures[name](r.predicted, r.actual, r.weights),
      r[`${name}Weighted`],
      1e-12,
      `weighted ${name}`,
    )
  }
})

test('DeLong variances agree with the definition over all pairs', () => {
  for (const c of reference.cases) {
    if (c.delongVariance === undefined) continue
    expectClose(aucInterval(c.scores, c.labels).se ** 2, c.delongVariance, 1e-10, 'variance')
    const delta = pairedAucDelta(c.scores, c.scores2, c.labels)
    expect(delta.value).toBeCloseTo(c.pairedDelta!, 12)
    expectClose(delta.se ** 2, c.pairedVariance!, 1e-10, 'paired variance')
  }
})

test('the paired difference of log loss is the paired t-test of SciPy', () => {
  for (const c of reference.cases) {
    if (!c.lossDelta) continue
    const d = pairedLogLossDelta(c.scores, c.scores2, c.labels)
    expect(d.value).toBeCloseTo(c.lossDelta.value, 12)
    expect(d.interval[0]).toBeCloseTo(c.lossDelta.lower, 10)
    expect(d.interval[1]).toBeCloseTo(c.lossDelta.upper, 10)
    expectClose(d.pValue, c.lossDelta.p, 1e-8, 'p')
  }
})

test('log loss grants what happened at least 1e-15, so a wrong certainty costs 34.54 nats', () => {
  expect(m.logLoss([0], [1])).toBeCloseTo(-Math.log(1e-15), 12)
  expect(m.logLoss([1], [0])).toBeCloseTo(-Math.log(1e-15), 12)
  expect(m.logLoss([1, 0], [1, 0])).toBe(0)
})

test('AUC is ½ for constant scores and takes infinities and -0 as ranks', () => {
  expect(m.auc([3, 3, 3], [0, 1, 0])).toBe(0.5)
  expect(m.auc([-0, 0], [0, 1])).toBe(0.5)
  expect(m.auc([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], [0, 1])).toBe(1)
  expect(m.auc([1, 0], [0, 1])).toBe(0)
})

test('AUC equals the share of won pairs, and rank-preserving maps leave it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 1 })), {
        minLength: 2,
        maxLength: 40,
      }),
      (rows) => {
        const ones = rows.filter((r) => r[1] === 1)
        const zeros = rows.filter((r) => r[1] === 0)
        fc.pre(ones.length > 0 && zeros.length > 0)
        let won = 0
        for (const [a] of ones) for (const [b] of zeros) won += a > b ? 1 : a === b ? 0.5 : 0
        const labels = rows.map((r) => r[1])
        const area = m.auc(
          rows.map((r) => r[0]),
          labels,
        )
        expect(area).toBeCloseTo(won / (ones.length * zeros.length), 12)
        expect(
          m.auc(
            rows.map((r) => Math.exp(r[0]) - 7),
            labels,
          ),
        ).toBe(area)
      },
    ),
  )
})

test('calibration error of two groups is the mean gap by hand', () => {
  const scores = [0.1, 0.2, 0.8, 0.9]
  const labels = [0, 1, 1, 1]
  expect(m.expectedCalibrationError(scores, labels, { bins: 2 })).toBeCloseTo((0.7 + 0.3) / 4, 12)
  expect(m.expectedCalibrationError(scores, labels, { bins: 1 })).toBeCloseTo(1 / 4, 12)
  expect(m.expectedCalibrationError(scores, labels, { bins: 2, weights: [1, 0, 1, 1] })).toBeCloseTo(
    (0.1 + 0.3) / 3,
    12,
  )
})

test('calibration error does not cut ties, so row order does not matter', () => {
  const scores = [0.3, 0.3, 0.3, 0.3, 0.9]
  expect(m.expectedCalibrationError(scores, [0, 1, 0, 1, 1])).toBe(
    m.expectedCalibrationError(scores, [1, 1, 0, 0, 1]),
  )
})

test('bad rows are refused with a code', () => {
  expectCode(() => m.auc([], []), 'MR_STATS_EMPTY')
  expectCode(() => m.auc([1], [1, 0]), 'MR_STATS_LENGTH')
  expectCode(() => m.auc([Number.NaN, 1], [1, 0]), 'MR_STATS_NAN')
  expectCode(() => m.auc([1, 2], [1, 2]), 'MR_STATS_RANGE')
  expectCode(() => m.auc([1, 2], [1, 1]), 'MR_STATS_ONE_CLASS')
  expectCode(() => m.auc([1, 2], [1, 0], [1, 0]), 'MR_STATS_ONE_CLASS')
  expectCode(() => m.auc([1, 2], [1, 0], [1, -1]), 'MR_STATS_RANGE')
  expectCode(() => m.logLoss([1.2], [1]), 'MR_STATS_RANGE')
  expectCode(() => m.logLoss([0.5], [1], [0]), 'MR_STATS_RANGE')
  expectCode(() => m.brier([Number.NaN], [1]), 'MR_STATS_NAN')
  expectCode(() => m.rmse([Number.POSITIVE_INFINITY], [1]), 'MR_STATS_NAN')
  expectCode(() => m.r2([1], [1]), 'MR_STATS_EMPTY')
  expectCode(() => aucInterval([0.1, 0.2], [0, 0]), 'MR_STATS_ONE_CLASS')
  expectCode(() => pairedDelta([1], [1]), 'MR_STATS_EMPTY')
})

test('R² of a constant target is 1 when exact and 0 else, and a large offset does no harm', () => {
  expect(m.r2([5, 5], [5, 5])).toBe(1)
  expect(m.r2([5, 6], [5, 5])).toBe(0)
  const actual = Array.from({ length: 100 }, (_, i) => 1e9 + i)
  expectClose(
    m.r2(
      actual.map((x) => x + 1),
      actual,
    ),
    1 - 100 / ((100 ** 3 - 100) / 12),
    1e-9,
    'r2',
  )
})

test('an AUC interval is never empty, not even for perfect separation or one row of a class', () => {
  const perfect = aucInterval([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
  expect(perfect.value).toBe(1)
  expect(perfect.interval[0]).toBeLessThan(0.5)
  expect(aucInterval([0.1, 0.5, 0.3], [0, 1, 0]).interval[0]).toBeLessThan(0.1)
})

test('identical models differ by nothing with p = 1', () => {
  expect(pairedAucDelta([1, 2, 3], [1, 2, 3], [0, 1, 0])).toMatchObject({ value: 0, se: 0, pValue: 1 })
  expect(pairedDelta([1, 2], [1, 2])).toMatchObject({ value: 0, interval: [0, 0], pValue: 1 })
  expect(pairedDelta([1, 2], [2, 3])).toMatchObject({ value: 1, pValue: 0 })
})

test('95 % AUC intervals miss the true area of two normals in about 5 % of 600 samples', () => {
  let missed = 0
  const truth = 0.7602499389065233
  for (let seed = 0; seed < 600; seed++) {
    const rng = seededRng(seed)
    const labels = Array.from({ length: 120 }, (_, i) => (i % 4 === 0 ? 1 : 0))
    const scores = labels.map((y) => y + rng.normal())
    const { interval } = aucInterval(scores, labels)
    if (truth < interval[0] || truth > interval[1]) missed++
  }
  expect(missed).toBeLessThanOrEqual(hitsAtMost(600, 0.055))
  expect(missed).toBeGreaterThan(10)
})
