/** From feature columns to inputs of a network: encodings learned from the training rows, and rows encoded once for all epochs. */

import type { Rng } from '../../core/clock.ts'
import { MillraceError } from '../../core/errors.ts'
import { codeIndex, type InputEncoding, inputsOf, standardised } from '../../model/network/network.ts'
import { CATEGORY_CODE_MAX } from '../gbdt/binning.ts'
import type { MlpParams } from './params.ts'

interface Columns {
  nRows: number
  columns: readonly Float64Array[]
}

/**
 * Encodings of features by their training rows: numbers by mean and deviation of their finite values, with a flag where some are missing; categories one
 * input each or embedded. Errors: MR_MODEL_CATEGORY.
 */
export function fitEncodings(
  { nRows, columns }: Columns,
  categorical: readonly boolean[],
  params: MlpParams,
  rng: Pick<Rng, 'next'>,
): InputEncoding[] {
  return columns.map((column, j) =>
    categorical[j] ? categoryEncoding(column, j, params, rng) : numberEncoding(column, nRows),
  )
}

function numberEncoding(column: Float64Array, nRows: number): InputEncoding {
  const origin = column.find(Number.isFinite) ?? 0
  let n = 0
  let sum = 0
  let flag = false
  for (let i = 0; i < nRows; i++) {
    if (Number.isNaN(column[i])) flag = true
    if (!Number.isFinite(column[i])) continue
    n++
    sum += column[i] - origin
  }
  const shift = n > 0 ? origin + sum / n : 0
  let squares = 0
  for (let i = 0; i < nRows; i++)
    if (Number.isFinite(column[i])) squares += (column[i] - shift) * (column[i] - shift)
  const deviation = Math.sqrt(squares / Math.max(1, n))
  const scale = deviation > 1e-12 * Math.abs(shift) ? 1 / deviation : 0
  return { kind: 'number', shift, scale: Number.isFinite(scale) ? scale : 0, flag }
}

function categoryEncoding(
  column: Float64Array,
  feature: number,
  params: MlpParams,
  rng: Pick<Rng, 'next'>,
): InputEncoding {
  const codes = frequentCodes(column, feature, params.categoriesMax)
  if (codes.length <= params.oneHotMax) return { kind: 'oneHot', codes }
  const width = embeddingWidth(codes.length)
  const table = Float32Array.from({ length: (codes.length + 1) * width }, () => 0.1 * (rng.next() - 0.5))
  return { kind: 'embedding', codes, width, table }
}

/** Width that grows with the fourth root, as is usual: 10 categories 4, 100 categories 7, 10,000 categories 20. */
function embeddingWidth(nCodes: number): number {
  return Math.max(2, Math.min(24, Math.ceil(2 * Math.sqrt(Math.sqrt(nCodes)))))
}

function frequentCodes(column: Float64Array, feature: number, most: number): Int32Array {
  const counts = new Map<number, number>()
  for (let row = 0; row < column.length; row++) {
    const code = column[row]
    if (Number.isNaN(code)) continue
    if (!(code >= 0 && code <= CATEGORY_CODE_MAX && Number.isInteger(code)))
      throw new MillraceError('MR_MODEL_CATEGORY', {
        feature,
        row,
        max: CATEGORY_CODE_MAX,
        got: String(code),
      })
    counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  const byCount = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, most)
  return Int32Array.from(byCount, ([code]) => code).sort()
}

/** Rows as the network takes them; embedded features are rows of tables, which change while training. */
export interface EncodedRows {
  nRows: number
  /** Floats a row, padded to whole vectors. */
  width: number
  inputs: Float32Array
  /** Row of the table by embedded feature, one column each. */
  tableRows: Uint16Array[]
}

export function encodeRows(
  { nRows, columns }: Columns,
  encodings: readonly InputEncoding[],
  width: number,
): EncodedRows {
  const inputs = new Float32Array(nRows * width)
  const tableRows: Uint16Array[] = []
  let at = 0
  encodings.forEach((encoding, j) => {
    const column = columns[j]
    if (encoding.kind === 'number') {
      for (let i = 0; i < nRows; i++) {
        inputs[i * width + at] = standardised(column[i], encoding.shift, encoding.scale)
        if (encoding.flag && Number.isNaN(column[i])) inputs[i * width + at + 1] = 1
      }
    } else {
      const rowOf = Uint16Array.from(column.subarray(0, nRows), (code) => codeIndex(encoding.codes, code))
      if (encoding.kind === 'embedding') tableRows.push(rowOf)
      else for (let i = 0; i < nRows; i++) inputs[i * width + at + rowOf[i]] = 1
    }
    at += inputsOf(encoding)
  })
  return { nRows, width, inputs, tableRows }
}
