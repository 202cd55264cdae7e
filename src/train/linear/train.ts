import { MillraceError } from '../../core/errors.ts'
import type { LinearModel } from '../../model/trees.ts'
import { solveCholesky } from './cholesky.ts'

/** Rows to train on: one column a feature, all numbers; NaN where missing. */
export interface LinearData {
  nRows: number
  columns: Float64Array[]
  target: Float64Array
  /** Not negative, with a positive sum. Default: 1 each. */
  weights?: Float64Array
}

export interface LinearParams {
  /** `logloss` takes targets in [0, 1], `l2` any finite number. Default `logloss`. */
  loss: 'logloss' | 'l2'
  /**
   * Ridge penalty `l2 / 2 * |w|^2` on the weights of standardised features, beside the sum of losses over rows (`l2` is
   * scikit-learn's `1 / C`, and its `alpha` of `Ridge`). The intercept is free. Default 1.
   */
  l2: number
  /** Newton steps at most. Default 50. */
  iterations: number
  /** Training ends when no weight of a standardised feature moves by more. Default 1e-8. */
  tolerance: number
}

export const LINEAR_DEFAULTS: LinearParams = { loss: 'logloss', l2: 1, iterations: 50, tolerance: 1e-8 }

export interface LinearResult {
  model: LinearModel
  iterations: number
  /** False when `iterations` ran out first, e.g. on separable classes without a penalty. */
  converged: boolean
}

/**
 * Linear or logistic regression with a ridge penalty, by Newton's method (iteratively reweighted least squares) with halved steps.
 * Pure and reproducible.
 *
 * Shapes: `columns` `[nFeatures][nRows]`. Features are standardised by their weighted mean and deviation, and the weights returned are for
 * raw values. Missing: NaN counts as the mean of its feature. Constant features get weight 0. Features that are linear in others are
 * kept apart by a ridge of 1e-10 of the curvature.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT.
 * Cost: O(nRows * nFeatures^2) a step, about six steps. Source: Nelder and Wedderburn 1972; Hastie et al. 2009, section 4.4.1.
 */
export function trainLinear(data: LinearData, given: Partial<LinearParams> = {}): LinearResult {
  const params = { ...LINEAR_DEFAULTS, ...given }
  checkParams(params)
  checkData(data, params.loss)
  const design = standardise(data)
  const fit = params.loss === 'logloss' ? fitNewton(design, data, params) : fitSquares(design, data, params)
  return {
    model: toRawUnits(design, fit.beta, params.loss),
    iterations: fit.iterations,
    converged: fit.converged,
  }
}

// ---------------------------------------------------------------- checks

function checkParams({ loss, l2, iterations, tolerance }: LinearParams): void {
  const need = (holds: boolean, param: string, expected: string, got: unknown) => {
    if (!holds) throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
  }
  need(loss === 'logloss' || loss === 'l2', 'loss', 'one of logloss, l2', loss)
  need(l2 >= 0 && Number.isFinite(l2), 'l2', 'a number of at least 0', l2)
  need(Number.isInteger(iterations) && iterations >= 1, 'iterations', 'an integer of at least 1', iterations)
  need(tolerance > 0, 'tolerance', 'a number above 0', tolerance)
}

function checkData({ nRows, columns, target, weights }: LinearData, loss: LinearParams['loss']): void {
  if (nRows < 1) throw new MillraceError('MR_MODEL_NO_ROWS', { need: 1, got: nRows })
  const arrays: [string, Float64Array][] = [
    ['target', target],
    ...columns.map((c, j): [string, Float64Array] => [`column ${j}`, c]),
  ]
  if (weights) arrays.push(['weights', weights])
  for (const [what, values] of arrays) {
    if (values.length !== nRows)
      throw new MillraceError('MR_MODEL_SHAPE', { what, expected: nRows, got: values.length })
  }
  if (weights) checkWeights(weights)
  checkTarget(target, weights, loss)
}

function checkWeights(weights: Float64Array): void {
  const row = weights.findIndex((w) => !(w >= 0 && w < Number.POSITIVE_INFINITY))
  if (row >= 0) throw new MillraceError('MR_MODEL_WEIGHT', { row, got: String(weights[row]) })
  if (!weights.some((w) => w > 0))
    throw new MillraceError('MR_MODEL_WEIGHT', { row: 0, got: 'all weights 0' })
}

function checkTarget(
  target: Float64Array,
  weights: Float64Array | undefined,
  loss: LinearParams['loss'],
): void {
  const allowed = loss === 'l2' ? Number.isFinite : (y: number) => y >= 0 && y <= 1
  const expected = loss === 'l2' ? 'a finite number' : 'from 0 to 1'
  const row = target.findIndex((y) => !allowed(y))
  if (row >= 0) throw new MillraceError('MR_MODEL_TARGET', { row, expected, got: String(target[row]) })
  if (loss === 'l2') return
  const counts = (i: number) => !weights || weights[i] > 0
  const value = [0, 1].find((label) => target.every((y, i) => y === label || !counts(i)))
  if (value !== undefined) throw new MillraceError('MR_MODEL_ONE_CLASS', { value, rows: target.length })
}

// ---------------------------------------------------------------- standardised features

interface Design {
  nRows: number
  /** Columns of the design: the intercept and the features that vary. */
  width: number
  /** `[nRows * width]`, the intercept's 1 first. */
  x: Float64Array
  /** Index of each feature that varies, in the order of the design. */
  features: number[]
  means: Float64Array
  deviations: Float64Array
}

