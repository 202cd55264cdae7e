/** Builders of typed columns: each grows while chunks stream in, and starts anew after `take`. */
import { type DuckDBType, DuckDBTypeId, type DuckDBVector } from '@duckdb/node-api'
import type { TypedColumn } from '../ports.ts'
import { TextCodes, wordsOf } from './categories.ts'
import { type Reader, TIME_READERS } from './columns.ts'
import { toPlain } from './values.ts'
import { blank, bytesOf, isValid, validBitsOf } from './vectors.ts'

export interface TypedBuilder {
  /** Takes rows over; the vector's memory is not used afterwards. */
  add(vector: DuckDBVector, n: number): void
  /** The rows so far, which the caller owns; the builder is empty afterwards. */
  take(): TypedColumn
}

/** The builder for a type of DuckDB's; `capacity` rows are expected. */
export function typedBuilderOf(type: DuckDBType, capacity: number): TypedBuilder {
  const lane = LANES[type.typeId]
  if (lane) return new LaneBuilder(lane, capacity)
  if (type.typeId === DuckDBTypeId.VARCHAR && type.alias !== 'JSON') return new TextBuilder(capacity)
  return new PlainBuilder()
}

type Array_ = Uint8Array | Int32Array | BigInt64Array | Float64Array

interface Lane {
  type: 'bool' | 'int' | 'float' | 'time' | 'date'
  Array: new (length: number) => Array_
  missing: number
  read: (vector: DuckDBVector, out: never, at: number, n: number) => void
}

type Narrow =
  | typeof Int8Array
  | typeof Uint8Array
  | typeof Int16Array
  | typeof Uint16Array
  | typeof Int32Array
  | typeof BigInt64Array
  | typeof Float32Array
  | typeof Float64Array

const copied =
  (Type: Narrow) =>
  (vector: DuckDBVector, out: never, at: number, n: number): void => {
    const { buffer, byteOffset } = bytesOf(vector)
    ;(out as { set(from: unknown, at: number): void }).set(new Type(buffer, byteOffset, n), at)
  }

const int = (Type: Narrow): Lane => ({ type: 'int', Array: Int32Array, missing: 0, read: copied(Type) })
const time = (type: 'time' | 'date', read: Reader): Lane => ({
  type,
  Array: Float64Array,
  missing: Number.NaN,
  read: read as Lane['read'],
})

const LANES: { [id: number]: Lane | undefined } = {
  [DuckDBTypeId.BOOLEAN]: { type: 'bool', Array: Uint8Array, missing: 0, read: copied(Uint8Array) },
  [DuckDBTypeId.TINYINT]: int(Int8Array),
  [DuckDBTypeId.UTINYINT]: int(Uint8Array),
  [DuckDBTypeId.SMALLINT]: int(Int16Array),
  [DuckDBTypeId.USMALLINT]: int(Uint16Array),
  [DuckDBTypeId.INTEGER]: int(Int32Array),
  [DuckDBTypeId.BIGINT]: { type: 'int', Array: BigInt64Array, missing: 0, read: copied(BigInt64Array) },
  [DuckDBTypeId.FLOAT]: {
    type: 'float',
    Array: Float64Array,
    missing: Number.NaN,
    read: copied(Float32Array),
  },
  [DuckDBTypeId.DOUBLE]: {
    type: 'float',
    Array: Float64Array,
    missing: Number.NaN,
    read: copied(Float64Array),
  },
  [DuckDBTypeId.TIMESTAMP]: time('time', TIME_READERS[DuckDBTypeId.TIMESTAMP]!),
  [DuckDBTypeId.TIMESTAMP_TZ]: time('time', TIME_READERS[DuckDBTypeId.TIMESTAMP_TZ]!),
  [DuckDBTypeId.DATE]: time('date', TIME_READERS[DuckDBTypeId.DATE]!),
}

/** Which rows have a value, in Arrow's bits; nothing is kept until one is missing. */
class Validity {
  private bits: Uint8Array | undefined
  private n = 0

  add(bits: Uint8Array | undefined, n: number): void {
    const at = this.n
    this.n += n
    if (this.bits === undefined && (bits === undefined || allSet(bits, n))) return
    this.grow(at)
    const out = this.bits!
    if (bits && at % 8 === 0) {
      out.set(bits.subarray(0, (n + 7) >> 3), at >> 3)
      return
    }
    for (let i = 0; i < n; i++) {
      const to = at + i
      if (isValid(bits, i)) out[to >> 3]! |= 1 << (to & 7)
      else out[to >> 3]! &= ~(1 << (to & 7))
    }
  }

