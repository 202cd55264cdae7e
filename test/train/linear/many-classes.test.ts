import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { openChances } from '../../../src/train/linear/chances.ts'
import { trainLinear } from '../../../src/train/linear/train.ts'

const N_CLASSES = 300
const N_ROWS = 900

/** Standardised columns, so that weights in raw units are those that the penalty is of. */
function rows() {
  const rng = seededRng(5)
  const target = Float64Array.from({ length: N_ROWS }, (_, i) => i % N_CLASSES)
  const columns = [0.2, 1, 3].map((pull) => {
    const x = target.map((y) => pull * Math.sin(y * pull) + rng.normal())
    const mean = x.reduce((sum, v) => sum + v, 0) / N_ROWS
    const deviation = Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / N_ROWS)
    return x.map((v) => (v - mean) / deviation)
  })
  return { nRows: N_ROWS, columns, target }
}

/** Slopes of the summed log loss by class and feature, the last of them the intercept's, by the plain formula. */
function slopesOf(
  { columns, target }: ReturnType<typeof rows>,
  weights: Float64Array,
  intercepts: Float64Array,
) {
  const slopes = Array.from(intercepts, () => new Float64Array(columns.length + 1))
  for (let i = 0; i < N_ROWS; i++) {
    const raws = Array.from(intercepts, (b, k) =>
      columns.reduce((sum, column, j) => sum + weights[k * columns.length + j] * column[i], b),
    )
    const top = Math.max(...raws)
    const parts = raws.map((raw) => Math.exp(raw - top))
    const all = parts.reduce((sum, part) => sum + part, 0)
    parts.forEach((part, k) => {
      const slope = part / all - (target[i] === k ? 1 : 0)
      columns.forEach((column, j) => {
        slopes[k][j] += slope * column[i]
      })
      slopes[k][columns.length] += slope
    })
  }
  return slopes
}

describe('three hundred classes', () => {
  test.each([
    [0, 1],
    [0.5, 0.5],
  ])(
    'end where no weight wants to move, with l1 %d and l2 %d',
    (l1, l2) => {
      const data = rows()
      const { model, converged } = trainLinear(data, { loss: 'softmax', l1, l2, nClasses: N_CLASSES })
      expect(converged).toBe(true)
      const { weights, intercepts } = model
      let kept = 0
      slopesOf(data, weights, intercepts).forEach((slopes, k) => {
        expect(Math.abs(slopes[3])).toBeLessThan(1e-6)
        for (let j = 0; j < 3; j++) {
          const w = weights[k * 3 + j]
          const slope = slopes[j] + l2 * w
          if (w !== 0) expect(Math.abs(slope + l1 * Math.sign(w))).toBeLessThan(1e-6)
          else expect(Math.abs(slope)).toBeLessThan(l1 + 1e-6)
          if (w !== 0) kept++
        }
      })
      expect(kept).toBeGreaterThan(100)
      if (l1 > 0) expect(kept).toBeLessThan(3 * N_CLASSES)
    },
    60_000,
  )

  test('have the chances of the plain formula at any time of a round, next to 1 as well', () => {
    const rng = seededRng(2)
    const raws = Array.from({ length: 5 }, () => Float64Array.from({ length: 40 }, () => 30 * rng.normal()))
    const chances = openChances(raws)
    const plain = (i: number, k: number, raw: number) =>
      1 / raws.reduce((sum, other, at) => sum + (at === k ? 0 : Math.exp(other[i] - raw)), 1)
    for (let round = 0; round < 2; round++) {
      chances.begin()
      for (let k = 0; k < raws.length; k++) {
        for (let i = 0; i < 40; i++) {
          const raw = raws[k][i] + rng.normal()
          const p = plain(i, k, raw)
          if (p > 1e-20) expect(Math.abs(chances.of(i, k, raw) / p - 1)).toBeLessThan(1e-10)
          raws[k][i] = raw
        }
        chances.pass(k)
      }
    }
  })
})
