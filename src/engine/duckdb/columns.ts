/** Builders that turn a stream of DuckDB chunks into the compact columns of a result. One builder a column. */
import { type DuckDBEnumType, type DuckDBType, DuckDBTypeId, type DuckDBVector } from '@duckdb/node-api'
import type { ResultColumn } from '../ports.ts'
import { CategoryBuilder } from './categories.ts'
import type { ColumnBuilder } from './column-builder.ts'
import { dayMs, instantMs, textOf, toPlain } from './values.ts'
import { blank, bytesOf, isValid, validBitsOf } from './vectors.ts'

/** The builder for `nRows` values of a type. `category` asks for codes instead of strings; enum columns always come as codes. */
export function builderOf(type: DuckDBType, nRows: number, category: boolean): ColumnBuilder {
  if (type.typeId === DuckDBTypeId.ENUM) return new EnumBuilder(nRows, (type as DuckDBEnumType).values)
  if (category) return new CategoryBuilder(nRows, type.typeId === DuckDBTypeId.VARCHAR)
  const read = numberReader(type)
  if (read) return new NumberBuilder(nRows, 'number', read)
  const readTime = TIME_READERS[type.typeId]
  if (readTime) return new NumberBuilder(nRows, 'time', readTime)
  return type.typeId === DuckDBTypeId.BOOLEAN ? new BoolBuilder(nRows) : new StringBuilder(nRows)
}

/** Writes the values of `n` rows to `out` from `at` on; rows without a value may get anything. */
export type Reader = (vector: DuckDBVector, out: Float64Array, at: number, n: number) => void

type Lane = new (buffer: ArrayBuffer, byteOffset: number, length: number) => ArrayLike<number>

/** Values that a typed array reads as they are. */
const lane =
  (Type: Lane): Reader =>
  (vector, out, at, n) => {
    const { buffer, byteOffset } = bytesOf(vector)
    out.set(new Type(buffer, byteOffset, n), at)
  }

const TWO32 = 2 ** 32

/** 64-bit integers through their halves: rounded once, so the result is the nearest double, without a bigint a row. */
const wide =
  (finish: (low: number, high: number) => number): Reader =>
  (vector, out, at, n) => {
    const { buffer, byteOffset } = bytesOf(vector)
    const halves = new Int32Array(buffer, byteOffset, 2 * n)
    for (let i = 0; i < n; i++) out[at + i] = finish(halves[2 * i]! >>> 0, halves[2 * i + 1]!)
  }

const int64 = (low: number, high: number) => high * TWO32 + low

/** Anything else, a value at a time. */
const slow =
  (convert: (value: NonNullable<ReturnType<DuckDBVector['getItem']>>) => number): Reader =>
  (vector, out, at, n) => {
    for (let i = 0; i < n; i++) {
      const value = vector.getItem(i)
      out[at + i] = value === null ? Number.NaN : convert(value)
    }
  }

const NUMBER_READERS: { [id: number]: Reader | undefined } = {
  [DuckDBTypeId.TINYINT]: lane(Int8Array),
  [DuckDBTypeId.SMALLINT]: lane(Int16Array),
  [DuckDBTypeId.INTEGER]: lane(Int32Array),
  [DuckDBTypeId.BIGINT]: wide(int64),
  [DuckDBTypeId.UTINYINT]: lane(Uint8Array),
  [DuckDBTypeId.USMALLINT]: lane(Uint16Array),
  [DuckDBTypeId.UINTEGER]: lane(Uint32Array),
  [DuckDBTypeId.UBIGINT]: wide((low, high) => (high >>> 0) * TWO32 + low),
  [DuckDBTypeId.HUGEINT]: slow(Number),
  [DuckDBTypeId.UHUGEINT]: slow(Number),
  [DuckDBTypeId.BIGNUM]: slow(Number),
  [DuckDBTypeId.FLOAT]: lane(Float32Array),
  [DuckDBTypeId.DOUBLE]: lane(Float64Array),
  [DuckDBTypeId.SQLNULL]: (_vector, out, at, n) => out.fill(Number.NaN, at, at + n),
}

/** The ends of int64 are DuckDB's infinities. */
const instant = (unitsPerMs: number) => (low: number, high: number) => {
  if (high === 2 ** 31 - 1 && low === TWO32 - 1) return Infinity
  if (high === -(2 ** 31) && low <= 1) return -Infinity
  return int64(low, high) / unitsPerMs
}

