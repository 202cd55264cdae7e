import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkFinite, flatPoint } from './targets.ts'

/**
 * Huber's loss of x = score - y: `x² / 2` within `delta`, `delta (|x| - delta / 2)` beyond, so that outliers pull no harder than `delta`, which has the
 * unit of the target. Gradient: x cut to ±delta, hessian 1, as LightGBM has it.
 */
export const huber: OpenObjective<ParamsOf<'huber'>> = (labels, { delta }) => {
  checkFinite(labels)
  const cut = (x: number) => Math.max(-delta, Math.min(delta, x))
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(flatPoint(labels, cut)),
    check: checkFinite,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) grad[i] = cut(score[i] - target[i])
      hess.fill(1)
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => {
        const x = Math.abs(score[i] - target[i])
        return x <= delta ? (x * x) / 2 : delta * (x - delta / 2)
      }),
  }
}
