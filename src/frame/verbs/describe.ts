/** What a look at a table begins with: a row for each column. */
import { quoted, raw, type Sql, sql } from '../../expr/sql.ts'
import { type AggregateNode, aggregateSql, besideOthers } from '../aggregates.ts'
import { type FrameColumn, joined, type Step } from '../step.ts'

const COLUMNS: FrameColumn[] = [
  { name: 'column', type: 'string', duck: 'VARCHAR' },
  { name: 'type', type: 'string', duck: 'VARCHAR' },
  { name: 'count', type: 'int', duck: 'BIGINT' },
  { name: 'nulls', type: 'int', duck: 'BIGINT' },
  ...['mean', 'std', 'min', 'p25', 'p50', 'p75', 'max'].map(
    (name): FrameColumn => ({ name, type: 'float', duck: 'DOUBLE' }),
  ),
  { name: 'lowest', type: 'string', duck: 'VARCHAR' },
  { name: 'highest', type: 'string', duck: 'VARCHAR' },
]

const FIGURES: [string, string, number[]][] = [
  ['mean', 'mean', []],
  ['std', 'std', []],
  ['min', 'min', []],
  ['p25', 'quantile', [0.25]],
  ['p50', 'quantile', [0.5]],
  ['p75', 'quantile', [0.75]],
  ['max', 'max', []],
]

/** `count` and `nulls` of all columns; figures of numbers; the lowest and highest of times and texts, as text. One scan. */
export function describe(from: Step): Step {
  return {
    verb: 'describe',
    async write(scope) {
      const { body, columns } = await from.write(scope, [])
      const made = columns.map((column, i) => figuresOf(column, i, columns))
      const all = joined(
        made.flatMap(({ figures }) => figures),
        ', ',
      )
      const rows = made.map(({ row }, i) => sql`SELECT ${row}, ${String(i)} AS "~row" FROM figures`)
      const list = COLUMNS.map(({ name }) => quoted(name)).join(', ')
      return {
        body: sql`WITH figures AS MATERIALIZED (SELECT ${all} FROM (${body})) SELECT ${list} FROM (${joined(rows, ' UNION ALL ')}) ORDER BY "~row"`,
        columns: COLUMNS,
      }
    },
  }
}

function figuresOf(
  column: FrameColumn,
  i: number,
  columns: readonly FrameColumn[],
): { figures: Sql[]; row: Sql } {
  const figures: Sql[] = []
  const args: AggregateNode['args'] = [{ op: 'col', name: column.name }]
  const quantiles = FIGURES.filter(([, fn]) => fn === 'quantile').map(([, fn, params]) => ({
    fn,
    args,
    params,
  }))
  const figure = (fn: string, params: number[] = []): string => {
    const node: AggregateNode = { fn, args, params }
    const name = quoted(`c${i}_${figures.length}`)
    const written = aggregateSql(besideOthers(node, quantiles), columns, { verb: 'describe', place: '' })
    figures.push(sql`${written.sql} AS ${name}`)
    return name
  }
  const isNumber = column.type === 'int' || column.type === 'float'
  const hasEnds = column.type === 'string' || column.type === 'time' || column.type === 'date'
  const counts = [figure('count'), figure('nullCount')]
  const numbers = FIGURES.map(([, fn, params]) =>
    isNumber ? `CAST(${figure(fn, params)} AS DOUBLE)` : 'CAST(NULL AS DOUBLE)',
  )
  const ends = ['min', 'max'].map((fn) =>
    hasEnds ? `CAST(${figure(fn)} AS VARCHAR)` : 'CAST(NULL AS VARCHAR)',
  )
  const values = [...counts, ...numbers, ...ends].map(
    (value, k) => `${value} AS ${quoted(COLUMNS[k + 2]!.name)}`,
  )
  const names: Sql = {
    text: 'CAST(? AS VARCHAR) AS "column", CAST(? AS VARCHAR) AS "type"',
    params: [column.name, column.type],
  }
  return { figures, row: joined([names, raw(values.join(', '))], ', ') }
}
