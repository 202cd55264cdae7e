/**
 * The training matrix: every feature as a double, the target and the time, in three consecutive splits (train, validate, test), each ordered by
 * member key. A member's rows are one contiguous slice in each split, so a family trains from one file and nothing is copied.
 *
 * File: `MRMX2\n`, header length (u32 little-endian), JSON of header and layout, padding to 8 bytes, then the columns, each from a multiple of 8 bytes on,
 * little-endian: a dictionary of doubles and one or two bytes a row where a column has few distinct values, as nearly all have, else plain doubles.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { assert } from '../core/errors.ts'
import type { ModelTask, Signature, TimeWindow } from '../core/records.ts'

export const SPLITS = ['train', 'validate', 'test'] as const
export type Split = (typeof SPLITS)[number]

/** Half-open row range. */
export interface RowRange {
  rowStart: number
  rowEnd: number
}

export interface MatrixHeader {
  nRows: number
  features: { name: string; type: 'number' | 'category' }[]
  /** Whether a column after the target numbers the group of each row. */
  grouped?: boolean
  /** Row range of each split. */
  splits: Record<Split, RowRange>
  /** Member key → its row range in each split; empty for a single model. */
  members: Record<string, Record<Split, RowRange>>
}

export interface MatrixSlice {
  nRows: number
  /** One column a feature, in header order. */
  columns: Float64Array[]
  /** The target; codes of classes where it has classes. */
  target: Float64Array
  /** Row at which each group begins, ascending from 0, for `ranking`. */
  groups?: Int32Array
}

/** What the other training tasks need to know of a matrix without opening it. */
export interface PreparedPlan {
  kind: 'PreparedPlan'
  model: string
  task: ModelTask
  signature: Signature
  each?: string
  /** Members with enough rows, most rows first, with their training rows. */
  members: { key: string; rows: number }[]
  rows: Record<Split, number>
  /** Labels in the order of their codes, where the target has classes, and training rows of each. */
  classes?: string[]
  classCounts?: number[]
  /** Column of the query, of models that rank. */
  group?: string
  /** Mean target over the training rows; of classes, the share of the most frequent one. */
  baseRate: number
  window?: TimeWindow
  notes: string[]
}

const MAGIC = 'MRMX2\n'

/** How a column lies in the file. `width` 8 is plain doubles; 1 and 2 are codes into the dictionary before them. */
interface ColumnLayout {
  /** From the start of the data, in bytes. */
  offset: number
  dictionary: number
  width: 1 | 2 | 8
}

interface EncodedColumn {
  dictionary: Float64Array
  rows: Uint8Array | Uint16Array | Float64Array
}

/** Distinct values up to which two bytes a row suffice. */
const CODES_MAX = 65_536

/** Writes a matrix file. `columns` are the features in header order, then the target, then the group numbers where there are groups. */
export function writeMatrix(path: string, header: MatrixHeader, columns: Float64Array[]): void {
  const others = header.grouped ? 2 : 1
  assert(columns.length === header.features.length + others, 'one column a feature, one target, one group')
  for (const column of columns) assert(column.length === header.nRows, 'a column is as long as the matrix')
  const encoded = columns.map(encodeColumn)
  const text = Buffer.from(JSON.stringify({ header, layout: layoutOf(encoded) }))
  const head = Buffer.alloc(dataOffset(text.length))
  head.write(MAGIC, 'latin1')
  head.writeUInt32LE(text.length, MAGIC.length)
  text.copy(head, MAGIC.length + 4)
  const file = openSync(path, 'wx')
  try {
    writeAll(file, head)
    for (const { dictionary, rows } of encoded) {
      writeAll(file, bytesOf(dictionary))
      writeAll(file, bytesOf(rows))
      writeAll(file, Buffer.alloc(aligned(rows.byteLength) - rows.byteLength))
    }
  } finally {
    closeSync(file)
  }
}

