import { MillraceError } from '../../core/errors.ts'
import { linear } from '../../define/trainers.ts'
import type { EncodedLinearModel } from '../../model/encoded-linear.ts'
import type { LinearModel } from '../../model/trees.ts'
import { checkRowsToLearn } from '../checks.ts'
import { openChances } from './chances.ts'
import { betasOf, type Design, designOf, meanOf, modelOf } from './design.ts'
import { LINEAR_LOSSES, type LinearLoss } from './losses.ts'
import { curveOf, gradientOf, type Penalty, rawsOf, slopeAlong, stepOf } from './newton.ts'

/** Rows to train on: one column a feature; NaN where missing. */
export interface LinearData {
  nRows: number
  columns: Float64Array[]
  target: Float64Array
  /** Not negative, with a positive sum. Default: 1 each. */
  weights?: Float64Array
  /** Of features that are categories, how many codes from 0 have a weight each; 0 for numbers. Default: all are numbers. */
  levels?: Int32Array
}

export interface LinearParams extends Penalty {
  /** `logloss` takes targets in [0, 1], `l2` any finite number, `poisson` counts, `softmax` codes of classes. Default `logloss`. */
  loss: keyof typeof LINEAR_LOSSES | 'softmax'
  /** Classes of `softmax`; default: one more than the largest code. */
  nClasses?: number
  /**
   * The penalty `l1 * |w| + l2 / 2 * |w|^2` on the weights of standardised features, beside the sum of losses over rows (with scikit-learn's `C` and `l1_ratio`: `l1 =
   * l1_ratio / C`, `l2 = (1 - l1_ratio) / C`; with the `alpha` of `ElasticNet` and `PoissonRegressor` times the rows instead of `1 / C`). The intercept is free.
   * Default: `l1` 0, `l2` 1.
   */
  l1: number
  l2: number
  /** Newton steps at most. Default 50; for `softmax` as many rounds over the classes, default 500. */
  iterations?: number
  /** Training ends when no weight of a standardised feature moves by more. Default 1e-8. */
  tolerance: number
  /** A model of the same features to begin with. */
  start?: LinearResult['model']
}

const { l1, l2 } = linear()
export const LINEAR_DEFAULTS: LinearParams = { loss: 'logloss', l1, l2, tolerance: 1e-8 }

export interface LinearResult {
  model: LinearModel | EncodedLinearModel
  iterations: number
  /** False when `iterations` ran out first, e.g. on separable classes without a penalty. */
  converged: boolean
}

/**
 * Generalised linear regression with an elastic net: linear, logistic, Poisson, multinomial. Newton's method (iteratively reweighted least squares) with halved steps,
 * each step by Cholesky's factorisation, or by coordinate descent where `l1` makes kinks; class by class for several.
 *
 * Shapes: `columns` `[nFeatures][nRows]`. Numbers are standardised by their weighted mean and deviation, columns of categories divided by their deviation; the weights
 * returned are for raw values. Missing: NaN counts as the mean of its feature, and as none of the values of a category. Constant features get weight 0. Columns that are
 * linear in others are kept apart by a ridge of 1e-10 of the curvature.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT, MR_MODEL_WIDTH, MR_MODEL_COLUMN.
 * Pure and reproducible: plain arithmetic alone, so each machine gives the same bits.
 * Cost: O(nRows * nFeatures^2 + width^3) a step, about six steps; of several classes that much a class and round, and some thirty rounds. Source: Nelder and Wedderburn 1972; Hastie et al. 2009, section 4.4; Friedman, Hastie and Tibshirani 2010.
 */
export function trainLinear(data: LinearData, given: Partial<LinearParams> = {}): LinearResult {
  const params = { ...LINEAR_DEFAULTS, ...given }
  checkParams(params)
  checkData(data, params.loss)
  const design = designOf(data)
  const fit =
    params.loss === 'softmax' ? fitClasses(design, data, params) : fitOne(design, data, params, params.loss)
  const link = params.loss === 'softmax' ? 'softmax' : LINEAR_LOSSES[params.loss].link
  return { model: modelOf(design, fit.betas, link), iterations: fit.iterations, converged: fit.converged }
}

// ---------------------------------------------------------------- checks

