/** Verbs that take columns away, add, name and change them. */
import { MillraceError } from '../../core/errors.ts'
import type { ColumnType } from '../../core/records.ts'
import { DUCK_VALUE } from '../../engine/parts.ts'
import type { ExprNode } from '../../expr/ast.ts'
import { nodeOf } from '../../expr/builder.ts'
import { quoted, raw, type Sql, sql } from '../../expr/sql.ts'
import { argumentOf } from '../aggregates.ts'
import type { Condition } from '../condition-types.ts'
import { frameType as typed } from '../frame-types.ts'
import {
  clean,
  clearOf,
  columnNamed,
  type FrameColumn,
  joined,
  requireDistinct,
  type Step,
  settled,
  type Written,
} from '../step.ts'

interface Item {
  column: FrameColumn
  sql: Sql
  /** The input's column that goes through as it is. */
  from?: string
}

/** Writes items over an input; its order goes with them where all columns of the order go through. */
function project(input: Written, items: readonly Item[], verb: string): Written {
  const columns = items.map(({ column }) => column)
  requireDistinct(columns, verb)
  if (columns.length === 0) throw new MillraceError('MR_FRAME_EMPTY', { verb })
  const through = new Set(items.flatMap(({ from, column }) => (from === column.name ? [from] : [])))
  const goes = input.order?.terms.every((term) => term.columns.every((name) => through.has(name))) ?? true
  const body = sql`SELECT ${joined(
    items.map((item) => item.sql),
    ', ',
  )} FROM (${goes ? input.body : settled(input)})`
  return { body, columns, ...(goes && input.order && { order: input.order }) }
}

const kept = (column: FrameColumn): Item => ({ column, sql: raw(quoted(column.name)), from: column.name })

function computed(name: string, node: ExprNode, columns: readonly FrameColumn[], verb: string): Item {
  if (node.op === 'col') {
    const column = columnNamed(columns, node.name, verb)
    if (node.name === name) return kept(column)
    return {
      column: { ...clean(column), name },
      sql: raw(`${clearOf(column)} AS ${quoted(name)}`),
      from: node.name,
    }
  }
  const { sql: value, type, duck } = argumentOf(node, columns, `${verb} "${name}"`)
  return { column: { name, type, duck }, sql: sql`${value} AS ${quoted(name)}` }
}

/** Conditions whose columns are the same below. */
const sameBelow = (wanted: readonly Condition[], changed: (name: string) => boolean): Condition[] =>
  wanted.filter(({ column }) => !changed(column))

/** These columns alone, in this order. Texts name columns, expressions make new ones. */
export function select(from: Step, items: readonly (readonly [string, unknown])[]): Step {
  const nodes = items.map(([name, value]) => [name, nodeOf(value)] as const)
  const through = new Set(
    nodes.flatMap(([name, node]) => (node.op === 'col' && node.name === name ? [name] : [])),
  )
  return {
    verb: 'select',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, (name) => !through.has(name)),
      )
      const all = nodes.map(([name, node]) => computed(name, node, input.columns, 'select'))
      return project(input, all, 'select')
    },
  }
}

/** All columns, and these: new ones last, others in their place. Each sees the columns as they were. */
export function withColumns(from: Step, items: readonly (readonly [string, unknown])[]): Step {
  const nodes = new Map(items.map(([name, value]) => [name, nodeOf(value)]))
  return {
    verb: 'with',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, (name) => nodes.has(name)),
      )
      const item = (name: string) => computed(name, nodes.get(name)!, input.columns, 'with')
      const old = input.columns.map((column) => (nodes.has(column.name) ? item(column.name) : kept(column)))
      const known = new Set(input.columns.map(({ name }) => name))
      const added = [...nodes.keys()].filter((name) => !known.has(name)).map(item)
      return project(input, [...old, ...added], 'with')
    },
  }
}

