/** Tensors as they were sent, made what a model takes, and what it gives made what is answered. */
import type { OnnxTensor } from '../../core/tensors.ts'
import type { AnswerTensor, SentTensor, TensorSpec } from '../oip/backend.ts'
import { arrayOfBytes, arrayOfJson, datatypeOfOnnx, numericType, onnxTypeOf } from '../oip/datatypes.ts'
import { tensorError } from '../oip/request.ts'
import type { TensorModel, Tensors } from './tensor-model.ts'

/** Feeds of a request, and how many rows they have (1 where the model has none). Errors: MR_SERVE_TENSOR. */
export function feedsOf(model: TensorModel, sent: readonly SentTensor[]): { feeds: Tensors; rows: number } {
  const feeds: Tensors = {}
  for (const tensor of sent) {
    const spec = specFor(model, tensor, sent.length)
    if (spec.name in feeds) throw tensorError(tensor.name, 'to be sent once', 'it twice')
    feeds[spec.name] = feedOf(spec, tensor, model.isLiberal)
  }
  for (const { name } of model.inputs) if (!(name in feeds)) throw tensorError(name, 'a value', 'none')
  return { feeds, rows: rowsOf(model, feeds) }
}

function specFor({ inputs, isLiberal }: TensorModel, { name }: SentTensor, nSent: number): TensorSpec {
  const spec = inputs.find((input) => input.name === name)
  if (spec) return spec
  if (isLiberal && inputs.length === 1 && nSent === 1) return inputs[0]
  throw tensorError(name, `one of the inputs ${inputs.map((input) => input.name).join(', ')}`, 'this name')
}

function feedOf(spec: TensorSpec, sent: SentTensor, isLiberal: boolean): OnnxTensor {
  const { name, datatype, shape, values } = sent
  const takes = datatype === spec.datatype || (isLiberal && numericType(datatype) !== undefined)
  if (!takes) throw tensorError(name, `datatype ${spec.datatype}`, datatype)
  if (!fits(spec.shape, shape)) throw tensorError(name, `shape [${spec.shape}]`, `[${shape}]`)
  const data = values instanceof Uint8Array ? bytesOf(sent, values) : jsonOf(sent, values)
  const want = shape.reduce((product, size) => product * size, 1)
  if (data.length !== want) throw tensorError(name, `${want} elements for shape [${shape}]`, `${data.length}`)
  const type = onnxTypeOf(spec.datatype)
  return {
    type,
    dims: shape,
    data: datatype === spec.datatype ? data : doublesOf(datatype, data),
  }
}

/** The runtime says no axes of a scalar, and of a tensor of any axes: such a one is let be. */
function fits(spec: readonly number[], shape: readonly number[]): boolean {
  if (spec.length === 0) return true
  return shape.length === spec.length && spec.every((size, axis) => size < 0 || size === shape[axis])
}

/** Numbers of any datatype as doubles; halves come as their bits. */
function doublesOf(datatype: string, data: OnnxTensor['data']): Float64Array {
  const show = numericType(datatype)?.show ?? Number
  return Float64Array.from(data as ArrayLike<number>, (element) => Number(show(element)))
}

function bytesOf({ name, datatype }: SentTensor, bytes: Uint8Array): OnnxTensor['data'] {
  const data = arrayOfBytes(datatype, bytes)
  if (!data) throw tensorError(name, `whole ${datatype} elements`, `${bytes.length} bytes that are not`)
  return data
}

function jsonOf(
  { name, datatype }: SentTensor,
  values: Exclude<SentTensor['values'], Uint8Array>,
): OnnxTensor['data'] {
  const data = arrayOfJson(datatype, values)
  if ('wrongAt' in data)
    throw tensorError(
      name,
      `${datatype} elements`,
      `${JSON.stringify(values[data.wrongAt])} at ${data.wrongAt}`,
    )
  return data
}

function rowsOf({ hasRows, inputs }: TensorModel, feeds: Tensors): number {
  if (!hasRows) return 1
  const [first] = inputs
  const rows = feeds[first.name].dims[0]
  if (rows === 0) throw tensorError(first.name, 'at least one row', 'none')
  for (const { name } of inputs) {
    const own = feeds[name].dims[0]
    if (own !== rows) throw tensorError(name, `${rows} rows, as ${first.name} has`, `${own}`)
  }
  return rows
}

/** Outputs in the order that was asked for, or the model's. Errors: MR_SERVE_TENSOR for one that the model does not have. */
export function checkWanted({ outputs }: TensorModel, wanted: readonly string[] | undefined): void {
  for (const name of wanted ?? [])
    if (!outputs.some((output) => output.name === name))
      throw tensorError(
        name,
        `one of the outputs ${outputs.map((output) => output.name).join(', ')}`,
        'this name',
      )
}

export function answerTensors(
  { outputs }: TensorModel,
  given: Tensors,
  wanted: readonly string[] | undefined,
): AnswerTensor[] {
  const names = wanted ?? outputs.map(({ name }) => name)
  return names.flatMap((name) => {
    const tensor = given[name]
    const datatype = tensor && datatypeOfOnnx(tensor.type)
    return datatype === undefined ? [] : [{ name, datatype, shape: tensor.dims, data: tensor.data }]
  })
}
