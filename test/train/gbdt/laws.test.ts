import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { type TrainData, trainGbdt } from '../../../src/train/gbdt/train.ts'

/** Numbers of many values, of few, and a category; the target hangs on all of them. */
function mixed(nRows: number, seed: number): TrainData {
  const rng = seededRng(seed)
  const columns = [
    Float64Array.from({ length: nRows }, () => rng.normal()),
    Float64Array.from({ length: nRows }, () => rng.nextInt(3)),
    Float64Array.from({ length: nRows }, () => (rng.next() < 0.2 ? Number.NaN : rng.normal())),
    Float64Array.from({ length: nRows }, () => rng.nextInt(20)),
    Float64Array.from({ length: nRows }, () => rng.nextInt(4)),
  ]
  const target = Float64Array.from({ length: nRows }, (_, i) => {
    const [a, b, c, d, e] = columns.map((column) => column[i])
    return a + b * e * 0.4 + (Number.isNaN(c) ? 1 : c * a) + (d % 5) + rng.normal()
  })
  return { nRows, columns, categorical: [false, false, false, true, false], target }
}

const PARAMS = { objective: 'l2' as const, trees: 8, leaves: 12 }

test('features in another order give the same trees of features in another order', () => {
  const data = mixed(1500, 1)
  const before = trainGbdt(data, PARAMS).model
  for (const order of [
    [4, 3, 2, 1, 0],
    [2, 0, 4, 1, 3],
  ]) {
    const moved = {
      ...data,
      columns: order.map((j) => data.columns[j]),
      categorical: order.map((j) => data.categorical[j]),
    }
    const after = trainGbdt(moved, PARAMS).model
    expect(after.threshold).toStrictEqual(before.threshold)
    expect(after.value).toStrictEqual(before.value)
    expect([...after.feature].map((j, node) => (after.left[node] < 0 ? -1 : order[j]))).toEqual(
      [...before.feature].map((j, node) => (before.left[node] < 0 ? -1 : j)),
    )
  }
})

test('rows in another order give a model that ranks new rows as well: only the rounding of gradients differs', () => {
  const data = mixed(3000, 2)
  const held = mixed(3000, 3)
  const high = held.target.map((y) => Number(y > 3))
  const quality = (given: TrainData) => {
    const out = new Float64Array(held.nRows)
    compileScorer(trainGbdt(given, { ...PARAMS, trees: 40 }).model).rawBatch(held.columns, held.nRows, out)
    return auc(out, high)
  }
  const back = (values: Float64Array) => values.slice().reverse()
  const turned = { ...data, columns: data.columns.map(back), target: back(data.target) }
  expect(Math.abs(quality(data) - quality(turned))).toBeLessThan(0.003)
})

test('rows that are equal in all features never part', () => {
  const row = fc.tuple(
    fc.constantFrom(0, 1, 2.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN),
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: -9, max: 9 }),
  )
  fc.assert(
    fc.property(fc.array(row, { minLength: 2, maxLength: 60 }), (rows) => {
      const columns = [Float64Array.from(rows, ([x]) => x), Float64Array.from(rows, ([, c]) => c)]
      const target = Float64Array.from(rows, ([, , y]) => y)
      const { trainScores } = trainGbdt(
        { nRows: rows.length, columns, categorical: [false, true], target },
        { ...PARAMS, minRowsInLeaf: 1 },
      )
      const seen = new Map<string, number>()
      rows.forEach(([x, c], i) => {
        const key = `${x} ${c}`
        expect(seen.get(key) ?? trainScores[i]).toBe(trainScores[i])
        seen.set(key, trainScores[i])
      })
    }),
  )
})

test('one row, infinities alone and nothing but missing values give the base score, without a hang', () => {
  for (const values of [
    [5],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [Number.NaN, Number.NaN],
  ]) {
    const x = Float64Array.from(values)
    const data = { nRows: x.length, columns: [x], categorical: [false], target: x.map((_, i) => i + 3) }
    const { model, trees } = trainGbdt(data, { ...PARAMS, minRowsInLeaf: 1 })
    expect(trees).toBe(0)
    expect(model.baseScores[0]).toBe(x.length === 1 ? 3 : 3.5)
  }
})

test('both infinities are told apart', () => {
  const x = Float64Array.from({ length: 60 }, (_, i) =>
    i % 2 === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
  )
  const data = { nRows: 60, columns: [x], categorical: [false], target: x.map((v) => Number(v > 0)) }
  const { model } = trainGbdt(data, { objective: 'l2', trees: 1, learningRate: 1 })
  const { rawRow } = compileScorer(model)
  expect(rawRow(Float64Array.of(Number.NEGATIVE_INFINITY))).toBeCloseTo(0, 9)
  expect(rawRow(Float64Array.of(Number.POSITIVE_INFINITY))).toBeCloseTo(1, 9)
})

test('a million categories are refused with a code, and the most that are taken are trained on', () => {
  const codes = (nCodes: number) => {
    const x = Float64Array.from({ length: 200_000 }, (_, i) => (i * 7919) % nCodes)
    return { nRows: x.length, columns: [x], categorical: [true], target: x.map((c) => c % 2) }
  }
  expect(() => trainGbdt(codes(1_000_000), { objective: 'l2' })).toThrow('MR_MODEL_CATEGORY')
  const { trees } = trainGbdt(codes(65_536), {
    objective: 'l2',
    trees: 2,
    bins: 65_535,
    categorical: { smooth: 1, groupRows: 1 },
  })
  expect(trees).toBe(2)
})
