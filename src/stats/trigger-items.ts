/** What a trigger of a table may be made of: one value of a column, or all values from one on. Rows that have it are bits, so that those that have two are counted quickly. */
import { rowsWhere } from '../core/rows-where.ts'
import { ascendingOrder } from './order.ts'

export type ItemKind = 'value' | 'most' | 'least'

/** Rows whose feature is `value` (NaN: is missing), at most it, or at least it. */
export interface TriggerItem {
  feature: number
  is: ItemKind
  value: number
}

export interface ItemRows extends TriggerItem {
  bits: Bits
  nRows: number
}

export type Bits = Uint32Array

/** Values of a feature that have an item of their own, most frequent first. */
const VALUES_MAX = 64
/** Shares of the rows below and above which a number is said to be small or large. */
const TAILS = [0.01, 0.02, 0.05, 0.1, 0.2]

export function bitsOf(nRows: number, rows: ArrayLike<number>): Bits {
  const bits = new Uint32Array(Math.ceil(nRows / 32))
  for (let k = 0; k < rows.length; k++) bits[rows[k] >> 5] |= 1 << (rows[k] & 31)
  return bits
}

export function hasBit(bits: Bits, row: number): boolean {
  return ((bits[row >> 5] >>> (row & 31)) & 1) === 1
}

export function countBits(bits: Bits): number {
  let n = 0
  for (let w = 0; w < bits.length; w++) n += ones(bits[w])
  return n
}

export function countBoth(a: Bits, b: Bits): number {
  let n = 0
  for (let w = 0; w < a.length; w++) {
    const both = a[w] & b[w]
    if (both !== 0) n += ones(both)
  }
  return n
}

export function andBits(a: Bits, b: Bits): Bits {
  return a.map((word, w) => word & b[w])
}

/** Rows that are in both, into `out`. Gives how many. */
export function bothBits(a: Bits, b: Bits, out: Bits): number {
  let n = 0
  for (let w = 0; w < out.length; w++) {
    const both = a[w] & b[w]
    out[w] = both
    if (both !== 0) n += ones(both)
  }
  return n
}

/** Calls with each row, ascending. */
export function eachBit(bits: Bits, call: (row: number) => void): void {
  for (let w = 0; w < bits.length; w++)
    for (let word = bits[w]; word !== 0; word &= word - 1) call(w * 32 + 31 - Math.clz32(word & -word))
}

/** Bits of a word of 32 (Warren 2012, figure 5-2). */
function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The items of one feature that at least so many rows have. Categories have values alone. Cost: O(n log n). */
export function itemsOf(
  column: Float64Array,
  feature: number,
  type: 'number' | 'category',
  rowsMin: number,
): ItemRows[] {
  const nRows = column.length
  const values = frequentValues(column, rowsMin).slice(0, VALUES_MAX)
  const ofValues = values.map((value) => item({ feature, is: 'value', value }, column))
  if (type === 'category') return ofValues
  const known = rowsWhere(nRows, (i) => !Number.isNaN(column[i]))
  const sorted = Float64Array.from(known, (i) => column[i]).sort()
  const at = (q: number) => sorted[Math.floor(q * (sorted.length - 1))]
  const cuts = sorted.length === 0 ? [] : TAILS
  const low = [...new Set(cuts.map(at))].map((value) => item({ feature, is: 'most', value }, column))
  const high = [...new Set(cuts.map((q) => at(1 - q)))].map((value) =>
    item({ feature, is: 'least', value }, column),
  )
  const sizes = new Set<string>()
  return [...ofValues, ...low, ...high].filter((one) => {
    const key = `${one.is === 'most' ? '<' : '>'}${one.nRows}:${one.bits.findIndex((w) => w !== 0)}`
    const isNew = one.is === 'value' || !sizes.has(key)
    sizes.add(key)
    return isNew && one.nRows >= rowsMin && one.nRows < nRows
  })
}

/** Whether a number has an item: `value` is compared as SameValueZero does, so that missing ones are one value. */
export function holdsItem({ is, value }: TriggerItem, x: number): boolean {
  if (is === 'value') return x === value || (Number.isNaN(x) && Number.isNaN(value))
  return is === 'most' ? x <= value : x >= value
}

function item(one: TriggerItem, column: Float64Array): ItemRows {
  const bits = bitsOf(
    column.length,
    rowsWhere(column.length, (i) => holdsItem(one, column[i])),
  )
  return { ...one, bits, nRows: countBits(bits) }
}

/** Values that at least so many rows have, most rows first, then the least value; missing ones are one value. */
export function frequentValues(column: Float64Array, rowsMin: number): number[] {
  const counts = new Map<number, number>()
  for (const x of column) counts.set(x, (counts.get(x) ?? 0) + 1)
  const found = [...counts].filter(([, n]) => n >= rowsMin)
  const order = ascendingOrder(Float64Array.from(found, ([value]) => value))
  return Array.from(order, (i) => found[i])
    .sort(([, n], [, m]) => m - n)
    .map(([value]) => value)
}
