/** Numbers that describe many rows at once: what a check of kind `metric` bounds, and what a history is kept of. */

/** What a metric takes as its columns: numbers (true is 1), numbers or instants (epoch milliseconds), or values of any kind. */
type Takes = 'numbers' | 'measures' | 'anything'

interface TableMetricSpec {
  /** Columns it needs, from so many to so many. */
  columns: readonly [min: number, max: number]
  takes: Takes
  /** Least value it can have, for bounds that could never be met. */
  floor?: number
  ceiling?: number
}

/** Columns that a key, or another set of columns taken together, may have. */
const TOGETHER_MAX = 32

/**
 * The metrics. Missing values and NaN are left out of all but `rows` and `missing`; where several columns are taken together, rows that lack one of them are.
 * Infinities are left out of `mean`, `std`, `sum` and `correlation` and are values to all others.
 */
export const TABLE_METRICS = {
  /** Number of rows. */
  rows: { columns: [0, 0], takes: 'anything', floor: 0 },
  /** Share of rows without a value, 0 to 1. */
  missing: { columns: [1, 1], takes: 'anything', floor: 0, ceiling: 1 },
  mean: { columns: [1, 1], takes: 'numbers' },
  /** Of a sample: divided by n - 1. */
  std: { columns: [1, 1], takes: 'numbers', floor: 0 },
  min: { columns: [1, 1], takes: 'measures' },
  max: { columns: [1, 1], takes: 'measures' },
  sum: { columns: [1, 1], takes: 'numbers' },
  /** The least value that at least a share `q` of all values does not exceed (Hyndman and Fan's type 1): always a value of the data. */
  quantile: { columns: [1, 1], takes: 'measures' },
  /** Number of different values. Exact. */
  distinct: { columns: [1, TOGETHER_MAX], takes: 'anything', floor: 0 },
  /** Different values, as a share of all values. */
  distinctShare: { columns: [1, TOGETHER_MAX], takes: 'anything', floor: 0, ceiling: 1 },
  /** Share of the values that occur exactly once. */
  uniqueShare: { columns: [1, TOGETHER_MAX], takes: 'anything', floor: 0, ceiling: 1 },
  /** Of the values' frequencies, in nats. */
  entropy: { columns: [1, TOGETHER_MAX], takes: 'anything', floor: 0 },
  /** Pearson's. */
  correlation: { columns: [2, 2], takes: 'numbers', floor: -1, ceiling: 1 },
  /** Of the joint frequencies of two columns, in nats. */
  mutualInformation: { columns: [2, 2], takes: 'anything', floor: 0 },
} as const satisfies Record<string, TableMetricSpec>

export type TableMetricName = keyof typeof TABLE_METRICS

/** One number of the rows of a delivery. */
export interface TableMetric {
  of: TableMetricName
  columns: string[]
  /** Which quantile, 0 to 1. Of `quantile` alone. */
  q?: number
}

export const tableMetricSpec = (of: TableMetricName): TableMetricSpec => TABLE_METRICS[of]

/** A metric as people write it: `quantile(delay, 0.99)`. */
export function tableMetricText({ of, columns, q }: TableMetric): string {
  const args = [...columns, ...(q === undefined ? [] : [String(q)])]
  return args.length === 0 ? of : `${of}(${args.join(', ')})`
}
