/**
 * The first questions to a version, before anyone else asks it: tensors of its own shapes, of zeros, of ones, and of numbers between. It is fit when it answers one of them without an
 * error and without NaN; zeros alone would do wrong to a model that divides by what it is given.
 */
import { isMillraceError, type MillraceError } from '../../core/errors.ts'
import type { OnnxTensor } from '../../core/tensors.ts'
import type { TensorSpec } from '../oip/backend.ts'
import { numericType, onnxTypeOf } from '../oip/datatypes.ts'
import { fromHalf, toHalf } from '../oip/half.ts'
import type { TensorModel, Tensors } from './tensor-model.ts'

/**
 * Which versions are asked: `swaps`, those that would take the place of one that answers; `all`, the first of a model too; `none`. One that is not fit is not routed, unless the
 * version before it does not answer these questions either.
 */
export type TrialOf = 'swaps' | 'all' | 'none'

/** A version whose inputs have more elements is not asked: its shapes are no example. */
const ELEMENTS_MAX = 16 * 1024 * 1024

const QUESTIONS: { number: (i: number) => number; text: string }[] = [
  { number: () => 0, text: '' },
  { number: () => 1, text: 'a' },
  { number: (i) => ((i * 7) % 11) / 11, text: 'a b' },
]

/** Why a version is not fit; undefined when it is, or when there was no answer that says anything of it. */
export async function unfitness(model: TensorModel, before?: TensorModel): Promise<string | undefined> {
  if (model.inputs.some(({ shape }) => elementsOf(shape) > ELEMENTS_MAX)) return undefined
  const found = await unfitAlone(model)
  if (found === undefined || !before) return found
  return (await unfitAlone(before)) === undefined ? found : undefined
}

async function unfitAlone(model: TensorModel): Promise<string | undefined> {
  let first: string | undefined
  for (const { number, text } of QUESTIONS) {
    const why = await whyNot(
      model,
      Object.fromEntries(model.inputs.map((spec) => [spec.name, filled(spec, number, text)])),
    )
    if (why === undefined) return undefined
    first ??= why
  }
  return first
}

/** What is wrong with an answer. Errors of the machine, not of the model, say nothing. */
async function whyNot(model: TensorModel, feeds: Tensors): Promise<string | undefined> {
  try {
    const name = nanIn(await model.run(feeds))
    return name === undefined ? undefined : `its output "${name}" is NaN`
  } catch (thrown) {
    return isOfModel(thrown) ? thrown.message : undefined
  }
}

const isOfModel = (thrown: unknown): thrown is MillraceError =>
  isMillraceError(thrown, 'MR_ONNX_RUN') || isMillraceError(thrown, 'MR_ONNX_WORKER')

function nanIn(outputs: Tensors): string | undefined {
  return Object.keys(outputs).find((name) => {
    const { type, data } = outputs[name]
    if (!type.startsWith('float') || Array.isArray(data)) return false
    const isNone = type === 'float16' ? (bits: number) => Number.isNaN(fromHalf(bits)) : Number.isNaN
    return Array.prototype.some.call(data, isNone)
  })
}

const elementsOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * (size < 0 ? 1 : size), 1)

/** An open axis is one long. */
function filled({ datatype, shape }: TensorSpec, number: (i: number) => number, text: string): OnnxTensor {
  const dims = shape.map((size) => (size < 0 ? 1 : size))
  const elements = elementsOf(dims)
  const type = onnxTypeOf(datatype)
  const made = numericType(datatype)
  if (!made) return { type, dims, data: new Array<string>(elements).fill(text) }
  const data = made.make(elements)
  const isFloat = type.startsWith('float')
  const element = (i: number) => (isFloat ? number(i) : Math.round(number(i)))
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    for (let i = 0; i < elements; i++) data[i] = BigInt(element(i))
  else for (let i = 0; i < elements; i++) data[i] = type === 'float16' ? toHalf(element(i)) : element(i)
  return { type, dims, data }
}
