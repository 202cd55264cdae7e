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

test('a vector of slopes and intercepts is kept with its model and moves raw scores before the softmax', () => {
  const model: LinearModel = {
    ...MODEL,
    nOutputs: 3,
    link: 'softmax',
    weights: Float64Array.of(1, -2, 0.5),
    intercepts: Float64Array.of(0, 0.5, -1),
  }
  const map: Calibration = { kind: 'vector', slopes: [0.5, 2, 1], intercepts: [0.25, -1, 0] }
  const decoded = decodeModel(encodeModel(model, map))
  expect(decoded).toStrictEqual({ model, calibration: map })
  const out = new Float64Array(6)
  compileScorer(decoded.model, decoded.calibration).scoreBatch(Float64Array.of(-1.5, 2), 2, out)
  for (const [i, x] of [-1.5, 2].entries()) {
    const raw = [0.5 * x + 0.25, 2 * (-2 * x + 0.5) - 1, 0.5 * x - 1].map(Math.exp)
    const total = raw[0] + raw[1] + raw[2]
    raw.forEach((e, k) => {
      expect(out[3 * i + k]).toBeCloseTo(e / total, 12)
    })
  }
  for (const hostile of [
    { ...map, slopes: [1, 2] },
    { ...map, intercepts: [0, Number.NaN, 0] },
  ])
    expect(() => encodeModel(model, hostile)).toThrow('MR_MODEL_INVALID')
  expect(() => encodeModel(MODEL, map)).toThrow('MR_MODEL_INVALID')
})

test.each([
  [{ kind: 'platt', slope: Number.NaN, intercept: 0 }],
  [{ kind: 'beta', a: -1, b: 1, c: 0 }],
  [{ kind: 'beta', a: 1, b: 1, c: Number.POSITIVE_INFINITY }],
  [{ kind: 'other' }],
])('refuses %j', (map) => {
  expect(() => encodeModel(MODEL, map as unknown as Calibration)).toThrow('MR_MODEL_INVALID')
})
