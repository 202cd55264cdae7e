import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { shuffledImportance, splitGains } from '../../../src/model/effects/importance.ts'
import { levelEffects, localEffects, orderLevels } from '../../../src/model/effects/local-effects.ts'
import {
  gridOf,
  partialDependence,
  type ScoreMany,
  treeDependence,
} from '../../../src/model/effects/partial-dependence.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { randomEnsemble } from '../fixtures.ts'

interface Nodes {
  feature: number[]
  threshold: number[]
  left: number[]
  right: number[]
  value: number[]
  cover: number[]
}
interface Effect {
  grid: number[]
  brute: number[]
  ice: number[][]
  recursion: number[]
  aleAt: number[]
  ale: number[]
}
const given = JSON.parse(
  readFileSync(new URL('../../reference/explain/effects.json', import.meta.url), 'utf8'),
) as {
  trees: Nodes[]
  rows: number[][]
  target: number[]
  effects: Record<'a' | 'b' | 'c', Effect>
  importance: number[]
  importanceError: number[]
}

/** scikit-learn's trees in our form; its rows are float32 already. */
function ensembleOf(trees: Nodes[]): TreeEnsemble {
  const firsts = trees.map((_, t) => trees.slice(0, t).reduce((sum, tree) => sum + tree.value.length, 0))
  const all = <T>(of: (tree: Nodes, first: number) => T[]) => trees.flatMap((tree, t) => of(tree, firsts[t]))
  const isLeaf = (tree: Nodes, i: number) => tree.left[i] < 0
  return {
    ...randomEnsemble({ nTrees: 0 }),
    nFeatures: 3,
    roots: Int32Array.from(firsts),
    outputOf: new Int32Array(trees.length),
    feature: Int32Array.from(all((tree) => tree.feature.map((f) => Math.max(0, f)))),
    threshold: Float64Array.from(all((tree) => tree.threshold.map((x, i) => (isLeaf(tree, i) ? 0 : x)))),
    left: Int32Array.from(all((tree, first) => tree.left.map((l) => (l < 0 ? -1 : l + first)))),
    right: Int32Array.from(all((tree, first) => tree.right.map((r) => (r < 0 ? -1 : r + first)))),
    missingLeft: new Uint8Array(all((tree) => tree.value).length),
    value: Float64Array.from(all((tree) => tree.value.map((v, i) => (isLeaf(tree, i) ? v : 0)))),
    cover: Float64Array.from(all((tree) => tree.cover)),
    categorySet: new Int32Array(all((tree) => tree.value).length).fill(-1),
    baseScores: Float64Array.of(0),
    link: 'identity',
  }
}

const model = ensembleOf(given.trees)
const rows = Float64Array.from(given.rows.flat())
const n = given.rows.length
const scorer = compileScorer(model)
const score: ScoreMany = (matrix, count) => {
  const out = new Float64Array(count)
  scorer.rawBatch(matrix, count, out)
  return out
}
const close = (got: ArrayLike<number>, want: number[], tolerance = 1e-9) => {
  expect(got.length).toBe(want.length)
  want.forEach((value, i) => {
    if (!(Math.abs(got[i] - value) <= tolerance)) expect.fail(`entry ${i}: got ${got[i]}, want ${value}`)
  })
}

describe('partial dependence', () => {
  test.each(['a', 'b'] as const)('equals scikit-learn, by rows, line by line, and by covers: %s', (name) => {
    const feature = ['a', 'b'].indexOf(name)
    const want = given.effects[name]
    const grid = Float64Array.from(want.grid)
    const { mean, lines } = partialDependence(score, rows, n, { feature, nFeatures: 3, grid })
    close(mean, want.brute)
    close(lines.subarray(0, 5 * grid.length), want.ice.flat())
    close(treeDependence(model, { feature, grid }), want.recursion)
  })

  test('has a grid of all values where they are few, and of quantiles where they are many', () => {
    const column = (j: number) => Float64Array.from(given.rows, (row) => row[j])
    expect([...gridOf(column(2))]).toEqual([0, 1, 2, 3])
    expect(gridOf(column(0), 12).length).toBeLessThanOrEqual(12)
    expect([...gridOf(Float64Array.of(Number.NaN, 1))]).toEqual([1])
  })

  test('refuses to average over no rows', () => {
    const ask = () =>
      partialDependence(score, rows, 0, { feature: 0, nFeatures: 3, grid: Float64Array.of(1) })
    expect(ask).toThrow('MR_MODEL_SHAPE')
  })
})

