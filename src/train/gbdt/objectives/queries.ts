/** Queries of rows to rank: gains, discounts and how good an order is. */
import { MillraceError } from '../../../core/errors.ts'
import { logFast } from '../../../stats/log.ts'
import type { Labels } from './objective.ts'

/** Largest relevance without gains of its own: 2^31 - 1 still leaves room for sums. */
const RELEVANCE_MAX = 31

/** Rows of one query at most; all pairs of the first rows with all others are looked at. */
export const QUERY_ROWS_MAX = 100_000

/** Where queries begin, and the number of rows. Errors: MR_MODEL_GROUPS when there are none, or one is too long. */
export function requireQueries({ queries }: Labels): Int32Array {
  const refuse = (place: string, expected: string, got: string) => {
    throw new MillraceError('MR_MODEL_GROUPS', { place, expected, got })
  }
  if (queries === null) return refuse('groups', 'be given, as rows are ranked within them', 'none')!
  for (let q = 0; q + 1 < queries.length; q++) {
    const size = queries[q + 1] - queries[q]
    if (size > QUERY_ROWS_MAX) refuse(`group ${q}`, `have at most ${QUERY_ROWS_MAX} rows`, String(size))
  }
  return queries
}

/**
 * Gain of each row: `2^relevance - 1`, or by `labelGains` that of an integer relevance. Errors: MR_MODEL_TARGET for a relevance that is negative, not
 * finite, above 31, or without a gain.
 */
export function gainsOf({ target }: Labels, labelGains: readonly number[]): Float64Array {
  const own = labelGains.length > 0
  const expected = own
    ? `an integer from 0 to ${labelGains.length - 1}, each of which has a gain`
    : `from 0 to ${RELEVANCE_MAX}`
  const good = (y: number) =>
    own ? Number.isInteger(y) && y >= 0 && y < labelGains.length : y >= 0 && y <= RELEVANCE_MAX
  const row = target.findIndex((y) => !good(y))
  if (row >= 0) throw new MillraceError('MR_MODEL_TARGET', { row, expected, got: String(target[row]) })
  return target.map((y) => (own ? labelGains[y] : 2 ** y - 1))
}

/** `1 / log2(rank + 1)` from rank 1. */
export function discountsOf(queries: Int32Array): Float64Array {
  let longest = 0
  for (let q = 0; q + 1 < queries.length; q++) longest = Math.max(longest, queries[q + 1] - queries[q])
  return Float64Array.from({ length: longest }, (_, rank) => Math.LN2 / logFast(rank + 2))
}

/** Discounted gain of the first `k` rows in the best order, by query. */
export function idealGains(
  gains: Float64Array,
  queries: Int32Array,
  discounts: Float64Array,
  k: number,
): Float64Array {
  const ideal = new Float64Array(queries.length - 1)
  for (let q = 0; q < ideal.length; q++) {
    const best = gains
      .slice(queries[q], queries[q + 1])
      .sort()
      .reverse()
    for (let rank = 0; rank < Math.min(k, best.length); rank++) ideal[q] += best[rank] * discounts[rank]
  }
  return ideal
}

/** Rows up to which sorting by insertion is faster: a round moves few rows of a query. */
const INSERTION_ROWS_MAX = 64

/** Sorts rows from the highest score down, of equal scores in their order, in place: whatever order they lie in, the result is the same. */
export function sortByScore(rows: Int32Array, scores: Float64Array): void {
  if (rows.length > INSERTION_ROWS_MAX) {
    rows.sort((a, b) => scores[b] - scores[a] || a - b)
    return
  }
  for (let i = 1; i < rows.length; i++) {
    const row = rows[i]
    const score = scores[row]
    let at = i - 1
    for (; at >= 0; at--) {
      const other = scores[rows[at]]
      if (other > score || (other === score && rows[at] < row)) break
      rows[at + 1] = rows[at]
    }
    rows[at + 1] = row
  }
}

/** All rows in their order: where sorting begins. */
export function rowsOf(queries: Int32Array): Int32Array {
  return Int32Array.from({ length: queries[queries.length - 1] }, (_, i) => i)
}

/**
 * One less the mean NDCG of the first `k` rows over queries with a relevant row; rows of equal score share their gains. NaN when no query has one.
 * Convention as `ndcg` of stats, in arithmetic that is the same on each machine.
 */
export function meanNdcgLoss(
  scores: Float64Array,
  gains: Float64Array,
  queries: Int32Array,
  k: number,
): number {
  const discounts = discountsOf(queries)
  const ideal = idealGains(gains, queries, discounts, k)
  const rows = rowsOf(queries)
  let sum = 0
  let n = 0
  for (let q = 0; q < ideal.length; q++) {
    if (!(ideal[q] > 0)) continue
    const order = rows.subarray(queries[q], queries[q + 1])
    sortByScore(order, scores)
    sum += discountedGain(order, scores, gains, discounts, k) / ideal[q]
    n++
  }
  return 1 - sum / n
}

function discountedGain(
  order: Int32Array,
  scores: Float64Array,
  gains: Float64Array,
  discounts: Float64Array,
  k: number,
): number {
  let total = 0
  for (let start = 0; start < Math.min(k, order.length); ) {
    let end = start
    let sum = 0
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++) sum += gains[order[end]]
    for (let rank = start; rank < Math.min(end, k); rank++) total += (sum / (end - start)) * discounts[rank]
    start = end
  }
  return total
}
