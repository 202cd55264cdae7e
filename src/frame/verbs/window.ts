/** Figures beside each row, of the rows of its group. */
import { quoted, raw, type Sql, sql } from '../../expr/sql.ts'
import { Aggregate, aggregateSql, argumentOf, nodeOfColumn, type Of } from '../aggregates.ts'
import { type Key, orderKey, termOf } from '../ordering.ts'
import { freeName, joined, list, requireDistinct, type Step, settled, type Written } from '../step.ts'
import type { WindowItem } from '../window-functions.ts'
import { type Over, windowSql } from '../window-sql.ts'

export interface WindowAsk {
  by: readonly Of<unknown, string>[]
  order: readonly Key<string>[]
}

/** Adds columns. Rows are looked at in the order asked for, else in theirs, and stay in theirs. */
export function windowed(
  from: Step,
  { by, order }: WindowAsk,
  items: readonly (readonly [string, WindowItem<unknown, string>])[],
): Step {
  return {
    verb: 'window',
    async write(scope, wanted) {
      const through = new Set(by.flatMap((key) => (typeof key === 'string' ? [key] : [])))
      const below = wanted.filter(
        ({ column }) => through.has(column) && !items.some(([name]) => name === column),
      )
      const input = await from.write(scope, below)
      const place = freeName(input.columns, '~place')
      const over = overOf(input, { by, order }, place)
      const made = items.map(([name, item]) => {
        const written =
          item instanceof Aggregate
            ? aggregateSql(item.node, input.columns, {
                verb: `window "${name}"`,
                place: quoted(place),
                over: whole(over),
              })
            : windowSql(item.node, over)
        return {
          column: { name, type: written.type, duck: written.duck },
          sql: sql`${written.sql} AS ${quoted(name)}`,
        }
      })
      const old = input.columns.filter(({ name }) => !items.some(([made]) => made === name))
      const columns = [...old, ...made.map(({ column }) => column)]
      requireDistinct(columns, 'window')
      const rows = sql`SELECT *, row_number() OVER () AS ${quoted(place)} FROM (${settled(input)})`
      const all = [raw(list([...old, { name: place }])), ...made.map((item) => item.sql)]
      const body = sql`SELECT ${list(columns)} FROM (SELECT ${joined(all, ', ')} FROM (${rows})) ORDER BY ${quoted(place)}`
      return { body, columns }
    },
  }
}

function overOf(input: Written, { by, order }: WindowAsk, place: string): Over {
  const { columns } = input
  const terms = order.map((key) => termOf(key, columns, 'window'))
  const [only] = order.length === 1 ? order.map(orderKey) : []
  const one = only && !only.isDescending ? argumentOf(only.node, columns, 'window') : undefined
  return {
    columns,
    groups: by.map((key) => argumentOf(nodeOfColumn(key), columns, 'window').sql),
    terms,
    place: raw(quoted(place)),
    ...(one && (one.type === 'time' || one.type === 'date') && { time: sql`CAST(${one.sql} AS TIMESTAMP)` }),
  }
}

const whole = ({ groups }: Over): Sql =>
  groups.length > 0 ? sql`PARTITION BY ${joined(groups, ', ')}` : raw('')
