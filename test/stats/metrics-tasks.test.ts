import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { brier } from '../../src/stats/metrics.ts'
import * as c from '../../src/stats/metrics-classes.ts'
import * as n from '../../src/stats/metrics-numbers.ts'
import * as r from '../../src/stats/metrics-ranking.ts'
import reference from '../reference/stats/metrics-tasks.json' with { type: 'json' }
import { expectClose, expectCode } from './close.ts'

test('metrics of classes agree with scikit-learn, with ties and weights', () => {
  for (const one of reference.classes) {
    const { probabilities: p, codes, width } = one
    const said = c.likeliestClasses(p, width)
    for (const [suffix, w] of [
      ['', undefined],
      ['Weighted', one.weights],
    ] as const) {
      const confusion = c.confusionMatrix(said, codes, width, w)
      expect([...confusion]).toEqual(one[`confusion${suffix}`])
      const got = {
        logLoss: c.classLogLoss(p, codes, w),
        accuracy: c.classAccuracy(p, codes, w),
        top2: c.topKAccuracy(p, codes, 2, w),
        brier: c.classBrier(p, codes, w),
        macroAuc: c.macroAuc(p, codes, w),
        macroF1: c.classF1(confusion, 'macro'),
        weightedF1: c.classF1(confusion, 'weighted'),
        kappa: c.quadraticKappa(confusion),
      }
      for (const name of Object.keys(got) as (keyof typeof got)[])
        expectClose(got[name], one[`${name}${suffix}`], 1e-12, `${name}${suffix}`)
    }
  }
})

test('orders within groups agree with scikit-learn, ties sharing their gains', () => {
  for (const { scores, relevances, k, ...one } of reference.groups) {
    expectClose(r.ndcg(scores, relevances, k), one.ndcg, 1e-12, 'ndcg')
    if (one.averagePrecision === undefined) continue
    expectClose(r.averagePrecisionAt(scores, relevances), one.averagePrecision, 1e-12, 'average precision')
    expectClose(r.reciprocalRank(scores, relevances), one.reciprocalRank!, 1e-12, 'reciprocal rank')
  }
})

test('losses of quantiles, counts and amounts agree with scikit-learn', () => {
  for (const one of reference.numbers) {
    const { predicted: p, actual, counts, amounts } = one
    for (const [suffix, w] of [
      ['', undefined],
      ['Weighted', one.weights],
    ] as const) {
      const got = {
        pinball: n.pinballLoss(p, actual, 0.9, w),
        poisson: n.poissonDeviance(p, counts, w),
        gamma: n.gammaDeviance(p, actual, w),
        tweedie: n.tweedieDeviance(p, amounts, 1.5, w),
        cubic: n.tweedieDeviance(p, actual, 3, w),
        mape: n.meanAbsolutePercentageError(p, actual, w),
      }
      for (const name of Object.keys(got) as (keyof typeof got)[])
        expectClose(got[name], one[`${name}${suffix}`], 1e-11, `${name}${suffix}`)
    }
  }
})

describe('laws', () => {
  test('two classes have twice the Brier score of one probability', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(1)), { minLength: 1 }),
        (rows) => {
          const both = rows.flatMap(([p]) => [1 - p, p])
          const codes = rows.map(([, y]) => y)
          expect(c.classBrier(both, codes)).toBeCloseTo(
            2 *
              brier(
                rows.map(([p]) => p),
                codes,
              ),
            10,
          )
        },
      ),
    )
  })

  test('a reversed order has the worst NDCG and the best order has one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(4), { minLength: 2, maxLength: 30 }),
        fc.integer({ min: 1, max: 40 }),
        (labels, k) => {
          if (labels.every((y) => y === 0)) return
          const best = r.ndcg(labels, labels, k)
          const worst = r.ndcg(
            labels.map((y) => -y),
            labels,
            k,
          )
          expect(best).toBeCloseTo(1, 12)
          expect(worst).toBeLessThanOrEqual(best + 1e-12)
          const flat = r.ndcg(
            labels.map(() => 0),
            labels,
            k,
          )
          expect(flat).toBeLessThanOrEqual(best + 1e-12)
        },
      ),
    )
  })

  test('every score the same earns the worst of the tied orders in MAP and MRR', () => {
    expect(r.reciprocalRank([1, 1, 1], [0, 0, 3])).toBe(1 / 3)
    expect(r.averagePrecisionAt([1, 1, 1], [2, 0, 0])).toBe(1 / 3)
  })

  test('only the first k rows count', () => {
    expect(r.averagePrecisionAt([3, 2, 1], [1, 0, 1], 1)).toBe(1)
    expect(r.averagePrecisionAt([3, 2, 1], [0, 0, 1], 2)).toBe(0)
    expect(r.averagePrecisionAt([3, 2, 1], [1, 0, 1], 2)).toBe(1 / 2)
  })

  test('groups without a relevant row are left out of a mean', () => {
    const value = r.meanOverGroups([2, 1, 5, 4, 1, 2], [1, 0, 0, 0, 1, 0], [0, 2, 4], r.reciprocalRank)
    expect(value).toBe((1 + 1 / 2) / 2)
    expect(r.meanOverGroups([1], [0], [0], r.ndcg)).toBeNaN()
  })

  test('the half quantile is half the absolute error, and the power 0 is the squared one', () => {
    expect(n.pinballLoss([1, 5], [3, 4], 0.5)).toBe(1.5 / 2)
    expect(n.tweedieDeviance([1, -5], [3, -4], 0)).toBe(2.5)
    expect(n.coverage([1, 5, 2], [3, 4, 2])).toBe(2 / 3)
  })
})

test('bad input is refused by code', () => {
  expectCode(() => c.classLogLoss([0.5, 0.5], [2]), 'MR_STATS_RANGE')
  expectCode(() => c.classLogLoss([0.5, Number.NaN], [1]), 'MR_STATS_NAN')
  expectCode(() => c.classLogLoss([0.5, 0.5, 0.1], [1, 0]), 'MR_STATS_LENGTH')
  expectCode(() => c.classLogLoss([], []), 'MR_STATS_EMPTY')
  expectCode(() => c.macroAuc([0.5, 0.5, 0.2, 0.8], [1, 1]), 'MR_STATS_ONE_CLASS')
  expectCode(() => c.topKAccuracy([0.5, 0.5], [0], 3), 'MR_STATS_RANGE')
  expectCode(() => r.ndcg([1, 2], [1, -1]), 'MR_STATS_RANGE')
  expectCode(() => r.ndcg([1, 2], [1, 0], 0), 'MR_STATS_RANGE')
  expectCode(() => r.ndcg([], []), 'MR_STATS_EMPTY')
  expectCode(() => r.meanOverGroups([1, 2], [1, 0], [0, 2], r.ndcg), 'MR_STATS_RANGE')
  expectCode(() => n.pinballLoss([1], [1], 1), 'MR_STATS_RANGE')
  expectCode(() => n.poissonDeviance([0], [1]), 'MR_STATS_RANGE')
  expectCode(() => n.gammaDeviance([1], [0]), 'MR_STATS_RANGE')
  expectCode(() => n.tweedieDeviance([1], [0], 0.5), 'MR_STATS_RANGE')
})
