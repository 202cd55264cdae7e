/**
 * ORC written: a stripe at a time, with dictionaries where texts repeat, an index every 10,000 rows, statistics, and bloom filters of the columns that are asked for. Source: ORC
 * specification v1.
 */
import { packedInts, WireWriter } from '../../model/import/protobuf.ts'
import { bloomOf } from './bloom.ts'
import { COMPRESSIONS } from './compression.ts'
import { BLOCK_BYTES, Pack, type WrittenCompression } from './pack.ts'
import { ENCODINGS, STREAM } from './stripe.ts'
import { ORC_KINDS } from './tail.ts'
import { ByteSink, type WrittenRuns, writeBitRuns, writeIntRuns } from './write-runs.ts'
import {
  countMessage,
  floorMillis,
  Summary,
  type WrittenKind,
  type WrittenValue,
} from './write-statistics.ts'

export interface WrittenField {
  name: string
  kind: WrittenKind
  /** Whether groups of rows get a bloom filter. */
  bloom?: boolean
}

export interface OrcWriteOptions {
  /** Default: zlib, which every reader has. zstd needs Node 22.15. */
  compression?: WrittenCompression
  /** Rows of a stripe; default 200,000. */
  stripeRows?: number
  /** Rows between two entries of the index; default 10,000. */
  stride?: number
}

const MAGIC = new TextEncoder().encode('ORC')
/** Version of the format, 0.12, and of the writer, the newest that needs nothing more. */
const VERSION = [0, 12]
const WRITER_VERSION = 6
const PROLEPTIC = 2
/** Share of distinct texts up to which they have a dictionary. */
const DICTIONARY_MAX = 0.8

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
      .int(6, WRITER_VERSION)
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

function bloomMessage(group: readonly WrittenValue[], kind: WrittenKind): WireWriter {
  const known = group.filter((value) => value !== null) as (number | bigint | string)[]
  const { nHashes, bits } = bloomOf(
    kind === 'timestamp' ? known.map((at) => floorMillis(at as bigint)) : known,
  )
  return new WireWriter().int(1, nHashes).bytes(3, new Uint8Array(bits.buffer))
}
