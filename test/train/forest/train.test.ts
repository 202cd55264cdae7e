import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { trainForest } from '../../../src/train/forest/train.ts'
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

test('a forest has the same bytes from each kernel', () => {
  const train = rows(fixture.late, true)
  for (const params of [{}, { bootstrap: false, randomBorders: true, features: 0.5 }]) {
    const bytes = (kernels: 'js' | 'wasm') =>
      encodeModel(trainForest(train, { ...params, trees: 8, isChance: true }, { kernels }).model)
    expect(bytes('js')).toStrictEqual(bytes('wasm'))
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
