import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { explainRow, meanAbsContributions } from '../../src/model/explain.ts'
import { rowGoesLeft } from '../../src/model/forms/tree-explainer.ts'
import { importLightGbmText } from '../../src/model/import/lightgbm-text.ts'
import { compileScorer } from '../../src/model/score.ts'
import { gaussLegendre } from '../../src/model/shap/quadrature.ts'
import type { LinearModel, TreeEnsemble } from '../../src/model/trees.ts'
import { anyValue, randomEnsemble, reference, rowsOf } from './fixtures.ts'

/** Expected raw score when only the features in the bit set `known` are known: unknown splits follow both children by cover. */
function expectedScore(model: TreeEnsemble, x: Float64Array, known: number): number {
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

/** Shapley values by their definition, over all subsets. */
function shapleyByDefinition(model: TreeEnsemble, x: Float64Array): Float64Array {
  const n = model.nFeatures
  const scores = Array.from({ length: 2 ** n }, (_, known) => expectedScore(model, x, known))
  const factorial = (k: number): number => (k <= 1 ? 1 : k * factorial(k - 1))
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0
    for (let known = 0; known < 2 ** n; known++) {
      if ((known >> i) & 1) continue
      const size = [...known.toString(2)].filter((bit) => bit === '1').length
      sum +=
        ((factorial(size) * factorial(n - 1 - size)) / factorial(n)) *
        (scores[known | (1 << i)] - scores[known])
    }
    return sum
  })
}

const expectClose = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number) => {
  expect(got.length).toBe(want.length)
  for (let j = 0; j < want.length; j++) {
    expect(Math.abs(got[j] - want[j]), `feature ${j}: got ${got[j]}, want ${want[j]}`).toBeLessThanOrEqual(
      tolerance,
    )
  }
}

describe('contributions to a tree score', () => {
  test('equal the definition over all subsets, with missing values, categories and unseen codes', () => {
    const shape = fc.record({
      seed: fc.nat(10_000),
      depth: fc.integer({ min: 0, max: 7 }),
      nFeatures: fc.integer({ min: 1, max: 8 }),
      nCategories: fc.constantFrom(0, 3),
    })
    fc.assert(
      fc.property(shape, fc.array(anyValue, { minLength: 8, maxLength: 8 }), (given, values) => {
        const model = randomEnsemble({ ...given, nTrees: 2 })
        const x = Float64Array.from(values)
        const { base, contributions, raw, residual } = explainRow(model, x)
        expectClose(contributions, shapleyByDefinition(model, x), 1e-12)
        expect(base).toBeCloseTo(expectedScore(model, x, 0), 12)
        expect(raw).toBe(compileScorer(model).rawRow(x))
        expect(Math.abs(residual)).toBeLessThan(1e-12)
      }),
      { numRuns: 120 },
    )
  })

  test('are 0 for a feature that no tree uses', () => {
    const model = { ...randomEnsemble({ nFeatures: 4, depth: 7 }), nFeatures: 6 }
    const { contributions } = explainRow(model, Float64Array.of(1, 2, -1, 0, 5, 6))
    expect([contributions[4], contributions[5]]).toEqual([0, 0])
  })

  test('are the published ones for the AND of two features', () => {
    const { rows, contributions, base } = reference<{
      rows: number[][]
      contributions: number[][]
      base: number
    }>('consistency.json')
    const model: TreeEnsemble = {
      ...randomEnsemble({ nTrees: 0 }),
      nFeatures: 2,
      outputOf: new Int32Array(1),
      roots: Int32Array.of(0),
      feature: Int32Array.of(0, 0, 1, 0, 0),
      threshold: Float64Array.of(0.5, 0, 0.5, 0, 0),
      left: Int32Array.of(1, -1, 3, -1, -1),
      right: Int32Array.of(2, -1, 4, -1, -1),
      missingLeft: new Uint8Array(5),
      value: Float64Array.of(0, 0, 0, 0, 80),
      cover: Float64Array.of(4, 2, 2, 1, 1),
      categorySet: new Int32Array(5).fill(-1),
      baseScores: new Float64Array(1),
    }
    rows.forEach((row, i) => {
      const got = explainRow(model, Float64Array.from(row))
      expectClose(got.contributions, contributions[i], 1e-12)
      expect(got.base).toBeCloseTo(base, 12)
    })
  })

  test.each(['lightgbm-missing.json', 'lightgbm-categories.json'])(
    'equal pred_contrib of LightGBM: %s',
    (name) => {
      const fixture = reference<{
        model: string
        rows: (number | null)[][]
        contributions: number[][]
        base: number[]
      }>(name)
      const model = importLightGbmText(fixture.model)
      rowsOf(fixture.rows).forEach((x, i) => {
        const got = explainRow(model, x)
        expectClose(got.contributions, fixture.contributions[i], 1e-9)
        expect(got.base).toBeCloseTo(fixture.base[i], 9)
      })
    },
  )

  test('add up in trees of 40 levels, where polynomial forms lose their digits', () => {
    const model = chain(40)
    const x = Float64Array.from({ length: 40 }, (_, j) => (j % 7 === 0 ? 0 : 1))
    expect(Math.abs(explainRow(model, x).residual)).toBeLessThan(1e-12)
    expect(
      Math.abs(
        explainRow(
          model,
          x.map(() => 1),
        ).residual,
      ),
    ).toBeLessThan(1e-12)
  })
})

