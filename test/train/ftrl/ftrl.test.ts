import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { ftrlWeight } from '../../../src/model/ftrl.ts'
import { murmur3 } from '../../../src/model/hashing.ts'
import { predictColumns, rawColumns } from '../../../src/model/predict.ts'
import { learnHashed, openFtrl, sparseOf } from '../../../src/train/ftrl/core.ts'
import type { FtrlData } from '../../../src/train/ftrl/space.ts'
import { continueFtrl, trainFtrl } from '../../../src/train/ftrl/train.ts'

interface Stream {
  loss: 'logloss' | 'l2'
  params: { alpha: number; beta: number; l1: number; l2: number }
  slots: number[][]
  values: number[][]
  target: number[]
  predicted: number[]
  progressive: number
  keys: number[]
  z: number[]
  n: number[]
  weights: number[]
}
const { streams, murmur } = JSON.parse(
  readFileSync(new URL('../../reference/streams/ftrl.json', import.meta.url), 'utf8'),
) as { streams: Stream[]; murmur: { text: string; seed: number; hash: number }[] }

type Kernels = 'wasm' | 'js'

function learnStream(stream: Stream, kernels: Kernels, cut = stream.target.length) {
  const state = openFtrl(8, stream.params, stream.loss === 'l2' ? 'identity' : 'sigmoid', kernels)
  const width = stream.slots[0].length
  const raws = new Float64Array(stream.target.length)
  for (let from = 0; from < raws.length; from += cut) {
    const to = Math.min(from + cut, raws.length)
    const values = Float64Array.from(stream.values.slice(from, to).flat())
    learnHashed(
      state,
      {
        nRows: to - from,
        width,
        slots: Int32Array.from(stream.slots.slice(from, to).flat()),
        ...(values.every((v) => v === 1) ? {} : { values }),
        target: Float64Array.from(stream.target.slice(from, to)),
        intercept: false,
      },
      raws.subarray(from, to),
    )
  }
  return { state, raws }
}

const probability = (raw: number) => 1 / (1 + Math.exp(-raw))
const close = (got: number, want: number, what: string) =>
  expect(Math.abs(got - want), `${what}: got ${got}, want ${want}`).toBeLessThan(
    1e-10 * Math.max(1, Math.abs(want)),
  )

const cases = streams.flatMap((s, i) => (['wasm', 'js'] as const).map((kernels) => [i, kernels, s] as const))

describe.each(cases)('FTRL-proximal on recorded stream %i, %s', (_, kernels, stream) => {
  test('thinks of each row what the paper’s algorithm thinks, and ends with its accumulators and weights', () => {
    const { state, raws } = learnStream(stream, kernels)
    const predicted = stream.loss === 'l2' ? raws : raws.map(probability)
    stream.predicted.forEach((want, k) => {
      close(predicted[predicted.length - stream.predicted.length + k], want, `row ${k} of the last`)
    })
    const losses = predicted.map((p, i) => {
      const y = stream.target[i]
      return stream.loss === 'l2' ? (p - y) ** 2 : -Math.log(y === 1 ? p : 1 - p)
    })
    close(losses.reduce((a, b) => a + b, 0) / losses.length, stream.progressive, 'progressive loss')
    const { slots, z, roots } = sparseOf(state)
    expect(Array.from(slots)).toEqual(stream.keys)
    stream.keys.forEach((key, k) => {
      close(z[k], stream.z[k], `z of ${key}`)
      close(roots[k] ** 2, stream.n[k], `n of ${key}`)
      close(ftrlWeight(stream.params, z[k], roots[k]), stream.weights[k], `weight of ${key}`)
    })
  })

  test('comes to the same bits however the rows are cut', () => {
    const whole = learnStream(stream, kernels)
    const cut = learnStream(stream, kernels, 7)
    expect(cut.state.accumulators).toEqual(whole.state.accumulators)
    expect(cut.raws).toEqual(whole.raws)
  })
})

