/** The typed way to write expressions: `col('date').hour()`, `col('delay').gt(15)`. Each call returns a new, immutable `Expr` around a plain node. */
import { MillraceError } from '../core/errors.ts'
import type { ExprNode, FitNode } from './ast.ts'
import { parseIso, type TruncateUnit } from './calendar.ts'
import type { FnName } from './functions/index.ts'

/** Type of a column that is read by name alone: it fits every place, and the data decide. */
// biome-ignore lint/suspicious/noExplicitAny: a column fits every argument; its real type is checked against the schema
export type Anything = any

/** What may be written where a value of type T is needed: another expression, or a plain value. A time may be an ISO 8601 text. */
export type Input<T> = Expr<T, string> | Plain<T>
type Plain<T> = T extends boolean
  ? boolean
  : T extends number
    ? number
    : T extends string
      ? string
      : T extends Date
        ? Date | string
        : never

/** Columns that an argument reads. */
export type ColumnsIn<I> = I extends { readonly '~columns': infer C extends string } ? C : never

export type TimeUnit = TruncateUnit
export type DiffUnit = 'ms' | 'second' | 'minute' | 'hour' | 'day' | 'week'
/** `zone`: IANA name of the place whose clock is read; UTC without it. */
export interface ZoneOption {
  zone?: string
}

/**
 * An expression that yields a T and reads the columns `Cols`. `node` is its plain form; nothing else is kept.
 * The semantics are stated in `ast.ts`: missing is null and spreads, division by zero is missing, times are UTC instants.
 */
