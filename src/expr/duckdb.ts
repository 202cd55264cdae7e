/** Expressions as DuckDB SQL. Sessions must run in UTC (`SET TimeZone = 'UTC'`); columns with a zone are read through it. */
import type { Column, Schema } from '../core/records.ts'
import type { ExprNode } from './ast.ts'
import type { FnSpec, Literal } from './functions/spec.ts'
import { type Known, type Resolved, resolve, resolveKey } from './resolve.ts'
import { fill, quoted, raw, type Sql, type SqlValue } from './sql.ts'
import { NUMBER_TEXT_SQL } from './text.ts'

export interface DuckOptions {
  /** How a column is written; by default its quoted name. */
  column?: (name: string) => string
  /** Columns of the data, which settles types where the expression alone does not. */
  schema?: Schema
  /** The columns have the very types of the schema, and no NaN: as an import or its relation leaves them. They are then read as they stand. */
  isClean?: boolean
  expect?: Known
  place?: string
}

/** An expression as SQL: identifiers quoted, literals as `?` parameters. Errors: as `typeOf`. Cost: O(nodes), the text included. */
export function toDuckDb(node: ExprNode, options: DuckOptions = {}): Sql {
  return new DuckWriter(options).write(resolve(node, options))
}

/** What a learned step groups by, as text. */
export function keyToDuckDb(node: ExprNode, options: DuckOptions = {}): Sql {
  const resolved = resolveKey(node, options)
  const piece = new DuckWriter(options).write(resolved)
  return resolved.type === 'number' ? fill(NUMBER_TEXT_SQL, [piece]) : fill('CAST({0} AS VARCHAR)', [piece])
}

/** A piece that a template uses twice or more is written once, behind a name, when its text is longer than this: nesting must not double it. */
const REPEATED_CHARS_MAX = 120

/** Not `nullif`, which the engine writes out with its first argument twice: nested, its plan would double at every level. */
const NAN_AS_NULL = 'CASE WHEN isnan({0}) THEN NULL ELSE {0} END'

class DuckWriter {
  private readonly column: (name: string) => string
  private readonly clean: ReadonlyMap<string, Column['type']>
  private names = 0

  constructor({ column, schema, isClean }: DuckOptions) {
    this.column = column ?? quoted
    this.clean = new Map(isClean ? schema?.columns.map((c) => [c.name, c.type]) : [])
  }

  /** `isNanRead`: whoever reads the result passes NaN on, and will turn it into missing. */
  write(node: Resolved, isNanRead = false): Sql {
    switch (node.op) {
      case 'col':
        return raw(
          cleanly(this.column(node.name), this.clean.get(node.name)) ??
            enter(this.column(node.name), node.type),
        )
      case 'lit':
        return literal(node.value, node.type)
      case 'call':
        return this.call(node, isNanRead)
    }
  }

  private call(node: Extract<Resolved, { op: 'call' }>, isNanRead: boolean): Sql {
    const { spec } = node
    const pieces = node.args.map((arg) => this.argument(spec, arg))
    const types = node.args.map((arg) => arg.type)
    const values = node.args.map((arg) => (arg.op === 'lit' ? arg.value : undefined))
    const template =
      typeof spec.sql === 'string' ? spec.sql : spec.sql(pieces.length, node.literals, types, values)
    const written = this.share(template, pieces)
    return spec.nan && !isNanRead ? this.share(NAN_AS_NULL, [written]) : written
  }

  private argument(spec: FnSpec, arg: Resolved): Sql {
    if (arg.op === 'lit' && arg.value !== null && spec.sqlLiteral)
      return literal(spec.sqlLiteral(arg.value), 'string')
    return this.write(arg, spec.nan === 'passes')
  }

  private share(template: string, pieces: Sql[]): Sql {
    const shared = pieces.map((piece, i) => piece.text.length > REPEATED_CHARS_MAX && uses(template, i) > 1)
    const named = pieces.map((piece, i) => (shared[i] ? raw(`v${this.names++}`) : piece))
    return pieces.reduce(
      (body, piece, i) =>
        shared[i] ? fill(`list_transform([{0}], lambda ${named[i]!.text}: {1})[1]`, [piece, body]) : body,
      fill(template, named),
    )
  }
}

const uses = (template: string, index: number): number => template.split(`{${index}}`).length - 1

/** A column that needs nothing but to be widened; undefined for one that is not known to be clean. */
function cleanly(column: string, type: Column['type'] | undefined): string | undefined {
  if (type === undefined) return undefined
  if (type === 'int') return `CAST(${column} AS DOUBLE)`
  return type === 'date' ? `CAST(${column} AS TIMESTAMP)` : column
}

/** A column as its type: integers and decimals become doubles, NaN becomes missing, dates become times. */
function enter(column: string, type: Known): string {
  switch (type) {
    case 'number':
      return `nullif(CAST(${column} AS DOUBLE), 'nan'::DOUBLE)`
    case 'string':
      return `CASE WHEN ${isFraction(column)} THEN ${enterFraction(column)} ELSE CAST(${column} AS VARCHAR) END`
    case 'bool':
      return `CAST(${column} AS BOOLEAN)`
    case 'time':
      return `CAST(${column} AS TIMESTAMP)`
    case undefined:
      return `CASE WHEN ${isFraction(column)} AND isnan(TRY_CAST(${column} AS DOUBLE)) THEN NULL ELSE ${column} END`
  }
}

/** The engine knows a column's type when it plans, so this costs nothing per row. */
const isFraction = (column: string): string =>
  `(typeof(${column}) IN ('DOUBLE', 'FLOAT') OR starts_with(typeof(${column}), 'DECIMAL'))`

const enterFraction = (column: string): string =>
  fill(NUMBER_TEXT_SQL, [raw(`nullif(TRY_CAST(${column} AS DOUBLE), 'nan'::DOUBLE)`)]).text

const CASTS = { number: 'DOUBLE', string: 'VARCHAR', bool: 'BOOLEAN' } as const

function literal(value: SqlValue | Literal, type: Known): Sql {
  if (value === null)
    return raw(type === undefined ? 'NULL' : `CAST(NULL AS ${type === 'time' ? 'TIMESTAMP' : CASTS[type]})`)
  if (type === 'time')
    return { text: 'make_timestamp(CAST(? AS BIGINT))', params: [BigInt(Math.round(Number(value) * 1000))] }
  return { text: `CAST(? AS ${CASTS[type!]})`, params: [bindable(value)] }
}

/** The driver binds whole numbers as 64-bit integers; larger ones travel as their digits, which the cast reads back to the bit. */
function bindable(value: SqlValue): SqlValue {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value
}
