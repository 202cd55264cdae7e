/** How one file is read by DuckDB: format, dialect and encoding as a table function, and errors in words that name the file. */

import { closeSync, createReadStream, openSync, readSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { excerpt, isMillraceError, MillraceError, toError } from '../core/errors.ts'
import type { TimeWindow } from '../core/records.ts'
import { partRows } from '../engine/parts.ts'
import { type Duck, literal, quote } from './duck.ts'
import type { ChildFile, FileFormat } from './types.ts'

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
}

export interface ReadOptions {
  delimiter?: string
  missing: string[]
  /** Columns to be read as text whatever they look like. */
  asText: ReadonlySet<string>
  /** Look at all rows before deciding on types, not only at the first. */
  thorough: boolean
  /** Rows that are wanted, where a format can leave others out. */
  select?: { column: string; window: TimeWindow }
}

const SNIFF_BYTES = 1 << 20
const SNIFF_ROWS = 100_000
const OBJECT_BYTES_MAX = 16 * 1024 * 1024

/** Opens a file for reading: its columns with types, and the text that scans it. Errors: MR_DATA_UNREADABLE. */
export async function openFile(duck: Duck, file: ChildFile, options: ReadOptions): Promise<OpenFile> {
  const encoding = isTyped(file) ? 'binary' : encodingOf(await firstBytes(file))
  return await named(file, async () => {
    const stage = STAGES[file.format]
    if (stage) return await openStaged(duck, file, stage, options)
    const dialect: Dialect = file.format === 'csv' ? await sniff(duck, file, encoding, options) : {}
    const settings = { ...options, ...dialect }
    const scan = scanOf(file, encoding, settings)
    const columns = await describeFile(duck, file, scan, dialect)
    const asText = columns.map((c) => (options.asText.has(c.name.trim()) ? { ...c, duckType: 'VARCHAR' } : c))
    const forced = !isTyped(file) && asText.some((c, i) => c.duckType !== columns[i]!.duckType)
    const read = forced
      ? { columns: asText, scan: scanOf(file, encoding, settings, asText) }
      : { columns, scan }
    return { ...file, encoding, delimiter: dialect.delimiter, header: dialect.header, ...trimNames(read) }
  })
}

/** Formats whose columns have types, so that none is guessed. */
export const isTyped = ({ format }: Pick<ChildFile, 'format'>): boolean =>
  format === 'parquet' || STAGES[format] !== undefined

/** Reads a file into a table of the engine and gives its name. */
type Stage = (duck: Duck, file: ChildFile, select: ReadOptions['select']) => Promise<string>

/** Formats that the engine does not read itself. */
const STAGES: Partial<Record<FileFormat, Stage>> = {
  orc: async (duck, file, window) => (await import('./orc/stage.ts')).stageOrc(duck, { ...file, window }),
  arrow: async (duck, file) => (await import('./arrow/stage.ts')).stageArrow(duck, file),
}

async function openStaged(
  duck: Duck,
  file: ChildFile,
  stage: Stage,
  { select }: ReadOptions,
): Promise<OpenFile> {
  const scan = await stage(duck, file, select)
  return { ...file, encoding: 'binary', ...trimNames({ columns: await describe(duck, scan), scan }) }
}

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

/** Types of a CSV file. One that has none in common is read as text to the end, which names the first line at fault. */
async function describeFile(
  duck: Duck,
  file: ChildFile,
  scan: string,
  dialect: Dialect,
): Promise<SourceColumn[]> {
  if (file.format !== 'csv') return await describe(duck, scan)
  try {
    return await describe(duck, scan)
  } catch (thrown) {
    const columns = dialect.names!.map((name) => `${literal(name)}: 'VARCHAR'`).join(', ')
    await duck.run(
      `SELECT count(*) FROM ${scan.replace(/\)$/, `, auto_detect = false, columns = {${columns}})`)}`,
    )
    throw thrown
  }
}

interface Dialect {
  delimiter?: string
  header?: boolean
  quote?: string
  escape?: string
  names?: string[]
}

/**
 * Delimiter, quotes and header. Faulty lines are overlooked here, since DuckDB would rather take a file with one ragged line for a file of one column;
 * reading stops at them.
 */
