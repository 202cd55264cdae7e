import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { quantile as quantileOf } from './quantiles.ts'
import { checkFinite } from './targets.ts'

/**
 * Pinball loss, which the `alpha`-quantile minimises: `alpha (y - s)` above, `(1 - alpha) (s - y)` below. Gradient `[s >= y] - alpha`, hessian 1; leaves
 * are weighted quantiles of their residuals, of the type that `quantiles.ts` names. Source: Koenker and Bassett, 1978.
 */
export const quantile: OpenObjective<ParamsOf<'quantile'>> = (labels, { alpha }) => {
  checkFinite(labels)
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(quantileOf(labels.target.slice(), labels.weights, alpha)),
    check: checkFinite,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) grad[i] = score[i] >= target[i] ? 1 - alpha : -alpha
      hess.fill(1)
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => {
        const above = target[i] - score[i]
        return above >= 0 ? alpha * above : (alpha - 1) * above
      }),
    leafValue: (residuals, weights) => quantileOf(residuals, weights, alpha),
  }
}
