/**
 * ORC written: a stripe at a time, with dictionaries where texts repeat, an index every 10,000 rows, statistics, and bloom filters of the columns that are asked for. Source: ORC
 * specification v1.
 */

import * as zlib from 'node:zlib'
import { deflateRawSync } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import { packedInts, WireWriter } from '../../model/import/protobuf.ts'
import { packLz4, packSnappy } from './block-pack.ts'
import { bloomOf } from './bloom.ts'
import { COMPRESSIONS } from './compression.ts'
import { ENCODINGS, STREAM } from './stripe.ts'
import { ORC_KINDS } from './tail.ts'
import { ByteSink, type WrittenRuns, writeBitRuns, writeIntRuns, zigzag } from './write-runs.ts'

/** What a written column can be: the types of a dataset. */
export type WrittenKind = 'boolean' | 'long' | 'double' | 'string' | 'timestamp' | 'date'

export interface WrittenField {
  name: string
  kind: WrittenKind
  /** Whether groups of rows get a bloom filter. */
  bloom?: boolean
}

/** Values by row, null where there is none: booleans, bigint for longs, numbers for doubles and dates (days since 1970), texts, and bigint microseconds for times. */
export type WrittenValue = null | boolean | number | bigint | string

export type WrittenCompression = 'none' | 'zlib' | 'snappy' | 'lz4' | 'zstd'

export interface OrcWriteOptions {
  /** Default: zlib, which every reader has. zstd needs Node 22.15. */
  compression?: WrittenCompression
  /** Rows of a stripe; default 200,000. */
  stripeRows?: number
  /** Rows between two entries of the index; default 10,000. */
  stride?: number
}

const BLOCK_BYTES = 262_144
const MAGIC = new TextEncoder().encode('ORC')
/** Writer of the file: unknown to the list of ORC, so its number for others; version of the format. */
const VERSION = [0, 12]
const PROLEPTIC = 2
/** Share of distinct texts up to which they have a dictionary. */
const DICTIONARY_MAX = 0.8
const TEXT_STATISTICS_BYTES = 1_024

/** Takes rows and gives bytes to `sink`, in order. Errors: MR_DATA_ORC_WRITE for a codec that this Node does not have. */
export class OrcWriter {
  readonly #sink: (bytes: Uint8Array) => void
  readonly #fields: readonly WrittenField[]
  readonly #pack: Pack
  readonly #stripeRows: number
  readonly #stride: number
  readonly #stripes: WireWriter[] = []
  readonly #stripeStatistics: WireWriter[] = []
  readonly #totals: Summary[]
  #columns: WrittenValue[][]
  #offset = 0
  #rows = 0
  /** Times whose fraction of a second ORC cannot say: in the last second before 1970. */
  cutTimes = 0

  constructor(
    sink: (bytes: Uint8Array) => void,
    fields: readonly WrittenField[],
    options: OrcWriteOptions = {},
  ) {
    this.#sink = sink
    this.#fields = fields
    this.#pack = new Pack(options.compression ?? 'zlib')
    this.#stripeRows = options.stripeRows ?? 200_000
    this.#stride = options.stride ?? 10_000
    this.#totals = fields.map(() => new Summary())
    this.#columns = fields.map(() => [])
    this.#write(MAGIC)
  }

