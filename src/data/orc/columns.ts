/** Columns of a stripe, decoded. Values are kept for the rows that have one; `rank` says which of them a row has. Source: ORC specification v1, "Column Encodings". */
import { dayOf, mod } from '../../expr/calendar.ts'
import { zoneOf } from '../../expr/zones.ts'
import { Streams } from './column-streams.ts'
import { bigVarints } from './runs.ts'
import type { RowRange, StripeReader } from './stripe.ts'
import { isShortDecimal, type OrcTail, type OrcType } from './tail.ts'
import type { Held, OrcColumn } from './values.ts'

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
  /** Absent where the stripe is read whole. */
  readonly #groups?: { first: number; next: number }

  constructor(stripe: StripeReader, tail: OrcTail, range: RowRange) {
    this.#stripe = stripe
    this.#tail = tail
    const isWhole = range.begin === 0 && range.end === stripe.stripe.rows
    if (!isWhole)
      this.#groups = { first: range.begin / tail.stride, next: Math.ceil(range.end / tail.stride) }
  }

  column(type: OrcType, rows: number): OrcColumn {
    if (rows > VALUES_MAX)
      throw this.#stripe.refuse(`column ${type.id}`, `of at most ${VALUES_MAX} values`, `${rows}`)
    const streams = new Streams(this.#stripe, type, this.#groups, this.#tail)
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

  #decimals(type: OrcType, streams: Streams, n: number): Values {
    const { id, scale } = type
    if (isShortDecimal(this.#tail, type))
      return { kind: 'decimal', values: [...streams.ints('data', n, true).values], scale }
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
