/** Messages of `inference.GRPCInferenceService` and `grpc.health.v1`, field by field. Source: Triton's grpc_service.proto and model_config.proto. */
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import {
  bytesOf,
  type FieldReaders,
  readMessage,
  textOf,
  varintsOf,
  type WireField,
  WireWriter,
} from '../../model/import/protobuf.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import type {
  AnswerTensor,
  InferAnswer,
  ModelMetadata,
  ModelStatistics,
  RepositoryEntry,
  SentTensor,
  Spent,
  TensorSpec,
} from '../oip/backend.ts'
import { backendOf, type ModelConfig } from '../oip/config.ts'
import { DATATYPES, encodeBinary, numericType } from '../oip/datatypes.ts'
import { checkElements, readShape, tensorError } from '../oip/request.ts'

/** Faults of a message's bytes. */
const refuse: Refuse = (where, need, got) =>
  new MillraceError('MR_SERVE_BODY', { where: `the message at ${where}`, need, got })

const text = (field: WireField): string => textOf(field, refuse)
const flag = (field: WireField): boolean => field.wire === 0 && field.value !== 0n
const part = (field: WireField): Uint8Array => bytesOf(field, refuse)

/** A reader that keeps the last value of a field under a name. */
function put<K extends string, V>(
  key: K,
  read: (field: WireField) => V,
): (message: Record<K, V>, field: WireField) => void {
  return (message, field) => {
    message[key] = read(field)
  }
}

// ---------------------------------------------------------------- requests

/** Requests that name a model: field 1 the name, field 2 the version. */
export function readNamed(bytes: Uint8Array): { name: string; version?: string } {
  const read = readMessage(
    bytes,
    { name: '', version: '' },
    { 1: put('name', text), 2: put('version', text) },
    refuse,
  )
  return { name: read.name, version: read.version || undefined }
}

/** Requests to load or unload: field 2 is the model. */
export function readModelName(bytes: Uint8Array): string {
  return readMessage(bytes, { name: '' }, { 2: put('name', text) }, refuse).name
}

export function readIndex(bytes: Uint8Array): boolean {
  return readMessage(bytes, { ready: false }, { 2: put('ready', flag) }, refuse).ready
}

export function readService(bytes: Uint8Array): string {
  return readMessage(bytes, { name: '' }, { 1: put('name', text) }, refuse).name
}

interface Input {
  name: string
  datatype: string
  shape: number[]
  contents?: Uint8Array
}

export interface InferMessage {
  model: string
  version?: string
  id?: string
  parameters: Record<string, Json>
  inputs: SentTensor[]
  outputs?: string[]
  /** Whether tensors came as raw bytes, in which case they are answered so. */
  isRaw: boolean
}

interface Read {
  model: string
  version: string
  id: string
  parameters: Record<string, Json>
  inputs: Input[]
  outputs: string[]
  raw: Uint8Array[]
}

const INFER: FieldReaders<Read> = {
  1: put('model', text),
  2: put('version', text),
  3: put('id', text),
  4: (m, f) => readParameter(part(f), m.parameters),
  5: (m, f) => m.inputs.push(readInput(part(f))),
  6: (m, f) => m.outputs.push(readService(part(f))),
  7: (m, f) => m.raw.push(part(f)),
}

/** Errors: MR_SERVE_BODY for bytes that are no message, MR_SERVE_TENSOR for tensors that do not hold together. */
export function readInferMessage(bytes: Uint8Array): InferMessage {
  const empty: Read = { model: '', version: '', id: '', parameters: {}, inputs: [], outputs: [], raw: [] }
  const read = readMessage(bytes, empty, INFER, refuse)
  const isRaw = read.raw.length > 0
  if (isRaw && read.raw.length !== read.inputs.length)
    throw refuse('raw_input_contents', `as many as inputs, ${read.inputs.length}`, `${read.raw.length}`)
  return {
    model: read.model,
    version: read.version || undefined,
    id: read.id || undefined,
    parameters: read.parameters,
    inputs: read.inputs.map((input, i) => sentTensor(input, read.raw[i])),
    outputs: read.outputs.length > 0 ? read.outputs : undefined,
    isRaw,
  }
}

