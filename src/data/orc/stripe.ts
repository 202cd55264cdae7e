/** One stripe: where its streams lie, what its index says, and the bytes of its streams, of all rows or of some of its groups. Source: ORC specification v1, "Stripes", "Indexes". */
import {
  addInts,
  bytesOf,
  dataView,
  type FieldReaders,
  readMessage,
  textOf,
  varintsOf,
  type WireField,
} from '../../model/import/protobuf.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import { CHUNK_HEADER_BYTES, chunkHeader, type Packing, unpackChunks } from './compression.ts'
import type { OrcSource } from './source.ts'
import { type ColumnStatistics, count, countOf, type OrcTail, readStatistics, type Stripe } from './tail.ts'

export const STREAM = {
  present: 0,
  data: 1,
  length: 2,
  dictionary: 3,
  secondary: 5,
  rowIndex: 6,
  bloomUtf8: 8,
} as const

export interface Stream {
  kind: number
  column: number
  begin: number
  bytes: number
}

export const ENCODINGS = ['direct', 'dictionary', 'direct-v2', 'dictionary-v2'] as const

export interface ColumnEncoding {
  kind: (typeof ENCODINGS)[number]
  dictionarySize: number
}

export interface IndexEntry {
  /** Of each stream of the column by turns: where the group begins. */
  positions: number[]
  statistics: ColumnStatistics
}

export interface BloomFilter {
  nHashes: number
  /** Words of 64 bits. */
  bits: BigUint64Array
}

/** Rows of a stripe, `begin` to `end` (exclusive), on the borders of its groups. */
export interface RowRange {
  begin: number
  end: number
}

export class StripeReader {
  readonly stripe: Stripe
  readonly encodings: ColumnEncoding[]
  /** Zone of the clock that wrote the times; UTC where none is named. */
  readonly zone: string
  readonly refuse: Refuse
  readonly #source: OrcSource
  readonly #packing: Packing
  readonly #stride: number
  readonly #streams: Stream[]
  readonly #indexes = new Map<number, IndexEntry[]>()

  /** Reads the stripe's footer. Errors: by `refuse`. */
  constructor(source: OrcSource, tail: OrcTail, stripe: Stripe, refuse: Refuse) {
    this.stripe = stripe
    this.refuse = refuse
    this.#source = source
    this.#packing = tail
    this.#stride = tail.stride
    const begin = stripe.offset + stripe.indexBytes + stripe.dataBytes
    const bytes = unpackChunks(source.read(begin, begin + stripe.footerBytes), tail, refuse)
    const footer = readStripeFooter(bytes, refuse)
    this.zone = footer.zone
    this.encodings = footer.encodings
    if (footer.encodings.length < tail.types.length)
      throw refuse(
        'the encodings of a stripe',
        `one for each of ${tail.types.length} columns`,
        `${footer.encodings.length}`,
      )
    this.#streams = placed(footer.streams, stripe, refuse)
  }

  /** Rows of each group, and how many groups there are; one of all rows where there is no index. */
  get groups(): number {
    return this.#stride > 0 ? Math.ceil(this.stripe.rows / this.#stride) : 1
  }

  groupRows(group: number): RowRange {
    const stride = this.#stride || this.stripe.rows
    return { begin: group * stride, end: Math.min(this.stripe.rows, (group + 1) * stride) }
  }

  stream(column: number, kind: number): Stream | undefined {
    return this.#streams.find((one) => one.column === column && one.kind === kind)
  }

