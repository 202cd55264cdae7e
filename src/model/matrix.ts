/**
 * The training matrix: every feature as a double, the target and the time, in three consecutive splits (train, validate, test), each ordered by
 * member key. A member's rows are one contiguous slice in each split, so a family trains from one file and nothing is copied.
 *
 * File: `MRMX1\n`, header length (u32 little-endian), header JSON, padding to 8 bytes, then the columns one after another as little-endian doubles.
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
  /** Row range of each split. */
  splits: Record<Split, RowRange>
  /** Member key → its row range in each split; empty for a single model. */
  members: Record<string, Record<Split, RowRange>>
}

export interface MatrixSlice {
  nRows: number
  /** One column a feature, in header order. */
  columns: Float64Array[]
  target: Float64Array
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
  /** Mean target over the training rows. */
  baseRate: number
  window?: TimeWindow
  notes: string[]
}

const MAGIC = 'MRMX1\n'

/** Writes a matrix file. `columns` are the features in header order, then the target. */
export function writeMatrix(path: string, header: MatrixHeader, columns: Float64Array[]): void {
  assert(columns.length === header.features.length + 1, 'one column a feature and one target')
  const text = Buffer.from(JSON.stringify(header))
  const dataStart = dataOffset(text.length)
  const head = Buffer.alloc(dataStart)
  head.write(MAGIC, 'latin1')
  head.writeUInt32LE(text.length, MAGIC.length)
  text.copy(head, MAGIC.length + 4)
  const file = openSync(path, 'wx')
  try {
    writeAll(file, head)
    for (const column of columns) {
      assert(column.length === header.nRows, 'a column is as long as the matrix')
      writeAll(file, Buffer.from(column.buffer, column.byteOffset, column.byteLength))
    }
  } finally {
    closeSync(file)
  }
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
  const header = JSON.parse(readBytes(file, MAGIC.length + 4, textLength).toString()) as MatrixHeader
  const start = dataOffset(textLength)
  const column = (iColumn: number, range: RowRange): Float64Array => {
    const n = range.rowEnd - range.rowStart
    const bytes = readBytes(file, start + (iColumn * header.nRows + range.rowStart) * 8, n * 8)
    return new Float64Array(bytes.buffer, bytes.byteOffset, n)
  }
  return {
    header,
    slice(split, member) {
      const range = rangeOf(header, split, member)
      return {
        nRows: range.rowEnd - range.rowStart,
        columns: header.features.map((_, i) => column(i, range)),
        target: column(header.features.length, range),
      }
    },
    close: () => closeSync(file),
  }
}

export function rangeOf(header: MatrixHeader, split: Split, member?: string): RowRange {
  if (member === undefined || member === '') return header.splits[split]
  return header.members[member]?.[split] ?? { rowStart: 0, rowEnd: 0 }
}

function dataOffset(textLength: number): number {
  return Math.ceil((MAGIC.length + 4 + textLength) / 8) * 8
}

function readBytes(file: number, offset: number, length: number): Buffer {
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
