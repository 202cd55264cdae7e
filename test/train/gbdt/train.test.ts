import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { addEnsembles } from '../../../src/model/combine.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { rowGoesLeft } from '../../../src/model/forms/tree-explainer.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { binColumns } from '../../../src/train/gbdt/binning.ts'
import { type TrainData, trainGbdt, trainOnBins } from '../../../src/train/gbdt/train.ts'
import { reference } from '../../model/fixtures.ts'

/** Rows with two numbers (one with missing values and infinities) and a category; the target follows all three. */
function mixedData(nRows: number, seed = 1): TrainData {
  const rng = seededRng(seed)
  const columns = [0, 1, 2].map(() => new Float64Array(nRows))
  const target = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    const odd = rng.next()
    columns[0][i] = Math.round(rng.normal() * 100) / 100
    columns[1][i] =
      odd < 0.1
        ? Number.NaN
        : odd < 0.12
          ? Number.POSITIVE_INFINITY
          : odd < 0.14
            ? Number.NEGATIVE_INFINITY
            : rng.normal()
    columns[2][i] = rng.next() < 0.05 ? Number.NaN : rng.nextInt(40)
    const score =
      columns[0][i] + (Number.isNaN(columns[1][i]) ? 1.5 : 0) + (columns[2][i] % 3 === 0 ? 1 : -0.5)
    target[i] = rng.next() < 1 / (1 + Math.exp(-score)) ? 1 : 0
  }
  return { nRows, columns, categorical: [false, false, true], target }
}

const rawScores = (model: TreeEnsemble, { columns, nRows }: Pick<TrainData, 'columns' | 'nRows'>) => {
  const out = new Float64Array(nRows)
  compileScorer(model).rawBatch(columns, nRows, out)
  return out
}

const logLoss = (raw: Float64Array, target: Float64Array) =>
  raw.reduce((sum, s, i) => sum + Math.log1p(Math.exp(target[i] === 1 ? -s : s)), 0) / raw.length

/** Share of pairs in order, ties half. */
function auc(score: Float64Array, target: Float64Array): number {
  const order = Array.from(score.keys()).sort((a, b) => score[a] - score[b])
  let rankSum = 0
  for (let from = 0; from < order.length; ) {
    let end = from
    while (end < order.length && score[order[end]] === score[order[from]]) end++
    for (let k = from; k < end; k++) rankSum += target[order[k]] * ((from + end + 1) / 2)
    from = end
  }
  const nOnes = target.reduce((sum, y) => sum + y, 0)
  return (rankSum - (nOnes * (nOnes + 1)) / 2) / (nOnes * (target.length - nOnes))
}

