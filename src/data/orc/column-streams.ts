/** The streams of one column of a stripe, from its beginning or from where a group of rows begins. Source: ORC specification v1, "Indexes", "Column Encodings". */
import { bitRuns, byteRuns, type Cursor, type Ints, intRuns } from './runs.ts'
import { type ColumnEncoding, type Place, STREAM, type StripeReader } from './stripe.ts'
import { isShortDecimal, type OrcKind, type OrcTail, type OrcType } from './tail.ts'

type Name = 'data' | 'length' | 'secondary' | 'dictionary'

/** The streams of one column. */
export class Streams {
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
  type: OrcType,
  tail: OrcTail,
): { name: Name | 'present'; extra: keyof typeof EXTRA }[] {
  const { id, kind } = type
  const present = stripe.stream(id, STREAM.present) ? [{ name: 'present', extra: 'bits' } as const] : []
  const isWords = stripe.encodings[id]!.kind.startsWith('dictionary')
  return [...present, ...layoutOfKind(kind, isWords, isShortDecimal(tail, type))]
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
