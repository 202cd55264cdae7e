/** Inputs of an ONNX model: checked against what the model declares, and copied so that they can be handed over. */
import { MillraceError } from '../../core/errors.ts'
import { SPARE_LIMITS, type SpareBuffers } from '../../core/spare-buffers.ts'
import type { OnnxData, OnnxSignature, OnnxTensor, OnnxValue } from './messages.ts'

const ARRAYS: Record<string, { name: string } | undefined> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  string: Array,
}

/** Errors: MR_ONNX_INPUT, naming the input, what it should be and what it is. */
export function checkFeeds(id: string, { inputs }: OnnxSignature, feeds: Record<string, OnnxTensor>): void {
  const refuse = (input: string, message: string) => {
    throw new MillraceError('MR_ONNX_INPUT', { id, input, message })
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === name)) {
      refuse(name, `the model has no such input; it has ${inputs.map((input) => input.name).join(', ')}`)
    }
  }
  for (const input of inputs) {
    const feed = feeds[input.name]
    const wrong = feed ? wrongWith(input, feed) : 'it is missing'
    if (wrong !== undefined) refuse(input.name, wrong)
  }
}

function wrongWith(input: OnnxValue, { type, dims, data }: OnnxTensor): string | undefined {
  if (type !== input.type) return `the type must be ${input.type}, got ${type}`
  const want = ARRAYS[type]?.name
  if (data.constructor.name !== want)
    return `values of ${type} must be in a ${want}, got ${data.constructor.name}`
  const count = dims.reduce((product, size) => product * size, 1)
  if (count !== data.length) return `the shape [${dims.join(', ')}] needs ${count} values, got ${data.length}`
  return fits(input.shape, dims)
    ? undefined
    : `the shape must be [${input.shape.join(', ')}], got [${dims.join(', ')}]`
}

/** A model that declares no shape takes any; a symbolic or negative axis takes any size. */
function fits(shape: OnnxValue['shape'], dims: number[]): boolean {
  if (shape.length === 0) return true
  return (
    shape.length === dims.length &&
    shape.every((size, i) => typeof size === 'string' || size < 0 || size === dims[i])
  )
}

/** The same, with copies of what lies in shared memory, which the runtime refuses. */
export function unsharedFeeds(feeds: Record<string, OnnxTensor>): Record<string, OnnxTensor> {
  const isShared = ({ data }: OnnxTensor) =>
    ArrayBuffer.isView(data) && data.buffer instanceof SharedArrayBuffer
  return Object.values(feeds).some(isShared) ? copyFeeds(feeds).feeds : feeds
}

/** Copies in memory that is not shared (the runtime refuses shared memory), ready to be transferred; large ones in what `spare` has, where it is given. */
export function copyFeeds(
  feeds: Record<string, OnnxTensor>,
  spare?: SpareBuffers,
): {
  feeds: Record<string, OnnxTensor>
  buffers: ArrayBuffer[]
} {
  const copied: Record<string, OnnxTensor> = {}
  const buffers: ArrayBuffer[] = []
  for (const [name, { type, dims, data }] of Object.entries(feeds)) {
    const own = copyOf(data, spare)
    copied[name] = { type, dims, data: own }
    if (!Array.isArray(own)) buffers.push(own.buffer as ArrayBuffer)
  }
  return { feeds: copied, buffers }
}

function copyOf(data: OnnxData, spare: SpareBuffers | undefined): OnnxData {
  if (!spare || Array.isArray(data) || data.byteLength < SPARE_LIMITS.bytesMin)
    return data.slice() as OnnxData
  const View = data.constructor as Float32ArrayConstructor
  const own = new View(spare.take(data.byteLength), 0, data.length)
  own.set(data as Float32Array)
  return own
}
