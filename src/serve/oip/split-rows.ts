/** Tensors of many rows as pieces of a few. */
import type { SentTensor } from './backend.ts'
import { decodeBinary, numericType } from './datatypes.ts'
import { tensorError } from './request.ts'

/** Rows that all tensors have along their first axis; undefined where they differ. */
export function rowsIn(inputs: readonly SentTensor[]): number | undefined {
  const [first] = inputs
  const rows = first?.shape[0]
  return rows !== undefined && inputs.every(({ shape }) => shape[0] === rows) ? rows : undefined
}

/** Texts in bytes as texts, once for all pieces. Errors: MR_SERVE_TENSOR for bytes that are none. */
export function withTexts(inputs: readonly SentTensor[]): SentTensor[] {
  return inputs.map((input) => {
    const { name, datatype, values } = input
    if (!(values instanceof Uint8Array) || numericType(datatype)) return input
    const texts = decodeBinary(datatype, values)
    if (!texts) throw tensorError(name, `whole ${datatype} elements`, 'bytes that are not')
    return { ...input, values: texts }
  })
}

/** Rows `begin` up to `end`, which is not among them. Nothing of numbers in bytes is copied. */
export function sliceRows(inputs: readonly SentTensor[], begin: number, end: number): SentTensor[] {
  return inputs.map((input) => {
    const { name, datatype, shape, values } = input
    const each = shape.slice(1).reduce((product, size) => product * size, 1)
    const bytes = numericType(datatype)?.bytes
    const width = values instanceof Uint8Array && bytes !== undefined ? each * bytes : each
    const own =
      values instanceof Uint8Array
        ? values.subarray(begin * width, end * width)
        : values.slice(begin * width, end * width)
    return { name, datatype, shape: [end - begin, ...shape.slice(1)], values: own }
  })
}
