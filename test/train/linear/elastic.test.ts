import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { predictColumns, rawColumns } from '../../../src/model/predict.ts'
import { type LinearParams, linearPath, trainLinear } from '../../../src/train/linear/train.ts'

interface Fitted {
  l1: number
  l2: number
  weights: number[][]
  intercepts: number[]
}
const fixture = JSON.parse(
  readFileSync(new URL('../../reference/streams/linear.json', import.meta.url), 'utf8'),
) as {
  columns: number[][]
  weights: number[]
  value: number[]
  label: number[]
  count: number[]
  klass: number[]
  city: number[]
  label2: number[]
  deviations: number[]
  elastic: Fitted[]
  elasticWeighted: Fitted
  logistic: Fitted[]
  logisticWeighted: Fitted
  multinomial: (Fitted & { probabilities: number[][] })[]
  poisson: Fitted[]
  oneHot: { l2: number; log_odds: number[] }
  path: { alphas: number[]; coefs: number[][] }
}
const columns = fixture.columns.map((column) => Float64Array.from(column))
const nRows = fixture.value.length
const rows = (target: number[], weights?: number[]) => ({
  nRows,
  columns,
  target: Float64Array.from(target),
  ...(weights && { weights: Float64Array.from(weights) }),
})

/** Weights of standardised features within 1e-5, and zeros where the reference has zeros. */
function expectFit({ model, converged }: ReturnType<typeof trainLinear>, want: Fitted): void {
  expect(converged).toBe(true)
  want.weights.flat().forEach((w, c) => {
    const scale = fixture.deviations[c % columns.length]
    if (w === 0) expect(model.weights[c], `weight ${c}`).toBe(0)
    else
      expect(
        Math.abs((model.weights[c] - w) * scale),
        `weight ${c}: ${model.weights[c]}, want ${w}`,
      ).toBeLessThan(1e-5)
  })
  want.intercepts.forEach((b, k) => {
    expect(
      Math.abs(model.intercepts[k] - b),
      `intercept ${k}: ${model.intercepts[k]}, want ${b}`,
    ).toBeLessThan(1e-4)
  })
}

describe('an elastic net fits as scikit-learn’s', () => {
  const { elastic, elasticWeighted, logistic, logisticWeighted, multinomial, poisson } = fixture
  const cases: [string, LinearParams['loss'], number[], Fitted, number[]?][] = [
    ...elastic.map((w): [string, 'l2', number[], Fitted] => [`values, l1 ${w.l1}`, 'l2', fixture.value, w]),
    ['values with weights', 'l2', fixture.value, elasticWeighted, fixture.weights],
    ...logistic.map((w): [string, 'logloss', number[], Fitted] => [
      `labels, l1 ${w.l1}`,
      'logloss',
      fixture.label,
      w,
    ]),
    ['labels with weights', 'logloss', fixture.label, logisticWeighted, fixture.weights],
    ...multinomial.map((w): [string, 'softmax', number[], Fitted] => [
      `classes, l1 ${w.l1}`,
      'softmax',
      fixture.klass,
      w,
    ]),
    ...poisson.map((w): [string, 'poisson', number[], Fitted] => [
      `counts, l2 ${w.l2}`,
      'poisson',
      fixture.count,
      w,
    ]),
  ]
  test.each(cases)('%s', (_, loss, target, want, weights) => {
    expectFit(trainLinear(rows(target, weights), { loss, l1: want.l1, l2: want.l2 }), want)
  })

  test('probabilities of classes', () => {
    for (const { l1, l2, probabilities } of multinomial) {
      const { model } = trainLinear(rows(fixture.klass), { loss: 'softmax', l1, l2 })
      const got = predictColumns({ model, calibration: null }, columns, 20)
      probabilities.flat().forEach((p, i) => {
        expect(Math.abs(got[i] - p)).toBeLessThan(1e-6)
      })
    }
  })

  test('categories with a weight each', () => {
    const { l2, log_odds } = fixture.oneHot
    const data = {
      ...rows(fixture.label2),
      columns: [...columns, Float64Array.from(fixture.city)],
      levels: Int32Array.of(0, 0, 0, 0, 0, 0, 4),
    }
    const { model } = trainLinear(data, { l2 })
    const got = rawColumns({ model, calibration: null }, data.columns, 40)
    log_odds.forEach((want, i) => {
      expect(Math.abs(got[i] - want), `row ${i}: ${got[i]}, want ${want}`).toBeLessThan(1e-6)
    })
  })

  test('a path of strengths, each begun from the one before', () => {
    const { alphas, coefs } = fixture.path
    const fits = [
      ...linearPath(rows(fixture.value), {
        loss: 'l2',
        l1Share: 0.5,
        strengths: alphas.map((a) => a * nRows),
      }),
    ]
    fits.forEach(({ model }, s) => {
      coefs[s].forEach((w, j) => {
        expect(Math.abs(model.weights[j] * fixture.deviations[j] - w)).toBeLessThan(1e-6)
      })
    })
    const [first] = linearPath(rows(fixture.value), { loss: 'l2', l1Share: 0.5 })
    expect((first.l1 + first.l2) / (alphas[0] * nRows)).toBeCloseTo(1, 10)
    expect(first.model.weights.every((w) => w === 0)).toBe(true)
  })
})

test('a warm start ends where a cold one does, in fewer steps', () => {
  const cold = trainLinear(rows(fixture.label), { l1: 5, l2: 2 })
  const near = trainLinear(rows(fixture.label), { l1: 5.2, l2: 2 })
  const warm = trainLinear(rows(fixture.label), { l1: 5, l2: 2, start: near.model })
  expect(warm.iterations).toBeLessThan(cold.iterations)
  cold.model.weights.forEach((w, j) => {
    expect(warm.model.weights[j]).toBeCloseTo(w, 7)
  })
})

