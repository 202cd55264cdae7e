/** The language of features, targets, checks and slices: written with `builder.ts`, kept as `ast.ts`, compiled by `duckdb.ts` and `closure.ts`. */
export { columnsOf, type ExprNode, type ExprType, type FitNode, type Row, type Value } from './ast.ts'
export { type ClosureOptions, toClosure } from './closure.ts'
export { type DuckOptions, toDuckDb } from './duckdb.ts'
export { format } from './format.ts'
export { typeOf } from './resolve.ts'
export type { Sql, SqlValue } from './sql.ts'
