import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../../src/core/rng.ts'
import type { GivenBoostObjective } from '../../../../src/define/boost-objectives.ts'
import { compileScorer } from '../../../../src/model/score.ts'
import { log1pFast, logFast } from '../../../../src/stats/log.ts'
import { coverage } from '../../../../src/stats/metrics-numbers.ts'
import { quantile } from '../../../../src/train/gbdt/objectives/quantiles.ts'
import { type TrainData, trainGbdt } from '../../../../src/train/gbdt/train.ts'
import reference from '../../../reference/train/objectives.json' with { type: 'json' }

type Rng = ReturnType<typeof seededRng>

/** Two features and a target drawn from them. */
function draw(nRows: number, seed: number, target: (x: number, rng: Rng) => number): TrainData {
  const rng = seededRng(seed)
  const columns = [0, 1].map(() => Float64Array.from({ length: nRows }, () => rng.next()))
  return {
    nRows,
    columns,
    categorical: [false, false],
    target: columns[0].map((x) => target(x, rng)),
  }
}

const outputs = (model: ReturnType<typeof trainGbdt>['model'], { columns, nRows }: TrainData) => {
  const out = new Float64Array(nRows)
  compileScorer(model).scoreBatch(columns, nRows, out)
  return out
}

describe('quantiles', () => {
  test('are those of NumPy by averaged inverted distribution', () => {
    for (const { values, shares, expected } of reference.quantiles) {
      shares.forEach((alpha, i) => {
        expect(quantile(Float64Array.from(values), null, alpha)).toBeCloseTo(expected[i], 12)
      })
    }
  })

  test('a weight of 2 is a row twice, in any order of rows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: 0, max: 3 })), { minLength: 1 }),
        fc.constantFrom(0.1, 0.25, 0.5, 0.75, 0.9),
        (rows, alpha) => {
          if (rows.every(([, w]) => w === 0)) return
          const values = Float64Array.from(rows, ([v]) => v)
          const weights = Float64Array.from(rows, ([, w]) => w)
          const repeated = Float64Array.from(
            rows.flatMap(([v, w]) => Array.from({ length: w }, () => v)).reverse(),
          )
          expect(quantile(values, weights, alpha)).toBe(quantile(repeated, null, alpha))
        },
      ),
    )
  })

  test('a predicted quantile has its share of rows below, over seeds and where the spread changes', () => {
    for (const alpha of [0.1, 0.5, 0.9]) {
      const shares = Array.from({ length: 10 }, (_, seed) => {
        const world = (s: number) => draw(3000, s, (x, rng) => x + (0.2 + x) * rng.normal())
        const params = {
          objective: { name: 'quantile', alpha } as const,
          trees: 40,
          leaves: 6,
          minRowsInLeaf: 100,
        }
        const held = world(seed + 100)
        return coverage(outputs(trainGbdt(world(seed), params).model, held), held.target)
      })
      const mean = shares.reduce((a, b) => a + b) / shares.length
      expect(Math.abs(mean - alpha)).toBeLessThan(0.015)
      for (const share of shares) expect(Math.abs(share - alpha)).toBeLessThan(0.05)
    }
  })
})

