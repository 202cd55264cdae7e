import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { eachOrder, type LabelledPoints } from '../../src/stats/knn-shapley.ts'
import { centredNumbers, knnShapleyNumbers, savedByNeighbours } from '../../src/stats/knn-shapley-numbers.ts'
import { expectCode } from './close.ts'

interface Case {
  name: string
  k: number
  points: number[][]
  targets: number[]
  tests: { point: number[]; target: number }[]
  worth: number[]
  utility: number
}

const cases = JSON.parse(
  readFileSync(new URL('../reference/worth/knn-shapley-numbers.json', import.meta.url), 'utf8'),
) as Case[]

function pointsOf(points: number[][], labels: number[]): LabelledPoints {
  const width = points[0].length
  return { nRows: labels.length, width, nNumbers: width, points: Float64Array.from(points.flat()), labels }
}

function utilityOf(train: LabelledPoints, test: LabelledPoints, k: number): number {
  let sum = 0
  eachOrder(train, test, { k }, (i, order) => {
    sum += savedByNeighbours(order, train.labels, test.labels[i], k)
  })
  return sum / test.nRows
}

const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0)

function drawn(seed: number, nRows: number, noise = 0) {
  const rng = seededRng(seed)
  const points = Float64Array.from({ length: nRows * 3 }, () => rng.normal())
  const wrong = Uint8Array.from({ length: nRows }, () => Number(rng.next() < noise))
  const labels = Array.from(wrong, (flag, i) => 3 * points[3 * i] + points[3 * i + 1] ** 2 + (flag ? 8 : 0))
  return { rows: { nRows, width: 3, nNumbers: 3, points, labels } satisfies LabelledPoints, wrong }
}

describe('worth to the mean of nearest neighbours', () => {
  it.each(cases)('is the Shapley value counted over all subsets: $name', (given) => {
    const train = pointsOf(given.points, given.targets)
    const test = pointsOf(
      given.tests.map(({ point }) => point),
      given.tests.map(({ target }) => target),
    )
    const worth = knnShapleyNumbers(train, test, { k: given.k })
    const size = Math.max(1, ...given.worth.map(Math.abs))
    for (let i = 0; i < worth.length; i++)
      expect(Math.abs(worth[i] - given.worth[i]) / size, `row ${i}: ${worth[i]}`).toBeLessThan(1e-12)
    expect(Math.abs(utilityOf(train, test, given.k) - given.utility) / size).toBeLessThan(1e-12)
  })

  it('sums to the squared error saved by all rows, for any rows and K', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        (n, k, seed) => {
          const [{ rows: train }, { rows: test }] = [drawn(seed, n), drawn(seed + 1, 5)]
          const worth = knnShapleyNumbers(train, test, { k })
          expect(Math.abs(total(worth) - utilityOf(train, test, k))).toBeLessThan(1e-9)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is below that of right rows for rows whose number is wrong, over 10 seeds', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { rows, wrong } = drawn(seed, 400, 0.1)
      const { rows: test } = drawn(seed + 100, 100)
      const { train: labels, test: wanted } = centredNumbers(rows.labels, test.labels)
      const worth = knnShapleyNumbers({ ...rows, labels }, { ...test, labels: wanted })
      const mean = (keep: number) => {
        const kept = worth.filter((_, i) => wrong[i] === keep)
        return total(kept) / kept.length
      }
      expect(mean(1)).toBeLessThan(0)
      expect(mean(0)).toBeGreaterThan(0)
    }
  })

  it('refuses no rows and targets that are no numbers', () => {
    const { rows } = drawn(1, 5)
    expectCode(
      () => knnShapleyNumbers({ ...rows, nRows: 0, points: new Float64Array(0), labels: [] }, rows),
      'MR_STATS_EMPTY',
    )
    expectCode(() => knnShapleyNumbers({ ...rows, labels: [1, 2, Number.NaN, 4, 5] }, rows), 'MR_STATS_NAN')
  })
})