  /** Room for `n` rows; those before `at` all have a value when this is the first that are kept. */
  private grow(at: number): void {
    const bytes = (this.n + 7) >> 3
    if (this.bits && this.bits.length >= bytes) return
    const grown = new Uint8Array(Math.max(bytes, 2 * (this.bits?.length ?? 32)))
    if (this.bits) grown.set(this.bits)
    else {
      grown.fill(255, 0, at >> 3)
      if (at % 8 > 0) grown[at >> 3] = (1 << (at % 8)) - 1
    }
    this.bits = grown
  }

  take(): Uint8Array | undefined {
    const { bits, n } = this
    this.bits = undefined
    this.n = 0
    if (!bits) return undefined
    const own = bits.slice(0, (n + 7) >> 3)
    if (n % 8 > 0) own[own.length - 1]! &= (1 << (n % 8)) - 1
    return own
  }
}

function allSet(bits: Uint8Array, n: number): boolean {
  const whole = n >> 3
  for (let i = 0; i < whole; i++) if (bits[i] !== 255) return false
  const rest = (1 << (n & 7)) - 1
  return (n & 7) === 0 || (bits[whole]! & rest) === rest
}

class LaneBuilder implements TypedBuilder {
  private readonly lane: Lane
  private readonly validity = new Validity()
  private values: Array_
  private n = 0

  constructor(lane: Lane, capacity: number) {
    this.lane = lane
    this.values = new lane.Array(capacity)
  }

  add(vector: DuckDBVector, n: number): void {
    if (this.n + n > this.values.length) this.grow(this.n + n)
    this.lane.read(vector, this.values as never, this.n, n)
    const bits = validBitsOf(vector)
    if (bits) this.blank(bits, n)
    this.validity.add(bits, n)
    this.n += n
  }

  private blank(bits: Uint8Array, n: number): void {
    const { values } = this
    if (values instanceof BigInt64Array) {
      for (let i = 0; i < n; i++) if (!isValid(bits, i)) values[this.n + i] = 0n
    } else blank(values, this.n, n, bits, this.lane.missing)
  }

  private grow(rows: number): void {
    const grown = new this.lane.Array(Math.max(rows, 2 * this.values.length))
    grown.set(this.values as never)
    this.values = grown
  }

  take(): TypedColumn {
    const values = this.values.slice(0, this.n)
    this.n = 0
    const validity = this.validity.take()
    return { type: this.lane.type, values, ...(validity && { validity }) } as TypedColumn
  }
}

/** Strings as places in a dictionary, without making a string for a value that was seen before in the batch. */
class TextBuilder implements TypedBuilder {
  private readonly validity = new Validity()
  private codes: Int32Array
  private n = 0
  private texts = new TextCodes()

  constructor(capacity: number) {
    this.codes = new Int32Array(capacity)
  }

  add(vector: DuckDBVector, n: number): void {
    if (this.n + n > this.codes.length) this.grow(this.n + n)
    const bits = validBitsOf(vector)
    const words = wordsOf(vector, n)
    for (let i = 0; i < n; i++)
      this.codes[this.n + i] = isValid(bits, i) ? this.texts.ofCell(vector, words, i) : -1
    this.validity.add(bits, n)
    this.n += n
  }

  private grow(rows: number): void {
    const grown = new Int32Array(Math.max(rows, 2 * this.codes.length))
    grown.set(this.codes)
    this.codes = grown
  }

  take(): TypedColumn {
    const values = this.codes.slice(0, this.n)
    const dictionary = this.texts.all()
    const validity = this.validity.take()
    this.n = 0
    this.texts = new TextCodes()
    return { type: 'string', values, dictionary, ...(validity && { validity }) }
  }
}

class PlainBuilder implements TypedBuilder {
  private readonly validity = new Validity()
  private values: unknown[] = []

  add(vector: DuckDBVector, n: number): void {
    for (let i = 0; i < n; i++) this.values.push(toPlain(vector.getItem(i)))
    this.validity.add(validBitsOf(vector), n)
  }

  take(): TypedColumn {
    const { values } = this
    this.values = []
    const validity = this.validity.take()
    return { type: 'json', values, ...(validity && { validity }) }
  }
}
