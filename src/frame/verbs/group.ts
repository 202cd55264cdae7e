/** Verbs that make one row of many. */
import { MillraceError } from '../../core/errors.ts'
import type { ExprNode } from '../../expr/ast.ts'
import { quoted, raw, type Sql, sql } from '../../expr/sql.ts'
import { type AggregateNode, aggregateSql, argumentOf, besideOthers, isOrdered } from '../aggregates.ts'
import { clean, type FrameColumn, joined, numbered, requireDistinct, type Step, type Term } from '../step.ts'

export interface GroupKey {
  name: string
  node: ExprNode
}

/** A row for each value of the keys (missing is one), ordered by them; without keys one row in all. */
export function aggregate(
  from: Step,
  keys: readonly GroupKey[],
  items: readonly (readonly [string, AggregateNode])[],
  isSorted = true,
): Step {
  return {
    verb: 'agg',
    async write(scope, wanted) {
      const groupNames = new Set(
        keys.flatMap(({ name, node }) => (node.op === 'col' && node.name === name ? [name] : [])),
      )
      const input = await from.write(
        scope,
        wanted.filter(({ column }) => groupNames.has(column)),
      )
      const needsPlace = items.some(([, node]) => isOrdered(node))
      const { body, place } = needsPlace ? numbered(input) : { body: input.body, place: '' }
      const grouped = keys.map((key) => keyItem(key, input.columns))
      const nodes = items.map(([, node]) => node)
      const made = items.map(([name, node]) => {
        const item = aggregateSql(besideOthers(node, nodes), input.columns, {
          verb: `agg "${name}"`,
          place: quoted(place),
        })
        return {
          column: { name, type: item.type, duck: item.duck },
          sql: sql`${item.sql} AS ${quoted(name)}`,
        }
      })
      const columns: FrameColumn[] = [...grouped, ...made].map(({ column }) => column)
      requireDistinct(columns, 'agg')
      if (columns.length === 0) throw new MillraceError('MR_FRAME_EMPTY', { verb: 'agg' })
      const list = joined(
        [...grouped, ...made].map((item) => item.sql),
        ', ',
      )
      const by = keys.length > 0 ? ` GROUP BY ${keys.map((_, i) => i + 1).join(', ')}` : ''
      const select = sql`SELECT ${list} FROM (${body})${by}`
      return {
        body: select,
        columns,
        ...(isSorted &&
          keys.length > 0 && { order: { terms: keys.map(({ name }) => ascending(name)), isTotal: true } }),
      }
    },
  }
}

function keyItem(
  { name, node }: GroupKey,
  columns: readonly FrameColumn[],
): { column: FrameColumn; sql: Sql } {
  const { sql: value, type, duck } = argumentOf(node, columns, 'groupBy')
  return { column: clean({ name, type, duck }), sql: sql`${value} AS ${quoted(name)}` }
}

const ascending = (name: string): Term => ({ sql: raw(`${quoted(name)} ASC NULLS LAST`), columns: [name] })

/** How often each value comes, most often first; equals by value. */
export function valueCounts(from: Step, names: readonly string[], countName: string): Step {
  const keys = names.map((name) => ({ name, node: { op: 'col', name } as ExprNode }))
  const counted = aggregate(from, keys, [[countName, { fn: 'rows', args: [], params: [] }]])
  return {
    verb: 'valueCounts',
    async write(scope, wanted) {
      const input = await counted.write(scope, wanted)
      const often: Term = { sql: raw(`${quoted(countName)} DESC`), columns: [countName] }
      return { ...input, order: { terms: [often, ...input.order!.terms], isTotal: true } }
    },
  }
}
