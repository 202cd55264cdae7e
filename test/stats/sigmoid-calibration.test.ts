import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { fitLogistic, fitSquares } from '../../src/stats/logistic.ts'
import { applySigmoidCalibration, fitBeta, fitPlatt } from '../../src/stats/sigmoid-calibration.ts'

interface Case {
  name: string
  scores: number[]
  labels: number[]
  weights: number[]
  platt: number[]
  plattWeighted: number[]
  beta?: number[]
}

const { cases } = JSON.parse(
  readFileSync(new URL('../reference/stats/calibration-maps.json', import.meta.url), 'utf8'),
) as { cases: Case[] }

const chance = (s: number) => 1 / (1 + Math.exp(-s))

test.each(cases)("Platt's and the beta map are those of scikit-learn and betacal: $name", (given) => {
  const chances = given.scores.map(chance)
  const expectMap = (
    map: Parameters<typeof applySigmoidCalibration>[0],
    theirs: number[],
    within: number,
  ) => {
    theirs.forEach((q, i) => {
      expect(Math.abs(applySigmoidCalibration(map, chances[i]) - q), `row ${i}`).toBeLessThan(within)
    })
  }
  expectMap(fitPlatt(given.scores, given.labels), given.platt, 1e-5)
  expectMap(fitPlatt(given.scores, given.labels, given.weights), given.plattWeighted, 1e-5)
  // betacal stops its solver early, at a tolerance of 1e-4.
  if (given.beta) expectMap(fitBeta(chances, given.labels), given.beta, 2e-3)
})

test('both maps never turn the order of two probabilities round', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), (seed) => {
      const rng = seededRng(seed)
      const scores = Array.from({ length: 40 }, () => 2 * rng.normal())
      const labels = scores.map((s) => (rng.next() < chance(s + 1) ? 1 : 0))
      const beta = fitBeta(scores.map(chance), labels)
      for (let p = 0; p < 1; p += 0.05)
        expect(applySigmoidCalibration(beta, p + 0.05)).toBeGreaterThanOrEqual(
          applySigmoidCalibration(beta, p),
        )
    }),
    { numRuns: 40 },
  )
})

test('what is calibrated stays as it is: a beta map of many such rows is near the identity', () => {
  const rng = seededRng(3)
  const chances = Float64Array.from({ length: 40_000 }, () => rng.next())
  const labels = chances.map((p) => (rng.next() < p ? 1 : 0))
  const { a, b, c } = fitBeta(chances, labels)
  expect(Math.abs(a - 1)).toBeLessThan(0.06)
  expect(Math.abs(b - 1)).toBeLessThan(0.06)
  expect(Math.abs(c)).toBeLessThan(0.06)
})

test('few columns are fitted with weights of at least 0: the loss falls in no allowed direction', () => {
  const rng = seededRng(5)
  const columns = Array.from({ length: 3 }, () => Float64Array.from({ length: 500 }, rng.normal))
  const target = columns[0].map((x, i) => (rng.next() < chance(x - 0.8 * columns[1][i]) ? 1 : 0))
  const free = fitLogistic(columns, target)
  expect(free.weights[1]).toBeLessThan(-0.4)
  const held = fitLogistic(columns, target, { notNegative: true })
  const slope = (j: number) =>
    target.reduce((sum, y, i) => {
      const s = held.weights.reduce((total, w, k) => total + w * columns[k][i], held.intercept)
      return sum + (chance(s) - y) * columns[j][i]
    }, 0)
  held.weights.forEach((w, j) => {
    expect(w).toBeGreaterThanOrEqual(0)
    if (w > 0) expect(Math.abs(slope(j))).toBeLessThan(1e-4)
    else expect(slope(j)).toBeGreaterThan(0)
  })
  const line = fitSquares(
    [columns[0]],
    columns[0].map((x) => 3 + 2 * x),
  )
  expect(line.intercept).toBeCloseTo(3, 9)
  expect(line.weights[0]).toBeCloseTo(2, 9)
})

test.each([
  ['no rows', () => fitPlatt([], []), 'MR_STATS_EMPTY'],
  ['other lengths', () => fitPlatt([1], [1, 0]), 'MR_STATS_LENGTH'],
  ['a score that is missing', () => fitPlatt([Number.NaN, 1], [1, 0]), 'MR_STATS_NAN'],
  ['labels beyond 1', () => fitBeta([0.5, 0.5], [2, 0]), 'MR_STATS_RANGE'],
  ['probabilities beyond 1', () => fitBeta([1.5, 0.5], [1, 0]), 'MR_STATS_RANGE'],
  ['weights below 0', () => fitPlatt([1, 2], [1, 0], [-1, 1]), 'MR_STATS_RANGE'],
])('refuses %s', (_, fit, code) => {
  expect(fit).toThrow(code)
})
