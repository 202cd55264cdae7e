import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { type BinOptions, binAt, binColumns, binWith, takeRows } from '../../../src/train/gbdt/binning.ts'
import { continueGbdt } from '../../../src/train/gbdt/continue.ts'
import type { GivenParams } from '../../../src/train/gbdt/params.ts'
import type { FeatureColumn, SparseColumn } from '../../../src/train/gbdt/sparse.ts'
import {
  type GbdtOptions,
  openBoosting,
  type TrainData,
  trainGbdt,
  trainOnBins,
} from '../../../src/train/gbdt/train.ts'

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const hasThreads = existsSync(new URL('../../../dist/train/gbdt/crew-worker.js', import.meta.url))
if (!hasThreads) console.log('SKIP sparse trainings on two threads: dist is not built')

/** The listed form of a column that is `fill` in most rows. */
function sparseOf(column: Float64Array, fill: number): SparseColumn {
  const rows = Uint32Array.from(column.keys()).filter((i) => !Object.is(column[i], fill))
  return { nRows: column.length, rows, values: Float64Array.from(rows, (i) => column[i]), fill }
}

/** Counted words, a one-hot of 40 values, mostly missing numbers, dense numbers and a category. */
function world(nRows: number, seed: number): TrainData {
  const rng = seededRng(seed)
  const words = Array.from({ length: 60 }, (_, w) =>
    Float64Array.from({ length: nRows }, () => (rng.next() < 3 / (w + 20) ? 1 + rng.nextInt(5) : 0)),
  )
  const hot = Array.from({ length: 40 }, () => new Float64Array(nRows))
  for (let i = 0; i < nRows; i++) hot[rng.nextInt(40)][i] = 1
  const seldom = Float64Array.from({ length: nRows }, () => (rng.next() < 0.1 ? rng.normal() : Number.NaN))
  const dense = Float64Array.from({ length: nRows }, rng.normal)
  const category = Float64Array.from({ length: nRows }, () => rng.nextInt(9))
  const columns = [words[0], dense, ...words.slice(1), category, ...hot, seldom]
  const target = Float64Array.from({ length: nRows }, (_, i) => {
    const known = Number.isNaN(seldom[i]) ? -0.3 : seldom[i]
    const raw = words[0][i] - words[3][i] + 2 * hot[1][i] + known + dense[i] + (category[i] % 3) - 1
    return rng.next() < 1 / (1 + Math.exp(-raw)) ? 1 : 0
  })
  return { nRows, columns, categorical: columns.map((_, j) => j === 61), target }
}

const CATEGORY = 61
const fills = (columns: Float64Array[]) => columns.map((_, j) => (j === columns.length - 1 ? Number.NaN : 0))
/** All columns in their listed form, but the dense number and the category. */
const listed = (columns: Float64Array[]): FeatureColumn[] =>
  columns.map((column, j) => (j === 1 || j === CATEGORY ? column : sparseOf(column, fills(columns)[j])))

const PARAMS = { trees: 12, leaves: 15, learningRate: 0.2, bins: 63, seed: 7 }

const WORLDS: [string, () => TrainData, GivenParams][] = [
  ['counted words and a one-hot', () => world(3000, 1), {}],
  ['several blocks of rows', () => world(17_001, 2), { trees: 4 }],
  ['bags of rows and features', () => world(3000, 3), { bagging: 0.6, featureFraction: 0.5 }],
  [
    'a bag with replacement and random borders',
    () => world(3000, 4),
    { replacement: true, randomBorders: true },
  ],
  ['leaves of one row', () => world(400, 5), { minRowsInLeaf: 1, leaves: 60 }],
  [
    'bounds and an order',
    () => world(3000, 6),
    { l1: 1, monotone: world(1, 1).columns.map((_, j) => (j === CATEGORY ? 0 : 1)) },
  ],
  [
    'early stopping',
    () => ({ ...world(3000, 7), valid: world(801, 70) }),
    { trees: 60, earlyStoppingRounds: 2 },
  ],
  ['absolute errors', () => world(3000, 8), { objective: 'l1' }],
]

function train(data: TrainData<FeatureColumn>, params: GivenParams, how: BinOptions & GbdtOptions) {
  const { sparse, ...options } = how
  const binned = binColumns(data.columns, data.categorical, 63, { sparse })
  const { valid } = data
  const validRows = valid && { ...valid, binned: binWith(valid.columns, valid.nRows, binned.features) }
  const result = trainOnBins({ ...data, binned }, { ...PARAMS, ...params }, { ...options, valid: validRows })
  const { model, validLoss, trainScores } = result
  return {
    model: digest(encodeModel(model)),
    validLoss,
    scores: digest(new Uint8Array(trainScores.slice().buffer)),
  }
}

