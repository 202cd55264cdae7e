import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { numberIssues } from '../../src/stats/number-issues.ts'
import { expectCode } from './close.ts'

type Rng = ReturnType<typeof seededRng>
const SHAPES: Record<string, (rng: Rng, x: number) => number> = {
  normal: (rng) => rng.normal(),
  'normal, larger where the prediction is': (rng, x) => Math.exp(x) * rng.normal(),
  Laplace: (rng) => Math.log(1 - rng.next()) * (rng.next() < 0.5 ? -1 : 1),
  'Student of 3 degrees': (rng) =>
    rng.normal() / Math.sqrt((rng.normal() ** 2 + rng.normal() ** 2 + rng.normal() ** 2) / 3),
  'waiting times': (rng) => -Math.log(1 - rng.next()) - Math.LN2,
  uniform: (rng) => rng.next() - 0.5,
}

function drawn(shape: string, seed: number, n: number, wrong = 0, by = 12) {
  const rng = seededRng(seed)
  const predictions = Float64Array.from({ length: n }, () => rng.normal())
  const isWrong = Uint8Array.from({ length: n }, () => Number(rng.next() < wrong))
  const labels = predictions.map(
    (x, i) => x + SHAPES[shape](rng, x) + (isWrong[i] ? by * (rng.next() < 0.5 ? -1 : 1) : 0),
  )
  return { predictions, labels, isWrong }
}

describe('numbers that are probably wrong', () => {
  test.each(Object.keys(SHAPES))(
    'are none where residuals are right, of shape %s: in 9 of 10 seeds at most one in 1,000 rows',
    (shape) => {
      let calm = 0
      for (let seed = 1; seed <= 40; seed++) {
        const { predictions, labels } = drawn(shape, seed, 2000)
        if (numberIssues(predictions, labels).nIssues <= 2) calm++
      }
      expect(calm).toBeGreaterThanOrEqual(36)
    },
  )

  test('are found when 1, 2 and 5 % of normal ones lie 12 deviations off, with few that are right among them', () => {
    for (const wrong of [0.01, 0.02, 0.05]) {
      let [hits, flagged, planted] = [0, 0, 0]
      for (let seed = 1; seed <= 20; seed++) {
        const { predictions, labels, isWrong } = drawn('normal', seed, 2000, wrong)
        const { flags } = numberIssues(predictions, labels)
        flags.forEach((flag, i) => {
          hits += flag & isWrong[i]
          flagged += flag
          planted += isWrong[i]
        })
      }
      expect(hits / planted, `recall at ${wrong}`).toBeGreaterThan(0.9)
      expect(hits / flagged, `precision at ${wrong}`).toBeGreaterThan(0.95)
    }
  })

  test('do not depend on the order of the rows, nor on units', () => {
    const { predictions, labels } = drawn('normal', 3, 800, 0.03)
    const found = numberIssues(predictions, labels)
    const turned = numberIssues(predictions.toReversed(), labels.toReversed())
    expect(turned.flags.toReversed()).toEqual(found.flags)
    const scaled = numberIssues(
      predictions.map((x) => 1024 * x),
      labels.map((y) => 1024 * y),
    )
    expect(scaled.flags).toEqual(found.flags)
    expect(scaled.typicalError).toBeCloseTo(1024 * found.typicalError, 6)
  })

  test('edges: few rows, perfect predictions, one wrong among perfect ones, constant labels', () => {
    expect(numberIssues([1, 2], [1, 900]).nIssues).toBe(0)
    const predictions = Float64Array.from({ length: 200 }, (_, i) => i)
    expect(numberIssues(predictions, predictions)).toMatchObject({ nIssues: 0, typicalError: 0 })
    const one = predictions.map((x, i) => (i === 70 ? 1e6 : x))
    expect(numberIssues(predictions, one).deviations[70]).toBeGreaterThan(1e6)
    expect(numberIssues(new Float64Array(60), new Float64Array(60)).nIssues).toBe(0)
  })

  test('refuses what is no number and other lengths', () => {
    expectCode(() => numberIssues([], []), 'MR_STATS_EMPTY')
    expectCode(() => numberIssues([1], [1, 2]), 'MR_STATS_LENGTH')
    expectCode(() => numberIssues([Number.NaN], [1]), 'MR_STATS_NAN')
  })
})
