/** Aggregates: what `agg` and `window` make of many rows. Missing values take no part, unless one says otherwise. */

import { MillraceError } from '../core/errors.ts'
import type { ColumnType } from '../core/records.ts'
import { DUCK_VALUE } from '../engine/parts.ts'
import type { ExprNode } from '../expr/ast.ts'
import { type Anything, Expr } from '../expr/builder.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { typeOf } from '../expr/resolve.ts'
import { hasMoments, raw, type Sql, sql } from '../expr/sql.ts'
import { conditionSql, inFrame } from './conditions.ts'
import { clearOf, columnNamed, type FrameColumn, schemaOf } from './step.ts'

/** A column by its name, or an expression of columns. */
export type Of<T, C extends string> = C | Expr<T, C>

export interface AggregateNode {
  fn: string
  args: readonly ExprNode[]
  params: readonly number[]
  where?: ExprNode
}

/** An aggregate that yields a T and reads the columns `Cols`. Immutable. */
export class Aggregate<T = unknown, Cols extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~type': T
  /** Exists for the type checker alone. */
  declare readonly '~columns': Cols
  readonly node: AggregateNode

  constructor(node: AggregateNode) {
    this.node = node
    Object.freeze(this)
  }

  /** Of the rows for which it holds alone. */
  where<C extends string>(condition: Expr<boolean, C>): Aggregate<T, Cols | C> {
    return new Aggregate({ ...this.node, where: condition.node })
  }
}

const make = <T, C extends string>(
  fn: string,
  args: readonly Of<Anything, C>[],
  params: readonly number[] = [],
): Aggregate<T, C> => new Aggregate({ fn, args: args.map(nodeOfColumn), params })

export const nodeOfColumn = (of: Of<Anything, string>): ExprNode =>
  of instanceof Expr ? of.node : { op: 'col', name: of }

/** Rows; with a column, those that have a value. */
export function count(): Aggregate<number, never>
export function count<const C extends string>(of: Of<Anything, C>): Aggregate<number, C>
export function count(of?: Of<Anything, string>): Aggregate<number, string> {
  return of === undefined ? make('rows', []) : make('count', [of])
}
/** Sum; 0 of no values. Of whole numbers a whole number (MR_QUERY_FAILED beyond 64 bits); of booleans how many are true. */
export const sum = <const C extends string>(of: Of<number | boolean, C>): Aggregate<number, C> =>
  make('sum', [of])
export const mean = <const C extends string>(of: Of<number | boolean, C>): Aggregate<number | null, C> =>
  make('mean', [of])
export const product = <const C extends string>(of: Of<number, C>): Aggregate<number, C> =>
  make('product', [of])
/** Least of numbers, times, or texts by code point. */
export const min = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<T | null, C> =>
  make('min', [of])
export const max = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<T | null, C> =>
  make('max', [of])
/** Middle value; the mean of two. */
export const median = <const C extends string>(of: Of<number, C>): Aggregate<number | null, C> =>
  make('quantile', [of], [0.5])
/** Type 7 of Hyndman and Fan: between two values by straight line, as pandas and numpy have it by default (polars: `interpolation="linear"`). */
export const quantile = <const C extends string>(of: Of<number, C>, p: number): Aggregate<number | null, C> =>
  make('quantile', [of], [share(p, 'quantile')])
/** By a t-digest: little memory however many rows, an error of some per mille of rank. */
export const approxQuantile = <const C extends string>(
  of: Of<number, C>,
  p: number,
): Aggregate<number | null, C> => make('approxQuantile', [of], [share(p, 'approxQuantile')])
/** Sample deviation, by n − 1; missing of one value. Infinities take no part. */
export const std = <const C extends string>(of: Of<number, C>): Aggregate<number | null, C> =>
  make('std', [of])
/** Sample variance, by n − 1; missing of one value. Infinities take no part. */
export const variance = <const C extends string>(of: Of<number, C>): Aggregate<number | null, C> =>
  make('variance', [of])
/** Adjusted for the sample's size (G1), as pandas has it. */
export const skew = <const C extends string>(of: Of<number, C>): Aggregate<number | null, C> =>
  make('skew', [of])