/** Codes when the distinct values are few; NaN is a value like any other, and -0 is kept as 0. */
function encodeColumn(column: Float64Array): EncodedColumn {
  const codeOf = new Map<number, number>()
  const codes = new Uint16Array(column.length)
  for (let i = 0; i < column.length; i++) {
    let code = codeOf.get(column[i])
    if (code === undefined) {
      code = codeOf.size
      if (code === CODES_MAX) return { dictionary: new Float64Array(0), rows: column }
      codeOf.set(column[i], code)
    }
    codes[i] = code
  }
  return {
    dictionary: Float64Array.from(codeOf.keys()),
    rows: codeOf.size <= 256 ? Uint8Array.from(codes) : codes,
  }
}

function layoutOf(columns: EncodedColumn[]): ColumnLayout[] {
  let offset = 0
  return columns.map(({ dictionary, rows }) => {
    const layout: ColumnLayout = {
      offset,
      dictionary: dictionary.length,
      width: rows.BYTES_PER_ELEMENT as ColumnLayout['width'],
    }
    offset += dictionary.byteLength + aligned(rows.byteLength)
    return layout
  })
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

function bytesOf(values: Float64Array | Uint8Array | Uint16Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}

/** A matrix file open for reading slices; the caller closes it. */
export interface MatrixFile {
  header: MatrixHeader
  /** Rows of one split: all of them, or one member's. A member without rows gives an empty slice. */
  slice(split: Split, member?: string): MatrixSlice
  close(): void
}

export function openMatrix(path: string): MatrixFile {
  const file = openSync(path, 'r')
  const prefix = readBytes(file, 0, MAGIC.length + 4)
  assert(prefix.toString('latin1', 0, MAGIC.length) === MAGIC, 'the file is a training matrix')
  const textLength = prefix.readUInt32LE(MAGIC.length)
  const { header, layout } = JSON.parse(readBytes(file, MAGIC.length + 4, textLength).toString()) as {
    header: MatrixHeader
    layout: ColumnLayout[]
  }
  const start = dataOffset(textLength)
  const dictionaries = new Map<number, Float64Array>()
  const dictionaryOf = (iColumn: number): Float64Array => {
    const { offset, dictionary } = layout[iColumn]
    const found =
      dictionaries.get(iColumn) ?? new Float64Array(readBytes(file, start + offset, dictionary * 8).buffer)
    dictionaries.set(iColumn, found)
    return found
  }
  const column = (iColumn: number, range: RowRange): Float64Array => {
    const n = range.rowEnd - range.rowStart
    const { offset, dictionary, width } = layout[iColumn]
    const { buffer } = readBytes(file, start + offset + dictionary * 8 + range.rowStart * width, n * width)
    if (width === 8) return new Float64Array(buffer)
    return decode(width === 1 ? new Uint8Array(buffer) : new Uint16Array(buffer), dictionaryOf(iColumn))
  }
  return {
    header,
    slice(split, member) {
      const range = rangeOf(header, split, member)
      return {
        nRows: range.rowEnd - range.rowStart,
        columns: header.features.map((_, i) => column(i, range)),
        target: column(header.features.length, range),
        ...(header.grouped && { groups: groupStarts(column(header.features.length + 1, range)) }),
      }
    },
    close: () => closeSync(file),
  }
}

/** Where the number of the group changes. */
function groupStarts(numbers: Float64Array): Int32Array {
  const starts: number[] = []
  for (let i = 0; i < numbers.length; i++) if (i === 0 || numbers[i] !== numbers[i - 1]) starts.push(i)
  return Int32Array.from(starts)
}

export function rangeOf(header: MatrixHeader, split: Split, member?: string): RowRange {
  if (member === undefined || member === '') return header.splits[split]
  return header.members[member]?.[split] ?? { rowStart: 0, rowEnd: 0 }
}

function decode(codes: Uint8Array | Uint16Array, dictionary: Float64Array): Float64Array {
  const values = new Float64Array(codes.length)
  for (let i = 0; i < codes.length; i++) values[i] = dictionary[codes[i]]
  return values
}

function dataOffset(textLength: number): number {
  return aligned(MAGIC.length + 4 + textLength)
}

/** Bytes in a buffer of their own. */
function readBytes(file: number, offset: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(length))
  for (let done = 0; done < length; ) {
    const got = readSync(file, bytes, done, length - done, offset + done)
    assert(got > 0, 'the matrix file is whole')
    done += got
  }
  return bytes
}

function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
}
