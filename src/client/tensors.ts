/** Tensors as the binary extension of the Open Inference Protocol V2 has them: JSON, and behind it each tensor's bytes, little-endian, texts with their length before them. */
import { localError } from './error.ts'

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array

export type TensorData = TypedArray | readonly (number | string | boolean)[]

export interface TensorIn {
  /** Where it is absent, what the data are: of an array of numbers FP64, of truths BOOL, of texts BYTES. Bits of halves are a Uint16Array with `FP16`. */
  datatype?: string
  /** Default: one axis of all elements. */
  shape?: readonly number[]
  data: TensorData
}

export interface TensorOut {
  name: string
  datatype: string
  shape: number[]
  /** Numbers in an array of their type, 64-bit integers as BigInt, halves as their bits; truths and texts in plain arrays. */
  data: TypedArray | boolean[] | string[]
}

interface ArrayType {
  new (length: number): TypedArray
  new (buffer: ArrayBuffer): TypedArray
  readonly BYTES_PER_ELEMENT: number
}

const TYPES: Record<string, ArrayType> = {
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array as unknown as ArrayType,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array as unknown as ArrayType,
  BOOL: Uint8Array,
} as unknown as Record<string, ArrayType>

const isTyped = (data: TensorData): data is TypedArray => ArrayBuffer.isView(data)

function datatypeOf(name: string, { datatype, data }: TensorIn): string {
  if (datatype !== undefined) return datatype
  if (isTyped(data)) {
    const found = Object.entries(TYPES).find(
      ([type, made]) => type !== 'FP16' && type !== 'BOOL' && data instanceof made,
    )
    if (found) return found[0]
  } else {
    if (typeof data[0] === 'string') return 'BYTES'
    if (typeof data[0] === 'boolean') return 'BOOL'
    if (typeof data[0] === 'number') return 'FP64'
  }
  throw localError('MR_CLIENT_TENSOR', {
    tensor: name,
    need: 'a datatype',
    got: 'data that do not say theirs',
  })
}

function bytesOf(name: string, datatype: string, data: TensorData): Uint8Array {
  if (datatype === 'BYTES') return textBytes(data as readonly string[])
  const type = TYPES[datatype]
  if (!type)
    throw localError('MR_CLIENT_TENSOR', {
      tensor: name,
      need: `a datatype of ${Object.keys(TYPES).join(', ')} or BYTES`,
      got: datatype,
    })
  const array = isTyped(data) ? data : typed(datatype, data)
  if (array.BYTES_PER_ELEMENT !== type.BYTES_PER_ELEMENT)
    throw localError('MR_CLIENT_TENSOR', {
      tensor: name,
      need: `elements of ${type.BYTES_PER_ELEMENT} bytes for ${datatype}`,
      got: `${array.BYTES_PER_ELEMENT}`,
    })
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function typed(datatype: string, data: readonly (number | string | boolean)[]): TypedArray {
  const array = new TYPES[datatype](data.length)
  data.forEach((value, i) => {
    array[i] = (datatype.endsWith('INT64') ? BigInt(value) : Number(value)) as never
  })
  return array
}

function textBytes(texts: readonly string[]): Uint8Array {
  const encoded = texts.map((text) => new TextEncoder().encode(text))
  const bytes = new Uint8Array(encoded.reduce((sum, text) => sum + 4 + text.length, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const text of encoded) {
    view.setUint32(at, text.length, true)
    bytes.set(text, at + 4)
    at += 4 + text.length
  }
  return bytes
}

export interface InferBody {
  inputs: Record<string, TensorIn>
  /** Outputs by name. Default: the usual ones. */
  outputs?: readonly string[]
  parameters?: Record<string, unknown>
}

/** The body of a request and the length of its JSON. Errors: MR_CLIENT_TENSOR. */
export function encodeInfer(
  { inputs, outputs, parameters }: InferBody,
  id: string,
): { body: Uint8Array; jsonBytes: number } {
  const blobs: Uint8Array[] = []
  const tensors = Object.entries(inputs).map(([name, tensor]) => {
    const datatype = datatypeOf(name, tensor)
    const blob = bytesOf(name, datatype, tensor.data)
    blobs.push(blob)
    const { shape = [tensor.data.length] } = tensor
    return { name, datatype, shape, parameters: { binary_data_size: blob.length } }
  })
  const json = new TextEncoder().encode(
    JSON.stringify({
      id,
      inputs: tensors,
      outputs: outputs?.map((name) => ({ name, parameters: { binary_data: true } })),
      parameters: { ...parameters, binary_data_output: true },
    }),
  )
  const body = new Uint8Array(blobs.reduce((sum, blob) => sum + blob.length, json.length))
  body.set(json)
  let at = json.length
  for (const blob of blobs) {
    body.set(blob, at)
    at += blob.length
  }
  return { body, jsonBytes: json.length }
}

export interface InferOut {
  model: string
  version: string
  id: string
  parameters: Record<string, unknown>
  outputs: Record<string, TensorOut>
}

interface Head {
  model_name: string
  model_version: string
  id: string
  parameters?: Record<string, unknown>
  outputs: {
    name: string
    datatype: string
    shape: number[]
    data?: (number | string | boolean | null)[]
    parameters?: { binary_data_size?: number }
  }[]
}

/** An answer from its bytes. `jsonBytes` is the header `Inference-Header-Content-Length`, all of it where there is none. */
export function decodeInfer(bytes: Uint8Array, jsonBytes: number = bytes.length): InferOut {
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, jsonBytes))) as Head
  let at = jsonBytes
  const outputs = head.outputs.map(({ name, datatype, shape, data, parameters }): [string, TensorOut] => {
    const size = parameters?.binary_data_size
    if (size === undefined) return [name, { name, datatype, shape, data: ofJson(datatype, data ?? []) }]
    at += size
    return [name, { name, datatype, shape, data: ofBytes(datatype, bytes.subarray(at - size, at)) }]
  })
  const { model_name: model, model_version: version, id, parameters = {} } = head
  return { model, version, id, parameters, outputs: Object.fromEntries(outputs) }
}

function ofBytes(datatype: string, bytes: Uint8Array): TensorOut['data'] {
  if (datatype === 'BYTES') return textsOf(bytes)
  if (datatype === 'BOOL') return Array.from(bytes, (byte) => byte !== 0)
  return new TYPES[datatype](bytes.slice().buffer)
}

function ofJson(datatype: string, data: readonly (number | string | boolean | null)[]): TensorOut['data'] {
  if (datatype === 'BYTES') return data.map(String)
  if (datatype === 'BOOL') return data.map(Boolean)
  return typed(
    datatype,
    data.map((value) => value ?? Number.NaN),
  )
}

function textsOf(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at, true)
    texts.push(new TextDecoder().decode(bytes.subarray(at + 4, end)))
    at = end
  }
  return texts
}