  /** Unpacked bytes of a whole stream. */
  bytes({ begin, bytes }: Stream): Uint8Array {
    return unpackChunks(this.#source.read(begin, begin + bytes), this.#packing, this.refuse)
  }

  /** Unpacked bytes from where a group begins, and those up to where the next one has begun for sure. `from` and `to` are chunk and place in it; no `to`: to the end. */
  bytesBetween(stream: Stream, from: Place, to: Place | undefined): Uint8Array {
    const end = stream.begin + stream.bytes
    const begin = stream.begin + from.chunk
    if (begin > end)
      throw this.refuse('an index', `within its stream of ${stream.bytes} bytes`, `${from.chunk}`)
    const stop = to === undefined ? end : Math.min(end, this.#stopAfter(stream, to))
    const bytes = unpackChunks(this.#source.read(begin, stop), this.#packing, this.refuse)
    if (from.inChunk > bytes.length) throw this.refuse('an index', 'within its chunk', `${from.inChunk}`)
    return bytes.subarray(from.inChunk)
  }

  /** A run that begins before a place may end in the chunk after the place's own. */
  #stopAfter(stream: Stream, to: Place): number {
    if (this.#packing.compression === 'none') return stream.begin + to.chunk + RUN_BYTES_MAX
    const end = stream.begin + stream.bytes
    let at = stream.begin + to.chunk
    for (let chunks = 0; chunks < 2 && at < end; chunks++) {
      if (at + CHUNK_HEADER_BYTES > end) throw this.refuse('a stream', 'whole chunks', 'cut off')
      at += CHUNK_HEADER_BYTES + chunkHeader(this.#source.read(at, at + CHUNK_HEADER_BYTES)).length
    }
    return at
  }

  /** Entries of a column's index by group; undefined where it has none. */
  index(column: number): IndexEntry[] | undefined {
    const known = this.#indexes.get(column)
    if (known) return known
    const stream = this.stream(column, STREAM.rowIndex)
    if (!stream) return undefined
    const entries = readIndex(this.bytes(stream), this.refuse)
    this.#indexes.set(column, entries)
    return entries
  }

  /** Bloom filters of a column by group; undefined where it has none, or only those of old writers, which hashed texts in an encoding of their machine's. */
  blooms(column: number): BloomFilter[] | undefined {
    const stream = this.stream(column, STREAM.bloomUtf8)
    return stream && readBlooms(this.bytes(stream), this.refuse)
  }

  get isPacked(): boolean {
    return this.#packing.compression !== 'none'
  }
}

/** A place in a stream: the chunk that it lies in, by its first byte, and the byte in it when unpacked. */
export interface Place {
  chunk: number
  inChunk: number
}

/** Longest run of any encoding, in bytes: 512 integers of ten bytes and what stands before them. */
const RUN_BYTES_MAX = 8_192

interface StripeFooter {
  streams: Omit<Stream, 'begin'>[]
  encodings: ColumnEncoding[]
  zone: string
}

function readStripeFooter(bytes: Uint8Array, refuse: Refuse): StripeFooter {
  const streamReaders: FieldReaders<Omit<Stream, 'begin'>> = {
    1: count('kind', refuse),
    2: count('column', refuse),
    3: count('bytes', refuse),
  }
  const encodingReaders: FieldReaders<ColumnEncoding> = {
    1: (m, f) => {
      const code = countOf(f, refuse)
      const kind = ENCODINGS[code]
      if (kind === undefined) throw refuse('an encoding', ENCODINGS.join(', '), `number ${code}`)
      m.kind = kind
    },
    2: count('dictionarySize', refuse),
  }
  const into: StripeFooter = { streams: [], encodings: [], zone: '' }
  return readMessage(
    bytes,
    into,
    {
      1: (m, f) =>
        void m.streams.push(
          readMessage(bytesOf(f, refuse), { kind: 0, column: 0, bytes: 0 }, streamReaders, refuse),
        ),
      2: (m, f) =>
        void m.encodings.push(
          readMessage(bytesOf(f, refuse), { kind: 'direct', dictionarySize: 0 }, encodingReaders, refuse),
        ),
      3: (m, f) => {
        m.zone = textOf(f, refuse)
      },
    },
    refuse,
  )
}

/** Streams follow one another in the order of the footer. */
function placed(streams: StripeFooter['streams'], stripe: Stripe, refuse: Refuse): Stream[] {
  const end = stripe.offset + stripe.indexBytes + stripe.dataBytes
  let begin = stripe.offset
  return streams.map((stream) => {
    const one = { ...stream, begin }
    begin += stream.bytes
    if (begin > end) throw refuse('a stream', `within its stripe, up to byte ${end}`, `up to byte ${begin}`)
    return one
  })
}

function readIndex(bytes: Uint8Array, refuse: Refuse): IndexEntry[] {
  const entryReaders: FieldReaders<IndexEntry> = {
    1: (m, f) => addInts(m.positions, f, refuse),
    2: (m, f) => {
      m.statistics = readStatistics(bytesOf(f, refuse), refuse)
    },
  }
  const empty = (): IndexEntry => ({ positions: [], statistics: { values: 0, hasNull: true } })
  const into: IndexEntry[] = []
  return readMessage(
    bytes,
    into,
    { 1: (list, f) => void list.push(readMessage(bytesOf(f, refuse), empty(), entryReaders, refuse)) },
    refuse,
  )
}

function readBlooms(bytes: Uint8Array, refuse: Refuse): BloomFilter[] {
  const readers: FieldReaders<BloomFilter> = {
    1: count('nHashes', refuse),
    2: (m, f) => {
      m.bits = withWord(m.bits, f, refuse)
    },
    3: (m, f) => {
      m.bits = wordsOf(bytesOf(f, refuse), refuse)
    },
  }
  const into: BloomFilter[] = []
  return readMessage(
    bytes,
    into,
    {
      1: (list, f) =>
        void list.push(
          readMessage(bytesOf(f, refuse), { nHashes: 0, bits: new BigUint64Array(0) }, readers, refuse),
        ),
    },
    refuse,
  )
}

function withWord(bits: BigUint64Array, field: WireField, refuse: Refuse): BigUint64Array {
  const more =
    field.wire === 1 || field.wire === 2
      ? wordsOf(field.bytes, refuse)
      : BigUint64Array.from(varintsOf(field, refuse))
  const all = new BigUint64Array(bits.length + more.length)
  all.set(bits)
  all.set(more, bits.length)
  return all
}

function wordsOf(bytes: Uint8Array, refuse: Refuse): BigUint64Array {
  if (bytes.length % 8 !== 0) throw refuse('a bloom filter', 'of whole words', `${bytes.length} bytes`)
  const view = dataView(bytes)
  return BigUint64Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigUint64(i * 8, true))
}
