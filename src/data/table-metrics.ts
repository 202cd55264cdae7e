/** Numbers of all rows of a relation: plain aggregates in one query, and those of value frequencies in one query for each set of columns. */
import { MillraceError } from '../core/errors.ts'
import type { Column } from '../core/records.ts'
import type { TableMetric, TableMetricName } from '../define/table-metrics.ts'
import { closeNames } from '../expr/close-names.ts'
import { hasMoments } from '../expr/sql.ts'
import { quote } from './duck.ts'

type NamedType = Pick<Column, 'name' | 'type'>

/** What a metric came to: its value (null where there is none, such as the mean of nothing) and the rows that counted. */
export interface Measurement {
  value: number | null
  n: number
  /** The value is that of a sample. It lies on the side of the check's bounds on which the true one is. */
  isNear?: true
}

/** Two aggregates over a relation: the value and the rows that counted. */
export interface AggregateSql {
  value: string
  n: string
}

/** A metric of frequencies: `keys` are grouped, and `value` and `n` are aggregates over the counts `c` of the groups. */
export interface FrequencySql extends AggregateSql {
  keys: string[]
  /** Which rows are grouped. */
  where: string
}

export type MetricSql = { kind: 'aggregate'; sql: AggregateSql } | { kind: 'frequency'; sql: FrequencySql }

/** How a metric is asked for. Errors: MR_EXPR_UNKNOWN_COLUMN, MR_EXPR_TYPE. */
export function metricSql(metric: TableMetric, columns: readonly NamedType[]): MetricSql {
  const frequency = FREQUENCY[metric.of as keyof typeof FREQUENCY]
  const keys = metric.columns.map((name) => valueSql(columnOf(name, columns)))
  if (frequency)
    return {
      kind: 'frequency',
      sql: { ...frequency(keys.length), keys, where: keys.map((key) => `${key} IS NOT NULL`).join(' AND ') },
    }
  const numbers =
    metric.of === 'rows' || metric.of === 'missing'
      ? keys
      : metric.columns.map((name) => numberSql(columnOf(name, columns)))
  return { kind: 'aggregate', sql: AGGREGATE[metric.of as keyof typeof AGGREGATE](numbers, metric.q ?? 0.5) }
}

type FrequencyName = 'distinct' | 'distinctShare' | 'uniqueShare' | 'entropy' | 'mutualInformation'

const AGGREGATE: Record<Exclude<TableMetricName, FrequencyName>, (v: string[], q: number) => AggregateSql> = {
  rows: () => ({ value: 'count(*)', n: 'count(*)' }),
  missing: ([v]) => ({ value: `1 - count(${v}) / nullif(count(*), 0)`, n: 'count(*)' }),
  mean: ([v]) => only(hasMoments(v!), `favg(${v})`),
  std: ([v]) => only(hasMoments(v!), `stddev_samp(${v})`),
  sum: ([v]) => only(`isfinite(${v})`, `fsum(${v})`),
  min: ([v]) => ({ value: `min(${v})`, n: `count(${v})` }),
  max: ([v]) => ({ value: `max(${v})`, n: `count(${v})` }),
  quantile: ([v], q) => ({ value: `quantile_disc(${v}, ${q})`, n: `count(${v})` }),
  correlation: ([a, b]) => {
    return only(`${hasMoments(a!)} AND ${hasMoments(b!)}`, `corr(${a}, ${b})`)
  },
}

function only(where: string, aggregate: string): AggregateSql {
  return { value: `${aggregate} FILTER (${where})`, n: `count(*) FILTER (${where})` }
}

const N = 'coalesce(sum(c), 0)'
/** Not below zero by rounding; of nothing it is nothing, which `greatest` would make zero. */
const atLeastZero = (sql: string): string => `CASE WHEN sum(c) > 0 THEN greatest(0, ${sql}) END`

const ENTROPY = 'ln(sum(c)) - sum(c * ln(c)) / sum(c)'

const FREQUENCY: Record<FrequencyName, (keys: number) => AggregateSql> = {
  distinct: () => ({ value: 'count(*)', n: N }),
  distinctShare: () => ({ value: 'count(*) / sum(c)', n: N }),
  uniqueShare: () => ({ value: 'count(*) FILTER (c = 1) / sum(c)', n: N }),
  entropy: () => ({ value: atLeastZero(ENTROPY), n: N }),
  /** Over the counts of pairs: what the columns say apart, less what they say together. */
  mutualInformation: () => ({
    value: atLeastZero(`${marginal('k0')} + ${marginal('k1')} - (${ENTROPY})`),
    n: N,
  }),
}

/** Entropy of one column of the pairs. */
const marginal = (key: string): string =>
  `(SELECT ln(sum(m)) - sum(m * ln(m)) / sum(m) FROM (SELECT sum(c) AS m FROM counted GROUP BY ${key}))`

function columnOf(name: string, columns: readonly NamedType[]): NamedType {
  const found = columns.find((c) => c.name === name)
  if (found) return found
  const names = columns.map((c) => c.name)
  throw new MillraceError('MR_EXPR_UNKNOWN_COLUMN', {
    column: name,
    close: closeNames(name, names),
    columns: names,
  })
}

/** A column as values that can be equal. An import and all relations of files leave no NaN, so nothing is to be done about it. */
export const valueSql = ({ name }: Pick<NamedType, 'name'>): string => quote(name)

/** A column as a number: true is 1, an instant is epoch milliseconds. */
export function numberSql(column: NamedType): string {
  const { name, type } = column
  if (type === 'float') return valueSql(column)
  if (type === 'int') return `CAST(${quote(name)} AS DOUBLE)`
  if (type === 'bool') return `CAST(CAST(${quote(name)} AS INTEGER) AS DOUBLE)`
  if (type === 'time' || type === 'date') return `CAST(epoch_ms(CAST(${quote(name)} AS TIMESTAMP)) AS DOUBLE)`
  throw new MillraceError('MR_EXPR_TYPE', { expr: name, expected: 'a number or a time', got: type })
}

/** Aggregates of one query: with many, filtered ones above all, the engine takes more memory than the rows do. */
export const AGGREGATES_MAX = 60

/** A query of one row with `value<i>` and `n<i>` of all aggregates. */
export function aggregatesQuery(from: string, asked: readonly AggregateSql[]): string {
  const list = asked.map(({ value, n }, i) => `${number(value)} AS value${i}, ${number(n)} AS n${i}`)
  return `SELECT ${list.join(', ')} FROM ${from}`
}

/** The same of frequencies that share their keys. */
export function frequenciesQuery(from: string, asked: readonly FrequencySql[]): string {
  const { keys, where } = asked[0]!
  const list = keys.map((key, i) => `${key} AS k${i}`)
  return `WITH counted AS (SELECT ${list.join(', ')}, count(*) AS c FROM ${from} WHERE ${where} GROUP BY ${keys.map((_, i) => i + 1).join(', ')}) ${aggregatesQuery('counted', asked)}`
}

const number = (sql: string): string => `CAST(${sql} AS DOUBLE)`

/** Reads what one of those queries gave. Infinite values stay; NaN is no value. */
export function measurementsIn(row: Record<string, unknown>, asked: number): Measurement[] {
  return Array.from({ length: asked }, (_, i) => {
    const value = row[`value${i}`]
    return {
      value: typeof value === 'number' && !Number.isNaN(value) ? value : null,
      n: Number(row[`n${i}`]),
    }
  })
}
