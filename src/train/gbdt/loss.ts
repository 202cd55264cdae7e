import { MillraceError } from '../../core/errors.ts'
import { absoluteGradients, logLossGradients, squaredGradients } from './kernels.ts'
import type { GbdtLoss } from './params.ts'

type Weights = Float64Array | null

/** What boosting needs of a loss. Raw scores are log-odds for `logloss`, values for the others. */
export interface Loss {
  link: 'identity' | 'sigmoid'
  /** Whether each row's hessian is 1 when there are no weights. */
  constantHessian: boolean
  /** Leaf values are weighted medians of residuals, not Newton steps. */
  medianLeaves: boolean
  /** Refuses targets that the loss cannot take. Errors: MR_MODEL_TARGET, MR_MODEL_ONE_CLASS. */
  checkTarget(target: Float64Array, weights: Weights): void
  /** Raw score of the best constant. */
  baseScore(target: Float64Array, weights: Weights): number
  gradients(
    score: Float64Array,
    target: Float64Array,
    weights: Weights,
    grad: Float64Array,
    hess: Float64Array,
  ): void
  /** Loss of one row, unweighted. */
  rowLoss(score: number, target: number): number
}

export const LOSSES: Record<GbdtLoss, Loss> = {
  logloss: {
    link: 'sigmoid',
    constantHessian: false,
    medianLeaves: false,
    checkTarget: checkProbabilities,
    baseScore: (target, weights) => {
      const rate = weightedMean(target, weights)
      return Math.log(rate / (1 - rate))
    },
    gradients: logLossGradients,
    rowLoss: (score, y) => Math.max(score, 0) - score * y + Math.log1p(Math.exp(-Math.abs(score))),
  },
  l2: {
    link: 'identity',
    constantHessian: true,
    medianLeaves: false,
    checkTarget: checkFinite,
    baseScore: weightedMean,
    gradients: squaredGradients,
    rowLoss: (score, y) => (score - y) * (score - y),
  },
  l1: {
    link: 'identity',
    constantHessian: true,
    medianLeaves: true,
    checkTarget: checkFinite,
    baseScore: weightedMedian,
    gradients: absoluteGradients,
    rowLoss: (score, y) => Math.abs(score - y),
  },
}

/** Weighted mean of `rowLoss`; NaN when there are no rows. Shapes: all `[n]`. */
export function meanLoss(loss: Loss, score: Float64Array, target: Float64Array, weights: Weights): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < score.length; i++) {
    const w = weights ? weights[i] : 1
    sum += w * loss.rowLoss(score[i], target[i])
    total += w
  }
  return sum / total
}

/** Errors: MR_MODEL_TARGET when a target is missing or infinite. */
export function checkFinite(target: Float64Array): void {
  const row = target.findIndex((y) => !Number.isFinite(y))
  if (row >= 0)
    throw new MillraceError('MR_MODEL_TARGET', { row, expected: 'a finite number', got: String(target[row]) })
}

function checkProbabilities(target: Float64Array, weights: Weights): void {
  const row = target.findIndex((y) => !(y >= 0 && y <= 1))
  if (row >= 0)
    throw new MillraceError('MR_MODEL_TARGET', { row, expected: 'from 0 to 1', got: String(target[row]) })
  const rate = weightedMean(target, weights)
  if (rate <= 0 || rate >= 1)
    throw new MillraceError('MR_MODEL_ONE_CLASS', { value: rate, rows: target.length })
}

/** Mean around the first value, so that a large offset costs no digits. */
function weightedMean(values: Float64Array, weights: Weights): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < values.length; i++) {
    const w = weights ? weights[i] : 1
    sum += w * (values[i] - values[0])
    total += w
  }
  return values[0] + sum / total
}

/** A value with half of the weight on either side; between two such values, their mean. */
export function weightedMedian(values: Float64Array, weights: Weights): number {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b] || a - b)
  let total = 0
  for (let i = 0; i < values.length; i++) total += weights ? weights[i] : 1
  let below = 0
  for (let i = 0; i < order.length; i++) {
    below += weights ? weights[order[i]] : 1
    if (below > total / 2) return values[order[i]]
    if (below === total / 2 && i + 1 < order.length) return (values[order[i]] + values[order[i + 1]]) / 2
  }
  return values[order[order.length - 1]]
}
