import { columnsOfPart, type PartFile, partRows } from '../engine/parts.ts'
import type { Delivery } from './columns-sql.ts'
import { type Duck, literal, quote } from './duck.ts'
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

/**
 * Rows of the version before that stay beside the delivery: all where rows are added, those of other keys where rows are updated, none where the delivery is the whole
 * table. Undefined where there is none.
 */
export function rowsBeside(
  { job: { params, parent, removals } }: Pick<Import, 'job'>,
  parts: readonly PartFile[],
  columns: Delivery['columns'],
): string | undefined {
  if (parent === null || parts.length === 0 || params.mode === 'replace') return undefined
  if (params.mode === undefined) return rowsOfParts(parts, columns)
  const keys = parent.schema.columns.filter(({ name }) => params.key.includes(name))
  const others = keys.filter(({ name }) => !columns.some((column) => column.name === name))
  const on = params.key.map((name) => `b.${quote(name)} IS NOT DISTINCT FROM s.${quote(name)}`)
  const leaving =
    removals === undefined ? '' : ` ANTI JOIN read_parquet(${literal(removals)}) s ON ${on.join(' AND ')}`
  return `SELECT ${columns.map(({ name }) => `b.${quote(name)}`).join(', ')} FROM (${rowsOfParts(parts, [...columns, ...others])}) b ANTI JOIN staged s ON ${on.join(' AND ')}${leaving}`
}

/** Rows of parts with the delivery's columns; columns that a part does not have are null. */
export function rowsOfParts(parts: readonly PartFile[], columns: Delivery['columns']): string {
  return parts
    .map((part) => `SELECT ${columnsOfPart(part, columns).join(', ')} FROM ${partRows(part)}`)
    .join(' UNION ALL ')
}
