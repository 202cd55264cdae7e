import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import * as d from '../../src/stats/distances.ts'
import {
  chiSquareTest,
  driftTest,
  estimateDispersion,
  gTest,
  kolmogorovSmirnov,
} from '../../src/stats/drift.ts'
import * as h from '../../src/stats/histogram.ts'
import { deviation, momentsOf } from '../../src/stats/moments.ts'
import reference from '../reference/stats/drift.json' with { type: 'json' }
import { expectClose, expectCode, hitsAtMost } from './close.ts'

const a6 = [1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
const b6 = [2, 3, 4, 4, 5, 6, 8, 9, 10, 12, 13]

test('the two-sample fixture has its known Kolmogorov-Smirnov and Wasserstein values', () => {
  const ks = kolmogorovSmirnov(a6, b6)
  expect(ks.statistic).toBeCloseTo(0.272727, 6)
  expect(ks.pValue).toBeCloseTo(0.691585, 6)
  expect(d.wasserstein(a6, b6)).toBeCloseTo(2.209091, 6)
  expect(d.wassersteinNormalised(a6, b6)).toBeCloseTo(0.846525, 6)
})

test('the table fixture has its known chi-square and G values', () => {
  const table = [
    [120, 90, 40],
    [100, 110, 60],
  ]
  expect(chiSquareTest(table)).toMatchObject({
    df: 2,
    statistic: expect.closeTo(7.059394, 6),
    pValue: expect.closeTo(0.029314, 6),
  })
  expect(gTest(table)).toMatchObject({
    df: 2,
    statistic: expect.closeTo(7.081723, 6),
    pValue: expect.closeTo(0.028988, 6),
  })
})

test('the share fixture has its known distances', () => {
  const p = [0.2, 0.3, 0.5]
  const q = [0.1, 0.4, 0.5]
  expect(d.jensenShannon(p, q, { base: Math.E })).toBeCloseTo(0.109903, 6)
  expect(d.jensenShannon(p, q)).toBeCloseTo(0.132007, 6)
  expect(d.psi(p, q, { smoothing: 0 })).toBeCloseTo(0.098083, 6)
  expect(d.hellinger(p, q)).toBeCloseTo(0.110311, 6)
})

test('Kolmogorov-Smirnov and Wasserstein agree with SciPy, exact and asymptotic, with ties', () => {
  for (const r of reference.ks) {
    const found = kolmogorovSmirnov(r.a, r.b)
    expectClose(found.statistic, r.d, 1e-12, 'D')
    expectClose(found.pValue, r.p, r.mode === 'exact' ? 1e-9 : 2e-6, `p of ${r.a.length} and ${r.b.length}`)
    expectClose(d.wasserstein(r.a, r.b), r.w1, 1e-10, 'W1')
  }
})

test('contingency tests agree with SciPy', () => {
  for (const r of reference.tables) {
    const chi = chiSquareTest(r.table)
    const g = gTest(r.table)
    expect(chi.df).toBe(r.df)
    expectClose(chi.statistic, r.chi, 1e-11, 'chi-square')
    expectClose(chi.pValue, r.chiP, 1e-9, 'p')
    expectClose(g.statistic, r.g, 1e-11, 'G')
    expectClose(g.pValue, r.gP, 1e-9, 'p of G')
  }
})

test('distances of shares agree with SciPy', () => {
  for (const r of reference.shares) {
    expectClose(d.psi(r.p, r.q, { smoothing: 0 }), r.psi, 1e-11, 'psi')
    expectClose(d.jensenShannon(r.p, r.q, { base: Math.E }), r.jsE, 1e-10, 'js')
    expectClose(d.jensenShannon(r.p, r.q), r.js2, 1e-10, 'js base 2')
    expectClose(d.hellinger(r.p, r.q), r.hellinger, 1e-10, 'hellinger')
  }
})

test('distances are 0 between equals, symmetric, and end where they should for disjoint samples', () => {
  const counts = fc
    .array(fc.integer({ min: 0, max: 50 }), { minLength: 3, maxLength: 3 })
    .filter((c) => c.some((x) => x > 0))
  fc.assert(
    fc.property(counts, counts, (p, q) => {
      for (const distance of [d.psi, d.jensenShannon, d.hellinger, d.binnedKolmogorov]) {
        expect(distance(p, p)).toBeLessThan(1e-7)
        expect(distance(p, q)).toBeCloseTo(distance(q, p), 10)
        expect(distance(p, q)).toBeGreaterThanOrEqual(0)
      }
    }),
  )
  expect(d.jensenShannon([1, 0], [0, 1])).toBe(1)
  expect(d.hellinger([1, 0], [0, 5])).toBe(1)
  expect(d.psi([1, 0], [0, 1], { smoothing: 0 })).toBe(Number.POSITIVE_INFINITY)
  expect(d.psi([1, 0], [0, 1])).toBeLessThan(3)
})

test('binned Wasserstein is the shift of a shifted block, and the area of a crossing inside a bin', () => {
  expect(d.binnedWasserstein([0, 1, 2], [10, 0], [0, 10])).toBeCloseTo(1, 12)
  expect(d.binnedWasserstein([0, 1, 2, 3], [1, 0, 1], [0, 2, 0])).toBeCloseTo(0.75, 12)
})

test('small cells are pooled, and nothing to compare gives p 1 with no degrees of freedom', () => {
  const pooled = chiSquareTest([
    [100, 3, 4, 0],
    [90, 2, 3, 4],
  ])
  expect(pooled.df).toBe(1)
  expect(
    chiSquareTest([
      [100, 1],
      [90, 1],
    ]),
  ).toEqual({ statistic: 0, pValue: 1, df: 0 })
  expect(chiSquareTest([[5], [9]])).toEqual({ statistic: 0, pValue: 1, df: 0 })
  expect(
    chiSquareTest([
      [0, 0],
      [9, 4],
    ]),
  ).toEqual({ statistic: 0, pValue: 1, df: 0 })
  expect(
    chiSquareTest([
      [0, 0],
      [0, 0],
    ]),
  ).toEqual({ statistic: 0, pValue: 1, df: 0 })
})

test('bad input of tests and distances is refused with a code', () => {
  expectCode(() => kolmogorovSmirnov([], [1]), 'MR_STATS_EMPTY')
  expectCode(() => kolmogorovSmirnov([Number.NaN], [1]), 'MR_STATS_NAN')
  expectCode(() => chiSquareTest([[1, 2], [1]]), 'MR_STATS_LENGTH')
  expectCode(
    () =>
      chiSquareTest([
        [1, -2],
        [1, 1],
      ]),
    'MR_STATS_RANGE',
  )
  expectCode(() => d.psi([0, 0], [1, 1], { smoothing: 0 }), 'MR_STATS_RANGE')
  expectCode(() => d.psi([1], [1, 1]), 'MR_STATS_LENGTH')
  expectCode(() => d.jensenShannon([], []), 'MR_STATS_EMPTY')
  expectCode(() => d.wasserstein([1], []), 'MR_STATS_EMPTY')
})

test('bins are half-open, the last closed, ends take what lies beyond, NaN is null', () => {
  const built = h.buildNumericHistogram(
    [0, 1, 2, 3, -9, 99, Number.NaN, Number.POSITIVE_INFINITY, -0],
    [0, 1, 3],
  )
  expect(built).toEqual({ kind: 'numeric', edges: [0, 1, 3], counts: [3, 5], nulls: 1 })
  expectCode(() => h.buildNumericHistogram([1], [0, 0, 1]), 'MR_STATS_RANGE')
  expectCode(() => h.buildNumericHistogram([1], [0]), 'MR_STATS_EMPTY')
})

test('quantile edges cut equal counts, drop repeats, and bracket a constant', () => {
  expect(h.quantileEdges([1, 2, 3, 4, 5], 2)).toEqual([1, 3, 5])
  expect(h.quantileEdges([0, 0, 0, 0, 7], 4)).toEqual([0, 7])
  expectCode(() => h.quantileEdges([Number.NaN], 3), 'MR_STATS_EMPTY')
  for (const value of [0, -0, 5, -3.25]) {
    const edges = h.quantileEdges([value, value], 10)
    expect(h.buildNumericHistogram([value, value, value + 1, value - 1], edges).counts).toEqual([1, 2, 1])
  }
})

test('counting parts and merging equals counting the whole', () => {
  const values = fc.array(fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 })), { maxLength: 20 })
  const names = fc.array(fc.constantFrom('a', 'b', 'c', '', null), { maxLength: 20 })
  fc.assert(
    fc.property(values, values, names, names, (x, y, u, v) => {
      const edges = [-2, 0, 1.5, 4]
      expect(h.mergeHistograms(h.buildNumericHistogram(x, edges), h.buildNumericHistogram(y, edges))).toEqual(
        h.buildNumericHistogram([...x, ...y], edges),
      )
      const categories = ['a', 'b']
      const part = (list: (string | null)[]) => h.categoryHistogram(list, { categories })
      expect(h.mergeHistograms(part(u), part(v))).toEqual(part([...u, ...v]))
    }),
  )
})

