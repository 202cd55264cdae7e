/** What `window` puts beside each row: ranks, neighbours, running and rolling figures. An aggregate beside them is that of the whole group. */

import { MillraceError } from '../core/errors.ts'
import { type Duration, durationMs } from '../define/durations.ts'
import type { ExprNode } from '../expr/ast.ts'
import type { Anything } from '../expr/builder.ts'
import { type Aggregate, type AggregateNode, nodeOfColumn, type Of } from './aggregates.ts'

export type RankMethod = 'min' | 'max' | 'dense' | 'average' | 'first'

export type WindowNode =
  | { fn: 'rank'; method: RankMethod }
  | { fn: 'percentRank' | 'cumeDist' | 'rowNumber' }
  | { fn: 'ntile'; n: number }
  | { fn: 'shift'; arg: ExprNode; rows: number; otherwise?: ExprNode }
  | { fn: 'diff' | 'pctChange'; arg: ExprNode; rows: number }
  | { fn: 'fill'; arg: ExprNode; from: 'before' | 'after' }
  | { fn: 'running'; aggregate: AggregateNode; arg: ExprNode }
  | { fn: 'rolling'; aggregate: AggregateNode; arg: ExprNode; extent: Extent }

/** Rows that a rolling figure sees; half-open where it goes by time: `(t − length, t]`. */
export type Extent =
  | { by: 'rows'; rows: number; valuesMin: number; isCentred: boolean }
  | { by: 'time'; lengthMs: number; valuesMin: number }

/** A figure beside each row, that yields a T and reads the columns `Cols`. */
export class WindowFunction<T = unknown, Cols extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~type': T
  /** Exists for the type checker alone. */
  declare readonly '~columns': Cols
  readonly node: WindowNode

  constructor(node: WindowNode) {
    this.node = node
    Object.freeze(this)
  }
}

const of = <T, C extends string>(node: WindowNode): WindowFunction<T, C> => new WindowFunction(node)

/** Place in the order of the window, from 1; rows that are equal there share one. `min` (default, as SQL): the best place of them; `average` as pandas and Polars have it. */
export const rank = (method: RankMethod = 'min'): WindowFunction<number, never> => of({ fn: 'rank', method })
export const denseRank = (): WindowFunction<number, never> => of({ fn: 'rank', method: 'dense' })
/** (rank − 1) / (rows − 1). */
export const percentRank = (): WindowFunction<number, never> => of({ fn: 'percentRank' })
/** Share of rows that do not come after this one. */
export const cumeDist = (): WindowFunction<number, never> => of({ fn: 'cumeDist' })
/** Place from 1; no two rows share one. pandas: `cumcount() + 1`. */
export const rowNumber = (): WindowFunction<number, never> => of({ fn: 'rowNumber' })
/** Which of n nearly equal stretches of rows, from 1. */
export const ntile = (n: number): WindowFunction<number, never> =>
  of({ fn: 'ntile', n: atLeast('ntile', 'n', n, 1) })

/** Value `rows` rows before; missing, or `otherwise`, where there is none. pandas and Polars: `shift`. */
export const lag = <const C extends string>(
  column: Of<Anything, C>,
  rows = 1,
  otherwise?: number | string | boolean,
): WindowFunction<Anything, C> => shift(column, atLeast('lag', 'rows', rows, 0), otherwise)
/** Value `rows` rows after. */
export const lead = <const C extends string>(
  column: Of<Anything, C>,
  rows = 1,
  otherwise?: number | string | boolean,
): WindowFunction<Anything, C> => shift(column, -atLeast('lead', 'rows', rows, 0), otherwise)

function shift<C extends string>(
  column: Of<Anything, C>,
  rows: number,
  otherwise?: number | string | boolean,
): WindowFunction<Anything, C> {
  const arg = nodeOfColumn(column)
  return of({
    fn: 'shift',
    arg,
    rows,
    ...(otherwise !== undefined && { otherwise: { op: 'lit', value: otherwise } }),
  })
}

/** This value less that of `rows` rows before. */
export const diff = <const C extends string>(
  column: Of<number, C>,
  rows = 1,
): WindowFunction<number | null, C> =>
  of({ fn: 'diff', arg: nodeOfColumn(column), rows: atLeast('diff', 'rows', rows, 1) })