for (const [name, make, params] of WORLDS) {
  test(`listed features give the bytes of stored ones, on any kernel and number of threads: ${name}`, () => {
    const data = make()
    const expected = train(data, params, { sparse: 'never', kernels: 'js' })
    const valid = data.valid && { ...data.valid, columns: listed(data.valid.columns) }
    const given = { ...data, columns: listed(data.columns), valid }
    for (const kernels of ['js', 'wasm'] as const) {
      expect(train(data, params, { sparse: 'always', kernels })).toEqual(expected)
      expect(train(given, params, { sparse: 'auto', kernels })).toEqual(expected)
      expect(train(given, params, { sparse: 'never', kernels })).toEqual(expected)
    }
    if (!hasThreads) return
    for (const threads of [2, 3])
      expect(train(given, params, { sparse: 'always', threads, threadRowsMin: 1 })).toEqual(expected)
  })
}

test('near-empty features are listed of themselves, few of them are stored', () => {
  const { columns, categorical } = world(2000, 9)
  const { sparse, plan } = binColumns(columns, categorical, 63)
  expect(sparse).not.toBeNull()
  expect(plan.places[1].kind).toBe('code')
  expect(plan.places[CATEGORY].kind).toBe('code')
  expect(plan.places[70].kind).toBe('sparse')
  expect(binColumns(columns.slice(0, 5), categorical.slice(0, 5), 63).sparse).toBeNull()
})

test('only what is not common is kept, for dense and for listed columns', () => {
  const { columns, categorical } = world(2000, 10)
  const { sparse, features } = binColumns(listed(columns), categorical, 63, { sparse: 'always' })
  const others = columns.reduce((sum, column, j) => {
    if (!('common' in features[j])) return sum
    return sum + column.filter((x) => !Object.is(x, fills(columns)[j])).length
  }, 0)
  expect(sparse!.slots.length).toBe(others)
  expect(binColumns(columns, categorical, 63, { sparse: 'always' }).sparse).toStrictEqual(sparse)
})

test('a sample of more rows than bins are drawn from gives the same bins of listed and of dense columns', () => {
  const rng = seededRng(11)
  const column = Float64Array.from({ length: 450_001 }, () => (rng.next() < 0.05 ? rng.normal() : 1))
  const dense = binColumns([column], [false], 63)
  expect(binColumns([sparseOf(column, 1)], [false], 63).features).toStrictEqual(dense.features)
})

test('each row keeps its bin of each feature, whatever is listed and whichever rows are taken', () => {
  const value = fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2.5, Number.NaN, Number.POSITIVE_INFINITY, -0)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 40 }),
      fc.constantFrom(0, 1, Number.NaN),
      (rows, fill) => {
        const columns = [0, 1, 2].map((j) => Float64Array.from(rows, (row) => row[j]))
        const categorical = columns.map(() => false)
        const stored = binColumns(columns, categorical, 63, { sparse: 'never' })
        const some = rows.map((_, i) => i).filter((i) => i % 3 !== 1)
        for (const given of [columns, columns.map((column) => sparseOf(column, fill))]) {
          const kept = binColumns(given, categorical, 63, { sparse: 'always' })
          const taken = takeRows(kept, some)
          columns.forEach((_, j) => {
            rows.forEach((_, i) => {
              expect(binAt(kept, i, j)).toBe(binAt(stored, i, j))
            })
            some.forEach((i, k) => {
              expect(binAt(taken, k, j)).toBe(binAt(stored, i, j))
            })
          })
        }
      },
    ),
  )
})

test('a listed training goes on from its checkpoint to the same bytes, and a model of it is trained on', () => {
  const data = world(2000, 12)
  const rows = { ...data, binned: binColumns(listed(data.columns), data.categorical, 63) }
  const whole = trainOnBins(rows, PARAMS).model
  const first = openBoosting(rows, PARAMS)
  for (let round = 0; round < 5; round++) first.step()
  const checkpoint = first.save()
  first.close()
  expect(encodeModel(trainOnBins(rows, PARAMS, { checkpoint }).model)).toStrictEqual(encodeModel(whole))
  const more = continueGbdt(whole, { ...data, columns: listed(data.columns) }, PARAMS)
  expect(encodeModel(more.model)).toStrictEqual(encodeModel(continueGbdt(whole, data, PARAMS).model))
})

test('a list of rows that is not ascending, or points beyond the rows, is refused', () => {
  const column = (rows: number[], values = rows) => ({
    nRows: 5,
    rows: Uint32Array.from(rows),
    values: Float64Array.from(values),
    fill: 0,
  })
  const bin = (given: SparseColumn) => () => binColumns([given], [false])
  expect(bin(column([1, 1]))).toThrow('MR_MODEL_SPARSE')
  expect(bin(column([3, 2]))).toThrow('MR_MODEL_SPARSE')
  expect(bin(column([0, 5]))).toThrow('MR_MODEL_SPARSE')
  expect(bin(column([0, 4], [1]))).toThrow('MR_MODEL_SHAPE')
  expect(
    trainGbdt(
      { nRows: 5, columns: [column([])], categorical: [false], target: new Float64Array(5) },
      { objective: 'l2' },
    ).trees,
  ).toBe(0)
})
