import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { type Onnx, openOnnx } from '../../../src/engine/infer/onnx.ts'
import { compose } from '../../../src/model/composite.ts'
import { exportLightGbmText } from '../../../src/model/export/lightgbm-text.ts'
import { exportOnnx } from '../../../src/model/export/onnx.ts'
import { floatAbove, floatBelow } from '../../../src/model/float32.ts'
import { readLightGbmText } from '../../../src/model/import/lightgbm-text.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
import { readXgboost } from '../../../src/model/import/xgboost.ts'
import { compileScorer, type Model } from '../../../src/model/score.ts'
import type { Calibration, LinearModel, TreeEnsemble } from '../../../src/model/trees.ts'
import { trainEbm } from '../../../src/train/ebm/train.ts'
import { trainForest } from '../../../src/train/forest/train.ts'
import { trainFtrl } from '../../../src/train/ftrl/train.ts'
import { trainLinear } from '../../../src/train/linear/train.ts'
import { trainMlp } from '../../../src/train/mlp/train.ts'
import { randomEnsemble } from '../fixtures.ts'
import { answersOf, furthest, modelBytes } from '../import/recorded.ts'

let onnx: Onnx
beforeAll(async () => {
  onnx = await openOnnx({ workers: 1 })
})
afterAll(() => onnx.close())

const text = (name: string) => readLightGbmText(new TextDecoder().decode(modelBytes(name))).model

/** What ONNX Runtime answers for a file. */
async function runtime(bytes: Uint8Array, rows: Float64Array, width: number) {
  await onnx.load(bytes, { id: 'm' })
  const data = Float32Array.from(rows)
  const out = await onnx.run('m', { features: { type: 'float32', dims: [rows.length / width, width], data } })
  return {
    output: Float64Array.from(out.output.data as Float32Array),
    raw: Float64Array.from(out.raw.data as Float32Array),
  }
}

async function compare(
  model: Model,
  rows: Float64Array,
  calibration: Calibration | null = null,
): Promise<number> {
  const floats = rows.map(Math.fround)
  const n = rows.length / model.nFeatures
  const expected = new Float64Array(n * model.nOutputs)
  compileScorer(model, calibration).scoreBatch(floats, n, expected)
  const { output } = await runtime(exportOnnx(model, { calibration }), floats, model.nFeatures)
  return furthest(output, expected)
}

