import { meanOfRows } from '../../../stats/row-mean.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkFinite, weightedMean } from './targets.ts'

/** Squared error, which the mean minimises. Gradients are those of half of it: score - y, hessian 1. The loss is the mean squared error. */
export const l2: OpenObjective<ParamsOf<'l2'>> = (labels) => {
  checkFinite(labels)
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(weightedMean(labels.target, labels.weights)),
    check: checkFinite,
    gradients: squaredGradients,
    kernel: { name: 'gradients', args: [1], leavesTops: true },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => (score[i] - target[i]) ** 2),
  }
}

function squaredGradients(
  score: Float64Array,
  { target, weights }: Labels,
  grad: Float64Array,
  hess: Float64Array,
): void {
  for (let i = 0; i < score.length; i++) grad[i] = score[i] - target[i]
  hess.fill(1)
  weigh(grad, hess, weights)
}