describe('a trained ensemble', () => {
  test('sends training rows over raw values exactly as training did: covers are row counts', () => {
    const data = mixedData(3000)
    const { model } = trainGbdt(data, { trees: 15, learningRate: 0.2 })
    const counted = new Float64Array(model.cover.length)
    for (let i = 0; i < data.nRows; i++) {
      const x = Float64Array.from(data.columns, (column) => column[i])
      for (const root of model.roots) {
        let node = root
        for (counted[node]++; model.left[node] >= 0; counted[node]++) {
          node = rowGoesLeft(model, node, x) ? model.left[node] : model.right[node]
        }
      }
    }
    expect(counted).toStrictEqual(model.cover)
    expect(model.cover.every((cover) => cover >= 20)).toBe(true)
    expect(model.categorySets.length).toBeGreaterThan(0)
  })

  test('has the same bytes each time, whatever was trained before, and others for another seed', () => {
    const data = mixedData(1200)
    const bytes = (seed: number) =>
      encodeModel(trainGbdt(data, { trees: 10, seed, bagging: 0.7, featureFraction: 0.7 }).model)
    const first = bytes(5)
    expect(bytes(6)).not.toStrictEqual(first)
    expect(bytes(5)).toStrictEqual(first)
  })

  test('ranks as well as LightGBM with the same parameters on the same rows', () => {
    const fixture = reference<{
      nTrain: number
      trees: number
      columns: number[][]
      target: number[]
      auc: number
      logLoss: number
    }>('quality.json')
    const part = (from: number, end?: number) => ({
      columns: fixture.columns.map((column) => Float64Array.from(column.slice(from, end))),
      target: Float64Array.from(fixture.target.slice(from, end)),
      nRows: (end ?? fixture.target.length) - from,
    })
    const train = part(0, fixture.nTrain)
    const { model } = trainGbdt(
      { ...train, categorical: train.columns.map(() => false) },
      { trees: fixture.trees },
    )
    const test = part(fixture.nTrain)
    const raw = rawScores(model, test)
    expect(auc(raw, test.target)).toBeGreaterThan(fixture.auc - 0.005)
    expect(logLoss(raw, test.target)).toBeLessThan(fixture.logLoss + 0.01)
  })

  test('holds at least minRowsInLeaf rows in each leaf, where hessians estimate counts badly too', () => {
    const rng = seededRng(3)
    const nRows = 2000
    const x = Float64Array.from({ length: nRows }, () => rng.next())
    const target = x.map((value) => (rng.next() < (value > 0.97 ? 0.5 : 0.002) ? 1 : 0))
    const { model } = trainGbdt(
      { nRows, columns: [x], categorical: [false], target },
      { trees: 30, minRowsInLeaf: 37, learningRate: 0.5 },
    )
    expect(model.roots.length).toBeGreaterThan(5)
    expect(Math.min(...model.cover)).toBeGreaterThanOrEqual(37)
  })

  test('fits a step exactly at the middle between two values', () => {
    const x = Float64Array.from({ length: 200 }, (_, i) => i)
    const target = x.map((value) => (value < 80 ? -3 : 7))
    const params = { objective: 'l2' as const, trees: 1, learningRate: 1, leaves: 2 }
    const { model } = trainGbdt({ nRows: 200, columns: [x], categorical: [false], target }, params)
    expect(model.threshold[0]).toBe(79.5)
    const raw = rawScores(model, { columns: [x], nRows: 200 })
    raw.forEach((score, i) => {
      expect(score).toBeCloseTo(target[i], 12)
    })
  })

  test('tells missing from present where only that matters, and sends infinities with the present', () => {
    const x = Float64Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? Number.NaN : i % 3 === 1 ? 5 : Number.POSITIVE_INFINITY,
    )
    const target = x.map((value) => (Number.isNaN(value) ? 10 : 0))
    const params = { objective: 'l2' as const, trees: 1, learningRate: 1, leaves: 2 }
    const { model } = trainGbdt({ nRows: 300, columns: [x], categorical: [false], target }, params)
    const { rawRow } = compileScorer(model)
    expect([Number.NaN, 5, Number.POSITIVE_INFINITY, -1e9].map((v) => rawRow(Float64Array.of(v)))).toEqual([
      expect.closeTo(10, 9),
      expect.closeTo(0, 9),
      expect.closeTo(0, 9),
      expect.closeTo(0, 9),
    ])
  })

  test('learns a median with the absolute loss, untouched by outliers', () => {
    const x = Float64Array.from({ length: 400 }, (_, i) => i % 2)
    const target = x.map((value, i) => (i < 20 ? 1e9 : value * 4))
    const { model } = trainGbdt(
      { nRows: 400, columns: [x], categorical: [false], target },
      { objective: 'l1', trees: 200, learningRate: 0.3 },
    )
    const raw = rawScores(model, { columns: [x], nRows: 400 })
    expect(raw[100]).toBeCloseTo(0, 6)
    expect(raw[101]).toBeCloseTo(4, 6)
  })

  test('gives a row of weight 3 the pull of three rows', () => {
    const { columns, target } = mixedData(600)
    const tenths = [columns[0].map((v) => Math.round(v * 10) / 10), columns[2]]
    const base = { nRows: 600, columns: tenths, categorical: [false, false], target }
    const weights = Float64Array.from({ length: 600 }, (_, i) => 1 + (i % 3))
    const repeat = (values: Float64Array) =>
      Float64Array.from(Array.from(values).flatMap((v, i) => new Array<number>(1 + (i % 3)).fill(v)))
    const repeated = { ...base, nRows: 1200, columns: base.columns.map(repeat), target: repeat(target) }
    const params = { objective: 'l2' as const, trees: 1, learningRate: 1, leaves: 4, minRowsInLeaf: 1 }
    const weighted = trainGbdt({ ...base, weights }, params).model
    const copied = trainGbdt(repeated, params).model
    expect(weighted.threshold).toStrictEqual(copied.threshold)
    expect(weighted.cover).toStrictEqual(copied.cover)
    weighted.value.forEach((value, node) => {
      expect(value).toBeCloseTo(copied.value[node], 12)
    })
  })

  test('on top of a parent adds to it: the sum fits better than the parent', () => {
    const data = mixedData(2000)
    const parent = trainGbdt(data, { trees: 5 }).model
    const init = rawScores(parent, data)
    const child = trainGbdt({ ...data, init }, { trees: 10 }).model
    expect(child.baseScores[0]).toBe(0)
    const sum = rawScores(addEnsembles(parent, child), data)
    expect(logLoss(sum, data.target)).toBeLessThan(logLoss(init, data.target) - 0.01)
  })

  test('is cut at the lowest validation loss by early stopping', () => {
    const data = mixedData(800)
    const valid = mixedData(800, 2)
    const { model, trees, validLoss, stopped } = trainGbdt(
      { ...data, valid },
      { trees: 300, learningRate: 0.3, earlyStoppingRounds: 10 },
    )
    expect(stopped).toBe('early')
    expect(trees).toBe(validLoss.indexOf(Math.min(...validLoss)) + 1)
    expect(validLoss.length).toBe(trees + 10)
    expect(model.roots.length).toBe(trees)
    expect(logLoss(rawScores(model, valid), valid.target)).toBeCloseTo(Math.min(...validLoss), 12)
  })
})