describe('a model written as ONNX answers in ONNX Runtime as it does here', () => {
  test.each([
    'lightgbm-binary.txt',
    'lightgbm-multiclass.txt',
    'lightgbm-ova.txt',
    'lightgbm-poisson.txt',
    'lightgbm-rf.txt',
    'lightgbm-zero-missing.txt',
    'lightgbm-no-missing.txt',
    'lightgbm-categories.txt',
  ])('%s', async (name) => {
    expect(await compare(text(name), answersOf(name).rows)).toBeLessThan(2e-6)
  })

  test.each([
    'xgboost-binary.json',
    'xgboost-softprob-forest.ubj',
    'xgboost-categories-sets.json',
    'xgboost-linear-softprob.ubj',
  ])('%s', async (name) => {
    expect(await compare(readXgboost(modelBytes(name)).model, answersOf(name).rows)).toBeLessThan(2e-6)
  })

  test('decisions are the same on every float near a threshold, so that leaves that tell themselves apart sum alike', async () => {
    for (const seed of [1, 2, 3]) {
      const model = randomEnsemble({ seed, nFeatures: 4, nTrees: 8, nCategories: 2, depth: 4 })
      const whole: TreeEnsemble = {
        ...model,
        link: 'identity',
        value: model.value.map((v) => Math.round(v * 64) / 64),
        baseScores: Float64Array.of(0.5),
      }
      const near = Array.from(whole.threshold)
        .filter(Number.isFinite)
        .flatMap((t) => [t, Math.fround(t * (1 + 1e-7)), Math.fround(t * (1 - 1e-7))])
      const values = [...near, 0, 1, 2, 31, 32, 63, 64, 0.5, -1, Number.NaN]
      const rows = Float64Array.from(
        { length: 400 * 4 },
        (_, i) => values[(i * 7919 + (i >> 3)) % values.length],
      )
      expect(await compare(whole, rows)).toBe(0)
    }
  })

  test('thresholds that are no floats are rounded down, the way that keeps `x <= t`', async () => {
    const t = 0.1
    const stump: TreeEnsemble = {
      ...randomEnsemble({ nTrees: 1, depth: 0, nFeatures: 1 }),
      roots: Int32Array.of(0),
      outputOf: Int32Array.of(0),
      feature: new Int32Array(3),
      threshold: Float64Array.of(t, 0, 0),
      left: Int32Array.of(1, -1, -1),
      right: Int32Array.of(2, -1, -1),
      missingLeft: Uint8Array.of(0, 0, 0),
      value: Float64Array.of(0, 1, 2),
      cover: Float64Array.of(2, 1, 1),
      categorySet: new Int32Array(3).fill(-1),
      categorySets: [],
      baseScores: Float64Array.of(0),
      link: 'identity',
    }
    // The float of 0.1 is above the double, so that it must go right.
    expect(Math.fround(t)).toBeGreaterThan(t)
    expect(await compare(stump, Float64Array.of(Math.fround(t), 0.09999999, 0.2, Number.NaN))).toBe(0)
  })

  test('calibration goes with the model, flat beyond its ends', async () => {
    const calibration: Calibration = { kind: 'isotonic', x: [0.2, 0.4, 0.7], y: [0.1, 0.5, 0.9] }
    const { rows } = answersOf('lightgbm-binary.txt')
    expect(await compare(text('lightgbm-binary.txt'), rows, calibration)).toBeLessThan(2e-6)
    const point: Calibration = { kind: 'isotonic', x: [0.2], y: [0.3] }
    expect(await compare(text('lightgbm-binary.txt'), rows, point)).toBeLessThan(2e-6)
    const tempered: Calibration = { kind: 'temperature', temperature: 1.7 }
    expect(await compare(text('lightgbm-multiclass.txt'), rows, tempered)).toBeLessThan(2e-6)
    const { nOutputs } = text('lightgbm-multiclass.txt')
    const moved: Calibration = {
      kind: 'vector',
      slopes: Array.from({ length: nOutputs }, (_, k) => 0.5 + k / 4),
      intercepts: Array.from({ length: nOutputs }, (_, k) => 0.3 - k / 5),
    }
    expect(await compare(text('lightgbm-multiclass.txt'), rows, moved)).toBeLessThan(2e-6)
  })

  test('shares are divided by their sum', async () => {
    const rng = seededRng(4)
    const columns = [0, 1].map(() => Float64Array.from({ length: 300 }, () => Math.fround(rng.next())))
    const target = columns[0].map((x, i) => Math.floor(3 * Math.min(0.999, (x + columns[1][i]) / 2)))
    const { model } = trainForest(
      { nRows: 300, columns, categorical: [false, false], target },
      { trees: 10, nClasses: 3 },
    )
    const rows = Float64Array.from({ length: 200 }, () => rng.next())
    expect(await compare(model, rows)).toBeLessThan(2e-6)
    expect(() => exportLightGbmText(model)).toThrow('MR_MODEL_EXPORT')
  })

  test('linear models replace missing values first', async () => {
    const model: LinearModel = {
      kind: 'LinearModel',
      nFeatures: 3,
      nOutputs: 2,
      weights: Float64Array.of(1, -2, 0.5, 0.25, 3, -1),
      intercepts: Float64Array.of(0.5, -0.5),
      missing: Float64Array.of(1, 2, 3),
      link: 'softmax',
    }
    expect(
      await compare(model, Float64Array.of(1, Number.NaN, 0.5, Number.NaN, 2, 3, -1, 0, 1)),
    ).toBeLessThan(1e-6)
  })

  test('and is read back here with the same decisions, covers and sets', () => {
    const model = text('lightgbm-categories.txt') as TreeEnsemble
    const again = readOnnxModel(exportOnnx(model)).model as TreeEnsemble
    expect(again.roots).toEqual(model.roots)
    expect(again.feature).toEqual(model.feature)
    expect(again.cover).toEqual(model.cover)
    expect(again.categorySets).toHaveLength(model.categorySets.length)
    const { rows, nFeatures, raw } = answersOf('lightgbm-categories.txt')
    const scorer = compileScorer(again)
    raw.forEach((expected, i) => {
      expect(Math.abs(scorer.rawRow(rows.slice(i * nFeatures, (i + 1) * nFeatures)) - expected)).toBeLessThan(
        1e-5,
      )
    })
  })
})

