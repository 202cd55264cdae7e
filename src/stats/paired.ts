/** Differences of two models on the same rows. The rows are the pairs, so what both find hard cancels. */
import { studentQuantile, studentSf } from './distributions.ts'
import {
  type Estimate,
  type Numbers,
  refuseNotFinite,
  refuseNotLabel,
  refuseNotProbability,
  requireLength,
  requireRows,
  requireShare,
} from './inputs.ts'
import { rowLogLoss } from './metrics.ts'
import { deviation, momentsOf } from './moments.ts'

export type PairedDelta = Estimate & { pValue: number }

/**
 * Mean of `candidate - base` over paired rows, with Student's interval and two-sided p of "no difference".
 *
 * Shapes: both `[n]`, finite, n >= 2. p is 1 when all differences are 0, and 0 when they are all one other number.
 * Rows are taken as independent: for rows that move together (a day, a customer) pass the means of those groups. Cost: O(n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN. Source: Student's paired test.
 */
export function pairedDelta(
  base: Numbers,
  candidate: Numbers,
  options: { level?: number } = {},
): PairedDelta {
  const { level = 0.95 } = options
  requireShare('level', level)
  requireRows('pairedDelta', base.length, 2)
  requireLength('candidate values', candidate, base.length)
  refuseNotFinite('base values', base)
  refuseNotFinite('candidate values', candidate)
  const n = base.length
  const moments = momentsOf(Float64Array.from(base, (x, i) => candidate[i] - x))
  const se = deviation(moments) / Math.sqrt(n)
  const half = studentQuantile((1 + level) / 2, n - 1) * se
  const value = moments.mean
  const pValue = se === 0 ? (value === 0 ? 1 : 0) : 2 * studentSf(Math.abs(value) / se, n - 1)
  return { value, interval: [value - half, value + half], n, se, pValue }
}

/**
 * Difference of mean log loss, `candidate - base` in nats: below 0 the candidate is better. Clipped as `rowLogLoss`.
 * Shapes: scores in [0, 1], labels in {0, 1}, all `[n]`. Otherwise as `pairedDelta`.
 */
export function pairedLogLossDelta(
  base: Numbers,
  candidate: Numbers,
  labels: Numbers,
  options: { level?: number } = {},
): PairedDelta {
  return pairedDelta(rowLosses(base, labels), rowLosses(candidate, labels), options)
}

/** Log loss of each row. */
export function rowLosses(scores: Numbers, labels: Numbers): Float64Array {
  requireLength('labels', labels, scores.length)
  refuseNotProbability('scores', scores)
  refuseNotLabel('labels', labels)
  return Float64Array.from(scores, (p, i) => rowLogLoss(p, labels[i]))
}