  /** Rows by column, in the order of the fields. */
  add(columns: readonly (readonly WrittenValue[])[]): void {
    const rows = columns[0]?.length ?? 0
    for (let begin = 0; begin < rows; ) {
      const room = this.#stripeRows - this.#columns[0]!.length
      const end = Math.min(rows, begin + room)
      this.#columns.forEach((held, c) => {
        for (let i = begin; i < end; i++) held.push(columns[c]![i]!)
      })
      begin = end
      if (this.#columns[0]!.length === this.#stripeRows) this.#endStripe()
    }
  }

  /** Writes what is left and the end of the file. Gives the rows. */
  finish(): number {
    if ((this.#columns[0]?.length ?? 0) > 0) this.#endStripe()
    const metadata = new WireWriter()
    for (const stripe of this.#stripeStatistics) metadata.message(1, stripe)
    const metadataBytes = this.#pack.chunks(metadata.done()).bytes
    const footerBytes = this.#pack.chunks(this.#footer().done()).bytes
    const script = new WireWriter()
      .int(1, footerBytes.length)
      .int(2, COMPRESSIONS.indexOf(this.#pack.compression))
      .int(3, BLOCK_BYTES)
      .bytes(4, packedInts(VERSION))
      .int(5, metadataBytes.length)
      .int(6, 6)
      .bytes(8000, MAGIC)
      .done()
    this.#write(metadataBytes)
    this.#write(footerBytes)
    this.#write(script)
    this.#write(Uint8Array.of(script.length))
    return this.#rows
  }

  #write(bytes: Uint8Array): void {
    this.#sink(bytes)
    this.#offset += bytes.length
  }

  #footer(): WireWriter {
    const footer = new WireWriter().int(1, MAGIC.length).int(2, this.#offset)
    for (const stripe of this.#stripes) footer.message(3, stripe)
    const root = new WireWriter()
      .int(1, ORC_KINDS.indexOf('struct'))
      .bytes(2, packedInts(this.#fields.map((_, i) => i + 1)))
    for (const { name } of this.#fields) root.text(3, name)
    footer.message(4, root)
    for (const { kind } of this.#fields) footer.message(4, new WireWriter().int(1, ORC_KINDS.indexOf(kind)))
    footer.int(6, this.#rows)
    footer.message(7, countMessage(this.#rows, false))
    this.#fields.forEach(({ kind }, c) => {
      footer.message(7, this.#totals[c]!.message(kind))
    })
    return footer.int(8, this.#stride).int(11, PROLEPTIC)
  }

  #endStripe(): void {
    const rows = this.#columns[0]!.length
    const written = this.#fields.map((field, c) => this.#column(field, this.#columns[c]!))
    const streams: { kind: number; column: number; bytes: Uint8Array }[] = []
    const root = this.#rootIndex(rows)
    const index: typeof streams = [
      { kind: STREAM.rowIndex, column: 0, bytes: this.#pack.chunks(root.done()).bytes },
    ]
    const statistics = new WireWriter().message(1, countMessage(rows, false))
    written.forEach((column, c) => {
      index.push({
        kind: STREAM.rowIndex,
        column: c + 1,
        bytes: this.#pack.chunks(column.index.done()).bytes,
      })
      if (column.blooms)
        index.push({
          kind: STREAM.bloomUtf8,
          column: c + 1,
          bytes: this.#pack.chunks(column.blooms.done()).bytes,
        })
      for (const { kind, bytes } of column.streams) streams.push({ kind, column: c + 1, bytes })
      statistics.message(1, column.summary.message(this.#fields[c]!.kind))
      this.#totals[c]!.merge(column.summary)
    })
    const footer = new WireWriter()
    for (const { kind, column, bytes } of [...index, ...streams])
      footer.message(1, new WireWriter().int(1, kind).int(2, column).int(3, bytes.length))
    footer.message(2, new WireWriter().int(1, 0))
    for (const { encoding, dictionarySize } of written)
      footer.message(2, new WireWriter().int(1, ENCODINGS.indexOf(encoding)).int(2, dictionarySize))
    const footerBytes = this.#pack.chunks(footer.text(3, 'UTC').done()).bytes
    const total = (list: typeof streams) => list.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#stripes.push(
      new WireWriter()
        .int(1, this.#offset)
        .int(2, total(index))
        .int(3, total(streams))
        .int(4, footerBytes.length)
        .int(5, rows),
    )
    this.#stripeStatistics.push(statistics)
    for (const { bytes } of [...index, ...streams]) this.#write(bytes)
    this.#write(footerBytes)
    this.#rows += rows
    this.#columns = this.#fields.map(() => [])
  }

  #rootIndex(rows: number): WireWriter {
    const index = new WireWriter()
    for (let begin = 0; begin < rows; begin += this.#stride) {
      const statistics = countMessage(Math.min(this.#stride, rows - begin), false)
      index.message(1, new WireWriter().message(2, statistics))
    }
    return index
  }

  #column({ kind, bloom }: WrittenField, values: readonly WrittenValue[]): WrittenColumn {
    const known = values.filter((value) => value !== null)
    const present =
      known.length < values.length ? Uint8Array.from(values, (value) => (value === null ? 0 : 1)) : undefined
    const parts = this.#parts(kind, known)
    const streams: Part[] = present
      ? [{ ...bitsPart(present), kind: STREAM.present }, ...parts.streams]
      : parts.streams
    const packed = streams.map((part) => this.#pack.chunks(part.bytes))
    const index = new WireWriter()
    const blooms = bloom && kind !== 'boolean' && kind !== 'double' ? new WireWriter() : undefined
    const summary = new Summary()
    let before = 0
    for (let begin = 0; begin < values.length; begin += this.#stride) {
      const group = values.slice(begin, begin + this.#stride)
      const positions = streams.flatMap((part, s) => {
        if (!part.place) return []
        const { byte, more } = part.place(part.kind === STREAM.present ? begin : before)
        return [...packed[s]!.placeOf(byte), ...more]
      })
      const own = Summary.of(group, kind)
      summary.merge(own)
      index.message(1, new WireWriter().bytes(1, packedInts(positions)).message(2, own.message(kind)))
      blooms?.message(1, bloomMessage(group, kind))
      before += own.count
    }
    return {
      encoding: parts.encoding,
      dictionarySize: parts.dictionarySize,
      streams: streams.map(({ kind: stream }, s) => ({ kind: stream, bytes: packed[s]!.bytes })),
      index,
      blooms,
      summary,
    }
  }

  #parts(kind: WrittenKind, known: readonly WrittenValue[]): Parts {
    if (kind === 'boolean') return plainParts([bitsPart(Uint8Array.from(known, Number))], 'direct')
    if (kind === 'double') {
      const bytes = new Uint8Array(Float64Array.from(known as number[]).buffer)
      return plainParts(
        [{ kind: STREAM.data, bytes, place: (value) => ({ byte: 8 * value, more: [] }) }],
        'direct',
      )
    }
    if (kind === 'string') return textParts(known as string[])
    if (kind === 'timestamp') return this.#timeParts(known as bigint[])
    const ints = kind === 'date' ? known.map((day) => BigInt(day as number)) : (known as bigint[])
    return plainParts([intsPart(STREAM.data, BigInt64Array.from(ints), true)])
  }

  /** Seconds since 2015 of the wall clock, which is said to be UTC; readers take a second off those before 1970 that have a fraction. */
  #timeParts(micros: readonly bigint[]): Parts {
    const seconds = new BigInt64Array(micros.length)
    const fractions = new BigInt64Array(micros.length)
    for (const [i, value] of micros.entries()) {
      let nanos = (((value % 1_000_000n) + 1_000_000n) % 1_000_000n) * 1_000n
      let second = (value * 1_000n - nanos) / 1_000_000_000n
      if (second < 0n && nanos > 999_999n) {
        if (second === -1n) {
          nanos = 999_000n
          this.cutTimes++
        } else second += 1n
      }
      seconds[i] = second - EPOCH
      fractions[i] = packedNanos(nanos)
    }
    return plainParts([intsPart(STREAM.data, seconds, true), intsPart(STREAM.secondary, fractions, false)])
  }
}

const EPOCH = BigInt(Date.UTC(2015, 0, 1) / 1000)

/** Trailing zeros, two at least, are taken off and counted in the last three bits. */
function packedNanos(nanos: bigint): bigint {
  if (nanos === 0n || nanos % 100n !== 0n) return nanos << 3n
  let rest = nanos / 100n
  let zeros = 1n
  for (; rest % 10n === 0n && zeros < 7n; zeros++) rest /= 10n
  return (rest << 3n) | zeros
}

// ---------------------------------------------------------------- streams

interface Part {
  kind: number
  bytes: Uint8Array
  /** Where a value is: a byte, and what the index says besides; absent for a stream that all groups share. */
  place?: (value: number) => { byte: number; more: number[] }
}

interface Parts {
  encoding: (typeof ENCODINGS)[number]
  dictionarySize: number
  streams: Part[]
}

interface WrittenColumn extends Omit<Parts, 'streams'> {
  streams: { kind: number; bytes: Uint8Array }[]
  index: WireWriter
  blooms?: WireWriter
  summary: Summary
}

const plainParts = (streams: Part[], encoding: Parts['encoding'] = 'direct-v2'): Parts => ({
  encoding,
  dictionarySize: 0,
  streams,
})

function runsPart(kind: number, { bytes, placeOf }: WrittenRuns): Part {
  return {
    kind,
    bytes,
    place: (value) => {
      const { byte, skip } = placeOf(value)
      return { byte, more: [skip] }
    },
  }
}

const intsPart = (kind: number, values: BigInt64Array, isSigned: boolean): Part =>
  runsPart(kind, writeIntRuns(values, isSigned))

function bitsPart(bits: Uint8Array): Part {
  const { bytes, placeOf } = writeBitRuns(bits)
  return {
    kind: STREAM.data,
    bytes,
    place: (value) => {
      const { byte, skip } = placeOf(value >> 3)
      return { byte, more: [skip, value & 7] }
    },
  }
}

function textParts(texts: readonly string[]): Parts {
  const words = new Map<string, number>()
  for (const text of texts) if (!words.has(text)) words.set(text, words.size)
  const isWorth = texts.length > 0 && words.size <= DICTIONARY_MAX * texts.length
  const { bytes, lengths, begins } = joinedTexts(isWorth ? [...words.keys()] : texts)
  if (isWorth)
    return {
      encoding: 'dictionary-v2',
      dictionarySize: words.size,
      streams: [
        intsPart(
          STREAM.data,
          BigInt64Array.from(texts, (text) => BigInt(words.get(text)!)),
          false,
        ),
        { kind: STREAM.dictionary, bytes },
        { kind: STREAM.length, bytes: writeIntRuns(lengths, false).bytes },
      ],
    }
  return plainParts([
    { kind: STREAM.data, bytes, place: (value) => ({ byte: begins[value] ?? bytes.length, more: [] }) },
    intsPart(STREAM.length, lengths, false),
  ])
}

function joinedTexts(texts: readonly string[]): {
  bytes: Uint8Array
  lengths: BigInt64Array
  begins: number[]
} {
  const sink = new ByteSink()
  const encoder = new TextEncoder()
  const begins: number[] = []
  const lengths = BigInt64Array.from(texts, (text) => {
    begins.push(sink.length)
    const bytes = encoder.encode(text)
    sink.add(bytes)
    return BigInt(bytes.length)
  })
  return { bytes: sink.done(), lengths, begins }
}

// ---------------------------------------------------------------- packing

interface ZstdOfNode {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array
}

const PACKERS: Record<Exclude<WrittenCompression, 'none' | 'zstd'>, (bytes: Uint8Array) => Uint8Array> = {
  zlib: (bytes) => deflateRawSync(bytes),
  snappy: packSnappy,
  lz4: packLz4,
}

class Pack {
  readonly compression: WrittenCompression
  readonly #packer?: (bytes: Uint8Array) => Uint8Array

  constructor(compression: WrittenCompression) {
    this.compression = compression
    if (compression === 'none') return
    this.#packer = compression === 'zstd' ? (zlib as ZstdOfNode).zstdCompressSync : PACKERS[compression]
    if (!this.#packer) throw new MillraceError('MR_DATA_ORC_WRITE', { compression, node: process.version })
  }

  /** Bytes as chunks, and the numbers by which an index says where an unpacked byte is. */
  chunks(bytes: Uint8Array): { bytes: Uint8Array; placeOf: (byte: number) => number[] } {
    const packer = this.#packer
    if (!packer) return { bytes, placeOf: (byte) => [byte] }
    const sink = new ByteSink()
    const begins: number[] = []
    for (let begin = 0; begin < bytes.length; begin += BLOCK_BYTES) {
      begins.push(sink.length)
      const block = bytes.subarray(begin, begin + BLOCK_BYTES)
      const packed = packer(block)
      const isOriginal = packed.length >= block.length
      const own = isOriginal ? block : packed
      const head = (own.length << 1) | (isOriginal ? 1 : 0)
      sink.add(Uint8Array.of(head & 255, (head >> 8) & 255, (head >> 16) & 255))
      sink.add(own)
    }
    begins.push(sink.length)
    return {
      bytes: sink.done(),
      placeOf: (byte) => {
        const block = Math.min(Math.floor(byte / BLOCK_BYTES), begins.length - 1)
        return [begins[block]!, byte - block * BLOCK_BYTES]
      },
    }
  }
}

// ---------------------------------------------------------------- statistics

function countMessage(values: number, hasNull: boolean): WireWriter {
  return new WireWriter().int(1, values).int(10, hasNull ? 1 : 0)
}

/** What a group, a stripe or the file says of the values of a column. */
class Summary {
  count = 0
  hasNull = false
  #min: WrittenValue = null
  #max: WrittenValue = null
  #trues = 0
  #bytes = 0
  #sum = 0n
  /** Of doubles one that is not a number has no place in the order. */
  #isOrdered = true

  static of(values: readonly WrittenValue[], kind: WrittenKind): Summary {
    const summary = new Summary()
    for (const value of values) {
      if (value === null) summary.hasNull = true
      else summary.#take(value, kind)
    }
    return summary
  }

  #take(value: Exclude<WrittenValue, null>, kind: WrittenKind): void {
    this.count++
    if (typeof value === 'boolean') this.#trues += Number(value)
    else if (kind === 'string') this.#bytes += Buffer.byteLength(value as string)
    else if (typeof value === 'bigint') this.#sum += value
    if (Number.isNaN(value)) this.#isOrdered = false
    if (this.#min === null || isBelow(value, this.#min)) this.#min = value
    if (this.#max === null || isBelow(this.#max, value)) this.#max = value
  }

  merge(other: Summary): void {
    this.count += other.count
    this.hasNull ||= other.hasNull
    this.#trues += other.#trues
    this.#bytes += other.#bytes
    this.#sum += other.#sum
    this.#isOrdered &&= other.#isOrdered
    if (other.#min !== null && (this.#min === null || isBelow(other.#min, this.#min))) this.#min = other.#min
    if (other.#max !== null && (this.#max === null || isBelow(this.#max, other.#max))) this.#max = other.#max
  }

  message(kind: WrittenKind): WireWriter {
    const message = countMessage(this.count, this.hasNull)
    const [min, max] = [this.#min, this.#max]
    if (kind === 'boolean') return message.message(5, new WireWriter().bytes(1, packedInts([this.#trues])))
    if (min === null || max === null || !this.#isOrdered) return message
    switch (kind) {
      case 'long': {
        const ints = new WireWriter().int(1, zigzag(min as bigint)).int(2, zigzag(max as bigint))
        return message.message(
          2,
          BigInt.asIntN(64, this.#sum) === this.#sum ? ints.int(3, zigzag(this.#sum)) : ints,
        )
      }
      case 'double':
        return message.message(3, new WireWriter().double(1, min as number).double(2, max as number))
      case 'string': {
        const isShort = [min, max].every((text) => Buffer.byteLength(text as string) <= TEXT_STATISTICS_BYTES)
        const ends = isShort
          ? new WireWriter().text(1, min as string).text(2, max as string)
          : new WireWriter()
        return message.message(4, ends.int(3, zigzag(BigInt(this.#bytes))))
      }
      case 'date':
        return message.message(
          7,
          new WireWriter().int(1, zigzag(BigInt(min as number))).int(2, zigzag(BigInt(max as number))),
        )
      case 'timestamp': {
        const [first, last] = [floorMillis(min as bigint), -floorMillis(-(max as bigint))]
        return message.message(
          9,
          new WireWriter()
            .int(1, zigzag(first))
            .int(2, zigzag(last))
            .int(3, zigzag(first))
            .int(4, zigzag(last)),
        )
      }
    }
  }
}

const floorMillis = (micros: bigint): bigint => (micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n

/** Texts by their bytes, as other readers compare them; those of JavaScript differ where one has characters beyond 16 bits. */
function isBelow(a: Exclude<WrittenValue, null>, b: Exclude<WrittenValue, null>): boolean {
  if (typeof a === 'string' && typeof b === 'string' && (SURROGATE.test(a) || SURROGATE.test(b)))
    return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
  return a < b
}

const SURROGATE = /[\ud800-\udfff]/

function bloomMessage(group: readonly WrittenValue[], kind: WrittenKind): WireWriter {
  const known = group.filter((value) => value !== null) as (number | bigint | string)[]
  const { nHashes, bits } = bloomOf(
    kind === 'timestamp' ? known.map((at) => floorMillis(at as bigint)) : known,
  )
  return new WireWriter().int(1, nHashes).bytes(3, new Uint8Array(bits.buffer))
}
