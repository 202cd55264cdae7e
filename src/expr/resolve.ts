/**
 * From an expression to one with every type known that can be: functions found, arguments counted and checked, literals checked and converted,
 * and for each column the type as which it enters. Both compilers read the result, so they cannot read an expression differently.
 */
import { excerpt, MillraceError } from '../core/errors.ts'
import type { Column, Schema } from '../core/records.ts'
import { EXPR_LIMITS, type ExprNode, type ExprType } from './ast.ts'
import { parseIso } from './calendar.ts'
import { closeNames } from './close-names.ts'
import { format } from './format.ts'
import { argAt, argTypeAt, FUNCTIONS, functionOf } from './functions/index.ts'
import type { FnSpec, Literal } from './functions/spec.ts'
import { checkLiteral } from './literals.ts'
import { isWellFormed } from './text.ts'

/** Type of a value; undefined when only the data can tell (a column without a schema, a missing literal). */
export type Known = ExprType | undefined

export type Resolved =
  | { op: 'col'; name: string; type: Known }
  | { op: 'lit'; value: null | Literal; type: Known }
  | { op: 'call'; fn: string; spec: FnSpec; args: Resolved[]; literals: Literal[]; type: Known }

export interface ResolveOptions {
  /** Columns of the data. With it, unknown columns and wrong types are refused; without it, a column is what its place needs. */
  schema?: Schema
  /** Type that the whole must have. */
  expect?: Known
  /** Where the expression stands, for messages: `models.late.features.hour`. */
  place?: string
}

const TYPE_OF_COLUMN = {
  int: 'number',
  float: 'number',
  bool: 'bool',
  string: 'string',
  json: 'string',
  time: 'time',
  date: 'time',
} as const satisfies Record<Column['type'], ExprType>

/** As what a column of the data enters an expression. */
const exprTypeOf = (type: Column['type']): ExprType => TYPE_OF_COLUMN[type]

/**
 * The type an expression yields on data with this schema.
 * Errors: MR_EXPR_UNKNOWN_COLUMN, MR_EXPR_TYPE, MR_EXPR_UNKNOWN_FUNCTION, MR_EXPR_ARGS, MR_EXPR_LITERAL, MR_EXPR_REGEX, MR_EXPR_ZONE, MR_EXPR_FIT, MR_EXPR_SIZE.
 */
export function typeOf(node: ExprNode, schema: Schema, place?: string): ExprType {
  if (node.op === 'fit') {
    resolveKey(node.arg, { schema, place })
    return 'number'
  }
  return resolve(node, { schema, place }).type ?? 'number'
}

/** Resolves an expression without learned steps. Errors: as `typeOf`. */
export function resolve(node: ExprNode, options: ResolveOptions = {}): Resolved {
  checkSize(node)
  return new Resolver(options).resolve(node, options.expect)
}

/** Resolves what a learned step groups by: text, number or boolean. */
export function resolveKey(node: ExprNode, options: ResolveOptions = {}): Resolved {
  const resolved = resolve(node, options)
  if (resolved.type === 'time') throw mismatch(node, 'string, number or bool', 'time', options.place)
  return resolved.type === undefined ? resolve(node, { ...options, expect: 'string' }) : resolved
}

function mismatch(node: ExprNode, expected: string, got: string, place?: string): MillraceError {
  return new MillraceError('MR_EXPR_TYPE', { expr: excerpt(format(node), 120), expected, got, place })
}

function checkSize(root: ExprNode): void {
  let nodes = 0
  const walk = (node: ExprNode, depth: number): void => {
    if (depth > EXPR_LIMITS.depthMax) {
      throw new MillraceError('MR_EXPR_SIZE', { what: 'levels of nesting', max: EXPR_LIMITS.depthMax })
    }
    if (++nodes > EXPR_LIMITS.nodesMax)
      throw new MillraceError('MR_EXPR_SIZE', { what: 'nodes', max: EXPR_LIMITS.nodesMax })
    if (node.op === 'call') for (const child of node.args) walk(child, depth + 1)
    else if (node.op === 'fit') walk(node.arg, depth + 1)
  }
  walk(root, 0)
}

class Resolver {
  private readonly options: ResolveOptions

  constructor(options: ResolveOptions) {
    this.options = options
  }

  resolve(node: ExprNode, expect: Known): Resolved {
    const resolved = this.bare(node, expect)
    if (expect !== undefined && resolved.type !== undefined && resolved.type !== expect) {
      throw mismatch(node, expect, resolved.type, this.options.place)
    }
    return resolved
  }

  private bare(node: ExprNode, expect: Known): Resolved {
    switch (node.op) {
      case 'col':
        return { op: 'col', name: node.name, type: this.columnType(node.name) ?? expect }
      case 'lit':
        return { op: 'lit', ...literalAs(node, expect) }
      case 'call':
        return this.call(node, expect)
      case 'fit':
        throw new MillraceError('MR_EXPR_FIT', { expr: excerpt(format(node), 120), fn: node.fn })
    }
  }

