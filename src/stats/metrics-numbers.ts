/** Losses of predicted numbers beyond squares and distances: of quantiles, counts and amounts. Shapes: `predicted`, `actual`, `weights` `[n]`. */
import {
  type Numbers,
  refuseNotFinite,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
  requireShare,
} from './inputs.ts'

/**
 * Pinball loss of a predicted `alpha`-quantile: mean of `alpha (actual - predicted)` where the actual value lies above, of `(1 - alpha) (predicted - actual)`
 * where it lies below. In the unit of the target, not halved; at 0.5 it is half the MAE. scikit-learn's `mean_pinball_loss`. Cost: O(n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function pinballLoss(predicted: Numbers, actual: Numbers, alpha: number, weights?: Numbers): number {
  checkNumbers('pinballLoss', predicted, actual, weights)
  requireShare('alpha', alpha)
  return weightedMean(predicted, actual, weights, (p, y) =>
    y >= p ? alpha * (y - p) : (1 - alpha) * (p - y),
  )
}

/** Share of actual values at or below the predicted quantile: near `alpha` when the quantile is right. Errors and cost as `pinballLoss`. */
export function coverage(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  checkNumbers('coverage', predicted, actual, weights)
  return weightedMean(predicted, actual, weights, (p, y) => Number(y <= p))
}

/**
 * Mean Tweedie deviance of a predicted mean: 0 when exact, larger with distance, measured by the spread of the power `p`.
 *
 * `p` 0: squared error. 1: Poisson, `2 (y ln(y / m) - y + m)`, y >= 0. Between 1 and 2: compound Poisson and gamma, y >= 0. 2: gamma,
 * `2 (ln(m / y) + y / m - 1)`, y > 0. Above 2: y > 0. Means must be above 0 unless `p` is 0. scikit-learn's `mean_tweedie_deviance`, which for negative
 * powers asks for any y: not offered here. Source: Jørgensen, 1987. Cost: O(n). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function tweedieDeviance(predicted: Numbers, actual: Numbers, p: number, weights?: Numbers): number {
  checkNumbers('tweedieDeviance', predicted, actual, weights)
  requireRange(p === 0 || (p >= 1 && Number.isFinite(p)), 'p', '0 or a number of at least 1', p)
  if (p > 0) refuseOutside(predicted, actual, p)
  return weightedMean(predicted, actual, weights, devianceOf(p))
}

/** Mean Poisson deviance. As `tweedieDeviance` with power 1. */
export function poissonDeviance(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  return tweedieDeviance(predicted, actual, 1, weights)
}

/** Mean gamma deviance. As `tweedieDeviance` with power 2. */
export function gammaDeviance(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  return tweedieDeviance(predicted, actual, 2, weights)
}

function devianceOf(p: number): (m: number, y: number) => number {
  if (p === 0) return (m, y) => (m - y) ** 2
  if (p === 1) return (m, y) => 2 * ((y === 0 ? 0 : y * Math.log(y / m)) - y + m)
  if (p === 2) return (m, y) => 2 * (Math.log(m / y) + y / m - 1)
  return (m, y) =>
    2 *
    (Math.max(y, 0) ** (2 - p) / ((1 - p) * (2 - p)) - (y * m ** (1 - p)) / (1 - p) + m ** (2 - p) / (2 - p))
}

function refuseOutside(predicted: Numbers, actual: Numbers, p: number): void {
  const open = p >= 2
  for (let i = 0; i < actual.length; i++) {
    requireRange(predicted[i] > 0, 'predictions', '> 0', predicted[i])
    requireRange(open ? actual[i] > 0 : actual[i] >= 0, 'actual values', open ? '> 0' : '>= 0', actual[i])
  }
}

/** Mean of `|actual - predicted| / |actual|`, where the divisor is at least 2.2e-16. scikit-learn's `mean_absolute_percentage_error`. */
export function meanAbsolutePercentageError(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  checkNumbers('meanAbsolutePercentageError', predicted, actual, weights)
  return weightedMean(
    predicted,
    actual,
    weights,
    (p, y) => Math.abs(y - p) / Math.max(Number.EPSILON, Math.abs(y)),
  )
}

function weightedMean(
  predicted: Numbers,
  actual: Numbers,
  weights: Numbers | undefined,
  value: (predicted: number, actual: number) => number,
): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < predicted.length; i++) {
    const w = weights ? weights[i] : 1
    sum += w * value(predicted[i], actual[i])
    total += w
  }
  return sum / total
}

function checkNumbers(what: string, predicted: Numbers, actual: Numbers, weights?: Numbers): void {
  requireRows(what, predicted.length)
  requireLength('actual values', actual, predicted.length)
  refuseNotFinite('predictions', predicted)
  refuseNotFinite('actual values', actual)
  if (weights === undefined) return
  requireLength('weights', weights, predicted.length)
  refuseNotWeight('weights', weights)
}
