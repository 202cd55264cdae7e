import { expect, test } from 'vitest'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import { compileScorer } from '../../src/model/score.ts'
import type { Calibration, LinearModel } from '../../src/model/trees.ts'

const MODEL: LinearModel = {
  kind: 'LinearModel',
  nFeatures: 1,
  nOutputs: 1,
  weights: Float64Array.of(1),
  missing: Float64Array.of(0),
  intercepts: Float64Array.of(0),
  link: 'sigmoid',
}

const logit = (p: number) => Math.log(p / (1 - p))
const chance = (s: number) => 1 / (1 + Math.exp(-s))

test.each([
  ['platt', { kind: 'platt', slope: 0.7, intercept: -0.3 }, (p: number) => chance(0.7 * logit(p) - 0.3)],
  [
    'beta',
    { kind: 'beta', a: 1.4, b: 0.5, c: 0.2 },
    (p: number) => chance(1.4 * Math.log(p) - 0.5 * Math.log(1 - p) + 0.2),
  ],
] as const)(
  'a map of kind %s is kept with its model and applied to rows and batches alike',
  (_, map, expected) => {
    const decoded = decodeModel(encodeModel(MODEL, map as Calibration))
    expect(decoded).toStrictEqual({ model: MODEL, calibration: map })
    const scorer = compileScorer(decoded.model, decoded.calibration)
    const rows = Float64Array.of(-40, -3, 0, 0.5, 4, 40)
    const out = new Float64Array(rows.length)
    scorer.scoreBatch(rows, rows.length, out)
    rows.forEach((x, i) => {
      expect(scorer.scoreRow(Float64Array.of(x))).toBe(out[i])
      if (Math.abs(x) < 20) expect(out[i]).toBeCloseTo(expected(chance(x)), 12)
      else expect(out[i] > 0 && out[i] < 1).toBe(true)
    })
    expect(scorer.scoreRow(Float64Array.of(Number.NaN))).toBeCloseTo(expected(0.5), 12)
  },
)

test.each([
  [{ kind: 'platt', slope: Number.NaN, intercept: 0 }],
  [{ kind: 'beta', a: -1, b: 1, c: 0 }],
  [{ kind: 'beta', a: 1, b: 1, c: Number.POSITIVE_INFINITY }],
  [{ kind: 'other' }],
])('refuses %j', (map) => {
  expect(() => encodeModel(MODEL, map as unknown as Calibration)).toThrow('MR_MODEL_INVALID')
})