test('without a reference the most frequent categories are kept, ties by name, the rest in other', () => {
  expect(h.categoryHistogram(['b', 'a', 'c', 'c', null, undefined], { categoriesMax: 2 })).toEqual({
    kind: 'category',
    categories: ['c', 'a'],
    counts: [2, 1],
    other: 1,
    nulls: 2,
  })
  expectCode(
    () => h.mergeHistograms(h.categoryHistogram(['a']), h.buildNumericHistogram([1], [0, 1])),
    'MR_STATS_BINS',
  )
  expectCode(
    () => h.mergeHistograms(h.buildNumericHistogram([1], [0, 2]), h.buildNumericHistogram([1], [0, 1])),
    'MR_STATS_BINS',
  )
})

test('drift is found in nulls and in new categories, and empty windows say nothing', () => {
  const base = h.categoryHistogram(Array.from({ length: 400 }, (_, i) => (i % 2 ? 'a' : 'b')))
  const nulls = h.categoryHistogram(
    Array.from({ length: 400 }, (_, i) => (i % 4 ? 'a' : null)),
    { categories: ['b', 'a'] },
  )
  expect(driftTest(base, nulls).pValue).toBeLessThan(1e-6)
  const fresh = h.categoryHistogram(Array.from({ length: 400 }, () => 'z'))
  expect(driftTest(base, fresh).effect.js).toBeCloseTo(1, 12)
  expect(driftTest(base, h.categoryHistogram([]))).toMatchObject({
    pValue: 1,
    df: 0,
    effect: { psi: 0, js: 0 },
    n: { reference: 400, current: 0 },
  })
  expect(driftTest(base, base)).toMatchObject({ statistic: 0, pValue: 1 })
})