export function rename(from: Step, names: Readonly<Record<string, string>>): Step {
  return {
    verb: 'rename',
    async write(scope, wanted) {
      const back = new Map(Object.entries(names).map(([old, now]) => [now, old]))
      const below = wanted.flatMap((condition) => {
        const old = back.get(condition.column)
        if (old !== undefined) return [{ ...condition, column: old }]
        return Object.hasOwn(names, condition.column) ? [] : [condition]
      })
      const input = await from.write(scope, below)
      for (const old of Object.keys(names)) columnNamed(input.columns, old, 'rename')
      const items = input.columns.map((column): Item => {
        const now = Object.hasOwn(names, column.name) ? names[column.name]! : column.name
        return {
          column: { ...column, name: now },
          sql: raw(`${quoted(column.name)} AS ${quoted(now)}`),
          from: column.name,
        }
      })
      return project(input, items, 'rename')
    },
  }
}

export function drop(from: Step, names: readonly string[]): Step {
  return {
    verb: 'drop',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, (name) => names.includes(name)),
      )
      for (const name of names) columnNamed(input.columns, name, 'drop')
      return project(input, input.columns.filter(({ name }) => !names.includes(name)).map(kept), 'drop')
    },
  }
}

/** Columns as other types. What is none of the type is an error of the engine (MR_QUERY_FAILED); fractions of floats that become whole are cut off. */
export function cast(from: Step, types: Readonly<Record<string, ColumnType>>): Step {
  return {
    verb: 'cast',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, (name) => Object.hasOwn(types, name)),
      )
      for (const name of Object.keys(types)) columnNamed(input.columns, name, 'cast')
      const items = input.columns.map((column) => {
        const to = Object.hasOwn(types, column.name) ? types[column.name]! : undefined
        if (to === undefined) return kept(column)
        const value = column.type === 'float' && to === 'int' ? `trunc(${clearOf(column)})` : clearOf(column)
        const text = `CAST(${value} AS ${DUCK_VALUE[to]}) AS ${quoted(column.name)}`
        return { column: { name: column.name, type: to, duck: DUCK_VALUE[to] }, sql: raw(text) }
      })
      return project(input, items, 'cast')
    },
  }
}

/** A value where there is none: one for all columns of its type, or one for each column. */
export function fillNull(from: Step, fill: unknown): Step {
  return {
    verb: 'fillNull',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, () => true),
      )
      const byName = isRecord(fill) ? fill : undefined
      for (const name of Object.keys(byName ?? {})) columnNamed(input.columns, name, 'fillNull')
      const items = input.columns.map((column): Item => {
        const value = byName ? byName[column.name] : fill
        if (value === undefined || (!byName && !suits(column.type, value))) return kept(column)
        return filledItem(column, nodeOf(value), input.columns)
      })
      return project(input, items, 'fillNull')
    },
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

function filledItem(column: FrameColumn, node: ExprNode, columns: readonly FrameColumn[]): Item {
  const { sql: value, type } = argumentOf(node, columns, `fillNull "${column.name}"`)
  if (!fits(column.type, type))
    throw new MillraceError('MR_FRAME_TYPE', {
      verb: `fillNull "${column.name}"`,
      expected: [column.type],
      got: type,
    })
  const whole = node.op === 'lit' && Number.isSafeInteger(node.value)
  const to: FrameColumn =
    column.type === 'int' && type === 'float' && !whole
      ? { name: column.name, type: 'float', duck: 'DOUBLE' }
      : clean(column)
  const text = sql`coalesce(CAST(${clearOf(column)} AS ${to.duck}), CAST(${value} AS ${to.duck})) AS ${quoted(column.name)}`
  return { column: to, sql: text }
}

function fits(column: ColumnType, value: ColumnType): boolean {
  const kinds: Partial<Record<ColumnType, string>> = {
    int: 'number',
    float: 'number',
    time: 'time',
    date: 'time',
  }
  return (kinds[column] ?? column) === (kinds[value] ?? value)
}

