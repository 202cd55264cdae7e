import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { type TrainData, trainGbdt } from '../../../src/train/gbdt/train.ts'

/** Numbers that pull the target up, down and in waves, some of them missing; the order that a model keeps is broken by noise everywhere. */
function noisy(nRows: number, seed: number): TrainData {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 4 }, () =>
    Float64Array.from({ length: nRows }, () => (rng.next() < 0.05 ? Number.NaN : rng.next() * 4)),
  )
  const target = Float64Array.from({ length: nRows }, (_, i) => {
    const [a, b, c, d] = columns.map((column) => (Number.isNaN(column[i]) ? 2 : column[i]))
    return Math.sin(3 * a) + 0.7 * a - 0.5 * b + Math.cos(2 * b) + c * d * 0.3 + rng.normal()
  })
  return { nRows, columns, categorical: columns.map(() => false), target }
}

const SETTINGS = { objective: 'l2' as const, trees: 30, leaves: 24, minRowsInLeaf: 5 }

/** Steps of one feature against its order, at random places of the others. */
function breaks(model: TreeEnsemble, feature: number, order: number, seed: number): number {
  const rng = seededRng(seed)
  const { rawRow } = compileScorer(model)
  let n = 0
  for (let probe = 0; probe < 300; probe++) {
    const x = Float64Array.from({ length: model.nFeatures }, () =>
      rng.next() < 0.1 ? Number.NaN : rng.next() * 5 - 0.5,
    )
    let before = Number.NaN
    for (let step = 0; step <= 60; step++) {
      x[feature] = -0.5 + step / 12
      const score = rawRow(x)
      if (order * (score - before) < 0) n++
      before = score
    }
  }
  return n
}

const rmse = (model: TreeEnsemble, { columns, nRows, target }: TrainData) => {
  const out = new Float64Array(nRows)
  compileScorer(model).rawBatch(columns, nRows, out)
  return Math.sqrt(out.reduce((sum, s, i) => sum + (s - target[i]) ** 2, 0) / nRows)
}

test('an order holds at every place, for each kernel and beside smoothing, steps and other objectives', () => {
  const data = noisy(3000, 1)
  const free = trainGbdt(data, SETTINGS).model
  expect(breaks(free, 0, 1, 5)).toBeGreaterThan(100)
  expect(breaks(free, 1, -1, 5)).toBeGreaterThan(100)
  const median = { ...data, target: data.target.map((y) => y ** 3) }
  for (const [given, more] of [
    [data, {}],
    [data, { pathSmooth: 10, maxDeltaStep: 0.8, l1: 2, l2: 3 }],
    [data, { bagging: 0.6, featureFractionByNode: 0.7 }],
    [data, { randomBorders: true }],
    [median, { objective: 'l1' as const }],
  ] as const) {
    const params = { ...SETTINGS, ...more, monotone: [1, -1, 0, 0] }
    const { model } = trainGbdt(given, params)
    expect([breaks(model, 0, 1, 6), breaks(model, 1, -1, 7)]).toEqual([0, 0])
    expect(encodeModel(trainGbdt(given, params, { kernels: 'js' }).model)).toStrictEqual(encodeModel(model))
  }
})

test('an order that is true costs little: as good on new rows as without it', () => {
  const rng = seededRng(9)
  const make = (nRows: number): TrainData => {
    const columns = [0, 1].map(() => Float64Array.from({ length: nRows }, () => rng.next()))
    const target = columns[0].map((x, i) => 3 * x ** 2 + Math.sin(9 * columns[1][i]) + rng.normal())
    return { nRows, columns, categorical: [false, false], target }
  }
  const [train, held] = [make(2000), make(4000)]
  const free = rmse(trainGbdt(train, SETTINGS).model, held)
  const kept = rmse(trainGbdt(train, { ...SETTINGS, monotone: [1, 0] }).model, held)
  expect(kept).toBeLessThan(free * 1.01)
})

/** Features of the splits on each path from a root to a leaf. */
function pathsOf(model: TreeEnsemble): Set<number>[] {
  const out: Set<number>[] = []
  const walk = (node: number, path: Set<number>): void => {
    if (model.left[node] < 0) {
      out.push(path)
      return
    }
    const longer = new Set([...path, model.feature[node]])
    walk(model.left[node], longer)
    walk(model.right[node], longer)
  }
  for (const root of model.roots) walk(root, new Set())
  return out
}

