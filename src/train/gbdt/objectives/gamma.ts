import { expClamped } from '../../../stats/exp.ts'
import { logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkPositive, weightedMean } from './targets.ts'

/**
 * Gamma loss of a mean e^score: `s + y e^-s`, half the deviance but for a constant of y. Targets above 0, whose spread grows with their size. Gradient
 * `1 - y e^-s`, hessian `y e^-s`. The base score is the logarithm of the mean.
 */
export const gamma: OpenObjective<ParamsOf<'gamma'>> = (labels) => {
  checkPositive(labels)
  return {
    nOutputs: 1,
    link: 'exp',
    constantHessian: false,
    baseScores: Float64Array.of(logFast(weightedMean(labels.target, labels.weights))),
    check: checkPositive,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) {
        const ratio = target[i] * expClamped(-score[i])
        grad[i] = 1 - ratio
        hess[i] = ratio
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => score[i] + target[i] * expClamped(-score[i])),
  }
}
