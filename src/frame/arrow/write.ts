/** Rows as Arrow IPC: a stream for other programs, a file for other tools. Source: apache/arrow docs/source/format/Columnar.rst, format/Schema.fbs and Message.fbs. */
import type { TypedBatch, TypedColumn } from '../../engine/ports.ts'
import { hasValue } from '../collected.ts'
import type { FrameColumn } from '../step.ts'
import { FlatWriter } from './flat-writer.ts'

/** Version 5 of the metadata. */
const METADATA_VERSION = 4
const KINDS = { schema: 1, batch: 3 } as const
const CONTINUES = 0xffffffff
const MAGIC = new TextEncoder().encode('ARROW1')
/** Buffers begin at multiples of it, as the format advises. */
const ALIGN = 64
const encoder = new TextEncoder()
const DAY_MS = 86_400_000

/** The stream, a message at a time. */
export async function* arrowStream(
  batches: AsyncIterable<TypedBatch>,
  columns: readonly FrameColumn[],
): AsyncGenerator<Uint8Array> {
  yield schemaMessage(columns).bytes
  for await (const batch of batches) yield batchMessage(batch, columns).bytes
  yield endOfStream()
}

/** The file: the stream with a footer, so that a reader finds any batch. */
export async function* arrowFile(
  batches: AsyncIterable<TypedBatch>,
  columns: readonly FrameColumn[],
): AsyncGenerator<Uint8Array> {
  const schema = schemaMessage(columns)
  const head = new Uint8Array(8)
  head.set(MAGIC)
  yield head
  yield schema.bytes
  let at = head.length + schema.bytes.length
  const blocks: number[][] = []
  for await (const batch of batches) {
    const { bytes, metaBytes } = batchMessage(batch, columns)
    blocks.push([at, metaBytes, bytes.length - metaBytes])
    yield bytes
    at += bytes.length
  }
  yield endOfStream()
  yield footerOf(columns, blocks)
}

interface Message {
  bytes: Uint8Array
  /** Of the part before the body. */
  metaBytes: number
}

function message(kind: number, header: (w: FlatWriter) => number, body: readonly Uint8Array[] = []): Message {
  const w = new FlatWriter()
  const bodyBytes = body.reduce((total, part) => total + padded(part.length), 0)
  const place = header(w)
  w.begin(4)
  w.long(3, bodyBytes)
  w.at(2, place)
  w.short(0, METADATA_VERSION)
  w.byte(1, kind)
  const flat = w.finish(w.end())
  const metaBytes = Math.ceil((8 + flat.length) / ALIGN) * ALIGN
  const bytes = new Uint8Array(metaBytes + bodyBytes)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, CONTINUES, true)
  view.setInt32(4, metaBytes - 8, true)
  bytes.set(flat, 8)
  let at = metaBytes
  for (const part of body) {
    bytes.set(part, at)
    at += padded(part.length)
  }
  return { bytes, metaBytes }
}

const padded = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

function endOfStream(): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, CONTINUES, true)
  return bytes
}

const schemaMessage = (columns: readonly FrameColumn[]): Message =>
  message(KINDS.schema, (w) => schemaTable(w, columns))

function schemaTable(w: FlatWriter, columns: readonly FrameColumn[]): number {
  const fields = w.tables(columns.map((column) => fieldTable(w, column)))
  w.begin(2)
  w.at(1, fields)
  w.short(0, 0) // little-endian
  return w.end()
}

function fieldTable(w: FlatWriter, column: FrameColumn): number {
  const name = w.text(column.name)
  const [kind, type] = typeTable(w, column)
  const children = w.tables([])
  w.begin(6)
  w.at(0, name)
  w.at(3, type)
  w.at(5, children)
  w.byte(1, 1)
  w.byte(2, kind)
  return w.end()
}

/** The type's number in Schema.fbs, and its table. */
function typeTable(w: FlatWriter, { type, duck }: FrameColumn): [number, number] {
  switch (type) {
    case 'int':
      w.begin(2)
      w.int(0, isWide(duck) ? 64 : 32)
      w.byte(1, 1)
      return [2, w.end()]
    case 'float':
      w.begin(1)
      w.short(0, 2) // double
      return [3, w.end()]
    case 'bool':
      w.begin(0)
      return [6, w.end()]
    case 'date':
      w.begin(1)
      w.short(0, 0) // days
      return [8, w.end()]
    case 'time':
      w.begin(1)
      w.short(0, 2) // microseconds, of no zone
      return [10, w.end()]
    case 'string':
    case 'json':
      w.begin(0)
      return [5, w.end()]
  }
}

