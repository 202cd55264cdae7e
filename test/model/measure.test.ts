import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { measureAll, metricOf, worsening } from '../../src/model/measure.ts'
import { confusionOf, likeliest } from '../../src/model/measures/classes.ts'
import { fitTemperature } from '../../src/stats/temperature.ts'
import reference from '../reference/stats/classes.json' with { type: 'json' }
import { expectClose, expectCode, hitsAtMost } from '../stats/close.ts'

const doubles = (values: readonly number[]) => Float64Array.from(values)

test('metrics of several classes agree with scikit-learn', () => {
  for (const c of reference.classes) {
    const found = measureAll('multiclass', doubles(c.outputs), doubles(c.codes))
    for (const name of ['logLoss', 'accuracy', 'macroF1', 'macroAuc'] as const)
      expectClose(found[name].value, c[name], 1e-12, name)
    const [low, high] = found.macroAuc.interval as [number, number]
    expect(low).toBeLessThan(c.macroAuc)
    expect(high).toBeGreaterThan(c.macroAuc)
    expect([...confusionOf(doubles(c.outputs), doubles(c.codes)).counts]).toEqual(c.confusion)
  }
})

test('the temperature is that of a bounded search of SciPy', () => {
  for (const { scores, codes, temperature } of reference.temperatures)
    expect(fitTemperature(scores, codes)).toBeCloseTo(temperature, 5)
})

test('scores that separate the classes, and scores that say nothing, end at the ends', () => {
  expect(fitTemperature([9, 0, 0, 9], [0, 1])).toBe(0.02)
  expect(fitTemperature([9, 0, 0, 9, 9, 0, 0, 9], [1, 0, 0, 1])).toBe(50)
  expectCode(() => fitTemperature([1, 2, 3], [0, 1]), 'MR_STATS_RANGE')
  expectCode(() => fitTemperature([1, 2], [2]), 'MR_STATS_RANGE')
})

test('no rows and one class leave what cannot be measured at zero rows', () => {
  const none = measureAll('multiclass', new Float64Array(0), new Float64Array(0))
  expect(Object.values(none).every(({ n }) => n === 0)).toBe(true)
  const one = measureAll('multiclass', doubles([0.7, 0.3, 0.6, 0.4]), doubles([0, 0]))
  expect(one.macroAuc).toEqual({ value: 0, n: 0 })
  expect(one.accuracy.value).toBe(1)
  const order = measureAll('ranking', doubles([1, 2]), doubles([0, 0]), Int32Array.of(0))
  expect(order.ndcg).toEqual({ value: 0, n: 0 })
})

/** Rows of three classes whose probabilities know `signal` of the truth. */
function drawn(n: number, signal: number, rng: ReturnType<typeof seededRng>): [Float64Array, Float64Array] {
  const outputs = new Float64Array(n * 3)
  const codes = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const code = Math.floor(rng.next() * 3)
    codes[i] = code
    const weights = [0, 1, 2].map((k) => Math.exp(signal * (k === code ? 1 : 0) + 2 * rng.next()))
    const sum = weights.reduce((a, b) => a + b)
    weights.forEach((w, k) => {
      outputs[i * 3 + k] = w / sum
    })
  }
  return [outputs, codes]
}

test('intervals of macro AUC, macro F1 and log loss hold the truth in at least 90 of 100 samples', () => {
  const rng = seededRng(7)
  const truth = measureAll('multiclass', ...drawn(60_000, 1, rng))
  const missed: Record<string, number> = {}
  const runs = 200
  for (let run = 0; run < runs; run++) {
    const found = measureAll('multiclass', ...drawn(300, 1, rng))
    for (const name of ['macroAuc', 'macroF1', 'logLoss', 'accuracy']) {
      const [low, high] = found[name].interval as [number, number]
      if (truth[name].value < low || truth[name].value > high) missed[name] = (missed[name] ?? 0) + 1
    }
  }
  for (const n of Object.values(missed)) expect(n).toBeLessThanOrEqual(hitsAtMost(runs, 0.06))
})

test('a candidate that knows less is seen to be worse by every metric, and an equal one by none', () => {
  const rng = seededRng(11)
  const [base, codes] = drawn(3000, 1.5, rng)
  const worse = base.map((p, i) => 0.6 * p + 0.4 * base[(i * 7 + 3) % base.length])
  for (const name of ['macroAuc', 'logLoss', 'accuracy', 'macroF1']) {
    const found = worsening(metricOf(name, 'multiclass'), base, worse, codes)
    expect(found?.interval[0], name).toBeGreaterThan(0)
    const same = worsening(metricOf(name, 'multiclass'), base, base, codes)
    expect(same?.value, name).toBe(0)
  }
})

test('of equally likely classes the first is said', () => {
  expect(likeliest(doubles([0.5, 0.5, 0.2, 0.8]), doubles([0, 0]))).toEqual([
    doubles([0.5, 0.8]),
    doubles([1, 0]),
  ])
})
