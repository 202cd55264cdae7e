import { expFast } from '../../../stats/exp.ts'
import { logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { classTotals, classWeightsOf, countClasses, requireTwoClasses, withClassWeights } from './classes.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkCodes } from './targets.ts'

/** Least share of rows that a class is taken to have, so that one without any has a finite score. */
const PRIOR_MIN = 1e-15
/** Scores further below the largest than this count as so far: e^-60 is far below the last bit of a sum that holds 1. */
const REACH = 60

/**
 * Log loss of K classes: `-ln p_y` with p = softmax(scores). Targets are codes 0 to K - 1; K trees a round, all on the gradients of its beginning.
 *
 * Gradient p_k - [y = k], hessian p_k (1 - p_k) K / (K - 1): the diagonal, by the factor that Friedman (2001, algorithm 6) puts on leaf values and that
 * LightGBM keeps (XGBoost takes 2). `labelSmoothing` e gives `1 - e + e / K` to the right class and `e / K` to others; `classWeights` weigh rows by class.
 * Base scores are the logarithms of the classes' shares.
 */
export const softmax: OpenObjective<ParamsOf<'softmax'>> = (labels, params) => {
  const nClasses = countClasses(labels, labels.nClasses)
  checkCodes(labels, nClasses)
  const totals = classTotals(labels.target, labels.weights, nClasses)
  requireTwoClasses(totals, labels.target.length)
  const training = withClassWeights(labels, classWeightsOf(params.classWeights, totals))
  const low = params.labelSmoothing / nClasses
  const high = 1 - params.labelSmoothing + low
  const factor = nClasses / (nClasses - 1)
  return {
    nOutputs: nClasses,
    link: 'softmax',
    constantHessian: false,
    baseScores: logShares(classTotals(training.target, training.weights, nClasses)),
    check: (other) => checkCodes(other, nClasses),
    training,
    gradients: (scores, { target, weights }, grad, hess) => {
      softmaxGradients({ scores, target, low, high, factor }, grad, hess)
      weigh(grad, hess, weights)
    },
    kernel: { name: 'softmaxGradients', args: [low, high, factor], leavesTops: false },
    meanLoss: meanSoftmaxLoss,
  }
}

function logShares(totals: Float64Array): Float64Array {
  const all = totals.reduce((sum, total) => sum + total, 0)
  return totals.map((total) => logFast(Math.max(PRIOR_MIN, total / all)))
}

interface SoftmaxTask {
  scores: Float64Array
  target: Float64Array
  /** Target share of other classes, and of the right one. */
  low: number
  high: number
  factor: number
}

function softmaxGradients(task: SoftmaxTask, grad: Float64Array, hess: Float64Array): void {
  const { scores, target, low, high, factor } = task
  const n = target.length
  const end = scores.length
  for (let i = 0; i < n; i++) {
    const top = topScore(scores, i, n)
    let sum = 0
    for (let at = i; at < end; at += n) {
      grad[at] = expFast(Math.max(-REACH, scores[at] - top))
      sum += grad[at]
    }
    for (let at = i, k = 0; at < end; at += n, k++) {
      const p = grad[at] / sum
      grad[at] = p - (target[i] === k ? high : low)
      hess[at] = factor * (p * (1 - p))
    }
  }
}

function topScore(scores: Float64Array, row: number, n: number): number {
  let top = scores[row]
  for (let at = row + n; at < scores.length; at += n) top = Math.max(top, scores[at])
  return top
}

function meanSoftmaxLoss(scores: Float64Array, { target, weights }: Labels): number {
  const n = target.length
  return meanOfRows(n, weights, (i) => {
    const top = topScore(scores, i, n)
    let sum = 0
    for (let at = i; at < scores.length; at += n) sum += expFast(Math.max(-REACH, scores[at] - top))
    return logFast(sum) + top - scores[target[i] * n + i]
  })
}
