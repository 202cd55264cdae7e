import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { editTable, shapesOf } from '../../../src/model/tables/shapes.ts'
import { slotsOf } from '../../../src/model/tables/tables.ts'
import { type EbmData, trainEbm } from '../../../src/train/ebm/train.ts'

/** Numbers with gaps, and categories, for each kind of target. */
function world(nRows: number, seed: number) {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 3 }, () => new Float64Array(nRows))
  const value = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    columns[0][i] = rng.next() < 0.2 ? Number.NaN : rng.normal()
    columns[1][i] = rng.normal()
    columns[2][i] = rng.nextInt(6)
    const first = Number.isNaN(columns[0][i]) ? 2 : columns[0][i]
    value[i] = first + columns[1][i] * first * 0.5 + [0, 2, -1, 0.5, 3, -2][columns[2][i]]
  }
  const target = value.map((z) => (rng.next() < 1 / (1 + Math.exp(-z)) ? 1 : 0))
  const classes = value.map((z) => (z < -1 ? 0 : z < 1.5 ? 1 : 2))
  return { nRows, columns, categorical: [false, false, true], target, classes, value }
}

const SMALL = { bags: 2, interactions: 1, rounds: 30, bins: 40, pairBins: 8 }
const rowOf = ({ columns }: EbmData, i: number) => Float64Array.from(columns, (column) => column[i])

test('explanations add up to the score without a residual, and their base is the mean score of the training rows', () => {
  const data = world(2000, 1)
  for (const params of [
    { ...SMALL, loss: 'logloss' as const, nClasses: 1 },
    { ...SMALL, loss: 'softmax' as const, nClasses: 3 },
  ]) {
    const target = params.nClasses > 1 ? data.classes : data.target
    const { model } = trainEbm({ ...data, target }, params)
    const raw = new Float64Array(data.nRows * model.nOutputs)
    compileScorer(model).rawBatch(data.columns, data.nRows, raw)
    for (let k = 0; k < model.nOutputs; k++) {
      let mean = 0
      for (let i = 0; i < data.nRows; i++) mean += raw[i * model.nOutputs + k] / data.nRows
      const { base, residual } = explainRow(model, rowOf(data, 17), k)
      expect(Math.abs(base - mean)).toBeLessThan(1e-9)
      expect(Math.abs(residual)).toBeLessThan(1e-12)
    }
  }
})

test('each table and each line of a pair has the mean 0 over the training rows', () => {
  const { model } = trainEbm(world(2000, 2), SMALL)
  const pair = model.terms.find(({ axes }) => axes.length === 2)!
  for (const { values, weights } of model.terms) {
    const mean = values.reduce((sum, value, cell) => sum + value * weights[cell], 0)
    expect(Math.abs(mean)).toBeLessThan(1e-8)
  }
  const [nFirst, nSecond] = pair.axes.map((axis) => slotsOf(model.axes[axis]))
  expect(pair.values.length).toBe(nFirst * nSecond)
  const weighted = pair.values.map((value, cell) => value * pair.weights[cell])
  const sumOf = (isIn: (cell: number) => boolean) =>
    weighted.reduce((sum, value, cell) => (isIn(cell) ? sum + value : sum), 0)
  for (let a = 0; a < nFirst; a++)
    expect(Math.abs(sumOf((cell) => Math.floor(cell / nSecond) === a))).toBeLessThan(1e-8)
  for (let b = 0; b < nSecond; b++) expect(Math.abs(sumOf((cell) => cell % nSecond === b))).toBeLessThan(1e-8)
})

test('the same data give the same bytes, another seed others, and bytes give the model back', () => {
  const data = world(1500, 3)
  const bytes = (seed: number) => encodeModel(trainEbm(data, { ...SMALL, seed }).model)
  expect(bytes(1)).toStrictEqual(bytes(1))
  expect(bytes(1)).not.toStrictEqual(bytes(2))
  const { model } = trainEbm(data, SMALL)
  expect(decodeModel(encodeModel(model)).model).toStrictEqual(model)
})

test('values of a regression and several classes are learned, with a large offset too', () => {
  const data = world(4000, 4)
  const later = world(2000, 40)
  const offset = { ...data, target: data.value.map((v) => 1e9 + v) }
  const { model } = trainEbm(offset, { ...SMALL, loss: 'l2' })
  const out = new Float64Array(later.nRows)
  compileScorer(model).rawBatch(later.columns, later.nRows, out)
  const errors = out.map((raw, i) => (raw - 1e9 - later.value[i]) ** 2)
  expect(errors.reduce((sum, e) => sum + e, 0) / later.nRows).toBeLessThan(0.35)

  const several = trainEbm({ ...data, target: data.classes }, { ...SMALL, loss: 'softmax', nClasses: 3 })
  const chances = new Float64Array(later.nRows * 3)
  compileScorer(several.model).scoreBatch(later.columns, later.nRows, chances)
  const right = later.classes.filter((c, i) => {
    const row = chances.subarray(3 * i, 3 * i + 3)
    return row.indexOf(Math.max(...row)) === c
  })
  expect(right.length / later.nRows).toBeGreaterThan(0.85)
})