describe('counts and amounts', () => {
  const poissonDraw = (rate: number, rng: Rng) => {
    let n = 0
    for (let p = rng.next(); p > Math.exp(-rate); p *= rng.next()) n++
    return n
  }

  test('a rate begins at the mean and is learned near its truth', () => {
    const data = draw(6000, 1, (x, rng) => poissonDraw(1 + 4 * x, rng))
    const { model } = trainGbdt(data, { objective: 'poisson', trees: 100, leaves: 6, minRowsInLeaf: 100 })
    const mean = data.target.reduce((a, b) => a + b) / data.nRows
    expect(model.link).toBe('exp')
    expect(model.baseScores[0]).toBeCloseTo(Math.log(mean), 12)
    const rates = outputs(model, data)
    const error = rates.reduce((sum, rate, i) => sum + Math.abs(rate - (1 + 4 * data.columns[0][i])), 0)
    expect(error / data.nRows).toBeLessThan(0.2)
  })

  test('outputs are means: their sum is that of the targets, by each objective with a log link', () => {
    const amounts = draw(4000, 2, (x, rng) => (1 + x) * -Math.log(1 - rng.next()))
    const rain = draw(4000, 3, (x, rng) => (rng.next() < 0.5 ? 0 : (1 + x) * -Math.log(1 - rng.next())))
    const cases: [GivenBoostObjective, TrainData][] = [
      ['poisson', amounts],
      ['gamma', amounts],
      [{ name: 'tweedie', power: 1.2 }, rain],
      [{ name: 'tweedie', power: 1.8 }, rain],
    ]
    for (const [objective, data] of cases) {
      const { model } = trainGbdt(data, { objective, trees: 60, leaves: 4, minRowsInLeaf: 200 })
      const sum = (values: Float64Array) => values.reduce((a, b) => a + b)
      expect(sum(outputs(model, data)) / sum(data.target)).toBeCloseTo(1, 1)
    }
  })

  test('targets that a log link cannot have are refused, with their row', () => {
    const bad = (objective: GivenBoostObjective, values: number[]) => {
      try {
        trainGbdt({ ...draw(values.length, 1, () => 0), target: Float64Array.from(values) }, { objective })
      } catch (error) {
        return (error as { code: string; data: { row: number } }).data.row
      }
      return -1
    }
    for (const objective of ['poisson', 'tweedie', 'gamma'] as const) {
      expect(bad(objective, [1, 2, -1])).toBe(2)
      expect(bad(objective, [1, Number.NaN])).toBe(1)
      expect(bad(objective, [1, 2, 3, Number.POSITIVE_INFINITY])).toBe(3)
    }
    expect(bad('gamma', [1, 0])).toBe(1)
    expect(bad('poisson', [0, 0])).toBe(0)
    expect(bad('tweedie', [0, 1])).toBe(-1)
    for (const objective of ['l2', 'l1', 'quantile', 'huber', 'fair', 'mape'] as const)
      expect(bad(objective, [1, Number.NEGATIVE_INFINITY])).toBe(1)
  })

  test('huge scores stay finite', () => {
    const data = draw(500, 4, (x) => (x < 0.01 ? 1e30 : 1e-30))
    for (const objective of ['poisson', 'gamma', 'tweedie'] as const) {
      const { model, trainScores } = trainGbdt(data, {
        objective,
        trees: 50,
        learningRate: 1,
        minRowsInLeaf: 1,
      })
      expect(trainScores.every(Number.isFinite)).toBe(true)
      expect(model.value.every(Number.isFinite)).toBe(true)
    }
  })
})

test('an outlier pulls Huber and Fair no further than their reach', () => {
  const data = draw(2000, 5, (x, rng) => x + 0.1 * rng.normal())
  data.target[7] = 1e9
  for (const objective of [
    { name: 'huber', delta: 0.3 },
    { name: 'fair', c: 0.3 },
  ] as const) {
    const said = outputs(trainGbdt(data, { objective, trees: 60, leaves: 6 }).model, data)
    const error = said.reduce((sum, value, i) => sum + Math.abs(value - data.columns[0][i]), 0) / data.nRows
    expect(error).toBeLessThan(0.08)
  }
})

test('logarithms by plain arithmetic are those of the platform but for the last bits', () => {
  fc.assert(
    fc.property(fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true }), (x) => {
      const expected = Math.log(x)
      expect(Math.abs(logFast(x) - expected)).toBeLessThanOrEqual(1e-15 * Math.max(1, Math.abs(expected)))
    }),
    { numRuns: 2000 },
  )
  for (const x of [1e-12, 1e-5, 0.3, 0.999, 1, 7, 1e12, -0.5]) {
    expect(Math.abs(log1pFast(x) - Math.log1p(x))).toBeLessThan(3e-15 * Math.abs(Math.log1p(x)))
  }
  expect([logFast(0), logFast(Number.POSITIVE_INFINITY), logFast(-1)]).toEqual([
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
    Number.NaN,
  ])
})