test('without drift rules of thumb flag small windows while the test holds its 5 %', () => {
  const rng = seededRng(7)
  const sample = (n: number) => Float64Array.from({ length: n }, () => rng.normal())
  const trials = 150
  for (const n of [100, 200, 1000]) {
    let test05 = 0
    let psi10 = 0
    let ks05 = 0
    for (let t = 0; t < trials; t++) {
      const base = sample(2000)
      const now = sample(n)
      const edges = h.quantileEdges(base, 10)
      const result = driftTest(h.buildNumericHistogram(base, edges), h.buildNumericHistogram(now, edges))
      if (result.pValue < 0.05) test05++
      if (result.effect.psi >= 0.1) psi10++
      if (kolmogorovSmirnov(base, now).pValue < 0.05) ks05++
    }
    expect(test05, `chi-square at n=${n}`).toBeLessThanOrEqual(hitsAtMost(trials, 0.05))
    expect(ks05, `KS at n=${n}`).toBeLessThanOrEqual(hitsAtMost(trials, 0.05))
    if (n === 100) expect(psi10 / trials).toBeGreaterThan(0.15)
    if (n === 1000) expect(psi10).toBe(0)
  }
})

test('a shift of half a deviation is found in 500 rows nearly always', () => {
  const rng = seededRng(8)
  let found = 0
  for (let t = 0; t < 50; t++) {
    const base = Float64Array.from({ length: 2000 }, () => rng.normal())
    const edges = h.quantileEdges(base, 10)
    const now = Float64Array.from({ length: 500 }, () => rng.normal() + 0.5)
    if (driftTest(h.buildNumericHistogram(base, edges), h.buildNumericHistogram(now, edges)).pValue < 0.001)
      found++
  }
  expect(found).toBe(50)
})

test('windows whose days move together cry wolf, and their measured dispersion heals it', () => {
  const rng = seededRng(9)
  const edges = [-10, -1, 0, 1, 10]
  const day = () => {
    const weather = 0.3 * rng.normal()
    return h.buildNumericHistogram(
      Float64Array.from({ length: 300 }, () => rng.normal() + weather),
      edges,
    )
  }
  const week = () =>
    Array.from({ length: 7 }, day).reduce<ReturnType<typeof day>>(
      (a, b) => h.mergeHistograms(a, b) as typeof a,
      day(),
    )
  let plain = 0
  let healed = 0
  for (let t = 0; t < 60; t++) {
    const calm = Array.from({ length: 12 }, week)
    const dispersion = estimateDispersion(calm)
    const base = calm.reduce((a, b) => h.mergeHistograms(a, b) as typeof a)
    const now = week()
    if (driftTest(base, now).pValue < 0.05) plain++
    if (driftTest(base, now, { dispersion }).pValue < 0.05) healed++
  }
  expect(plain).toBeGreaterThan(30)
  expect(healed).toBeLessThanOrEqual(hitsAtMost(60, 0.1))
  expectCode(() => estimateDispersion([h.categoryHistogram(['a'])]), 'MR_STATS_EMPTY')
})

test('equal-width edges end where they are told', () => {
  expect(h.uniformEdges(0, 1, 3)[3]).toBe(1)
  expectCode(() => h.uniformEdges(1, 1, 3), 'MR_STATS_RANGE')
  expect(deviation(momentsOf(h.uniformEdges(5, 6, 1)))).toBeCloseTo(Math.SQRT1_2, 12)
})
