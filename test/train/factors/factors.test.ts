import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { predictColumns, rawColumns } from '../../../src/model/predict.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { type FactorRates, learnFactors, openFactors, rawOf } from '../../../src/train/factors/core.ts'
import { type FactorParams, trainFactors } from '../../../src/train/factors/train.ts'
import type { FtrlData } from '../../../src/train/ftrl/space.ts'
import { trainLinear } from '../../../src/train/linear/train.ts'
import { missing, readRatings } from './restaurants.ts'

interface Recorded extends FactorRates {
  loss: 'logloss' | 'l2'
  passes: number
  slots: number[][]
  values: number[][]
  target: number[]
  first: number[][]
  bias: number
  weights: number[]
  vectors: number[][]
  scores: number[]
}
const recorded = JSON.parse(
  readFileSync(new URL('../../reference/streams/factors.json', import.meta.url), 'utf8'),
) as Recorded[]

test.each(recorded.map((r, i) => [i, r] as const))(
  'recorded machine %i is learned to the same weights and vectors',
  (_, r) => {
    const state = openFactors(r.weights.length, r, r.loss === 'l2' ? 'identity' : 'sigmoid', 1)
    const width = 1 + r.factors
    r.first.forEach((vector, slot) => {
      state.params.set(vector, 1 + slot * width + 1)
    })
    const rows = {
      width: r.slots[0].length,
      slots: Int32Array.from(r.slots.flat()),
      values: Float64Array.from(r.values.flat()),
      target: Float64Array.from(r.target),
    }
    const order = Int32Array.from(r.target, (_y, i) => i)
    for (let pass = 0; pass < r.passes; pass++) learnFactors(state, rows, order)
    const close = (got: number, want: number, what: string) =>
      expect(Math.abs(got - want), `${what}: got ${got}, want ${want}`).toBeLessThan(1e-10)
    close(state.params[0], r.bias, 'bias')
    r.weights.forEach((w, slot) => {
      close(state.params[1 + slot * width], w, `weight ${slot}`)
      r.vectors[slot].forEach((v, f) => {
        close(state.params[1 + slot * width + 1 + f], v, `vector ${slot}, ${f}`)
      })
    })
    const sums = new Float64Array(r.factors)
    r.scores.forEach((want, i) => {
      close(rawOf(state, rows, i, sums), want, `score ${i}`)
    })
  },
)

/** Users like items by three hidden tastes; most pairs are met once or never. */
function tastes(nRows: number, seed: number): FtrlData & { chance: Float64Array } {
  const hidden = seededRng(99)
  const draw = () => Array.from({ length: 60 }, () => [hidden.normal(), hidden.normal(), hidden.normal()])
  const [users, items] = [draw(), draw()]
  const rng = seededRng(seed)
  const columns = [new Float64Array(nRows), new Float64Array(nRows)]
  const chance = new Float64Array(nRows)
  const target = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    const [u, v] = [rng.nextInt(60), rng.nextInt(60)]
    columns[0][i] = u
    columns[1][i] = v
    const product = users[u].reduce((sum, a, f) => sum + a * items[v][f], 0)
    chance[i] = 1 / (1 + Math.exp(-1.5 * product))
    target[i] = rng.next() < chance[i] ? 1 : 0
  }
  const features = ['user', 'item'].map((name) => ({ name, type: 'category' as const }))
  return { nRows, columns, target, features, chance }
}

