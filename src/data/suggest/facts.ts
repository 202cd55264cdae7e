/** Facts of columns, from the rows that are learned from. */
import type { Column } from '../../core/records.ts'
import { type Duck, quote } from '../duck.ts'
import type { ColumnFacts } from './types.ts'

/** Values of a column whose counts are kept. */
export const VALUES_MAX = 5_000
/** Numbers of a column that tails are fitted on. */
const NUMBERS_MAX = 100_000

type NamedType = Pick<Column, 'name' | 'type'>

/** Cost: three scans of the column. */
export async function factsOf(duck: Duck, from: string, column: NamedType): Promise<ColumnFacts> {
  const { name, type } = column
  const value = quote(name)
  const counts = await duck.one<{ rows: number; filled: number; distinct: number }>(
    `SELECT count(*) AS rows, count(${value}) AS filled, count(DISTINCT ${value}) AS distinct FROM ${from}`,
  )
  return {
    name,
    type,
    rows: counts.rows,
    nulls: counts.rows - counts.filled,
    distinct: counts.distinct,
    values: type === 'json' ? [] : await valuesOf(duck, from, column),
    ...(isNumber(type) && { numbers: await numbersOf(duck, from, value) }),
  }
}

export const isNumber = (type: Column['type']): boolean => type === 'int' || type === 'float'

async function valuesOf(duck: Duck, from: string, { name, type }: NamedType): Promise<ColumnFacts['values']> {
  const value = quote(name)
  const shown = isNumber(type) ? `CAST(${value} AS DOUBLE)` : `CAST(${value} AS VARCHAR)`
  return await duck.rows(
    `SELECT ${shown} AS value, count(*) AS rows FROM ${from} WHERE ${value} IS NOT NULL GROUP BY ${value} ORDER BY rows DESC, ${value} LIMIT ${VALUES_MAX}`,
  )
}

async function numbersOf(duck: Duck, from: string, value: string): Promise<Float64Array> {
  const rows = await duck.rows<{ v: number }>(
    `SELECT v FROM (SELECT CAST(${value} AS DOUBLE) AS v FROM ${from} WHERE isfinite(CAST(${value} AS DOUBLE))) USING SAMPLE reservoir(${NUMBERS_MAX} ROWS) REPEATABLE (1)`,
  )
  return Float64Array.from(rows, (row) => row.v).sort()
}

/** Share of rows that have a value. */
export const filledShare = ({ rows, nulls }: ColumnFacts): number => (rows === 0 ? 0 : 1 - nulls / rows)
export const filledRows = ({ rows, nulls }: ColumnFacts): number => rows - nulls
