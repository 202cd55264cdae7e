import { columnsOfPart, type PartFile, partRows } from '../engine/parts.ts'
import type { Delivery } from './columns-sql.ts'
import type { Duck } from './duck.ts'
import type { ImportJob } from './types.ts'

/** Says how far the work is, from 0 to 1, and what it does now. */
export type Report = (done: number, note: string) => void

/** Everything that the steps of one import share. */
export interface Import {
  duck: Duck
  job: ImportJob
  delivery: Delivery
  /** Canonical row order as text. */
  order: string
  report: Report
}

/** Rows of parts with the delivery's columns; columns that a part does not have are null. */
export function rowsOfParts(parts: readonly PartFile[], columns: Delivery['columns']): string {
  return parts
    .map((part) => `SELECT ${columnsOfPart(part, columns).join(', ')} FROM ${partRows(part)}`)
    .join(' UNION ALL ')
}
