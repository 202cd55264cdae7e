/**
 * What a frame is made of: steps, each of which writes itself as SQL over what it is given. Steps hold no data and no engine, so that a frame costs nothing until it is asked for.
 */
import { MillraceError } from '../core/errors.ts'
import type { ColumnType, Digest, Schema } from '../core/records.ts'
import type { Tables } from '../engine/ports.ts'
import { closeNames } from '../expr/close-names.ts'
import { quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import type { Condition } from './condition-types.ts'
import type { FarPlace, FarSources } from './sources/far-types.ts'

export interface FrameColumn {
  name: string
  type: ColumnType
  /** As the engine writes it: `INTEGER`, `BIGINT[]`. */
  duck: string
  /** Floats of files may hold NaN, which is missing wherever it is looked at. */
  mayNan?: true
}

/** One key of an order; the direction and the place of missing values are in the text. */
export interface Term {
  sql: Sql
  columns: readonly string[]
}

/** Rows in order: by the terms, and rows that are equal in them as they came, unless no two are. */
export interface Order {
  terms: readonly Term[]
  isTotal: boolean
}

/** A step as SQL: `body` is a whole SELECT. An order waits until it is needed, since what groups or counts does not need it. */
export interface Written {
  body: Sql
  columns: readonly FrameColumn[]
  order?: Order
}

/** What a source says of what will be read of it. */
export interface Source {
  name: string
  /** Version that is read. */
  digest?: Digest
  /** How the engine's plan calls the scan; `memory` is read by no scan of files. */
  kind: 'parquet' | 'csv' | 'json' | 'memory'
  files: readonly string[]
  /** Parts of a version that conditions on the frame rule out, which are not opened. */
  partsSkipped?: number
  parts?: number
  conditions: readonly Condition[]
  /** Where it lies behind addresses. */
  far?: FarPlace
}

/** Where steps are written: an engine with what was put into it, and a store for versions. */
export interface Scope {
  tables: Tables
  /** Files behind addresses, of which what is asked for is read. */
  far: FarSources
  store?: Store
  scratch: string
  signal?: AbortSignal
  /** Relations that were made for steps, kept while the engine is open. */
  made: Map<object, Promise<Sql>>
  /** Sources met while writing, in order. */
  sources: Source[]
}

export interface Step {
  verb: string
  /** `wanted`: conditions on its rows that hold of all that is used of them. */
  write(scope: Scope, wanted: readonly Condition[]): Promise<Written>
}

/** Rows in their order, as one SELECT. */
export function settled({ body, order }: Written): Sql {
  return order ? sql`SELECT * FROM (${body}) ORDER BY ${orderSql(order)}` : body
}

/** The terms, and the row's place where they do not decide: sorting is stable. */
function orderSql({ terms, isTotal }: Order): Sql {
  const all = isTotal ? terms.map((term) => term.sql) : [...terms.map((term) => term.sql), PLACE]
  return joined(all, ', ')
}

const PLACE = raw('row_number() OVER ()')

export function joined(pieces: readonly Sql[], between: string): Sql {
  return {
    text: pieces.map((piece) => piece.text).join(between),
    params: pieces.flatMap((piece) => piece.params),
  }
}

/** A column as it is computed with: NaN is missing. */
export function clearOf({ name, mayNan }: FrameColumn): string {
  return mayNan ? `CASE WHEN isnan(${quoted(name)}) THEN NULL ELSE ${quoted(name)} END` : quoted(name)
}

/** The column as an output of the same name. */
export function passed(column: FrameColumn): string {
  return column.mayNan ? `${clearOf(column)} AS ${quoted(column.name)}` : quoted(column.name)
}

export const clean = ({ mayNan: _, ...column }: FrameColumn): FrameColumn => column

export const schemaOf = (columns: readonly FrameColumn[]): Schema => ({
  columns: columns.map(({ name, type }) => ({ name, type, nullable: true })),
})

/** Errors: MR_FRAME_COLUMN. */
export function columnNamed(columns: readonly FrameColumn[], name: string, verb: string): FrameColumn {
  const found = columns.find((column) => column.name === name)
  if (found) return found
  const names = columns.map((column) => column.name)
  throw new MillraceError('MR_FRAME_COLUMN', {
    verb,
    column: name,
    close: closeNames(name, names),
    columns: names,
  })
}

/** Refuses two columns of one name: the engine does not tell capitals apart. Errors: MR_FRAME_TWICE. */
export function requireDistinct(columns: readonly FrameColumn[], verb: string): void {
  const seen = new Map<string, string>()
  for (const { name } of columns) {
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) throw new MillraceError('MR_FRAME_TWICE', { verb, column: name, other })
    seen.set(name.toLowerCase(), name)
  }
}

/** A name that no column has, for what a step adds and takes away again. */
export function freeName(columns: readonly FrameColumn[], wish: string): string {
  const taken = new Set(columns.map((column) => column.name.toLowerCase()))
  let name = wish
  while (taken.has(name.toLowerCase())) name = `${name}~`
  return name
}

export const list = (columns: readonly { name: string }[]): string =>
  columns.map(({ name }) => quoted(name)).join(', ')

/** Rows with their place, counted from 1, in a column of its own. */
export function numbered(written: Written): { body: Sql; place: string } {
  const place = freeName(written.columns, '~place')
  return { body: sql`SELECT *, row_number() OVER () AS ${quoted(place)} FROM (${settled(written)})`, place }
}

/** What was made for a step; made at its first use, and again after a failure. */
export async function setOnce(made: Scope['made'], step: Step, make: () => Promise<Sql>): Promise<Sql> {
  const known = made.get(step)
  if (known) return await known
  const making = make()
  made.set(step, making)
  try {
    return await making
  } catch (thrown) {
    made.delete(step)
    throw thrown
  }
}
