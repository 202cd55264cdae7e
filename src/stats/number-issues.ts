/** Which numbers that were given as labels are probably wrong, from predictions of a model that did not learn from the rows. */
import { studentSf } from './distributions.ts'
import { type Numbers, refuseNotFinite, requireLength, requireRows, requireShare } from './inputs.ts'
import { benjaminiHochberg } from './multiplicity.ts'
import { ascendingOrder, sortedCopy } from './order.ts'
import { median, quantileOfSorted } from './quantiles.ts'
import { logGamma } from './special.ts'

export interface NumberIssues {
  /** 1 where the number is probably wrong, `[n]`. */
  flags: Uint8Array
  nIssues: number
  /** Residual of each row by the usual size of residuals where the prediction is like its own, `[n]`, with its sign: label less prediction. */
  deviations: Float64Array
  /** Chance of a residual at least as large, of the shape that all others have, `[n]`. */
  pValues: Float64Array
  /** Median absolute residual of all rows. */
  typicalError: number
  /** Degrees of freedom of the Student distribution that residuals are shaped like; infinite for normal ones. */
  degrees: number
}

export interface NumberIssuesOptions {
  /** Share of the flagged rows that may be right. Default: 0.05. */
  alpha?: number
}

/** Rows that say how large residuals usually are at one level of the prediction, and levels at most. */
const LEVEL_ROWS = 100
const LEVELS_MAX = 50
/** Share of the residuals, the largest ones, that say nothing of the shape: they may be the wrong ones. */
const TRIMMED = 0.05
/** Points that a list of residuals is thinned to when its shape is looked for. */
const SHAPE_POINTS = 500
const DEGREES = [1.5, 2, 2.5, 3, 4, 5, 7, 10, 15, 30, Number.POSITIVE_INFINITY]
/** What the likelihood may lose for a heavier tail to be taken: what a parameter one standard error off loses. */
const LOSS_MAX = 0.5
/** Share of the usual residual of all rows below which that of a level does not fall. */
const SCALE_MIN = 0.01
/** Rows below which the shape of residuals is not known, and none is flagged. */
const ROWS_MIN = 50

/**
 * Rows whose number lies farther from its prediction than residuals of the shape of the others do, at a false discovery rate of `alpha`.
 *
 * Residuals are divided by the median absolute residual of rows with like predictions, so that a large error where errors are large is none. Their shape is a Student distribution,
 * fitted to the smaller 95 % by likelihood truncated there, so that wrong labels do not hide themselves; of shapes that fit, the heaviest tail is taken, so that what is rare by
 * nature is not called wrong. Chances by it are then held to the rate by Benjamini and Hochberg.
 *
 * Shapes: both `[n]`, finite. Below 50 rows nothing is flagged. Accuracy: false discoveries and detection over seeds and shapes, test/stats. Cost: O(n log n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function numberIssues(
  predictions: Numbers,
  labels: Numbers,
  { alpha = 0.05 }: NumberIssuesOptions = {},
): NumberIssues {
  requireRows('labels', labels.length)
  requireLength('predictions', predictions, labels.length)
  requireShare('alpha', alpha)
  refuseNotFinite('predictions', predictions)
  refuseNotFinite('labels', labels)
  const residuals = Float64Array.from(labels, (y, i) => y - predictions[i])
  const typicalError = median(residuals.map(Math.abs))
  const scales = scalesBy(predictions, residuals, typicalError)
  const deviations = residuals.map((r, i) => (r === 0 ? 0 : r / scales[i]))
  const shape = shapeOf(deviations.map(Math.abs))
  const pValues = deviations.map((z) => 2 * studentSf(Math.abs(z) / shape.scale, shape.degrees))
  const none = residuals.length < ROWS_MIN
  const flags = Uint8Array.from(none ? residuals : benjaminiHochberg(pValues), (q) =>
    Number(!none && q <= alpha),
  )
  return {
    flags,
    nIssues: flags.reduce((sum, flag) => sum + flag, 0),
    deviations,
    pValues,
    typicalError,
    degrees: shape.degrees,
  }
}

/** Median absolute residual of the rows whose predictions are nearest in order; where it is next to nothing, a share of that of all rows. */
function scalesBy(predictions: Numbers, residuals: Float64Array, typicalError: number): Float64Array {
  const n = residuals.length
  const order = ascendingOrder(predictions)
  const nLevels = Math.max(1, Math.min(LEVELS_MAX, Math.floor(n / LEVEL_ROWS)))
  const largest = residuals.reduce((most, r) => Math.max(most, Math.abs(r)), 0)
  const least = Math.max(SCALE_MIN * typicalError, 1e-12 * largest, Number.MIN_VALUE)
  const scales = new Float64Array(n)
  for (let level = 0; level < nLevels; level++) {
    const rows = order.subarray(Math.floor((level * n) / nLevels), Math.floor(((level + 1) * n) / nLevels))
    const scale = Math.max(least, median(Float64Array.from(rows, (i) => Math.abs(residuals[i]))))
    for (const i of rows) scales[i] = scale
  }
  return scales
}

interface Shape {
  degrees: number
  scale: number
}

/** The heaviest Student shape that the smaller residuals fit. `sizes` are absolute. */
function shapeOf(sizes: Float64Array): Shape {
  const sorted = sortedCopy(sizes)
  const limit = quantileOfSorted(sorted, 1 - TRIMMED)
  const n = (1 - TRIMMED) * sizes.length
  const points = Float64Array.from({ length: SHAPE_POINTS }, (_, i) =>
    quantileOfSorted(sorted, ((i + 0.5) / SHAPE_POINTS) * (1 - TRIMMED)),
  )
  if (!(limit > 0)) return { degrees: DEGREES[0], scale: 1 }
  const fits = DEGREES.map((degrees) => bestScale(points, limit, degrees))
  const best = Math.max(...fits.map(({ likelihood }) => likelihood))
  return fits.find(({ likelihood }) => n * (best - likelihood) <= LOSS_MAX) as Shape
}

/** Golden section over the logarithm of the scale: the truncated likelihood has one peak in it. */
function bestScale(points: Float64Array, limit: number, degrees: number): Shape & { likelihood: number } {
  const ratio = (Math.sqrt(5) - 1) / 2
  let [low, high] = [Math.log(limit) - 5, Math.log(limit) + 3]
  const at = (x: number) => likelihoodOf(points, limit, { degrees, scale: Math.exp(x) })
  while (high - low > 1e-4) {
    const [a, b] = [high - ratio * (high - low), low + ratio * (high - low)]
    if (at(a) < at(b)) low = a
    else high = b
  }
  const scale = Math.exp((low + high) / 2)
  return { degrees, scale, likelihood: likelihoodOf(points, limit, { degrees, scale }) }
}

/** Mean log density of the points, given that they are at most `limit`. */
function likelihoodOf(points: Float64Array, limit: number, { degrees, scale }: Shape): number {
  const inside = 1 - 2 * studentSf(limit / scale, degrees)
  const isNormal = degrees === Number.POSITIVE_INFINITY
  const constant = isNormal
    ? -0.5 * Math.log(2 * Math.PI)
    : logGamma((degrees + 1) / 2) - logGamma(degrees / 2) - 0.5 * Math.log(degrees * Math.PI)
  let sum = 0
  for (const x of points) {
    const square = (x / scale) ** 2
    sum += isNormal ? -square / 2 : (-(degrees + 1) / 2) * Math.log1p(square / degrees)
  }
  return constant - Math.log(scale) - Math.log(inside) + sum / points.length
}
