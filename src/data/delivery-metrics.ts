/** Numbers of a delivery that are kept whether a check asks for them or not, so that a history is there when one does. */
import type { Column } from '../core/records.ts'
import { type TableMetric, tableMetricText } from '../define/table-metrics.ts'
import { type Duck, quote } from './duck.ts'
import {
  AGGREGATES_MAX,
  type AggregateSql,
  aggregatesQuery,
  type Measurement,
  measurementsIn,
  metricSql,
  valueSql,
} from './table-metrics.ts'

type NamedType = Pick<Column, 'name' | 'type'>

/** A metric of a delivery by its text, such as `missing(delay)`. `distinctApprox(…)` has a standard error of about 2 %. */
export type DeliveryValues = Record<string, Measurement>

/** Rows; of each column its missing share and distinct values, about; of numbers mean and deviation. A pass over the delivered rows for every sixty of these. */
export async function measureDelivery(
  duck: Duck,
  from: string,
  columns: readonly NamedType[],
): Promise<DeliveryValues> {
  const asked = basics(columns)
  const measured: DeliveryValues = {}
  for (let at = 0; at < asked.length; at += AGGREGATES_MAX) {
    const some = asked.slice(at, at + AGGREGATES_MAX)
    const query = aggregatesQuery(
      from,
      some.map(([, sql]) => sql),
    )
    const found = measurementsIn(await duck.one<Record<string, unknown>>(query), some.length)
    for (const [i, [text]] of some.entries()) measured[text] = found[i]!
  }
  return measured
}

function basics(columns: readonly NamedType[]): [text: string, sql: AggregateSql][] {
  const metrics: TableMetric[] = [
    { of: 'rows', columns: [] },
    ...columns.flatMap(({ name, type }): TableMetric[] => [
      { of: 'missing', columns: [name] },
      ...(type === 'int' || type === 'float'
        ? (['mean', 'std'] as const).map((of): TableMetric => ({ of, columns: [name] }))
        : []),
    ]),
  ]
  return [
    ...metrics.map((metric): [string, AggregateSql] => [
      tableMetricText(metric),
      metricSql(metric, columns).sql,
    ]),
    ...columns.map((column): [string, AggregateSql] => [
      `distinctApprox(${column.name})`,
      { value: `approx_count_distinct(${valueSql(column)})`, n: `count(${quote(column.name)})` },
    ]),
  ]
}

/** The first instant of the delivered rows; null where none has one. */
export async function firstInstant(duck: Duck, from: string, time: string | null): Promise<number | null> {
  if (time === null) return null
  const { at } = await duck.one<{ at: number | null }>(
    `SELECT CAST(epoch_ms(CAST(min(${quote(time)}) AS TIMESTAMP)) AS DOUBLE) AS at FROM ${from} WHERE isfinite(${quote(time)})`,
  )
  return at
}
