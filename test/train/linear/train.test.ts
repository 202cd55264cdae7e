import { describe, expect, test } from 'vitest'
import { compileScorer } from '../../../src/model/score.ts'
import type { LinearModel } from '../../../src/model/trees.ts'
import { trainLinear } from '../../../src/train/linear/train.ts'
import { reference } from '../../model/fixtures.ts'

interface Fitted {
  l2: number
  weights: number[]
  intercept: number
}
const fixture = reference<{
  columns: number[][]
  target: number[]
  value: number[]
  weights: number[]
  logistic: Fitted
  weighted: Fitted
  ridge: Fitted
}>('linear.json')
const columns = fixture.columns.map((column) => Float64Array.from(column))
const nRows = fixture.target.length

function expectFit(result: ReturnType<typeof trainLinear>, want: Fitted): void {
  const close = (got: number, expected: number) =>
    expect(Math.abs(got / expected - 1), `got ${got}, want ${expected}`).toBeLessThan(1e-5)
  expect(result.converged).toBe(true)
  want.weights.forEach((w, j) => {
    close(result.model.weights[j], w)
  })
  close(result.model.intercepts[0], want.intercept)
}

describe('linear models fit as scikit-learn does', () => {
  test('logistic regression with a penalty', () => {
    expectFit(
      trainLinear({ nRows, columns, target: Float64Array.from(fixture.target) }, { l2: fixture.logistic.l2 }),
      fixture.logistic,
    )
  })

  test('logistic regression with weights', () => {
    const data = {
      nRows,
      columns,
      target: Float64Array.from(fixture.target),
      weights: Float64Array.from(fixture.weights),
    }
    expectFit(trainLinear(data, { l2: fixture.weighted.l2 }), fixture.weighted)
  })

  test('ridge regression', () => {
    expectFit(
      trainLinear(
        { nRows, columns, target: Float64Array.from(fixture.value) },
        { loss: 'l2', l2: fixture.ridge.l2 },
      ),
      fixture.ridge,
    )
  })
})

test('a line is found exactly, however far off the origin', () => {
  const x = Float64Array.from({ length: 1001 }, (_, i) => 1e7 + i / 1000)
  const { model } = trainLinear(
    { nRows: 1001, columns: [x], target: x.map((v) => 5e6 + 3 * (v - 1e7)) },
    { loss: 'l2', l2: 0 },
  )
  const scorer = compileScorer(model)
  expect(model.weights[0]).toBeCloseTo(3, 6)
  expect(scorer.scoreRow(Float64Array.of(1e7 + 0.5))).toBeCloseTo(5e6 + 1.5, 6)
})

test('missing values count as the mean, constant features get no weight, twins share one', () => {
  const x = Float64Array.of(1, 2, 3, 4, Number.NaN)
  const data = { nRows: 5, columns: [x, x.map(() => 9), x], target: Float64Array.of(2, 4, 6, 8, 5) }
  const { model } = trainLinear(data, { loss: 'l2', l2: 0 })
  expect((model as LinearModel).missing[0]).toBe(2.5)
  expect(model.weights[1]).toBe(0)
  expect(model.weights[0] + model.weights[2]).toBeCloseTo(2, 6)
  expect(compileScorer(model).scoreRow(Float64Array.of(Number.NaN, 9, Number.NaN))).toBeCloseTo(5, 6)
})

test('separable classes without a penalty end without a claim to have converged, and with finite weights', () => {
  const data = {
    nRows: 6,
    columns: [Float64Array.of(1, 2, 3, 4, 5, 6)],
    target: Float64Array.of(0, 0, 0, 1, 1, 1),
  }
  const { model, converged } = trainLinear(data, { l2: 0, iterations: 10 })
  expect(converged).toBe(false)
  expect(Number.isFinite(model.weights[0])).toBe(true)
  expect(trainLinear(data, { l2: 1 }).converged).toBe(true)
})

test.each<[string, () => unknown, string]>([
  ['no rows', () => trainLinear({ nRows: 0, columns: [], target: new Float64Array(0) }), 'MR_MODEL_NO_ROWS'],
  [
    'one class',
    () => trainLinear({ nRows: 2, columns: [Float64Array.of(1, 2)], target: Float64Array.of(1, 1) }),
    'MR_MODEL_ONE_CLASS',
  ],
  [
    'a missing target',
    () => trainLinear({ nRows: 2, columns: [], target: Float64Array.of(1, Number.NaN) }),
    'MR_MODEL_TARGET',
  ],
  [
    'a short column',
    () => trainLinear({ nRows: 2, columns: [Float64Array.of(1)], target: Float64Array.of(0, 1) }),
    'MR_MODEL_SHAPE',
  ],
  [
    'a negative penalty',
    () => trainLinear({ nRows: 2, columns: [], target: Float64Array.of(0, 1) }, { l2: -1 }),
    'MR_MODEL_PARAM',
  ],
])('%s is refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})
