/** Where a request's values become a row: the one place that accepts Date and ISO texts for times, and refuses wrong types by name. */
import { excerpt, MillraceError } from '../core/errors.ts'
import type { Column, Schema } from '../core/records.ts'
import type { Row, Value } from './ast.ts'
import { parseIso } from './calendar.ts'
import { isWellFormed, wellFormed } from './text.ts'

/**
 * A row as closures and features take it, from one that came from outside: only the schema's columns, each of its type.
 *
 * - int, float: a number or bigint; int refuses fractions. NaN is missing. Texts are refused, also `"12"`.
 * - bool: true or false. string: a text; halves of surrogate pairs become U+FFFD. json: a text, or any JSON value, which becomes its text.
 * - time, date: Date, epoch milliseconds, or an ISO 8601 text (UTC without an offset); becomes epoch milliseconds; a date is cut to its day.
 * - null, undefined and absent: missing, also where the schema says not nullable, since models answer rows with gaps.
 * Errors: MR_EXPR_VALUE. Cost: O(columns of the schema).
 */
export function coerceRow(schema: Schema, row: Row): Record<string, Value> {
  return rowCoercer(schema)(row)
}

/** `coerceRow` for many rows of one schema. */
export function rowCoercer(schema: Schema): (row: Row) => Record<string, Value> {
  const fields = schema.columns.map((column) => ({ name: column.name, coerce: COERCE[column.type] }))
  return (row) => {
    const out: Record<string, Value> = {}
    for (const { name, coerce } of fields) {
      const v = row[name]
      out[name] = v === null || v === undefined ? null : coerce(name, v)
    }
    return out
  }
}

const COERCE: Record<Column['type'], (name: string, v: unknown) => Value> = {
  int: (name, v) => {
    const n = numberOf(name, v, 'a whole number')
    if (n === null || Number.isInteger(n)) return n
    throw wrong(name, 'a whole number', v)
  },
  float: (name, v) => numberOf(name, v, 'a number'),
  bool: (name, v) => {
    if (typeof v === 'boolean') return v
    throw wrong(name, 'true or false', v)
  },
  string: (name, v) => {
    if (typeof v === 'string') return isWellFormed(v) ? v : wellFormed(v)
    throw wrong(name, 'a string', v)
  },
  json: (_, v) => (typeof v === 'string' ? v : JSON.stringify(v)),
  time: timeOf,
  date: (name, v) => {
    const ms = timeOf(name, v)
    return ms === null ? null : Math.floor((ms as number) / 86_400_000) * 86_400_000
  },
}

function numberOf(name: string, v: unknown, expected: string): number | null {
  if (typeof v === 'bigint') return Number(v)
  if (typeof v !== 'number') throw wrong(name, expected, v)
  return Number.isNaN(v) ? null : v
}

/** Farthest instants that ECMAScript's Date has, in milliseconds from 1970. */
const TIME_MS_MAX = 8.64e15

function timeOf(name: string, v: unknown): Value {
  if (v instanceof Date) return Number.isNaN(v.getTime()) ? null : v.getTime()
  const ms = typeof v === 'string' ? parseIso(v) : typeof v === 'number' ? v : null
  if (ms !== null && Math.abs(ms) <= TIME_MS_MAX) return Math.round(ms * 1000) / 1000
  throw wrong(name, 'a time: ISO 8601 such as 2001-04-01T12:00:00Z, or epoch milliseconds', v)
}

function wrong(column: string, expected: string, v: unknown): MillraceError {
  const got =
    typeof v === 'string'
      ? `the text ${JSON.stringify(excerpt(v, 24))}`
      : typeof v === 'object'
        ? `a ${Array.isArray(v) ? 'list' : 'object'}`
        : `${typeof v} ${String(v)}`
  return new MillraceError('MR_EXPR_VALUE', { column, expected, got })
}
