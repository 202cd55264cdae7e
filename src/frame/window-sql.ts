/** Window functions as SQL. */
import { MillraceError } from '../core/errors.ts'
import type { ColumnType } from '../core/records.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { raw, type Sql, sql } from '../expr/sql.ts'
import { type Argument, aggregateSql, argumentOf, type WrittenAggregate } from './aggregates.ts'
import { inFrame } from './conditions.ts'
import { type FrameColumn, joined, type Term } from './step.ts'
import type { Extent, WindowNode } from './window-functions.ts'

/** Where a window function looks: groups, their order, and the place of rows, which decides between equals. */
export interface Over {
  columns: readonly FrameColumn[]
  groups: readonly Sql[]
  terms: readonly Term[]
  /** The single time that rows are ordered by; undefined when the order is another. */
  time?: Sql
  place: Sql
}

export function windowSql(node: WindowNode, over: Over): WrittenAggregate {
  switch (node.fn) {
    case 'rank':
      return node.method === 'average'
        ? { sql: averageRank(over), ...FLOAT }
        : { sql: wholeRank(node.method, over), ...WHOLE }
    case 'rowNumber':
      return { sql: sql`row_number() OVER (${strictly(over)})`, ...WHOLE }
    case 'percentRank':
      return { sql: sql`percent_rank() OVER (${loosely(over)})`, ...FLOAT }
    case 'cumeDist':
      return { sql: sql`cume_dist() OVER (${loosely(over)})`, ...FLOAT }
    case 'ntile':
      return { sql: sql`ntile(${String(node.n)}) OVER (${strictly(over)})`, ...WHOLE }
    case 'shift':
      return shifted(node, over)
    case 'diff':
    case 'pctChange':
      return changed(node, over)
    case 'fill':
      return filled(node, over)
    case 'running':
      return runningSql(node, over)
    case 'rolling':
      return rollingSql(node, over)
  }
}

const WHOLE: { type: ColumnType; duck: string } = { type: 'int', duck: 'BIGINT' }
const FLOAT: { type: ColumnType; duck: string } = { type: 'float', duck: 'DOUBLE' }

const partition = ({ groups }: Over): Sql =>
  groups.length > 0 ? sql`PARTITION BY ${joined(groups, ', ')} ` : raw('')

/** In the order given; rows equal in it are peers. */
function loosely(over: Over): Sql {
  if (over.terms.length === 0) return strictly(over)
  const terms = over.terms.map((term) => term.sql)
  return sql`${partition(over)}ORDER BY ${joined(terms, ', ')}`
}

/** In the order given, and by place where that does not decide. */
function strictly(over: Over): Sql {
  return sql`${partition(over)}ORDER BY ${joined([...over.terms.map((term) => term.sql), over.place], ', ')}`
}

/** Rows that are equal to this one in the order, of the same group. */
function peers(over: Over): Sql {
  const keys = [...over.groups, ...over.terms.map((term) => unordered(term.sql))]
  return sql`count(*) OVER (PARTITION BY ${joined(keys, ', ')})`
}

const unordered = ({ text, params }: Sql): Sql => ({
  text: text.replace(/ (ASC|DESC) NULLS (FIRST|LAST)$/, ''),
  params,
})

function wholeRank(method: 'min' | 'max' | 'dense' | 'first', over: Over): Sql {
  if (method === 'dense') return sql`dense_rank() OVER (${loosely(over)})`
  if (method === 'first') return sql`row_number() OVER (${strictly(over)})`
  const least = sql`rank() OVER (${loosely(over)})`
  return method === 'min' || over.terms.length === 0 ? least : sql`(${least} + ${peers(over)} - 1)`
}

function averageRank(over: Over): Sql {
  const least = sql`rank() OVER (${loosely(over)})`
  return over.terms.length === 0
    ? sql`CAST(${least} AS DOUBLE)`
    : sql`(${least} + (${peers(over)} - 1) / 2.0::DOUBLE)`
}