/** This value over that of `rows` rows before, less 1; missing where that is 0. */
export const pctChange = <const C extends string>(
  column: Of<number, C>,
  rows = 1,
): WindowFunction<number | null, C> =>
  of({ fn: 'pctChange', arg: nodeOfColumn(column), rows: atLeast('pctChange', 'rows', rows, 1) })

/** The newest value so far, where this is missing. */
export const forwardFill = <const C extends string>(column: Of<Anything, C>): WindowFunction<Anything, C> =>
  of({ fn: 'fill', arg: nodeOfColumn(column), from: 'before' })
/** The next value, where this is missing. */
export const backwardFill = <const C extends string>(column: Of<Anything, C>): WindowFunction<Anything, C> =>
  of({ fn: 'fill', arg: nodeOfColumn(column), from: 'after' })

const running =
  (fn: string) =>
  <const C extends string>(column: Of<number, C>): WindowFunction<number | null, C> => {
    const arg = nodeOfColumn(column)
    return of({ fn: 'running', arg, aggregate: { fn, args: [arg], params: [] } })
  }

/** Sum of the values so far; missing where this one is, as pandas and Polars have it. */
export const cumSum = running('sum')
export const cumMin = running('min')
export const cumMax = running('max')
export const cumMean = running('mean')
export const cumProduct = running('product')
/** Values so far. */
export const cumCount = running('count')

export interface RollingOptions {
  /** Length in rows, this one and those before. Give either this or `last`. */
  rows?: number
  /** Length in time, `'7d'`: rows later than this long before, up to this one. The window's order must be one time. */
  last?: Duration
  /** Values without which the figure is missing. Default: `rows` where the length is in rows, else 1. */
  min?: number
  /** The row stands in the middle of its rows; an even length has one more before than after. */
  center?: boolean
}

const rollingOf =
  (fn: string) =>
  <const C extends string>(
    column: Of<number, C>,
    options: RollingOptions,
  ): WindowFunction<number | null, C> => {
    const arg = nodeOfColumn(column)
    return of({ fn: 'rolling', arg, aggregate: { fn, args: [arg], params: [] }, extent: extentOf(options) })
  }

/** Figures over the rows before each row: `rolling.mean('sales', { rows: 7 })`, `rolling.sum('sales', { last: '7d' })`. */
export const rolling = {
  sum: rollingOf('sum'),
  mean: rollingOf('mean'),
  min: rollingOf('min'),
  max: rollingOf('max'),
  std: rollingOf('std'),
  variance: rollingOf('variance'),
  count: rollingOf('count'),
  /** By straight line between two values, as pandas has it. */
  quantile: <const C extends string>(
    column: Of<number, C>,
    p: number,
    options: RollingOptions,
  ): WindowFunction<number | null, C> => {
    const arg = nodeOfColumn(column)
    const aggregate = { fn: 'quantile', args: [arg], params: [p] }
    return of({ fn: 'rolling', arg, aggregate, extent: extentOf(options) })
  },
  median: <const C extends string>(
    column: Of<number, C>,
    options: RollingOptions,
  ): WindowFunction<number | null, C> => rolling.quantile(column, 0.5, options),
}

function extentOf({ rows, last, min, center = false }: RollingOptions): Extent {
  if ((rows === undefined) === (last === undefined))
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'rolling',
      option: 'rows or last',
      expected: 'one of both',
      got: rows === undefined ? 'neither' : 'both',
    })
  if (last !== undefined)
    return { by: 'time', lengthMs: durationMs(last, 'rolling.last'), valuesMin: min ?? 1 }
  const length = atLeast('rolling', 'rows', rows!, 1)
  return { by: 'rows', rows: length, valuesMin: min ?? length, isCentred: center }
}

function atLeast(verb: string, option: string, got: number, least: number): number {
  if (Number.isSafeInteger(got) && got >= least) return got
  throw new MillraceError('MR_FRAME_OPTION', {
    verb,
    option,
    expected: `a whole number, ${least} at least`,
    got: String(got),
  })
}

export type WindowItem<T, C extends string> = WindowFunction<T, C> | Aggregate<T, C>
