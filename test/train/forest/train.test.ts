import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { likeliestOf } from '../../../src/model/measures/classes.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { trainForest } from '../../../src/train/forest/train.ts'
import classes from '../../reference/forest/classes.json' with { type: 'json' }
import fixture from '../../reference/forest/forest.json' with { type: 'json' }

const part = (values: number[], isTrain: boolean) =>
  Float64Array.from(isTrain ? values.slice(0, fixture.nTrain) : values.slice(fixture.nTrain))

const rows = (target: number[], isTrain: boolean) => {
  const columns = fixture.columns.map((column) => part(column, isTrain))
  return {
    nRows: columns[0].length,
    columns,
    categorical: columns.map(() => false),
    target: part(target, isTrain),
  }
}

function scores(
  model: TreeEnsemble,
  { columns, nRows }: { columns: Float64Array[]; nRows: number },
): Float64Array {
  const out = new Float64Array(nRows)
  compileScorer(model).scoreBatch(columns, nRows, out)
  return out
}

const mse = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0) / a.length

const meanOf = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length

const SEEDS = [1, 2, 3]
/** Half of those of the reference, for time. */
const TREES = 100

describe('a forest is as good as that of scikit-learn', () => {
  const train = rows(fixture.target, true)
  const held = rows(fixture.target, false)
  const late = rows(fixture.late, true)
  const heldLate = rows(fixture.late, false)

  test('random forest, numbers, on new rows and out of bag', () => {
    const results = SEEDS.map((seed) => trainForest(train, { features: 'third', trees: TREES, seed }))
    const errors = results.map(({ model }) => mse(scores(model, held), held.target))
    expect(meanOf(errors)).toBeLessThan(fixture.forestMse.mean * 1.05)
    const outside = results.map(({ outOfBag }) => mse(outOfBag, train.target))
    expect(meanOf(outside)).toBeGreaterThan(fixture.forestOutOfBagMse.mean * 0.93)
    expect(meanOf(outside)).toBeLessThan(fixture.forestOutOfBagMse.mean * 1.07)
  })

  test('extremely randomised trees, numbers', () => {
    const params = { features: 'third' as const, bootstrap: false, randomBorders: true, trees: TREES }
    const errors = SEEDS.map((seed) =>
      mse(scores(trainForest(train, { ...params, seed }).model, held), held.target),
    )
    expect(meanOf(errors)).toBeLessThan(fixture.extraMse.mean * 1.05)
  })

  test('chances of both kinds', () => {
    for (const [params, peer] of [
      [{}, fixture.forestAuc],
      [{ bootstrap: false, randomBorders: true }, fixture.extraAuc],
    ] as const) {
      const found = SEEDS.map((seed) => {
        const { model } = trainForest(late, { ...params, trees: TREES, seed, isChance: true })
        const score = scores(model, heldLate)
        expect(score.every((p) => p >= 0 && p <= 1)).toBe(true)
        return auc(score, heldLate.target)
      })
      expect(meanOf(found)).toBeGreaterThan(peer.mean - 0.005)
    }
  })
})

const hasThreads = existsSync(new URL('../../../dist/train/gbdt/crew-worker.js', import.meta.url))
if (!hasThreads) console.log('SKIP forests on two threads: dist is not built')

test('a forest and what it says out of bag are the same from each kernel and number of threads', () => {
  const train = rows(fixture.late, true)
  for (const params of [{}, { bootstrap: false, randomBorders: true, features: 0.5 }]) {
    const grown = (options: { kernels?: 'js' | 'wasm'; threads?: number }) => {
      const forest = trainForest(
        train,
        { ...params, trees: 8, isChance: true },
        { ...options, threadRowsMin: 1 },
      )
      expect(forest.ranOn.threads).toBe(options.threads ?? 1)
      return { bytes: encodeModel(forest.model), outOfBag: forest.outOfBag }
    }
    const plain = grown({ kernels: 'js' })
    expect(grown({})).toStrictEqual(plain)
    if (hasThreads) for (const threads of [2, 3]) expect(grown({ threads })).toStrictEqual(plain)
  }
})

test('a leaf of a forest is the mean of its rows, and its score the mean of its trees', () => {
  const rng = seededRng(3)
  const x = Float64Array.from({ length: 400 }, () => rng.nextInt(4))
  const data = { nRows: 400, columns: [x], categorical: [false], target: x.map((v) => 1e6 + v) }
  const { model } = trainForest(data, { trees: 5, bootstrap: false, minRowsInLeaf: 1 })
  const { rawRow } = compileScorer(model)
  for (const value of [0, 1, 2, 3]) expect(rawRow(Float64Array.of(value))).toBeCloseTo(1e6 + value, 6)
})

test('without bootstrap no row is out of bag', () => {
  const { outOfBag } = trainForest(rows(fixture.target, true), { trees: 3, bootstrap: false })
  expect(outOfBag.every(Number.isNaN)).toBe(true)
})

const N_CLASSES = 4

/** Share of rows whose likeliest class is wrong, and log loss; rows of shares sum to one. */
function judge(shares: Float64Array, target: Float64Array): { wrong: number; logLoss: number } {
  let wrong = 0
  let logLoss = 0
  target.forEach((y, i) => {
    const row = shares.subarray(i * N_CLASSES, (i + 1) * N_CLASSES)
    expect(Math.abs(row.reduce((sum, p) => sum + p, 0) - 1)).toBeLessThan(1e-12)
    if (likeliestOf(shares, i * N_CLASSES, N_CLASSES) !== y) wrong++
    logLoss -= Math.log(Math.max(1e-15, row[y]))
  })
  return { wrong: wrong / target.length, logLoss: logLoss / target.length }
}

