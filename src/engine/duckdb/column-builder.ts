import type { DuckDBVector } from '@duckdb/node-api'
import type { ResultColumn } from '../ports.ts'

/** Fills one column of a result from the vectors of its chunks. */
export interface ColumnBuilder {
  /** Takes over rows `[at, at + n)`; the vector's memory is not used afterwards. */
  add(vector: DuckDBVector, at: number, n: number): void
  finish(): ResultColumn
}
