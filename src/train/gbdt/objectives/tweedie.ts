import { expClamped } from '../../../stats/exp.ts'
import { logFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkMeanAboveZero, checkNotNegative, weightedMean } from './targets.ts'

/**
 * Tweedie loss of a mean e^score, spread as its power 1 < `power` < 2: amounts that are often 0 and else spread out, such as claims or rain.
 * `e^((2 - p) s) / (2 - p) - y e^((1 - p) s) / (1 - p)`, half the deviance but for a constant of y; exact gradient and hessian. Targets of at least 0,
 * not all 0. The base score is the logarithm of the mean.
 */
export const tweedie: OpenObjective<ParamsOf<'tweedie'>> = (labels, { power }) => {
  checkNotNegative(labels)
  checkMeanAboveZero(labels)
  const [a, b] = [1 - power, 2 - power]
  return {
    nOutputs: 1,
    link: 'exp',
    constantHessian: false,
    baseScores: Float64Array.of(logFast(weightedMean(labels.target, labels.weights))),
    check: checkNotNegative,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) {
        const falling = target[i] * expClamped(a * score[i])
        const rising = expClamped(b * score[i])
        grad[i] = rising - falling
        hess[i] = b * rising - a * falling
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(
        target.length,
        weights,
        (i) => expClamped(b * score[i]) / b - (target[i] * expClamped(a * score[i])) / a,
      ),
  }
}
