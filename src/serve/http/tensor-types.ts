/** Datatypes of the Open Inference Protocol V2 and their bytes: little-endian, row-major, BYTES with a 4-byte length before each element. */
import type { Json } from '../../core/canonical.ts'
import type { ColumnType } from '../../core/records.ts'

interface NumericType {
  bytes: number
  read: (view: DataView, offset: number) => number
  write: (view: DataView, offset: number, value: number) => void
}

const numeric = (
  bytes: number,
  read: (view: DataView, offset: number) => number | bigint,
  write: (view: DataView, offset: number, value: number) => void,
): NumericType => ({ bytes, read: (view, offset) => Number(read(view, offset)), write })

/** Fixed-size datatypes: how one element is read and written. */
export const NUMERIC_TYPES: Record<string, NumericType> = {
  FP32: numeric(
    4,
    (v, o) => v.getFloat32(o, true),
    (v, o, x) => v.setFloat32(o, x, true),
  ),
  FP64: numeric(
    8,
    (v, o) => v.getFloat64(o, true),
    (v, o, x) => v.setFloat64(o, x, true),
  ),
  INT8: numeric(
    1,
    (v, o) => v.getInt8(o),
    (v, o, x) => v.setInt8(o, x),
  ),
  INT16: numeric(
    2,
    (v, o) => v.getInt16(o, true),
    (v, o, x) => v.setInt16(o, x, true),
  ),
  INT32: numeric(
    4,
    (v, o) => v.getInt32(o, true),
    (v, o, x) => v.setInt32(o, x, true),
  ),
  INT64: numeric(
    8,
    (v, o) => v.getBigInt64(o, true),
    (v, o, x) => v.setBigInt64(o, BigInt(x), true),
  ),
  UINT8: numeric(
    1,
    (v, o) => v.getUint8(o),
    (v, o, x) => v.setUint8(o, x),
  ),
  UINT16: numeric(
    2,
    (v, o) => v.getUint16(o, true),
    (v, o, x) => v.setUint16(o, x, true),
  ),
  UINT32: numeric(
    4,
    (v, o) => v.getUint32(o, true),
    (v, o, x) => v.setUint32(o, x, true),
  ),
  UINT64: numeric(
    8,
    (v, o) => v.getBigUint64(o, true),
    (v, o, x) => v.setBigUint64(o, BigInt(x), true),
  ),
  BOOL: numeric(
    1,
    (v, o) => v.getUint8(o),
    (v, o, x) => v.setUint8(o, x),
  ),
}

export const DATATYPES: readonly string[] = [...Object.keys(NUMERIC_TYPES), 'BYTES']

/** The datatype that metadata states for a column. */
export function datatypeOf(type: ColumnType): string {
  if (type === 'float') return 'FP64'
  if (type === 'int') return 'INT64'
  return type === 'bool' ? 'BOOL' : 'BYTES'
}

/**
 * Elements of a binary tensor: numbers (NaN as null: it means missing), booleans, or UTF-8 texts. Undefined when the bytes are not whole elements.
 */
export function decodeBinary(datatype: string, bytes: Uint8Array): Json[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return datatype === 'BYTES' ? decodeTexts(bytes, view) : decodeNumbers(datatype, view)
}

function decodeNumbers(datatype: string, view: DataView): Json[] | undefined {
  const { bytes, read } = NUMERIC_TYPES[datatype]
  if (view.byteLength % bytes !== 0) return undefined
  const elements = new Array<Json>(view.byteLength / bytes)
  for (let i = 0; i < elements.length; i++) {
    const value = read(view, i * bytes)
    elements[i] = datatype === 'BOOL' ? value !== 0 : Number.isNaN(value) ? null : value
  }
  return elements
}

function decodeTexts(bytes: Uint8Array, view: DataView): Json[] | undefined {
  const elements: Json[] = []
  const decoder = new TextDecoder()
  let offset = 0
  while (offset < bytes.length) {
    if (offset + 4 > bytes.length) return undefined
    const end = offset + 4 + view.getUint32(offset, true)
    if (end > bytes.length) return undefined
    elements.push(decoder.decode(bytes.subarray(offset + 4, end)))
    offset = end
  }
  return elements
}

/** The bytes of a tensor's elements. */
export function encodeBinary(datatype: string, data: readonly (number | boolean | string)[]): Uint8Array {
  if (datatype === 'BYTES') return encodeTexts(data as readonly string[])
  const { bytes, write } = NUMERIC_TYPES[datatype]
  const out = new Uint8Array(data.length * bytes)
  const view = new DataView(out.buffer)
  data.forEach((value, i) => {
    write(view, i * bytes, Number(value))
  })
  return out
}

function encodeTexts(data: readonly string[]): Uint8Array {
  return Buffer.concat(
    data.flatMap((text) => {
      const body = Buffer.from(text, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32LE(body.length)
      return [length, body]
    }),
  )
}