/** Excess, adjusted for the sample's size (G2), as pandas has it. */
export const kurtosis = <const C extends string>(of: Of<number, C>): Aggregate<number | null, C> =>
  make('kurtosis', [of])
/** Distinct values. */
export const nUnique = <const C extends string>(of: Of<Anything, C>): Aggregate<number, C> =>
  make('nUnique', [of])
/** By HyperLogLog: little memory, an error of about 2 %. */
export const approxNUnique = <const C extends string>(of: Of<Anything, C>): Aggregate<number, C> =>
  make('approxNUnique', [of])
/** Rows without a value. */
export const nullCount = <const C extends string>(of: Of<Anything, C>): Aggregate<number, C> =>
  make('nullCount', [of])
/** Value of the first row, missing or not. */
export const first = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<T | null, C> =>
  make('first', [of])
/** Value of the last row, missing or not. */
export const last = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<T | null, C> =>
  make('last', [of])
/** All values in the order of rows, missing ones too. */
export const listOf = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<(T | null)[], C> =>
  make('listOf', [of])
/** The most frequent value; of several the least. */
export const mode = <const C extends string, T = Anything>(of: Of<T, C>): Aggregate<T | null, C> =>
  make('mode', [of])
export const any = <const C extends string>(of: Of<boolean, C>): Aggregate<boolean | null, C> =>
  make('any', [of])
export const all = <const C extends string>(of: Of<boolean, C>): Aggregate<boolean | null, C> =>
  make('all', [of])
/** Value of the row in which `by` is least; of several the first. */
export const minBy = <const C extends string, const D extends string>(
  of: Of<Anything, C>,
  by: Of<Anything, D>,
): Aggregate<Anything, C | D> => make('minBy', [of, by])
/** Value of the row in which `by` is greatest; of several the first. */
export const maxBy = <const C extends string, const D extends string>(
  of: Of<Anything, C>,
  by: Of<Anything, D>,
): Aggregate<Anything, C | D> => make('maxBy', [of, by])
/** Pearson's, of rows that have both. */
export const corr = <const C extends string, const D extends string>(
  a: Of<number, C>,
  b: Of<number, D>,
): Aggregate<number | null, C | D> => make('corr', [a, b])
/** Sample covariance, by n − 1. */
export const covariance = <const C extends string, const D extends string>(
  a: Of<number, C>,
  b: Of<number, D>,
): Aggregate<number | null, C | D> => make('covariance', [a, b])
/** Mean of `of` weighted by `by`, over rows that have both. */
export const weightedMean = <const C extends string, const D extends string>(
  of: Of<number, C>,
  by: Of<number, D>,
): Aggregate<number | null, C | D> => make('weightedMean', [of, by])

function share(p: number, fn: string): number {
  if (p >= 0 && p <= 1) return p
  throw new MillraceError('MR_FRAME_OPTION', {
    verb: fn,
    option: 'p',
    expected: 'a number from 0 to 1',
    got: String(p),
  })
}

/** An argument as SQL: a bare column in its own type, anything else as its expression. */
export interface Argument {
  sql: Sql
  type: ColumnType
  duck: string
}

export function argumentOf(node: ExprNode, columns: readonly FrameColumn[], verb: string): Argument {
  if (node.op === 'col') {
    const column = columnNamed(columns, node.name, verb)
    return { sql: raw(clearOf(column)), type: column.type, duck: column.duck }
  }
  const kind = typeOf(node, schemaOf(columns), verb)
  const type = kind === 'number' ? 'float' : kind
  return { sql: toDuckDb(node, { ...inFrame(columns), place: verb }), type, duck: DUCK_VALUE[type] }
}

interface Spec {
  /** Types that the first argument may have. */
  takes: readonly ColumnType[]
  yields: (type: Argument) => Pick<Argument, 'type' | 'duck'>
  /** `after`: what follows the engine's aggregate, a filter and a window. `place`: the column of the row's place. */
  sql: (args: Argument[], after: Sql, place: Sql, params: readonly number[]) => Sql
  /** Depends on the order of rows. */
  isOrdered?: true
}

