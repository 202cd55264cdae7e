import { expect, test } from 'vitest'
import { canonicalJson } from '../../src/core/canonical.ts'
import { seededRng } from '../../src/core/rng.ts'
import { METRICS as DECLARED } from '../../src/define/metrics.ts'
import type { GateDef } from '../../src/define/types.ts'
import { type GateInput, judgeGate } from '../../src/gate/gates.ts'
import { metricOf, worsening } from '../../src/model/measure.ts'

const N = 4000

/** Rows whose chance is known, scored by a model that knows it up to noise. */
function binary(noise = 0.02, n = N, seed = 1) {
  const rng = seededRng(seed)
  const truth = Float64Array.from({ length: n }, () => 0.05 + 0.9 * rng.next() ** 2)
  return {
    truth,
    targets: truth.map((p) => (rng.next() < p ? 1 : 0)),
    outputs: truth.map((p) => Math.min(0.99, Math.max(0.01, p + noise * rng.normal()))),
  }
}

function regression(noise: number, n = N, seed = 2) {
  const rng = seededRng(seed)
  const truth = Float64Array.from({ length: n }, () => 1e5 * rng.normal())
  return {
    targets: truth.map((y) => y + 3e4 * rng.normal()),
    outputs: truth.map((y) => y + noise * rng.normal()),
  }
}

function inputOf(overrides: Partial<GateInput> = {}): GateInput {
  const { targets, outputs } = binary()
  return {
    subject: 'models/m',
    task: 'binary',
    outputs,
    targets,
    baseRate: 0.35,
    slices: {},
    bytes: 5000,
    latencyMs: { p50: 0.01, p99: 0.2 },
    featureAuc: {},
    at: 0,
    ...overrides,
  }
}

const first = (gate: GateDef, input: GateInput) => judgeGate(gate, input)[0]
const verdict = (gate: GateDef, input: GateInput) => first(gate, input).verdict

test('the baseline is beaten by a model, not by noise, and lost to by the wrong way round', () => {
  const gate: GateDef = { kind: 'beatsBaseline', metric: 'auto' }
  const input = inputOf()
  expect(verdict(gate, input)).toBe('pass')
  expect(verdict(gate, { ...input, outputs: input.outputs.map((p) => 1 - p) })).toBe('fail')
  const rng = seededRng(9)
  const noise = input.outputs.map(() => 0.35 + 0.001 * rng.normal())
  expect(verdict(gate, { ...input, outputs: noise })).toBe('inconclusive')
  const one = { outputs: input.outputs.slice(0, 1), targets: input.targets.slice(0, 1) }
  expect(verdict(gate, { ...input, ...one })).toBe('inconclusive')
  for (const metric of ['auc', 'brier', 'averagePrecision', 'accuracy'])
    expect(verdict({ kind: 'beatsBaseline', metric }, input), metric).toBe('pass')
})

test('against live on the same rows: equal models pass, a worse one fails, too few rows are inconclusive', () => {
  const input = inputOf()
  const live = { version: 3, outputs: binary(0.03).outputs }
  const bad = input.outputs.map((p) => Math.min(0.99, p / 3))
  for (const metric of [
    'auto',
    'auc',
    'logLoss',
    'brier',
    'accuracy',
    'averagePrecision',
    'calibrationError',
  ]) {
    const gate: GateDef = { kind: 'noWorseThanLive', metric, tolerance: 0.01 }
    expect(verdict(gate, input), metric).toBe('pass')
    expect(verdict(gate, { ...input, live: { version: 3, outputs: input.outputs } }), metric).toBe('pass')
    expect(verdict(gate, { ...input, live }), metric).not.toBe('fail')
    if (!['auc', 'averagePrecision'].includes(metric))
      expect(verdict(gate, { ...input, outputs: bad, live }), metric).toBe('fail')
  }
  const ranks = { kind: 'noWorseThanLive', metric: 'auc', tolerance: 0.01 } as const
  expect(verdict(ranks, { ...input, outputs: input.outputs.map((p) => 1 - p), live })).toBe('fail')
  const few = <K extends 'outputs' | 'targets'>(k: K) => input[k].slice(0, 30)
  const thin = {
    ...input,
    outputs: few('outputs'),
    targets: few('targets'),
    live: { version: 3, outputs: live.outputs.slice(0, 30) },
  }
  expect(verdict({ kind: 'noWorseThanLive', metric: 'auto', tolerance: 0.0001 }, thin)).toBe('inconclusive')
})

