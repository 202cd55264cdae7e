import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { neighbourSearch } from '../../../src/model/neighbours.ts'
import { predictColumns } from '../../../src/model/predict.ts'
import { type NeighbourData, trainNeighbours } from '../../../src/train/neighbours/train.ts'

const fixture = JSON.parse(
  readFileSync(new URL('../../reference/streams/neighbours.json', import.meta.url), 'utf8'),
) as {
  numbers: number[][]
  codes: number[]
  value: number[]
  label: number[]
  klass: number[]
  asked: number[][]
  askedCodes: number[]
  mismatch: number
  cases: {
    k: number
    weights: 'uniform' | 'distance'
    value: number[]
    label: number[]
    klass: number[][]
    /** Of each row asked, whether no distances tie at the border of the neighbours. */
    clear: boolean[]
    indexes: number[][]
  }[]
}
const columnsOf = (numbers: number[][], codes: number[]) =>
  [numbers[0], codes, numbers[1], numbers[2]].map((c) => Float64Array.from(c))
const features = ['number', 'category', 'number', 'number'].map((type) => ({
  type: type as 'number' | 'category',
}))
const data = (target: number[]): NeighbourData => ({
  nRows: target.length,
  columns: columnsOf(fixture.numbers, fixture.codes),
  target: Float64Array.from(target),
  features,
})
const asked = columnsOf(fixture.asked, fixture.askedCodes)
const nAsked = fixture.askedCodes.length

describe.each(fixture.cases)(
  'the $k nearest rows, weights $weights',
  ({ k, weights, value, label, klass, clear }) => {
    const params = { k, weights, mismatch: fixture.mismatch }

    test('answer as scikit-learn’s do, where none tie at the border', () => {
      const answers: [number[], number, 'number' | 'probability' | 'class', number[]][] = [
        [fixture.value, 1, 'number', value],
        [fixture.label, 1, 'probability', label],
        [fixture.klass, 3, 'class', klass.flat()],
      ]
      for (const [target, nClasses, kind, want] of answers) {
        const model = trainNeighbours(data(target), kind, nClasses, params)
        const got = predictColumns({ model, calibration: null }, asked, nAsked)
        want.forEach((w, i) => {
          if (!clear[Math.floor(i / nClasses)]) return
          expect(Math.abs(got[i] - w), `${kind} ${i}: ${got[i]}, want ${w}`).toBeLessThan(1e-9)
        })
      }
    })
  },
)

test('the neighbours are those of a stable sort: of equal distances the earlier row', () => {
  for (const { k, weights, indexes } of fixture.cases) {
    const model = trainNeighbours(data(fixture.value), 'number', 1, {
      k,
      weights,
      mismatch: fixture.mismatch,
    })
    const search = neighbourSearch(model, 'all')
    indexes.forEach((want, i) => {
      search.find(
        Float64Array.from(asked, (column) => column[i]),
        0,
      )
      expect(Array.from(search.indexes)).toEqual(want)
    })
  }
})

/** Rows with ties, categories and missing values. */
function drawn(nRows: number, nNumbers: number, seed: number): NeighbourData {
  const rng = seededRng(seed)
  const number = () =>
    Float64Array.from({ length: nRows }, () =>
      rng.next() < 0.05 ? Number.NaN : Math.round(rng.normal() * 4),
    )
  const code = Float64Array.from({ length: nRows }, () => (rng.next() < 0.1 ? Number.NaN : rng.nextInt(5)))
  const columns = [...Array.from({ length: nNumbers }, number), code]
  return {
    nRows,
    columns,
    target: Float64Array.from({ length: nRows }, () => rng.normal()),
    features: columns.map((_, j) => ({ type: j < nNumbers ? 'number' : 'category' })),
  }
}

