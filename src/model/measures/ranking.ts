/** Metrics of models that order the rows of a group: one score a row, targets are relevances, not below 0. */
import type { Measured } from '../../core/records.ts'
import { type Metric, meanOf } from './metric.ts'

/** Rows of a group that NDCG looks at. */
export const NDCG_ROWS = 10

export const RANKING_METRICS: Metric[] = [
  metric('ndcg', (scores, relevances) => ndcgOf(scores, relevances, NDCG_ROWS)),
  metric('map', averagePrecisionOf),
  metric('mrr', reciprocalRankOf),
]

type OfGroup = (scores: Float64Array, relevances: Float64Array) => number

/** A mean over the groups that have a relevant row; the others cannot be ordered well or ill. */
function metric(name: string, value: OfGroup): Metric {
  const values = (outputs: Float64Array, targets: Float64Array, groups?: Int32Array) =>
    byGroup(value, outputs, targets, groups)
  return {
    name,
    task: 'ranking',
    higherIsBetter: true,
    of: (outputs, targets, groups) => cut(meanOf(values)(outputs, targets, groups)),
    losses: (outputs, targets, groups) => values(outputs, targets, groups).map((v) => 1 - v),
  }
}

/** All these measures lie in [0, 1]. */
function cut({ value, interval, n }: Measured): Measured {
  if (!interval) return { value, n }
  return { value, interval: [Math.max(0, interval[0]), Math.min(1, interval[1])], n }
}

function byGroup(
  value: OfGroup,
  outputs: Float64Array,
  targets: Float64Array,
  groups: Int32Array = Int32Array.of(0),
): Float64Array {
  const found: number[] = []
  for (let g = 0; g < groups.length; g++) {
    const end = groups[g + 1] ?? targets.length
    const relevances = targets.subarray(groups[g], end)
    if (relevances.some((r) => r > 0)) found.push(value(outputs.subarray(groups[g], end), relevances))
  }
  return Float64Array.from(found)
}

/** Rows from the highest score down; of equals the less relevant first, so that saying nothing is not rewarded. */
function orderOf(scores: Float64Array, relevances: Float64Array): Float64Array {
  const order = Array.from(scores.keys()).sort(
    (a, b) => scores[b] - scores[a] || relevances[a] - relevances[b],
  )
  return Float64Array.from(order, (i) => relevances[i])
}

/**
 * Discounted gain of the first `rowsMax` rows over that of the best order: gains `2^relevance - 1`, discounts `1 / log2(rank + 1)`.
 * Rows of equal score share the mean of their gains, as in scikit-learn's `ndcg_score`. NaN without a relevant row.
 * Source: Järvelin and Kekäläinen, 2002, with the gains of Burges et al., 2005; ties after McSherry and Najork, 2008.
 */
export function ndcgOf(scores: Float64Array, relevances: Float64Array, rowsMax: number): number {
  const gains = relevances.map((r) => 2 ** r - 1)
  const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a])
  let dcg = 0
  for (let start = 0; start < Math.min(order.length, rowsMax); ) {
    let end = start
    let sum = 0
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) sum += gains[order[end]]
    for (let rank = start; rank < Math.min(end, rowsMax); rank++)
      dcg += sum / (end - start) / Math.log2(rank + 2)
    start = end
  }
  const best = gains.toSorted((a, b) => b - a)
  let ideal = 0
  for (let rank = 0; rank < Math.min(best.length, rowsMax); rank++) ideal += best[rank] / Math.log2(rank + 2)
  return dcg / ideal
}

/** Mean over the relevant rows of the share of relevant rows down to theirs. */
export function averagePrecisionOf(scores: Float64Array, relevances: Float64Array): number {
  let relevant = 0
  let total = 0
  orderOf(scores, relevances).forEach((r, i) => {
    if (r <= 0) return
    relevant++
    total += relevant / (i + 1)
  })
  return total / relevant
}

/** One over the rank of the first relevant row. */
export function reciprocalRankOf(scores: Float64Array, relevances: Float64Array): number {
  return 1 / (orderOf(scores, relevances).findIndex((r) => r > 0) + 1)
}