test('features of different groups never meet on a path, and those of no group are not used', () => {
  const data = noisy(2000, 2)
  const { model } = trainGbdt(data, {
    ...SETTINGS,
    interactions: [
      [0, 1],
      [1, 2],
    ],
  })
  const paths = pathsOf(model)
  expect(paths.some((path) => path.size === 2)).toBe(true)
  for (const path of paths) expect(path.has(3) || (path.has(0) && path.has(2))).toBe(false)
})

test('trees are no deeper, leaves no larger and splits gain no less than asked', () => {
  const data = noisy(2000, 3)
  const depthOf = (model: TreeEnsemble, node: number): number =>
    model.left[node] < 0
      ? 0
      : 1 + Math.max(depthOf(model, model.left[node]), depthOf(model, model.right[node]))
  const flat = trainGbdt(data, { ...SETTINGS, maxDepth: 3 }).model
  expect(Math.max(...Array.from(flat.roots, (root) => depthOf(flat, root)))).toBe(3)
  const small = trainGbdt(data, { ...SETTINGS, maxDeltaStep: 0.25 }).model
  expect(Math.max(...small.value.map(Math.abs))).toBeCloseTo(0.025, 12)
  const few = trainGbdt(data, { ...SETTINGS, trees: 1, minGain: 200 }).model
  const many = trainGbdt(data, { ...SETTINGS, trees: 1 }).model
  expect(few.feature.length).toBeLessThan(many.feature.length)
})

test('path smoothing draws a leaf to the value above it, by rows', () => {
  const x = Float64Array.from({ length: 40 }, (_, i) => Number(i >= 30))
  const data = { nRows: 40, columns: [x], categorical: [false], target: x.map((v) => 8 * v) }
  const params = {
    objective: 'l2' as const,
    trees: 1,
    learningRate: 1,
    leaves: 2,
    minRowsInLeaf: 1,
    pathSmooth: 10,
  }
  const { model } = trainGbdt(data, params)
  const { rawRow } = compileScorer(model)
  // The mean is 2; Newton steps from it are -2 (30 rows) and 6 (10 rows), the value above is 0: -2 * 30 / 40 and 6 * 10 / 20.
  expect(rawRow(Float64Array.of(0))).toBeCloseTo(0.5, 9)
  expect(rawRow(Float64Array.of(1))).toBeCloseTo(5, 9)
})

test('each node draws its own share of the features of its tree', () => {
  const data = noisy(2000, 4)
  const features = (share: number) => {
    const { model } = trainGbdt(data, { ...SETTINGS, trees: 1, featureFractionByNode: share })
    return new Set(model.feature.filter((_, node) => model.left[node] >= 0)).size
  }
  expect(features(0.25)).toBeGreaterThan(1)
})

test('rows drawn with replacement count as often as they are drawn', () => {
  const data = noisy(20_000, 5)
  const { model } = trainGbdt(data, { ...SETTINGS, trees: 3, replacement: true })
  for (const root of model.roots) {
    const deviation = Math.sqrt(20_000)
    expect(Math.abs(model.cover[root] - 20_000)).toBeLessThan(5 * deviation)
    expect(Number.isInteger(model.cover[root])).toBe(true)
  }
})

test.each([
  [{ monotone: [1] }, 'monotone'],
  [{ monotone: [1, 2, 0, 0] }, 'monotone'],
  [{ interactions: [[0, 4]] }, 'interactions'],
  [{ featureFractionByNode: 0 }, 'featureFractionByNode'],
  [{ maxDeltaStep: -1 }, 'maxDeltaStep'],
])('%o is refused', (params, name) => {
  expect(() => trainGbdt(noisy(100, 6), { objective: 'l2', ...params })).toThrow(name)
})

test('a category has no order to keep', () => {
  const data = { ...noisy(100, 7), categorical: [true, false, false, false] }
  data.columns[0] = data.columns[0].map((_, i) => i % 3)
  expect(() => trainGbdt(data, { objective: 'l2', monotone: [1, 0, 0, 0] })).toThrow('monotone')
})
