/** The columns that a linear model is fitted on: numbers standardised, categories one column a value, divided by its deviation and zero but where a row has the value. */
import { MillraceError } from '../../core/errors.ts'
import type { EncodedLinearModel } from '../../model/encoded-linear.ts'
import type { LinearModel, Link } from '../../model/trees.ts'

/** Columns of a design at most: the curvature has one number a pair of them. */
export const LINEAR_WIDTH_MAX = 2_048

export interface DesignRows {
  nRows: number
  columns: Float64Array[]
  weights?: Float64Array
  /** Values that each feature has a column for, codes from 0; 0 for numbers. Default: all numbers. */
  levels?: Int32Array
}

export interface Design {
  nRows: number
  /** Columns, the intercept first. */
  width: number
  /** Entries a row has: the intercept, its numbers, and one a category. Those that are absent are 0 in column 0. */
  perRow: number
  /** Column and value of each entry, `[nRows * perRow]`. */
  at: Int32Array
  value: Float64Array
  /** Of each raw column, one a number and one a value: its column in the design, -1 where it does not vary. */
  columnOf: Int32Array
  means: Float64Array
  deviations: Float64Array
  levels: Int32Array
}

/** Errors: MR_MODEL_WIDTH. Cost: O(nRows * nFeatures). */
export function designOf(rows: DesignRows): Design {
  const { nRows, columns, weights, levels = new Int32Array(columns.length) } = rows
  const moments = columns.flatMap((column, j) =>
    levels[j] > 0 ? shareMoments(column, levels[j], weights) : [numberMoments(column, weights)],
  )
  const columnOf = new Int32Array(moments.length).fill(-1)
  let width = 1
  moments.forEach(({ deviation }, c) => {
    if (deviation > 0) columnOf[c] = width++
  })
  if (width > LINEAR_WIDTH_MAX)
    throw new MillraceError('MR_MODEL_WIDTH', { max: LINEAR_WIDTH_MAX, got: width })
  const design: Design = {
    nRows,
    width,
    perRow: 1 + columns.length,
    at: new Int32Array(nRows * (1 + columns.length)),
    value: new Float64Array(nRows * (1 + columns.length)),
    columnOf,
    means: Float64Array.from(moments, ({ mean }) => mean),
    deviations: Float64Array.from(moments, ({ deviation }) => deviation),
    levels,
  }
  fill(design, columns)
  return design
}

function fill(
  { nRows, perRow, at, value, columnOf, means, deviations, levels }: Design,
  columns: Float64Array[],
): void {
  for (let i = 0; i < nRows; i++) value[i * perRow] = 1
  let first = 0
  columns.forEach((column, j) => {
    for (let i = 0, to = j + 1; i < nRows; i++, to += perRow) {
      const x = column[i]
      const isNumber = levels[j] === 0
      const c = isNumber ? first : Number.isInteger(x) && x >= 0 && x < levels[j] ? first + x : -1
      if (c < 0 || Number.isNaN(x) || columnOf[c] < 0) continue
      at[to] = columnOf[c]
      value[to] = (isNumber ? x - means[c] : 1) / deviations[c]
    }
    first += Math.max(1, levels[j])
  })
}

interface Moments {
  mean: number
  deviation: number
}

function numberMoments(column: Float64Array, weights: Float64Array | undefined): Moments {
  const mean = meanOf(column, weights)
  return { mean, deviation: deviationOf(column, weights, mean) }
}

/** Weighted mean of the values present, summed around the first of them; 0 when there is none. */
export function meanOf(column: Float64Array, weights: Float64Array | undefined): number {
  const origin = column.find((x) => !Number.isNaN(x)) ?? 0
  let sum = 0
  let total = 0
  for (let i = 0; i < column.length; i++) {
    if (Number.isNaN(column[i])) continue
    const w = weights ? weights[i] : 1
    sum += w * (column[i] - origin)
    total += w
  }
  return total > 0 ? origin + sum / total : origin
}

function deviationOf(column: Float64Array, weights: Float64Array | undefined, mean: number): number {
  let squares = 0
  let total = 0
  for (let i = 0; i < column.length; i++) {
    const w = weights ? weights[i] : 1
    total += w
    if (!Number.isNaN(column[i])) squares += w * (column[i] - mean) * (column[i] - mean)
  }
  const deviation = Math.sqrt(squares / total)
  return deviation > 1e-12 * Math.abs(mean) ? deviation : 0
}

/** Share of the rows that have each value, and its deviation. */
function shareMoments(column: Float64Array, levels: number, weights: Float64Array | undefined): Moments[] {
  const sums = new Float64Array(levels)
  let total = 0
  for (let i = 0; i < column.length; i++) {
    const w = weights ? weights[i] : 1
    total += w
    if (column[i] >= 0 && column[i] < levels) sums[column[i]] += w
  }
  return Array.from(sums, (sum) => {
    const mean = sum / total
    return { mean, deviation: Math.sqrt(mean * (1 - mean)) }
  })
}

/** A model in raw units from weights on the design, `[nOutputs][width]`. */
export function modelOf(design: Design, betas: Float64Array[], link: Link): LinearModel | EncodedLinearModel {
  const { columnOf, means, deviations, levels } = design
  const nOutputs = betas.length
  const nColumns = columnOf.length
  const weights = new Float64Array(nOutputs * nColumns)
  const intercepts = Float64Array.from(betas, (beta) => beta[0])
  const isNumber = numberColumns(levels)
  betas.forEach((beta, k) => {
    for (let c = 0; c < nColumns; c++) {
      if (columnOf[c] < 0) continue
      const weight = beta[columnOf[c]] / deviations[c]
      weights[k * nColumns + c] = weight
      if (isNumber[c]) intercepts[k] -= weight * means[c]
    }
  })
  const common = { nFeatures: levels.length, nOutputs, link, weights, intercepts }
  return levels.every((n) => n === 0)
    ? { kind: 'LinearModel', ...common, missing: means.slice() }
    : { kind: 'EncodedLinearModel', ...common, levels, means: means.slice() }
}

/** Weights on the design from a model in raw units: the inverse of `modelOf`. */
export function betasOf(design: Design, model: LinearModel | EncodedLinearModel): Float64Array[] {
  const { columnOf, means, deviations, levels, width } = design
  const isNumber = numberColumns(levels)
  return Array.from(model.intercepts, (intercept, k) => {
    const beta = new Float64Array(width)
    beta[0] = intercept
    for (let c = 0; c < columnOf.length; c++) {
      const weight = model.weights[k * columnOf.length + c]
      if (columnOf[c] >= 0) beta[columnOf[c]] = weight * deviations[c]
      if (isNumber[c]) beta[0] += weight * means[c]
    }
    return beta
  })
}

function numberColumns(levels: Int32Array): boolean[] {
  return Array.from(levels).flatMap((n) => (n === 0 ? [true] : new Array<boolean>(n).fill(false)))
}
