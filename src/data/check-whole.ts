/** New values of a column of whole numbers. */
import { MillraceError } from '../core/errors.ts'
import { type Sql, sql } from '../expr/sql.ts'
import type { Duck } from './duck.ts'

/** End (exclusive) of whole numbers of 64 bits. NaN is beyond it, as the engine orders numbers. */
const WHOLE_END = '9223372036854775808::DOUBLE'

/** Errors: MR_DATA_FIX_VALUE where a value would lose its fraction or has no room. */
export async function checkWhole(
  duck: Duck,
  dataset: string,
  column: string,
  value: Sql,
  from: string,
): Promise<void> {
  const { n } = await duck.one<{ n: number }>(countBroken(value, from))
  if (n > 0) throw new MillraceError('MR_DATA_FIX_VALUE', { dataset, column, rows: n })
}

/** Counts, as `n`, the rows in which a value would lose its fraction or has no room. */
export const countBroken = (value: Sql, from: Sql | string): Sql =>
  sql`SELECT count(*) AS n FROM (SELECT CAST(${value} AS DOUBLE) AS v FROM ${from}) WHERE NOT (v = trunc(v) AND abs(v) < ${WHOLE_END})`
