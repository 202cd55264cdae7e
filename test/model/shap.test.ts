import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { contributionsOf, explainRow, meanAbsContributions } from '../../src/model/explain.ts'
import { explainRows } from '../../src/model/explain-rows.ts'
import { rowGoesLeft, treeExplainer } from '../../src/model/forms/tree-explainer.ts'
import { importLightGbmText } from '../../src/model/import/lightgbm-text.ts'
import { compileScorer } from '../../src/model/score.ts'
import { treeInteractions } from '../../src/model/shap/interactions.ts'
import { pairwiseContributions } from '../../src/model/shap/pairwise.ts'
import { treeContributions } from '../../src/model/shap/tree-shap.ts'
import type { TreeEnsemble } from '../../src/model/trees.ts'
import { anyValue, randomEnsemble, reference, rowsOf } from './fixtures.ts'

interface Fixture {
  model: string
  rows: (number | null)[][]
  background: (number | null)[][]
}

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../reference/explain/${name}`, import.meta.url), 'utf8')) as T
}

const joined = (rows: Float64Array[]) => Float64Array.from(rows.flatMap((row) => [...row]))

function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length)
  for (let j = 0; j < want.length; j++)
    if (!(Math.abs(got[j] - want[j]) <= tolerance))
      expect.fail(`entry ${j}: got ${got[j]}, want ${want[j]}, tolerance ${tolerance}`)
}

// ---------------------------------------------------------------- the definition

const factorial = (k: number): number => (k <= 1 ? 1 : k * factorial(k - 1))
const sizeOf = (set: number) => [...set.toString(2)].filter((bit) => bit === '1').length

/** Shapley values of a game over sets of features, by their definition. */
function shapley(n: number, game: (known: number) => number): number[] {
  const values = Array.from({ length: 2 ** n }, (_, known) => game(known))
  return Array.from({ length: n }, (_, i) => {
    let sum = 0
    for (let known = 0; known < 2 ** n; known++) {
      if ((known >> i) & 1) continue
      const weight = (factorial(sizeOf(known)) * factorial(n - 1 - sizeOf(known))) / factorial(n)
      sum += weight * (values[known | (1 << i)] - values[known])
    }
    return sum
  })
}

/** Shapley interaction values by their definition. */
function interactionsOf(n: number, game: (known: number) => number): number[] {
  const values = Array.from({ length: 2 ** n }, (_, known) => game(known))
  const out = new Array<number>(n * n).fill(0)
  const alone = shapley(n, game)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (i === j) continue
      for (let known = 0; known < 2 ** n; known++) {
        if ((known >> i) & 1 || (known >> j) & 1) continue
        const s = sizeOf(known)
        const weight = (factorial(s) * factorial(n - s - 2)) / (2 * factorial(n - 1))
        const [a, b] = [1 << i, 1 << j]
        out[i * n + j] +=
          weight * (values[known | a | b] - values[known | a] - values[known | b] + values[known])
      }
    }
  }
  for (let i = 0; i < n; i++) {
    const others = out.slice(i * n, (i + 1) * n).reduce((sum, x) => sum + x, 0)
    out[i * n + i] = alone[i] - others
  }
  return out
}

/** Expected raw score when only `known` features are known: unknown splits follow both children by cover. */
function byCover(model: TreeEnsemble, x: Float64Array, known: number): number {
  const below = (node: number): number => {
    const { left, right, cover, feature, value } = model
    if (left[node] < 0) return value[node]
    if ((known >> feature[node]) & 1) return below(rowGoesLeft(model, node, x) ? left[node] : right[node])
    const total = cover[left[node]] + cover[right[node]]
    const share = total > 0 ? cover[left[node]] / total : 0.5
    return share * below(left[node]) + (1 - share) * below(right[node])
  }
  return model.roots.reduce((sum, root) => sum + below(root), model.baseScores[0])
}

/** Mean raw score of hybrids: known features from `x`, others from each background row. */
function hybrids(model: TreeEnsemble, x: Float64Array, background: Float64Array[], known: number): number {
  const scorer = compileScorer(model)
  const scores = background.map((z) => scorer.rawRow(x.map((v, j) => ((known >> j) & 1 ? v : z[j]))))
  return scores.reduce((sum, s) => sum + s, 0) / background.length
}

const shapes = fc.record({
  seed: fc.nat(10_000),
  depth: fc.integer({ min: 0, max: 7 }),
  nFeatures: fc.integer({ min: 1, max: 6 }),
  nTrees: fc.integer({ min: 1, max: 3 }),
  nCategories: fc.constantFrom(0, 2),
  compare: fc.constantFrom<TreeEnsemble['compare']>('le', 'lt-f32'),
})
const someRows = (n: number, nFeatures: number) =>
  fc.array(fc.array(anyValue, { minLength: nFeatures, maxLength: nFeatures }), { minLength: n, maxLength: n })

describe('contributions by tables', () => {
  test('equal the definition over all subsets, path dependent and against a background', () => {
    fc.assert(
      fc.property(shapes, someRows(9, 6), (shape, given) => {
        const model = randomEnsemble(shape)
        const rows = given.map((row) => Float64Array.from(row.slice(0, shape.nFeatures)))
        const [explained, background] = [rows.slice(0, 4), rows.slice(4)]
        const behind = { rows: joined(background), n: background.length }
        // as many rows as make tables pay, the same four over and over
        const many = joined(Array.from({ length: 500 }, (_, i) => explained[i % 4]))
        const byPath = treeContributions(model, many, 500)
        const against = treeContributions(model, many, 500, { background: behind })
        explained.forEach((x, i) => {
          const at = (out: Float64Array) => out.subarray(i * shape.nFeatures, (i + 1) * shape.nFeatures)
          expectClose(
            at(byPath),
            shapley(shape.nFeatures, (known) => byCover(model, x, known)),
            1e-12,
          )
          expectClose(
            at(against),
            shapley(shape.nFeatures, (known) => hybrids(model, x, background, known)),
            1e-12,
          )
          expectClose(pairwiseContributions(model, behind)(x, 0), at(against), 1e-12)
        })
      }),
      { numRuns: 80 },
    )
  })

  test('have the same bits in WebAssembly and in plain loops', () => {
    const rng = seededRng(3)
    for (const [depth, nFeatures, nCategories, n] of [
      [4, 3, 0, 7],
      [7, 12, 2, 700],
      [9, 30, 4, 300],
    ]) {
      const model = randomEnsemble({ depth, nFeatures, nCategories, nTrees: 20, seed: depth })
      const rows = Float64Array.from({ length: n * nFeatures }, () =>
        rng.next() < 0.1 ? Number.NaN : Math.round(rng.normal() * 4) / 2,
      )
      for (const background of [undefined, { rows: rows.subarray(0, 5 * nFeatures), n: 5 }]) {
        const wasm = treeContributions(model, rows, n, { background })
        expect(treeContributions(model, rows, n, { background, kernels: 'js' })).toEqual(wasm)
      }
    }
  })

  test('do not depend on how many rows are explained together, up to rounding, nor on the layout', () => {
    const model = randomEnsemble({ depth: 8, nFeatures: 9, nTrees: 12 })
    const rng = seededRng(4)
    const rows = Float64Array.from({ length: 9 * 1000 }, () => Math.round(rng.normal() * 4) / 2)
    const all = treeContributions(model, rows, 1000)
    const columns = Array.from({ length: 9 }, (_, j) =>
      Float64Array.from({ length: 1000 }, (_, i) => rows[i * 9 + j]),
    )
    expect(treeContributions(model, columns, 1000)).toEqual(all)
    for (const n of [1, 2, 40])
      expectClose(treeContributions(model, rows.slice(0, 9 * n), n), all.subarray(0, 9 * n), 1e-13)
  })

  test('add up for trees too deep for tables, with and without a background', () => {
    const model = randomEnsemble({ depth: 12, nFeatures: 400, nTrees: 2, seed: 9 })
    const deep = chain(30)
    for (const [given, n] of [
      [model, 60],
      [deep, 12],
    ] as const) {
      const rng = seededRng(6)
      const rows = Float64Array.from({ length: n * given.nFeatures }, () => rng.normal() + 0.4)
      const background = { rows: rows.subarray(0, 3 * given.nFeatures), n: 3 }
      expect(explainRows(given, rows, n).residual).toBeLessThan(1e-12)
      expect(explainRows(given, rows, n, background).residual).toBeLessThan(1e-12)
    }
  })

  test('are those of the plain explainer and of pairs where paths have more features than a pattern has bits', () => {
    const rng = seededRng(8)
    for (const model of [
      chain(30),
      randomEnsemble({ depth: 15, nFeatures: 40, nTrees: 2, nCategories: 3, seed: 21 }),
      randomEnsemble({ depth: 15, nFeatures: 18, nTrees: 2, compare: 'lt-f32', seed: 5 }),
    ]) {
      const { nFeatures } = model
      const n = 300
      const rows = Float64Array.from({ length: n * nFeatures }, () =>
        rng.next() < 0.1 ? Number.NaN : Math.round(rng.normal() * 4) / 2,
      )
      const rowAt = (i: number) => rows.slice(i * nFeatures, (i + 1) * nFeatures)
      const background = { rows: rows.subarray(0, 9 * nFeatures), n: 9 }
      const byPath = treeContributions(model, rows, n)
      const against = treeContributions(model, rows, n, { background })
      expect(treeContributions(model, rows, n, { kernels: 'js' })).toEqual(byPath)
      expect(treeContributions(model, rows, n, { background, kernels: 'js' })).toEqual(against)
      const [plain, kept] = [treeExplainer(model, 'js'), treeExplainer(model)]
      const pairs = pairwiseContributions(model, background)
      for (const i of [0, 1, 7, 8, 150, 299]) {
        const want = (all: Float64Array) => all.subarray(i * nFeatures, (i + 1) * nFeatures)
        expectClose(plain.explain(rowAt(i)).contributions, want(byPath), 1e-12)
        expectClose(kept.explain(rowAt(i)).contributions, want(byPath), 1e-12)
        expectClose(pairs(rowAt(i), 0), want(against), 1e-12)
      }
    }
  })

  test('equal LightGBM where a path tests more than thirteen features, one by one and together', () => {
    const given = fixture<{ longest: number; model: string; rows: (number | null)[][] }>('deep.json')
    const { contributions, base } = given as unknown as { contributions: number[][]; base: number }
    expect(given.longest).toBeGreaterThan(13)
    const model = importLightGbmText(given.model)
    const rows = joined(rowsOf(given.rows))
    expectClose(treeContributions(model, rows, 40), contributions.flat(), 1e-9)
    const many = Float64Array.from({ length: rows.length * 50 }, (_, at) => rows[at % rows.length])
    expectClose(
      treeContributions(model, many, 2000).subarray(0, contributions.flat().length),
      contributions.flat(),
      1e-9,
    )
    given.rows.forEach((_, i) => {
      const { contributions: one, base: from } = explainRow(model, rows.slice(i * 22, (i + 1) * 22))
      expectClose(one, contributions[i], 1e-9)
      expect(from).toBeCloseTo(base, 9)
    })
  })

  test('follow a permutation of the features, are 0 for unused ones and equal for symmetric ones', () => {
    const model = randomEnsemble({ depth: 6, nFeatures: 5, nTrees: 6, seed: 12 })
    const order = [3, 0, 4, 1, 2]
    const moved = { ...model, nFeatures: 7, feature: model.feature.map((j) => order[j]) }
    const rng = seededRng(7)
    const rows = Float64Array.from({ length: 5 * 300 }, () => Math.round(rng.normal() * 4) / 2)
    const movedRows = new Float64Array(7 * 300)
    for (let i = 0; i < 300; i++) for (let j = 0; j < 5; j++) movedRows[i * 7 + order[j]] = rows[i * 5 + j]
    const plain = treeContributions(model, rows, 300)
    const other = treeContributions(moved, movedRows, 300)
    for (let i = 0; i < 300; i++) {
      for (let j = 0; j < 5; j++) expect(other[i * 7 + order[j]]).toBeCloseTo(plain[i * 5 + j], 12)
      expect([other[i * 7 + 5], other[i * 7 + 6]]).toEqual([0, 0])
    }
    const and = andModel()
    const both = treeContributions(and, Float64Array.of(1, 1, 0, 0), 2)
    expect(both[0]).toBe(both[1])
    expect(both[2]).toBe(both[3])
  })

  test('of no rows are none', () => {
    expect(treeContributions(andModel(), new Float64Array(0), 0)).toHaveLength(0)
  })

  test('equal LightGBM and shap: path dependent, interventional, three classes', () => {
    const given = fixture<
      Fixture & {
        contributions: number[][][]
        base: number[]
        byDefinition: number[][][]
        definitionBase: number[]
        interventionalSum: number[][]
      }
    >('classes.json')
    const model = importLightGbmText(given.model)
    const rows = joined(rowsOf(given.rows))
    const background = { rows: joined(rowsOf(given.background)), n: given.background.length }
    const byPath = explainRows(model, rows, given.rows.length)
    expectClose(byPath.contributions, given.contributions.flat(2), 1e-9)
    expectClose(byPath.bases, given.base, 1e-9)
    const against = explainRows(model, rows, given.rows.length, background)
    expectClose(against.contributions.subarray(0, 8 * 12), given.byDefinition.flat(2), 1e-9)
    expectClose(against.bases, given.definitionBase, 1e-9)
    const summed = given.interventionalSum.flatMap((_, i) =>
      [0, 1, 2, 3].map((j) =>
        [0, 1, 2].reduce((sum, k) => sum + against.contributions[(i * 3 + k) * 4 + j], 0),
      ),
    )
    expectClose(summed, given.interventionalSum.flat(), 3e-7)
    expect(against).toMatchObject({ method: 'interventional', exact: true })
    expect(against.background).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(Math.max(byPath.residual, against.residual)).toBeLessThan(1e-12)
  })

  test('equal shap with missing values, against 60 rows', () => {
    const given = fixture<
      Fixture & { interventional: number[][]; interventionalBase: number; byDefinition: number[][][] }
    >('binary.json')
    const model = importLightGbmText(given.model)
    const rows = joined(rowsOf(given.rows))
    const background = { rows: joined(rowsOf(given.background)), n: given.background.length }
    const { contributions, bases } = explainRows(model, rows, given.rows.length, background)
    expectClose(contributions.subarray(0, 8 * 6), given.byDefinition.flat(2), 1e-9)
    expectClose(contributions, given.interventional.flat(), 1e-7)
    expect(bases[0]).toBeCloseTo(given.interventionalBase, 9)
  })

  test('are those of one row at a time, for importance too', () => {
    const model = randomEnsemble({ depth: 6, nTrees: 9 })
    const rng = seededRng(8)
    const rows = Float64Array.from({ length: 4 * 600 }, () => Math.round(rng.normal() * 4) / 2)
    const all = contributionsOf(model, rows, 600)
    const sums = new Float64Array(4)
    for (let i = 0; i < 600; i++) {
      const { contributions } = explainRow(model, rows.subarray(4 * i, 4 * i + 4))
      expectClose(all.subarray(4 * i, 4 * i + 4), contributions, 1e-12)
      contributions.forEach((c, j) => {
        sums[j] += Math.abs(c) / 600
      })
    }
    expectClose(meanAbsContributions(model, rows, 600), sums, 1e-12)
  })
})

describe('interaction values', () => {
  test('equal the definition over all subsets', () => {
    fc.assert(
      fc.property(shapes, someRows(1, 6), (shape, [given]) => {
        const model = randomEnsemble(shape)
        const x = Float64Array.from(given.slice(0, shape.nFeatures))
        const want = interactionsOf(shape.nFeatures, (known) => byCover(model, x, known))
        expectClose(treeInteractions(model)(x), want, 1e-12)
      }),
      { numRuns: 100 },
    )
  })

  test('are symmetric, sum to the contributions, and equal those of shap', () => {
    const given = fixture<Fixture & { interactions: number[][][] }>('binary.json')
    const model = importLightGbmText(given.model)
    const interactions = treeInteractions(model)
    rowsOf(given.rows).forEach((x, i) => {
      const got = interactions(x)
      expectClose(got, given.interactions[i].flat(), 1e-9)
      const { contributions } = explainRow(model, x)
      for (let a = 0; a < 6; a++) {
        expect(got.subarray(a * 6, a * 6 + 6).reduce((sum, v) => sum + v, 0)).toBeCloseTo(
          contributions[a],
          12,
        )
        for (let b = 0; b < a; b++) expect(got[a * 6 + b]).toBeCloseTo(got[b * 6 + a], 12)
      }
    })
  })
})

test('the published example has its published contributions by tables too', () => {
  const { rows, contributions } = reference<{ rows: number[][]; contributions: number[][] }>(
    'consistency.json',
  )
  const many = Float64Array.from(Array.from({ length: 250 }, () => rows.flat()).flat())
  const got = treeContributions(andModel(), many, 1000)
  expectClose(got.subarray(0, 8), contributions.flat(), 1e-12)
})

function andModel(): TreeEnsemble {
  return {
    ...randomEnsemble({ nTrees: 0 }),
    nFeatures: 2,
    roots: Int32Array.of(0),
    outputOf: new Int32Array(1),
    feature: Int32Array.of(0, 0, 1, 0, 0),
    threshold: Float64Array.of(0.5, 0, 0.5, 0, 0),
    left: Int32Array.of(1, -1, 3, -1, -1),
    right: Int32Array.of(2, -1, 4, -1, -1),
    missingLeft: new Uint8Array(5),
    value: Float64Array.of(0, 0, 0, 0, 80),
    cover: Float64Array.of(4, 2, 2, 1, 1),
    categorySet: new Int32Array(5).fill(-1),
    baseScores: Float64Array.of(0),
  }
}

/** A tree that tests feature after feature: right goes on, left ends. */
function chain(depth: number): TreeEnsemble {
  const n = 2 * depth + 1
  const isSplit = (i: number) => i % 2 === 0 && i < n - 1
  const ints = (at: (i: number) => number) => Int32Array.from({ length: n }, (_, i) => at(i))
  return {
    ...randomEnsemble({ nTrees: 0 }),
    nFeatures: depth,
    roots: Int32Array.of(0),
    outputOf: new Int32Array(1),
    feature: ints((i) => (isSplit(i) ? i / 2 : 0)),
    threshold: Float64Array.from({ length: n }, (_, i) => (isSplit(i) ? 0.1 : 0)),
    left: ints((i) => (isSplit(i) ? i + 1 : -1)),
    right: ints((i) => (isSplit(i) ? i + 2 : -1)),
    missingLeft: new Uint8Array(n),
    value: Float64Array.from({ length: n }, (_, i) => (isSplit(i) ? 0 : Math.sin(i))),
    cover: Float64Array.from({ length: n }, (_, i) => (isSplit(i) || i === n - 1 ? 1000 - 20 * (i / 2) : 20)),
    categorySet: new Int32Array(n).fill(-1),
  }
}
