/** Nested arrays of JSON as tensors, and tensors as nested arrays: what the protocols before V2 send. */
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import type { AnswerTensor, SentTensor, TensorSpec } from '../oip/backend.ts'
import { numericType } from '../oip/datatypes.ts'

const AXES_MAX = 8

/** A tensor of the input's datatype. Errors: MR_SERVE_BODY for arrays of unequal length. */
export function tensorOf({ name, datatype }: TensorSpec, nested: Json): SentTensor {
  const shape: number[] = []
  for (let level = nested; Array.isArray(level) && shape.length < AXES_MAX; level = level[0])
    shape.push(level.length)
  const values: Json[] = []
  collect(nested, shape, 0, values, name)
  return { name, datatype, shape: shape.length === 0 ? [1] : shape, values }
}

function collect(value: Json, shape: readonly number[], axis: number, into: Json[], name: string): void {
  if (axis === shape.length) {
    if (!Array.isArray(value)) into.push(value)
    else throw unequal(name, shape)
    return
  }
  if (!Array.isArray(value) || value.length !== shape[axis]) throw unequal(name, shape)
  for (const one of value) collect(one, shape, axis + 1, into, name)
}

function unequal(name: string, shape: readonly number[]): MillraceError {
  const need = `nested arrays of one length on each axis, [${shape}] as its first elements have`
  return new MillraceError('MR_SERVE_BODY', { where: `input ${name}`, need, got: 'arrays of other lengths' })
}

/** Rows of an output, nested along its axes. */
export function nestedOf({ datatype, shape, data }: AnswerTensor): Json {
  const show = ArrayBuffer.isView(data) ? numericType(datatype)?.show : undefined
  let at = 0
  const read = (axis: number): Json => {
    if (axis === shape.length) {
      const element = data[at++]
      const shown = show ? show(element as number) : element
      return typeof shown === 'bigint'
        ? Number(shown)
        : typeof shown === 'number' && !Number.isFinite(shown)
          ? null
          : shown
    }
    return Array.from({ length: shape[axis] }, () => read(axis + 1))
  }
  return read(0)
}