const NUMBERS = ['int', 'float', 'bool'] as const
const ANY = ['bool', 'int', 'float', 'string', 'time', 'date', 'json'] as const
const ORDERED = ['bool', 'int', 'float', 'string', 'time', 'date'] as const

const float = () => ({ type: 'float', duck: 'DOUBLE' }) as const
const whole = () => ({ type: 'int', duck: 'BIGINT' }) as const
const bool = () => ({ type: 'bool', duck: 'BOOLEAN' }) as const
const same = ({ type, duck }: Argument) => ({ type, duck })

const double = ({ sql: x, type }: Argument): Sql => (type === 'float' ? x : sql`CAST(${x} AS DOUBLE)`)

/** Numbers of a size that has moments alone: the engine refuses a whole question for one infinity. */
const moment = (engine: string): Spec => ({
  takes: NUMBERS,
  yields: float,
  sql: ([x], after) => {
    const value = double(x!)
    const guard: Sql = { text: hasMoments(value.text), params: value.params }
    return sql`${engine}(CASE WHEN ${guard} THEN ${value} END)${after}`
  },
})

const two = (engine: string): Spec => ({
  takes: NUMBERS,
  yields: float,
  sql: ([a, b], after) => sql`nullif(${engine}(${double(a!)}, ${double(b!)})${after}, 'nan'::DOUBLE)`,
})

const plain = (engine: string): Spec => ({
  takes: ORDERED,
  yields: same,
  sql: ([x], after) => sql`${engine}(${x!.sql})${after}`,
})

export const AGGREGATES: Readonly<Record<string, Spec>> = {
  rows: { takes: ANY, yields: whole, sql: (_, after) => sql`count(*)${after}` },
  count: { takes: ANY, yields: whole, sql: ([x], after) => sql`count(${x!.sql})${after}` },
  sum: {
    takes: NUMBERS,
    yields: ({ type }) => (type === 'float' ? float() : whole()),
    sql: ([x], after) =>
      x!.type === 'float'
        ? sql`coalesce(sum(${x!.sql})${after}, 0)`
        : sql`CAST(coalesce(sum(CAST(${x!.sql} AS BIGINT))${after}, 0) AS BIGINT)`,
  },
  mean: {
    takes: NUMBERS,
    yields: float,
    sql: ([x], after) => (x!.type === 'bool' ? sql`avg(${double(x!)})${after}` : sql`avg(${x!.sql})${after}`),
  },
  product: {
    takes: NUMBERS,
    yields: float,
    sql: ([x], after) => sql`coalesce(product(${double(x!)})${after}, 1)`,
  },
  min: plain('min'),
  max: plain('max'),
  quantile: {
    takes: ['int', 'float', 'time'],
    yields: ({ type }) => (type === 'time' ? { type: 'time', duck: 'TIMESTAMP' } : float()),
    sql: ([x], after, _, [p, ...beside]) => {
      const value = x!.type === 'time' ? x!.sql : double(x!)
      if (beside.length === 0) return sql`quantile_cont(${value}, ${String(p)})${after}`
      const all = [...new Set([p!, ...beside])].sort((a, b) => a - b)
      return sql`(quantile_cont(${value}, [${all.join(', ')}])${after})[${String(all.indexOf(p!) + 1)}]`
    },
  },
  approxQuantile: {
    takes: NUMBERS,
    yields: float,
    sql: ([x], after, _, [p]) => sql`approx_quantile(${double(x!)}, ${String(p)})${after}`,
  },
  std: moment('stddev_samp'),
  variance: moment('var_samp'),
  skew: moment('skewness'),
  kurtosis: moment('kurtosis'),
  nUnique: { takes: ANY, yields: whole, sql: ([x], after) => sql`count(DISTINCT ${x!.sql})${after}` },
  approxNUnique: {
    takes: ANY,
    yields: whole,
    sql: ([x], after) => sql`approx_count_distinct(${x!.sql})${after}`,
  },
  nullCount: {
    takes: ANY,
    yields: whole,
    sql: ([x], after) => sql`CAST(coalesce(sum(CAST(${x!.sql} IS NULL AS INTEGER))${after}, 0) AS BIGINT)`,
  },
  first: {
    takes: ANY,
    yields: same,
    isOrdered: true,
    sql: ([x], after, place) => sql`arg_min_null(${x!.sql}, ${place})${after}`,
  },
  last: {
    takes: ANY,
    yields: same,
    isOrdered: true,
    sql: ([x], after, place) => sql`arg_max_null(${x!.sql}, ${place})${after}`,
  },
  listOf: {
    takes: ANY,
    yields: ({ duck }) => ({ type: 'json', duck: `${duck}[]` }),
    isOrdered: true,
    sql: ([x], after, place) => sql`list(${x!.sql} ORDER BY ${place})${after}`,
  },
  mode: {
    takes: ORDERED,
    yields: same,
    sql: ([x], after) =>
      sql`CASE WHEN count(${x!.sql})${after} > 0 THEN list_reduce(map_entries(histogram(${x!.sql})${after}), lambda "~a", "~b": CASE WHEN "~b".value > "~a".value THEN "~b" ELSE "~a" END).key END`,
  },
  any: { takes: ['bool'], yields: bool, sql: ([x], after) => sql`bool_or(${x!.sql})${after}` },
  all: { takes: ['bool'], yields: bool, sql: ([x], after) => sql`bool_and(${x!.sql})${after}` },
  minBy: {
    takes: ANY,
    yields: same,
    isOrdered: true,
    sql: ([x, by], after, place) =>
      sql`arg_min_null(${x!.sql}, CASE WHEN ${by!.sql} IS NOT NULL THEN row(${by!.sql}, ${place}) END)${after}`,
  },
  maxBy: {
    takes: ANY,
    yields: same,
    isOrdered: true,
    sql: ([x, by], after, place) =>
      sql`arg_max_null(${x!.sql}, CASE WHEN ${by!.sql} IS NOT NULL THEN row(${by!.sql}, -${place}) END)${after}`,
  },
  corr: two('corr'),
  covariance: two('covar_samp'),
  weightedMean: {
    takes: NUMBERS,
    yields: float,
    sql: ([x, by], after) => {
      const [v, w] = [double(x!), double(by!)]
      const weight = sql`sum(CASE WHEN ${v} IS NOT NULL THEN ${w} END)${after}`
      return sql`CASE WHEN ${weight} <> 0 THEN sum(${v} * ${w})${after} / ${weight} END`
    },
  },
}

