/** Long to wide and back. */
import { MillraceError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { quoted, raw, sql } from '../../expr/sql.ts'
import { AGGREGATES, type AggregateNode, aggregateSql } from '../aggregates.ts'
import {
  clearOf,
  columnNamed,
  type FrameColumn,
  joined,
  numbered,
  requireDistinct,
  type Step,
  type Term,
} from '../step.ts'

export interface PivotAsk {
  index: readonly string[]
  /** Its values become columns. */
  on: string
  /** What stands in the cells; the aggregate of the rows of a cell. */
  values: string
  agg: string
  /** The values that become columns, in their order. Default: all there are, ascending, found by a question of its own. */
  columns?: readonly (string | number | boolean)[]
}

/** A row for each value of the index, ordered by it; a column for each value of `on`. Cells without rows are missing. */
export function pivot(from: Step, ask: PivotAsk): Step {
  if (!AGGREGATES[ask.agg])
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'pivot',
      option: 'agg',
      expected: Object.keys(AGGREGATES).join(', '),
      got: ask.agg,
    })
  return {
    verb: 'pivot',
    async write(scope) {
      const input = await from.write(scope, [])
      const on = columnNamed(input.columns, ask.on, 'pivot')
      const keys = ask.index.map((name) => columnNamed(input.columns, name, 'pivot'))
      const names = ask.columns?.map(String) ?? (await valuesOf())
      const { body, place } = numbered(input)
      const node: AggregateNode = { fn: ask.agg, args: [{ op: 'col', name: ask.values }], params: [] }
      const cell = aggregateSql(node, input.columns, { verb: 'pivot', place: quoted(place) })
      const cells = names.map((name) => {
        const isHere = { text: `CAST(${clearOf(on)} AS VARCHAR) = CAST(? AS VARCHAR)`, params: [name] }
        const { sql: figure } = aggregateSql(node, input.columns, {
          verb: 'pivot',
          place: quoted(place),
          only: isHere,
        })
        return sql`CASE WHEN bool_or(${isHere}) THEN ${figure} END AS ${quoted(name)}`
      })
      const columns: FrameColumn[] = [
        ...keys.map(({ name, type, duck }) => ({ name, type, duck })),
        ...names.map((name) => ({ name, type: cell.type, duck: cell.duck })),
      ]
      requireDistinct(columns, 'pivot')
      const items = [...keys.map((key) => raw(`${clearOf(key)} AS ${quoted(key.name)}`)), ...cells]
      const by = keys.length > 0 ? ` GROUP BY ${keys.map((_, i) => i + 1).join(', ')}` : ''
      const terms = keys.map(
        ({ name }): Term => ({ sql: raw(`${quoted(name)} ASC NULLS LAST`), columns: [name] }),
      )
      return {
        body: sql`SELECT ${joined(items, ', ')} FROM (${body})${by}`,
        columns,
        ...(keys.length > 0 && { order: { terms, isTotal: true } }),
      }

      async function valuesOf(): Promise<string[]> {
        const rows = await scope.tables.rows<{ v: string }>(
          sql`SELECT CAST(v AS VARCHAR) AS v FROM (SELECT DISTINCT ${clearOf(on)} AS v FROM (${input.body})) WHERE v IS NOT NULL ORDER BY v LIMIT ${String(LIMITS.pivotColumnsMax + 1)}`,
          scope.signal,
        )
        if (rows.length > LIMITS.pivotColumnsMax)
          throw new MillraceError('MR_FRAME_WIDE', { column: ask.on, max: LIMITS.pivotColumnsMax })
        return rows.map(({ v }) => v)
      }
    },
  }
}

export interface UnpivotAsk {
  index: readonly string[]
  on: readonly string[]
  name: string
  value: string
}

/** A row for each of the columns `on` of a row, as `melt`; missing values too. Row by row, in the order of the columns. */
export function unpivot(from: Step, ask: UnpivotAsk): Step {
  return {
    verb: 'unpivot',
    async write(scope) {
      const input = await from.write(scope, [])
      const keys = ask.index.map((name) => columnNamed(input.columns, name, 'unpivot'))
      const all =
        ask.on.length > 0
          ? ask.on
          : input.columns.map(({ name }) => name).filter((name) => !ask.index.includes(name))
      const values = all.map((name) => columnNamed(input.columns, name, 'unpivot'))
      const common = commonType(values)
      const columns: FrameColumn[] = [
        ...keys,
        { name: ask.name, type: 'string', duck: 'VARCHAR' },
        { name: ask.value, ...common },
      ]
      requireDistinct(columns, 'unpivot')
      const { body, place } = numbered(input)
      const parts = values.map((column, i) => {
        const label = { text: 'CAST(? AS VARCHAR)', params: [column.name] }
        const items = [...keys.map(({ name }) => quoted(name)), quoted(place), `${i} AS "~column"`].join(', ')
        return sql`SELECT ${items}, ${label} AS ${quoted(ask.name)}, CAST(${clearOf(column)} AS ${common.duck}) AS ${quoted(ask.value)} FROM (${body})`
      })
      const list = columns.map(({ name }) => quoted(name)).join(', ')
      return {
        body: sql`SELECT ${list} FROM (${joined(parts, ' UNION ALL ')}) ORDER BY ${quoted(place)}, "~column"`,
        columns,
      }
    },
  }
}

function commonType(columns: readonly FrameColumn[]): Pick<FrameColumn, 'type' | 'duck'> {
  const types = new Set(columns.map(({ type }) => type))
  if (types.size === 1) {
    const [{ type, duck }] = columns as [FrameColumn]
    return type === 'int' ? { type, duck: 'BIGINT' } : { type, duck }
  }
  if ([...types].every((type) => type === 'int' || type === 'float')) return { type: 'float', duck: 'DOUBLE' }
  throw new MillraceError('MR_FRAME_TYPE', {
    verb: 'unpivot',
    expected: ['columns of one type'],
    got: [...types].join(', '),
  })
}