test('a tree finds what going through all rows finds, ties included', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(1000),
      (nRows, nNumbers, k, seed) => {
        const rows = drawn(nRows, nNumbers, seed)
        const model = trainNeighbours(rows, 'number', 1, { k: Math.min(k, nRows) })
        const [all, tree] = [neighbourSearch(model, 'all'), neighbourSearch(model, 'tree')]
        const queries = drawn(20, nNumbers, seed + 1)
        for (let i = 0; i < 20; i++) {
          const x = Float64Array.from(queries.columns, (column) => column[i])
          all.find(x, 0)
          tree.find(x, 0)
          expect(tree.indexes).toEqual(all.indexes)
          expect(tree.squares).toEqual(all.squares)
        }
      },
    ),
    { numRuns: 60 },
  )
})

describe('a model that is its rows', () => {
  const model = trainNeighbours(data(fixture.klass), 'class', 3, { k: 5 })

  test('keeps its bytes', () => {
    const bytes = encodeModel(model)
    expect(decodeModel(bytes).model).toStrictEqual(model)
    expect(encodeModel(decodeModel(bytes).model)).toEqual(bytes)
  })

  test('its contributions add up to the share of each class', () => {
    for (let i = 0; i < 10; i++)
      for (let output = 0; output < 3; output++) {
        const { base, contributions, raw, residual } = explainRow(
          model,
          Float64Array.from(asked, (c) => c[i]),
          output,
        )
        expect(Math.abs(residual)).toBeLessThan(1e-12)
        expect(base + contributions.reduce((a, b) => a + b, 0)).toBeCloseTo(raw, 10)
      }
  })

  test('is refused with a code when hostile, or ends', () => {
    const bytes = encodeModel(model)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.slice()
        hostile[at] ^= flip
        try {
          const read = decodeModel(hostile).model
          if (read.nFeatures <= 4)
            predictColumns({ model: read, calibration: null }, Float64Array.of(1, 2, 3, 4), 1)
        } catch (error) {
          expect(isMillraceError(error) && error.code.startsWith('MR_MODEL_'), String(error)).toBe(true)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('of more rows than it may keep, keeps some from everywhere', () => {
    const many = drawn(1_000, 2, 1)
    const { targets } = trainNeighbours(many, 'number', 1, { rowsMax: 100 })
    expect(Array.from(targets)).toEqual(Array.from({ length: 100 }, (_, i) => many.target[10 * i]))
  })

  test('answers rows of infinite and missing values', () => {
    const got = predictColumns(
      { model, calibration: null },
      Float64Array.of(Number.POSITIVE_INFINITY, Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN),
      1,
    )
    expect(got[0] + got[1] + got[2]).toBeCloseTo(1, 12)
  })
})

const tiny = (values: number[], target: number[]): NeighbourData => ({
  nRows: target.length,
  columns: [Float64Array.from(values)],
  target: Float64Array.from(target),
  features: [{ type: 'number' }],
})

test.each<[string, () => unknown, string]>([
  [
    'more neighbours than rows',
    () => trainNeighbours(tiny([1, 2], [0, 1]), 'number', 1, { k: 3 }),
    'MR_MODEL_PARAM',
  ],
  ['no rows', () => trainNeighbours(tiny([], []), 'number', 1), 'MR_MODEL_NO_ROWS'],
  ['one class', () => trainNeighbours(tiny([1, 2], [1, 1]), 'probability', 1), 'MR_MODEL_ONE_CLASS'],
  ['a missing target', () => trainNeighbours(tiny([1], [Number.NaN]), 'number', 1), 'MR_MODEL_TARGET'],
  [
    'an infinite value',
    () => trainNeighbours(tiny([1, Number.POSITIVE_INFINITY], [0, 1]), 'number', 1, { k: 1 }),
    'MR_MODEL_COLUMN',
  ],
])('%s: refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})

test('one row, and constant features, give its target', () => {
  const model = trainNeighbours(tiny([7], [3]), 'number', 1, { k: 1, weights: 'distance' })
  expect(predictColumns({ model, calibration: null }, [Float64Array.of(9)], 1)[0]).toBe(3)
})
