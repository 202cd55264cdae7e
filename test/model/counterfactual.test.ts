import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { type Counterfactual, counterfactuals, intervalValues } from '../../src/model/counterfactual.ts'
import type { ScoreMany } from '../../src/model/effects/partial-dependence.ts'
import { rowGoesLeft } from '../../src/model/forms/tree-explainer.ts'
import { importLightGbmText } from '../../src/model/import/lightgbm-text.ts'
import { indexLeaves } from '../../src/model/leaf-neighbours.ts'
import { compileScorer } from '../../src/model/score.ts'
import type { TreeEnsemble } from '../../src/model/trees.ts'
import { randomEnsemble, rowsOf } from './fixtures.ts'

const given = JSON.parse(
  readFileSync(new URL('../reference/explain/binary.json', import.meta.url), 'utf8'),
) as { model: string; rows: (number | null)[][]; background: (number | null)[][] }
const model = importLightGbmText(given.model) as TreeEnsemble
const training = [...rowsOf(given.background), ...rowsOf(given.rows)]
const rows = Float64Array.from(training.flatMap((row) => [...row]))
const n = training.length

const scorer = compileScorer(model)
const score: ScoreMany = (matrix, count) => {
  const out = new Float64Array(count)
  scorer.rawBatch(matrix, count, out)
  return out
}
/** Wanted: a raw score of at least 0. */
const gap = (s: number) => Math.max(0, -s)
const base = { nFeatures: 6, rows, n, gap }
const refused = training.filter((x) => scorer.rawRow(x) < 0 && !x.some(Number.isNaN))

describe('counterfactuals of a tree ensemble', () => {
  const all = refused.map((x) => ({
    x,
    answers: counterfactuals(score, x, { ...base, values: intervalValues(model, x, rows, n) }),
  }))

  test('are valid: scored again, each is where it was wanted; most rows have one', () => {
    expect(refused.length).toBeGreaterThan(15)
    for (const { answers } of all) {
      for (const { x, score: said } of answers) {
        expect(scorer.rawRow(x)).toBe(said)
        expect(said).toBeGreaterThanOrEqual(0)
      }
    }
    expect(all.filter(({ answers }) => answers.length > 0).length).toBeGreaterThan(0.9 * refused.length)
  })

  test('are sparse: taking back any one change loses the answer', () => {
    for (const { x, answers } of all) {
      for (const answer of answers) {
        for (const j of answer.changed) {
          const back = answer.x.slice()
          back[j] = x[j]
          expect(scorer.rawRow(back)).toBeLessThan(0)
        }
      }
    }
  })

  test('change one feature wherever one is enough, by every value that its column has', () => {
    for (const { x, answers } of all) {
      const single = training.some((row) =>
        [0, 1, 2, 3, 4, 5].some((j) => {
          const moved = x.slice()
          moved[j] = row[j]
          return !Number.isNaN(row[j]) && scorer.rawRow(moved) >= 0
        }),
      )
      if (single) expect(answers[0].changed).toHaveLength(1)
    }
  })

  test('have values that training rows have, and differ where they say', () => {
    for (const { x, answers } of all) {
      for (const answer of answers) {
        for (let j = 0; j < 6; j++) {
          if (!answer.changed.includes(j)) expect(answer.x[j]).toBe(x[j])
          else expect(training.some((row) => row[j] === answer.x[j])).toBe(true)
        }
        expect(answer.plausibility).toBeGreaterThanOrEqual(0)
        expect(answer.plausibility).toBeLessThanOrEqual(1)
      }
    }
  })

  test('keep to what can be done: fixed features, directions and ranges', () => {
    const rules = [
      { change: 'fixed' },
      { change: 'up' },
      { change: 'down' },
      { range: [-0.5, 0.5] as [number, number] },
    ] as const
    let seen = 0
    for (const x of refused) {
      for (const answer of counterfactuals(score, x, { ...base, rules })) {
        seen++
        expect(answer.x[0]).toBe(x[0])
        expect(answer.x[1]).toBeGreaterThanOrEqual(x[1])
        expect(answer.x[2]).toBeLessThanOrEqual(x[2])
        if (answer.changed.includes(3)) expect(Math.abs(answer.x[3])).toBeLessThanOrEqual(0.5)
      }
    }
    expect(seen).toBeGreaterThan(10)
  })

  test('are none where nothing may change, or where the row is there already', () => {
    const fixed = Array.from({ length: 6 }, () => ({ change: 'fixed' as const }))
    expect(counterfactuals(score, refused[0], { ...base, rules: fixed })).toEqual([])
    const accepted = training.find((x) => scorer.rawRow(x) >= 0)!
    expect(counterfactuals(score, accepted, base)).toEqual([])
  })
})

test('a row that lies apart from all training rows is less plausible than one among them', () => {
  const rng = seededRng(2)
  // two features that are always alike
  const pairs = Float64Array.from(
    Array.from({ length: 300 }, () => rng.normal()).flatMap((v) => [v, v + 0.01 * rng.normal()]),
  )
  const sum: ScoreMany = (m, count) => Float64Array.from({ length: count }, (_, i) => m[2 * i] + m[2 * i + 1])
  const options = { nFeatures: 2, rows: pairs, n: 300, answersMax: 3 }
  const near: Counterfactual[] = counterfactuals(sum, Float64Array.of(0, 0), {
    ...options,
    gap: (s) => Math.max(0, 0.001 - s),
  })
  const far = counterfactuals(sum, Float64Array.of(0, 0), { ...options, gap: (s) => Math.max(0, 1.8 - s) })
  expect(near[0].plausibility).toBeGreaterThan(far[0].plausibility)
  expect(far[0].plausibility).toBeLessThan(0.05)
})

describe('nearest training rows in leaf space', () => {
  const small = randomEnsemble({ depth: 4, nFeatures: 3, nTrees: 15, nCategories: 1 })
  const rng = seededRng(3)
  const values = Float64Array.from({ length: 3 * 200 }, (_, i) =>
    i % 3 === 0 ? rng.nextInt(40) : rng.normal() * 3,
  )
  const rowAt = (i: number) => values.subarray(3 * i, 3 * i + 3)
  const leafIn = (x: Float64Array, root: number) => {
    let node = root
    while (small.left[node] >= 0) node = rowGoesLeft(small, node, x) ? small.left[node] : small.right[node]
    return node
  }

  test('are those that share most leaves, counted tree by tree', () => {
    const index = indexLeaves(small, values, 200)
    for (const i of [0, 17, 199]) {
      const want = Array.from({ length: 200 }, (_, k) => ({
        row: k,
        similarity:
          [...small.roots].filter((root) => leafIn(rowAt(i), root) === leafIn(rowAt(k), root)).length / 15,
      })).sort((a, b) => b.similarity - a.similarity || a.row - b.row)
      const got = index.nearest(rowAt(i), 10)
      expect(got).toEqual(want.slice(0, 10).filter(({ similarity }) => similarity > 0))
      expect(got[0].similarity).toBe(1)
    }
  })

  test('of no rows are none, and too many rows are refused', () => {
    expect(indexLeaves(small, new Float64Array(0), 0).nearest(rowAt(0), 3)).toEqual([])
    expect(() => indexLeaves(small, [], 2 ** 27)).toThrow('MR_MODEL_SHAPE')
  })
})