function suits(type: ColumnType, value: unknown): boolean {
  const node = nodeOf(value)
  if (node.op !== 'lit' || node.value === null) return false
  if (node.type === 'time') return type === 'time' || type === 'date'
  const js = typeof node.value
  return js === 'number'
    ? type === 'int' || type === 'float'
    : js === 'string'
      ? type === 'string'
      : type === 'bool'
}

/** Between edges as text: `cut` of pandas, `[a, b)` by default. */
export function cut(
  from: Step,
  name: string,
  {
    column,
    edges,
    labels,
    right = false,
  }: { column: string; edges: readonly number[]; labels?: readonly string[]; right?: boolean },
): Step {
  requireEdges(edges, labels)
  return {
    verb: 'cut',
    async write(scope, wanted) {
      const input = await from.write(
        scope,
        sameBelow(wanted, (one) => one === name),
      )
      const value = argumentOf({ op: 'col', name: column }, input.columns, 'cut')
      if (value.type !== 'int' && value.type !== 'float')
        throw new MillraceError('MR_FRAME_TYPE', { verb: 'cut', expected: ['int', 'float'], got: value.type })
      const arms = edges.slice(1).map((high, i) => armOf(value.sql, edges[i]!, high, labels?.[i], right))
      const item = {
        column: { name, type: 'string', duck: 'VARCHAR' } as FrameColumn,
        sql: sql`CASE ${joined(arms, ' ')} END AS ${quoted(name)}`,
      }
      const others = input.columns.filter((one) => one.name !== name).map(kept)
      return project(input, [...others, item], 'cut')
    },
  }
}

function armOf(value: Sql, low: number, high: number, label: string | undefined, right: boolean): Sql {
  const text = label ?? (right ? `(${low}, ${high}]` : `[${low}, ${high})`)
  const bounds: Sql = { text: 'CAST(? AS VARCHAR)', params: [text] }
  const [above, below] = right ? ['>', '<='] : ['>=', '<']
  return sql`WHEN ${value} ${above} ${edgeSql(low)} AND ${value} ${below} ${edgeSql(high)} THEN ${bounds}`
}

const edgeSql = (edge: number): Sql => ({ text: `CAST(? AS DOUBLE)`, params: [String(edge)] })

function requireEdges(edges: readonly number[], labels: readonly string[] | undefined): void {
  const rising = edges.length >= 2 && edges.every((edge, i) => i === 0 || edge > edges[i - 1]!)
  if (!rising)
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'cut',
      option: 'edges',
      expected: 'two or more numbers that rise',
      got: edges.join(', '),
    })
  if (labels && labels.length !== edges.length - 1)
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'cut',
      option: 'labels',
      expected: `${edges.length - 1}, one for each two edges`,
      got: String(labels.length),
    })
}

/** A row for each element of a list column; an empty or missing list gives one row without a value, as in pandas and Polars. */
export function explode(from: Step, name: string): Step {
  return {
    verb: 'explode',
    async write(scope) {
      const input = await from.write(scope, [])
      const column = columnNamed(input.columns, name, 'explode')
      const element = /^(.*)\[\d*\]$/.exec(column.duck)?.[1]
      if (element === undefined)
        throw new MillraceError('MR_FRAME_TYPE', { verb: 'explode', expected: ['a list'], got: column.type })
      const items = input.columns.map((one) =>
        one === column
          ? `unnest(CASE WHEN len(${quoted(name)}) > 0 THEN ${quoted(name)} ELSE [NULL] END) AS ${quoted(name)}`
          : quoted(one.name),
      )
      const columns = input.columns.map((one) =>
        one === column
          ? { name, ...typed(element), ...(typed(element).type === 'float' && { mayNan: true as const }) }
          : one,
      )
      return { body: sql`SELECT ${items.join(', ')} FROM (${settled(input)})`, columns }
    },
  }
}
