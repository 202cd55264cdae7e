import { meanOfRows } from '../../../stats/row-mean.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { quantile } from './quantiles.ts'
import { checkFinite } from './targets.ts'

/** Absolute error, which the median minimises. Gradient: sign of score - y, hessian 1; leaves are weighted medians of their residuals. */
export const l1: OpenObjective<ParamsOf<'l1'>> = (labels) => {
  checkFinite(labels)
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(quantile(labels.target.slice(), labels.weights, 0.5)),
    check: checkFinite,
    gradients: absoluteGradients,
    kernel: { name: 'gradients', args: [2], leavesTops: true },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => Math.abs(score[i] - target[i])),
    leafValue: (residuals, weights) => quantile(residuals, weights, 0.5),
  }
}

function absoluteGradients(
  score: Float64Array,
  { target, weights }: Labels,
  grad: Float64Array,
  hess: Float64Array,
): void {
  for (let i = 0; i < score.length; i++) grad[i] = Math.sign(score[i] - target[i])
  hess.fill(1)
  weigh(grad, hess, weights)
}
