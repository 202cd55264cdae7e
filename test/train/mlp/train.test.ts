import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mix32, seededRng } from '../../../src/core/rng.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { type MlpData, trainMlp } from '../../../src/train/mlp/train.ts'

const REFERENCE = JSON.parse(
  readFileSync(new URL('../../reference/mlp/mlp.json', import.meta.url), 'utf8'),
) as { n: number; d: number; classifier: number[][]; regressor: number[][] }

/** The rows that test/reference/mlp/make.py makes. */
function referenceWorld(): { columns: Float64Array[]; value: Float64Array; label: Float64Array } {
  const { n, d } = REFERENCE
  const columns = Array.from({ length: d }, (_, j) =>
    Float64Array.from({ length: n }, (_, i) => (3.4 * mix32(i * d + j + 1)) / 2 ** 32 - 1.7),
  )
  const value = Float64Array.from({ length: n }, (_, i) => {
    const [a, b, c, e] = columns.map((column) => column[i])
    return Math.sin(2 * a) + b * c + 0.5 * e * e - 0.5
  })
  const label = value.map((z, i) => (mix32(10_000_000 + i) / 2 ** 32 < 1 / (1 + Math.exp(-2 * z)) ? 1 : 0))
  return { columns, value, label }
}

const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length

const varianceOf = (values: number[]) =>
  values.reduce((sum, x) => sum + (x - mean(values)) ** 2, 0) / (values.length - 1)

test.each(['classifier', 'regressor'] as const)(
  'the loss of a %s falls as that of scikit-learn, in the mean over eight seeds',
  (kind) => {
    const { columns, value, label } = referenceWorld()
    const target = kind === 'classifier' ? label : value
    const data = { nRows: REFERENCE.n, columns, categorical: columns.map(() => false), target }
    const loss = kind === 'classifier' ? ('logloss' as const) : ('l2' as const)
    const params = { loss, hidden: [32, 16], batchRows: 128, epochs: 10, weightDecay: 0, patience: 0 }
    const curves = Array.from({ length: 8 }, (_, s) => trainMlp(data, { ...params, seed: s + 1 }).trainLoss)
    for (let epoch = 0; epoch < 10; epoch++) {
      const [theirs, ours] = [REFERENCE[kind], curves].map((all) => all.map((curve) => curve[epoch]))
      const error = Math.sqrt((varianceOf(theirs) + varianceOf(ours)) / 8)
      expect(Math.abs(mean(ours) - mean(theirs)) / error, `epoch ${epoch + 1}`).toBeLessThan(4)
      expect(Math.abs(mean(ours) / mean(theirs) - 1), `epoch ${epoch + 1}`).toBeLessThan(0.3)
    }
  },
)

/** Numbers with gaps, few categories and many, for each kind of target. */
function world(nRows: number, seed: number): MlpData & { classes: Float64Array; value: Float64Array } {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 4 }, () => new Float64Array(nRows))
  const value = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    columns[0][i] = rng.next() < 0.2 ? Number.NaN : rng.normal()
    columns[1][i] = rng.normal() * 1e6 + 1e9
    columns[2][i] = rng.nextInt(4)
    columns[3][i] = rng.nextInt(40)
    const first = Number.isNaN(columns[0][i]) ? 1.5 : columns[0][i]
    value[i] = first + (columns[1][i] - 1e9) / 1e6 + [0, 2, -1, 0.5][columns[2][i]] + Math.sin(columns[3][i])
  }
  const target = value.map((z) => (rng.next() < 1 / (1 + Math.exp(-z)) ? 1 : 0))
  const classes = value.map((z) => (z < -1 ? 0 : z < 1.5 ? 1 : 2))
  return { nRows, columns, categorical: [false, false, true, true], target, classes, value }
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const SMALL = { hidden: [12, 7], epochs: 4, batchRows: 50, patience: 0, seed: 5 }

test.each([
  ['relu and Adam', {}],
  ['gelu', { activation: 'gelu' }],
  ['dropout', { dropout: 0.3 }],
  ['gradient descent', { optimizer: 'sgd', learningRate: 0.05 }],
  ['no hidden layer', { hidden: [] }],
  ['every category an input', { oneHotMax: 64 }],
] as const)('the model has the same bytes from WebAssembly and from plain loops: %s', (_, more) => {
  const data = world(730, 1)
  const train = (kernels: 'wasm' | 'js') => {
    const { model, trainLoss, ranOn } = trainMlp(
      { ...data, valid: world(90, 2) },
      { ...SMALL, ...more },
      { kernels },
    )
    expect(ranOn).toBe(kernels)
    return { bytes: digest(encodeModel(model)), trainLoss }
  }
  expect(train('wasm')).toEqual(train('js'))
})

test('another seed gives another model, the same seed the same', () => {
  const data = world(300, 3)
  const bytes = (seed: number) => digest(encodeModel(trainMlp(data, { ...SMALL, seed }).model))
  expect(bytes(1)).toBe(bytes(1))
  expect(bytes(1)).not.toBe(bytes(2))
})