export interface WrittenAggregate {
  sql: Sql
  type: ColumnType
  duck: string
}

/**
 * Quantiles of the same values know of one another, so that the engine gathers the values once: it takes aggregates that are written alike for one. What each of them yields stays the same.
 */
export function besideOthers(node: AggregateNode, all: readonly AggregateNode[]): AggregateNode {
  if (node.fn !== 'quantile') return node
  const ofSame = ({ fn, args, where }: AggregateNode) => JSON.stringify([fn, args, where])
  const others = all.filter((other) => other !== node && ofSame(other) === ofSame(node))
  return { ...node, params: [...node.params, ...others.flatMap(({ params }) => params)] }
}

export const isOrdered = ({ fn }: AggregateNode): boolean => AGGREGATES[fn]!.isOrdered === true

/** An aggregate as SQL over rows with a place. Errors: MR_FRAME_COLUMN, MR_FRAME_TYPE, those of expressions. */
export function aggregateSql(
  { fn, args, params, where }: AggregateNode,
  columns: readonly FrameColumn[],
  { verb, place, over, only }: { verb: string; place: string; over?: Sql; only?: Sql },
): WrittenAggregate {
  const spec = AGGREGATES[fn]!
  const given = args.map((arg) => argumentOf(arg, columns, verb))
  const [one] = given
  if (one && !spec.takes.includes(one.type))
    throw new MillraceError('MR_FRAME_TYPE', {
      verb: `${verb}: ${fn}`,
      expected: [...spec.takes],
      got: one.type,
    })
  const condition = where ? conditionSql(where, columns, verb) : only
  const filter = condition ? sql` FILTER (WHERE ${condition})` : raw('')
  const after = over ? sql`${filter} OVER (${over})` : filter
  return {
    sql: spec.sql(given, after, raw(place), params),
    ...spec.yields(one ?? { sql: raw(''), ...whole() }),
  }
}