export class Expr<T = unknown, Cols extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~type': T
  /** Exists for the type checker alone. */
  declare readonly '~columns': Cols
  readonly node: ExprNode

  constructor(node: ExprNode) {
    this.node = node
    Object.freeze(this)
  }

  /** The plain form, so that an expression inside a config is written as JSON by itself. */
  toJSON(): ExprNode {
    return this.node
  }

  // ---- comparison

  eq<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('eq', this, other)
  }
  ne<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('ne', this, other)
  }
  lt<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('lt', this, other)
  }
  le<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('le', this, other)
  }
  gt<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('gt', this, other)
  }
  ge<I extends Input<T>>(other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('ge', this, other)
  }
  /** Both ends included. */
  between<L extends Input<T>, H extends Input<T>>(
    low: L,
    high: H,
  ): Expr<boolean, Cols | ColumnsIn<L> | ColumnsIn<H>> {
    return call('between', this, low, high)
  }
  isIn(values: readonly Plain<T>[]): Expr<boolean, Cols> {
    return call('isIn', this, ...values)
  }

  // ---- booleans

  and<I extends Input<boolean>>(this: Expr<boolean, Cols>, other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('and', this, other)
  }
  or<I extends Input<boolean>>(this: Expr<boolean, Cols>, other: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('or', this, other)
  }
  not(this: Expr<boolean, Cols>): Expr<boolean, Cols> {
    return call('not', this)
  }

  // ---- missing values

  isNull(): Expr<boolean, Cols> {
    return call('isNull', this)
  }
  notNull(): Expr<boolean, Cols> {
    return call('notNull', this)
  }
  /** This value, or the other where this is missing. */
  ifNull<I extends Input<T>>(other: I): Expr<T, Cols | ColumnsIn<I>> {
    return call('coalesce', this, other)
  }
  /** Missing where this equals the other. */
  nullIf<I extends Input<T>>(other: I): Expr<T, Cols | ColumnsIn<I>> {
    return call('nullIf', this, other)
  }

  // ---- numbers

  add<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('add', this, other)
  }
  sub<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('sub', this, other)
  }
  mul<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('mul', this, other)
  }
  /** Missing where the other is 0. */
  div<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('div', this, other)
  }
  /** Remainder with the sign of this; missing where the other is 0. */
  mod<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('mod', this, other)
  }
  pow<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('pow', this, other)
  }
  neg(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('neg', this)
  }
  abs(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('abs', this)
  }
  sign(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('sign', this)
  }
  floor(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('floor', this)
  }
  ceil(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('ceil', this)
  }
  /** Halves away from zero. */
  round(this: Expr<number, Cols>, digits = 0): Expr<number, Cols> {
    return call('round', this, digits)
  }
  sqrt(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('sqrt', this)
  }
  exp(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('exp', this)
  }
  ln(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('ln', this)
  }
  log1p(this: Expr<number, Cols>): Expr<number, Cols> {
    return call('log1p', this)
  }
  /** The smaller of this and the other; missing when either is. */
  min<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('min', this, other)
  }
  /** The greater of this and the other; missing when either is. */
  max<I extends Input<number>>(this: Expr<number, Cols>, other: I): Expr<number, Cols | ColumnsIn<I>> {
    return call('max', this, other)
  }
  clamp(this: Expr<number, Cols>, low: number, high: number): Expr<number, Cols> {
    return call('clamp', this, low, high)
  }
  /** Number of the equal-width interval, counted from `origin`. */
  bucket(this: Expr<number, Cols>, width: number, origin = 0): Expr<number, Cols> {
    return call('bucket', this, width, origin)
  }
  /** Number of the interval between ascending edges: 0 below the first. */
  bin(this: Expr<number, Cols>, edges: readonly number[]): Expr<number, Cols> {
    return call('bin', this, ...edges)
  }

  // ---- text

  lower(this: Expr<string, Cols>): Expr<string, Cols> {
    return call('lower', this)
  }
  upper(this: Expr<string, Cols>): Expr<string, Cols> {
    return call('upper', this)
  }
  trim(this: Expr<string, Cols>): Expr<string, Cols> {
    return call('trim', this)
  }
  /** Number of code points. */
  length(this: Expr<string, Cols>): Expr<number, Cols> {
    return call('length', this)
  }
  contains<I extends Input<string>>(this: Expr<string, Cols>, part: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('contains', this, part)
  }
  startsWith<I extends Input<string>>(this: Expr<string, Cols>, part: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('startsWith', this, part)
  }
  endsWith<I extends Input<string>>(this: Expr<string, Cols>, part: I): Expr<boolean, Cols | ColumnsIn<I>> {
    return call('endsWith', this, part)
  }
  /** Whether the pattern is found anywhere; the common part of RE2 and ECMAScript, without flags. */
  matches(this: Expr<string, Cols>, pattern: string | RegExp): Expr<boolean, Cols> {
    return call('matches', this, typeof pattern === 'string' ? pattern : sourceOf(pattern))
  }
  replace<P extends Input<string>, B extends Input<string>>(
    this: Expr<string, Cols>,
    part: P,
    by: B,
  ): Expr<string, Cols | ColumnsIn<P> | ColumnsIn<B>> {
    return call('replace', this, part, by)
  }
  /** Code points from `start` up to, not including, `end`. */
  slice(this: Expr<string, Cols>, start: number, end = 1_000_000): Expr<string, Cols> {
    return call('slice', this, start, end)
  }
  concat<I extends readonly Input<string>[]>(
    this: Expr<string, Cols>,
    ...others: I
  ): Expr<string, Cols | ColumnsIn<I[number]>> {
    return call('concat', this, ...others)
  }
  /** One part between separators, counted from 0. */
  splitPart(this: Expr<string, Cols>, separator: string, index: number): Expr<string, Cols> {
    return call('splitPart', this, separator, index)
  }
  /** Stable bucket in [0, n), equal on every engine. */
  hashBucket(this: Expr<string, Cols>, n: number): Expr<number, Cols> {
    return call('hashBucket', this, n)
  }

  // ---- times

  year(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('year', local(this, options))
  }
  quarter(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('quarter', local(this, options))
  }
  month(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('month', local(this, options))
  }
  day(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('day', local(this, options))
  }
  hour(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('hour', local(this, options))
  }
  minute(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('minute', local(this, options))
  }
  second(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('second', local(this, options))
  }
  /** Monday 1 to Sunday 7. */
  weekday(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('weekday', local(this, options))
  }
  dayOfYear(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('dayOfYear', local(this, options))
  }
  /** ISO week. */
  week(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('week', local(this, options))
  }
  /** Year that the ISO week belongs to. */
  isoYear(this: Expr<Date, Cols>, options: ZoneOption = {}): Expr<number, Cols> {
    return call('isoYear', local(this, options))
  }
  /** Start of the unit; with a zone, on that place's wall clock. */
  truncate(this: Expr<Date, Cols>, unit: TimeUnit, options: ZoneOption = {}): Expr<Date, Cols> {
    return call('truncate', local(this, options), unit)
  }
  /** Elapsed time since another instant, with fractions. */
  diff<I extends Input<Date>>(
    this: Expr<Date, Cols>,
    since: I,
    unit: DiffUnit,
  ): Expr<number, Cols | ColumnsIn<I>> {
    return call('diff', this, timeOf(since), unit)
  }
  /** Seconds since 1970. */
  epoch(this: Expr<Date, Cols>): Expr<number, Cols> {
    return call('epoch', this)
  }
  /** A place's wall clock at this instant. */
  inZone(this: Expr<Date, Cols>, zone: string): Expr<Date, Cols> {
    return call('inZone', this, zone)
  }
  /** The instant at which a place's wall clock shows this. */
  fromZone(this: Expr<Date, Cols>, zone: string): Expr<Date, Cols> {
    return call('fromZone', this, zone)
  }

  // ---- casts

  number(this: Expr<number | boolean, Cols>): Expr<number, Cols> {
    return call('number', this)
  }
  bool(this: Expr<number | boolean, Cols>): Expr<boolean, Cols> {
    return call('bool', this)
  }
  string(this: Expr<string | number | boolean, Cols>): Expr<string, Cols> {
    return call('string', this)
  }
  /** The number a text spells, missing when it spells none. */
  tryNumber(this: Expr<string, Cols>): Expr<number, Cols> {
    return call('tryNumber', this)
  }

  // ---- learned steps

  /**
   * A category: each value gets a code, learned from the training rows, most frequent first. `max`: values kept (default: the limit
   * categoriesMax); the rest and unseen ones share one code of their own, missing stays missing.
   */
  category(this: Expr<string | number | boolean, Cols>, options: { max?: number } = {}): Fitted<Cols> {
    return new Fitted({ op: 'fit', fn: 'category', arg: this.node, params: given({ max: options.max }) })
  }
  /**
   * The mean of the target among the training rows of the same value, drawn towards the overall mean as if `smoothing` more rows had it
   * (default 20). Unseen values get the overall mean; missing stays missing. Training rows see means of other folds only.
   */
  rate(
    this: Expr<string | number | boolean, Cols>,
    options: { smoothing?: number; max?: number } = {},
  ): Fitted<Cols> {
    const params = given({ smoothing: options.smoothing, max: options.max })
    return new Fitted({ op: 'fit', fn: 'rate', arg: this.node, params })
  }
}