async function sniff(duck: Duck, file: ChildFile, encoding: string, options: ReadOptions): Promise<Dialect> {
  const given = options.delimiter === undefined ? '' : `, delim = ${literal(options.delimiter)}`
  const settings = `sample_size = ${sampleSize(options)}, ignore_errors = true, ${csvBasics(file, encoding)}${given}`
  const found = await duck.one<SniffRow>(
    `SELECT *, list_transform(Columns, lambda c: c.name) AS names FROM sniff_csv(${literal(file.path)}, ${settings})`,
  )
  return {
    delimiter: found.Delimiter,
    header: found.HasHeader,
    quote: charOf(found.Quote) || '"',
    escape: charOf(found.Escape) || '"',
    names: found.names,
  }
}

interface SniffRow {
  Delimiter: string
  HasHeader: boolean
  Quote: string
  Escape: string
  names: string[]
}

/** DuckDB prints "no such character" as an empty text or a NUL. */
const charOf = (text: string): string => (text === '\0' || text === '(empty)' ? '' : text)

const sampleSize = (options: ReadOptions): number => (options.thorough ? -1 : SNIFF_ROWS)

const csvBasics = (file: ChildFile, encoding: string): string =>
  `compression = ${file.gzip ? "'gzip'" : "'none'"}, encoding = '${encoding}'`

function scanOf(
  file: ChildFile,
  encoding: string,
  options: ReadOptions & Dialect,
  columns?: SourceColumn[],
): string {
  const path = literal(file.path)
  if (file.format === 'parquet') return partRows(file)
  return file.format === 'json'
    ? jsonScan(path, file, options, columns)
    : csvScan(path, file, encoding, options, columns)
}

function csvScan(
  path: string,
  file: ChildFile,
  encoding: string,
  options: ReadOptions & Dialect,
  columns?: SourceColumn[],
): string {
  const settings = [
    csvBasics(file, encoding),
    `delim = ${literal(options.delimiter ?? ',')}`,
    `header = ${options.header ?? true}`,
    `quote = ${literal(options.quote ?? '"')}`,
    `escape = ${literal(options.escape ?? '"')}`,
    `sample_size = ${sampleSize(options)}`,
    `nullstr = [${missingTexts(options.missing).map(literal).join(', ')}]`,
  ]
  const texts = columns?.filter((c) => options.asText.has(c.name.trim())) ?? []
  if (texts.length > 0)
    settings.push(`types = {${texts.map((c) => `${literal(c.name)}: 'VARCHAR'`).join(', ')}}`)
  return `read_csv(${path}, ${settings.join(', ')})`
}

/** Codes as they stand in a file: bare, and with the blank that many exporters put after the comma. */
const missingTexts = (missing: string[]): string[] => ['', ...missing.flatMap((code) => [code, ` ${code}`])]

function jsonScan(path: string, file: ChildFile, options: ReadOptions, columns?: SourceColumn[]): string {
  const settings = [
    `compression = '${file.gzip ? 'gzip' : 'uncompressed'}'`,
    `sample_size = ${sampleSize(options)}`,
    `maximum_object_size = ${OBJECT_BYTES_MAX}`,
  ]
  if (columns)
    settings.push(
      `columns = {${columns.map((c) => `${literal(c.name)}: ${literal(c.duckType)}`).join(', ')}}`,
    )
  return `read_json(${path}, ${settings.join(', ')})`
}

async function firstBytes(file: ChildFile): Promise<Buffer> {
  if (!file.gzip) return headOf(file.path, SNIFF_BYTES)
  return await named(file, async () => {
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of createReadStream(file.path).pipe(createGunzip())) {
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes >= SNIFF_BYTES) break
    }
    return Buffer.concat(chunks)
  })
}

function headOf(path: string, bytes: number): Buffer {
  const fd = openSync(path, 'r')
  try {
    const head = Buffer.alloc(bytes)
    return head.subarray(0, readSync(fd, head, 0, bytes, 0))
  } finally {
    closeSync(fd)
  }
}

/** By byte-order mark, else UTF-8 when the first megabyte is valid, else Latin-1, which accepts any byte. */
function encodingOf(head: Buffer): string {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) return 'utf-16'
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return 'utf-8'
  } catch {
    return 'latin-1'
  }
}

/** Runs work on a file and says which file it was when that fails. */
export async function named<T>(file: { name: string; format: string }, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw readError(file, toError(thrown))
  }
}

/** Lack of memory is the process's to tell, which knows its cap. */
function readError(file: { name: string; format: string }, cause: Error): Error {
  if (isMillraceError(cause) || isOutOfMemory(cause)) return cause
  const { name, format } = file
  return new MillraceError('MR_DATA_UNREADABLE', { file: name, format, why: reasonOf(cause) }, { cause })
}

export const isOutOfMemory = (error: Error): boolean =>
  /out of memory|could not allocate|failed to allocate/i.test(error.message)

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
