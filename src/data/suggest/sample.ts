/** Rows drawn for what is asked of pairs of columns: each value as a code, numbers as they are. */
import type { Column } from '../../core/records.ts'
import { type Duck, quote } from '../duck.ts'
import { isNumber } from './facts.ts'

/** Rows that pairs of columns are looked at in. */
export const SAMPLE_ROWS_MAX = 50_000
/** Columns that pairs are made of; wider tables are looked at in their first ones. */
export const PAIRED_COLUMNS_MAX = 64

export interface Sample {
  rows: number
  columns: SampledColumn[]
}

export interface SampledColumn extends Pick<Column, 'name' | 'type'> {
  /** `[rows]`: 1 to `distinct`; 0 where the value is missing. */
  codes: Int32Array
  distinct: number
  /** Share of rows with a value. */
  filled: number
  /** `[rows]`: numbers and instants; NaN where missing. Absent of other types. */
  numbers?: Float64Array
}

/** Cost: one sort a column. */
export async function sampleOf(
  duck: Duck,
  from: string,
  columns: readonly Pick<Column, 'name' | 'type'>[],
): Promise<Sample> {
  await duck.run(
    `CREATE OR REPLACE TEMP TABLE drawn AS SELECT * FROM (SELECT * FROM ${from}) USING SAMPLE reservoir(${SAMPLE_ROWS_MAX} ROWS) REPEATABLE (1)`,
  )
  const usable = columns.filter(({ type }) => type !== 'json').slice(0, PAIRED_COLUMNS_MAX)
  const sampled: SampledColumn[] = []
  for (const column of usable) sampled.push(await sampleColumn(duck, column))
  return { rows: sampled[0]?.codes.length ?? 0, columns: sampled }
}

async function sampleColumn(
  duck: Duck,
  { name, type }: Pick<Column, 'name' | 'type'>,
): Promise<SampledColumn> {
  const value = quote(name)
  const number = numberOf(value, type)
  const rows = await duck.rows<{ c: number; x: number | null }>(
    `SELECT CASE WHEN ${value} IS NULL THEN 0 ELSE dense_rank() OVER (ORDER BY ${value} NULLS LAST) END AS c, ${number ?? 'NULL'} AS x FROM drawn ORDER BY rowid`,
  )
  const codes = Int32Array.from(rows, ({ c }) => c)
  return {
    name,
    type,
    codes,
    distinct: codes.reduce((most, code) => Math.max(most, code), 0),
    filled: codes.length === 0 ? 0 : codes.filter((code) => code > 0).length / codes.length,
    ...(number !== undefined && { numbers: Float64Array.from(rows, ({ x }) => x ?? Number.NaN) }),
  }
}

function numberOf(value: string, type: Column['type']): string | undefined {
  if (isNumber(type)) return `CAST(${value} AS DOUBLE)`
  return type === 'time' || type === 'date' ? `CAST(epoch_ms(${value}) AS DOUBLE)` : undefined
}