test('a regression is compared as a share of the live error, so that the tolerance does not depend on the unit', () => {
  const { targets, outputs } = regression(1e3)
  const live = { version: 1, outputs: regression(1.2e3).outputs }
  for (const scale of [1, 1e-6, 1e6]) {
    const scaled = (values: Float64Array) => values.map((v) => v * scale)
    const input = inputOf({
      task: 'regression',
      targets: scaled(targets),
      outputs: scaled(outputs),
      live: { version: 1, outputs: scaled(live.outputs) },
    })
    for (const metric of ['auto', 'rmse', 'mae', 'r2']) {
      const gate: GateDef = { kind: 'noWorseThanLive', metric, tolerance: 0.005 }
      expect(verdict(gate, input), `${metric} ${scale}`).toBe('pass')
      const worse = { ...input, outputs: scaled(regression(2e4, N, 2).outputs) }
      expect(verdict(gate, worse), `${metric} ${scale}`).toBe('fail')
    }
  }
})

test('every metric that a config may name is measured or is a cost, and one of another task is an error that closes the gate', () => {
  const { targets, outputs } = regression(1e3)
  const inputs = { binary: inputOf(), regression: inputOf({ task: 'regression', targets, outputs }) }
  for (const { name, tasks } of Object.values(DECLARED)) {
    for (const task of ['binary', 'regression'] as const) {
      const gate: GateDef = { kind: 'metric', metric: name, min: -1e12, max: 1e12 }
      if (tasks.includes(task)) expect(verdict(gate, inputs[task]), `${name} ${task}`).toBe('pass')
      else expect(() => judgeGate(gate, inputs[task]), `${name} ${task}`).toThrow('is a measure of')
    }
  }
  expect(verdict({ kind: 'metric', metric: 'latencyP99', max: 0.1 }, inputs.binary)).toBe('fail')
  expect(verdict({ kind: 'metric', metric: 'latencyP50', max: 0.1 }, inputs.binary)).toBe('pass')
  expect(verdict({ kind: 'metric', metric: 'modelBytes', max: 4999 }, inputs.binary)).toBe('fail')
})

test('a metric within bounds passes, surely beyond them fails, in between is inconclusive, and undefined is inconclusive', () => {
  const input = inputOf()
  const { value, interval } = metricOf('auc').of(input.outputs, input.targets)
  const gate = (min: number): GateDef => ({ kind: 'metric', metric: 'auc', min })
  expect(verdict(gate(value - 0.001), input)).toBe('pass')
  expect(verdict(gate(value + 0.001), input)).toBe('inconclusive')
  expect(verdict(gate(interval![1] + 0.001), input)).toBe('fail')
  const oneClass = { ...input, targets: input.targets.map(() => 1) }
  expect(first(gate(0.5), oneClass)).toMatchObject({ verdict: 'inconclusive', value: null })
})

test('calibration, size and latency hold their limits', () => {
  const input = inputOf()
  expect(verdict({ kind: 'calibration', max: 0.05 }, input)).toBe('pass')
  expect(
    verdict({ kind: 'calibration', max: 0.05 }, { ...input, outputs: input.outputs.map((p) => p / 3) }),
  ).toBe('fail')
  const none = { ...input, outputs: new Float64Array(0), targets: new Float64Array(0) }
  expect(verdict({ kind: 'calibration', max: 0.05 }, none)).toBe('inconclusive')
  expect(verdict({ kind: 'calibration', max: 0 }, { ...input, task: 'regression' })).toBe('pass')
  expect(verdict({ kind: 'size', bytesMax: 5000 }, input)).toBe('pass')
  expect(verdict({ kind: 'size', bytesMax: 4999 }, input)).toBe('fail')
  expect(verdict({ kind: 'latency', msMax: 0.2 }, input)).toBe('pass')
  expect(verdict({ kind: 'latency', msMax: 0.19 }, input)).toBe('fail')
})

test('a feature that ranks the target alone closes the gate and is named', () => {
  const gate: GateDef = { kind: 'noLeak', aucMax: 0.995 }
  expect(verdict(gate, inputOf())).toBe('pass')
  expect(verdict(gate, inputOf({ featureAuc: { x: 0.8, z: 0.6 } }))).toBe('pass')
  const leak = first(gate, inputOf({ featureAuc: { x: 0.8, answer: 0.9999 } }))
  expect(leak).toMatchObject({ verdict: 'fail', value: 0.9999 })
  expect(leak.message).toContain('"answer"')
})

