import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { expFast } from '../../../src/stats/exp.ts'
import { type BinnedData, binAt, binColumns, binWith, takeRows } from '../../../src/train/gbdt/binning.ts'
import {
  buildHistogram,
  openRecords,
  packing,
  partitionRows,
  plainHistogram,
  quantise,
} from '../../../src/train/gbdt/kernels.ts'
import { SLOTS } from '../../../src/train/gbdt/sizes.ts'

/** Rows of random bins: each feature has more than 127, so that none shares a column. */
function randomBins(nFeatures: number, nRows: number, nBins = 255): BinnedData {
  const rng = seededRng(nFeatures)
  const edges = Float64Array.from({ length: nBins - 1 }, (_, i) => i)
  const columns = Array.from({ length: nFeatures }, () =>
    Float64Array.from({ length: nRows }, () => rng.nextInt(nBins)),
  )
  return binWith(
    columns,
    nRows,
    columns.map(() => ({ kind: 'number', nBins, edges })),
  )
}

test.each([1, 3, 4, 6, 20, 33, 70])(
  'the unrolled histogram of %i features equals the plain loop and an exact count',
  (nFeatures) => {
    const rng = seededRng(nFeatures)
    const nRows = 700
    const data = randomBins(nFeatures, nRows)
    const pack = packing(nRows, false)
    const records = openRecords(data)
    const grad = Float64Array.from({ length: nRows }, () => rng.normal() / 8)
    const hess = grad.map(() => rng.next())
    quantise(grad, hess, pack.gradMax, pack.hessMax, pack.hessShift, 9, records)
    const rows = Int32Array.from({ length: nRows }, (_, i) => i).filter((i) => i % 3 > 0)
    const unrolled = new Float64Array(data.plan.nSlots)
    const plain = new Float64Array(data.plan.nSlots)
    const counted = new Float64Array(data.plan.nSlots)
    buildHistogram(unrolled, records, pack, rows, 5, rows.length, false)
    plainHistogram(nFeatures, false)(
      plain,
      records.words,
      records.stride,
      0,
      pack.unit,
      pack.hessShift,
      rows,
      5,
      rows.length,
    )
    for (const row of rows.subarray(5)) {
      const word = records.words[row * records.stride]
      const packed = (word >> pack.hessShift) * pack.unit + (word & ((1 << pack.hessShift) - 1))
      for (let j = 0; j < nFeatures; j++) counted[j * SLOTS + binAt(data, row, j)] += packed
    }
    expect(unrolled).toStrictEqual(plain)
    expect(unrolled).toStrictEqual(counted)
  },
)

test('packed sums are exact at the most rows and the largest gradients', () => {
  for (const nRows of [1, 100, 100_000, 1_400_000, 2 ** 24]) {
    for (const constant of [true, false]) {
      const { unit, gradMax, hessMax, hessShift } = packing(nRows, constant)
      expect(nRows * hessMax).toBeLessThan(unit)
      expect(nRows * gradMax * unit + unit).toBeLessThanOrEqual(2 ** 53)
      expect(gradMax * 2 ** hessShift).toBeLessThan(2 ** 31)
      expect(Math.min(gradMax, hessMax * 4)).toBeGreaterThanOrEqual(2)
    }
  }
})

test('quantised gradients are unbiased', () => {
  const nRows = 200_000
  const pack = packing(nRows, false)
  const records = openRecords(randomBins(1, nRows))
  const grad = new Float64Array(nRows).fill(-0.3)
  quantise(
    grad,
    grad.map(() => 0.25),
    1,
    1,
    pack.hessShift,
    77,
    records,
  )
  let gradSum = 0
  let hessSum = 0
  for (let i = 0; i < nRows; i++) {
    gradSum += records.words[2 * i] >> pack.hessShift
    hessSum += records.words[2 * i] & ((1 << pack.hessShift) - 1)
  }
  const fiveDeviations = 5 * Math.sqrt(0.25 / nRows)
  expect(Math.abs(gradSum / nRows + 0.3)).toBeLessThan(fiveDeviations)
  expect(Math.abs(hessSum / nRows - 0.25)).toBeLessThan(fiveDeviations)
})

test('a partition keeps the order of both sides', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 1, maxLength: 700 }), fc.nat(255), (bins, border) => {
      const column = Uint8Array.from(bins)
      const goesRight = Uint8Array.from({ length: 256 }, (_, b) => Number(b > border))
      const rows = Int32Array.from(bins, (_, i) => i)
      const middle = partitionRows(rows, 0, rows.length, column, goesRight, new Int32Array(rows.length))
      const all = bins.map((_, i) => i)
      expect([...rows.subarray(0, middle)]).toEqual(all.filter((i) => bins[i] <= border))
      expect([...rows.subarray(middle)]).toEqual(all.filter((i) => bins[i] > border))
    }),
  )
})

test('the fast exponential is right to 1e-14', () => {
  for (let x = -60; x <= 60; x += 0.0137) expect(Math.abs(expFast(x) / Math.exp(x) - 1)).toBeLessThan(3e-14)
})

test('bins agree with a linear search over their edges, for any double', () => {
  const column = fc.array(fc.oneof(fc.double(), fc.integer({ min: -5, max: 5 }).map(Number)), {
    minLength: 1,
    maxLength: 600,
  })
  fc.assert(
    fc.property(
      column,
      fc.oneof(fc.integer({ min: 2, max: 255 }), fc.integer({ min: 256, max: 65_535 })),
      (values, bins) => {
        const binned = binColumns([Float64Array.from(values)], [false], bins)
        const [feature] = binned.features
        if (feature.kind !== 'number') throw new Error('expected number bins')
        expect(feature.nBins).toBeLessThanOrEqual(bins)
        expect([...feature.edges]).toEqual([...new Set(feature.edges)].sort((a, b) => a - b))
        values.forEach((x, i) => {
          const at = feature.edges.findIndex((edge) => x <= edge)
          const bin = Number.isNaN(x) ? feature.nBins : at < 0 ? feature.nBins - 1 : at
          expect(binAt(binned, i, 0)).toBe(bin)
        })
      },
    ),
  )
})

test('bins hold about equal shares, and a frequent value stands alone', () => {
  const rng = seededRng(4)
  const column = Float64Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? 0 : rng.normal()))
  const { bytes, features } = binColumns([column], [false], 64)
  const counts = new Array<number>(64).fill(0)
  for (let i = 0; i < column.length; i++) counts[bytes[i * 4]]++
  expect(features[0].nBins).toBeGreaterThan(60)
  expect(counts.filter((count) => count >= 10_000)).toEqual([10_000])
  expect(counts.filter((count) => count > 250 && count < 10_000)).toEqual([])
})

test('the most frequent categories keep a bin, the others go with the missing', () => {
  const column = Float64Array.of(7, 7, 7, 3, 3, 900, Number.NaN)
  const { bytes, features } = binColumns([column], [true], 2)
  expect(features[0]).toMatchObject({ nBins: 2, codes: Int32Array.of(3, 7) })
  expect([0, 3, 5, 6].map((i) => bytes[i * 4])).toEqual([1, 0, 2, 2])
})

test('taking rows outside of the data is refused', () => {
  const binned = binColumns([Float64Array.of(1, 2)], [false])
  expect(() => takeRows(binned, [0, 2])).toThrow('MR_MODEL_SHAPE')
})
