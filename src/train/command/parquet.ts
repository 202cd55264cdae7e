/**
 * Columns of doubles as a Parquet file: what trainers of any language read. Required DOUBLE columns, PLAIN, without compression, one page a column and row
 * group; NaN stands for a missing value. Source: the Parquet format 2.10 and Thrift's compact protocol.
 */
import { closeSync, openSync, writeSync } from 'node:fs'

const MAGIC = Buffer.from('PAR1')
const ROWS_IN_GROUP = 1_000_000
/** Types of Thrift's compact protocol. */
const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12]
/** Values of Parquet's enums. */
const [TYPE_DOUBLE, REQUIRED, PLAIN, RLE, UNCOMPRESSED, DATA_PAGE] = [5, 0, 0, 3, 0, 0]

type Field = [id: number, type: number, value: number | string | Struct | Listed]
type Struct = Field[]
interface Listed {
  of: number
  items: (number | string | Struct)[]
}

interface Chunk {
  name: string
  offset: number
  bytes: number
  rows: number
}

/** Writes the file; every column is `nRows` long. Cost: one pass, the memory of one column of a row group. */
export function writeParquet(
  path: string,
  nRows: number,
  columns: readonly [name: string, values: Float64Array][],
): void {
  const file = openSync(path, 'wx')
  try {
    let at = 0
    const put = (bytes: Uint8Array) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
      at += bytes.length
    }
    put(MAGIC)
    const groups: Chunk[][] = []
    for (let from = 0; from === 0 || from < nRows; from += ROWS_IN_GROUP) {
      const rows = Math.min(ROWS_IN_GROUP, nRows - from)
      groups.push(
        columns.map(([name, values]) => putColumn(name, values.subarray(from, from + rows), put, () => at)),
      )
    }
    const footer = structBytes(
      footerOf(
        nRows,
        columns.map(([name]) => name),
        groups,
      ),
    )
    put(footer)
    const tail = Buffer.alloc(4)
    tail.writeUInt32LE(footer.length)
    put(tail)
    put(MAGIC)
  } finally {
    closeSync(file)
  }
}

function putColumn(
  name: string,
  values: Float64Array,
  put: (bytes: Uint8Array) => void,
  at: () => number,
): Chunk {
  const offset = at()
  const header = structBytes([
    [1, I32, DATA_PAGE],
    [2, I32, values.byteLength],
    [3, I32, values.byteLength],
    [
      5,
      STRUCT,
      [
        [1, I32, values.length],
        [2, I32, PLAIN],
        [3, I32, RLE],
        [4, I32, RLE],
      ],
    ],
  ])
  put(header)
  put(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return { name, offset, bytes: at() - offset, rows: values.length }
}

function footerOf(nRows: number, names: string[], groups: Chunk[][]): Struct {
  const root: Struct = [
    [4, BINARY, 'schema'],
    [5, I32, names.length],
  ]
  const leaf = (name: string): Struct => [
    [1, I32, TYPE_DOUBLE],
    [3, I32, REQUIRED],
    [4, BINARY, name],
  ]
  return [
    [1, I32, 2],
    [2, LIST, { of: STRUCT, items: [root, ...names.map(leaf)] }],
    [3, I64, nRows],
    [4, LIST, { of: STRUCT, items: groups.map(groupOf) }],
    [6, BINARY, 'millrace'],
  ]
}

function groupOf(chunks: Chunk[]): Struct {
  return [
    [1, LIST, { of: STRUCT, items: chunks.map(chunkOf) }],
    [2, I64, chunks.reduce((sum, { bytes }) => sum + bytes, 0)],
    [3, I64, chunks[0]?.rows ?? 0],
  ]
}

function chunkOf({ name, offset, bytes, rows }: Chunk): Struct {
  const about: Struct = [
    [1, I32, TYPE_DOUBLE],
    [2, LIST, { of: I32, items: [PLAIN] }],
    [3, LIST, { of: BINARY, items: [name] }],
    [4, I32, UNCOMPRESSED],
    [5, I64, rows],
    [6, I64, bytes],
    [7, I64, bytes],
    [9, I64, offset],
  ]
  return [
    [2, I64, offset],
    [3, STRUCT, about],
  ]
}

function structBytes(fields: Struct): Buffer {
  const parts: Buffer[] = []
  let last = 0
  for (const [id, type, value] of fields) {
    parts.push(Buffer.from([((id - last) << 4) | type]), valueBytes(type, value))
    last = id
  }
  return Buffer.concat([...parts, Buffer.from([0])])
}

function valueBytes(type: number, value: Field[2]): Buffer {
  if (type === STRUCT) return structBytes(value as Struct)
  if (type === LIST) return listBytes(value as Listed)
  if (type !== BINARY) return varint(BigInt(value as number) * 2n)
  const text = Buffer.from(value as string)
  return Buffer.concat([varint(BigInt(text.length)), text])
}

function listBytes({ of, items }: Listed): Buffer {
  const short = items.length < 15
  const head = short
    ? Buffer.from([(items.length << 4) | of])
    : Buffer.concat([Buffer.from([0xf0 | of]), varint(BigInt(items.length))])
  return Buffer.concat([head, ...items.map((item) => valueBytes(of, item as Field[2]))])
}

/** Seven bits a byte, the lowest first; numbers here are never negative, so that zigzag is a doubling. */
function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let left = value; ; left >>= 7n) {
    if (left < 128n) return Buffer.from([...bytes, Number(left)])
    bytes.push(Number(left & 127n) | 128)
  }
}
