/** Columns of a stripe, decoded. Values are kept for the rows that have one; `rank` says which of them a row has. Source: ORC specification v1, "Column Encodings". */
import { civilOf, dayOf, MS, mod } from '../../expr/calendar.ts'
import { zoneOf } from '../../expr/zones.ts'
import { bigVarints, bitRuns, byteRuns, type Cursor, type Ints, intRuns } from './runs.ts'
import { type ColumnEncoding, type Place, type RowRange, STREAM, type StripeReader } from './stripe.ts'
import type { OrcKind, OrcTail, OrcType } from './tail.ts'

interface Held {
  rows: number
  /** Place of each row's value among the values, −1 where it has none; undefined where all rows have one. */
  rank?: Int32Array
}

/** Values by kind. Times are microseconds of the wall clock (of UTC for instants) with what is left of the nanoseconds, dates are days since 1970 of the proleptic Gregorian calendar. */
export type OrcColumn = Held &
  (
    | { kind: 'boolean'; values: Uint8Array }
    | { kind: 'byte' | 'short' | 'int' | 'date'; values: Int32Array }
    | { kind: 'long'; values: BigInt64Array }
    | { kind: 'float'; values: Float32Array }
    | { kind: 'double'; values: Float64Array }
    | { kind: 'string' | 'varchar' | 'char'; values: string[] }
    | { kind: 'binary'; values: Uint8Array[] }
    | { kind: 'decimal'; values: bigint[]; scale: number; scales?: Int32Array }
    | { kind: 'timestamp' | 'instant'; values: BigInt64Array; nanos: Int32Array }
    | { kind: 'list'; begins: Int32Array; child: OrcColumn }
    | { kind: 'map'; begins: Int32Array; keys: OrcColumn; items: OrcColumn }
    | { kind: 'struct'; fields: { name: string; column: OrcColumn }[] }
    | { kind: 'union'; tags: Uint8Array; places: Int32Array; children: OrcColumn[] }
  )

type Values = OrcColumn extends infer C ? (C extends OrcColumn ? Omit<C, keyof Held> : never) : never

/** Values that a column of one group range may have at most, so that lengths in a file cannot ask for memory without bound. */
const VALUES_MAX = 2 ** 28

/** Decodes one column, and what is in it, of a range of rows. Errors: by the stripe's `refuse`. */
export function decodeColumn(stripe: StripeReader, tail: OrcTail, id: number, range: RowRange): OrcColumn {
  return new Decoder(stripe, tail, range).column(tail.types[id]!, range.end - range.begin)
}

class Decoder {
  readonly #stripe: StripeReader
  readonly #tail: OrcTail
  readonly #isWhole: boolean
  readonly #groups: { first: number; next: number }

  constructor(stripe: StripeReader, tail: OrcTail, range: RowRange) {
    this.#stripe = stripe
    this.#tail = tail
    this.#isWhole = range.begin === 0 && range.end === stripe.stripe.rows
    const stride = tail.stride || stripe.stripe.rows
    this.#groups = { first: range.begin / stride, next: Math.ceil(range.end / stride) }
  }

  column(type: OrcType, rows: number): OrcColumn {
    if (rows > VALUES_MAX)
      throw this.#stripe.refuse(`column ${type.id}`, `of at most ${VALUES_MAX} values`, `${rows}`)
    const streams = this.#streamsOf(type)
    const rank = streams.present && rankOf(streams.present(rows))
    const n = rank === undefined ? rows : countIn(rank)
    const values = this.#values(type, streams, n)
    return { rows, ...(rank && n < rows && { rank }), ...values } as OrcColumn
  }