test.each([1, -1])(
  'a feature that is held to one direction (%i) never goes the other way, and is in no pair',
  (direction) => {
    const data = world(3000, 5)
    const { model, pairs } = trainEbm(
      { ...data, directions: [0, direction, 0] },
      { ...SMALL, interactions: 3, minRowsInLeaf: 1 },
    )
    expect(pairs.flat()).not.toContain(1)
    const scorer = compileScorer(model)
    let before = scorer.rawRow(Float64Array.of(0.3, -9, 2))
    for (let x = -4; x < 4; x += 0.01) {
      const raw = scorer.rawRow(Float64Array.of(0.3, x, 2))
      expect((raw - before) * direction).toBeGreaterThanOrEqual(-1e-12)
      before = raw
    }
  },
)

test('shapes say what each cell adds, and a table that is edited changes those rows alone', () => {
  const data = world(2000, 6)
  const { model } = trainEbm(data, SMALL)
  const shapes = shapesOf(model)
  const category = shapes.find(({ features }) => features.length === 1 && features[0] === 2)!
  expect(category.slots[0]).toEqual([
    ...[0, 1, 2, 3, 4, 5].map((code) => ({ kind: 'code', code })),
    { kind: 'other' },
  ])
  expect(category.values[4]).toBeGreaterThan(category.values[5])
  expect(category.weights.reduce((sum, w) => sum + w, 0)).toBe(data.nRows)
  const edited = editTable(model, [2], (value, [slot]) =>
    slot.kind === 'code' && slot.code === 4 ? value + 1 : value,
  )
  for (let i = 0; i < 50; i++) {
    const [was, is] = [model, edited].map((of) => explainRow(of, rowOf(data, i)))
    expect(is.raw - was.raw).toBeCloseTo(data.columns[2][i] === 4 ? 1 : 0, 12)
    expect(Math.abs(is.residual)).toBeLessThan(1e-12)
  }
  expect(() => editTable(model, [0, 1, 2], (v) => v)).toThrow('MR_MODEL_TABLE')
  expect(() => editTable(model, [0], () => Number.NaN)).toThrow('MR_MODEL_INVALID')
})

test('a weight of 2 is a row that is there twice, where bags hold no rows back from learning', () => {
  const data = world(12, 7)
  const heavy = Float64Array.from({ length: 12 }, (_, i) => 1 + (i % 2))
  const twice = Array.from({ length: 12 }, (_, i) => (i % 2 ? [i, i] : [i])).flat()
  const take = (values: Float64Array) => Float64Array.from(twice, (i) => values[i])
  const doubled = { ...data, nRows: 18, columns: data.columns.map(take), target: take(data.target) }
  const params = { bags: 1, rounds: 5, interactions: 0, minRowsInLeaf: 1, bins: 200 }
  const [a, b] = [{ ...data, weights: heavy }, doubled].map((rows) => trainEbm(rows, params).model)
  a.terms.forEach(({ values }, t) => {
    values.forEach((value, at) => {
      expect(value).toBeCloseTo(b.terms[t].values[at], 9)
    })
  })
})

test.each([
  [
    'no rows',
    { nRows: 0, columns: [new Float64Array(0)], target: new Float64Array(0) },
    {},
    'MR_MODEL_NO_ROWS',
  ],
  ['one class', { target: new Float64Array(40) }, {}, 'MR_MODEL_ONE_CLASS'],
  ['a missing target', { target: new Float64Array(40).fill(Number.NaN) }, {}, 'MR_MODEL_TARGET'],
  ['a class beyond', {}, { loss: 'softmax', nClasses: 1 }, 'MR_MODEL_TARGET'],
  ['a category that is no code', { categorical: [true] }, {}, 'MR_MODEL_CATEGORY'],
  ['a direction of a category', { categorical: [true], directions: [1] }, {}, 'MR_MODEL_PARAM'],
  ['too many bins', {}, { bins: 300 }, 'MR_MODEL_PARAM'],
] as const)('refuses %s', (_, data, params, code) => {
  const column = Float64Array.from({ length: 40 }, (_, i) => i / 7)
  const sound = { nRows: 40, columns: [column], categorical: [false], target: column.map((_, i) => i % 2) }
  expect(() => trainEbm({ ...sound, ...data } as EbmData, params as never)).toThrow(code)
})

test('constant features, infinite values, one row a class and unseen categories are taken as they come', () => {
  const odd = {
    nRows: 4,
    columns: [Float64Array.of(1, 1, 1, 1), Float64Array.of(-Infinity, 0, Infinity, Number.NaN)],
    categorical: [false, false],
    target: Float64Array.of(0, 1, 0, 1),
  }
  const { model } = trainEbm(odd, { bags: 1, rounds: 3 })
  expect(Number.isFinite(compileScorer(model).rawRow(Float64Array.of(Number.NaN, 5)))).toBe(true)
})

test('hostile bytes are refused, wherever one is changed', () => {
  const bytes = encodeModel(
    trainEbm(world(200, 8), { ...SMALL, bins: 6, pairBins: 3, bags: 1, rounds: 2 }).model,
  )
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice()
    changed[at] ^= 0xff
    try {
      const { model } = decodeModel(changed)
      compileScorer(model).rawBatch(new Float64Array(model.nFeatures), 1, new Float64Array(model.nOutputs))
    } catch (error) {
      expect(String(error)).toMatch(/MR_MODEL_(FORMAT|VERSION|INVALID)/)
    }
  }
  for (let n = 0; n < bytes.length; n += 7) expect(() => decodeModel(bytes.slice(0, n))).toThrow('MR_MODEL_')
})

test('a cancelled training ends', () => {
  expect(() => trainEbm(world(200, 9), SMALL, { signal: { aborted: true } })).toThrow('MR_CANCELLED')
})