function readInput(bytes: Uint8Array): Input {
  const readers: FieldReaders<Input> = {
    1: put('name', text),
    2: put('datatype', text),
    3: (m, f) => {
      m.shape.push(...integersOf(f))
    },
    5: (m, f) => {
      m.contents = part(f)
    },
  }
  return readMessage(bytes, { name: '', datatype: '', shape: [] }, readers, refuse)
}

/** A repeated integer, packed or not. */
const integersOf = (field: WireField): number[] =>
  varints(field).map((value) => Number(BigInt.asIntN(64, value)))

const varints = (field: WireField): bigint[] => [...varintsOf(field, refuse)]

/** How each kind of parameter is read, by its field. */
const PARAMETERS: Record<number, (field: WireField) => Json> = {
  1: flag,
  2: (f) => integersOf(f)[0] ?? null,
  3: text,
  4: (f) => (f.wire === 1 ? new DataView(f.bytes.buffer, f.bytes.byteOffset, 8).getFloat64(0, true) : null),
  5: (f) => Number(varints(f)[0] ?? 0n),
}
const PARAMETER: FieldReaders<{ value: Json }> = Object.fromEntries(
  Object.entries(PARAMETERS).map(([field, read]) => [field, put('value', read)]),
)

function readParameter(bytes: Uint8Array, into: Record<string, Json>): void {
  const entry = { key: '', value: null as Json }
  const value = (m: { value: Json }, f: WireField) => {
    readMessage(part(f), m, PARAMETER, refuse)
  }
  readMessage(bytes, entry, { 1: put('key', text), 2: value }, refuse)
  if (entry.key !== '__proto__') into[entry.key] = entry.value
}

function sentTensor({ name, datatype, shape, contents }: Input, raw: Uint8Array | undefined): SentTensor {
  if (name === '') throw refuse('inputs', 'a name for each', 'none')
  if (!DATATYPES.includes(datatype))
    throw tensorError(name, `a datatype of ${DATATYPES.join(', ')}`, datatype)
  const values = raw ?? contentsOf(name, datatype, contents ?? new Uint8Array(0))
  const tensor = { name, datatype, shape: readShape(name, shape), values }
  checkElements(tensor)
  return tensor
}

/** Field of `InferTensorContents` that holds each datatype. */
const CONTENTS: Record<string, number> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
}

/** Typed contents as the bytes that a raw tensor would have. */
function contentsOf(name: string, datatype: string, contents: Uint8Array): SentTensor['values'] {
  const wanted = CONTENTS[datatype]
  if (wanted === undefined) throw tensorError(name, 'raw contents', `typed contents of ${datatype}`)
  const fields: WireField[] = []
  readMessage(contents, fields, { [wanted]: (m: WireField[], f) => m.push(f) }, refuse)
  if (datatype === 'BYTES') return fields.map(text)
  const type = numericType(datatype)
  if (datatype.startsWith('FP'))
    return Buffer.concat(
      fields.map((field) => (field.wire === 0 ? Buffer.alloc(0) : Buffer.from(field.bytes))),
    )
  const values = fields.flatMap(varints)
  const isWide = datatype.endsWith('64')
  const array = (type as NonNullable<typeof type>).make(values.length)
  values.forEach((value, i) => {
    array[i] = isWide
      ? datatype === 'INT64'
        ? BigInt.asIntN(64, value)
        : value
      : Number(BigInt.asIntN(64, value))
  })
  return new Uint8Array(array.buffer)
}

// ---------------------------------------------------------------- answers

export const flagMessage = (value: boolean): Uint8Array =>
  value ? new WireWriter().int(1, 1).done() : new Uint8Array(0)

export function serverMessage(
  { name, version }: { name: string; version: string },
  extensions: readonly string[],
): Uint8Array {
  const out = new WireWriter().text(1, name).text(2, version)
  for (const extension of extensions) out.text(3, extension)
  return out.done()
}

export function metadataMessage({ name, versions, platform, inputs, outputs }: ModelMetadata): Uint8Array {
  const out = new WireWriter().text(1, name)
  for (const version of versions) out.text(2, version)
  out.text(3, platform)
  for (const spec of inputs) out.message(4, specMessage(spec))
  for (const spec of outputs) out.message(5, specMessage(spec))
  return out.done()
}

function specMessage({ name, datatype, shape }: TensorSpec): WireWriter {
  return withShape(new WireWriter().text(1, name).text(2, datatype), 3, shape)
}

