/** Inference requests of the Open Inference Protocol V2 as rows of raw columns. Liberal in: flat or nested data, any numeric datatype, absent id. */
import type { Json } from '../../core/canonical.ts'
import { excerpt, MillraceError } from '../../core/errors.ts'
import type { SignatureField } from '../../core/records.ts'
import type { RawRow } from '../predictor.ts'
import { checkId, describeJson, isObject, parseJson } from './body.ts'
import { DATATYPES, datatypeOf, decodeBinary, NUMERIC_TYPES } from './tensor-types.ts'

export interface WantedOutput {
  name: string
  /** Undefined: as the request says for all. */
  binary?: boolean
}

export interface InferRequest {
  id?: string
  inputs: Tensor[]
  /** Outputs asked for by name; undefined for the usual ones. */
  outputs?: WantedOutput[]
  /** Whether outputs are binary where they do not say themselves. */
  binaryOutput: boolean
  /** Sticky key, from the request's parameters. */
  key?: string
}

interface Tensor {
  name: string
  datatype: string
  shape: number[]
  /** Row-major elements; null is missing. */
  data: Json[]
}

export interface RequestLimits {
  jsonDepthMax: number
  requestRowsMax: number
}

function tensorError(tensor: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_TENSOR', { tensor: excerpt(tensor), need, got })
}

/**
 * Reads a request from its body and the header `Inference-Header-Content-Length`: absent for JSON alone, the length of the JSON before the
 * binary tensors otherwise, 0 for the raw bytes of a model's only input. Errors: MR_SERVE_JSON, MR_SERVE_BODY, MR_SERVE_TENSOR, MR_LIMIT.
 */
export function readInfer(
  body: Uint8Array,
  headerLength: string | undefined,
  fields: readonly SignatureField[],
  limits: RequestLimits,
): InferRequest {
  const jsonBytes = headerLength === undefined ? body.length : parseLength(headerLength, body.length)
  if (jsonBytes === 0 && headerLength !== undefined) return readRaw(body, fields)
  const json = parseJson(body.subarray(0, jsonBytes), limits.jsonDepthMax)
  if (!isObject(json) || !Array.isArray(json.inputs) || json.inputs.length === 0) {
    throw bodyError('the body', '{"inputs": [{name, shape, datatype, data}, …]}', json)
  }
  const cursor = { bytes: body.subarray(jsonBytes), offset: 0 }
  const inputs = json.inputs.map((input, i) => readTensor(input, i, cursor))
  if (cursor.offset !== cursor.bytes.length) {
    throw bodyError('the binary part', `${cursor.offset} bytes, as its tensors say`, cursor.bytes.length)
  }
  const parameters = isObject(json.parameters) ? json.parameters : {}
  return {
    id: json.id === undefined || json.id === null || json.id === '' ? undefined : checkId('"id"', json.id),
    inputs,
    outputs: readOutputs(json.outputs),
    binaryOutput: parameters.binary_data_output === true,
    key: typeof parameters.key === 'string' ? checkId('parameter "key"', parameters.key) : undefined,
  }
}

function bodyError(where: string, need: string, got: unknown): MillraceError {
  return new MillraceError('MR_SERVE_BODY', { where, need, got: describeJson(got) })
}

function parseLength(header: string, bodyBytes: number): number {
  const length = /^\d{1,12}$/.test(header) ? Number(header) : Number.NaN
  if (length <= bodyBytes) return length
  throw bodyError('header Inference-Header-Content-Length', `a number of bytes up to ${bodyBytes}`, header)
}

/** A body that is one tensor and nothing else. */
function readRaw(body: Uint8Array, fields: readonly SignatureField[]): InferRequest {
  if (fields.length !== 1) {
    throw bodyError('a raw binary body', `sent to a model with one input`, `a model with ${fields.length}`)
  }
  const datatype = datatypeOf(fields[0].type)
  const data = datatype === 'BYTES' ? [Buffer.from(body).toString('utf8')] : decodeBinary(datatype, body)
  if (!data) throw tensorError(fields[0].name, `whole ${datatype} elements`, `${body.length} bytes`)
  return { inputs: [{ name: fields[0].name, datatype, shape: [data.length], data }], binaryOutput: false }
}

function readTensor(input: Json, i: number, cursor: { bytes: Uint8Array; offset: number }): Tensor {
  if (!isObject(input)) throw bodyError(`input ${i}`, 'an object with name, shape, datatype, data', input)
  const { name, datatype } = input
  if (typeof name !== 'string' || name === '') throw bodyError(`the name of input ${i}`, 'a text', name)
  if (typeof datatype !== 'string' || !DATATYPES.includes(datatype)) {
    throw tensorError(name, `a datatype of ${DATATYPES.join(', ')}`, describeJson(datatype))
  }
  const shape = readShape(name, input.shape)
  const size = isObject(input.parameters) ? input.parameters.binary_data_size : undefined
  const data = size === undefined ? flat(name, input.data) : takeBinary(name, datatype, size, cursor)
  const elements = shape.reduce((product, n) => product * n, 1)
  if (data.length !== elements) {
    throw tensorError(name, `${elements} elements for shape [${shape}]`, `${data.length}`)
  }
  return { name, datatype, shape, data }
}