test('a model tells classes, several classes and values that need each kind of feature', () => {
  const data = world(6000, 4)
  const later = world(3000, 40)
  const scored = (model: ReturnType<typeof trainMlp>['model']) => {
    const out = new Float64Array(later.nRows * model.nOutputs)
    compileScorer(model).scoreBatch(later.columns, later.nRows, out)
    return out
  }
  const params = { epochs: 12, batchRows: 64, hidden: [32] }
  const binary = scored(trainMlp(data, params).model)
  const best = auc(later.value, later.target)
  expect(auc(binary, later.target)).toBeGreaterThan(best - 0.01)

  const several = scored(
    trainMlp({ ...data, target: data.classes }, { ...params, loss: 'softmax', nClasses: 3 }).model,
  )
  const right = later.classes.filter((c, i) => {
    const row = several.subarray(i * 3, i * 3 + 3)
    expect(Math.abs(row[0] + row[1] + row[2] - 1)).toBeLessThan(1e-12)
    return row.indexOf(Math.max(...row)) === c
  }).length
  expect(right / later.nRows).toBeGreaterThan(0.93)

  const far = { ...data, target: data.value.map((v) => 1e7 + 10 * v) }
  const values = scored(trainMlp(far, { ...params, loss: 'l2' }).model)
  const error = mean(Array.from(values, (v, i) => (v - 1e7 - 10 * later.value[i]) ** 2))
  expect(error).toBeLessThan(0.05 * 100 * mean(Array.from(later.value, (v) => v * v)))
})

test('a row and a batch of any size give the same bits, and the bytes of a model give the model back', () => {
  const data = world(700, 6)
  const { model } = trainMlp(data, SMALL)
  expect(decodeModel(encodeModel(model)).model).toStrictEqual(model)
  const scorer = compileScorer(model)
  const all = new Float64Array(700)
  scorer.rawBatch(data.columns, 700, all)
  for (let i = 0; i < 700; i += 13)
    expect(scorer.rawRow(Float64Array.from(data.columns, (c) => c[i]))).toBe(all[i])
})

test('infinite values, unseen categories and rows without any value are scored with finite numbers', () => {
  const { model } = trainMlp(world(500, 7), SMALL)
  const scorer = compileScorer(model)
  for (const row of [
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 77, 12_345],
    [Number.NaN, Number.NaN, Number.NaN, Number.NaN],
    [0, 1e300, -1, 2.5],
  ])
    expect(Number.isFinite(scorer.rawRow(Float64Array.from(row)))).toBe(true)
})

test('training stops when the validation loss no longer falls and keeps the best epoch', () => {
  const data = { ...world(200, 8), valid: world(2000, 80) }
  const params = { ...SMALL, hidden: [64, 64], epochs: 200, patience: 6, weightDecay: 0, learningRate: 0.01 }
  const { model, validLoss, epochs, stopped } = trainMlp(data, params)
  expect(stopped).toBe('early')
  expect(validLoss.length).toBe(epochs + 6)
  expect(validLoss[epochs - 1]).toBe(Math.min(...validLoss))
  const shorter = trainMlp(data, { ...params, epochs, patience: 0 })
  expect(encodeModel(model)).toStrictEqual(encodeModel(shorter.model))
})

test('a weight of 2 is worth two rows: expected losses agree over many batches', () => {
  const data = world(3000, 9)
  const heavy = Float64Array.from(data.target, (y) => (y === 1 ? 3 : 1))
  const params = { ...SMALL, epochs: 15, hidden: [16] }
  const out = new Float64Array(3000)
  compileScorer(trainMlp({ ...data, weights: heavy }, params).model).scoreBatch(data.columns, 3000, out)
  const rate = mean(Array.from(data.target))
  const weighted = (3 * rate) / (3 * rate + 1 - rate)
  const meanOf = mean(Array.from(out, (p, i) => p * heavy[i])) / mean(Array.from(heavy))
  expect(Math.abs(meanOf - weighted)).toBeLessThan(0.02)
})

test.each([
  [
    'no rows',
    { nRows: 0, columns: [new Float64Array(0)], target: new Float64Array(0) },
    {},
    'MR_MODEL_NO_ROWS',
  ],
  ['no columns', { columns: [], categorical: [] }, {}, 'MR_MODEL_SHAPE'],
  ['a short column', { columns: [new Float64Array(3)] }, {}, 'MR_MODEL_SHAPE'],
  ['one class', { target: new Float64Array(20).fill(1) }, {}, 'MR_MODEL_ONE_CLASS'],
  ['a target that is missing', { target: new Float64Array(20).fill(Number.NaN) }, {}, 'MR_MODEL_TARGET'],
  ['a class beyond', {}, { loss: 'softmax', nClasses: 1 }, 'MR_MODEL_TARGET'],
  ['a weight below 0', { weights: new Float64Array(20).fill(-1) }, {}, 'MR_MODEL_WEIGHT'],
  ['a category that is no code', { categorical: [true] }, {}, 'MR_MODEL_CATEGORY'],
  ['no units', {}, { hidden: [0] }, 'MR_MODEL_PARAM'],
  ['dropout of all', {}, { dropout: 1 }, 'MR_MODEL_PARAM'],
  [
    'a step that is far too long',
    {},
    { loss: 'l2', hidden: [], optimizer: 'sgd', learningRate: 10, epochs: 500 },
    'MR_MODEL_DIVERGED',
  ],
] as const)('refuses %s', (_, data, params, code) => {
  const column = Float64Array.from({ length: 20 }, (_, i) => i / 7)
  const sound = {
    nRows: 20,
    columns: [column],
    categorical: [false],
    target: column.map((_, i) => i % 2),
  }
  const train = () =>
    trainMlp({ ...sound, ...data } as MlpData, { hidden: [8, 8, 8], patience: 0, ...params } as never)
  expect(train).toThrow(code)
})

test('a cancelled training ends', () => {
  const signal = { aborted: false }
  const onProgress = () => {
    signal.aborted = true
  }
  expect(() => trainMlp(world(100, 1), SMALL, { signal, onProgress })).toThrow('MR_CANCELLED')
})
