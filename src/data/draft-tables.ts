/**
 * The conflicts of a merge that waits, as tables of an engine: rows, what is in conflict in them, and who decided what. They hold nothing that the steps do not say, so that they can be
 * made again anywhere and come out the same.
 */
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../core/errors.ts'
import type { Column, Digest, Schema } from '../core/records.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { parseExpr } from '../expr/parse.ts'
import { join, listParam, literal, param, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { countBroken } from './check-whole.ts'
import type { DraftChoice, DraftTake, MergeDraft } from './draft-types.ts'
import type { DatasetMerge } from './merge-types.ts'
import { mergedBy } from './merged-value.ts'
import { isNoValue, typedValue } from './typed-values.ts'

/** Place of a decision about a row as a whole. */
export const WHOLE_ROW = -1

export interface DraftTables {
  query: Query
  store: Store
  merge: DatasetMerge
  columns: Column[]
  /** Beginning of the names of its tables. */
  name: string
  /** Steps that the tables hold, the beginning first. */
  steps: MergeDraft[]
  /** Decisions about columns. */
  schema: Map<string, 'ours' | 'theirs'>
}

/** Cost: one read of the rows in conflict. The tables stay until `closeDraft`. */
export async function openDraft(query: Query, store: Store, draft: MergeDraft): Promise<DraftTables> {
  const merge = await store.getRecord<DatasetMerge>(draft.merge, 'DatasetMerge')
  const name = `mr_draft_${randomUUID().replaceAll('-', '')}`
  const tables: DraftTables = {
    ...{ query, store, merge, name, columns: merge.columns ?? [], steps: [], schema: new Map() },
  }
  await query.exec(raw(`create table ${name}_rows as ${await rowsSql(tables)}`))
  await query.exec(
    raw(`create table ${name}_items as select id as "row", kind, place from (
      select id, 'cell' as kind, unnest(places)::integer as place from ${name}_rows
      union all select id, 'deleted', ${WHOLE_ROW} from ${name}_rows where (ours = 'delete') <> (theirs = 'delete')
      union all select id, 'check', ${WHOLE_ROW} from ${name}_rows where len(places) = 0 and len(checks) > 0)`),
  )
  await query.exec(raw(picksTable(name)))
  return tables
}

const picksTable = (name: string): string =>
  `create or replace table ${name}_picks ("row" bigint, place integer, take varchar, value varchar, step integer)`

async function rowsSql({ store, merge, columns }: DraftTables): Promise<string> {
  if (merge.rows)
    return `select file_row_number as id, * exclude (file_row_number) from read_parquet(${literal(await store.objects.path(merge.rows))}, file_row_number = true)`
  const values = columns.flatMap(({ type }, i) =>
    ['b', 'o', 't'].map((side) => `null::${DUCK_TYPE[type]} as ${side}${i}`),
  )
  return `select 0::bigint as id, []::varchar[] as keys, '' as ours, '' as theirs, []::bigint[] as places, []::varchar[] as checks${values.map((v) => `, ${v}`).join('')} where false`
}

export async function closeDraft({ query, name }: DraftTables): Promise<void> {
  for (const table of ['rows', 'items', 'picks'])
    await query.exec(raw(`drop table if exists ${name}_${table}`))
}

// ---------------------------------------------------------------- what is decided

/** The decision that counts for each place: the newest. */
const currentSql = (name: string): string =>
  `(select * from (select * from ${name}_picks qualify row_number() over (partition by "row", place order by step desc) = 1) where take <> 'nobody')`

/** Conflicts with who decided them; one that comes of a check is decided by any decision about its row. */
export const itemsSql = ({ name }: DraftTables): string =>
  `(select i.*, coalesce(c.take, k.take) as take, c.value, coalesce(c.step, k.step) as step from ${name}_items i
    left join ${currentSql(name)} c on c."row" = i."row" and c.place = i.place
    left join (select "row", any_value(take) as take, max(step) as step from ${currentSql(name)} group by 1) k on k."row" = case when i.kind = 'check' then i."row" end)`

/** All decisions that count, also those of cells that were not in conflict. */
export const decisionsSql = (tables: DraftTables): string => currentSql(tables.name)

/** Steps that count: those that no later one has taken back. */
export function standing(steps: readonly MergeDraft[]): MergeDraft[] {
  const undone = new Set(steps.flatMap(({ act }) => (act.type === 'undo' ? [act.step] : [])))
  return steps.filter(({ step, act }) => act.type !== 'undo' && !undone.has(step))
}

/** Brings the tables to these steps: by the new ones where the others are there already, and from the beginning where one was taken back. */
export async function bringTo(tables: DraftTables, steps: readonly MergeDraft[]): Promise<void> {
  const known = tables.steps.length
  const fresh = steps.slice(known)
  if (fresh.length === 0) return
  if (fresh.some(({ act }) => act.type === 'undo')) {
    await tables.query.exec(raw(picksTable(tables.name)))
    tables.schema.clear()
    for (const step of standing(steps)) await replay(tables, step)
  } else for (const step of fresh) await replay(tables, step)
  tables.steps = [...steps]
}

async function replay(tables: DraftTables, { act, step }: MergeDraft): Promise<void> {
  if (act.type === 'decide') await tables.query.exec(insertSql(tables, chosenSql(tables, act), step))
  if (act.type === 'carry')
    await tables.query.exec(insertSql(tables, await carriedSql(tables, act.decisions), step))
  if (act.type !== 'schema') return
  if (act.take === 'nobody') tables.schema.delete(act.column)
  else tables.schema.set(act.column, act.take)
}

const insertSql = ({ name }: DraftTables, chosen: Sql, step: number): Sql =>
  sql`insert into ${name}_picks select "row", place, take, value, ${String(step)} from (${chosen})`

/** Decisions about cells that are in conflict with the values that they were in conflict with then. */
async function carriedSql(tables: DraftTables, decisions: Digest): Promise<Sql> {
  const { store, name, columns } = tables
  const path = literal(await store.objects.path(decisions))
  const names = columns.map((column) => literal(column.name)).join(', ')
  return raw(`select r.id as "row", coalesce(list_position([${names}], d."column") - 1, ${WHOLE_ROW})::integer as place, d.take, d.value
    from read_parquet(${path}) d join ${name}_rows r using (keys)
    where d.signature = ${signatureSql(tables, 'r', `coalesce(list_position([${names}], d."column") - 1, ${WHOLE_ROW})`)}`)
}

/** What a decision was about, as text: the three values of the cell, or what the sides did to the row. */
function signatureSql({ columns }: DraftTables, row: string, place: string): string {
  const text = (value: string) => `coalesce(CAST(${value} AS VARCHAR), '∅')`
  const cells = columns.map(
    (_, i) =>
      `when ${i} then concat_ws('⟂', ${['b', 'o', 't'].map((side) => text(`${row}.${side}${i}`)).join(', ')})`,
  )
  const whole = `concat_ws('⟂', ${text(`${row}.ours`)}, ${text(`${row}.theirs`)})`
  return `case ${place} ${cells.join(' ')} else ${whole} end`
}

/** Writes what is decided: `keys`, `column`, `take`, `value`, and `signature` by which a later merge knows what it was about. False when nothing is. */
export async function writeDecisions(tables: DraftTables, path: string): Promise<boolean> {
  const { query, name, columns } = tables
  const names = columns.map((column) => literal(column.name)).join(', ')
  await query.exec(
    raw(`copy (select r.keys, case when c.place >= 0 then ([${names}]::varchar[])[c.place + 1] end as "column", c.take, c.value,
      ${signatureSql(tables, 'r', 'c.place')} as signature
      from ${currentSql(name)} c join ${name}_rows r on r.id = c."row" order by c."row", c.place) to ${literal(path)} (format parquet, compression zstd)`),
  )
  const [row] = await query.rows<{ n: number }>(raw(`select count(*) as n from ${currentSql(name)}`))
  return Number(row!.n) > 0
}

// ---------------------------------------------------------------- what a decision would do

/** Columns that a filter may name: as they are here, or there where they are here no more, and those of each side. */
function filterSchema(columns: readonly Column[]): Schema {
  const own = new Set(columns.map(({ name }) => name))
  const sides = ['ours', 'theirs', 'base'].flatMap((side) =>
    columns.map((column) => ({ ...column, name: `${side}_${column.name}`, nullable: true })),
  )
  return {
    columns: [
      ...columns.map((column) => ({ ...column, nullable: true })),
      ...sides.filter(({ name }) => !own.has(name)),
    ],
  }
}

/** Ids of rows for which an expression holds. Errors: MR_EXPR_…. */
export function rowsWhere({ name, columns }: DraftTables, where: string): Sql {
  const schema = filterSchema(columns)
  const known = new Set(schema.columns.map((column) => column.name))
  const sides = { ours: 'o', theirs: 't', base: 'b' }
  const list = columns.flatMap((column, i) => [
    `coalesce(o${i}, t${i}, b${i}) as ${quoted(column.name)}`,
    ...Object.entries(sides).flatMap(([side, letter]) => {
      const own = `${side}_${column.name}`
      const isOwn = known.has(own) && !columns.some((other) => other.name === own)
      return isOwn ? [`${letter}${i} as ${quoted(own)}`] : []
    }),
  ])
  const holds = toDuckDb(parseExpr(where), { schema, expect: 'bool', place: 'the filter' })
  return sql`select _mr_row from (select id as _mr_row, ${raw(list.join(', '))} from ${name}_rows) where ${holds}`
}

/** What a decision comes to: `row`, `place`, `take`, `value`, and the values that there were. Errors: MR_EXPR_…, MR_DATA_MERGE_COLUMN, MR_DATA_MERGE_VALUE. */
export function chosenSql(tables: DraftTables, act: DraftChoice & DraftTake): Sql {
  const { name } = tables
  const tests: Sql[] = []
  const { cells, column, where, all = false } = act
  const place = column === undefined ? undefined : placeOf(tables, column)
  if (place !== undefined) tests.push(raw(`i.place = ${place}`))
  if (where !== undefined) tests.push(sql`i."row" in (${rowsWhere(tables, where)})`)
  if (!all && !cells) tests.push(raw(act.take === 'nobody' ? 'i.take is not null' : 'i.take is null'))
  if (!cells) tests.push(raw(`i.kind <> 'check'`))
  const own = act.take === 'value' || act.take === 'expression'
  if (own) tests.push(raw(`i.place >= 0`))
  const from = cells ? namedCells(tables, cells) : raw(itemsSql(tables))
  const condition = tests.length === 0 ? raw('') : sql`where ${join(tests, ' and ')}`
  const take = act.take === 'expression' ? 'value' : act.take
  return sql`select i."row", i.place, ${raw(`'${take}'`)} as take, ${valueSql(tables, act, place ?? cells?.[0]?.[1])} as value, i.take as before, i.step as step_before
    from ${from} i join ${name}_rows r on r.id = i."row" ${condition}`
}

function placeOf({ merge, columns }: DraftTables, column: string): number {
  const place = columns.findIndex(({ name }) => name === column)
  if (place >= 0) return place
  throw new MillraceError('MR_DATA_MERGE_COLUMN', {
    dataset: merge.dataset,
    column,
    columns: columns.map(({ name }) => name),
  })
}

/** Cells by hand, also such as are not in conflict themselves. */
function namedCells({ name }: DraftTables, cells: readonly (readonly [number, number])[]): Sql {
  const list = (values: number[], type: string) => sql`unnest(${listParam(values, type)})`
  return sql`(select n."row", n.place, 'cell' as kind, c.take, c.step from (select distinct ${list(
    cells.map(([row]) => row),
    'bigint',
  )} as "row", ${list(
    cells.map(([, place]) => place),
    'integer',
  )} as place) n left join ${raw(currentSql(name))} c on c."row" = n."row" and c.place = n.place)`
}

function valueSql(tables: DraftTables, act: DraftTake, place: number | undefined): Sql {
  if (act.take === 'value') return valueText(tables, act.value, place)
  if (act.take !== 'expression') return raw('null::varchar')
  const column = tables.columns[place ?? WHOLE_ROW]
  if (!column) throw noColumn(tables)
  return sql`cast(cast(${expressionSql(tables, act.expression, place!)} as ${DUCK_TYPE[column.type]}) as varchar)`
}

const noColumn = ({ columns }: DraftTables) =>
  new MillraceError('MR_DATA_MERGE_VALUE', {
    column: '',
    type: '',
    got: `not one column; columns are ${columns.map(({ name }) => name).join(', ')}`,
  })

/** An expression of `ours`, `theirs` and `base` for the column at a place. Errors: MR_EXPR_…. */
const expressionSql = ({ columns }: DraftTables, expression: string, place: number): Sql =>
  mergedBy(columns[place]!, parseExpr(expression), {
    ours: `r.o${place}`,
    theirs: `r.t${place}`,
    base: `r.b${place}`,
  })

/** A value as its column writes it. It was checked by `checkValue`. */
function valueText(tables: DraftTables, value: string | null, place: number | undefined): Sql {
  const column = tables.columns[place ?? WHOLE_ROW]
  if (!column) throw noColumn(tables)
  if (value === null) return raw('null::varchar')
  return typedValue(column.type, param(value))
}

/** Errors: MR_DATA_MERGE_VALUE where a text is no value of the column or cells are of several columns, MR_DATA_FIX_VALUE where an expression gives whole numbers something else. */
export async function checkTake(
  tables: DraftTables,
  act: DraftChoice & DraftTake,
  signal?: AbortSignal,
): Promise<void> {
  const place = act.column === undefined ? act.cells?.[0]?.[1] : placeOf(tables, act.column)
  const column = tables.columns[place ?? WHOLE_ROW]
  if (act.take !== 'value' && act.take !== 'expression') return
  const isSplit = act.column === undefined && act.cells?.some(([, other]) => other !== place)
  if (!column || isSplit) throw noColumn(tables)
  if (act.take === 'value') return await checkValue(tables, column, act.value, signal)
  if (column.type !== 'int') return
  const value = expressionSql(tables, act.expression, place!)
  const [row] = await tables.query.rows<{ n: number }>(
    countBroken(
      value,
      sql`(${chosenSql(tables, { ...act, take: 'ours' })}) i join ${tables.name}_rows r on r.id = i."row"`,
    ),
    signal,
  )
  if (Number(row!.n) > 0)
    throw new MillraceError('MR_DATA_FIX_VALUE', {
      dataset: tables.merge.dataset,
      column: column.name,
      rows: Number(row!.n),
    })
}

async function checkValue(
  { query }: DraftTables,
  { name, type }: Column,
  value: string | null,
  signal?: AbortSignal,
): Promise<void> {
  if (value === null) return
  const [row] = await query.rows<{ wrong: boolean }>(
    sql`select ${isNoValue(type, param(value))} as wrong`,
    signal,
  )
  if (row!.wrong) throw new MillraceError('MR_DATA_MERGE_VALUE', { column: name, type, got: value })
}