test('a slice of binned rows trains as those rows alone do when their bins are the same', () => {
  const data = mixedData(1500)
  const binned = binColumns(data.columns, data.categorical)
  const rowIndexes = Int32Array.from({ length: 500 }, (_, i) => i * 3)
  const take = (values: Float64Array) => Float64Array.from(rowIndexes, (row) => values[row])
  const { model } = trainOnBins({ binned, rowIndexes, target: data.target }, { trees: 5 })
  const alone = { ...binned, nRows: 500 }
  alone.words = new Uint32Array(500 * binned.plan.rowWords)
  rowIndexes.forEach((row, i) => {
    alone.words.set(
      binned.words.subarray(row * binned.plan.rowWords, (row + 1) * binned.plan.rowWords),
      i * binned.plan.rowWords,
    )
  })
  alone.bytes = new Uint8Array(alone.words.buffer)
  const again = trainOnBins({ binned: alone, target: take(data.target) }, { trees: 5 })
  expect(encodeModel(model)).toStrictEqual(encodeModel(again.model))
  expect(model.cover[0]).toBe(500)
})

describe('what cannot be trained', () => {
  const small = (change: Partial<TrainData>): TrainData => ({ ...mixedData(100), ...change })
  const ones = new Float64Array(100).fill(1)

  test.each<[string, TrainData, string]>([
    [
      'no rows',
      { nRows: 0, columns: [new Float64Array(0)], categorical: [false], target: new Float64Array(0) },
      'MR_MODEL_NO_ROWS',
    ],
    ['one class', small({ target: ones }), 'MR_MODEL_ONE_CLASS'],
    ['a missing target', small({ target: ones.with(7, Number.NaN) }), 'MR_MODEL_TARGET'],
    ['a target beyond 0 and 1', small({ target: ones.with(7, 2) }), 'MR_MODEL_TARGET'],
    ['a short column', small({ columns: [ones, ones, ones.subarray(1)] }), 'MR_MODEL_SHAPE'],
    ['a short target', small({ target: ones.subarray(1) }), 'MR_MODEL_SHAPE'],
    ['a negative weight', small({ weights: ones.with(0, -1) }), 'MR_MODEL_WEIGHT'],
    ['weights of 0', small({ weights: new Float64Array(100) }), 'MR_MODEL_WEIGHT'],
    [
      'a missing target in validation',
      small({
        valid: {
          nRows: 1,
          columns: [ones, ones, ones].map((c) => c.subarray(0, 1)),
          target: Float64Array.of(Number.NaN),
        },
      }),
      'MR_MODEL_TARGET',
    ],
    ['half a category', small({ columns: [ones, ones, ones.with(3, 0.5)] }), 'MR_MODEL_CATEGORY'],
  ])('%s is refused with a code', (_, data, code) => {
    expect(() => trainGbdt(data)).toThrow(code)
  })

  test.each([
    { trees: 0 },
    { learningRate: 0 },
    { leaves: 1 },
    { bins: 65_536 },
    { bagging: 1.5 },
    { seed: 0.5 },
  ])('parameters out of range are refused: %o', (params) => {
    expect(() => trainGbdt(mixedData(50), params)).toThrow('MR_MODEL_PARAM')
  })

  test('constant features and constant targets give the base score alone', () => {
    const target = mixedData(100).target
    const rate = target.reduce((sum, y) => sum + y, 0) / 100
    const { model, trees, stopped } = trainGbdt({ nRows: 100, columns: [ones], categorical: [false], target })
    expect([trees, stopped, model.feature.length]).toEqual([0, 'no-split', 0])
    expect(compileScorer(model).scoreRow(Float64Array.of(1))).toBeCloseTo(rate, 12)
    const flat = trainGbdt(small({ target: ones.map(() => 1e7) }), { objective: 'l2' })
    expect([flat.trees, flat.model.baseScores[0]]).toEqual([0, 1e7])
  })

  test('rows without any feature give the base score', () => {
    const { model } = trainGbdt({ nRows: 2, columns: [], categorical: [], target: Float64Array.of(0, 1) })
    expect([model.nFeatures, model.baseScores[0]]).toEqual([0, 0])
  })

  test('a cancelled training ends between two trees', () => {
    const signal = { aborted: false }
    const seen: number[] = []
    const onProgress = ({ tree }: { tree: number }) => {
      seen.push(tree)
      signal.aborted = tree === 3
    }
    expect(() => trainGbdt(mixedData(300), { trees: 50 }, { signal, onProgress })).toThrow('MR_CANCELLED')
    expect(seen).toEqual([1, 2, 3])
  })
})

