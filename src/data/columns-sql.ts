/** One schema over all files of a delivery and the version before, and the expressions that bring a file's columns to it. */
import { MillraceError } from '../core/errors.ts'
import type { Column, ColumnType, Schema } from '../core/records.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import { columnTypeOf, fits, widest } from './column-types.ts'
import { type Duck, literal, quote } from './duck.ts'
import { withPartitions } from './partitions.ts'
import { named, type OpenFile, openFile, type ReadOptions } from './reader.ts'
import type { ChildFile, ImportParams } from './types.ts'

export interface Delivery {
  files: OpenFile[]
  /** Columns in the order they are kept: those of the version before first. */
  columns: { name: string; type: ColumnType }[]
}

/** Names of our own, and the one that no object can hold as a key. */
const RESERVED = /^(_reasons|_mr_.*|__proto__)$/i

export const isReservedColumn = (name: string): boolean => RESERVED.test(name)

/**
 * Opens all files and settles one type a column. Text files (CSV) give way: a column that looks like numbers in one file and like words in
 * another is text in both. Typed files do not: a change of type against the version before or between files is refused by name.
 */
export async function openDelivery(
  duck: Duck,
  files: ChildFile[],
  params: ImportParams,
  parent: Schema | null,
  thorough: boolean,
): Promise<Delivery> {
  const asText = new Set(parent?.columns.filter((c) => c.type === 'string').map((c) => c.name))
  const { time, select: window } = params
  const select = window && time !== null ? { column: time, window } : undefined
  const options: ReadOptions = { ...params.read, asText, thorough, select }
  let open = await openAll(duck, files, options)
  const clashing = clashesOfText(open)
  if (clashing.length > 0)
    open = await openAll(duck, files, { ...options, asText: new Set([...asText, ...clashing]) })
  const settled = await settle(duck, open, params.dataset, parent)
  requireColumns(open, settled, params, params.mode ? null : parent)
  return { files: open, columns: params.mode === 'replace' ? settled.filter(isThere(open)) : settled }
}

/** A whole table has the columns that it has: others are gone. */
const isThere =
  (files: readonly OpenFile[]) =>
  ({ name }: { name: string }): boolean =>
    files.some((file) => file.columns.some((column) => column.name === name))

async function openAll(duck: Duck, files: ChildFile[], options: ReadOptions): Promise<OpenFile[]> {
  const open: OpenFile[] = []
  for (const file of files) open.push(await openFile(duck, file, options))
  const all = withPartitions(open, options.asText).map((file) => taken(file, options.columns))
  for (const file of all) for (const { name } of file.columns) requireFreeName(name, file.name)
  return all
}

/** A file with the columns that are asked for; one that it does not have is refused where columns are required. */
function taken(file: OpenFile, columns: readonly string[] | undefined): OpenFile {
  if (columns === undefined) return file
  return { ...file, columns: file.columns.filter(({ name }) => columns.includes(name)) }
}

function requireFreeName(column: string, file: string): void {
  if (isReservedColumn(column)) throw new MillraceError('MR_DATA_COLUMN_NAME', { column, file })
}

/** Columns of text formats that have types in different files which only text holds. */
function clashesOfText(files: OpenFile[]): string[] {
  const seen = new Map<string, ColumnType>()
  const clashing = new Set<string>()
  for (const file of files.filter((f) => f.format === 'csv')) {
    for (const { name, duckType } of file.columns) {
      const type = columnTypeOf(duckType)
      const both = widest(seen.get(name) ?? type, type)
      if (both === undefined) clashing.add(name)
      seen.set(name, both ?? 'string')
    }
  }
  return [...clashing]
}

async function settle(
  duck: Duck,
  files: OpenFile[],
  dataset: string,
  parent: Schema | null,
): Promise<Delivery['columns']> {
  const types = new Map<string, ColumnType>(parent?.columns.map((c) => [c.name, c.type]))
  const fixed = new Set(types.keys())
  for (const file of files) {
    for (const column of file.columns) await settleColumn(duck, file, column, { dataset, types, fixed })
  }
  return [...types].map(([name, type]) => ({ name, type }))
}

interface Settling {
  dataset: string
  types: Map<string, ColumnType>
  /** Columns whose type the version before has fixed. */
  fixed: ReadonlySet<string>
}

async function settleColumn(
  duck: Duck,
  file: OpenFile,
  column: OpenFile['columns'][number],
  to: Settling,
): Promise<void> {
  const got = columnTypeOf(column.duckType)
  const expected = to.types.get(column.name)
  if (expected === undefined) return void to.types.set(column.name, got)
  if (fits(expected, got)) return
  const wider = to.fixed.has(column.name) ? undefined : widest(expected, got)
  if (wider) return void to.types.set(column.name, wider)
  if (await isAllMissing(duck, file, column.name)) return
  throw new MillraceError('MR_DATA_COLUMN_TYPE', {
    dataset: to.dataset,
    column: column.name,
    expected,
    got,
    file: file.name,
  })
}