/** A feature whose state is learned from the training rows. It is a whole feature: nothing can be computed from it. */
export class Fitted<Cols extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~columns': Cols
  readonly node: FitNode

  constructor(node: FitNode) {
    this.node = node
    Object.freeze(this)
  }

  toJSON(): FitNode {
    return this.node
  }
}

/** A column of the data, by name. */
export function col<const K extends string>(name: K): Expr<Anything, K> {
  return new Expr({ op: 'col', name })
}

/** A plain value. */
export function lit(value: number): Expr<number, never>
export function lit(value: string): Expr<string, never>
export function lit(value: boolean): Expr<boolean, never>
export function lit(value: Date): Expr<Date, never>
export function lit(value: null): Expr<Anything, never>
export function lit(value: null | number | string | boolean | Date): Expr<Anything, never> {
  return new Expr(nodeOf(value))
}

/** An instant: ISO 8601 (UTC without an offset), Date, or epoch milliseconds. Errors: MR_EXPR_LITERAL. */
export function time(value: string | number | Date): Expr<Date, never> {
  return new Expr({ op: 'lit', value: millisOf(value), type: 'time' })
}

/** The first of several expressions that is not missing. */
export function coalesce<T, C extends string>(
  first: Expr<T, C>,
  ...others: Input<T>[]
): Expr<T, C | ColumnsIn<(typeof others)[number]>> {
  return call('coalesce', first, ...others)
}

