/** Tables of the engine from files that it does not read itself. */
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '../core/errors.ts'
import { type Duck, quote } from './duck.ts'

/** Rows of one block that the engine takes at once. */
export const BLOCK_ROWS = 2_048

/** Makes a table, in the place of one of its name, of blocks of at most `BLOCK_ROWS` rows by column. */
export async function stageTable(
  duck: Duck,
  table: string,
  columns: readonly { name: string; sql: string; type: DuckDBType }[],
  blocks: Iterable<DuckDBValue[][]>,
): Promise<void> {
  const list = columns.map(({ name, sql }) => `${quote(name)} ${sql}`).join(', ')
  await duck.run(`CREATE OR REPLACE TABLE ${quote(table)} (${list})`)
  await duck.append(
    table,
    columns.map(({ type }) => type),
    blocks,
  )
}

/** A value of nested values. */
export type NestedValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NestedValue[]
  | { [name: string]: NestedValue }

/** As JSON: numbers keep all their digits, bytes are lists of numbers. */
export function jsonOf(value: NestedValue): string {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null'
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (value instanceof Uint8Array) return `[${value.join()}]`
  if (Array.isArray(value)) return `[${value.map(jsonOf).join()}]`
  return `{${Object.entries(value)
    .map(([name, one]) => `${JSON.stringify(name)}:${jsonOf(one)}`)
    .join()}}`
}

/** Names of columns that the engine tells apart: they differ by more than their case, and there is one at least. Errors: MR_DATA_UNREADABLE. */
export function requireNames(
  fields: readonly { name: string }[],
  { file, format }: { file: string; format: string },
): void {
  const seen = new Set<string>()
  const refuse = (why: string) => new MillraceError('MR_DATA_UNREADABLE', { file, format, why })
  for (const { name } of fields) {
    const plain = name.toLowerCase()
    if (name === '') throw refuse('a column has no name')
    if (seen.has(plain)) throw refuse(`two columns are called "${name}"`)
    seen.add(plain)
  }
  if (fields.length === 0) throw refuse('it has no columns')
}
