/** A copy of rows of PostgreSQL as a table of the engine, each of whose columns has the type that its first line says. */
import { closeSync, openSync, readSync } from 'node:fs'
import { MillraceError } from '../../core/errors.ts'
import { type Duck, literal, quote } from '../duck.ts'
import { requireNames } from '../staged-table.ts'
import { type CopiedColumn, type CopiedKind, NOTHING, parseHeader } from './columns.ts'

/** How the text of a value is read, and what becomes of it. */
const ENGINE: Record<CopiedKind, { read: string; is: string; value?: (column: string) => string }> = {
  bool: { read: 'BOOLEAN', is: 'BOOLEAN' },
  int: { read: 'BIGINT', is: 'BIGINT' },
  single: { read: 'FLOAT', is: 'FLOAT' },
  double: { read: 'DOUBLE', is: 'DOUBLE' },
  json: { read: 'JSON', is: 'JSON' },
  text: { read: 'VARCHAR', is: 'VARCHAR' },
  bytes: { read: 'VARCHAR', is: 'BLOB', value: (column) => `unhex(substr(${column}, 3))` },
  date: { read: 'VARCHAR', is: 'DATE', value: (column) => instant(column, 'DATE') },
  timestamp: { read: 'VARCHAR', is: 'TIMESTAMP', value: (column) => instant(column, 'TIMESTAMP') },
}

const ENDLESS = "('infinity', '-infinity')"

/** Days without an end are no days, and those before Christ are written in another way. */
const instant = (column: string, type: string): string =>
  `CAST(CASE WHEN ${column} IN ${ENDLESS} THEN NULL WHEN ends_with(${column}, ' BC') THEN regexp_replace(${column}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2') ELSE ${column} END AS ${type})`

/** Texts of one row at most; the engine takes twice that at once. */
const LINE_BYTES_MAX = 16 * 1024 * 1024

/** Columns and the text that scans them, and what was left out. Memory: the engine's, which spills. Errors: MR_DATA_UNREADABLE. */
export async function stagePostgres(
  duck: Duck,
  file: { path: string; name: string },
): Promise<{ columns: { name: string; duckType: string }[]; scan: string; notes: string[] }> {
  const columns = columnsOf(file)
  requireNames(columns, { file: file.name, format: 'postgres' })
  const types = columns.map(({ name, kind }) => `${literal(name)}: ${literal(ENGINE[kind].read)}`)
  const settings = [
    'auto_detect = false',
    'header = true',
    "delim = ','",
    `quote = '"'`,
    `escape = '"'`,
    `nullstr = ${literal(NOTHING)}`,
    'allow_quoted_nulls = false',
    `max_line_size = ${LINE_BYTES_MAX}`,
    `buffer_size = ${2 * LINE_BYTES_MAX}`,
    `columns = {${types.join(', ')}}`,
  ]
  const rows = `read_csv(${literal(file.path)}, ${settings.join(', ')})`
  const list = columns.map(({ name, kind }) => {
    const value = ENGINE[kind].value?.(quote(name))
    return value === undefined ? quote(name) : `${value} AS ${quote(name)}`
  })
  const table = quote(`postgres ${file.path}`)
  await duck.run(`CREATE OR REPLACE TABLE ${table} AS SELECT ${list.join(', ')} FROM ${rows}`)
  return {
    columns: columns.map(({ name, kind }) => ({ name, duckType: ENGINE[kind].is })),
    scan: table,
    notes: await notesOf(duck, columns, rows, file.name),
  }
}

type Copied = Pick<CopiedColumn, 'name' | 'kind'>

async function notesOf(
  duck: Duck,
  columns: readonly Copied[],
  rows: string,
  file: string,
): Promise<string[]> {
  const instants = columns.filter(({ kind }) => kind === 'date' || kind === 'timestamp')
  if (instants.length === 0) return []
  const counts = instants.map(({ name }, i) => `count(*) FILTER (${quote(name)} IN ${ENDLESS}) AS c${i}`)
  const found = await duck.one<Record<string, number>>(`SELECT ${counts.join(', ')} FROM ${rows}`)
  return instants.flatMap(({ name }, i) =>
    found[`c${i}`]! > 0
      ? [`${file}: ${found[`c${i}`]} values of ${name} are infinity, which is taken for a missing value`]
      : [],
  )
}

const HEADER_BYTES_MAX = 16 * 1024 * 1024

function columnsOf(file: { path: string; name: string }): Copied[] {
  const line = firstLine(file.path)
  try {
    const columns = parseHeader(line)
    if (columns.every(({ name, kind }) => typeof name === 'string' && kind in ENGINE)) return columns
  } catch {
    // Said below, like a header of another kind.
  }
  throw new MillraceError('MR_DATA_UNREADABLE', {
    file: file.name,
    format: 'postgres',
    why: 'its first line does not say what its columns are',
  })
}

function firstLine(path: string): string {
  const file = openSync(path, 'r')
  try {
    const pieces: Buffer[] = []
    for (let bytes = 0; bytes < HEADER_BYTES_MAX; ) {
      const piece = Buffer.alloc(1 << 16)
      const n = readSync(file, piece, 0, piece.length, bytes)
      const end = piece.subarray(0, n).indexOf(10)
      pieces.push(piece.subarray(0, end < 0 ? n : end))
      if (end >= 0 || n === 0) break
      bytes += n
    }
    return Buffer.concat(pieces).toString('utf8')
  } finally {
    closeSync(file)
  }
}
