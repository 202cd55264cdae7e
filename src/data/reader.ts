/** How one file is read by DuckDB: format, dialect and encoding as a table function, and errors in words that name the file. */

import { excerpt, isMillraceError, MillraceError, toError } from '../core/errors.ts'
import type { ColumnType, TimeWindow } from '../core/records.ts'
import type { ReadDef } from '../define/types.ts'
import { DUCK_VALUE, partRows } from '../engine/parts.ts'
import { isDiskFull } from '../store/disk/fault.ts'
import { columnTypeOf } from './column-types.ts'
import { type Duck, literal, quote } from './duck.ts'
import type { Guess } from './text/guess.ts'
import type { ChildFile, FileFormat, FileView } from './types.ts'

export interface SourceColumn {
  name: string
  duckType: string
}

/** What is known of one file before its rows are read. */
export interface OpenFile extends ChildFile {
  encoding: string
  columns: SourceColumn[]
  /** Table function that yields its rows. */
  scan: string
  delimiter?: string
  header?: boolean
  /** What was guessed of a text file. */
  guesses?: Guess[]
  /** What could not be kept as it stands, in sentences. */
  notes?: string[]
}

export interface ReadOptions extends ReadDef {
  /** Columns to be read as text whatever they look like. */
  asText: ReadonlySet<string>
  /** Look at all rows before deciding on types, not only at the first. */
  thorough: boolean
  /** Rows that are wanted, where a format can leave others out. */
  select?: { column: string; window: TimeWindow }
}

const SNIFF_ROWS = 100_000
const OBJECT_BYTES_MAX = 16 * 1024 * 1024

/** Opens a file for reading: its columns with types, and the text that scans it. Errors: MR_DATA_UNREADABLE, and those of `openText`. */
export async function openFile(duck: Duck, file: ChildFile, options: ReadOptions): Promise<OpenFile> {
  return await named(file, async () => {
    const own = file.view ? { ...options, asText: textsOf(file.view, options.asText) } : options
    const { encoding, columns, scan, ...more } = await OPENERS[file.format](duck, file, own)
    const trimmed = trimNames({ columns, scan })
    return { ...file, ...more, encoding, ...(file.view ? viewed(file, file.view, trimmed) : trimmed) }
  })
}

/** The file's columns that are read as text: those that the view says are, besides those asked for. */
const textsOf = (view: FileView, asText: ReadonlySet<string>): ReadonlySet<string> =>
  new Set(
    view.flatMap(({ name, column, type }) =>
      column !== undefined && (type === 'string' || asText.has(name)) ? [column] : [],
    ),
  )

/** Columns as the view has them. Errors: MR_DATA_COLUMN_MISSING. */
function viewed(
  file: ChildFile,
  view: FileView,
  read: Pick<OpenFile, 'columns' | 'scan'>,
): Pick<OpenFile, 'columns' | 'scan'> {
  const all = view.map(({ name, column, value = '', type }) => {
    if (column === undefined) return { name, duckType: 'VARCHAR', sql: literal(value) }
    const found = read.columns.find((one) => one.name === column)
    const columns = read.columns.map((one) => one.name)
    if (!found)
      throw new MillraceError('MR_DATA_COLUMN_MISSING', {
        dataset: file.name,
        column,
        role: 'column',
        file: file.name,
        columns,
      })
    const duckType = viewType(found.duckType, type)
    return { name, duckType, sql: castOf(quote(column), found.duckType, duckType) }
  })
  return {
    columns: all.map(({ name, duckType }) => ({ name, duckType })),
    scan: `(SELECT ${all.map(({ name, sql }) => `${sql} AS ${quote(name)}`).join(', ')} FROM ${read.scan})`,
  }
}

const castOf = (column: string, from: string, to: string): string =>
  from === to ? column : `CAST(${column} AS ${to})`

/** What fits the type is left as it is; a moment stays one where a day is said, and what is nested where a text is. */
function viewType(duckType: string, type: ColumnType | undefined): string {
  const own = columnTypeOf(duckType)
  if (type === undefined || own === type) return duckType
  const isMore = (type === 'date' && own === 'time') || (type === 'string' && own === 'json')
  return isMore ? duckType : DUCK_VALUE[type]
}

type Opened = Omit<OpenFile, keyof ChildFile>
type Opener = (duck: Duck, file: ChildFile, options: ReadOptions) => Promise<Opened>

/** Reads a file into a table of the engine and gives its name: for formats that the engine does not read itself. */
const staged =
  (stage: (duck: Duck, file: ChildFile, options: ReadOptions) => Promise<string>): Opener =>
  async (duck, file, options) => {
    const scan = await stage(duck, file, options)
    return { encoding: 'binary', columns: await describe(duck, scan), scan }
  }

