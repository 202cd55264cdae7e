/** Rows of a version as one file, in a format that others read. */
import { randomUUID } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBDateValue, DuckDBTimestampValue, type DuckDBValue } from '@duckdb/node-api'
import { MillraceError } from '../core/errors.ts'
import type { Column, DatasetVersion } from '../core/records.ts'
import { relationOf } from '../engine/relation.ts'
import type { ExprNode } from '../expr/ast.ts'
import { closeNames } from '../expr/close-names.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { quoted, type Sql, sql } from '../expr/sql.ts'
import { writeWhole } from '../store/disk/draft.ts'
import type { Store } from '../store/ports.ts'
import { type Duck, literal, openDuck } from './duck.ts'
import { writeOrcFile } from './orc/write-file.ts'
import type { WrittenValue } from './orc/write-statistics.ts'

export const EXPORT_FORMATS = ['parquet', 'orc', 'csv', 'json', 'jsonl'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportAsk {
  path: string
  /** Default: by the end of the path's name. */
  format?: ExportFormat
  /** Default: all, in their order. */
  columns?: readonly string[]
  /** Rows for which it holds. */
  where?: ExprNode
  signal?: AbortSignal
  /** Rows that were written so far; of ORC alone, as the engine writes the others by itself. */
  onRows?: (rows: number) => void
}

export interface Exported {
  path: string
  format: ExportFormat
  rows: number
  bytes: number
  notes: string[]
}

const MEMORY_MB = 512

/**
 * Writes a version's rows in the order of its parts; a file of the name is replaced once the new one is whole. Errors: MR_DATA_EXPORT_FORMAT, MR_DATA_EXPORT_COLUMN, those of `where`
 * (MR_EXPR_…), MR_CANCELLED. Cost: one read of the columns asked for.
 */
export async function exportRows(store: Store, version: DatasetVersion, ask: ExportAsk): Promise<Exported> {
  const format = formatOf(ask)
  const columns = columnsAsked(version, ask.columns)
  const rows = await rowsSql(store, version, columns, ask.where)
  const spill = join(store.scratch, `export-${randomUUID()}`)
  await mkdir(spill, { recursive: true })
  const duck = await openDuck(spill, MEMORY_MB)
  try {
    const write = format === 'orc' ? writeOrc : writeCopied
    const { rows: written, notes = [] } = await writeWhole(ask.path, (draft) =>
      write(duck, { draft, format, columns, rows, ask }),
    )
    return { path: ask.path, format, rows: written, bytes: (await stat(ask.path)).size, notes }
  } finally {
    duck.close()
    await rm(spill, { recursive: true, force: true })
  }
}

const ENDINGS: [RegExp, ExportFormat][] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.orc$/i, 'orc'],
  [/\.csv(\.gz)?$/i, 'csv'],
  [/\.(jsonl|ndjson)(\.gz)?$/i, 'jsonl'],
  [/\.json(\.gz)?$/i, 'json'],
]

function formatOf({ path, format }: ExportAsk): ExportFormat {
  const found = format ?? ENDINGS.find(([pattern]) => pattern.test(path))?.[1]
  if (found) return found
  throw new MillraceError('MR_DATA_EXPORT_FORMAT', { path, formats: [...EXPORT_FORMATS] })
}

function columnsAsked({ dataset, schema }: DatasetVersion, names: readonly string[] | undefined): Column[] {
  return (
    names?.map((name) => {
      const column = schema.columns.find((one) => one.name === name)
      if (column) return column
      const near = closeNames(
        name,
        schema.columns.map((one) => one.name),
      )
      throw new MillraceError('MR_DATA_EXPORT_COLUMN', { dataset, column: name, near })
    }) ?? schema.columns
  )
}

async function rowsSql(
  store: Store,
  version: DatasetVersion,
  columns: readonly Column[],
  where: ExprNode | undefined,
): Promise<Sql> {
  const filter = where && toDuckDb(where, { schema: version.schema, expect: 'bool', place: 'the filter' })
  const list = columns.map(({ name }) => quoted(name)).join(', ')
  return sql`SELECT ${list} FROM (${await relationOf(store, version)}) ${filter ? sql`WHERE ${filter}` : ''}`
}

interface Writing {
  draft: string
  format: ExportFormat
  columns: readonly Column[]
  rows: Sql
  ask: ExportAsk
}

interface Written {
  rows: number
  notes?: string[]
}

const COPIES: Record<Exclude<ExportFormat, 'orc'>, string> = {
  parquet: 'FORMAT parquet, COMPRESSION zstd',
  csv: 'FORMAT csv, HEADER true',
  json: 'FORMAT json, ARRAY true',
  jsonl: 'FORMAT json, ARRAY false',
}

/** Formats that the engine writes by itself. Nested values are nested in JSON too. */
async function writeCopied(duck: Duck, { draft, format, columns, rows, ask }: Writing): Promise<Written> {
  const isJson = format === 'json' || format === 'jsonl'
  const list = columns.map(({ name, type }) =>
    isJson && type === 'json' ? `CAST(${quoted(name)} AS JSON) AS ${quoted(name)}` : quoted(name),
  )
  const gzip = /\.gz$/i.test(ask.path) ? ', COMPRESSION gzip' : ''
  const how = `${COPIES[format as keyof typeof COPIES]}${gzip}`
  const copy = sql`COPY (SELECT ${list.join(', ')} FROM (${rows})) TO ${literal(draft)} (${how})`
  const stop = () => duck.interrupt()
  ask.signal?.addEventListener('abort', stop)
  try {
    requireWanted(ask)
    const { Count } = await duck.one<{ Count: number }>(copy)
    return { rows: Count }
  } catch (error) {
    requireWanted(ask)
    throw error
  } finally {
    ask.signal?.removeEventListener('abort', stop)
  }
}

function requireWanted({ signal, path }: ExportAsk): void {
  if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: `the export to ${path}` })
}

async function writeOrc(duck: Duck, { draft, columns, rows, ask }: Writing): Promise<Written> {
  return await writeOrcFile(draft, columns, async (writer) => {
    let written = 0
    for await (const chunk of duck.chunks(rows)) {
      requireWanted(ask)
      writer.add(columns.map((_, c) => chunk.getColumnValues(c).map(valueOfOrc)))
      written += chunk.rowCount
      ask.onRows?.(written)
    }
    const notes =
      writer.cutTimes > 0
        ? [
            `${writer.cutTimes} times in the last second before 1970 lost their fraction, which ORC cannot say`,
          ]
        : []
    return { rows: written, notes }
  })
}

function valueOfOrc(value: DuckDBValue): WrittenValue {
  if (value instanceof DuckDBTimestampValue) return value.micros
  if (value instanceof DuckDBDateValue) return value.days
  return value as WrittenValue
}
