/** Arrow IPC, as a stream or as a file, from bytes: record batches one after another. Source: apache/arrow docs/source/format/Columnar.rst, "Serialization and Interprocess Communication". */
import { isMillraceError, toError } from '../../core/errors.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import { type ArrowColumn, type BatchParts, columnOf } from './columns.ts'
import { ARROW_CODECS, type ArrowCodec, unpackBuffer } from './compression.ts'
import { FlatTable } from './flatbuffer.ts'
import { type ArrowField, readSchema } from './schema.ts'

export interface ArrowBatch {
  rows: number
  columns: ArrowColumn[]
}

export interface ArrowOptions {
  refuse: Refuse
  /** Rows of one batch at most. */
  rowsMax?: number
  /** Bytes of one batch when unpacked. */
  unpackedBytesMax?: number
}

export interface ArrowReader {
  fields: ArrowField[]
  batches(): Iterable<ArrowBatch>
}

const ROWS_MAX = 2 ** 31
const UNPACKED_BYTES_MAX = 2 ** 30
const MAGIC = Buffer.from('ARROW1')
const CONTINUES = 0xffffffff

/** Whether bytes begin as a file of Arrow, not as a stream. */
const isArrowFile = (bytes: Uint8Array): boolean => MAGIC.equals(bytes.subarray(0, 6))

/** Errors: by `refuse`, for whatever the bytes say that cannot be. */
export function arrowReader(bytes: Uint8Array, options: ArrowOptions): ArrowReader {
  const { refuse } = options
  return guarded(refuse, () => {
    const messages = isArrowFile(bytes) ? fileMessages(bytes, refuse) : streamMessages(bytes, refuse)
    const first = messages.next()
    if (first.done || first.value.kind !== 'schema') throw refuse('the first message', 'a schema', 'another')
    const fields = readSchema(first.value.header, refuse)
    return { fields, batches: () => batchesOf(fields, messages, options) }
  })
}

function guarded<T>(refuse: Refuse, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (isMillraceError(thrown)) throw thrown
    throw refuse('the bytes', 'whole', toError(thrown).message)
  }
}

interface Message {
  kind: 'schema' | 'dictionary' | 'batch' | 'other'
  header: FlatTable
  body: Uint8Array
}

const KINDS = ['other', 'schema', 'dictionary', 'batch'] as const

function* streamMessages(bytes: Uint8Array, refuse: Refuse, begin = 0): Generator<Message> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = begin; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw refuse('a message', 'whole', 'cut off')
    // Streams before version 0.15 have no such word.
    if (view.getUint32(at, true) === CONTINUES) at += 4
    if (at + 4 > bytes.length) throw refuse('a message', 'whole', 'cut off')
    const length = view.getInt32(at, true)
    at += 4
    if (length === 0) return
    const message = messageAt(bytes, at, length, refuse)
    yield message
    at += length + message.bodyBytes
  }
}

function messageAt(
  bytes: Uint8Array,
  at: number,
  length: number,
  refuse: Refuse,
): Message & { bodyBytes: number } {
  if (length < 0 || at + length > bytes.length) throw refuse('a message', 'whole', 'cut off')
  const table = FlatTable.root(bytes.subarray(at, at + length))
  const header = table.table(2)
  const bodyBytes = table.int64(3)
  if (!header || bodyBytes < 0 || at + length + bodyBytes > bytes.length)
    throw refuse('a message', 'whole', 'cut off')
  const body = bytes.subarray(at + length, at + length + bodyBytes)
  return { kind: KINDS[table.int8(1)] ?? 'other', header, body, bodyBytes }
}

/** By the footer, which may name batches in another order than they lie; dictionaries come first. */
function* fileMessages(bytes: Uint8Array, refuse: Refuse): Generator<Message> {
  const end = bytes.length - MAGIC.length
  if (end < 18 || !MAGIC.equals(bytes.subarray(end)))
    throw refuse('the file', 'to end with ARROW1', 'cut off')
  const length = new DataView(bytes.buffer, bytes.byteOffset + end - 4, 4).getInt32(0, true)
  if (length <= 0 || length > end - 12) throw refuse('the footer', 'within the file', `${length} bytes`)
  const footer = FlatTable.root(bytes.subarray(end - 4 - length, end - 4))
  const schema = footer.table(1)
  if (!schema) throw refuse('the footer', 'a schema', 'none')
  yield { kind: 'schema', header: schema, body: new Uint8Array() }
  for (const { offset } of [...footer.blocks(2), ...footer.blocks(3)]) {
    const [message] = streamMessages(bytes, refuse, offset)
    if (message) yield message
  }
}

