/**
 * Datatypes of the Open Inference Protocol V2: what an element is in JSON, in bytes (little-endian, row-major, BYTES with a 4-byte length before each element) and in the
 * typed arrays that runtimes take.
 */
import type { Json } from '../../core/canonical.ts'
import type { ColumnType } from '../../core/records.ts'
import type { OnnxData } from '../../core/tensors.ts'
import { fromHalf, toHalf } from './half.ts'

type Numbers = Exclude<OnnxData, string[]>
type Element = number | bigint | boolean | string

export interface Datatype {
  /** ONNX's name of the element type. */
  onnx: string
  /** Bytes of an element. */
  bytes: number
  /** Elements of zeros, or over bytes that begin at a multiple of `bytes`. */
  make(source: number | ArrayBuffer, byteOffset?: number, length?: number): Numbers
  /** From a JSON value to an element; undefined when it is none. */
  read(value: Json): number | bigint | undefined
  /** From an element to what JSON shows. */
  show(element: number | bigint): number | bigint | boolean
}

type Constructor<A> = new (source: ArrayBuffer, byteOffset?: number, length?: number) => A

function made<A extends Numbers>(ArrayType: Constructor<A>): Datatype['make'] {
  return (source, byteOffset, length) => new ArrayType(source as ArrayBuffer, byteOffset, length)
}

const asIs = (element: number | bigint) => element

/** A missing number is null. */
const float = (value: Json): number | undefined =>
  typeof value === 'number' ? value : value === null ? Number.NaN : undefined

function whole(low: number, high: number): Datatype['read'] {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high ? value : undefined
}

function wide(low: bigint, high: bigint): Datatype['read'] {
  return (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) return undefined
    const element = BigInt(value)
    return element >= low && element <= high ? element : undefined
  }
}

const NUMBERS: Record<string, Datatype> = {
  FP16: {
    onnx: 'float16',
    bytes: 2,
    make: made(Uint16Array),
    read: (value) => {
      const number = float(value)
      return number === undefined ? undefined : toHalf(number)
    },
    show: (element) => fromHalf(Number(element)),
  },
  FP32: { onnx: 'float32', bytes: 4, make: made(Float32Array), read: float, show: asIs },
  FP64: { onnx: 'float64', bytes: 8, make: made(Float64Array), read: float, show: asIs },
  INT8: { onnx: 'int8', bytes: 1, make: made(Int8Array), read: whole(-128, 127), show: asIs },
  INT16: { onnx: 'int16', bytes: 2, make: made(Int16Array), read: whole(-32768, 32767), show: asIs },
  INT32: {
    onnx: 'int32',
    bytes: 4,
    make: made(Int32Array),
    read: whole(-(2 ** 31), 2 ** 31 - 1),
    show: asIs,
  },
  INT64: {
    onnx: 'int64',
    bytes: 8,
    make: made(BigInt64Array),
    read: wide(-(2n ** 63n), 2n ** 63n - 1n),
    show: asIs,
  },
  UINT8: { onnx: 'uint8', bytes: 1, make: made(Uint8Array), read: whole(0, 255), show: asIs },
  UINT16: { onnx: 'uint16', bytes: 2, make: made(Uint16Array), read: whole(0, 65535), show: asIs },
  UINT32: { onnx: 'uint32', bytes: 4, make: made(Uint32Array), read: whole(0, 2 ** 32 - 1), show: asIs },
  UINT64: {
    onnx: 'uint64',
    bytes: 8,
    make: made(BigUint64Array),
    read: wide(0n, 2n ** 64n - 1n),
    show: asIs,
  },
  BOOL: {
    onnx: 'bool',
    bytes: 1,
    make: made(Uint8Array),
    read: (value) => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined),
    show: (element) => Number(element) !== 0,
  },
}

export const DATATYPES: readonly string[] = [...Object.keys(NUMBERS), 'BYTES']

/** Undefined for BYTES, whose elements have no one size, and for what is no datatype. */
export function numericType(datatype: string): Datatype | undefined {
  return Object.hasOwn(NUMBERS, datatype) ? NUMBERS[datatype] : undefined
}

const BY_ONNX = new Map(Object.entries(NUMBERS).map(([name, { onnx }]) => [onnx, name]))

/** The datatype of ONNX's element type; undefined where the protocol has none. */
export function datatypeOfOnnx(type: string): string | undefined {
  return type === 'string' ? 'BYTES' : BY_ONNX.get(type)
}

export function onnxTypeOf(datatype: string): string {
  return numericType(datatype)?.onnx ?? 'string'
}

/** The datatype that metadata states for a column. */
export function datatypeOf(type: ColumnType): string {
  if (type === 'float') return 'FP64'
  if (type === 'int') return 'INT64'
  return type === 'bool' ? 'BOOL' : 'BYTES'
}

// ---------------------------------------------------------------- in

