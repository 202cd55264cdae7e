/**
 * Metrics of an order within groups. Of one group: `scores: [n]` any numbers, `relevances: [n]` >= 0. Of many, `groups` are the rows at which they begin,
 * ascending from 0. All refuse NaN and unequal lengths with a coded error.
 */
import {
  type Numbers,
  refuseNaN,
  refuseNotFinite,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { compareNumbers } from './order.ts'

/**
 * Discounted cumulative gain of the first `k` rows, over that of the best order: gains `2^relevance - 1`, discounts `1 / log2(rank + 1)` from rank 1.
 *
 * Ties: rows of equal score share the mean of their gains (McSherry and Najork, 2008), as scikit-learn's `ndcg_score` does on gains. Returns a number in
 * [0, 1]; NaN when no row is relevant, as then no order is better than another (LightGBM counts such a group as 1).
 * Source: Järvelin and Kekäläinen, 2002; gains of Burges et al., 2005. Cost: O(n log n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function ndcg(scores: Numbers, relevances: Numbers, k = scores.length): number {
  checkGroup('ndcg', scores, relevances, k)
  const gains = Float64Array.from(relevances as ArrayLike<number>, (r) => 2 ** r - 1)
  const order = Array.from(gains.keys()).sort((a, b) => compareNumbers(scores[b], scores[a]))
  const shared = new Float64Array(gains.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    let sum = 0
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) sum += gains[order[end]]
    shared.fill(sum / (end - start), start, end)
    start = end
  }
  return discounted(shared, k) / discounted(gains.sort().reverse(), k)
}

function discounted(gains: Float64Array, k: number): number {
  let sum = 0
  for (let rank = 0; rank < Math.min(k, gains.length); rank++) sum += gains[rank] / Math.log2(rank + 2)
  return sum
}

/**
 * Mean, over the relevant rows (relevance above 0), of the share of relevant rows down to theirs; with `k` only the first `k` rows count, and the mean is
 * over the smaller of `k` and the relevant rows (as XGBoost's and LightGBM's `map@k`).
 *
 * Ties: the less relevant row first, so that saying nothing is not rewarded. In [0, 1]; NaN when no row is relevant. Errors and cost as `ndcg`.
 */
export function averagePrecisionAt(scores: Numbers, relevances: Numbers, k = scores.length): number {
  checkGroup('averagePrecisionAt', scores, relevances, k)
  let relevant = 0
  let total = 0
  const ordered = worstFirst(scores, relevances)
  ordered.forEach((r, i) => {
    if (r <= 0) return
    relevant++
    if (i < k) total += relevant / (i + 1)
  })
  return total / Math.min(k, relevant)
}

/** One over the rank of the first relevant row (relevance above 0). Ties as `averagePrecisionAt`; NaN when no row is relevant. */
export function reciprocalRank(scores: Numbers, relevances: Numbers): number {
  checkGroup('reciprocalRank', scores, relevances, 1)
  const at = worstFirst(scores, relevances).findIndex((r) => r > 0)
  return at < 0 ? Number.NaN : 1 / (at + 1)
}

/** Relevances from the highest score down, of equal scores the least relevant first. */
function worstFirst(scores: Numbers, relevances: Numbers): Float64Array {
  const order = Array.from({ length: scores.length }, (_, i) => i)
  order.sort((a, b) => compareNumbers(scores[b], scores[a]) || relevances[a] - relevances[b])
  return Float64Array.from(order, (i) => relevances[i])
}

/**
 * Mean of a metric over groups; groups where it is NaN (no relevant row) are left out, and NaN is returned when none is left.
 * Shapes: `scores`, `relevances` `[n]`, `groups` `[nGroups]`. Errors: those of the metric; MR_STATS_RANGE when groups do not ascend from 0.
 */
export function meanOverGroups(
  scores: Numbers,
  relevances: Numbers,
  groups: Numbers,
  metric: (scores: Numbers, relevances: Numbers) => number,
): number {
  requireLength('relevances', relevances, scores.length)
  requireRange(groups.length === 0 || groups[0] === 0, 'the first group', 'a beginning at row 0', groups[0])
  const [s, r] = [Float64Array.from(scores), Float64Array.from(relevances)]
  let sum = 0
  let n = 0
  for (let g = 0; g < groups.length; g++) {
    const end = g + 1 < groups.length ? groups[g + 1] : s.length
    requireRange(end > groups[g], 'the end of a group', `above ${groups[g]}, where it begins`, end)
    const value = metric(s.subarray(groups[g], end), r.subarray(groups[g], end))
    if (Number.isNaN(value)) continue
    sum += value
    n++
  }
  return sum / n
}

function checkGroup(what: string, scores: Numbers, relevances: Numbers, k: number): void {
  requireRows(what, scores.length)
  requireLength('relevances', relevances, scores.length)
  refuseNaN('scores', scores)
  refuseNotFinite('relevances', relevances)
  for (let i = 0; i < relevances.length; i++)
    requireRange(relevances[i] >= 0, 'relevances', '>= 0', relevances[i])
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number >= 1', k)
}