/** Rows of two numbers, some missing, and two categories with codes that training did not see. */
function mixedRows(n: number, seed: number, codes = 12) {
  const rng = seededRng(seed)
  const missing = (value: number) => (rng.next() < 0.1 ? Number.NaN : value)
  const columns = [
    Float64Array.from({ length: n }, () => Math.fround(missing(1e6 + 20 * rng.normal()))),
    Float64Array.from({ length: n }, () => Math.fround(missing(rng.normal()))),
    Float64Array.from({ length: n }, () => missing(rng.nextInt(codes))),
    Float64Array.from({ length: n }, () => missing(rng.nextInt(3))),
  ]
  const score = (i: number) =>
    (columns[0][i] > 1e6 ? 1 : -1) + (columns[1][i] || 0) + (columns[2][i] % 3 === 0 ? 1 : 0) - 0.5
  const chance = Float64Array.from({ length: n }, (_, i) =>
    rng.next() < 1 / (1 + Math.exp(-score(i))) ? 1 : 0,
  )
  const kind = Float64Array.from({ length: n }, (_, i) => (score(i) > 1 ? 2 : score(i) > -0.5 ? 1 : 0))
  const value = Float64Array.from({ length: n }, (_, i) => 1e5 + 300 * score(i))
  const rows = new Float64Array(4 * n)
  columns.forEach((column, j) => {
    for (let i = 0; i < n; i++) rows[4 * i + j] = column[i]
  })
  return { nRows: n, columns, categorical: [false, false, true, true], chance, kind, value, rows }
}

/** The furthest that outputs are from what they are here, as a share of the largest of these. */
async function share(model: Model, rows: Float64Array, calibration: Calibration | null = null) {
  const n = rows.length / model.nFeatures
  const expected = new Float64Array(n * model.nOutputs)
  compileScorer(model, calibration).scoreBatch(rows, n, expected)
  const { output } = await runtime(exportOnnx(model, { calibration }), rows, model.nFeatures)
  expect(output).toHaveLength(expected.length)
  return furthest(output, expected) / expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1)
}