function shifted(node: Extract<WindowNode, { fn: 'shift' }>, over: Over): WrittenAggregate {
  const arg = argumentOf(node.arg, over.columns, 'window')
  const engine = node.rows < 0 ? 'lead' : 'lag'
  const otherwise = node.otherwise
    ? sql`, CAST(${toDuckDb(node.otherwise, inFrame(over.columns))} AS ${arg.duck})`
    : raw('')
  const value = sql`${engine}(${arg.sql}, ${String(Math.abs(node.rows))}${otherwise}) OVER (${strictly(over)})`
  return { sql: value, type: arg.type, duck: arg.duck }
}

function changed(node: Extract<WindowNode, { fn: 'diff' | 'pctChange' }>, over: Over): WrittenAggregate {
  const arg = numberArgument(node, over)
  const before = sql`lag(${arg.sql}, ${String(node.rows)}) OVER (${strictly(over)})`
  if (node.fn === 'diff') return { sql: sql`(${arg.sql} - ${before})`, type: arg.type, duck: arg.duck }
  const last = sql`CAST(${before} AS DOUBLE)`
  return { sql: sql`CASE WHEN ${last} <> 0 THEN ${arg.sql} / ${last} - 1 END`, ...FLOAT }
}

function numberArgument(node: Extract<WindowNode, { arg: unknown }>, over: Over): Argument {
  const arg = argumentOf(node.arg, over.columns, 'window')
  if (arg.type !== 'int' && arg.type !== 'float')
    throw new MillraceError('MR_FRAME_TYPE', {
      verb: `window: ${node.fn}`,
      expected: ['int', 'float'],
      got: arg.type,
    })
  return arg.type === 'int' ? { ...arg, sql: sql`CAST(${arg.sql} AS BIGINT)`, duck: 'BIGINT' } : arg
}

function filled(node: Extract<WindowNode, { fn: 'fill' }>, over: Over): WrittenAggregate {
  const arg = argumentOf(node.arg, over.columns, 'window')
  const value =
    node.from === 'before'
      ? sql`last_value(${arg.sql} IGNORE NULLS) OVER (${strictly(over)} ROWS UNBOUNDED PRECEDING)`
      : sql`first_value(${arg.sql} IGNORE NULLS) OVER (${strictly(over)} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)`
  return { sql: value, type: arg.type, duck: arg.duck }
}

function runningSql(node: Extract<WindowNode, { fn: 'running' }>, over: Over): WrittenAggregate {
  const rows = sql`${strictly(over)} ROWS UNBOUNDED PRECEDING`
  const figure = aggregateSql(node.aggregate, over.columns, {
    verb: 'window',
    place: over.place.text,
    over: rows,
  })
  if (node.aggregate.fn === 'count') return figure
  const arg = argumentOf(node.arg, over.columns, 'window')
  return { ...figure, sql: sql`CASE WHEN ${arg.sql} IS NOT NULL THEN ${figure.sql} END` }
}

function rollingSql(node: Extract<WindowNode, { fn: 'rolling' }>, over: Over): WrittenAggregate {
  const rows = extentSql(node.extent, over)
  const arg = argumentOf(node.arg, over.columns, 'window')
  const figure = aggregateSql(node.aggregate, over.columns, {
    verb: 'window',
    place: over.place.text,
    over: rows,
  })
  const enough = sql`count(${arg.sql}) OVER (${rows}) >= ${String(node.extent.valuesMin)}`
  return { ...figure, sql: sql`CASE WHEN ${enough} THEN ${figure.sql} END` }
}

function extentSql(extent: Extent, over: Over): Sql {
  if (extent.by === 'time') {
    if (!over.time)
      throw new MillraceError('MR_FRAME_OPTION', {
        verb: 'window',
        option: 'order',
        expected: 'one column of times, ascending, where rolling goes by time',
        got: over.terms.length === 0 ? 'no order' : 'another order',
      })
    const micros = String(Math.round(extent.lengthMs * 1000) - 1)
    return sql`${partition(over)}ORDER BY ${over.time} ASC NULLS LAST RANGE BETWEEN to_microseconds(${micros}) PRECEDING AND CURRENT ROW`
  }
  const after = extent.isCentred ? Math.floor((extent.rows - 1) / 2) : 0
  const before = extent.rows - 1 - after
  return sql`${strictly(over)} ROWS BETWEEN ${String(before)} PRECEDING AND ${String(after)} FOLLOWING`
}