describe('where what matters is who meets what', () => {
  const data = tastes(6_000, 1)
  const later = tastes(3_000, 2)
  const params = { loss: 'logloss', factors: 6, l2Vectors: 0.01, bits: 12, passes: 40 } as const

  test('a factorisation machine knows most of what can be known, and a linear model nothing', () => {
    const fm = trainFactors(data, params)
    const { model: linear } = trainLinear({ ...data, levels: Int32Array.of(60, 60) }, { l2: 1 })
    const aucOf = (model: typeof fm | typeof linear) =>
      auc(predictColumns({ model, calibration: null }, later.columns, later.nRows), later.target)
    const best = auc(later.chance, later.target)
    expect(aucOf(linear)).toBeLessThan(0.6)
    expect(aucOf(fm)).toBeGreaterThan(best - 0.06)
  })

  test('a regression too', () => {
    const centred = (d: typeof data) => ({ ...d, target: d.chance.map((p) => 100 + 50 * p) })
    const fm = trainFactors(centred(data), { ...params, loss: 'l2' })
    const out = predictColumns({ model: fm, calibration: null }, later.columns, later.nRows)
    const { target } = centred(later)
    const mean = target.reduce((a, b) => a + b, 0) / target.length
    const squares = (of: (i: number) => number) => target.reduce((sum, y, i) => sum + (y - of(i)) ** 2, 0)
    expect(squares((i) => out[i]) / squares(() => mean)).toBeLessThan(0.2)
  })

  test('it ends with the pass that was best on the validation rows', () => {
    const losses: number[] = []
    const watched = {
      validate: later,
      lossOf: (p: Float64Array, y: Float64Array) => {
        losses.push(p.reduce((sum, q, i) => sum - Math.log(y[i] === 1 ? q : 1 - q), 0) / y.length)
        return losses[losses.length - 1]
      },
    }
    const few = { ...params, l2Vectors: 0, passes: 60, learningRate: 0.3 }
    const model = trainFactors(data, few, watched)
    expect(losses.length).toBeLessThan(60)
    const out = predictColumns({ model, calibration: null }, later.columns, later.nRows)
    expect(watched.lossOf(out, later.target)).toBe(Math.min(...losses))
  })

  test('the same seed gives the same bytes, another seed others; bytes are read back whole', () => {
    const of = (seed: number) => encodeModel(trainFactors(data, { ...params, passes: 2, seed }))
    expect(of(1)).toEqual(of(1))
    expect(of(2)).not.toEqual(of(1))
    const model = trainFactors(data, { ...params, passes: 2, numbers: 'values', signed: true })
    expect(decodeModel(encodeModel(model)).model).toStrictEqual(model)
  })

  test('contributions add up, and what was never seen counts nothing', () => {
    const model = trainFactors(data, params)
    for (let i = 0; i < 30; i++) {
      const row = Float64Array.from(later.columns, (column) => column[i])
      const { base, contributions, raw, residual } = explainRow(model, row)
      expect(Math.abs(residual)).toBeLessThan(1e-12)
      expect(base + contributions[0] + contributions[1]).toBeCloseTo(raw, 10)
      expect(raw).toBeCloseTo(rawColumns({ model, calibration: null }, row, 1)[0], 12)
    }
    const strangers = Array.from({ length: 20 }, (_, k) => explainRow(model, Float64Array.of(3, 1e9 + k)))
    const known = strangers.filter(({ contributions }) => contributions[1] !== 0)
    expect(known.length).toBeLessThan(10)
    for (const { contributions } of strangers)
      if (contributions[1] === 0)
        expect(contributions[0]).toBe(strangers.find((s) => s.contributions[1] === 0)?.contributions[0])
  })

  test('hostile bytes are refused with a code or give a model that ends', () => {
    const bytes = encodeModel(trainFactors(tastes(200, 3), { ...params, bits: 8, factors: 2, passes: 1 }))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.slice()
        hostile[at] ^= flip
        try {
          const { model } = decodeModel(hostile)
          if (model.nFeatures <= 2) rawColumns({ model, calibration: null }, Float64Array.of(1, 2), 1)
        } catch (error) {
          expect(isMillraceError(error) && error.code.startsWith('MR_MODEL_'), String(error)).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe.skipIf(missing)('ratings of restaurants, each fifth foretold from the rest', () => {
  const { names, columns, rating } = missing
    ? { names: [], columns: [], rating: new Float64Array(0) }
    : readRatings()
  const n = rating.length
  const rng = seededRng(5)
  const fold = Int32Array.from({ length: n }, () => rng.nextInt(5))

  type Learn = (rows: FtrlData) => Parameters<typeof encodeModel>[0]
  function foretold(target: Float64Array, learn: Learn): Float64Array {
    const out = new Float64Array(n)
    const take = (rows: number[]): FtrlData => ({
      nRows: rows.length,
      columns: columns.map((column) => Float64Array.from(rows, (i) => column[i])),
      target: Float64Array.from(rows, (i) => target[i]),
      features: names.map((name) => ({ name, type: 'category' })),
    })
    for (let f = 0; f < 5; f++) {
      const [rest, own] = [(i: number) => fold[i] !== f, (i: number) => fold[i] === f].map((is) =>
        [...fold.keys()].filter(is),
      )
      const model = learn(take(rest))
      predictColumns({ model, calibration: null }, take(own).columns, own.length).forEach((p, k) => {
        out[own[k]] = p
      })
    }
    return out
  }
  const levels = Int32Array.from(
    columns,
    (column) => 1 + column.reduce((most, x) => (x > most ? x : most), -1),
  )
  const linear =
    (loss: 'l2' | 'logloss', l2: number): Learn =>
    (rows) =>
      trainLinear({ ...rows, levels }, { loss, l2 }).model
  const machine =
    (params: Pick<FactorParams, 'loss'> & Partial<FactorParams>): Learn =>
    (rows) =>
      trainFactors(rows, { factors: 4, bits: 14, passes: 20, ...params })

  test('who liked a place best: AUC above that of the best linear model', () => {
    const liked = rating.map((r) => (r === 2 ? 1 : 0))
    const best = Math.max(
      ...[50, 200, 400, 800].map((l2) => auc(foretold(liked, linear('logloss', l2)), liked)),
    )
    const fm = auc(foretold(liked, machine({ loss: 'logloss', l2: 0.1, l2Vectors: 0.6 })), liked)
    expect(best).toBeGreaterThan(0.73)
    expect(fm).toBeGreaterThan(best)
  })

  test('the rating: error below that of the best linear model', () => {
    const rmse = (out: Float64Array) =>
      Math.sqrt(out.reduce((sum, p, i) => sum + (p - rating[i]) ** 2, 0) / n)
    const best = Math.min(...[100, 400, 800, 1600].map((l2) => rmse(foretold(rating, linear('l2', l2)))))
    const fm = rmse(foretold(rating, machine({ loss: 'l2', l2: 0.5, l2Vectors: 4 })))
    expect(fm).toBeLessThan(best)
  })
})
if (missing) console.warn(`SKIPPED: factorisation machines on restaurants, because there is ${missing}`)

const tiny = (values: number[], target: number[]): FtrlData => ({
  nRows: target.length,
  columns: [Float64Array.from(values)],
  target: Float64Array.from(target),
  features: [{ name: 'x', type: 'category' }],
})

test.each<[string, () => unknown, string]>([
  ['no rows', () => trainFactors(tiny([], []), { loss: 'l2' }), 'MR_MODEL_NO_ROWS'],
  ['one class', () => trainFactors(tiny([1, 2], [0, 0]), { loss: 'logloss' }), 'MR_MODEL_ONE_CLASS'],
  ['a missing target', () => trainFactors(tiny([1, 2], [0, Number.NaN]), { loss: 'l2' }), 'MR_MODEL_TARGET'],
  ['no factors', () => trainFactors(tiny([1, 2], [0, 1]), { loss: 'l2', factors: 0 }), 'MR_MODEL_PARAM'],
  [
    'more than memory holds',
    () => trainFactors(tiny([1, 2], [0, 1]), { loss: 'l2', bits: 24, factors: 8 }),
    'MR_MODEL_PARAM',
  ],
])('%s: refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})

test('one row, constant and missing values give a finite model', () => {
  const model = trainFactors(tiny([Number.NaN], [5]), { loss: 'l2', bits: 8 })
  expect(predictColumns({ model, calibration: null }, [Float64Array.of(3)], 1)[0]).toBeCloseTo(5, 6)
})
