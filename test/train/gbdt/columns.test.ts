import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { binAt, binColumns, binWith, type FeatureBins } from '../../../src/train/gbdt/binning.ts'
import { planColumns, spreadHistogram } from '../../../src/train/gbdt/columns.ts'

const number = (nBins: number): FeatureBins => ({
  kind: 'number',
  nBins,
  edges: Float64Array.from({ length: nBins - 1 }, (_, i) => i),
})

test('features of few bins share a byte, those of more than 255 have two', () => {
  const plan = planColumns([
    number(255),
    number(3),
    number(256),
    number(3),
    number(3),
    number(60_000),
    number(3),
  ])
  expect(plan.columns.map(({ codes, isWide, at }) => [codes, isWide, at])).toEqual([
    [256, false, 0],
    [256, false, 1],
    [257, true, 2],
    [60_001, true, 4],
  ])
  expect(plan.places.map((place) => place.kind === 'code' && [place.column, place.divisor])).toEqual([
    [1, 1],
    [0, 1],
    [2, 1],
    [0, 4],
    [0, 16],
    [3, 1],
    [0, 64],
  ])
})

test('each row keeps the bin of each feature, however many share a column', () => {
  const rng = seededRng(5)
  const sizes = [2, 3, 255, 256, 7, 1000, 1, 15, 16, 2, 40, 6]
  const nRows = 3000
  const columns = sizes.map((size) =>
    Float64Array.from({ length: nRows }, () => (rng.next() < 0.1 ? Number.NaN : rng.nextInt(size))),
  )
  const data = binWith(columns, nRows, sizes.map(number))
  columns.forEach((column, j) => {
    for (let row = 0; row < nRows; row++) {
      expect(binAt(data, row, j)).toBe(Number.isNaN(column[row]) ? sizes[j] : column[row])
    }
  })
})

test('sums over columns spread to the sums over features that counting gives', () => {
  const rng = seededRng(6)
  const sizes = [2, 3, 255, 300, 7, 15]
  const nRows = 800
  const columns = sizes.map((size) => Float64Array.from({ length: nRows }, () => rng.nextInt(size)))
  const data = binColumns(
    columns,
    sizes.map(() => false),
    400,
  )
  const { plan } = data
  const stored = new Float64Array(plan.nSlots)
  const counted = new Float64Array(plan.featureSlots[sizes.length])
  const halves = new Uint16Array(data.words.buffer)
  for (let row = 0; row < nRows; row++) {
    const at = row * plan.rowWords * 4
    for (const column of plan.columns) {
      const code = column.isWide ? halves[(at + column.at) / 2] : data.bytes[at + column.at]
      stored[column.slot + code]++
    }
    sizes.forEach((_, j) => {
      counted[plan.featureSlots[j] + binAt(data, row, j)]++
    })
  }
  expect(spreadHistogram(plan, stored, new Float64Array(counted.length))).toStrictEqual(counted)
})
