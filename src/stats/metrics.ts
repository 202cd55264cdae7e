/**
 * Metrics of models from rows: scores, labels and, where it makes sense, weights.
 * All refuse NaN, unequal lengths and no rows with a coded error. The same metrics from counts are in `counts.ts`.
 */
import { MillraceError } from '../core/errors.ts'
import {
  type Numbers,
  refuseNaN,
  refuseNotFinite,
  refuseNotLabel,
  refuseNotProbability,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { ascendingOrder } from './order.ts'
import { meanOfRows } from './row-mean.ts'

/** Least probability that log loss grants to what happened, so that one wrong certainty costs 34.5 and not infinity. */
export const LOG_LOSS_CLIP = 1e-15

/**
 * Loss of one row: `-ln` of the probability given to what happened, that probability being at least `LOG_LOSS_CLIP`.
 * Units: nats. `label` is 0 or 1, `score` in [0, 1]; neither is checked. Cost: O(1).
 */
export function rowLogLoss(score: number, label: number): number {
  return -Math.log(Math.max(label === 1 ? score : 1 - score, LOG_LOSS_CLIP))
}

/**
 * Area under the ROC curve: the chance that a row of class 1 scores above a row of class 0, equal scores counting half.
 *
 * Shapes: `scores: [n]` any numbers, infinities too; `labels: [n]` in {0, 1}; `weights: [n]` >= 0.
 * Missing: NaN is refused (MR_STATS_NAN). Returns a number in [0, 1]. Cost: O(n log n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE; MR_STATS_ONE_CLASS when a class is absent
 * or has no weight. Source: Hanley and McNeil, 1982; weights multiply pairs, as in scikit-learn's roc_auc_score.
 */
export function auc(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  checkRows('auc', scores, labels, weights)
  refuseNaN('scores', scores)
  refuseNotLabel('labels', labels)
  const order = ascendingOrder(scores)
  let below = 0
  let ones = 0
  let pairs = 0
  for (let start = 0; start < order.length; ) {
    let run1 = 0
    let run0 = 0
    let end = start
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) {
      const w = weights ? weights[order[end]] : 1
      if (labels[order[end]] === 1) run1 += w
      else run0 += w
    }
    pairs += run1 * (below + run0 / 2)
    below += run0
    ones += run1
    start = end
  }
  requireBothClasses('auc', ones, below, scores.length)
  return pairs / (ones * below)
}

/**
 * `auc` without the rows of each group in turn: what a delete-a-group jackknife needs, for one sort. Shapes: `scores`, `labels`, `group` `[n]`, groups from 0.
 * Returns `[groups]`, NaN where what is left has one class. Cost: O(n log n + n groups). Errors: MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function aucWithout(scores: Numbers, labels: Numbers, group: Numbers, groups: number): Float64Array {
  requireLength('labels', labels, scores.length)
  requireLength('group', group, scores.length)
  refuseNaN('scores', scores)
  refuseNotLabel('labels', labels)
  const order = ascendingOrder(scores)
  const [run1, run0] = [new Float64Array(groups), new Float64Array(groups)]
  const [below, ones, pairs] = [run1, run1, run1].map(() => new Float64Array(groups))
  for (let start = 0, end = 0; start < order.length; start = end) {
    run1.fill(0)
    run0.fill(0)
    let [all1, all0] = [0, 0]
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) {
      const row = order[end]
      if (labels[row] === 1) {
        all1++
        run1[group[row]]++
      } else {
        all0++
        run0[group[row]]++
      }
    }
    for (let g = 0; g < groups; g++) {
      const [kept1, kept0] = [all1 - run1[g], all0 - run0[g]]
      pairs[g] += kept1 * (below[g] + kept0 / 2)
      below[g] += kept0
      ones[g] += kept1
    }
  }
  return pairs.map((p, g) => (ones[g] > 0 && below[g] > 0 ? p / (ones[g] * below[g]) : Number.NaN))
}

/**
 * Mean log loss of probabilities: weighted mean of `rowLogLoss`, in nats.
 *
 * Shapes: `scores: [n]` in [0, 1], `labels: [n]` in {0, 1}, `weights: [n]` >= 0. One class alone is fine.
 * Clipping: the probability of what happened is at least 1e-15. Returns a number in [0, 34.54]. Cost: O(n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function logLoss(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  checkProbabilities('logLoss', scores, labels, weights)
  return meanOfRows(scores.length, weights, (i) => rowLogLoss(scores[i], labels[i]))
}

/**
 * Brier score: weighted mean of `(score - label)²`, over the one probability of class 1 (in [0, 1], not Brier's sum over classes).
 * Shapes, missing, errors and cost as `logLoss`. Source: Brier, 1950.
 */
export function brier(scores: Numbers, labels: Numbers, weights?: Numbers): number {
  checkProbabilities('brier', scores, labels, weights)
  return meanOfRows(scores.length, weights, (i) => (scores[i] - labels[i]) ** 2)
}