const isWide = (duck: string): boolean => duck === 'BIGINT'

function batchMessage({ nRows, columns }: TypedBatch, schema: readonly FrameColumn[]): Message {
  const nodes: number[][] = []
  const buffers: Uint8Array[] = []
  for (const { name } of schema) {
    const column = columns[name]!
    nodes.push([nRows, missingOf(column, nRows)])
    buffers.push(column.validity ?? new Uint8Array(), ...buffersOf(column, nRows))
  }
  let at = 0
  const places = buffers.map((buffer) => {
    const place = [at, buffer.length]
    at += padded(buffer.length)
    return place
  })
  const header = (w: FlatWriter): number => {
    const [nodesAt, buffersAt] = [w.words(nodes), w.words(places)]
    w.begin(3)
    w.long(0, nRows)
    w.at(1, nodesAt)
    w.at(2, buffersAt)
    return w.end()
  }
  return message(KINDS.batch, header, buffers)
}

function missingOf(column: TypedColumn, nRows: number): number {
  if (!column.validity) return 0
  let missing = 0
  for (let i = 0; i < nRows; i++) if (!hasValue(column, i)) missing++
  return missing
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength)

function buffersOf(column: TypedColumn, nRows: number): Uint8Array[] {
  switch (column.type) {
    case 'int':
    case 'float':
      return [bytesOf(column.values)]
    case 'bool':
      return [bitsOf(column.values)]
    case 'time':
      return [bytesOf(BigInt64Array.from(column.values, (ms) => BigInt(Math.round((ms || 0) * 1000))))]
    case 'date':
      return [bytesOf(Int32Array.from(column.values, (ms) => Math.round((ms || 0) / DAY_MS)))]
    case 'string':
      return textBuffers(column.values, column.dictionary)
    case 'json':
      return jsonBuffers(column, nRows)
  }
}

function bitsOf(values: Uint8Array): Uint8Array {
  const bits = new Uint8Array((values.length + 7) >> 3)
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) bits[i >> 3]! |= 1 << (i & 7)
  return bits
}

function jsonBuffers(column: TypedColumn & { type: 'json' }, nRows: number): Uint8Array[] {
  const texts = Array.from({ length: nRows }, (_, i) => {
    const value = column.values[i]
    return typeof value === 'string'
      ? value
      : JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? Number(v) : v))
  })
  return textBuffers(
    Int32Array.from(texts, (_, i) => (hasValue(column, i) ? i : -1)),
    texts.map((text) => text ?? ''),
  )
}

/** Where each text begins and ends, and the texts; each text of the dictionary is encoded once. */
function textBuffers(codes: Int32Array, dictionary: readonly string[]): Uint8Array[] {
  const encoded = dictionary.map((text) => encoder.encode(text))
  const ends = new Int32Array(codes.length + 1)
  codes.forEach((code, i) => {
    ends[i + 1] = ends[i]! + (code < 0 ? 0 : encoded[code]!.length)
  })
  const bytes = new Uint8Array(ends[codes.length]!)
  codes.forEach((code, i) => {
    if (code >= 0) bytes.set(encoded[code]!, ends[i])
  })
  return [bytesOf(ends), bytes]
}

function footerOf(columns: readonly FrameColumn[], blocks: readonly (readonly number[])[]): Uint8Array {
  const w = new FlatWriter()
  const schema = schemaTable(w, columns)
  const batches = w.words(blocks.length > 0 ? blocks : [])
  const dictionaries = w.words([])
  w.begin(4)
  w.at(1, schema)
  w.at(2, dictionaries)
  w.at(3, batches)
  w.short(0, METADATA_VERSION)
  const flat = w.finish(w.end())
  const bytes = new Uint8Array(flat.length + 4 + MAGIC.length)
  bytes.set(flat)
  new DataView(bytes.buffer).setInt32(flat.length, flat.length, true)
  bytes.set(MAGIC, flat.length + 4)
  return bytes
}
