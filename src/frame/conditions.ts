/** Comparisons of a column with literals: written so that files can be skipped by their statistics, and used to rule out parts of a version. */
import type { ColumnType } from '../core/records.ts'
import type { ExprNode } from '../expr/ast.ts'
import { parseIso } from '../expr/calendar.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { quoted, raw, type Sql } from '../expr/sql.ts'
import type { Compared, Comparison, Condition, Literal } from './condition-types.ts'
import { clearOf, type FrameColumn, joined, schemaOf } from './step.ts'

type Comparable = number | string | boolean

const FLIPPED: Record<Compared, Compared> = { eq: 'eq', lt: 'gt', le: 'ge', gt: 'lt', ge: 'le' }

/** The comparisons that all rows pass where the expression is true. Others of its parts are left out. */
export const conditionsOf = (node: ExprNode): Condition[] =>
  conjuncts(node).flatMap((part) => [...comparisonsOf(part), ...valuesOf(part)])

/** What asks for one of several values, or for any. */
function valuesOf(node: ExprNode): Condition[] {
  if (node.op !== 'call') return []
  const [first, ...rest] = node.args
  if (first?.op !== 'col') return []
  if (node.fn === 'notNull') return [{ column: first.name, op: 'present' }]
  const literals = rest.filter((arg): arg is Literal => arg.op === 'lit' && arg.value !== null)
  return node.fn === 'isIn' && rest.length > 0 && literals.length === rest.length
    ? [{ column: first.name, op: 'in', literals }]
    : []
}

function conjuncts(node: ExprNode): ExprNode[] {
  return node.op === 'call' && node.fn === 'and' ? node.args.flatMap(conjuncts) : [node]
}

function comparisonsOf(node: ExprNode): Comparison[] {
  if (node.op !== 'call') return []
  const [first, second, third] = node.args
  if (node.fn === 'between') return [comparison(first, second, 'ge'), comparison(first, third, 'le')].flat()
  if (!Object.hasOwn(FLIPPED, node.fn) || node.args.length !== 2) return []
  const op = node.fn as Compared
  return first?.op === 'lit' ? comparison(second, first, FLIPPED[op]) : comparison(first, second, op)
}

function comparison(left: ExprNode | undefined, right: ExprNode | undefined, op: Compared): Comparison[] {
  if (left?.op !== 'col' || right?.op !== 'lit' || right.value === null) return []
  return [{ column: left.name, op, literal: right }]
}

/** The literal as values of the column are; undefined where the comparison is of another kind, which the expression itself then judges. */
function comparableFor(type: ColumnType, { value, type: kind }: Literal): Comparable | undefined {
  if (type === 'int' || type === 'float')
    return kind !== 'time' && typeof value === 'number' ? value : undefined
  if (type === 'string') return typeof value === 'string' ? value : undefined
  if (type !== 'time' && type !== 'date') return undefined
  return kind === 'time'
    ? Number(value)
    : typeof value === 'string'
      ? (parseIso(value) ?? undefined)
      : undefined
}

/** The expression as a condition of SQL. Whole numbers are compared as such, so that statistics of files apply; the answers are those of the expression. */
export function conditionSql(node: ExprNode, columns: readonly FrameColumn[], place: string): Sql {
  toDuckDb(node, { ...inFrame(columns), expect: 'bool', place })
  return joined(
    conjuncts(node).map(
      (part) => nativeSql(part, columns) ?? toDuckDb(part, { ...inFrame(columns), expect: 'bool', place }),
    ),
    ' AND ',
  )
}

/** How expressions read the columns of a frame. */
export function inFrame(columns: readonly FrameColumn[]) {
  const byName = new Map(columns.map((column) => [column.name, column]))
  return {
    schema: schemaOf(columns),
    isClean: true,
    column: (name: string): string => {
      const column = byName.get(name)!
      return column.type === 'json' && column.duck !== 'VARCHAR'
        ? `CAST(to_json(${quoted(name)}) AS VARCHAR)`
        : clearOf(column)
    },
  }
}