describe('networks, tables, linear models with categories and sums of models', () => {
  const data = mixedRows(1_500, 1)
  const { rows } = mixedRows(400, 2, 15)
  const odd = Float64Array.of(
    ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e9, -1],
    ...[Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 2.5, Number.POSITIVE_INFINITY],
    ...[Number.NaN, Number.NaN, Number.NaN, Number.NaN],
  )
  const all = Float64Array.of(...rows, ...odd)
  const small = { hidden: [9, 5], epochs: 2, batchRows: 64 }
  const nets = () =>
    (['relu', 'gelu'] as const).flatMap((activation) => [
      trainMlp({ ...data, target: data.chance }, { ...small, activation, loss: 'logloss' }).model,
      trainMlp({ ...data, target: data.value }, { ...small, activation, loss: 'l2', oneHotMax: 2 }).model,
      trainMlp({ ...data, target: data.kind }, { ...small, activation, loss: 'softmax', nClasses: 3 }).model,
    ])

  test('networks of every activation, with one-hot and embedded categories', async () => {
    for (const net of nets()) expect(await share(net, all)).toBeLessThan(2e-6)
    const [net] = nets()
    for (const activation of ['gelu-exact', 'silu', 'tanh', 'sigmoid'] as const)
      expect(await share({ ...net, activation }, all)).toBeLessThan(2e-6)
  })

  test('tables fall into the same cells on every float near an edge', async () => {
    const params = { bags: 1, rounds: 60, interactions: 2 }
    const tables = trainEbm({ ...data, target: data.chance }, { ...params, loss: 'logloss' }).model
    expect(tables.terms.some(({ axes }) => axes.length === 2)).toBe(true)
    const near = tables.axes.flatMap((axis) =>
      axis.kind === 'number'
        ? Array.from(axis.edges).flatMap((edge) => {
            const float = Math.fround(edge)
            return [floatBelow(float), float, floatAbove(float)].flatMap((x) => {
              const row = [1e6, 0, 1, 2]
              row[axis.feature] = x
              return row
            })
          })
        : [],
    )
    // Values that add up to the same floats in any order: cells that differ are seen.
    const whole = {
      ...tables,
      link: 'identity' as const,
      intercepts: Float64Array.of(0.5),
      terms: tables.terms.map((term) => ({
        ...term,
        values: term.values.map((v) => Math.round(v * 256) / 256),
      })),
    }
    expect(await share(whole, Float64Array.from(near))).toBe(0)
    expect(await share(whole, all)).toBe(0)
    expect(await share(tables, all)).toBeLessThan(2e-6)
    const classes = trainEbm(
      { ...data, target: data.kind },
      { ...params, loss: 'softmax', nClasses: 3 },
    ).model
    expect(await share(classes, all)).toBeLessThan(2e-6)
  })

  test('linear models with a weight for each value', async () => {
    const levels = Int32Array.of(0, 0, 12, 3)
    const near = { ...data, columns: [data.columns[0].map((x) => x - 1e6), ...data.columns.slice(1)] }
    const { model } = trainLinear({ ...near, levels, target: data.chance }, { loss: 'logloss' })
    expect(model.kind).toBe('EncodedLinearModel')
    const moved = all.map((x, at) => (at % 4 === 0 ? Math.fround(x - 1e6) : x)).slice(0, rows.length)
    expect(await share(model, moved)).toBeLessThan(2e-6)
    const { model: one } = trainLinear(
      { ...near, levels, target: data.kind },
      { loss: 'softmax', nClasses: 3 },
    )
    expect(await share(one, moved)).toBeLessThan(2e-6)
  })

  test('a weighted sum of trees and networks; one with a member that ONNX cannot say is refused by name', async () => {
    const trees = text('lightgbm-binary.txt')
    const { rows: theirs } = answersOf('lightgbm-binary.txt')
    const floats = theirs.map(Math.fround)
    expect(await share(compose([trees, trees], [0.25, 0.5], Float64Array.of(0.125)), floats)).toBeLessThan(
      2e-6,
    )
    const [net] = nets()
    expect(await share(compose([net, net], [0.3, 0.7], Float64Array.of(-1)), all)).toBeLessThan(2e-6)
    const features = data.columns.map((_, j) => ({ name: `f${j}`, type: 'category' as const }))
    const hashed = trainFtrl({ ...data, target: data.chance, features }, { loss: 'logloss', bits: 10 })
    expect(() => exportOnnx(hashed)).toThrow('MR_MODEL_EXPORT: ')
    expect(() => exportOnnx(compose([net, hashed], [0.5, 0.5], Float64Array.of(0)))).toThrow('FtrlModel')
  })

  test('maps of Platt and beta come along', async () => {
    const model = text('lightgbm-binary.txt')
    const rows = answersOf('lightgbm-binary.txt').rows.map(Math.fround)
    for (const map of [
      { kind: 'platt', slope: 1.7, intercept: -0.4 },
      { kind: 'beta', a: 0.6, b: 1.9, c: 0.3 },
    ] as const) {
      expect(await share(model, rows, map)).toBeLessThan(2e-6)
      const { model: forest } = trainForest({ ...data, target: data.chance }, { trees: 5, isChance: true })
      expect(await share(forest, mixedRows(300, 3).rows, map)).toBeLessThan(2e-6)
    }
  })
})
