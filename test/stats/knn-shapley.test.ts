import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { DistanceOrder } from '../../src/stats/distance-blocks.ts'
import { knnShapley, knnUtility, type LabelledPoints } from '../../src/stats/knn-shapley.ts'
import { expectCode } from './close.ts'

interface Case {
  name: string
  k: number
  points: number[][]
  labels: number[]
  tests: { point: number[]; label: number }[] | null
  worth: number[]
  utility: number
}

const cases = JSON.parse(
  readFileSync(new URL('../reference/worth/knn-shapley.json', import.meta.url), 'utf8'),
) as Case[]

function pointsOf(points: number[][], labels: number[]): LabelledPoints {
  const width = points[0].length
  return { nRows: labels.length, width, nNumbers: width, points: Float64Array.from(points.flat()), labels }
}

function drawn(seed: number, nRows: number, width: number, noise = 0) {
  const rng = seededRng(seed)
  const points = Float64Array.from({ length: nRows * width }, () => rng.normal())
  const wrong = Uint8Array.from({ length: nRows }, () => Number(rng.next() < noise))
  const labels = Array.from(wrong, (flag, i) => Number(points[i * width] + points[i * width + 1] > 0) ^ flag)
  return { rows: { nRows, width, nNumbers: width, points, labels } satisfies LabelledPoints, wrong }
}

const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0)
const meanWhere = (values: Float64Array, keep: (i: number) => boolean) => {
  const kept = values.filter((_, i) => keep(i))
  return total(kept) / kept.length
}

describe('worth by nearest neighbours', () => {
  it.each(cases)('is the Shapley value counted over all subsets: $name', (given) => {
    const train = pointsOf(given.points, given.labels)
    const test =
      given.tests === null
        ? undefined
        : pointsOf(
            given.tests.map(({ point }) => point),
            given.tests.map(({ label }) => label),
          )
    const worth = knnShapley(train, test, { k: given.k })
    for (let i = 0; i < worth.length; i++)
      expect(Math.abs(worth[i] - given.worth[i]), `row ${i}: ${worth[i]}`).toBeLessThan(1e-12)
    expect(Math.abs(total(worth) - given.utility)).toBeLessThan(1e-12)
    if (test) expect(knnUtility(train, test, { k: given.k })).toBeCloseTo(given.utility, 12)
  })

  it('holds the published values of a line of eight, K = 3', () => {
    const line = cases.find(({ name }) => name === 'line, K=3') as Case
    const published = [0.075397, 0.06746, 0.078571, 0.039683, 0.150794, 0.150794, -0.015873, 0.119841]
    line.worth.forEach((value, i) => {
      expect(Math.abs(value - published[i])).toBeLessThan(5e-7)
    })
  })

  it('sums to the utility of all rows, whatever the rows, to 1e-9', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer(),
        (nRows, k, seed) => {
          const train = drawn(seed, nRows, 3, 0.3).rows
          const test = drawn(seed + 1, 17, 3).rows
          const worth = knnShapley(train, test, { k })
          expect(Math.abs(total(worth) - knnUtility(train, test, { k }))).toBeLessThan(1e-9)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('measures categories by whether they are the same', () => {
    const rows = (points: number[], labels: number[]): LabelledPoints => ({
      nRows: labels.length,
      width: 2,
      nNumbers: 1,
      points: Float64Array.from(points),
      labels,
    })
    const train = rows([0, 5, 1, 7], [1, 0])
    // The first differs by category and costs the mismatch, the second by number and costs 1.
    const test = rows([0, 7], [1])
    expect(knnUtility(train, test, { k: 1, mismatch: 0.5 })).toBe(1)
    expect(knnUtility(train, test, { k: 1, mismatch: 2 })).toBe(0)
  })

  it('gives the same worth when numbers lie far from zero', () => {
    const { rows } = drawn(4, 200, 2, 0.2)
    const grid = { ...rows, points: rows.points.map((x) => Math.round(x * 1024) / 1024) }
    const far = { ...grid, points: grid.points.map((x) => x + 2 ** 40) }
    expect(knnShapley(far, far)).toEqual(knnShapley(grid, grid))
  })

  it('is lower for mislabelled rows, over 40 seeds at 5, 10 and 20 % of noise', () => {
    const shares = [0.05, 0.1, 0.2].map((noise) => {
      let found = 0
      let planted = 0
      let lower = 0
      for (let seed = 0; seed < 40; seed++) {
        const { rows, wrong } = drawn(seed * 7 + 1, 400, 4, noise)
        const worth = knnShapley(rows, drawn(seed * 7 + 2, 150, 4).rows)
        const nWrong = wrong.reduce((n, flag) => n + flag, 0)
        const least = [...worth.keys()].sort((a, b) => worth[a] - worth[b]).slice(0, nWrong)
        found += least.filter((i) => wrong[i]).length
        planted += nWrong
        lower += Number(meanWhere(worth, (i) => wrong[i] === 1) < meanWhere(worth, (i) => wrong[i] === 0))
      }
      expect(lower).toBe(40)
      return found / planted
    })
    // Among as many rows of least worth as labels were turned: many times the share of chance.
    expect(shares[0]).toBeGreaterThan(0.55)
    expect(shares[1]).toBeGreaterThan(0.6)
    expect(shares[2]).toBeGreaterThan(0.65)
  })

  it('refuses what has no worth', () => {
    const { rows } = drawn(1, 5, 2)
    const none = { ...rows, nRows: 0, points: new Float64Array(0), labels: [] }
    expectCode(() => knnShapley(none, rows), 'MR_STATS_EMPTY')
    expectCode(() => knnShapley(rows, none), 'MR_STATS_EMPTY')
    expectCode(() => knnShapley(rows, rows, { k: 0 }), 'MR_STATS_RANGE')
    expectCode(() => knnShapley(rows, rows, { mismatch: Number.NaN }), 'MR_STATS_RANGE')
    expectCode(() => knnShapley({ ...rows, labels: [1] }, rows), 'MR_STATS_LENGTH')
    expectCode(() => knnShapley(rows, { ...rows, points: rows.points.map(() => Number.NaN) }), 'MR_STATS_NAN')
    expectCode(() => knnShapley(rows, { ...rows, nNumbers: 1 }), 'MR_STATS_RANGE')
  })
})

describe('order by distance', () => {
  const stable = (squares: Float64Array) =>
    [...squares.keys()].sort((a, b) => (squares[a] === squares[b] ? a - b : squares[a] < squares[b] ? -1 : 1))

  it('is a stable sort of any distances', () => {
    const square = fc.oneof(
      fc.double({ min: 0, noNaN: true }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 99 }).map((i) => 1 + i * Number.EPSILON),
      fc.constant(Number.POSITIVE_INFINITY),
    )
    fc.assert(
      fc.property(fc.array(square, { maxLength: 300 }), (list) => {
        // -0 cannot be a square.
        const squares = Float64Array.from(list, (x) => x + 0)
        expect([...new DistanceOrder(squares.length).sort(squares)]).toEqual(stable(squares))
      }),
    )
  })

  it('orders thousands that differ in their last bits only', () => {
    const rng = seededRng(3)
    const squares = Float64Array.from({ length: 5_000 }, () => 1 + rng.nextInt(1_000) * Number.EPSILON)
    expect([...new DistanceOrder(5_000).sort(squares)]).toEqual(stable(squares))
  })
})