function* batchesOf(
  fields: readonly ArrowField[],
  messages: Iterator<Message>,
  options: ArrowOptions,
): Generator<ArrowBatch> {
  const dictionaries = new Map<number, ArrowColumn>()
  const known = dictionaryFields(fields)
  for (;;) {
    const { value: message, done } = guarded(options.refuse, () => messages.next())
    if (done) return
    if (message.kind === 'dictionary')
      guarded(options.refuse, () => addDictionary(message, known, dictionaries, options))
    else if (message.kind === 'batch')
      yield guarded(options.refuse, () =>
        readBatch(message.header, message.body, fields, dictionaries, options),
      )
  }
}

function readBatch(
  header: FlatTable,
  body: Uint8Array,
  fields: readonly ArrowField[],
  dictionaries: ReadonlyMap<number, ArrowColumn>,
  options: ArrowOptions,
): ArrowBatch {
  const { refuse, rowsMax = ROWS_MAX } = options
  const rows = header.int64(0)
  if (rows < 0 || rows > rowsMax) throw refuse('a batch', `at most ${rowsMax} rows`, `${rows}`)
  const nodes = header.words(1, 2).map(([n, nulls]) => ({ rows: n!, nulls: nulls! }))
  const wrong = nodes.find((node) => node.rows < 0 || node.rows > ROWS_MAX || node.nulls < 0)
  if (wrong) throw refuse('a column', 'a number of rows', `${wrong.rows}`)
  const parts: BatchParts = {
    nodes,
    buffers: buffersOf(header, body, options),
    variadic: header.words(4, 1).map(([n]) => n!),
    dictionaries,
    refuse,
  }
  const columns = fields.map((field) => columnOf(field, parts))
  const short = columns.find((column) => column.rows !== rows)
  if (short) throw refuse(`column "${short.name}"`, `${rows} rows`, `${short.rows}`)
  return { rows, columns }
}

function buffersOf(
  header: FlatTable,
  body: Uint8Array,
  { refuse, unpackedBytesMax = UNPACKED_BYTES_MAX }: ArrowOptions,
): Uint8Array[] {
  const codec = codecOf(header.table(3), refuse)
  let room = unpackedBytesMax
  return header.words(2, 2).map(([offset, length]) => {
    if (!(offset! >= 0 && length! >= 0 && offset! + length! <= body.length))
      throw refuse('a buffer', `within ${body.length} bytes`, `${offset} and ${length} more`)
    const bytes = body.subarray(offset, offset! + length!)
    if (!codec) return bytes
    const unpacked = unpackBuffer(bytes, codec, room, refuse)
    room -= unpacked.length
    return unpacked
  })
}

function codecOf(compression: FlatTable | undefined, refuse: Refuse): ArrowCodec | undefined {
  if (!compression) return undefined
  const codec = ARROW_CODECS[compression.int8(0)]
  if (!codec) throw refuse('the compression', ARROW_CODECS.join(' or '), `number ${compression.int8(0)}`)
  return codec
}

/** Types of the values of dictionaries, by their numbers, however deep. */
function dictionaryFields(
  fields: readonly ArrowField[],
  found = new Map<number, ArrowField>(),
): Map<number, ArrowField> {
  for (const field of fields) {
    if (field.dictionary) found.set(field.dictionary.id, field)
    dictionaryFields(field.children, found)
  }
  return found
}

function addDictionary(
  { header, body }: Message,
  known: ReadonlyMap<number, ArrowField>,
  dictionaries: Map<number, ArrowColumn>,
  options: ArrowOptions,
): void {
  const id = header.int64(0)
  const field = known.get(id)
  const data = header.table(1)
  if (!field || !data) throw options.refuse(`dictionary ${id}`, 'one of the schema', 'another')
  const values = { ...field, dictionary: undefined }
  const [column] = readBatch(data, body, [values], dictionaries, options).columns
  const before = header.int8(2) !== 0 ? dictionaries.get(id) : undefined
  dictionaries.set(id, before ? joined(before, column!) : column!)
}

function joined(before: ArrowColumn, more: ArrowColumn): ArrowColumn {
  return {
    ...more,
    rows: before.rows + more.rows,
    read: (row) => (row < before.rows ? before.read(row) : more.read(row - before.rows)),
  }
}