const OPENERS: Record<FileFormat, Opener> = {
  parquet: async (duck, file) => {
    const scan = partRows(file)
    return { encoding: 'binary', columns: await describe(duck, scan), scan }
  },
  orc: staged(async (duck, file, { select }) =>
    (await import('./orc/stage.ts')).stageOrc(duck, { ...file, window: select }),
  ),
  arrow: staged(async (duck, file) => (await import('./arrow/stage.ts')).stageArrow(duck, file)),
  sqlite: async (duck, file, options) => ({
    encoding: 'binary',
    ...(await (await import('./sqlite/stage.ts')).stageSqlite(duck, file, options)),
  }),
  postgres: async (duck, file) => ({
    encoding: 'utf-8',
    ...(await (await import('./postgres/stage.ts')).stagePostgres(duck, file)),
  }),
  sheet: async (duck, file, options) => ({
    encoding: 'binary',
    ...(await (await import('./sheet/stage.ts')).stageSheet(duck, file, options)),
  }),
  csv: async (duck, file, options) =>
    await (await import('./text/open-text.ts')).openText(duck, file, options),
  json: openJson,
}

async function openJson(duck: Duck, file: ChildFile, options: ReadOptions): Promise<Opened> {
  const columns = await describe(duck, jsonScan(file, options))
  const asText = columns.map((c) => (options.asText.has(c.name.trim()) ? { ...c, duckType: 'VARCHAR' } : c))
  const isForced = asText.some((c, i) => c.duckType !== columns[i]!.duckType)
  return { encoding: 'utf-8', columns: asText, scan: jsonScan(file, options, isForced ? asText : undefined) }
}

const TYPED: ReadonlySet<FileFormat> = new Set(['parquet', 'orc', 'arrow', 'sqlite', 'sheet', 'postgres'])

/** Formats whose columns have types, so that none is guessed. */
export const isTyped = ({ format }: Pick<ChildFile, 'format'>): boolean => TYPED.has(format)

/** Names of columns without the blanks that a header may have after its commas. */
function trimNames(read: Pick<OpenFile, 'columns' | 'scan'>): Pick<OpenFile, 'columns' | 'scan'> {
  if (read.columns.every((c) => c.name === c.name.trim())) return read
  const list = read.columns.map((c) => `${quote(c.name)} AS ${quote(c.name.trim())}`).join(', ')
  return {
    columns: read.columns.map((c) => ({ ...c, name: c.name.trim() })),
    scan: `(SELECT ${list} FROM ${read.scan})`,
  }
}

async function describe(duck: Duck, scan: string): Promise<SourceColumn[]> {
  const rows = await duck.rows<{ column_name: string; column_type: string }>(`DESCRIBE SELECT * FROM ${scan}`)
  return rows.map((r) => ({ name: r.column_name, duckType: r.column_type }))
}

const sampleSize = (options: ReadOptions): number => (options.thorough ? -1 : SNIFF_ROWS)

function jsonScan(file: ChildFile, options: ReadOptions, columns?: SourceColumn[]): string {
  const settings = [
    `compression = '${file.gzip ? 'gzip' : 'uncompressed'}'`,
    `sample_size = ${sampleSize(options)}`,
    `maximum_object_size = ${OBJECT_BYTES_MAX}`,
  ]
  if (columns)
    settings.push(
      `columns = {${columns.map((c) => `${literal(c.name)}: ${literal(c.duckType)}`).join(', ')}}`,
    )
  return `read_json(${literal(file.path)}, ${settings.join(', ')})`
}

/** Runs work on a file and says which file it was when that fails. */
export async function named<T>(file: { name: string; format: string }, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw readError(file, toError(thrown))
  }
}

/** Lack of memory or of disk is the process's to tell, which knows its cap and its folder. */
function readError(file: { name: string; format: string }, cause: Error): Error {
  if (isMillraceError(cause) || isOutOfRoom(cause)) return cause
  const { name, format } = file
  return new MillraceError('MR_DATA_UNREADABLE', { file: name, format, why: reasonOf(cause) }, { cause })
}

export const isOutOfMemory = (error: Error): boolean =>
  /out of memory|could not allocate|failed to allocate/i.test(error.message)

/** Whether it is the machine that has no more, so that neither a file nor a check is at fault. */
export const isOutOfRoom = (error: Error): boolean => isOutOfMemory(error) || isDiskFull(error)

/** What an engine's message says of the fault and its line, without paths of the store and without values of the file. */
function reasonOf(cause: Error): string {
  const [first, ...rest] = cause.message.split('\n')
  const line = /Error on Line: (\d+)/.exec(first!)
  const fault = rest
    .map(
      (text) =>
        /^(Expected Number of Columns.*|Error when converting column "[^"]*"|.*quote.*)/i.exec(text)?.[1],
    )
    .find(Boolean)
  if (line) return excerpt(`line ${line[1]}: ${fault ?? 'it does not fit the lines above it'}`, 240)
  return excerpt(first!.replace(/(["'])\/[^"']*\1/g, 'the file'), 240)
}