function standardise({ nRows, columns, weights }: LinearData): Design {
  const means = Float64Array.from(columns, (column) => meanOf(column, weights))
  const deviations = Float64Array.from(columns, (column, j) => deviationOf(column, weights, means[j]))
  const features = columns.map((_, j) => j).filter((j) => deviations[j] > 0)
  const width = features.length + 1
  const x = new Float64Array(nRows * width)
  for (let i = 0; i < nRows; i++) x[i * width] = 1
  features.forEach((j, f) => {
    for (let i = 0, at = f + 1; i < nRows; i++, at += width) {
      const value = columns[j][i]
      x[at] = Number.isNaN(value) ? 0 : (value - means[j]) / deviations[j]
    }
  })
  return { nRows, width, x, features, means, deviations }
}

/** Weighted mean of the values present, summed around the first of them; 0 when there is none. */
function meanOf(column: Float64Array, weights: Float64Array | undefined): number {
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

function toRawUnits(
  { features, means, deviations }: Design,
  beta: Float64Array,
  loss: LinearParams['loss'],
): LinearModel {
  const weights = new Float64Array(means.length)
  let intercept = beta[0]
  features.forEach((j, f) => {
    weights[j] = beta[f + 1] / deviations[j]
    intercept -= weights[j] * means[j]
  })
  return {
    kind: 'LinearModel',
    nFeatures: means.length,
    nOutputs: 1,
    weights,
    intercepts: Float64Array.of(intercept),
    missing: means.slice(),
    link: loss === 'logloss' ? 'sigmoid' : 'identity',
  }
}

// ---------------------------------------------------------------- fitting

interface Fit {
  beta: Float64Array
  iterations: number
  converged: boolean
}

/** Curvature and gradient at a point, as sums over rows with the penalty. */
interface Curve {
  hessian: Float64Array
  gradient: Float64Array
}

/** The target is centred first, so that a large offset costs no digits. */
function fitSquares(design: Design, { target, weights }: LinearData, { l2 }: LinearParams): Fit {
  const beta = new Float64Array(design.width)
  const curve = openCurve(design.width)
  const centre = meanOf(target, weights)
  for (let i = 0; i < design.nRows; i++) {
    const w = weights ? weights[i] : 1
    addRow(curve, design, i, w, -w * (target[i] - centre))
  }
  const step = newtonStep(curve, beta, l2)
  step[0] += centre
  return { beta: step, iterations: 1, converged: true }
}

function fitNewton(
  design: Design,
  { target, weights }: LinearData,
  { l2, iterations, tolerance }: LinearParams,
): Fit {
  let beta: Float64Array = new Float64Array(design.width)
  let loss = lossAt(design, beta, target, weights, l2)
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const step = newtonStep(logisticCurve(design, beta, target, weights), beta, l2)
    let next: Float64Array = beta
    let nextLoss = Number.POSITIVE_INFINITY
    for (let scale = 1; scale > 1e-6 && !(nextLoss <= loss); scale /= 2) {
      next = beta.map((b, j) => b + scale * step[j])
      nextLoss = lossAt(design, next, target, weights, l2)
    }
    const moved = nextLoss <= loss ? next.reduce((most, b, j) => Math.max(most, Math.abs(b - beta[j])), 0) : 0
    if (nextLoss <= loss) {
      beta = next
      loss = nextLoss
    }
    if (moved <= tolerance) return { beta, iterations: iteration, converged: true }
  }
  return { beta, iterations, converged: false }
}

function openCurve(width: number): Curve {
  return { hessian: new Float64Array(width * width), gradient: new Float64Array(width) }
}

/** Adds one row's curvature (lower triangle) and gradient. */
function addRow(
  { hessian, gradient }: Curve,
  { x, width }: Design,
  row: number,
  curvature: number,
  slope: number,
): void {
  const at = row * width
  for (let a = 0; a < width; a++) {
    const xa = x[at + a]
    const scaled = curvature * xa
    gradient[a] += slope * xa
    for (let b = 0; b <= a; b++) hessian[a * width + b] += scaled * x[at + b]
  }
}

function logisticCurve(
  design: Design,
  beta: Float64Array,
  target: Float64Array,
  weights: Float64Array | undefined,
): Curve {
  const curve = openCurve(design.width)
  for (let i = 0; i < design.nRows; i++) {
    const w = weights ? weights[i] : 1
    const p = 1 / (1 + Math.exp(-scoreOf(design, beta, i)))
    addRow(curve, design, i, w * p * (1 - p), w * (p - target[i]))
  }
  return curve
}

/** Change of the weights that a quadratic with this curve asks for, the penalty on all but the intercept. */
function newtonStep({ hessian, gradient }: Curve, beta: Float64Array, l2: number): Float64Array {
  const width = beta.length
  let top = 0
  for (let a = 0; a < width; a++) top = Math.max(top, hessian[a * width + a])
  const right = new Float64Array(width)
  for (let a = 0; a < width; a++) {
    hessian[a * width + a] += a > 0 ? 1e-10 * top + l2 : 0
    right[a] = -gradient[a] - (a > 0 ? l2 * beta[a] : 0)
  }
  return solveCholesky(hessian, right)
}

function scoreOf({ x, width }: Design, beta: Float64Array, row: number): number {
  let sum = 0
  for (let a = 0, at = row * width; a < width; a++, at++) sum += beta[a] * x[at]
  return sum
}

function lossAt(
  design: Design,
  beta: Float64Array,
  target: Float64Array,
  weights: Float64Array | undefined,
  l2: number,
): number {
  let sum = 0
  for (let a = 1; a < beta.length; a++) sum += (l2 / 2) * beta[a] * beta[a]
  for (let i = 0; i < design.nRows; i++) {
    const score = scoreOf(design, beta, i)
    const rowLoss = Math.max(score, 0) - score * target[i] + Math.log1p(Math.exp(-Math.abs(score)))
    sum += weights ? weights[i] * rowLoss : rowLoss
  }
  return sum
}