function checkParams({ loss, l1, l2, iterations = 1, tolerance }: LinearParams): void {
  const need = (holds: boolean, param: string, expected: string, got: unknown) => {
    if (!holds) throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
  }
  const known = [...Object.keys(LINEAR_LOSSES), 'softmax']
  need(known.includes(loss), 'loss', `one of ${known.join(', ')}`, loss)
  need(l1 >= 0 && Number.isFinite(l1), 'l1', 'a number of at least 0', l1)
  need(l2 >= 0 && Number.isFinite(l2), 'l2', 'a number of at least 0', l2)
  need(Number.isInteger(iterations) && iterations >= 1, 'iterations', 'an integer of at least 1', iterations)
  need(tolerance > 0, 'tolerance', 'a number above 0', tolerance)
}

function checkData(data: LinearData, loss: LinearParams['loss']): void {
  checkRowsToLearn(data, loss === 'softmax' ? 'class' : LINEAR_LOSSES[loss].target)
  data.columns.forEach((column, j) => {
    const row = column.findIndex((x) => x === Number.POSITIVE_INFINITY || x === Number.NEGATIVE_INFINITY)
    if (row >= 0) throw new MillraceError('MR_MODEL_COLUMN', { feature: j, row, got: String(column[row]) })
  })
}

// ---------------------------------------------------------------- fitting

interface Fit {
  betas: Float64Array[]
  iterations: number
  converged: boolean
}

function startOf(design: Design, nOutputs: number, { start }: LinearParams): Float64Array[] | undefined {
  if (!start) return undefined
  const betas = betasOf(design, start)
  if (betas.length !== nOutputs || start.weights.length !== nOutputs * design.columnOf.length)
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: 'weights of the model to begin with',
      expected: nOutputs * design.columnOf.length,
      got: start.weights.length,
    })
  return betas
}

function fitOne(
  design: Design,
  { target, weights }: LinearData,
  params: LinearParams,
  kind: keyof typeof LINEAR_LOSSES,
): Fit {
  const { iterations = 50, tolerance } = params
  const loss: LinearLoss = LINEAR_LOSSES[kind]
  const weightOf = (i: number) => (weights ? weights[i] : 1)
  const [beta] = startOf(design, 1, params) ?? [new Float64Array(design.width)]
  if (!params.start) beta[0] = loss.start(meanOf(target, weights))
  let raws = rawsOf(design, beta)
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const curve = curveOf(design, (i) => ({
      slope: weightOf(i) * loss.slope(raws[i], target[i]),
      curvature: weightOf(i) * loss.curvature(raws[i]),
    }))
    const gradient = curve.gradient.slice()
    const step = stepOf(curve, beta, params, tolerance)
    const gradientAt = (next: Float64Array) =>
      gradientOf(design, (i) => weightOf(i) * loss.slope(next[i], target[i]))
    const moved = walk({ design, beta, raws, step, gradient, gradientAt, penalty: params })
    raws = rawsOf(design, beta)
    if (moved <= tolerance) return { betas: [beta], iterations: iteration, converged: true }
  }
  return { betas: [beta], iterations, converged: false }
}

interface Walk {
  design: Design
  /** Moved in place. */
  beta: Float64Array
  raws: Float64Array
  step: Float64Array
  gradient: Float64Array
  /** Gradient of the summed loss where the raw scores are these. */
  gradientAt(raws: Float64Array): Float64Array
  penalty: Penalty
}

const HALVINGS = 30
/** A step may go on until the slope along it has risen to this share of what it fell by at first. */
const SLOPE_SHARE = 0.5

/** Takes the step, halved while the loss rises too steeply at its end; returns how far any weight moved. Slopes alone are looked at, as they need no logarithm. */
function walk({ design, beta, raws, step, gradient, gradientAt, penalty }: Walk): number {
  const fall = -slopeAlong(gradient, beta, step, penalty, true)
  if (!(fall > 0)) return 0
  const along = rawsOf(design, step)
  for (let halving = 0, scale = 1; halving < HALVINGS; halving++, scale /= 2) {
    const next = beta.map((b, a) => (b === -scale * step[a] ? 0 : b + scale * step[a]))
    const slope = slopeAlong(
      gradientAt(raws.map((raw, i) => raw + scale * along[i])),
      next,
      step,
      penalty,
      false,
    )
    if (!(slope <= SLOPE_SHARE * fall)) continue
    beta.set(next)
    return scale * step.reduce((most, s) => Math.max(most, Math.abs(s)), 0)
  }
  return 0
}