  #values(type: OrcType, streams: Streams, n: number): Values {
    switch (type.kind) {
      case 'boolean':
        return { kind: type.kind, values: streams.bits('data', n) }
      case 'byte':
        return { kind: type.kind, values: Int32Array.from(new Int8Array(streams.bytes('data', n).buffer)) }
      case 'short':
      case 'int':
        return { kind: type.kind, values: streams.ints('data', n, true).low() }
      case 'date':
        return { kind: type.kind, values: this.#days(streams.ints('data', n, true).low()) }
      case 'long':
        return { kind: type.kind, values: streams.ints('data', n, true).values }
      case 'float':
        return { kind: type.kind, values: new Float32Array(streams.plain('data', n * 4).buffer) }
      case 'double':
        return { kind: type.kind, values: new Float64Array(streams.plain('data', n * 8).buffer) }
      case 'string':
      case 'varchar':
      case 'char':
        return { kind: type.kind, values: this.#texts(type, streams, n) }
      case 'binary':
        return {
          kind: type.kind,
          values: pieces(streams.rest('data'), streams.lengths('length', n), this.#stripe),
        }
      case 'decimal':
        return this.#decimals(type, streams, n)
      case 'timestamp':
      case 'instant':
        return this.#times(type.kind, streams, n)
      case 'list': {
        const begins = beginsOf(streams.lengths('length', n))
        return { kind: type.kind, begins, child: this.#child(type, 0, begins[n]!) }
      }
      case 'map': {
        const begins = beginsOf(streams.lengths('length', n))
        return {
          kind: type.kind,
          begins,
          keys: this.#child(type, 0, begins[n]!),
          items: this.#child(type, 1, begins[n]!),
        }
      }
      case 'struct':
        return {
          kind: type.kind,
          fields: type.children.map((_, i) => ({ name: type.names[i]!, column: this.#child(type, i, n) })),
        }
      case 'union':
        return this.#union(type, streams.bytes('data', n))
    }
  }

  #child(type: OrcType, i: number, rows: number): OrcColumn {
    return this.column(this.#tail.types[type.children[i]!]!, rows)
  }

  #union(type: OrcType, tags: Uint8Array): Values {
    const counts = new Int32Array(type.children.length)
    const places = Int32Array.from(tags, (tag) => {
      if (tag >= counts.length)
        throw this.#stripe.refuse('the tag of a union', `below ${counts.length}`, `${tag}`)
      return counts[tag]!++
    })
    return {
      kind: 'union',
      tags,
      places,
      children: type.children.map((_, i) => this.#child(type, i, counts[i]!)),
    }
  }

  #texts({ id }: OrcType, streams: Streams, n: number): string[] {
    const { kind, dictionarySize } = this.#stripe.encodings[id]!
    if (kind === 'direct' || kind === 'direct-v2')
      return texts(streams.rest('data'), streams.lengths('length', n), this.#stripe)
    const words = texts(
      streams.whole('dictionary'),
      streams.wholeLengths('length', dictionarySize),
      this.#stripe,
    )
    return Array.from(streams.ints('data', n, false).low(), (i) => {
      const word = words[i]
      if (word === undefined)
        throw this.#stripe.refuse('a text', `one of the ${words.length} of its dictionary`, `number ${i}`)
      return word
    })
  }

  #decimals({ id, precision, scale }: OrcType, streams: Streams, n: number): Values {
    const isShort =
      this.#tail.version[0] === 1 && this.#tail.version[1] === 9_999 && precision > 0 && precision <= 18
    if (isShort) return { kind: 'decimal', values: [...streams.ints('data', n, true).values], scale }
    const values = bigVarints(streams.cursor('data'), n)
    const scales = streams.ints('secondary', n, true).low()
    const outOf = scales.find((one) => one < -38 || one > 76)
    if (outOf !== undefined)
      throw this.#stripe.refuse(`the scale of column ${id}`, 'from -38 to 76', `${outOf}`)
    return { kind: 'decimal', values, scale, ...(scales.some((one) => one !== scale) && { scales }) }
  }

  #days(days: Int32Array): Int32Array {
    return this.#tail.isHybridCalendar ? days.map(fromHybrid) : days
  }

  /** Seconds count from 2015 in the writer's zone; a second before 1970 with a fraction was written one too late. */
  #times(kind: 'timestamp' | 'instant', streams: Streams, n: number): Values {
    const seconds = streams.ints('data', n, true).values
    const parts = streams.ints('secondary', n, false).values
    const toWall = kind === 'instant' ? (instant: number) => instant : wallOf(this.#stripe.zone || 'UTC')
    const epoch = kind === 'instant' ? EPOCH : epochOf(this.#stripe.zone || 'UTC')
    const values = new BigInt64Array(n)
    const nanos = new Int32Array(n)
    for (let i = 0; i < n; i++) {
      const part = nanosOf(Number(parts[i]!))
      let second = toWall((Number(seconds[i]!) + epoch) * 1000) / 1000
      if (part < 0 || (second < 0 && part > 999_999)) second -= 1
      const fraction = part < 0 ? part + 1_000_000_000 : part
      if (this.#tail.isHybridCalendar && second < GREGORIAN_DAY * 86_400) {
        const day = Math.floor(second / 86_400)
        second += (fromHybrid(day) - day) * 86_400
      }
      values[i] = BigInt.asIntN(64, BigInt(second) * 1_000_000n + BigInt(Math.floor(fraction / 1000)))
      nanos[i] = fraction % 1000
    }
    return { kind, values, nanos }
  }

  // ---------------------------------------------------------------- streams

  #streamsOf(type: OrcType): Streams {
    return new Streams(this.#stripe, type, this.#isWhole ? undefined : this.#groups, this.#tail)
  }
}

type Name = 'data' | 'length' | 'secondary' | 'dictionary'

/** The streams of one column. */
class Streams {
  readonly present?: (rows: number) => Uint8Array
  readonly #stripe: StripeReader
  readonly #id: number
  readonly #encoding: ColumnEncoding
  readonly #places: ((name: Name | 'present') => Started) | undefined

  constructor(
    stripe: StripeReader,
    type: OrcType,
    groups: { first: number; next: number } | undefined,
    tail: OrcTail,
  ) {
    this.#stripe = stripe
    this.#id = type.id
    this.#encoding = stripe.encodings[type.id]!
    if (stripe.stream(type.id, STREAM.present)) this.present = (rows) => this.bits('present', rows)
    if (groups) this.#places = startsOf(stripe, type, groups, tail)
  }

  get #version(): 1 | 2 {
    return this.#encoding.kind.endsWith('v2') ? 2 : 1
  }

  cursor(name: Name | 'present'): Cursor & { skip: number; skipBits: number } {
    const stream = this.#stripe.stream(this.#id, STREAM[name])
    const { refuse } = this.#stripe
    if (!stream) return { bytes: new Uint8Array(0), at: 0, refuse, skip: 0, skipBits: 0 }
    if (!this.#places) return { bytes: this.#stripe.bytes(stream), at: 0, refuse, skip: 0, skipBits: 0 }
    const { from, to, skip, skipBits } = this.#places(name)
    return { bytes: this.#stripe.bytesBetween(stream, from, to), at: 0, refuse, skip, skipBits }
  }

  bits(name: Name | 'present', n: number): Uint8Array {
    const cursor = this.cursor(name)
    const before = cursor.skip * 8 + cursor.skipBits
    return bitRuns(cursor, before + n).slice(before)
  }

  bytes(name: Name, n: number): Uint8Array {
    const cursor = this.cursor(name)
    return byteRuns(cursor, cursor.skip + n).slice(cursor.skip)
  }

  ints(name: Name, n: number, isSigned: boolean): Ints {
    const cursor = this.cursor(name)
    const all = intRuns(cursor, cursor.skip + n, isSigned, this.#version)
    return cursor.skip === 0 ? all : all.from(cursor.skip)
  }

  lengths(name: Name, n: number): Int32Array {
    return this.ints(name, n, false).low()
  }

  /** Bytes as they are, `n` of them, in memory of their own. */
  plain(name: Name, n: number): Uint8Array {
    const bytes = this.rest(name)
    if (bytes.length < n) throw this.#stripe.refuse('a stream', `of ${n} bytes`, `${bytes.length}`)
    const own = new Uint8Array(n)
    own.set(bytes.subarray(0, n))
    return own
  }

  /** All bytes there are from where the rows begin. */
  rest(name: Name): Uint8Array {
    return this.cursor(name).bytes
  }

  /** A stream that all groups share. */
  whole(name: Name): Uint8Array {
    const stream = this.#stripe.stream(this.#id, STREAM[name])
    return stream ? this.#stripe.bytes(stream) : new Uint8Array(0)
  }

  wholeLengths(name: Name, n: number): Int32Array {
    const bytes = this.whole(name)
    return intRuns({ bytes, at: 0, refuse: this.#stripe.refuse }, n, false, this.#version).low()
  }
}

interface Started {
  from: Place
  to?: Place
  /** Values, or bytes of bits, before the first in its run; bits before it in its byte. */
  skip: number
  skipBits: number
}

/** Numbers of a position, besides its place, by the kind of run. */
const EXTRA = { none: 0, run: 1, bits: 2 } as const

/** Positions of a column's streams, one after the other as the index has them. */
function startsOf(
  stripe: StripeReader,
  type: OrcType,
  { first, next }: { first: number; next: number },
  tail: OrcTail,
): (name: Name | 'present') => Started {
  const index = stripe.index(type.id)
  const { refuse } = stripe
  const layout = layoutOf(stripe, type, tail)
  const at = (group: number): Map<string, number[]> => {
    const positions = index?.[group]?.positions
    const found = new Map<string, number[]>()
    let i = 0
    for (const { name, extra } of layout) {
      const length = (stripe.isPacked ? 2 : 1) + EXTRA[extra]
      if (!positions || i + length > positions.length)
        throw refuse(`the index of column ${type.id}`, `${length} numbers for "${name}"`, 'fewer')
      found.set(name, positions.slice(i, i + length))
      i += length
    }
    return found
  }
  const [begin, end] = [at(first), next < stripe.groups ? at(next) : undefined]
  const placeOf = ([chunk, inChunk]: number[]): Place =>
    stripe.isPacked ? { chunk: chunk!, inChunk: inChunk! } : { chunk: chunk!, inChunk: 0 }
  return (name) => {
    const own = begin.get(name) ?? []
    const [skip = 0, skipBits = 0] = own.slice(stripe.isPacked ? 2 : 1)
    const to = end?.get(name)
    return { from: placeOf(own), ...(to && { to: placeOf(to) }), skip, skipBits }
  }
}

function layoutOf(
  stripe: StripeReader,
  { id, kind, precision }: OrcType,
  tail: OrcTail,
): { name: Name | 'present'; extra: keyof typeof EXTRA }[] {
  const present = stripe.stream(id, STREAM.present) ? [{ name: 'present', extra: 'bits' } as const] : []
  const isWords = stripe.encodings[id]!.kind.startsWith('dictionary')
  const isShort = tail.version[1] === 9_999 && precision > 0 && precision <= 18
  return [...present, ...layoutOfKind(kind, isWords, isShort)]
}

function layoutOfKind(
  kind: OrcKind,
  isWords: boolean,
  isShort: boolean,
): { name: Name; extra: keyof typeof EXTRA }[] {
  switch (kind) {
    case 'boolean':
      return [{ name: 'data', extra: 'bits' }]
    case 'float':
    case 'double':
      return [{ name: 'data', extra: 'none' }]
    case 'string':
    case 'varchar':
    case 'char':
      return isWords
        ? [{ name: 'data', extra: 'run' }]
        : [
            { name: 'data', extra: 'none' },
            { name: 'length', extra: 'run' },
          ]
    case 'binary':
      return [
        { name: 'data', extra: 'none' },
        { name: 'length', extra: 'run' },
      ]
    case 'decimal':
      return isShort
        ? [{ name: 'data', extra: 'run' }]
        : [
            { name: 'data', extra: 'none' },
            { name: 'secondary', extra: 'run' },
          ]
    case 'timestamp':
    case 'instant':
      return [
        { name: 'data', extra: 'run' },
        { name: 'secondary', extra: 'run' },
      ]
    case 'list':
    case 'map':
      return [{ name: 'length', extra: 'run' }]
    case 'struct':
      return []
    default:
      return [{ name: 'data', extra: 'run' }]
  }
}

// ---------------------------------------------------------------- values

function rankOf(present: Uint8Array): Int32Array {
  let n = 0
  return Int32Array.from(present, (bit) => (bit ? n++ : -1))
}

function countIn(rank: Int32Array): number {
  for (let i = rank.length - 1; i >= 0; i--) if (rank[i]! >= 0) return rank[i]! + 1
  return 0
}

function beginsOf(lengths: Int32Array): Int32Array {
  const begins = new Int32Array(lengths.length + 1)
  for (let i = 0; i < lengths.length; i++) begins[i + 1] = begins[i]! + lengths[i]!
  return begins
}

function pieces(bytes: Uint8Array, lengths: Int32Array, { refuse }: StripeReader): Uint8Array[] {
  let at = 0
  return Array.from(lengths, (length) => {
    if (length < 0 || at + length > bytes.length)
      throw refuse('a value', `within the ${bytes.length} bytes of its stream`, `${length} bytes at ${at}`)
    at += length
    return bytes.subarray(at - length, at)
  })
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

function texts(bytes: Uint8Array, lengths: Int32Array, stripe: StripeReader): string[] {
  return pieces(bytes, lengths, stripe).map((piece) => UTF8.decode(piece))
}

/** Trailing zeros are taken off and counted in the last three bits. Arrow writes negative ones before 1970, whose second is then the later one. */
function nanosOf(packed: number): number {
  const zeros = mod(packed, 8)
  const value = Math.floor(packed / 8)
  return zeros === 0 ? value : value * 10 ** (zeros + 1)
}

/** 2015-01-01 00:00:00, in seconds. */
const EPOCH = Date.UTC(2015, 0, 1) / 1000

const epochOf = (zone: string): number => zoneOf(zone).fromWall(EPOCH * 1000) / 1000

const wallOf = (zone: string): ((instant: number) => number) => zoneOf(zone).toWall

/** Day number of 1582-10-15, the first of the Gregorian calendar. */
const GREGORIAN_DAY = dayOf(1582, 10, 15)

/** The same date in the proleptic Gregorian calendar, of a day that the Julian calendar counted where it is before 1582-10-15. */
function fromHybrid(day: number): number {
  if (day >= GREGORIAN_DAY) return day
  const { year, month, day: date } = julianOf(day)
  return dayOf(year, month, date)
}

/** Date by the Julian calendar of a day number. Its four-year cycle has 1,461 days; 1970-01-01 was its 1969-12-19. */
function julianOf(day: number): { year: number; month: number; day: number } {
  const since = day + 719_470
  const cycle = Math.floor(since / 1_461)
  const inCycle = since - cycle * 1_461
  const yearInCycle = Math.min(3, Math.floor(inCycle / 365))
  const dayOfYear = inCycle - yearInCycle * 365
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  return {
    year: cycle * 4 + yearInCycle + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  }
}

// ---------------------------------------------------------------- a value of a row

export type OrcValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | OrcValue[]
  | { [name: string]: OrcValue }

/** Place of a row's value, −1 where it has none. */
export const placeOf = ({ rank }: OrcColumn, row: number): number => (rank ? rank[row]! : row)

/** One value. Longs are bigint; times, dates and decimals are text; maps are lists of `{ key, value }`, unions `{ tag, value }`. */
export function valueAt(column: OrcColumn, row: number): OrcValue {
  const at = placeOf(column, row)
  if (at < 0) return null
  switch (column.kind) {
    case 'boolean':
      return column.values[at] === 1
    case 'date':
      return dateText(column.values[at]!)
    case 'decimal':
      return decimalText(column.values[at]!, column.scales?.[at] ?? column.scale)
    case 'timestamp':
    case 'instant':
      return timeText(column.values[at]!, column.nanos[at]!)
    case 'list':
      return span(column.begins, at, (i) => valueAt(column.child, i))
    case 'map':
      return span(column.begins, at, (i) => ({
        key: valueAt(column.keys, i),
        value: valueAt(column.items, i),
      }))
    case 'struct': {
      const entries = column.fields.map(({ name, column: field }) => [name, valueAt(field, at)] as const)
      return Object.fromEntries(entries)
    }
    case 'union': {
      const tag = column.tags[at]!
      return { tag, value: valueAt(column.children[tag]!, column.places[at]!) }
    }
    default:
      return column.values[at]!
  }
}

function span<T>(begins: Int32Array, at: number, take: (i: number) => T): T[] {
  return Array.from({ length: begins[at + 1]! - begins[at]! }, (_, i) => take(begins[at]! + i))
}

function dateText(day: number): string {
  const { year, month, day: date } = civilOf(day)
  const years = year >= 0 ? String(year).padStart(4, '0') : `-${String(-year).padStart(4, '0')}`
  return `${years}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}

const DAY_MICROS = BigInt(MS.day) * 1000n

function timeText(micros: bigint, nanos: number): string {
  const inDay = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS
  const seconds = Number(inDay / 1_000_000n)
  const fraction = Number(inDay % 1_000_000n) * 1000 + nanos
  const two = (n: number) => String(n).padStart(2, '0')
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((n) => two(Math.floor(n))).join(':')
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '')
  return `${dateText(Number((micros - inDay) / DAY_MICROS))} ${clock}${digits && `.${digits}`}`
}

export function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return String(value * 10n ** BigInt(-scale))
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
