import { log1pFast } from '../../../stats/log.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import { type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { checkFinite, flatPoint } from './targets.ts'

/**
 * Fair's loss of x = score - y: `c² (|x| / c - ln (1 + |x| / c))`, quadratic near 0 and linear far away, with a hessian everywhere. `c` has the unit of
 * the target. Gradient `c x / (|x| + c)`, hessian `c² / (|x| + c)²`.
 */
export const fair: OpenObjective<ParamsOf<'fair'>> = (labels, { c }) => {
  checkFinite(labels)
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: false,
    baseScores: Float64Array.of(flatPoint(labels, (x) => (c * x) / (Math.abs(x) + c))),
    check: checkFinite,
    gradients: (score, { target, weights }, grad, hess) => {
      for (let i = 0; i < score.length; i++) {
        const x = score[i] - target[i]
        const part = c / (Math.abs(x) + c)
        grad[i] = x * part
        hess[i] = part * part
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => {
        const x = Math.abs(score[i] - target[i]) / c
        return c * c * (x - log1pFast(x))
      }),
  }
}