/** Elements of a binary tensor in an array of their type: over these bytes where they lie so that it can be, in memory of its own otherwise. Undefined when the bytes are not whole elements, or texts that are no UTF-8. */
export function arrayOfBytes(datatype: string, bytes: Uint8Array): OnnxData | undefined {
  const type = numericType(datatype)
  if (!type) return textsOf(bytes)
  if (bytes.byteLength % type.bytes !== 0) return undefined
  const { buffer, byteOffset } = byteOffsetFits(bytes, type) ? bytes : new Uint8Array(bytes)
  return type.make(buffer as ArrayBuffer, byteOffset, bytes.byteLength / type.bytes)
}

function byteOffsetFits({ byteOffset }: Uint8Array, { bytes }: Datatype): boolean {
  return byteOffset % bytes === 0
}

/** Elements of JSON in an array of their type; the place of the first that is none of the datatype otherwise. */
export function arrayOfJson(datatype: string, values: readonly Json[]): OnnxData | { wrongAt: number } {
  const type = numericType(datatype)
  if (!type) {
    const wrongAt = values.findIndex((value) => typeof value !== 'string')
    return wrongAt < 0 ? (values.slice() as string[]) : { wrongAt }
  }
  const array = type.make(values.length)
  const wrongAt = type.read === float ? fillFloats(array, values) : fill(array, values, type)
  return wrongAt < 0 ? array : { wrongAt }
}

/** The place of the first value that is none of the type; -1 when all are. */
function fill(array: Numbers, values: readonly Json[], { read }: Datatype): number {
  for (let i = 0; i < values.length; i++) {
    const element = read(values[i])
    if (element === undefined) return i
    array[i] = element
  }
  return -1
}

/** The same for numbers as they are: no call for each of them. */
function fillFloats(array: Numbers, values: readonly Json[]): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === 'number') array[i] = value
    else if (value === null) array[i] = Number.NaN
    else return i
  }
  return -1
}

/** Elements of a binary tensor as JSON has them: numbers (NaN as null: it means missing), booleans, or texts. Undefined when the bytes are not whole elements. */
export function decodeBinary(datatype: string, bytes: Uint8Array): Json[] | undefined {
  const array = arrayOfBytes(datatype, bytes)
  if (array === undefined || Array.isArray(array)) return array as Json[] | undefined
  const { show } = NUMBERS[datatype]
  return Array.from(array as ArrayLike<number | bigint>, (element) => {
    const value = show(element)
    if (typeof value === 'boolean') return value
    return Number.isNaN(Number(value)) ? null : Number(value)
  })
}

function textsOf(bytes: Uint8Array): string[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: string[] = []
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let offset = 0
  while (offset < bytes.length) {
    if (offset + 4 > bytes.length) return undefined
    const end = offset + 4 + view.getUint32(offset, true)
    if (end > bytes.length) return undefined
    try {
      texts.push(decoder.decode(bytes.subarray(offset + 4, end)))
    } catch {
      return undefined
    }
    offset = end
  }
  return texts
}

// ---------------------------------------------------------------- out

/** The bytes of a tensor's elements. An array of the datatype's own type is not copied. */
export function encodeBinary(datatype: string, data: ArrayLike<Element>): Uint8Array {
  const type = numericType(datatype)
  if (!type) return encodeTexts(data as ArrayLike<string>)
  const array = ArrayBuffer.isView(data) ? (data as unknown as Numbers) : arrayOf(type, data)
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function arrayOf(type: Datatype, data: ArrayLike<Element>): Numbers {
  const array = type.make(data.length)
  const isWide = array instanceof BigInt64Array || array instanceof BigUint64Array
  for (let i = 0; i < data.length; i++) {
    const element = data[i]
    array[i] = isWide
      ? BigInt(element as number)
      : type.onnx === 'float16'
        ? toHalf(Number(element))
        : Number(element)
  }
  return array
}

/** JSON of a tensor's elements: numbers that JSON does not have are null, whole numbers keep all their digits. */
export function jsonOf(datatype: string, data: ArrayLike<Element>): string {
  const type = numericType(datatype)
  if (!type || !ArrayBuffer.isView(data)) return JSON.stringify(Array.from(data))
  if (datatype === 'BOOL' || datatype === 'FP16')
    return JSON.stringify(Array.from(data as ArrayLike<number>, type.show))
  if (datatype.startsWith('FP')) return floatsJson(data as unknown as Float64Array)
  return `[${(data as unknown as Numbers).join(',')}]`
}

function floatsJson(data: ArrayLike<number>): string {
  let text = ''
  for (let i = 0; i < data.length; i++) {
    const element = data[i]
    text += `${i === 0 ? '' : ','}${Number.isFinite(element) ? element : 'null'}`
  }
  return `[${text}]`
}

function encodeTexts(data: ArrayLike<string>): Uint8Array {
  return Buffer.concat(
    Array.from(data).flatMap((text) => {
      const body = Buffer.from(text, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32LE(body.length)
      return [length, body]
    }),
  )
}
