/** A frame's rows as a file that others read. */
import { open, stat } from 'node:fs/promises'
import { writeOrcFile } from '../data/orc/write-file.ts'
import type { WrittenValue } from '../data/orc/write-statistics.ts'
import type { TypedColumn } from '../engine/ports.ts'
import { literal, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import { writeWhole } from '../store/disk/draft.ts'
import { hasValue } from './collected.ts'
import { type FileFormat, formatOf } from './sources/file.ts'
import type { FrameColumn, Scope } from './step.ts'

export interface WriteOptions {
  /** Default: by the end of the name. */
  format?: FileFormat
  /** Parquet: rows of a group, which is what readers skip by. Default 122,880. */
  rowGroupRows?: number
  /** Parquet. Default: zstd. */
  compression?: 'zstd' | 'snappy' | 'gzip' | 'lz4' | 'uncompressed'
  signal?: AbortSignal
}

export interface WrittenFile {
  path: string
  format: FileFormat
  bytes: number
}

/** Writes to a file beside and renames it, so that a file of the name is whole at every moment. Rows stream through; memory stays bounded. */
export async function writeFile(
  scope: Scope,
  { rows, columns }: { rows: Sql; columns: readonly FrameColumn[] },
  path: string,
  options: WriteOptions,
): Promise<WrittenFile> {
  const format = formatOf(path, options.format)
  await writeWhole(path, (draft) => WRITERS[format](scope, { rows, columns, draft, path, options }))
  return { path, format, bytes: (await stat(path)).size }
}

interface Writing {
  rows: Sql
  columns: readonly FrameColumn[]
  draft: string
  path: string
  options: WriteOptions
}

const WRITERS: Record<FileFormat, (scope: Scope, writing: Writing) => Promise<void>> = {
  parquet: async (scope, writing) => {
    const { compression = 'zstd', rowGroupRows = 122_880 } = writing.options
    await copy(scope, writing, `FORMAT parquet, COMPRESSION ${compression}, ROW_GROUP_SIZE ${rowGroupRows}`)
  },
  csv: async (scope, writing) => {
    const delimiter = /\.tsv(\.|$)/i.test(writing.path) ? ", DELIMITER '\t'" : ''
    await copy(scope, writing, `FORMAT csv, HEADER true${delimiter}${packing(writing)}`)
  },
  json: (scope, writing) => copy(scope, writing, `FORMAT json, ARRAY true${packing(writing)}`),
  jsonl: (scope, writing) => copy(scope, writing, `FORMAT json, ARRAY false${packing(writing)}`),
  orc: writeOrc,
  arrow: writeArrow,
}

/** `.arrows` is a stream, anything else a file with a footer. */
async function writeArrow(scope: Scope, { rows, columns, draft, path, options }: Writing): Promise<void> {
  const { arrowFile, arrowStream } = await import('./arrow/write.ts')
  const form = /\.arrows$/i.test(path) ? arrowStream : arrowFile
  const file = await open(draft, 'w')
  try {
    for await (const bytes of form(scope.tables.batches(rows, options), columns)) await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

const packing = ({ path }: Writing): string =>
  /\.gz$/i.test(path) ? ', COMPRESSION gzip' : /\.zst$/i.test(path) ? ', COMPRESSION zstd' : ''

async function copy(scope: Scope, { rows, draft, options }: Writing, how: string): Promise<void> {
  await scope.tables.exec(sql`COPY (${rows}) TO ${literal(draft)} (${how})`, options.signal)
}

async function writeOrc(scope: Scope, { rows, columns, draft, options }: Writing): Promise<void> {
  await writeOrcFile(draft, columns, async (writer) => {
    for await (const batch of scope.tables.batches(sql`SELECT ${orcList(columns)} FROM (${rows})`, options))
      writer.add(columns.map(({ name }) => orcValues(batch.columns[name]!, batch.nRows)))
  })
}

/** What ORC has no type for is written as its text. */
const orcList = (columns: readonly FrameColumn[]): Sql =>
  raw(
    columns
      .map(({ name, type, duck }) =>
        type === 'json' && duck !== 'VARCHAR'
          ? `CAST(to_json(${quoted(name)}) AS VARCHAR) AS ${quoted(name)}`
          : quoted(name),
      )
      .join(', '),
  )

const DAY_MS = 86_400_000

function orcValues(column: TypedColumn, nRows: number): (WrittenValue | null)[] {
  return Array.from({ length: nRows }, (_, i) => (hasValue(column, i) ? orcValue(column, i) : null))
}

function orcValue(column: TypedColumn, i: number): WrittenValue {
  if (column.type === 'bool') return column.values[i] === 1
  if (column.type === 'int') return BigInt(column.values[i]!)
  if (column.type === 'time') return BigInt(Math.round(column.values[i]! * 1000))
  if (column.type === 'date') return column.values[i]! / DAY_MS
  if (column.type === 'string') return column.dictionary[column.values[i]!]!
  return column.values[i] as WrittenValue
}
