/** Expressions as JavaScript: compiled once to nested closures, then called for each row. No code is generated from text. */
import { MillraceError } from '../core/errors.ts'
import type { Schema } from '../core/records.ts'
import type { ExprNode, Row, Value } from './ast.ts'
import type { Fn, FnSpec } from './functions/spec.ts'
import { type Known, type Resolved, resolve, resolveKey } from './resolve.ts'
import { numberText } from './text.ts'

export interface ClosureOptions {
  /** Columns of the data, which settles types where the expression alone does not. */
  schema?: Schema
  expect?: Known
  place?: string
}

/**
 * An expression as a function of one row. Rows hold numbers, strings, booleans, times as epoch milliseconds or Date, and null or undefined
 * for missing; a value of another type throws MR_EXPR_VALUE (`coerceRow` turns requests into such rows).
 * Errors: as `typeOf`. Cost: tens of nanoseconds a call for small expressions.
 */
export function toClosure(node: ExprNode, options: ClosureOptions = {}): (row: Row) => Value {
  return compile(resolve(node, options))
}

/** What a learned step groups by, as text. */
export function keyToClosure(node: ExprNode, options: ClosureOptions = {}): (row: Row) => string | null {
  const value = compile(resolveKey(node, options))
  return (row) => {
    const v = value(row)
    if (v === null || typeof v === 'string') return v
    return typeof v === 'number' ? numberText(v) : String(v)
  }
}

function compile(node: Resolved): Fn {
  switch (node.op) {
    case 'col':
      return column(node.name, node.type)
    case 'lit': {
      const { value } = node
      return () => value
    }
    case 'call':
      return call(node)
  }
}

function call(node: Extract<Resolved, { op: 'call' }>): Fn {
  const { spec } = node
  if (spec.closure) return spec.closure(node.args.map(compile), node.literals)
  if (spec.bind) {
    const bound = spec.bind(...(node.literals as never[]))
    return strict(
      bound as AnyFn,
      node.args.slice(0, node.args.length - node.literals.length).map(compile),
      spec,
    )
  }
  return strict(spec.js as AnyFn, node.args.map(compile), spec)
}

type AnyFn = (...values: (boolean | number | string)[]) => Value

/** Missing in, missing out; and NaN out is missing. */
function strict(fn: AnyFn, args: Fn[], spec: FnSpec): Fn {
  const bare = strictOf(fn, args)
  if (!spec.nan) return bare
  return (row) => {
    const v = bare(row)
    return Number.isNaN(v) ? null : v
  }
}

function strictOf(fn: AnyFn, args: Fn[]): Fn {
  const [first, second] = args
  if (args.length === 1) {
    return (row) => {
      const a = first!(row)
      return a === null ? null : fn(a)
    }
  }
  if (args.length === 2) {
    return (row) => {
      const a = first!(row)
      if (a === null) return null
      const b = second!(row)
      return b === null ? null : fn(a, b)
    }
  }
  return (row) => {
    const values = new Array<boolean | number | string>(args.length)
    for (let i = 0; i < args.length; i++) {
      const v = args[i]!(row)
      if (v === null) return null
      values[i] = v
    }
    return fn(...values)
  }
}

function column(name: string, type: Known): Fn {
  switch (type) {
    case 'number':
      return (row) => {
        const v = row[name]
        return typeof v === 'number' ? (Number.isNaN(v) ? null : v) : enterNumber(name, v)
      }
    case 'string':
      return (row) => {
        const v = row[name]
        return typeof v === 'string' ? v : enterString(name, v)
      }
    case 'bool':
      return (row) => {
        const v = row[name]
        return typeof v === 'boolean' ? v : enterBool(name, v)
      }
    case 'time':
      return (row) => {
        const v = row[name]
        return typeof v === 'number' ? (Number.isNaN(v) ? null : v) : enterTime(name, v)
      }
    case undefined:
      return (row) => enterAny(name, row[name])
  }
}

function enterNumber(name: string, v: unknown): Value {
  if (v === null || v === undefined) return null
  if (typeof v === 'boolean' || typeof v === 'bigint') return Number(v)
  throw wrong(name, 'a number', v)
}

function enterString(name: string, v: unknown): Value {
  if (v === null || v === undefined) return null
  if (typeof v === 'number') return Number.isNaN(v) ? null : numberText(v)
  if (typeof v === 'boolean' || typeof v === 'bigint') return String(v)
  throw wrong(name, 'a string', v)
}

function enterBool(name: string, v: unknown): Value {
  if (v === null || v === undefined) return null
  throw wrong(name, 'true or false', v)
}

function enterTime(name: string, v: unknown): Value {
  if (v === null || v === undefined) return null
  if (v instanceof Date) return Number.isNaN(v.getTime()) ? null : v.getTime()
  throw wrong(name, 'a time in epoch milliseconds', v)
}

function enterAny(name: string, v: unknown): Value {
  if (v === null || v === undefined) return null
  if (typeof v === 'number') return Number.isNaN(v) ? null : v
  if (typeof v === 'string' || typeof v === 'boolean') return v
  if (typeof v === 'bigint') return Number(v)
  if (v instanceof Date) return enterTime(name, v)
  throw wrong(name, 'a number, string, boolean or time', v)
}

function wrong(column: string, expected: string, v: unknown): MillraceError {
  const got = Array.isArray(v) ? 'a list' : v === null ? 'null' : `a value of type ${typeof v}`
  return new MillraceError('MR_EXPR_VALUE', { column, expected, got })
}
