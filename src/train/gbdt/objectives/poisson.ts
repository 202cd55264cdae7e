import { expClamped } from '../../../stats/exp.ts'
import { logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkMeanAboveZero, checkNotNegative, weightedMean } from './targets.ts'

/**
 * Poisson loss of a rate e^score: `e^s - y s`, half the deviance but for a constant of y. Targets of at least 0, not all 0; counts, or rates with their
 * exposure as weight. Gradient `e^s - y`; the hessian is `e^(s + maxDeltaStep)`, too large on purpose, so that leaves of few events take careful steps
 * (LightGBM's and XGBoost's default of 0.7 too). The base score is the logarithm of the mean.
 */
export const poisson: OpenObjective<ParamsOf<'poisson'>> = (labels, { maxDeltaStep }) => {
  checkNotNegative(labels)
  checkMeanAboveZero(labels)
  const widen = expClamped(maxDeltaStep)
  return {
    nOutputs: 1,
    link: 'exp',
    constantHessian: false,
    baseScores: Float64Array.of(logFast(weightedMean(labels.target, labels.weights))),
    check: checkNotNegative,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) {
        const rate = expClamped(score[i])
        grad[i] = rate - target[i]
        hess[i] = rate * widen
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => expClamped(score[i]) - target[i] * score[i]),
  }
}
