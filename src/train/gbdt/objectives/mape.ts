import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { quantile } from './quantiles.ts'
import { checkFinite } from './targets.ts'

/**
 * Absolute error relative to the target, `|score - y| / max(1, |y|)`: targets within ±1 count as 1, so that zeros have no infinite weight (as LightGBM).
 * Gradient: the sign over `max(1, |y|)`, hessian 1; leaves are medians weighted by `1 / max(1, |y|)`.
 */
export const mape: OpenObjective<ParamsOf<'mape'>> = (labels) => {
  checkFinite(labels)
  const shares = labels.target.map((y) => 1 / Math.max(1, Math.abs(y)))
  const residualWeights = shares.map((share, i) => share * (labels.weights ? labels.weights[i] : 1))
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(quantile(labels.target.slice(), residualWeights, 0.5)),
    check: checkFinite,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) grad[i] = Math.sign(score[i] - target[i]) * shares[i]
      hess.fill(1)
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(
        target.length,
        weights,
        (i) => Math.abs(score[i] - target[i]) / Math.max(1, Math.abs(target[i])),
      ),
    leafValue: (residuals, weights) => quantile(residuals, weights, 0.5),
    residualWeights,
  }
}
