import type { Schema } from '../core/records.ts'
import type { ExprNode } from './ast.ts'
import { toDuckDb } from './duckdb.ts'
import { raw, type Sql, sql } from './sql.ts'

/** Something that can stand after FROM: a table, a view, a function, or a select in parentheses. */
export type Relation = string | Sql

export const relationOf = (relation: Relation): Sql =>
  typeof relation === 'string' ? raw(relation) : relation

/** 2^40: one unit of the fixed point in which target sums are kept, so that the order of adding cannot show. Targets stay below 2^60 in size. */
export const FIXED = '1099511627776.0::DOUBLE'

/** The exact sum of a column of doubles, in units of 2^-40. */
export const fixedSum = (column: string): string => `sum(CAST(round(${column} * ${FIXED}) AS HUGEINT))`

/** The target as a number for means: booleans 0 and 1; missing and infinite values are NULL and take no part. */
export function targetSql(target: ExprNode, schema: Schema): Sql {
  return sql`nullif(nullif(CAST(${toDuckDb(target, { schema })} AS DOUBLE), 'inf'::DOUBLE), '-inf'::DOUBLE)`
}