/** Rows whose slots fall together often, two of one row among them, with more of them than the kernels take in one piece. */
function crowdedRows(seed: number, { nRows, width }: { nRows: number; width: number }) {
  const rng = seededRng(seed)
  const fill = (n: number, next: () => number) => Float64Array.from({ length: n }, next)
  return {
    nRows,
    width,
    slots: Int32Array.from({ length: nRows * width }, () => rng.nextInt(60)),
    values: fill(nRows * width, () => rng.normal()),
    weights: fill(nRows, () => rng.nextInt(3)),
    target: fill(nRows, () => rng.nextInt(2)),
  }
}

test.each([
  { width: 7, link: 'sigmoid', l1: 0.5 },
  { width: 30, link: 'sigmoid', l1: 0 },
  { width: 1, link: 'identity', l1: 0.01 },
  { width: 9_000, link: 'sigmoid', l1: 1 },
  { width: 40_000, link: 'sigmoid', l1: 1 },
] as const)('kernels and plain loops come to the same bits: %o', ({ width, link, l1 }) => {
  const nRows = Math.max(3, Math.floor(150_000 / width))
  const { values, weights, ...rows } = crowdedRows(width, { nRows, width })
  for (const more of [{}, { values }, { weights }, { values, weights, intercept: false }]) {
    const [wasm, js] = (['wasm', 'js'] as const).map((kernels) => {
      const state = openFtrl(8, { alpha: 0.2, beta: 1, l1, l2: 0.1 }, link, kernels)
      const out = new Float64Array(nRows)
      learnHashed(state, { ...rows, ...more }, out)
      return { state, out }
    })
    expect(wasm.state.workshop).not.toBeNull()
    expect(js.state.workshop).toBeNull()
    expect(Buffer.from(wasm.out.buffer).equals(Buffer.from(js.out.buffer))).toBe(true)
    expect(wasm.state.accumulators).toEqual(js.state.accumulators)
  }
})

test('a model of enough rows for the kernels has the bytes of one that plain loops learned piece by piece', () => {
  const data = clicks(25_000, 9)
  const params = { loss: 'logloss', numbers: 'values', signed: true, bits: 12 } as const
  const fresh = { ...trainFtrl(data, params), rows: 0, slots: new Uint32Array(0) }
  const none = { z: new Float64Array(0), roots: new Float64Array(0) }
  const { model: first } = continueFtrl({ ...fresh, ...none }, sliceOf(data, 0, 12_000))
  const { model: second } = continueFtrl(first, sliceOf(data, 12_000, 25_000))
  expect(encodeModel(second)).toEqual(encodeModel(trainFtrl(data, params)))
})

test.each(murmur)('MurmurHash3 of "$text" with seed $seed', ({ text, seed, hash }) => {
  expect(murmur3(text, seed)).toBe(hash)
})

/** Clicks that depend on a pair of categories and on a number, with missing values. */
function clicks(nRows: number, seed: number): FtrlData & { chance: Float64Array } {
  const rng = seededRng(seed)
  const columns = [new Float64Array(nRows), new Float64Array(nRows), new Float64Array(nRows)]
  const target = new Float64Array(nRows)
  const chance = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    const [a, b, x] = [rng.nextInt(20), rng.nextInt(5), rng.normal()]
    columns[0][i] = rng.next() < 0.05 ? Number.NaN : a * 1e9
    columns[1][i] = b
    columns[2][i] = rng.next() < 0.05 ? Number.NaN : 1000 + 50 * x
    chance[i] = probability((a % 3) - 1 + ((a + b) % 2 === 0 ? 1 : -1) + Math.abs(x) - 1)
    target[i] = rng.next() < chance[i] ? 1 : 0
  }
  const features = [
    { name: 'a', type: 'category' as const },
    { name: 'b', type: 'category' as const },
    { name: 'x', type: 'number' as const },
  ]
  return { nRows, columns, target, features, chance }
}

function logLoss(p: Float64Array, y: Float64Array): number {
  let sum = 0
  for (let i = 0; i < y.length; i++) sum -= y[i] * Math.log(p[i]) + (1 - y[i]) * Math.log(1 - p[i])
  return sum / y.length
}