test('a training with a large offset in target and features loses no digits', () => {
  const nRows = 400
  const x = Float64Array.from({ length: nRows }, (_, i) => 1e7 + (i % 20) / 100)
  const target = x.map((_, i) => 1e7 + (i % 20 < 10 ? 0 : 0.1))
  const params = { objective: 'l2' as const, trees: 1, learningRate: 1, leaves: 2 }
  const { model } = trainGbdt({ nRows, columns: [x], categorical: [false], target }, params)
  const raw = rawScores(model, { columns: [x], nRows })
  raw.forEach((score, i) => {
    expect(score).toBeCloseTo(target[i], 8)
  })
})

test('the best of all splits of small data is found, as trying each one shows', () => {
  const values = fc.array(
    fc.tuple(fc.constantFrom(1, 2, 3, 5, 8, Number.NaN), fc.integer({ min: -4, max: 4 })),
    { minLength: 4, maxLength: 24 },
  )
  fc.assert(
    fc.property(values, (rows) => {
      const x = Float64Array.from(rows, ([v]) => v)
      const target = Float64Array.from(rows, ([, y]) => y)
      const params = { objective: 'l2' as const, trees: 1, learningRate: 1, leaves: 2, minRowsInLeaf: 1 }
      const { model } = trainGbdt({ nRows: rows.length, columns: [x], categorical: [false], target }, params)
      const raw = rawScores(model, { columns: [x], nRows: rows.length })
      const loss = raw.reduce((sum, s, i) => sum + (s - target[i]) ** 2, 0)
      expect(loss).toBeLessThanOrEqual(bestLoss(rows) + 1e-3)
    }),
    { numRuns: 200 },
  )
})

function bestLoss(rows: [number, number][]): number {
  const squares = (ys: number[]) => {
    const mean = ys.reduce((sum, y) => sum + y, 0) / Math.max(1, ys.length)
    return ys.reduce((sum, y) => sum + (y - mean) ** 2, 0)
  }
  let best = squares(rows.map(([, y]) => y))
  for (const border of [0, 1, 2, 3, 5, 8]) {
    for (const missingLeft of [true, false]) {
      const isLeft = ([x]: [number, number]) => (Number.isNaN(x) ? missingLeft : x <= border)
      const left = rows.filter(isLeft).map(([, y]) => y)
      const right = rows.filter((row) => !isLeft(row)).map(([, y]) => y)
      best = Math.min(best, squares(left) + squares(right))
    }
  }
  return best
}