export const TIME_READERS: { [id: number]: Reader | undefined } = {
  [DuckDBTypeId.TIMESTAMP]: wide(instant(1000)),
  [DuckDBTypeId.TIMESTAMP_TZ]: wide(instant(1000)),
  [DuckDBTypeId.TIMESTAMP_MS]: wide(instant(1)),
  [DuckDBTypeId.TIMESTAMP_NS]: slow((value) => instantMs(value)!),
  [DuckDBTypeId.TIMESTAMP_S]: slow((value) => instantMs(value)!),
  [DuckDBTypeId.DATE]: (vector, out, at, n) => {
    const { buffer, byteOffset } = bytesOf(vector)
    const days = new Int32Array(buffer, byteOffset, n)
    for (let i = 0; i < n; i++) out[at + i] = dayMs(days[i]!)
  },
}

function numberReader(type: DuckDBType): Reader | undefined {
  if (type.typeId !== DuckDBTypeId.DECIMAL) return NUMBER_READERS[type.typeId]
  const { width, scale } = type as DuckDBType & { width: number; scale: number }
  const unit = 10 ** scale
  if (width > 18) return slow((value) => Number(String(value)))
  if (width > 15) return decimal64(unit)
  return divided(width <= 4 ? lane(Int16Array) : width <= 9 ? lane(Int32Array) : wide(int64), unit)
}

/** Up to 15 digits: the integer and the power of ten are exact, so one division rounds correctly. */
const divided =
  (read: Reader, unit: number): Reader =>
  (vector, out, at, n) => {
    read(vector, out, at, n)
    for (let i = at; i < at + n; i++) out[i]! /= unit
  }

/** 16 to 18 digits: exact below 2^53, else through DuckDB's text. */
const decimal64 =
  (unit: number): Reader =>
  (vector, out, at, n) => {
    wide(int64)(vector, out, at, n)
    for (let i = 0; i < n; i++) {
      const whole = out[at + i]!
      out[at + i] =
        Math.abs(whole) <= Number.MAX_SAFE_INTEGER ? whole / unit : Number(String(vector.getItem(i)))
    }
  }

class NumberBuilder implements ColumnBuilder {
  private readonly kind: 'number' | 'time'
  private readonly read: Reader
  private readonly values: Float64Array

  constructor(nRows: number, kind: 'number' | 'time', read: Reader) {
    this.values = new Float64Array(nRows)
    this.kind = kind
    this.read = read
  }

  add(vector: DuckDBVector, at: number, n: number): void {
    this.read(vector, this.values, at, n)
    blank(this.values, at, n, validBitsOf(vector), Number.NaN)
  }

  finish(): ResultColumn {
    return { kind: this.kind, values: this.values }
  }
}

/** 1, 0, and -1 for a missing value. */
class BoolBuilder implements ColumnBuilder {
  private readonly values: Int8Array

  constructor(nRows: number) {
    this.values = new Int8Array(nRows)
  }

  add(vector: DuckDBVector, at: number, n: number): void {
    const { buffer, byteOffset } = bytesOf(vector)
    const bytes = new Uint8Array(buffer, byteOffset, n)
    for (let i = 0; i < n; i++) this.values[at + i] = bytes[i] === 0 ? 0 : 1
    blank(this.values, at, n, validBitsOf(vector), -1)
  }

  finish(): ResultColumn {
    return { kind: 'bool', values: this.values }
  }
}

/** Enum columns keep the order of their own dictionary. */
class EnumBuilder implements ColumnBuilder {
  private readonly categories: readonly string[]
  private readonly codes: Int32Array

  constructor(nRows: number, categories: readonly string[]) {
    this.codes = new Int32Array(nRows)
    this.categories = categories
  }

  add(vector: DuckDBVector, at: number, n: number): void {
    this.codes.set((vector as unknown as { items: ArrayLike<number> }).items, at)
    blank(this.codes, at, n, validBitsOf(vector), -1)
  }

  finish(): ResultColumn {
    return { kind: 'category', codes: this.codes, categories: [...this.categories] }
  }
}

/** Strings as they are; anything without a compact form as text (nested values as JSON). */
class StringBuilder implements ColumnBuilder {
  private readonly values: (string | null)[]

  constructor(nRows: number) {
    this.values = new Array<string | null>(nRows).fill(null)
  }

  add(vector: DuckDBVector, at: number, n: number): void {
    const bits = validBitsOf(vector)
    for (let i = 0; i < n; i++) if (isValid(bits, i)) this.values[at + i] = textOf(toPlain(vector.getItem(i)))
  }

  finish(): ResultColumn {
    return { kind: 'string', values: this.values }
  }
}