describe('a model over hashed features', () => {
  const data = clicks(8_000, 1)
  const later = clicks(4_000, 2)
  const params = {
    loss: 'logloss',
    alpha: 0.3,
    l1: 0.1,
    bits: 14,
    passes: 3,
    interactions: [['a', 'b']],
  } as const
  const model = trainFtrl(data, params)

  test('comes near the loss of the true chances, and a pair that matters helps', () => {
    const loss = (of: typeof model) =>
      logLoss(predictColumns({ model: of, calibration: null }, later.columns, later.nRows), later.target)
    const best = logLoss(later.chance, later.target)
    expect(loss(model) - best).toBeLessThan(0.03)
    expect(loss(trainFtrl(data, { ...params, interactions: [] }))).toBeGreaterThan(loss(model) + 0.05)
  })

  test('learns on from its bytes to the bits of one that never stopped', () => {
    const first = sliceOf(data, 0, 3_000)
    const rest = sliceOf(data, 3_000, 8_000)
    const half = { ...trainFtrl(first, params), space: model.space }
    const again = decodeModel(encodeModel(half)).model as typeof model
    const { model: whole, raws } = continueFtrl(again, rest)
    const straight = continueFtrl({ ...half }, rest)
    expect(encodeModel(whole)).toEqual(encodeModel(straight.model))
    expect(whole.rows).toBe(3 * 3_000 + 5_000)
    expect(raws).toHaveLength(5_000)
    expect(encodeModel(half)).toEqual(encodeModel(again))
  })

  test('one pass over rows in two pieces is one pass over all', () => {
    const start = {
      ...model,
      rows: 0,
      slots: new Uint32Array(0),
      z: new Float64Array(0),
      roots: new Float64Array(0),
    }
    const { model: first } = continueFtrl(start, sliceOf(data, 0, 12))
    const { model: second } = continueFtrl(first, sliceOf(data, 12, 8_000))
    expect(encodeModel(second)).toEqual(encodeModel(trainFtrl(data, { ...params, passes: 1 })))
  })

  test('what it thought before learning is what it served', () => {
    const rows = sliceOf(later, 0, 1)
    const served = rawColumns({ model, calibration: null }, rows.columns, 1)
    expect(continueFtrl(model, rows).raws[0]).toBeCloseTo(served[0], 12)
  })

  test.each([false, true])('keeps its bytes with values, signs and bins (signed: %s)', (signed) => {
    for (const numbers of ['bins', 'values'] as const) {
      const made = trainFtrl(data, { ...params, numbers, signed, interactions: 'all' })
      const bytes = encodeModel(made)
      expect(decodeModel(bytes).model).toStrictEqual(made)
      expect(encodeModel(trainFtrl(data, { ...params, numbers, signed, interactions: 'all' }))).toEqual(bytes)
    }
  })

  test('its contributions add up to the score, and pairs are shared', () => {
    for (let i = 0; i < 50; i++) {
      const row = Float64Array.from(later.columns, (column) => column[i])
      const { base, contributions, raw, residual } = explainRow(model, row)
      expect(Math.abs(residual)).toBeLessThan(1e-12)
      expect(raw).toBe(rawColumns({ model, calibration: null }, row, 1)[0])
      expect(base + contributions.reduce((a, b) => a + b, 0)).toBeCloseTo(raw, 10)
    }
  })

  test('a row of weight 0 teaches nothing', () => {
    const rows = sliceOf(later, 0, 100)
    const weights = rows.target.map((_, i) => i % 2)
    const odd = { ...rows, columns: rows.columns.map((c) => c.filter((_, i) => i % 2 === 1)) }
    const kept = { ...odd, nRows: 50, target: rows.target.filter((_, i) => i % 2 === 1) }
    const start = { ...model, rows: 0 }
    const { slots, z, roots } = continueFtrl(start, kept).model
    const weighed = continueFtrl(start, { ...rows, weights }).model
    const at = (slot: number) => weighed.slots.indexOf(slot)
    expect(Array.from(slots, (slot) => weighed.z[at(slot)])).toEqual(Array.from(z))
    expect(Array.from(slots, (slot) => weighed.roots[at(slot)])).toEqual(Array.from(roots))
  })

  test('hostile bytes are refused with a code or give a model that ends', () => {
    const bytes = encodeModel(trainFtrl(clicks(300, 3), { ...params, bits: 8 }))
    const row = Float64Array.of(1, 2, 3)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.slice()
        hostile[at] ^= flip
        try {
          const { model: read } = decodeModel(hostile)
          if (read.nFeatures <= 3) rawColumns({ model: read, calibration: null }, row, 1)
        } catch (error) {
          expect(isMillraceError(error) && error.code.startsWith('MR_MODEL_'), String(error)).toBe(true)
        }
      }),
      { numRuns: 1500 },
    )
  })
})