/** Each row to one of k slices in turn. */
const slicesOf = (k: number, n = N) => ({
  col: {
    codes: Int32Array.from({ length: n }, (_, i) => i % k),
    categories: Array.from({ length: k }, (_, i) => `s${i}`),
  },
})
const SLICES: GateDef = { kind: 'slices', column: 'col', metric: 'auto', floor: 0.7, rowsMin: 50 }

test('one slice that is surely below the floor closes the gate and is shown; thin and one-sided slices do not', () => {
  const input = inputOf({ slices: slicesOf(10) })
  expect(verdict(SLICES, input)).toBe('pass')
  const broken = { ...input, outputs: input.outputs.map((p, i) => (i % 10 === 3 ? 1 - p : p)) }
  const findings = judgeGate(SLICES, broken)
  expect(findings[0]).toMatchObject({ verdict: 'fail', check: 'gate.slices.col' })
  expect(findings[0].slice).toBeUndefined()
  expect(findings[0].message).toContain('s3')
  expect(findings.slice(1).map((f) => [f.slice, f.verdict])).toEqual([['s3', 'fail']])
  const oneSided = { ...broken, targets: input.targets.map((y, i) => (i % 10 === 3 ? 1 : y)) }
  expect(verdict(SLICES, oneSided)).toBe('pass')
  expect(verdict({ ...SLICES, rowsMin: 1000 } as GateDef, broken)).toBe('pass')
  const missing = {
    ...broken,
    slices: { col: { codes: broken.slices.col.codes.map(() => -1), categories: [] } },
  }
  expect(verdict(SLICES, missing)).toBe('pass')
  expect(verdict(SLICES, inputOf())).toBe('error')
  for (const finding of findings) expect(() => canonicalJson(finding)).not.toThrow()
})

test('many slices at the floor rarely close the gate: their number is paid for', () => {
  let closed = 0
  for (let seed = 1; seed <= 100; seed++) {
    const { truth, targets } = binary(0, 2000, seed)
    const input = inputOf({ outputs: truth, targets, slices: slicesOf(20, 2000) })
    const whole = metricOf('auc').of(truth, targets).value
    if (verdict({ ...SLICES, floor: whole } as GateDef, input) === 'fail') closed++
  }
  expect(closed).toBeLessThanOrEqual(10)
})

test('where lower is better, the floor of slices is a ceiling', () => {
  const input = inputOf({ slices: slicesOf(4) })
  const gate: GateDef = { ...SLICES, metric: 'logLoss', floor: 0.8 } as GateDef
  expect(verdict(gate, input)).toBe('pass')
  const broken = { ...input, outputs: input.outputs.map((p, i) => (i % 4 === 1 ? 1 - p : p)) }
  expect(judgeGate(gate, broken).map((f) => [f.slice, f.verdict])).toEqual([
    [undefined, 'fail'],
    ['s1', 'fail'],
  ])
})

test('slices of a regression by the share explained, with an interval of its own', () => {
  const { targets, outputs } = regression(1e3)
  const input = inputOf({ task: 'regression', targets, outputs, slices: slicesOf(20) })
  const whole = metricOf('r2').of(outputs, targets)
  expect(whole.interval![0]).toBeLessThan(whole.value)
  expect(verdict({ ...SLICES, floor: whole.value } as GateDef, input)).toBe('pass')
  expect(verdict({ ...SLICES, floor: 0.99 } as GateDef, input)).toBe('fail')
})

test('average precision is that of the example in scikit-learn’s manual', () => {
  const scores = Float64Array.of(0.1, 0.4, 0.35, 0.8)
  const { value } = metricOf('averagePrecision').of(scores, Float64Array.of(0, 0, 1, 1))
  // https://scikit-learn.org/stable/modules/generated/sklearn.metrics.average_precision_score.html
  expect(value).toBeCloseTo(0.83, 2)
  expect(value).toBeCloseTo((1 + 2 / 3) / 2, 12)
  expect(
    metricOf('averagePrecision').of(
      scores.map(() => 0.3),
      Float64Array.of(0, 0, 1, 1),
    ).value,
  ).toBe(0.5)
})

