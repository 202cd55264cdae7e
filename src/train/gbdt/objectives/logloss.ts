import { MillraceError } from '../../../core/errors.ts'
import { expFast } from '../../../stats/exp.ts'
import { log1pFast, logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { classWeightsOf, weighTerms } from './classes.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkShares, weightedMean } from './targets.ts'

/**
 * Log loss of a chance: `-y ln p - (1 - y) ln (1 - p)` with p = sigmoid(score). Targets in [0, 1]: soft labels too.
 *
 * `labelSmoothing` e moves targets to `y (1 - e) + e / 2`; `scalePosWeight` and `classWeights` weigh the two terms, so a soft label is weighed by its
 * parts. Validation losses are of the labels as they are. Gradient p - y, hessian p (1 - p).
 */
export const logloss: OpenObjective<ParamsOf<'logloss'>> = (labels, params) => {
  checkShares(labels)
  const training = trainingLabels(labels, params)
  const rate = weightedMean(training.target, training.weights)
  if (!(rate > 0 && rate < 1))
    throw new MillraceError('MR_MODEL_ONE_CLASS', { value: rate, rows: labels.target.length })
  return {
    nOutputs: 1,
    link: 'sigmoid',
    constantHessian: false,
    baseScores: Float64Array.of(logFast(rate) - logFast(1 - rate)),
    check: checkShares,
    training,
    gradients: logLossGradients,
    kernel: { name: 'gradients', args: [0], leavesTops: true },
    meanLoss: meanLogLoss,
  }
}

function trainingLabels(labels: Labels, params: ParamsOf<'logloss'>): Labels {
  const [ofZero, ofOne] = termWeights(labels, params)
  const e = params.labelSmoothing
  const smooth = e === 0 ? labels.target : labels.target.map((y) => y * (1 - e) + e / 2)
  if (ofZero === 1 && ofOne === 1) return { ...labels, target: smooth }
  return { ...labels, ...weighTerms(smooth, labels.weights, [ofZero, ofOne]) }
}

function termWeights({ target, weights }: Labels, params: ParamsOf<'logloss'>): [number, number] {
  const rate = weightedMean(target, weights)
  const ofClass = classWeightsOf(params.classWeights, Float64Array.of(1 - rate, rate)) ?? [1, 1]
  return [ofClass[0], ofClass[1] * params.scalePosWeight]
}

/** Gradient and hessian of the log loss: p - y and p (1 - p), times the weight; `null` weights are 1. */
export function logLossGradients(
  score: Float64Array,
  { target, weights }: Pick<Labels, 'target' | 'weights'>,
  grad: Float64Array,
  hess: Float64Array,
): void {
  for (let i = 0; i < score.length; i++) {
    const p = 1 / (1 + expFast(Math.max(-60, Math.min(60, -score[i]))))
    grad[i] = p - target[i]
    hess[i] = p * (1 - p)
  }
  weigh(grad, hess, weights)
}

function meanLogLoss(score: Float64Array, { target, weights }: Labels): number {
  return meanOfRows(target.length, weights, (i) => rowLogLoss(score[i], target[i]))
}

/** Log loss of one row at a raw score. */
export function rowLogLoss(score: number, y: number): number {
  return Math.max(score, 0) - score * y + log1pFast(expFast(Math.max(-60, -Math.abs(score))))
}
