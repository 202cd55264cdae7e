/** What every learner asks of its rows: shapes, targets and weights. */
import { MillraceError } from '../core/errors.ts'

export interface TargetRows {
  nRows: number
  columns: readonly Float64Array[]
  target: Float64Array
  weights?: Float64Array
}

/** `logloss` takes targets in [0, 1], `softmax` codes of classes, `l2` any finite number. */
export type TargetLoss = 'logloss' | 'l2' | 'softmax'

/** Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_WEIGHT, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS (not when `anyClass`). */
export function checkRows(rows: TargetRows, loss: TargetLoss, nClasses: number, anyClass = false): void {
  const { nRows, columns, target, weights } = rows
  if (nRows < 1) throw new MillraceError('MR_MODEL_NO_ROWS', { need: 1, got: nRows })
  checkLength('target', target, nRows)
  columns.forEach((column, j) => {
    checkLength(`column ${j}`, column, nRows)
  })
  if (weights) checkWeights(weights, nRows)
  checkTarget(target, loss, nClasses)
  if (loss !== 'l2' && !anyClass) refuseOneClass(target, weights)
}

function checkLength(what: string, values: Float64Array, expected: number): void {
  if (values.length !== expected)
    throw new MillraceError('MR_MODEL_SHAPE', { what, expected, got: values.length })
}

function checkWeights(weights: Float64Array, nRows: number): void {
  checkLength('weights', weights, nRows)
  const row = weights.findIndex((w) => !(w >= 0 && w < Number.POSITIVE_INFINITY))
  if (row >= 0) throw new MillraceError('MR_MODEL_WEIGHT', { row, got: String(weights[row]) })
  if (!weights.some((w) => w > 0))
    throw new MillraceError('MR_MODEL_WEIGHT', { row: 0, got: 'all weights 0' })
}

const ALLOWED: Record<TargetLoss, (y: number, nClasses: number) => boolean> = {
  logloss: (y) => y >= 0 && y <= 1,
  l2: Number.isFinite,
  softmax: (y, nClasses) => Number.isInteger(y) && y >= 0 && y < nClasses,
}

const EXPECTED: Record<TargetLoss, (nClasses: number) => string> = {
  logloss: () => 'from 0 to 1',
  l2: () => 'a finite number',
  softmax: (nClasses) => `a class from 0 to ${nClasses - 1}`,
}

function checkTarget(target: Float64Array, loss: TargetLoss, nClasses: number): void {
  const row = target.findIndex((y) => !ALLOWED[loss](y, nClasses))
  if (row < 0) return
  throw new MillraceError('MR_MODEL_TARGET', {
    row,
    expected: EXPECTED[loss](nClasses),
    got: String(target[row]),
  })
}

function refuseOneClass(target: Float64Array, weights: Float64Array | undefined): void {
  const counts = (i: number) => !weights || weights[i] > 0
  const first = target.findIndex((_, i) => counts(i))
  const value = target[first]
  const isSoft = value > 0 && value < 1
  if (!isSoft && target.every((y, i) => y === value || !counts(i)))
    throw new MillraceError('MR_MODEL_ONE_CLASS', { value, rows: target.length })
}