/** Root of the weighted mean squared error, in the unit of the target. Finite numbers only. Cost: O(n). */
export function rmse(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  checkNumbers('rmse', predicted, actual, weights)
  return Math.sqrt(meanOfRows(predicted.length, weights, (i) => (predicted[i] - actual[i]) ** 2))
}

/** Weighted mean absolute error, in the unit of the target. Finite numbers only. Cost: O(n). */
export function mae(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  checkNumbers('mae', predicted, actual, weights)
  return meanOfRows(predicted.length, weights, (i) => Math.abs(predicted[i] - actual[i]))
}

/**
 * Share of variance explained: `1 - Σw(actual - predicted)² / Σw(actual - mean)²`.
 *
 * Returns a number in (-inf, 1]. Constant `actual`: 1 when every prediction is exact, else 0 (scikit-learn's convention).
 * Needs two rows (MR_STATS_EMPTY). Two passes, so a large offset does no harm. Cost: O(n).
 */
export function r2(predicted: Numbers, actual: Numbers, weights?: Numbers): number {
  checkNumbers('r2', predicted, actual, weights)
  requireRows('r2', actual.length, 2)
  const n = actual.length
  const mean = meanOfRows(n, weights, (i) => actual[i])
  const residual = meanOfRows(n, weights, (i) => (actual[i] - predicted[i]) ** 2)
  const spread = meanOfRows(n, weights, (i) => (actual[i] - mean) ** 2)
  if (spread === 0) return residual === 0 ? 1 : 0
  return 1 - residual / spread
}

/**
 * Expected calibration error: rows in ascending order of score are cut into `bins` groups of equal weight, and the gaps between mean
 * score and mean label are averaged by the groups' weight.
 *
 * Convention: equal-count bins (not equal width), first power of the gap; a run of equal scores is never cut, it falls in the group of its
 * middle row, so the value does not depend on row order. Biased upwards when groups are small: about 0.8·√(p(1-p)/rows per group) at best.
 * Shapes, missing, errors as `logLoss`; `bins` >= 1, default 10. Returns a number in [0, 1]. Cost: O(n log n).
 * Source: Naeini, Cooper and Hauskrecht, 2015; equal-mass bins as Nguyen and O'Connor, 2015.
 */
export function expectedCalibrationError(
  scores: Numbers,
  labels: Numbers,
  options: { weights?: Numbers; bins?: number } = {},
): number {
  const { weights, bins = 10 } = options
  checkProbabilities('expectedCalibrationError', scores, labels, weights)
  requireRange(Number.isInteger(bins) && bins >= 1, 'bins', 'a whole number >= 1', bins)
  const order = ascendingOrder(scores)
  const total = weights ? sum(weights) : scores.length
  const gap = new Float64Array(bins)
  let before = 0
  for (let start = 0; start < order.length; ) {
    const run = sumRun(scores, labels, weights, order, start)
    const bin = Math.min(bins - 1, Math.floor(((before + run.weight / 2) / total) * bins))
    gap[bin] += run.score - run.label
    before += run.weight
    start = run.end
  }
  return gap.reduce((all, g) => all + Math.abs(g), 0) / total
}

function sumRun(
  scores: Numbers,
  labels: Numbers,
  weights: Numbers | undefined,
  order: Uint32Array,
  start: number,
) {
  const at = scores[order[start]]
  let weight = 0
  let label = 0
  let end = start
  for (; end < order.length && scores[order[end]] === at; end++) {
    const w = weights ? weights[order[end]] : 1
    weight += w
    label += w * labels[order[end]]
  }
  return { weight, label, score: weight * at, end }
}

/** Throws MR_STATS_ONE_CLASS unless both classes have weight. */
export function requireBothClasses(what: string, ones: number, zeros: number, n: number): void {
  if (ones > 0 && zeros > 0) return
  throw new MillraceError('MR_STATS_ONE_CLASS', { what, label: ones > 0 ? 1 : 0, n })
}

function sum(values: Numbers): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]
  return total
}

function checkProbabilities(what: string, scores: Numbers, labels: Numbers, weights?: Numbers): void {
  checkRows(what, scores, labels, weights)
  refuseNotProbability('scores', scores)
  refuseNotLabel('labels', labels)
}

function checkNumbers(what: string, predicted: Numbers, actual: Numbers, weights?: Numbers): void {
  checkRows(what, predicted, actual, weights)
  refuseNotFinite('predictions', predicted)
  refuseNotFinite('actual values', actual)
}

function checkRows(what: string, scores: Numbers, labels: Numbers, weights?: Numbers): void {
  requireRows(what, scores.length)
  requireLength('labels', labels, scores.length)
  if (weights === undefined) return
  requireLength('weights', weights, scores.length)
  refuseNotWeight('weights', weights)
}