test('a linear score is explained by w (x - mean)', () => {
  const model: LinearModel = {
    kind: 'LinearModel',
    nFeatures: 3,
    weights: Float64Array.of(2, -1, 4),
    intercepts: Float64Array.of(0.5),
    nOutputs: 1,
    missing: Float64Array.of(3, 4, 1),
    link: 'sigmoid',
  }
  const { base, contributions, raw, residual } = explainRow(model, Float64Array.of(1, 6, Number.NaN))
  expect([base, raw, residual]).toEqual([6.5, 0.5, 0])
  expect([...contributions]).toEqual([-4, -2, 0])
})

test('importance is the mean absolute contribution over rows, by rows or by columns', () => {
  const model = randomEnsemble({ depth: 6 })
  const rows = [Float64Array.of(1, 2, 0, -1), Float64Array.of(-3, 1, 2, Number.NaN)]
  const want = [0, 1, 2, 3].map(
    (j) =>
      (Math.abs(explainRow(model, rows[0]).contributions[j]) +
        Math.abs(explainRow(model, rows[1]).contributions[j])) /
      2,
  )
  expectClose(meanAbsContributions(model, Float64Array.of(...rows[0], ...rows[1]), 2), want, 1e-15)
  expectClose(
    meanAbsContributions(
      model,
      [0, 1, 2, 3].map((j) => Float64Array.of(rows[0][j], rows[1][j])),
      2,
    ),
    want,
    1e-15,
  )
})

test('quadrature of n points integrates powers up to 2n - 1', () => {
  for (const n of [1, 2, 5, 16, 64]) {
    const { points, weights } = gaussLegendre(n)
    for (const power of [0, 1, n, 2 * n - 1]) {
      const sum = weights.reduce((total, w, q) => total + w * points[q] ** power, 0)
      expect(sum).toBeCloseTo(1 / (power + 1), 13)
    }
  }
})

/** A tree that tests feature after feature: right goes on, left ends. */
function chain(depth: number): TreeEnsemble {
  const n = 2 * depth + 1
  const isSplit = (i: number) => i % 2 === 0 && i < n - 1
  const ints = (at: (i: number) => number) => Int32Array.from({ length: n }, (_, i) => at(i))
  return {
    ...randomEnsemble({ nTrees: 0 }),
    nFeatures: depth,
    roots: Int32Array.of(0),
    feature: ints((i) => (isSplit(i) ? i / 2 : 0)),
    threshold: Float64Array.from({ length: n }, (_, i) => (isSplit(i) ? 0.5 : 0)),
    left: ints((i) => (isSplit(i) ? i + 1 : -1)),
    right: ints((i) => (isSplit(i) ? i + 2 : -1)),
    missingLeft: new Uint8Array(n),
    value: Float64Array.from({ length: n }, (_, i) => (isSplit(i) ? 0 : Math.sin(i))),
    cover: Float64Array.from({ length: n }, (_, i) => (isSplit(i) || i === n - 1 ? 1000 - 20 * (i / 2) : 20)),
    categorySet: new Int32Array(n).fill(-1),
  }
}