function withShape(out: WireWriter, field: number, shape: readonly number[]): WireWriter {
  for (const size of shape) out.int(field, size)
  return out
}

/** Datatypes of a configuration by their numbers. */
const CONFIG_TYPES = [
  'INVALID',
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
]

export function configMessage({ name, platform, maxBatchSize, input, output }: ModelConfig): Uint8Array {
  const config = new WireWriter().text(1, name).text(2, platform)
  if (maxBatchSize > 0) config.int(4, maxBatchSize)
  const tensor = (spec: TensorSpec, dims: number) =>
    withShape(
      new WireWriter().text(1, spec.name).int(2, CONFIG_TYPES.indexOf(spec.datatype)),
      dims,
      spec.shape,
    )
  for (const spec of input) config.message(5, tensor(spec, 4))
  for (const spec of output) config.message(6, tensor(spec, 3))
  return new WireWriter().message(1, config.text(17, backendOf(platform))).done()
}

export function inferMessage(
  { model, version, id, parameters = {}, outputs }: InferAnswer,
  isRaw: boolean,
): Uint8Array {
  const out = new WireWriter().text(1, model).text(2, version).text(3, id)
  for (const [name, value] of Object.entries(parameters))
    out.message(4, new WireWriter().text(1, name).message(2, parameterMessage(value)))
  for (const output of outputs) {
    const tensor = withShape(new WireWriter().text(1, output.name).text(2, output.datatype), 3, output.shape)
    if (!isRaw && CONTENTS[output.datatype] !== undefined) tensor.message(5, contentsMessage(output))
    out.message(5, tensor)
  }
  if (isRaw) for (const { datatype, data } of outputs) out.bytes(6, encodeBinary(datatype, data))
  return out.done()
}

/** Numbers, truths and texts as themselves; others as their JSON. */
function parameterMessage(value: Json): WireWriter {
  const out = new WireWriter()
  if (typeof value === 'boolean') return out.int(1, value ? 1 : 0)
  if (Number.isSafeInteger(value)) return out.int(2, value as number)
  if (typeof value === 'number') return out.double(4, value)
  return out.text(3, typeof value === 'string' ? value : JSON.stringify(value))
}

function contentsMessage({ datatype, data }: AnswerTensor): WireWriter {
  const field = CONTENTS[datatype]
  const out = new WireWriter()
  if (datatype.startsWith('FP')) return out.bytes(field, encodeBinary(datatype, data))
  for (let i = 0; i < data.length; i++) {
    const element = data[i]
    if (typeof element === 'string') out.text(field, element)
    else out.int(field, typeof element === 'bigint' ? element : Number(element))
  }
  return out
}

export function indexMessage(entries: readonly RepositoryEntry[]): Uint8Array {
  const out = new WireWriter()
  for (const { name, version, state, reason } of entries)
    out.message(1, new WireWriter().text(1, name).text(2, version).text(3, state).text(4, reason))
  return out.done()
}

const spentMessage = ({ count, ns }: Spent): WireWriter =>
  new WireWriter().int(1, count).int(2, Math.round(ns))

export function statisticsMessage(models: readonly ModelStatistics[]): Uint8Array {
  const out = new WireWriter()
  for (const model of models) {
    const spent = new WireWriter()
    for (const [i, one] of [
      model.success,
      model.fail,
      model.queue,
      model.input,
      model.compute,
      model.output,
      model.cacheHit,
      model.cacheMiss,
    ].entries())
      spent.message(i + 1, spentMessage(one))
    const message = new WireWriter()
      .text(1, model.name)
      .text(2, model.version)
      .int(3, model.lastInferenceMs)
      .int(4, model.inferences)
      .int(5, model.executions)
      .message(6, spent)
    for (const { size, compute } of model.batches)
      message.message(7, new WireWriter().int(1, size).message(3, spentMessage(compute)))
    out.message(1, message)
  }
  return out.done()
}

/** An answer of a stream, or what went wrong with its request. */
export function streamMessage(answer: Uint8Array | Error): Uint8Array {
  return answer instanceof Error
    ? new WireWriter().text(1, answer.message).done()
    : new WireWriter().bytes(2, answer).done()
}

/** `grpc.health.v1`: 1 is serving, 2 is not, 3 is unknown. */
export const healthMessage = (status: 1 | 2 | 3): Uint8Array => new WireWriter().int(1, status).done()
