/** Metrics of models that order the rows of a group: one score a row, targets are relevances, not below 0. */
import type { Measured } from '../../core/records.ts'
import { averagePrecisionAt, ndcg, reciprocalRank } from '../../stats/metrics-ranking.ts'
import { type Metric, meanOf } from './metric.ts'

/** Rows of a group that NDCG looks at. */
const NDCG_ROWS = 10

/** NDCG of the first rows of one group; NaN without a relevant row. */
export const ndcgOf = (scores: Float64Array, relevances: Float64Array): number =>
  ndcg(scores, relevances, NDCG_ROWS)

export const RANKING_METRICS: Metric[] = [
  metric('ndcg', ndcgOf),
  metric('map', averagePrecisionAt),
  metric('mrr', reciprocalRank),
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