  private columnType(name: string): Known {
    if (this.options.schema === undefined) return undefined
    const column = this.options.schema.columns.find((c) => c.name === name)
    if (column !== undefined) return exprTypeOf(column.type)
    const columns = this.options.schema.columns.map((c) => c.name)
    const { place } = this.options
    throw new MillraceError('MR_EXPR_UNKNOWN_COLUMN', {
      column: name,
      close: closeNames(name, columns),
      columns,
      place,
    })
  }

  private call(node: Extract<ExprNode, { op: 'call' }>, expect: Known): Resolved {
    const spec = specOf(node.fn)
    checkCount(node.fn, spec, node.args.length)
    const shared = this.sharedType(node, spec) ?? (spec.result === 'T' ? expect : undefined)
    const args = node.args.map((arg, i) => this.argument(spec, arg, i, node.args.length, shared))
    const literals = literalsOf(node.fn, spec, args)
    return { op: 'call', fn: node.fn, spec, args, literals, type: spec.result === 'T' ? shared : spec.result }
  }

  private argument(spec: FnSpec, node: ExprNode, index: number, count: number, shared: Known): Resolved {
    const type = argTypeAt(spec, index, count)
    if (type !== 'any') return this.resolve(node, type === 'T' ? shared : type)
    const resolved = this.resolve(node, this.inferred(node) === undefined ? spec.accepts?.[0] : undefined)
    if (resolved.type !== undefined && spec.accepts && !spec.accepts.includes(resolved.type)) {
      throw mismatch(node, spec.accepts.join(' or '), resolved.type, this.options.place)
    }
    return resolved
  }

  /** What `T` is: the type of the first argument marked so that has one; literals are asked last, because a text may be meant as a time. */
  private sharedType(node: Extract<ExprNode, { op: 'call' }>, spec: FnSpec): Known {
    const marked = node.args.filter((_, i) => argTypeAt(spec, i, node.args.length) === 'T')
    const ordered = [...marked.filter((a) => a.op !== 'lit'), ...marked.filter((a) => a.op === 'lit')]
    for (const arg of ordered) {
      const type = this.inferred(arg)
      if (type !== undefined) return type
    }
    return undefined
  }

  private inferred(node: ExprNode): Known {
    if (node.op === 'col') return this.columnType(node.name)
    if (node.op === 'lit') return literalType(node)
    if (node.op === 'fit') return 'number'
    const spec = specOf(node.fn)
    return spec.result === 'T' ? this.sharedType(node, spec) : spec.result
  }
}

function specOf(fn: string): FnSpec {
  const spec = functionOf(fn)
  if (spec === undefined) {
    throw new MillraceError('MR_EXPR_UNKNOWN_FUNCTION', {
      fn: excerpt(fn),
      close: closeNames(fn, Object.keys(FUNCTIONS)),
    })
  }
  return spec
}

function checkCount(fn: string, spec: FnSpec, got: number): void {
  const fixed = spec.args.length
  const min = spec.restMin === undefined ? fixed : fixed - 1 + spec.restMin
  if (spec.restMin === undefined ? got === fixed : got >= min) return
  const expected = `${spec.restMin === undefined ? '' : 'at least '}${min} argument${min === 1 ? '' : 's'}`
  throw new MillraceError('MR_EXPR_ARGS', { fn, expected, got })
}

function literalType(node: Extract<ExprNode, { op: 'lit' }>): Known {
  if (node.value === null) return undefined
  if (node.type === 'time') return 'time'
  return typeof node.value === 'boolean' ? 'bool' : (typeof node.value as 'number' | 'string')
}

function literalAs(
  node: Extract<ExprNode, { op: 'lit' }>,
  expect: Known,
): { value: null | Literal; type: Known } {
  const type = literalType(node)
  const instant = expect === 'time' && type === 'string' ? parseIso(String(node.value)) : null
  if (instant !== null) return { value: instant, type: 'time' }
  const isSound =
    typeof node.value === 'string'
      ? isWellFormed(node.value)
      : typeof node.value !== 'number' || Number.isFinite(node.value)
  if (isSound) return { value: node.value, type: type ?? expect }
  const expected = typeof node.value === 'string' ? 'well-formed text' : 'a finite number'
  throw new MillraceError('MR_EXPR_LITERAL', {
    fn: 'lit',
    arg: 'value',
    expected,
    got: excerpt(String(node.value)),
  })
}

function literalsOf(fn: string, spec: FnSpec, args: Resolved[]): Literal[] {
  const literals: Literal[] = []
  args.forEach((arg, i) => {
    const at = argAt(spec, i)
    if (at.literal === undefined) return
    const value = arg.op === 'lit' ? arg.value : undefined
    const got =
      value === undefined ? 'an expression' : value === null ? 'null' : excerpt(JSON.stringify(value))
    const wrong = value == null ? 'a literal' : checkLiteral(at.literal, value)
    if (wrong !== undefined)
      throw new MillraceError('MR_EXPR_LITERAL', { fn, arg: at.name, expected: wrong, got })
    const last = literals.at(-1)
    if (spec.ascending && last !== undefined && (value as number) <= (last as number)) {
      throw new MillraceError('MR_EXPR_LITERAL', {
        fn,
        arg: at.name,
        expected: `a number above ${last}`,
        got,
      })
    }
    literals.push(value as Literal)
  })
  return literals
}
