import { logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { classTotals, classWeightsOf, countClasses, requireTwoClasses, withClassWeights } from './classes.ts'
import { logLossGradients, rowLogLoss } from './logloss.ts'
import type { Labels, OpenObjective, ParamsOf } from './objective.ts'
import { checkCodes } from './targets.ts'

/** Least share of rows on either side that a class is taken to have, so that base scores are finite. */
const SHARE_MIN = 1e-15

/**
 * K classes as K log losses, each against the rest: targets are codes 0 to K - 1, each output is a sigmoid by itself and a row's outputs need not sum to
 * one. Loss: the sum over classes. For classes that are far apart in size or may both hold; `softmax` is the better default.
 */
export const oneVsAll: OpenObjective<ParamsOf<'oneVsAll'>> = (labels, { classWeights }) => {
  const nClasses = countClasses(labels, labels.nClasses)
  checkCodes(labels, nClasses)
  const totals = classTotals(labels.target, labels.weights, nClasses)
  requireTwoClasses(totals, labels.target.length)
  const training = withClassWeights(labels, classWeightsOf(classWeights, totals))
  return {
    nOutputs: nClasses,
    link: 'sigmoid',
    constantHessian: false,
    baseScores: logOdds(classTotals(training.target, training.weights, nClasses)),
    check: (other) => checkCodes(other, nClasses),
    training,
    gradients: (scores, given, grad, hess) => {
      const n = given.target.length
      for (let k = 0; k < nClasses; k++) {
        const part = (values: Float64Array) => values.subarray(k * n, (k + 1) * n)
        const target = given.target.map((y) => Number(y === k))
        logLossGradients(part(scores), { target, weights: given.weights }, part(grad), part(hess))
      }
    },
    meanLoss: meanOneVsAllLoss,
  }
}

function logOdds(totals: Float64Array): Float64Array {
  const all = totals.reduce((sum, total) => sum + total, 0)
  return totals.map((total) => {
    const share = Math.min(1 - SHARE_MIN, Math.max(SHARE_MIN, total / all))
    return logFast(share) - logFast(1 - share)
  })
}

function meanOneVsAllLoss(scores: Float64Array, { target, weights }: Labels): number {
  const n = target.length
  return meanOfRows(n, weights, (i) => {
    let sum = 0
    for (let at = i, k = 0; at < scores.length; at += n, k++)
      sum += rowLogLoss(scores[at], Number(target[i] === k))
    return sum
  })
}