async function isAllMissing(duck: Duck, file: OpenFile, column: string): Promise<boolean> {
  const { n } = await named(file, () =>
    duck.one<{ n: number }>(`SELECT count(${quote(column)}) AS n FROM ${file.scan}`),
  )
  return n === 0
}

function requireColumns(
  files: OpenFile[],
  columns: Delivery['columns'],
  params: ImportParams,
  parent: Schema | null,
): void {
  for (const file of files) {
    const has = new Set(file.columns.map((c) => c.name))
    for (const [column, role] of needed(params, parent)) {
      if (has.has(column)) continue
      throw new MillraceError('MR_DATA_COLUMN_MISSING', {
        dataset: params.dataset,
        column,
        role,
        file: file.name,
        columns: [...has],
      })
    }
  }
  const time = columns.find((c) => c.name === params.time)
  if (time && time.type !== 'time' && time.type !== 'date') {
    throw new MillraceError('MR_DATA_COLUMN_TYPE', {
      dataset: params.dataset,
      column: time.name,
      expected: 'time',
      got: time.type,
      file: files[0]!.name,
    })
  }
}

function needed(params: ImportParams, parent: Schema | null): Map<string, string> {
  const columns = new Map<string, string>()
  for (const column of parent?.columns ?? []) if (!column.nullable) columns.set(column.name, 'column')
  for (const name of params.read.columns ?? []) columns.set(name, 'column')
  for (const name of params.key) columns.set(name, 'key column')
  for (const check of params.checks)
    if (check.rule.kind === 'unique') for (const name of check.rule.columns) columns.set(name, 'column')
  if (params.time !== null) columns.set(params.time, 'time column')
  return columns
}

/** The select list that turns a file's columns into the delivery's: trimmed, missing codes gone, NaN gone, absent columns null. */
export function selectList(file: OpenFile, columns: Delivery['columns'], missing: string[]): string {
  const has = new Map(file.columns.map((c) => [c.name, c.duckType]))
  return columns.map((c) => `${kept(c, has.get(c.name), file, missing)} AS ${quote(c.name)}`).join(', ')
}

/** The rows of each file as they are kept, as relations. */
export function relationsOf(
  { files, columns }: Delivery,
  missing: string[],
): { name: string; rows: string }[] {
  return files.map((file) => ({
    name: file.name,
    rows: `(SELECT ${selectList(file, columns, missing)} FROM ${file.scan})`,
  }))
}

function kept(
  column: { name: string; type: ColumnType },
  from: string | undefined,
  file: OpenFile,
  missing: string[],
): string {
  const to = DUCK_TYPE[column.type]
  if (from === undefined) return `NULL::${to}`
  const name = quote(column.name)
  if (column.type === 'json')
    return columnTypeOf(from) === 'json' ? `CAST(to_json(${name}) AS VARCHAR)` : `CAST(${name} AS VARCHAR)`
  if (from === 'VARCHAR' && column.type === 'string') return textValue(name, file, missing)
  if (from === 'VARCHAR' || from === 'JSON') return `NULL::${to}`
  if (column.type === 'float') return `nullif(CAST(${name} AS DOUBLE), 'NaN'::DOUBLE)`
  return from === to ? name : `CAST(${name} AS ${to})`
}

function textValue(name: string, file: OpenFile, missing: string[]): string {
  const text = file.format === 'csv' ? `trim(${name}, ${BLANKS})` : name
  const codes = file.format === 'csv' ? ['', ...missing] : missing
  return codes.length === 0
    ? text
    : `CASE WHEN ${text} NOT IN (${codes.map(literal).join(', ')}) THEN ${text} END`
}

/** Space, tab, carriage return and the no-break space. */
export const BLANKS = "(' ' || chr(9) || chr(13) || chr(160))"

/** The order that makes a part the same bytes whatever came first: by time, then by every other column. */
export function canonicalOrder(columns: { name: string }[], time: string | null): string {
  const names = columns.map((c) => c.name).filter((name) => name !== time)
  return [...(time === null ? [] : [time]), ...names].map((name) => `${quote(name)} NULLS LAST`).join(', ')
}

/** Adds what was seen of missing values; a column never becomes required again. */
export function schemaOf(
  columns: Delivery['columns'],
  nullable: ReadonlySet<string>,
  parent: Schema | null,
): Schema {
  const before = new Map(parent?.columns.map((c) => [c.name, c.nullable]))
  const isNew = (name: string) => parent !== null && !before.has(name)
  return {
    columns: columns.map(
      ({ name, type }): Column => ({
        name,
        type,
        nullable: nullable.has(name) || before.get(name) === true || isNew(name),
      }),
    ),
  }
}