test('a soft label is two rows with weights', () => {
  const p = fixture.label.map((y, i) => (y + (i % 5) / 10) / 1.4)
  const soft = trainLinear(rows(p), { l2: 1 })
  const twice = trainLinear(
    {
      nRows: 2 * nRows,
      columns: columns.map((c) => Float64Array.from([...c, ...c])),
      target: Float64Array.from({ length: 2 * nRows }, (_, i) => (i < nRows ? 1 : 0)),
      weights: Float64Array.from([...p, ...p.map((q) => 1 - q)]),
    },
    { l2: 1 },
  )
  soft.model.weights.forEach((w, j) => {
    expect(twice.model.weights[j]).toBeCloseTo(w, 7)
  })
})

test('the order of rows matters to rounding alone, and a weight of 2 is a row twice', () => {
  const order = Int32Array.from({ length: nRows }, (_, i) => (i * 7) % nRows)
  const take = (values: ArrayLike<number>) => Float64Array.from(order, (i) => values[i])
  const plain = trainLinear(rows(fixture.label), { l1: 2, l2: 1 })
  const turned = trainLinear(
    { nRows, columns: columns.map(take), target: take(fixture.label) },
    { l1: 2, l2: 1 },
  )
  const doubled = trainLinear(
    rows(
      fixture.label,
      fixture.label.map(() => 2),
    ),
    { l1: 4, l2: 2 },
  )
  plain.model.weights.forEach((w, j) => {
    expect(turned.model.weights[j]).toBeCloseTo(w, 8)
    expect(doubled.model.weights[j]).toBeCloseTo(w, 7)
  })
})

describe('a linear model with categories', () => {
  const city = Float64Array.from(fixture.city, (c, i) => (i % 11 === 0 ? Number.NaN : c))
  const data = { ...rows(fixture.klass), columns: [columns[0], city], levels: Int32Array.of(0, 4) }
  const { model } = trainLinear(data, { loss: 'softmax', l2: 1 })

  test('keeps its bytes, and its contributions add up for each class', () => {
    expect(decodeModel(encodeModel(model)).model).toStrictEqual(model)
    const mean = [0, 0, 0]
    for (let i = 0; i < nRows; i++)
      for (let k = 0; k < 3; k++) {
        const { base, contributions, raw, residual } = explainRow(
          model,
          Float64Array.of(columns[0][i], city[i]),
          k,
        )
        expect(Math.abs(residual)).toBeLessThan(1e-12)
        expect(base + contributions[0] + contributions[1]).toBeCloseTo(raw, 10)
        mean[k] += (raw - base) / nRows
      }
    for (const m of mean) expect(m).toBeCloseTo(0, 8)
  })

  test('gives values it never saw the weight of none', () => {
    const raw = (c: number) => Array.from(rawColumns({ model, calibration: null }, Float64Array.of(5, c), 1))
    for (const odd of [4, 99, -1, 1.5]) expect(raw(odd)).toEqual(raw(Number.NaN))
    expect(raw(1)).not.toEqual(raw(Number.NaN))
  })

  test('is refused with a code when hostile, or ends', () => {
    const bytes = encodeModel(model)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.slice()
        hostile[at] ^= flip
        try {
          const read = decodeModel(hostile).model
          if (read.nFeatures <= 2) rawColumns({ model: read, calibration: null }, Float64Array.of(1, 2), 1)
        } catch (error) {
          expect(isMillraceError(error) && error.code.startsWith('MR_MODEL_'), String(error)).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

const tiny = (values: number[], target: number[]) => ({
  nRows: target.length,
  columns: [Float64Array.from(values)],
  target: Float64Array.from(target),
})

test.each<[string, () => unknown, string]>([
  ['an infinite value', () => trainLinear(tiny([1, Number.POSITIVE_INFINITY], [0, 1])), 'MR_MODEL_COLUMN'],
  ['a negative count', () => trainLinear(tiny([1, 2], [0, -1]), { loss: 'poisson' }), 'MR_MODEL_TARGET'],
  [
    'one class of several',
    () => trainLinear(tiny([1, 2], [2, 2]), { loss: 'softmax' }),
    'MR_MODEL_ONE_CLASS',
  ],
  [
    'a class beyond the last',
    () => trainLinear(tiny([1, 2], [0, 5]), { loss: 'softmax', nClasses: 3 }),
    'MR_MODEL_TARGET',
  ],
  ['a negative l1', () => trainLinear(tiny([1, 2], [0, 1]), { l1: -1 }), 'MR_MODEL_PARAM'],
  ['one row', () => trainLinear(tiny([1], [1])), 'MR_MODEL_ONE_CLASS'],
  [
    'more values than a curvature can hold',
    () =>
      trainLinear({
        ...tiny(
          Array.from({ length: 4000 }, (_, i) => i),
          Array.from({ length: 4000 }, (_, i) => i % 2),
        ),
        levels: Int32Array.of(4000),
      }),
    'MR_MODEL_WIDTH',
  ],
  [
    'a model of other features to begin with',
    () => trainLinear(tiny([1, 2], [0, 1]), { start: trainLinear(rows(fixture.label)).model }),
    'MR_MODEL_SHAPE',
  ],
])('%s is refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})

test('counts that are all 0 give a rate near 0', () => {
  const { model } = trainLinear(tiny([1, 2, 3], [0, 0, 0]), { loss: 'poisson' })
  expect(predictColumns({ model, calibration: null }, [Float64Array.of(2)], 1)[0]).toBeLessThan(1e-6)
})