test('intervals of paired worsening cover no difference about as often as they say, for every metric', () => {
  for (const name of ['auc', 'logLoss', 'brier', 'accuracy', 'averagePrecision']) {
    let covered = 0
    for (let seed = 1; seed <= 60; seed++) {
      const rng = seededRng(seed)
      const { truth, targets } = binary(0, 400, 5000 + seed)
      const noisy = () => truth.map((p) => Math.min(0.99, Math.max(0.01, p + 0.1 * rng.normal())))
      const found = worsening(metricOf(name), noisy(), noisy(), targets)!
      if (found.interval[0] <= 0 && found.interval[1] >= 0) covered++
    }
    expect(covered, name).toBeGreaterThanOrEqual(52)
  }
})

/** Rows of three classes whose probabilities know the truth up to noise. */
function classes(signal: number, n = N, seed = 5) {
  const rng = seededRng(seed)
  const targets = new Float64Array(n)
  const outputs = new Float64Array(3 * n)
  for (let i = 0; i < n; i++) {
    targets[i] = rng.nextInt(3)
    const weights = [0, 1, 2].map((k) => Math.exp(signal * (k === targets[i] ? 1 : 0) + rng.normal()))
    const sum = weights.reduce((a, b) => a + b)
    weights.forEach((w, k) => {
      outputs[3 * i + k] = w / sum
    })
  }
  return { task: 'multiclass' as const, targets, outputs, classShares: [1 / 3, 1 / 3, 1 / 3] }
}

test('gates of several classes compare rows by log loss, slice by accuracy, and say which metrics are not theirs', () => {
  const input = inputOf(classes(2))
  expect(verdict({ kind: 'beatsBaseline', metric: 'auto' }, input)).toBe('pass')
  expect(verdict({ kind: 'beatsBaseline', metric: 'accuracy' }, input)).toBe('pass')
  const shuffled = { ...input, targets: input.targets.map((_, i) => input.targets[(i * 7 + 1) % N]) }
  expect(verdict({ kind: 'beatsBaseline', metric: 'auto' }, shuffled)).toBe('fail')
  const gate: GateDef = { kind: 'noWorseThanLive', metric: 'auto', tolerance: 0.01 }
  const worse = classes(1, N, 5)
  expect(verdict(gate, { ...input, live: { version: 1, outputs: worse.outputs } })).toBe('pass')
  expect(verdict(gate, { ...inputOf(worse), live: { version: 1, outputs: input.outputs } })).toBe('fail')
  const slices = { k: { codes: Int32Array.from(input.targets, (c) => c), categories: ['a', 'b', 'c'] } }
  const sliced = first(
    { kind: 'slices', column: 'k', metric: 'auto', floor: 0.5, rowsMin: 200 },
    { ...input, slices },
  )
  expect([sliced.verdict, sliced.limit]).toEqual(['pass', 'accuracy >= 0.5 in each slice'])
  expect(verdict({ kind: 'calibration', max: 0.2 }, input)).toBe('pass')
  expect(() => judgeGate({ kind: 'metric', metric: 'auc', min: 0.5 }, input)).toThrow(
    'AUC is a measure of binary models, this one is multiclass',
  )
  expect(() => judgeGate({ kind: 'metric', metric: 'ndcg', min: 0.5 }, input)).toThrow('ranking')
})

test('a slice of a ranking keeps its groups', () => {
  const groups = Int32Array.of(0, 3, 6)
  const input = inputOf({
    task: 'ranking',
    outputs: Float64Array.of(3, 2, 1, 1, 2, 3, 5, 4, 3),
    targets: Float64Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0),
    groups,
    slices: { k: { codes: Int32Array.of(0, 0, 0, 1, 1, 1, 0, 0, 0), categories: ['a', 'b'] } },
  })
  const found = judgeGate({ kind: 'slices', column: 'k', metric: 'mrr', floor: 0.9, rowsMin: 2 }, input)
  expect(found.find((f) => f.slice === 'b')?.value).toBeCloseTo(1 / 3, 12)
  expect(found[0]).toMatchObject({ verdict: 'fail', value: expect.closeTo(1 / 3, 12) })
  expect(first({ kind: 'calibration', max: 0.1 }, input).message).toBe('a ranking has no calibration error')
})
