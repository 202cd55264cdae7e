/** Bodies of inference requests of the Open Inference Protocol V2. Liberal in: flat or nested data, absent id, parameters of others. */
import type { Json } from '../../core/canonical.ts'
import { excerpt, MillraceError } from '../../core/errors.ts'
import { checkId, describeJson, isObject, parseJson, readThreshold } from '../http/body.ts'
import type { SentTensor, TensorSpec } from './backend.ts'
import { DATATYPES, numericType } from './datatypes.ts'

export interface WantedOutput {
  name: string
  /** Undefined: as the request says for all. */
  binary?: boolean
}

export interface InferRequest {
  id?: string
  inputs: SentTensor[]
  /** Outputs asked for by name; undefined for the usual ones. */
  outputs?: WantedOutput[]
  /** Whether outputs are binary where they do not say themselves. */
  binaryOutput: boolean
  /** Sticky key, from the request's parameters. */
  key?: string
  /** What the client grants, in microseconds. */
  timeoutUs?: number
  /** Whether each row is to be explained. */
  explain?: boolean
  /** Class that is explained, and share from which a yes or no is a yes. */
  explainClass?: string
  threshold?: number
}

type Parameters = Pick<InferRequest, 'key' | 'timeoutUs' | 'explain' | 'explainClass' | 'threshold'>

const AXES_MAX = 8

export function tensorError(tensor: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_TENSOR', { tensor: excerpt(tensor), need, got })
}

/**
 * Reads a request from its body and the header `Inference-Header-Content-Length`: absent for JSON alone, the length of the JSON before the
 * binary tensors otherwise, 0 for the raw bytes of a model's only input, for which the model is asked (a promise then). Errors: MR_SERVE_JSON, MR_SERVE_BODY, MR_SERVE_TENSOR, MR_LIMIT.
 */
export function readInfer(
  body: Uint8Array,
  headerLength: string | undefined,
  { inputsOf, jsonDepthMax }: { inputsOf: () => Promise<TensorSpec[]>; jsonDepthMax: number },
): InferRequest | Promise<InferRequest> {
  const jsonBytes = headerLength === undefined ? body.length : parseLength(headerLength, body.length)
  if (jsonBytes === 0 && headerLength !== undefined) return inputsOf().then((specs) => readRaw(body, specs))
  const json = parseJson(body.subarray(0, jsonBytes), jsonDepthMax)
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
    ...readParameters(parameters),
  }
}

/** Parameters of a request that mean something here; others are let be. */
export function readParameters(parameters: Record<string, Json>): Parameters {
  const { key, timeout, explain, class: label, threshold } = parameters
  const timeoutUs = Number(timeout)
  return {
    key: typeof key === 'string' ? checkId('parameter "key"', key) : undefined,
    timeoutUs: timeoutUs > 0 && Number.isFinite(timeoutUs) ? timeoutUs : undefined,
    ...(explain === true && { explain }),
    ...(typeof label === 'string' && { explainClass: label }),
    ...(threshold !== undefined && { threshold: readThreshold(threshold) }),
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

/** A body that is one tensor and nothing else: its shape is as many as there are, of whatever the model leaves open. */
function readRaw(body: Uint8Array, specs: readonly TensorSpec[]): InferRequest {
  const [spec] = specs
  if (specs.length !== 1 || spec === undefined)
    throw bodyError('a raw binary body', 'sent to a model with one input', `a model with ${specs.length}`)
  const { name, datatype } = spec
  const type = numericType(datatype)
  const elements = type ? body.length / type.bytes : 1
  if (!Number.isInteger(elements))
    throw tensorError(name, `whole ${datatype} elements`, `${body.length} bytes`)
  const values = type ? body : [Buffer.from(body).toString('utf8')]
  return { inputs: [{ name, datatype, shape: openShape(spec, elements), values }], binaryOutput: false }
}

function openShape({ name, shape }: TensorSpec, elements: number): number[] {
  const known = shape.reduce((product, size) => (size < 0 ? product : product * size), 1)
  const open = shape.filter((size) => size < 0).length
  const rest = elements / known
  if (!Number.isInteger(rest) || (open === 0 && rest !== 1))
    throw tensorError(name, `a multiple of ${known} elements`, `${elements}`)
  const first = shape.findIndex((size) => size < 0)
  return shape.map((size, axis) => (size >= 0 ? size : axis === first ? rest : 1))
}

function readTensor(input: Json, i: number, cursor: { bytes: Uint8Array; offset: number }): SentTensor {
  if (!isObject(input)) throw bodyError(`input ${i}`, 'an object with name, shape, datatype, data', input)
  const { name, datatype } = input
  if (typeof name !== 'string' || name === '') throw bodyError(`the name of input ${i}`, 'a text', name)
  if (typeof datatype !== 'string' || !DATATYPES.includes(datatype)) {
    throw tensorError(name, `a datatype of ${DATATYPES.join(', ')}`, describeJson(datatype))
  }
  const shape = readShape(name, input.shape)
  const size = isObject(input.parameters) ? input.parameters.binary_data_size : undefined
  const values = size === undefined ? flat(name, input.data) : takeBinary(name, size, cursor)
  const tensor = { name, datatype, shape, values }
  checkElements(tensor)
  return tensor
}

/** Errors: MR_SERVE_TENSOR when there are not as many elements as the shape has; texts in bytes are counted when they are read. */
export function checkElements({ name, datatype, shape, values }: SentTensor): void {
  const bytes = numericType(datatype)?.bytes
  const isBinary = values instanceof Uint8Array
  if (isBinary && bytes === undefined) return
  const elements = isBinary && bytes !== undefined ? values.length / bytes : values.length
  const want = shape.reduce((product, n) => product * n, 1)
  if (!Number.isInteger(elements))
    throw tensorError(name, `whole ${datatype} elements`, `${values.length} bytes`)
  if (elements !== want) throw tensorError(name, `${want} elements for shape [${shape}]`, `${elements}`)
}

export function readShape(name: string, shape: unknown): number[] {
  const whole = (n: unknown): boolean => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0
  if (Array.isArray(shape) && shape.length <= AXES_MAX && shape.every(whole)) return shape as number[]
  throw tensorError(name, `a shape of at most ${AXES_MAX} whole numbers`, describeJson(shape))
}

function flat(name: string, data: Json | undefined): Json[] {
  if (!Array.isArray(data)) throw tensorError(name, '"data" as an array', describeJson(data))
  return hasArrays(data) ? ((data as unknown[]).flat(Infinity) as Json[]) : data
}

function hasArrays(data: readonly Json[]): boolean {
  for (let i = 0; i < data.length; i++) if (typeof data[i] === 'object' && Array.isArray(data[i])) return true
  return false
}

function takeBinary(
  name: string,
  size: Json | undefined,
  cursor: { bytes: Uint8Array; offset: number },
): Uint8Array {
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
  return bytes
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
