/** What an expression for the merged value of a column may name, and what it has to give. */
import type { Column } from '../core/records.ts'
import type { ExprNode } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { type Sql, sql } from '../expr/sql.ts'
import { WRITTEN_AS } from './edit.ts'
import type { MergeSide } from './merge-types.ts'

/** `ours`, `theirs` and `base`, of which each may be missing, make a value of the column. */
export const mergedContext = (column: Column) => ({
  schema: { columns: ['ours', 'theirs', 'base'].map((name) => ({ ...column, name, nullable: true })) },
  expect: WRITTEN_AS[column.type],
  place: `the merged value of ${column.name}`,
})

/** The value, from the columns that each side is in. Errors: MR_EXPR_…. */
export const mergedBy = (column: Column, node: ExprNode, sides: Record<MergeSide, string>): Sql =>
  sql`(SELECT ${toDuckDb(node, mergedContext(column))} FROM (SELECT ${sides.ours} AS "ours", ${sides.theirs} AS "theirs", ${sides.base} AS "base"))`