describe('accumulated local effects', () => {
  test.each(['a', 'b'] as const)('equal PyALE for numbers: %s', (name) => {
    const feature = ['a', 'b'].indexOf(name)
    const want = given.effects[name]
    const got = localEffects(score, rows, n, { feature, nFeatures: 3, intervals: 10 })
    close(got.at, want.aleAt)
    close(got.effect, want.ale)
  })

  test('equal PyALE for levels', () => {
    const got = levelEffects(score, rows, n, { feature: 2, nFeatures: 3 })
    close(got.at, given.effects.c.aleAt)
    close(got.effect, given.effects.c.ale)
  })

  test('of a product with a correlated partner see only rows that there are', () => {
    // y = x0 x1 where x1 = x0: between rows the slope is that of x0^2 / 2, which partial dependence on the mean of x1 would hide
    const width = 2
    const values = Float64Array.from({ length: 400 }, (_, i) => Math.floor(i / 2) / 100 - 1)
    const product: ScoreMany = (matrix, count) =>
      Float64Array.from({ length: count }, (_, i) => matrix[i * width] * matrix[i * width + 1])
    const { at, effect } = localEffects(product, values, 200, { feature: 0, nFeatures: width, intervals: 40 })
    const [first, last] = [0, at.length - 1]
    expect(effect[last] - effect[at.findIndex((x) => x >= 0)]).toBeCloseTo(at[last] ** 2 / 2, 1)
    expect(effect[first] - effect[at.findIndex((x) => x >= 0)]).toBeCloseTo(at[first] ** 2 / 2, 1)
  })

  test('order levels so that those alike in other features are neighbours', () => {
    // level 5 is like 1, level 2 like 9: the other feature tells
    const shift: Record<number, number> = { 1: 0, 5: 0.5, 9: 8, 2: 8.5 }
    const matrix = Float64Array.from(
      Object.entries(shift).flatMap(([level, by]) =>
        Array.from({ length: 50 }, (_, i) => [Number(level), by + i / 10]).flat(),
      ),
    )
    const order = [...orderLevels(matrix, 200, { feature: 0, nFeatures: 2, categorical: [true, false] })]
    const places = (a: number, b: number) => Math.abs(order.indexOf(a) - order.indexOf(b))
    expect([places(1, 5), places(2, 9)]).toEqual([1, 1])
    expect([...order].sort()).toEqual([1, 2, 5, 9])
  })

  test('are flat for a column without a second value, and empty without rows', () => {
    const flat = localEffects(score, Float64Array.of(1, 2, 3, 1, 0, 1), 2, { feature: 0, nFeatures: 3 })
    expect([...flat.effect]).toEqual([0])
    expect(localEffects(score, new Float64Array(0), 0, { feature: 0, nFeatures: 3 }).at).toHaveLength(0)
  })
})

describe('importance', () => {
  const loss = (outputs: Float64Array) =>
    outputs.reduce((sum, o, i) => sum + (o - given.target[i]) ** 2, 0) / outputs.length

  test('by shuffling agrees with 400 shuffles of scikit-learn, within the error of both', () => {
    const got = shuffledImportance(score, loss, rows, n, { nFeatures: 3, repeats: 100 })
    got.forEach(({ value, interval }, j) => {
      const own = (interval[1] - value) / 1.96
      expect(Math.abs(value - given.importance[j])).toBeLessThan(
        3.5 * Math.hypot(own, given.importanceError[j]),
      )
    })
  })

  test('by shuffling is 0 exactly for a feature that is not used', () => {
    const first: ScoreMany = (matrix, count) => Float64Array.from({ length: count }, (_, i) => matrix[3 * i])
    const got = shuffledImportance(first, loss, rows, n, { nFeatures: 3, repeats: 3 })
    expect(got[1]).toEqual({ value: 0, interval: [0, 0] })
  })

  test('by splits is the squared error that they take away', () => {
    const tree = {
      ...model,
      roots: Int32Array.of(0),
      outputOf: new Int32Array(1),
      feature: Int32Array.of(1, 0, 0),
      threshold: Float64Array.of(0.5, 0, 0),
      left: Int32Array.of(1, -1, -1),
      right: Int32Array.of(2, -1, -1),
      missingLeft: new Uint8Array(3),
      value: Float64Array.of(0, 1, 5),
      cover: Float64Array.of(8, 2, 6),
      categorySet: new Int32Array(3).fill(-1),
    }
    // means 1 and 5, mean 4: 2 * 9 + 6 * 1
    expect([...splitGains(tree)]).toEqual([0, 24, 0])
  })
})
