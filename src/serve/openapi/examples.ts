/** Requests that a model of some columns or tensors takes, to begin with. */
import type { Json } from '../../core/canonical.ts'
import type { ColumnType, SignatureField } from '../../core/records.ts'
import type { TensorSpec } from '../oip/backend.ts'

const VALUES: Record<ColumnType, Json> = {
  bool: true,
  int: 1,
  float: 1.5,
  string: 'text',
  time: '2026-01-31T12:00:00Z',
  date: '2026-01-31',
  json: null,
}

export function exampleRow(inputs: readonly SignatureField[]): Record<string, Json> {
  return Object.fromEntries(inputs.map(({ name, type }) => [name, VALUES[type]]))
}

/** Elements that an example has at most: beyond it data is best sent in bytes. */
const ELEMENTS_MAX = 4_096

export interface ExampleTensor {
  name: string
  datatype: string
  shape: number[]
  data: Json[]
}

/** Tensors of one row, of zeros; what is sent for a column is what a row would have. Undefined where they are too large to be written down. */
export function exampleTensors(
  inputs: readonly TensorSpec[],
  row: Record<string, Json> = {},
): ExampleTensor[] | undefined {
  const tensors = inputs.map(({ name, datatype, shape }) => {
    const sizes = shape.map((size) => (size < 0 ? 1 : size))
    const n = sizes.reduce((product, size) => product * size, 1)
    const value = row[name] ?? (datatype === 'BYTES' ? 'a' : datatype === 'BOOL' ? false : 0)
    return { name, datatype, shape: sizes.length === 0 ? [1] : sizes, n, value }
  })
  if (tensors.some(({ n }) => n > ELEMENTS_MAX)) return undefined
  return tensors.map(({ n, value, ...tensor }) => ({ ...tensor, data: new Array(n).fill(value) }))
}

/** One instance of KServe V1: the only tensor without its axis of rows, or an object of them. */
export function exampleInstance(tensors: readonly ExampleTensor[]): Json {
  const nested = ({ shape, data }: ExampleTensor): Json => {
    let at = 0
    const read = (axis: number): Json =>
      axis === shape.length ? data[at++] : Array.from({ length: shape[axis] }, () => read(axis + 1))
    return (read(0) as Json[])[0]
  }
  const [only] = tensors
  if (tensors.length === 1) return nested(only)
  return Object.fromEntries(tensors.map((tensor) => [tensor.name, nested(tensor)]))
}
