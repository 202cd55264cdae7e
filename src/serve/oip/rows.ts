/** Tensors as rows of raw columns, for models that take rows. Liberal in: any datatype that can mean the column's type. */
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SignatureField } from '../../core/records.ts'
import type { RawRow } from '../predictor.ts'
import type { SentTensor } from './backend.ts'
import { datatypeOf, decodeBinary, numericType } from './datatypes.ts'
import { tensorError } from './request.ts'

interface Tensor extends Omit<SentTensor, 'values'> {
  /** Row-major elements; null is missing. */
  data: readonly Json[]
}

/** Ends the name of a BOOL tensor that says where values of a column are missing: integers and texts in bytes have no such value of their own. */
const MISSING = '.missing'

/**
 * Each tensor is a column of `n` elements, shape `[n]` or `[n, 1]`; or one tensor of shape `[n, k]` holds all `k` columns in the
 * order of the signature. Missing are: columns that are absent, null in JSON, NaN, and the rows where a BOOL tensor `<column>.missing` is true.
 * Errors: MR_SERVE_TENSOR, MR_LIMIT.
 */
export function rowsOf(
  sent: readonly SentTensor[],
  fields: readonly SignatureField[],
  { requestRowsMax }: { requestRowsMax: number },
): RawRow[] {
  const inputs = sent.map(elementsOf)
  if (inputs.length === 0) throw tensorError('inputs', 'at least one tensor', 'none')
  for (const { name, shape } of inputs)
    if (shape.length === 0) throw tensorError(name, 'an axis of rows', '[]')
  const nRows = inputs[0].shape[0]
  checkRowCount(inputs[0].name, nRows, requestRowsMax)
  const wide = wideTensor(inputs, fields)
  const rows: RawRow[] = Array.from({ length: nRows }, () => ({}))
  const columns = wide ? columnsOf(wide, fields) : inputs
  const isMask = ({ name }: Tensor) => maskOf(name, fields) !== undefined
  for (const column of columns) if (!isMask(column)) placeColumn(rows, column, fields)
  for (const mask of columns) if (isMask(mask)) placeMissing(rows, mask, maskOf(mask.name, fields) as string)
  return rows
}

/** The column that a tensor says the missing values of, by its name; a column that has such a name itself is one. */
function maskOf(name: string, fields: readonly SignatureField[]): string | undefined {
  if (!name.endsWith(MISSING) || fields.some((field) => field.name === name)) return undefined
  const column = name.slice(0, -MISSING.length)
  return fields.some((field) => field.name === column) ? column : undefined
}

function placeMissing(rows: RawRow[], { name, datatype, data }: Tensor, column: string): void {
  if (datatype !== 'BOOL') throw tensorError(name, 'datatype BOOL', datatype)
  if (data.length !== rows.length)
    throw tensorError(name, `shape [${rows.length}]`, `${data.length} elements`)
  data.forEach((isMissing, i) => {
    if (isMissing === true || isMissing === 1) rows[i][column] = null
  })
}

function elementsOf({ values, ...tensor }: SentTensor): Tensor {
  if (!(values instanceof Uint8Array)) return { ...tensor, data: values }
  const { name, datatype, shape } = tensor
  const data = decodeBinary(datatype, values)
  if (!data) throw tensorError(name, `whole ${datatype} elements`, `${values.length} bytes`)
  const want = shape.reduce((product, n) => product * n, 1)
  if (data.length !== want) throw tensorError(name, `${want} elements for shape [${shape}]`, `${data.length}`)
  return { ...tensor, data }
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
  if (field.type === 'bool' && numericType(datatype))
    return (value) => (value === 1 ? true : value === 0 ? false : value)
  if (wantsNumber && datatype === 'BOOL')
    return (value) => (typeof value === 'boolean' ? Number(value) : value)
  return (value) => value
}