const SIGNS: Record<Compared, string> = { eq: '=', lt: '<', le: '<=', gt: '>', ge: '>=' }

function nativeSql(node: ExprNode, columns: readonly FrameColumn[]): Sql | undefined {
  const found = comparisonsOf(node)
  const wanted = node.op === 'call' && node.fn === 'between' ? 2 : 1
  if (found.length !== wanted) return undefined
  const pieces = found.map((condition) =>
    native(
      condition,
      columns.find(({ name }) => name === condition.column),
    ),
  )
  return pieces.every((piece) => piece !== undefined) ? joined(pieces, ' AND ') : undefined
}

function native({ op, literal }: Comparison, column: FrameColumn | undefined): Sql | undefined {
  const value = column && comparableFor(column.type, literal)
  if (typeof value !== 'number') return undefined
  const { name, type, mayNan } = column!
  if (type === 'int') return wholeSql(quoted(name), op, value)
  if (type !== 'float' || !mayNan) return undefined
  const compared = `${quoted(name)} ${SIGNS[op]} CAST(? AS DOUBLE)`
  const isNanIn = op === 'gt' || op === 'ge'
  const text = isNanIn ? `(${compared} AND NOT isnan(${quoted(name)}))` : `(${compared})`
  return { text, params: [bindable(value)] }
}

const bindable = (value: number) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value

/** A whole number below 2^53 in size is a double exactly, so comparing it as a 64-bit integer gives what comparing doubles gives. */
function wholeSql(column: string, op: Compared, value: number): Sql | undefined {
  const bound = op === 'gt' || op === 'le' ? Math.floor(value) : Math.ceil(value)
  if (!Number.isSafeInteger(bound)) return undefined
  if (op === 'eq' && bound !== value) return raw(`(${column} IS NULL AND NULL)`)
  return { text: `(${column} ${SIGNS[op]} CAST(? AS BIGINT))`, params: [BigInt(bound)] }
}

/** Between which values those of a column lie: numbers, times in milliseconds; texts as bytes, perhaps cut. */
export type Ends =
  | { kind: 'number'; low: number; high: number }
  | { kind: 'text'; low: Uint8Array; high: Uint8Array }

/** Whether rows between `min` and `max`, as statistics say of a column of the type, can meet the condition. Texts may be cut there, so they always can. */
export function canHold(
  condition: Condition,
  {
    type,
    min,
    max,
  }: { type: ColumnType; min: number | string | undefined; max: number | string | undefined },
): boolean {
  if (typeof min !== 'number' || typeof max !== 'number') return true
  return canHoldBetween(condition, type, { kind: 'number', low: min, high: max })
}

/** Whether values of a column of the type that lie between the ends can meet the condition. */
export function canHoldBetween(condition: Condition, type: ColumnType, ends: Ends): boolean {
  if (condition.op === 'present') return true
  if (condition.op === 'in')
    return condition.literals.some((literal) => isWithin('eq', comparableFor(type, literal), ends))
  return isWithin(condition.op, comparableFor(type, condition.literal), ends)
}

/** What is of another kind than the ends is not judged. */
function isWithin(op: Compared, value: Comparable | undefined, ends: Ends): boolean {
  if (ends.kind === 'number' && typeof value === 'number')
    return reaches(op, order(ends.low, value), order(ends.high, value))
  if (ends.kind !== 'text' || typeof value !== 'string') return true
  const bytes = Buffer.from(value)
  return reaches(op, Buffer.compare(ends.low, bytes), Buffer.compare(ends.high, bytes))
}

const order = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : 0)

/** By how the ends lie to the value: below, at or above it. */
function reaches(op: Compared, low: number, high: number): boolean {
  if (op === 'eq') return low <= 0 && high >= 0
  if (op === 'lt') return low < 0
  if (op === 'le') return low <= 0
  return op === 'gt' ? high > 0 : high >= 0
}
