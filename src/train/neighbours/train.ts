import { MillraceError } from '../../core/errors.ts'
import { neighbours } from '../../define/trainers.ts'
import { NEIGHBOUR_LIMITS } from '../../model/forms/neighbours.ts'
import type { NeighbourModel } from '../../model/neighbours.ts'
import { checkRowsToLearn, type TargetKind } from '../checks.ts'
import type { LearnRows } from '../learner.ts'

export interface NeighbourParams {
  /** Neighbours that are asked. Default: 15. */
  k: number
  /** Default: uniform. */
  weights: 'uniform' | 'distance'
  /** What another value of a category adds to the squared distance; a standardised number adds 2 on average. Default: 2. */
  mismatch: number
  /** Rows kept at most; of more, rows spread evenly are kept. Default: 100,000. */
  rowsMax: number
}

const { kind: _, ...WRITTEN } = neighbours()
/** Those of a config that says nothing. */
export const NEIGHBOUR_DEFAULTS: NeighbourParams = { ...WRITTEN }

export interface NeighbourData extends LearnRows {
  features: readonly { type: 'number' | 'category' }[]
}

/**
 * Keeps the rows, and what their distances are measured by: numbers are divided by their deviation over the rows, a missing one counts as the mean; a category is the same or
 * not, and missing is a value. Rows at the same distance count in their order. Rows of weight 0 are left out; other weights are not used.
 *
 * Shapes: `columns` `[nFeatures][nRows]`. `nClasses` above 1 makes the targets codes of classes.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT, MR_MODEL_COLUMN, MR_MODEL_ROWS_MAX.
 * Convention: as scikit-learn's KNeighborsClassifier and KNeighborsRegressor with brute force over standardised numbers. Cost: O(nRows * nFeatures).
 */
export function trainNeighbours(
  data: NeighbourData,
  kind: TargetKind,
  nClasses: number,
  given: Partial<NeighbourParams> = {},
): NeighbourModel {
  const params = { ...NEIGHBOUR_DEFAULTS, ...given }
  checkRowsToLearn(data, kind)
  const kept = keptOf(data, params)
  checkParams(params, kept.length)
  const nFeatures = data.columns.length
  if (kept.length * nFeatures > NEIGHBOUR_LIMITS.valuesMax)
    throw new MillraceError('MR_MODEL_ROWS_MAX', {
      max: Math.floor(NEIGHBOUR_LIMITS.valuesMax / nFeatures),
      got: kept.length,
    })
  const moments = data.columns.map((column, j) =>
    data.features[j].type === 'category' ? { mean: 0, scale: 0 } : momentsOf(column, kept, j),
  )
  const missing = Float64Array.from(moments, ({ mean }) => mean)
  const rows = new Float64Array(kept.length * nFeatures)
  kept.forEach((row, i) => {
    for (let j = 0; j < nFeatures; j++) {
      const x = data.columns[j][row]
      rows[i * nFeatures + j] = !Number.isNaN(x) ? x : data.features[j].type === 'category' ? -1 : missing[j]
    }
  })
  return {
    kind: 'NeighbourModel',
    nFeatures,
    nOutputs: nClasses > 1 ? nClasses : 1,
    link: 'identity',
    k: params.k,
    weights: params.weights,
    scales: Float64Array.from(moments, ({ scale }) => scale),
    missing,
    mismatch: params.mismatch,
    rows,
    targets: Float64Array.from(kept, (row) => data.target[row]),
  }
}

function keptOf({ nRows, weights }: NeighbourData, { rowsMax }: NeighbourParams): Int32Array {
  const counting = Int32Array.from({ length: nRows }, (_, i) => i).filter((i) => !weights || weights[i] > 0)
  const n = Math.min(counting.length, rowsMax)
  return Int32Array.from({ length: n }, (_, i) => counting[Math.floor((i * counting.length) / n)])
}

function checkParams({ k, weights, mismatch, rowsMax }: NeighbourParams, nRows: number): void {
  const need = (holds: boolean, param: string, expected: string, got: unknown) => {
    if (!holds) throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
  }
  const most = Math.min(NEIGHBOUR_LIMITS.kMax, nRows)
  need(Number.isInteger(rowsMax) && rowsMax >= 1, 'rowsMax', 'an integer of at least 1', rowsMax)
  need(Number.isInteger(k) && k >= 1 && k <= most, 'k', `an integer from 1 to ${most}, the rows there are`, k)
  need(weights === 'uniform' || weights === 'distance', 'weights', 'one of uniform, distance', weights)
  need(mismatch >= 0 && Number.isFinite(mismatch), 'mismatch', 'a number of at least 0', mismatch)
}

/** Mean and deviation of the values present; a feature that does not vary is divided by 1. */
function momentsOf(column: Float64Array, kept: Int32Array, feature: number): { mean: number; scale: number } {
  let n = 0
  let mean = 0
  let squares = 0
  for (const row of kept) {
    const x = column[row]
    if (Number.isNaN(x)) continue
    if (!Number.isFinite(x)) throw new MillraceError('MR_MODEL_COLUMN', { feature, row, got: String(x) })
    const delta = x - mean
    mean += delta / ++n
    squares += delta * (x - mean)
  }
  const deviation = n > 0 ? Math.sqrt(squares / n) : 0
  return { mean, scale: deviation > 1e-12 * Math.abs(mean) ? deviation : 1 }
}