/** One class after another, each with its own curvature, until a round moves none. */
function fitClasses(design: Design, data: LinearData, params: LinearParams): Fit {
  const { target, weights } = data
  const { iterations = 500, tolerance } = params
  const nClasses = params.nClasses ?? target.reduce((most, y) => Math.max(most, y), 0) + 1
  const row = target.findIndex((y) => y >= nClasses)
  if (row >= 0)
    throw new MillraceError('MR_MODEL_TARGET', {
      row,
      expected: `below ${nClasses}`,
      got: String(target[row]),
    })
  const betas =
    startOf(design, nClasses, params) ??
    Array.from({ length: nClasses }, () => new Float64Array(design.width))
  const raws = betas.map((beta) => rawsOf(design, beta))
  const chances = openChances(raws)
  const weightOf = (i: number) => (weights ? weights[i] : 1)
  for (let round = 1; round <= iterations; round++) {
    let moved = 0
    chances.begin()
    for (let k = 0; k < nClasses; k++) {
      const beta = betas[k]
      const slopeOf = (i: number, raw: number) =>
        weightOf(i) * (chances.of(i, k, raw) - (target[i] === k ? 1 : 0))
      const curve = curveOf(design, (i) => {
        const p = chances.of(i, k, raws[k][i])
        return { slope: slopeOf(i, raws[k][i]), curvature: weightOf(i) * p * (1 - p) }
      })
      const gradient = curve.gradient.slice()
      const step = stepOf(curve, beta, params, tolerance)
      const gradientAt = (next: Float64Array) => gradientOf(design, (i) => slopeOf(i, next[i]))
      moved = Math.max(
        moved,
        walk({ design, beta, raws: raws[k], step, gradient, gradientAt, penalty: params }),
      )
      raws[k].set(rawsOf(design, beta))
      chances.pass(k)
    }
    if (moved <= tolerance) return { betas: centred(betas), iterations: round, converged: true }
  }
  return { betas: centred(betas), iterations, converged: false }
}

/** Intercepts are free, and only their differences count: their mean is 0. */
function centred(betas: Float64Array[]): Float64Array[] {
  const mean = betas.reduce((sum, beta) => sum + beta[0], 0) / betas.length
  for (const beta of betas) beta[0] -= mean
  return betas
}

// ---------------------------------------------------------------- paths

export interface PathParams extends Partial<Omit<LinearParams, 'l1' | 'l2' | 'start'>> {
  /** Share of `l1` in the penalty, above 0 to 1. */
  l1Share: number
  /** Strengths `l1 + l2`, falling. Default: `steps` of them, from the least at which all weights are 0 to a thousandth of it, each the same share of the one before. */
  strengths?: readonly number[]
  /** Default: 50. */
  steps?: number
}

/** A fit for each strength of the penalty, each begun from the one before. Otherwise as `trainLinear`. */
export function* linearPath(data: LinearData, params: PathParams): Generator<LinearResult & Penalty> {
  const { l1Share, strengths, steps = 50, ...rest } = params
  if (!(l1Share > 0 && l1Share <= 1))
    throw new MillraceError('MR_MODEL_PARAM', {
      param: 'l1Share',
      expected: 'above 0 and at most 1',
      got: String(l1Share),
    })
  let start: LinearResult['model'] | undefined
  for (const strength of strengths ?? strengthsOf(data, params, steps)) {
    const penalty = { l1: strength * l1Share, l2: strength * (1 - l1Share) }
    const fit = trainLinear(data, { ...rest, ...penalty, start })
    start = fit.model
    yield { ...fit, ...penalty }
  }
}

const PATH_DEPTH = 1_000

/** From the largest slope that any weight has where all are 0. */
function strengthsOf(data: LinearData, { l1Share, ...rest }: PathParams, steps: number): number[] {
  const params = { ...LINEAR_DEFAULTS, ...rest }
  checkParams(params)
  checkData(data, params.loss)
  const most =
    emptySlopes(designOf(data), data, params.loss).reduce((max, s) => Math.max(max, s), 0) / l1Share
  return Array.from({ length: steps }, (_, i) => most / PATH_DEPTH ** (i / Math.max(1, steps - 1)))
}

/** Sizes of the slopes of all weights in a model that gives every row the mean. */
function emptySlopes(design: Design, { target, weights }: LinearData, loss: LinearParams['loss']): number[] {
  const weightOf = (i: number) => (weights ? weights[i] : 1)
  const indicators =
    loss === 'softmax' ? [...new Set(target)].map((k) => target.map((y) => (y === k ? 1 : 0))) : [target]
  return indicators.flatMap((y) => {
    const mean = meanOf(y, weights)
    return Array.from(gradientOf(design, (i) => weightOf(i) * (mean - y[i])).subarray(1), Math.abs)
  })
}
