import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { explainWithin } from '../../src/model/explain-any.ts'
import { integratedGradients } from '../../src/model/integrated-gradients.ts'
import { type ScoreRows, sampledShapley } from '../../src/model/sampled-shapley.ts'
import { compileScorer } from '../../src/model/score.ts'
import { treeContributions } from '../../src/model/shap/tree-shap.ts'
import { randomEnsemble } from './fixtures.ts'

const rowsFrom = (score: (x: Float64Array) => number, width: number): ScoreRows => {
  return (rows, n) =>
    Float64Array.from({ length: n }, (_, i) => score(rows.subarray(i * width, (i + 1) * width)))
}
const normals = (n: number, seed: number) => {
  const rng = seededRng(seed)
  return Float64Array.from({ length: n }, () => rng.normal())
}

describe('sampled contributions', () => {
  const background = { rows: normals(40 * 4, 1), n: 40 }

  test('of a linear function are w (x - mean), with one pair for each background row', async () => {
    const w = [2, -1, 0, 0.5]
    const score = rowsFrom((x) => 3 + x.reduce((sum, v, j) => sum + w[j] * v, 0), 4)
    const x = Float64Array.of(1, 2, 3, 4)
    const found = await sampledShapley(score, x, { background, rounds: 1 })
    w.forEach((weight, j) => {
      const mean =
        Array.from({ length: 40 }, (_, i) => background.rows[i * 4 + j]).reduce((s, v) => s + v) / 40
      expect(found.contributions[j]).toBeCloseTo(weight * (x[j] - mean), 12)
    })
    expect(found.contributions[2]).toBe(0)
    expect(Math.abs(found.residual)).toBeLessThan(1e-12)
    expect(found).toMatchObject({ pairs: 40, finished: true })
  })

  test('lie within their standard errors of the exact ones as often as they should, over 60 seeds', async () => {
    const model = randomEnsemble({ depth: 6, nFeatures: 4, nTrees: 8, seed: 5 })
    const scorer = compileScorer(model)
    const score: ScoreRows = (rows, n) => {
      const out = new Float64Array(n)
      scorer.rawBatch(rows, n, out)
      return out
    }
    const x = Float64Array.of(0.5, -1, 2, 1)
    const exact = treeContributions(model, x, 1, { background })
    let inside = 0
    let asked = 0
    for (let seed = 1; seed <= 60; seed++) {
      const { contributions, standardErrors, residual } = await sampledShapley(score, x, {
        background,
        rounds: 3,
        seed,
      })
      expect(Math.abs(residual)).toBeLessThan(1e-12)
      contributions.forEach((c, j) => {
        asked++
        if (Math.abs(c - exact[j]) <= 2 * standardErrors[j] + 1e-12) inside++
      })
    }
    // each background row is used equally often, so that errors are smaller than they say, never larger: 95 % at least
    expect(inside / asked).toBeGreaterThan(0.93)
  })

  test('of features in a group share what the group does', async () => {
    const score = rowsFrom((x) => x[0] * x[1] + x[2], 4)
    const groups = Int32Array.of(0, 0, 1, 2)
    const { contributions } = await sampledShapley(score, Float64Array.of(1, 2, 3, 4), { background, groups })
    expect(contributions[0]).toBe(contributions[1])
  })

  test('end when they are told to, after one pair at least, and still add up', async () => {
    const score = rowsFrom((x) => x[0] * x[1] * x[2], 4)
    const found = await sampledShapley(score, Float64Array.of(1, 2, 3, 4), { background, goOn: () => false })
    expect(found).toMatchObject({ pairs: 1, finished: false })
    expect(Math.abs(found.residual)).toBeLessThan(1e-12)
  })
})

describe('a budget', () => {
  const width = 30
  const background = { rows: normals(20 * width, 2), n: 20 }
  const w = normals(width, 3)
  const x = normals(width, 4)
  const score = rowsFrom((row) => row.reduce((sum, v, j) => sum + w[j] * v, 0), width)
  const ranked = [...w.keys()].sort((a, b) => Math.abs(w[b]) - Math.abs(w[a]))

  test('that is large enough explains every feature', async () => {
    const found = await explainWithin(score, x, { background, ranked, rowsMax: 10_000 })
    expect(found.fallback).toBeUndefined()
    expect(found).toMatchObject({ method: 'permutation', exact: false })
    expect(found.background).toMatch(/^sha256:/)
  })

  test('that is small tells the leading features apart, says so, and adds up', async () => {
    let scored = 0
    const counted: ScoreRows = (rows, n) => {
      scored += n
      return score(rows, n)
    }
    const found = await explainWithin(counted, x, { background, ranked, rowsMax: 200 })
    expect(found.fallback).toBe('the time budget: only the leading 8 of 30 features were told apart')
    expect(scored).toBeLessThanOrEqual(200)
    expect(Math.abs(found.residual)).toBeLessThan(1e-12)
    const others = ranked.slice(8).map((j) => found.contributions[j])
    expect(new Set(others).size).toBe(1)
  })
})

describe('integrated gradients', () => {
  test('of a polynomial are its integrals: x^2 y from 0 gives two thirds and one third', async () => {
    const score = rowsFrom((v) => v[0] * v[0] * v[1] + 5, 3)
    const found = await integratedGradients(score, Float64Array.of(2, 3, 7), {
      baseline: new Float64Array(3),
      steps: 200,
    })
    expect(found.base).toBe(5)
    expect(found.contributions[0]).toBeCloseTo(8, 3)
    expect(found.contributions[1]).toBeCloseTo(4, 3)
    expect(found.contributions[2]).toBe(0)
    expect(Math.abs(found.residual)).toBeLessThan(1e-3)
  })

  test('say by their residual that a step has no gradient, and give missing values nothing', async () => {
    const score = rowsFrom((v) => (v[0] > 0.501 ? 1 : 0), 2)
    const found = await integratedGradients(score, Float64Array.of(1, Number.NaN), {
      baseline: new Float64Array(2),
    })
    expect(found.residual).toBe(1)
    expect([...found.contributions]).toEqual([0, 0])
  })
})