/** Begins a branch: `when(col('age').lt(18)).then('minor').otherwise('adult')`. */
export function when<C extends string>(condition: Expr<boolean, C>): Condition<never, C> {
  return new Condition([], condition.node)
}

type Branch<V> =
  V extends Expr<infer T, string>
    ? T
    : V extends boolean
      ? boolean
      : V extends number
        ? number
        : V extends string
          ? string
          : V
type BranchValue = Expr<Anything, string> | number | string | boolean | Date | null

/** A condition that waits for its value. */
export class Condition<T, Cols extends string> {
  private readonly done: ExprNode[]
  private readonly condition: ExprNode

  constructor(done: ExprNode[], condition: ExprNode) {
    this.done = done
    this.condition = condition
  }

  // biome-ignore lint/suspicious/noThenProperty: the word of every query language; a condition is never awaited
  then<V extends BranchValue>(value: V): Branches<T | Branch<V>, Cols | ColumnsIn<V>> {
    return new Branches([...this.done, this.condition, nodeOf(value)])
  }
}

/** Branches so far. Without `otherwise`, rows where no condition is true are missing. */
export class Branches<T, Cols extends string> extends Expr<T, Cols> {
  constructor(parts: ExprNode[]) {
    super({ op: 'call', fn: 'case', args: parts })
  }

  private get parts(): ExprNode[] {
    return (this.node as Extract<ExprNode, { op: 'call' }>).args
  }

  when<C extends string>(condition: Expr<boolean, C>): Condition<T, Cols | C> {
    return new Condition(this.parts, condition.node)
  }

  otherwise<V extends BranchValue>(value: V): Expr<T | Branch<V>, Cols | ColumnsIn<V>> {
    return new Expr({ op: 'call', fn: 'case', args: [...this.parts, nodeOf(value)] })
  }
}

function call<T, C extends string>(fn: FnName, ...args: unknown[]): Expr<T, C> {
  return new Expr({ op: 'call', fn, args: args.map(nodeOf) })
}

function local<C extends string>(at: Expr<Date, C>, { zone }: ZoneOption): Expr<Date, C> {
  return zone === undefined ? at : at.inZone(zone)
}

/** The plain node of an expression or value. Errors: MR_EXPR_LITERAL for what is neither. */
export function nodeOf(value: unknown): ExprNode {
  if (value instanceof Expr) return value.node
  if (value instanceof Date) return { op: 'lit', value: millisOf(value), type: 'time' }
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return { op: 'lit', value }
  if (typeof value === 'number' && Number.isFinite(value))
    return { op: 'lit', value: value === 0 ? 0 : value }
  const got =
    typeof value === 'number'
      ? String(value)
      : value instanceof Fitted
        ? `${value.node.fn}(), which learns`
        : typeof value
  throw new MillraceError('MR_EXPR_LITERAL', {
    fn: 'expression',
    arg: 'value',
    expected: 'an expression, finite number, string, boolean, Date or null',
    got,
  })
}

function timeOf(value: unknown): unknown {
  return typeof value === 'string' ? time(value) : value
}

function millisOf(value: string | number | Date): number {
  const ms = typeof value === 'string' ? parseIso(value) : Number(value)
  if (ms !== null && Number.isFinite(ms)) return ms
  const expected = 'an ISO 8601 date or time such as 2001-04-01 or 2001-04-01T12:00:00Z'
  throw new MillraceError('MR_EXPR_LITERAL', { fn: 'time', arg: 'value', expected, got: String(value) })
}

function sourceOf(pattern: RegExp): string {
  const flags = pattern.flags.replace('u', '')
  if (flags === '') return pattern.source
  const why = `it has the flag "${flags}", and patterns here have none`
  throw new MillraceError('MR_EXPR_REGEX', { pattern: pattern.source, at: pattern.source.length + 1, why })
}

function given(params: Record<string, number | undefined>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, number] => entry[1] !== undefined),
  )
}