function readShape(name: string, shape: Json | undefined): number[] {
  const whole = (n: Json): boolean => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0
  if (Array.isArray(shape) && shape.length > 0 && shape.length <= 8 && shape.every(whole))
    return shape as number[]
  throw tensorError(name, 'a shape of 1 to 8 whole numbers', describeJson(shape))
}

function flat(name: string, data: Json | undefined): Json[] {
  if (!Array.isArray(data)) throw tensorError(name, '"data" as an array', describeJson(data))
  return data.some(Array.isArray) ? ((data as unknown[]).flat(Infinity) as Json[]) : data
}

function takeBinary(
  name: string,
  datatype: string,
  size: Json | undefined,
  cursor: { bytes: Uint8Array; offset: number },
): Json[] {
  const left = cursor.bytes.length - cursor.offset
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0 || size > left) {
    throw tensorError(
      name,
      `a binary_data_size of at most the ${left} bytes that are left`,
      describeJson(size),
    )
  }
  const bytes = cursor.bytes.subarray(cursor.offset, cursor.offset + size)
  cursor.offset += size
  const data = decodeBinary(datatype, bytes)
  if (!data) throw tensorError(name, `whole ${datatype} elements`, `${size} bytes`)
  return data
}

function readOutputs(outputs: Json | undefined): WantedOutput[] | undefined {
  if (!Array.isArray(outputs) || outputs.length === 0) return undefined
  return outputs.map((output, i) => {
    if (!isObject(output) || typeof output.name !== 'string') {
      throw bodyError(`output ${i}`, 'an object with a name', output)
    }
    const binary = isObject(output.parameters) ? output.parameters.binary_data : undefined
    return { name: output.name, binary: typeof binary === 'boolean' ? binary : undefined }
  })
}

/**
 * Tensors as rows. Each tensor is a column of `n` elements, shape `[n]` or `[n, 1]`; or one tensor of shape `[n, k]` holds all `k` columns in the
 * order of the signature. Columns that are absent are missing. Errors: MR_SERVE_TENSOR, MR_LIMIT.
 */
export function rowsOf(
  inputs: readonly Tensor[],
  fields: readonly SignatureField[],
  limits: RequestLimits,
): RawRow[] {
  const nRows = inputs[0].shape[0]
  checkRowCount(inputs[0].name, nRows, limits.requestRowsMax)
  const wide = wideTensor(inputs, fields)
  const rows: RawRow[] = Array.from({ length: nRows }, () => ({}))
  const columns = wide ? columnsOf(wide, fields) : inputs
  for (const column of columns) placeColumn(rows, column, fields)
  return rows
}

function checkRowCount(tensor: string, nRows: number, max: number): void {
  if (nRows > max)
    throw new MillraceError('MR_LIMIT', { limit: 'requestRowsMax', max, got: nRows, unit: 'rows' })
  if (nRows === 0) throw tensorError(tensor, 'at least one row', 'none')
}

function wideTensor(inputs: readonly Tensor[], fields: readonly SignatureField[]): Tensor | undefined {
  const [tensor] = inputs
  if (inputs.length !== 1 || fields.some((field) => field.name === tensor.name)) return undefined
  return tensor.shape.length === 2 && tensor.shape[1] === fields.length ? tensor : undefined
}

function columnsOf(wide: Tensor, fields: readonly SignatureField[]): Tensor[] {
  const [nRows, k] = wide.shape
  return fields.map((field, c) => ({
    name: field.name,
    datatype: wide.datatype,
    shape: [nRows],
    data: Array.from({ length: nRows }, (_, i) => wide.data[i * k + c]),
  }))
}

function placeColumn(rows: RawRow[], tensor: Tensor, fields: readonly SignatureField[]): void {
  if (tensor.shape[0] !== rows.length || tensor.data.length !== rows.length) {
    throw tensorError(tensor.name, `shape [${rows.length}] or [${rows.length},1]`, `[${tensor.shape}]`)
  }
  const field = fields.find((candidate) => candidate.name === tensor.name)
  const convert = field ? conversion(tensor, field) : (value: Json) => value
  tensor.data.forEach((value, i) => {
    rows[i][tensor.name] = value === null ? null : convert(value)
  })
}

/** From an element of a tensor to a value of the column, where the two types can mean the same. */
function conversion(tensor: Tensor, field: SignatureField): (value: Json) => Json {
  const { datatype } = tensor
  const isText = datatype === 'BYTES'
  const wantsText = field.type === 'string' || field.type === 'json'
  const wantsNumber = field.type === 'int' || field.type === 'float'
  if ((isText && (wantsNumber || field.type === 'bool')) || (!isText && wantsText)) {
    throw tensorError(tensor.name, `datatype ${datatypeOf(field.type)}`, datatype)
  }
  if (field.type === 'bool' && datatype in NUMERIC_TYPES)
    return (value) => (value === 1 ? true : value === 0 ? false : value)
  if (wantsNumber && datatype === 'BOOL')
    return (value) => (typeof value === 'boolean' ? Number(value) : value)
  return (value) => value
}
