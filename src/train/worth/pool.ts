/** The rows that train, as the dataset version numbers them, and what is known of each beside the features. */
import { assert } from '../../core/errors.ts'
import type { DatasetVersion, Digest } from '../../core/records.ts'
import type { Query, TaskContext } from '../../engine/ports.ts'
import { relationOf } from '../../engine/relation.ts'
import { quoted, raw, sql } from '../../expr/sql.ts'
import { loadRows } from '../prepare.ts'
import { type RowFindings, writeRows } from '../rows-file.ts'
import { crossBorders } from '../split.ts'
import type { WorthParams } from './specs.ts'

export interface Pool {
  nRows: number
  /** Number of each row in its version, from 0 in the order of the parts. */
  rows: Float64Array
  /** Fold that tests it. */
  fold: Int32Array
  /** Code of each row's source, and names by code; where a column was asked for. */
  sources?: Groups
  /** Key of each row's member, in a family. */
  members?: Groups
  /** Instant of each row in milliseconds, where rows have a time; NaN where it is missing. */
  times?: Float64Array
}

/** Rows by a name: a code each, and names by code. */
export interface Groups {
  codes: Int32Array
  names: (string | null)[]
}

/** Writes what was found of rows of the pool beside their keys, and ends the table. */
export async function writePoolRows(
  query: Query,
  context: TaskContext,
  found: Omit<RowFindings, 'table'>,
): Promise<Digest> {
  const rows = await writeRows(query, context, { table: 'mr_pool', ...found })
  await query.exec(raw('drop table mr_pool'))
  return rows
}

/** Leaves the rows in the table `mr_pool`, with their number as `mr_row`. Rows are in the order of the matrix. */
export async function loadPool(
  query: Query,
  context: TaskContext,
  version: DatasetVersion,
  params: WorthParams,
): Promise<Pool> {
  const { pool, source } = params
  await loadRows(query, context, version, pool)
  const { time, train } = pool.split
  const within =
    time !== undefined && train
      ? `where epoch_ms(${quoted(time)}) >= ${train.fromAt} and epoch_ms(${quoted(time)}) < ${train.toAt}`
      : ''
  // Rows of the window are numbered as `loadRows` numbers them, beside their number in the version.
  await query.exec(
    sql`create or replace table mr_pool as select mr_rows.*, mr_numbers.mr_row from mr_rows join (
      select mr_row, row_number() over () as mr_n from (
        select * from (select *, row_number() over () - 1 as mr_row from (${await relationOf(context.store, version)})) ${raw(within)})
    ) mr_numbers using (mr_n) order by mr_rows.mr_order`,
    context.signal,
  )
  const name = source === undefined ? 'null' : `left(${quoted(source)}::varchar, 64)`
  const at = time === undefined ? 'null' : `epoch_ms(${quoted(time)})`
  const { nRows, columns } = await query.columns(
    raw(
      `select mr_row::double as mr_row, (${foldSql(params)})::double as fold, ${name} as source, mr_key as member, (${at})::double as at from mr_pool order by mr_order`,
    ),
    { categories: ['source', 'member'], signal: context.signal },
  )
  assert(columns.mr_row.kind === 'number' && columns.fold.kind === 'number', 'numbers of rows are numbers')
  return {
    nRows,
    rows: columns.mr_row.values,
    fold: Int32Array.from(columns.fold.values),
    ...(source !== undefined && { sources: groupsOf(columns.source) }),
    ...(pool.each && { members: groupsOf(columns.member) }),
    ...(time !== undefined && columns.at.kind === 'number' && { times: columns.at.values }),
  }
}

/** The fold that tests a row: by its time where folds are periods, else by the spread of its number. */
function foldSql({ pool: { split }, folds, borders }: WorthParams): string {
  const place = borders
    ? `epoch_ms(${quoted(split.time as string)})`
    : '((mr_n * 2654435769) % 4294967296) / 4294967296.0'
  const inner = borders ?? crossBorders(split, folds).slice(1, -1)
  return ['0', ...inner.map((border) => `(${place} >= ${border})::int`)].join(' + ')
}

/** Rows without a name are the last group. */
function groupsOf(column: ColumnOf): Groups {
  if (column.kind !== 'category') return { codes: new Int32Array(0), names: [] }
  const { codes, categories } = column
  return {
    codes: codes.map((code) => (code < 0 ? categories.length : code)),
    names: [...categories, null],
  }
}

type ColumnOf = Awaited<ReturnType<Query['columns']>>['columns'][string]

/** Distinct share of the rows from which a column names them. */
const IDENTIFIER_SHARE = 0.95
const ROWS_MIN = 100

/** Columns of texts and whole numbers in which nearly every row has a value of its own. */
export async function identifiersOf(
  query: Query,
  version: DatasetVersion,
  inputs: readonly string[],
  nRows: number,
): Promise<{ column: string; distinct: number }[]> {
  const columns = version.schema.columns.filter(
    ({ name, type }) => inputs.includes(name) && (type === 'string' || type === 'int'),
  )
  if (columns.length === 0 || nRows < ROWS_MIN) return []
  const counts = columns.map(({ name }, i) => `count(distinct ${quoted(name)}) as c${i}`)
  const [found] = await query.rows<Record<string, number>>(raw(`select ${counts.join(', ')} from mr_pool`))
  return columns.flatMap(({ name }, i) => {
    const distinct = Number(found[`c${i}`]) / nRows
    return distinct >= IDENTIFIER_SHARE ? [{ column: name, distinct }] : []
  })
}