function sliceOf(data: FtrlData, from: number, to: number): FtrlData {
  return {
    nRows: to - from,
    columns: data.columns.map((column) => column.slice(from, to)),
    target: data.target.slice(from, to),
    features: data.features,
  }
}

test('a regression finds a line on a large scale', () => {
  const x = Float64Array.from({ length: 5_000 }, (_, i) => ((i * 37) % 1000) / 10)
  const target = x.map((v) => 1e6 + 2_000 * v)
  const features = [{ name: 'x', type: 'number' as const }]
  const model = trainFtrl(
    { nRows: 5_000, columns: [x], target, features },
    { loss: 'l2', numbers: 'values', l1: 0, l2: 0, passes: 20 },
  )
  const got = predictColumns({ model, calibration: null }, [Float64Array.of(10, 90)], 2)
  expect(got[0] / 1_020_000).toBeCloseTo(1, 3)
  expect(got[1] / 1_180_000).toBeCloseTo(1, 3)
})

const one = (values: number[], target: number[], more: object = {}): FtrlData => ({
  nRows: target.length,
  columns: [Float64Array.from(values)],
  target: Float64Array.from(target),
  features: [{ name: 'x', type: 'number' }],
  ...more,
})

test.each<[string, () => unknown, string]>([
  ['no rows', () => trainFtrl(one([], []), { loss: 'logloss' }), 'MR_MODEL_NO_ROWS'],
  ['one class', () => trainFtrl(one([1, 2], [1, 1]), { loss: 'logloss' }), 'MR_MODEL_ONE_CLASS'],
  ['one row', () => trainFtrl(one([1], [1]), { loss: 'logloss' }), 'MR_MODEL_ONE_CLASS'],
  ['a missing target', () => trainFtrl(one([1, 2], [1, Number.NaN]), { loss: 'l2' }), 'MR_MODEL_TARGET'],
  ['a target beyond 1', () => trainFtrl(one([1, 2], [0, 2]), { loss: 'logloss' }), 'MR_MODEL_TARGET'],
  ['too many bits', () => trainFtrl(one([1, 2], [0, 1]), { loss: 'logloss', bits: 30 }), 'MR_MODEL_PARAM'],
  [
    'a pair of unknown features',
    () => trainFtrl(one([1, 2], [0, 1]), { loss: 'logloss', interactions: [['x', 'y']] }),
    'MR_MODEL_PARAM',
  ],
  [
    'a negative weight',
    () => trainFtrl(one([1, 2], [0, 1], { weights: Float64Array.of(1, -1) }), { loss: 'logloss' }),
    'MR_MODEL_WEIGHT',
  ],
])('%s: refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})

test('constant, missing and infinite values give a finite model', () => {
  const columns = [
    Float64Array.of(3, 3, 3, 3),
    Float64Array.of(Number.NaN, Number.NaN, Number.NaN, Number.NaN),
    Float64Array.of(Number.POSITIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, 2),
  ]
  const features = ['a', 'b', 'c'].map((name) => ({ name, type: 'number' as const }))
  const data = { nRows: 4, columns, target: Float64Array.of(0, 1, 0, 1), features }
  for (const numbers of ['bins', 'values'] as const) {
    const model = trainFtrl(data, { loss: 'logloss', numbers })
    expect(encodeModel(model).length).toBeGreaterThan(0)
    const outputs = predictColumns({ model, calibration: null }, columns, 4)
    expect(outputs.every(Number.isFinite)).toBe(true)
  }
})