function shares(model: TreeEnsemble, columns: Float64Array[], nRows: number): Float64Array {
  const out = new Float64Array(nRows * N_CLASSES)
  compileScorer(model).scoreBatch(columns, nRows, out)
  return out
}

describe('a forest of four classes is as good as that of scikit-learn', () => {
  const train = rows(classes.quarter, true)
  const held = rows(classes.quarter, false)
  test.each([
    ['random', {}, classes.forestWrong, classes.forestLogLoss],
    [
      'extremely randomised',
      { bootstrap: false, randomBorders: true },
      classes.extraWrong,
      classes.extraLogLoss,
    ],
  ])('%s', (_, params, wrong, logLoss) => {
    const found = SEEDS.map((seed) => {
      const { model } = trainForest(train, { ...params, trees: TREES, seed, nClasses: N_CLASSES })
      return judge(shares(model, held.columns, held.nRows), held.target)
    })
    expect(meanOf(found.map((f) => f.wrong))).toBeLessThan(wrong.mean + 0.015)
    expect(meanOf(found.map((f) => f.logLoss))).toBeLessThan(logLoss.mean * 1.03)
  })

  test('out of bag', () => {
    const found = SEEDS.map((seed) => {
      const { outOfBag } = trainForest(train, { trees: TREES, seed, nClasses: N_CLASSES })
      return judge(outOfBag, train.target).wrong
    })
    expect(Math.abs(meanOf(found) - classes.forestOutOfBagWrong.mean)).toBeLessThan(0.03)
  })
})

test('a forest of classes has the same bytes each time and another with another seed, and keeps them', () => {
  const train = rows(classes.quarter, true)
  const grown = (seed: number) => trainForest(train, { trees: 4, nClasses: N_CLASSES, seed }).model
  const model = grown(1)
  expect(encodeModel(grown(1))).toStrictEqual(encodeModel(model))
  expect(encodeModel(grown(2))).not.toStrictEqual(encodeModel(model))
  expect(decodeModel(encodeModel(model)).model).toStrictEqual(model)
  const missing = train.columns.map(() => Float64Array.of(Number.NaN))
  expect(shares(model, missing, 1).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
})

test('a leaf of a forest of classes holds their shares', () => {
  const x = Float64Array.from({ length: 400 }, (_, i) => i % 2)
  const target = x.map((v, i) => (v === 0 ? 0 : i % 4 === 1 ? 1 : 2))
  const data = { nRows: 400, columns: [x], categorical: [false], target }
  const { model } = trainForest(data, { trees: 3, bootstrap: false, nClasses: 3 })
  const out = new Float64Array(6)
  compileScorer(model).scoreBatch([Float64Array.of(0, 1)], 2, out)
  ;[1, 0, 0, 0, 0.5, 0.5].forEach((share, at) => {
    expect(out[at]).toBeCloseTo(share, 9)
  })
})

test('classes that hang on categories and on what is missing are learned to the last row, missing values on the side they belong to', () => {
  const rng = seededRng(8)
  const n = 900
  const town = Float64Array.from({ length: n }, () => (rng.next() < 0.1 ? Number.NaN : rng.nextInt(30)))
  const size = Float64Array.from({ length: n }, () => (rng.next() < 0.2 ? Number.NaN : rng.next()))
  const truth = (t: number, s: number) =>
    Number.isNaN(t) ? 4 : Number.isNaN(s) ? 3 : (t * 7) % 3 === 0 && s > 0.5 ? 0 : t % 2 === 0 ? 1 : 2
  const target = town.map((t, i) => truth(t, size[i]))
  const data = { nRows: n, columns: [town, size], categorical: [true, false], target }
  for (const params of [{}, { bootstrap: false, randomBorders: true }]) {
    const { model } = trainForest(data, {
      ...params,
      trees: 30,
      minRowsInLeaf: 1,
      features: 1,
      nClasses: 5,
    })
    const out = new Float64Array(n * 5)
    compileScorer(model).scoreBatch(data.columns, n, out)
    const right = target.filter((y, i) => likeliestOf(out, i * 5, 5) === y).length
    expect(right / n).toBeGreaterThan(0.99)
  }
})

test('weights count as rows, and rows without any are not learned from', () => {
  const x = Float64Array.of(0, 0, 0, 1, 1, 1)
  const target = Float64Array.of(0, 1, 2, 1, 2, 0)
  const weights = Float64Array.of(3, 1, 0, 2, 2, 0)
  const { model } = trainForest(
    { nRows: 6, columns: [x], categorical: [false], target, weights },
    { trees: 2, bootstrap: false, minRowsInLeaf: 1, nClasses: 3 },
  )
  const out = new Float64Array(6)
  compileScorer(model).scoreBatch([Float64Array.of(0, 1)], 2, out)
  ;[0.75, 0.25, 0, 0, 0.5, 0.5].forEach((share, at) => {
    expect(out[at]).toBeCloseTo(share, 12)
  })
})

test('more trees than a model can hold are refused before any is grown', () => {
  const target = Float64Array.from({ length: 600 }, (_, i) => i % 300)
  const data = { nRows: 600, columns: [target], categorical: [false], target }
  expect(() => trainForest(data, { trees: 400, nClasses: 300 })).toThrow('MR_MODEL_PARAM')
})

test.each([
  ['one class', [1, 1, 1], 'MR_MODEL_ONE_CLASS'],
  ['a code beyond the last', [0, 1, 3], 'MR_MODEL_TARGET'],
])('%s is refused', (_, target, code) => {
  const data = {
    nRows: 3,
    columns: [Float64Array.of(1, 2, 3)],
    categorical: [false],
    target: Float64Array.from(target),
  }
  expect(() => trainForest(data, { nClasses: 3 })).toThrow(code)
})
