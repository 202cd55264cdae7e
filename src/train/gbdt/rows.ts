/** Rows as they are given, and as a training holds them. */
import { MillraceError } from '../../core/errors.ts'
import { type BinnedData, takeRows } from './binning.ts'
import type { Rows } from './machine.ts'
import type { Labels } from './objectives/objective.ts'

/** Labels of rows, all by row. */
export interface GivenLabels {
  /** A number; 0 or 1, or a chance, for `logloss`; the code of a class; the relevance of a row within its query. */
  target: Float64Array
  /** Not negative, with a positive sum. Default: 1 each. */
  weights?: Float64Array
  /** Raw scores each row starts from, row-major `[nRows * nOutputs]`, e.g. those of a parent model; the trained ensemble is then what is added to them. */
  init?: Float64Array
  /** Row at which each query begins, ascending from 0: for objectives that rank. */
  groups?: ArrayLike<number>
}

/** Rows that are binned already, all of them or those of `rowIndexes`. Labels lie by row of `binned`. */
export interface BinnedRows extends GivenLabels {
  binned: BinnedData
  /** Ascending where there are `groups`; queries lose the rows that are left out. */
  rowIndexes?: ArrayLike<number>
}

/** Errors: MR_MODEL_SHAPE. */
export function checkLength(what: string, expected: number, got: number): void {
  if (expected !== got) throw new MillraceError('MR_MODEL_SHAPE', { what, expected, got })
}

/** The labels of the rows that take part. Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_WEIGHT, MR_MODEL_GROUPS. */
export function openLabels(given: BinnedRows): Labels {
  const nRows = given.rowIndexes ? given.rowIndexes.length : given.binned.nRows
  if (nRows < 1) throw new MillraceError('MR_MODEL_NO_ROWS', { need: 1, got: 0 })
  const target = pickRows('target', given.target, given)
  const weights = given.weights ? pickRows('weights', given.weights, given) : null
  if (weights) checkWeights(weights)
  return { target, weights, queries: given.groups ? openQueries(given.groups, given) : null }
}

/** Rows with the scores they start from. Errors: MR_MODEL_SHAPE. */
export function openRows(given: BinnedRows, labels: Labels, baseScores: Float64Array): Rows {
  const data = given.rowIndexes ? takeRows(given.binned, given.rowIndexes) : given.binned
  return { data, labels, score: startScores(given, baseScores) }
}

function pickRows(name: string, values: Float64Array, given: BinnedRows, width = 1): Float64Array {
  const { binned, rowIndexes } = given
  checkLength(name, binned.nRows * width, values.length)
  if (!rowIndexes) return values
  const out = new Float64Array(rowIndexes.length * width)
  for (let i = 0; i < rowIndexes.length; i++) {
    for (let k = 0; k < width; k++) out[i * width + k] = values[rowIndexes[i] * width + k]
  }
  return out
}

function checkWeights(weights: Float64Array): void {
  const row = weights.findIndex((w) => !(w >= 0 && w < Number.POSITIVE_INFINITY))
  if (row >= 0) throw new MillraceError('MR_MODEL_WEIGHT', { row, got: String(weights[row]) })
  if (!weights.some((w) => w > 0))
    throw new MillraceError('MR_MODEL_WEIGHT', { row: 0, got: 'all weights 0' })
}

/** Where queries begin among the rows that take part, and the number of those rows; queries without any are left out. */
function openQueries(groups: ArrayLike<number>, { binned, rowIndexes }: BinnedRows): Int32Array {
  checkGroups(groups, binned.nRows)
  const nRows = rowIndexes?.length ?? binned.nRows
  if (!rowIndexes) return Int32Array.from([...Array.from(groups), nRows])
  const starts: number[] = []
  for (let i = 0, next = 0; i < nRows; i++) {
    if (i > 0 && rowIndexes[i] <= rowIndexes[i - 1])
      throw new MillraceError('MR_MODEL_GROUPS', {
        place: `row index ${i}`,
        expected: 'above the one before it, as rows have queries',
        got: String(rowIndexes[i]),
      })
    if (next >= groups.length || rowIndexes[i] < groups[next]) continue
    starts.push(i)
    while (next < groups.length && groups[next] <= rowIndexes[i]) next++
  }
  return Int32Array.from([...starts, nRows])
}

/** Errors: MR_MODEL_GROUPS unless groups begin at row 0, rise and end within the rows. */
function checkGroups(groups: ArrayLike<number>, nRows: number): void {
  const refuse = (i: number, expected: string) => {
    throw new MillraceError('MR_MODEL_GROUPS', { place: `group ${i}`, expected, got: String(groups[i]) })
  }
  if (groups.length === 0 || groups[0] !== 0) refuse(0, 'begin at row 0')
  for (let i = 1; i < groups.length; i++) {
    const good = Number.isInteger(groups[i]) && groups[i] > groups[i - 1] && groups[i] < nRows
    if (!good) refuse(i, `begin at a row from ${groups[i - 1] + 1} to ${nRows - 1}`)
  }
}

function startScores(given: BinnedRows, baseScores: Float64Array): Float64Array {
  const nRows = given.rowIndexes?.length ?? given.binned.nRows
  const nOutputs = baseScores.length
  if (given.init) {
    const init = pickRows('init', given.init, given, nOutputs)
    checkInit(init)
    return outputMajor(init, nOutputs)
  }
  const score = new Float64Array(nRows * nOutputs)
  for (let k = 0; k < nOutputs; k++) score.fill(baseScores[k], k * nRows, (k + 1) * nRows)
  return score
}

/** From row by row to output by output; always a copy. */
function outputMajor(values: Float64Array, nOutputs: number): Float64Array {
  if (nOutputs === 1) return values.slice()
  return transposed(values, values.length / nOutputs, nOutputs)
}

/** From output by output to row by row. */
export function rowMajor(values: Float64Array, nOutputs: number): Float64Array {
  return nOutputs === 1 ? values : transposed(values, nOutputs, values.length / nOutputs)
}

function transposed(values: Float64Array, nRows: number, nColumns: number): Float64Array {
  const out = new Float64Array(values.length)
  for (let i = 0; i < nRows; i++) {
    for (let j = 0; j < nColumns; j++) out[j * nRows + i] = values[i * nColumns + j]
  }
  return out
}

/** Row-major scores by row of `binned`; NaN for rows that `rowIndexes` leaves out. */
export function scatterScores(
  scores: Float64Array,
  { binned, rowIndexes }: BinnedRows,
  nOutputs: number,
): Float64Array {
  if (!rowIndexes) return scores
  const out = new Float64Array(binned.nRows * nOutputs).fill(Number.NaN)
  for (let i = 0; i < rowIndexes.length; i++) {
    out.set(scores.subarray(i * nOutputs, (i + 1) * nOutputs), rowIndexes[i] * nOutputs)
  }
  return out
}

/** Errors: MR_MODEL_PARAM where a raw score to start from is no number. */
function checkInit(init: Float64Array): void {
  const odd = init.findIndex((score) => !Number.isFinite(score))
  if (odd < 0) return
  throw new MillraceError('MR_MODEL_PARAM', {
    param: 'init',
    expected: 'finite raw scores',
    got: `${init[odd]} at ${odd}`,
  })
}
