/** What a merge that waits looks like: counts, and some of its rows with the values of all three versions side by side. Whatever its size, an answer holds one page. */
import type { Query } from '../engine/ports.ts'
import { join, raw, type Sql, sql } from '../expr/sql.ts'
import { chosenSql, type DraftTables, decisionsSql, itemsSql, rowsWhere, WHOLE_ROW } from './draft-tables.ts'
import type { DraftChoice, DraftTake } from './draft-types.ts'
import type { ConflictKind, MergeConflict } from './merge-types.ts'
import { plainCell } from './pages.ts'

export type DraftState = 'open' | 'decided' | 'broken'

export interface DraftFilter {
  column?: string
  where?: string
  /** Rows with an open conflict, rows without one, or rows that the last try to merge has found broken. Default: all. */
  state?: DraftState
}

export interface DraftCounts {
  conflicts: number
  decided: number
  rows: number
  /** By column, and of rows as a whole by kind, most first. */
  by: { column: string | null; kind: ConflictKind; conflicts: number; decided: number }[]
}

export interface DraftCell {
  column: string
  place: number
  /** Both sides gave it a new value. */
  isConflict: boolean
  /** One side alone gave it a new value, which is taken. */
  changedBy: 'ours' | 'theirs' | null
  base: string | number | boolean | null
  ours: string | number | boolean | null
  theirs: string | number | boolean | null
  decision: DraftDecision | null
}

export interface DraftDecision {
  take: string
  value: string | null
  step: number
}

export interface DraftRow {
  row: number
  key: string[]
  /** What each side did to it: `insert`, `update`, `delete`. */
  ours: string
  theirs: string
  /** One side deleted it and the other changed it: a conflict of the row as a whole. */
  isDeleted: boolean
  decision: DraftDecision | null
  /** Columns in which the three are not the same; those in conflict first. */
  cells: DraftCell[]
  /** Some of the columns in which they are. */
  same: { column: string; value: string | number | boolean | null }[]
  /** Checks that it did not keep before it was decided. */
  checks: string[]
}

export interface DraftRows {
  rows: DraftRow[]
  matched: number
  next: number | null
}

const SAME_MAX = 6

export async function countDraft(tables: DraftTables, signal?: AbortSignal): Promise<DraftCounts> {
  const { query, name, columns, merge, schema } = tables
  const groups = await query.rows<{ kind: ConflictKind; place: number; n: number; decided: number }>(
    raw(
      `select kind, place, count(*) as n, count(take) as decided from ${itemsSql(tables)} group by 1, 2 order by 3 desc, 2`,
    ),
    signal,
  )
  const [rows] = await query.rows<{ n: number }>(raw(`select count(*) as n from ${name}_rows`), signal)
  const contradicting = merge.sample.filter(({ kind }) => kind === 'schema')
  const by = groups.map(({ kind, place, n, decided }) => ({
    column: columns[Number(place)]?.name ?? null,
    kind,
    conflicts: Number(n),
    decided: Number(decided),
  }))
  const decided = contradicting.filter(({ column }) => schema.has(column!)).length
  return {
    conflicts: by.reduce((sum, each) => sum + each.conflicts, contradicting.length),
    decided: by.reduce((sum, each) => sum + each.decided, decided),
    rows: Number(rows!.n),
    by,
  }
}

export async function readDraftRows(
  tables: DraftTables,
  ask: DraftFilter & { from?: number; limit?: number; broken?: readonly number[]; signal?: AbortSignal },
): Promise<DraftRows> {
  const { query, name, columns } = tables
  const { from = 0, limit = 50, signal } = ask
  const chosen = sql`select id from ${name}_rows ${conditionOf(tables, ask)}`
  const [sum] = await query.rows<{ n: number }>(sql`select count(*) as n from (${chosen})`, signal)
  const found = await query.rows(
    sql`select * exclude (keys, places, checks), to_json(keys)::varchar as keys, to_json(places)::varchar as places, to_json(checks)::varchar as checks
      from ${name}_rows where id in (select id from (${chosen}) order by id limit ${String(limit)} offset ${String(from)}) order by id`,
    signal,
  )
  const decisions = await decisionsOf(
    query,
    tables,
    found.map(({ id }) => Number(id)),
    signal,
  )
  const matched = Number(sum!.n)
  return {
    rows: found.map((row) => rowOf(columns, row, decisions.get(Number(row.id)) ?? new Map())),
    matched,
    next: from + found.length < matched ? from + found.length : null,
  }
}

function conditionOf(
  tables: DraftTables,
  { column, where, state, broken = [] }: DraftFilter & { broken?: readonly number[] },
): Sql {
  const items = itemsSql(tables)
  const tests: Sql[] = []
  const place = column === undefined ? undefined : tables.columns.findIndex(({ name }) => name === column)
  const inColumn = place === undefined ? '' : ` and place = ${place}`
  if (place !== undefined) tests.push(raw(`id in (select "row" from ${items} where place = ${place})`))
  if (where !== undefined) tests.push(sql`id in (${rowsWhere(tables, where)})`)
  if (state === 'open') tests.push(raw(`id in (select "row" from ${items} where take is null${inColumn})`))
  if (state === 'decided')
    tests.push(raw(`id not in (select "row" from ${items} where take is null${inColumn})`))
  if (state === 'broken') tests.push(raw(`id in (${broken.length > 0 ? broken.join(', ') : '-1'})`))
  return tests.length === 0 ? raw('') : sql`where ${join(tests, ' and ')}`
}

async function decisionsOf(
  query: Query,
  tables: DraftTables,
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<Map<number, Map<number, DraftDecision>>> {
  const found = new Map<number, Map<number, DraftDecision>>()
  if (ids.length === 0) return found
  const rows = await query.rows<{
    row: number
    place: number
    take: string
    value: string | null
    step: number
  }>(raw(`select * from ${decisionsSql(tables)} c where c."row" in (${ids.join(', ')})`), signal)
  for (const { row, place, take, value, step } of rows) {
    const of = found.get(Number(row)) ?? new Map<number, DraftDecision>()
    of.set(Number(place), { take, value, step: Number(step) })
    found.set(Number(row), of)
  }
  return found
}

function rowOf(
  columns: DraftTables['columns'],
  row: Record<string, unknown>,
  decisions: ReadonlyMap<number, DraftDecision>,
): DraftRow {
  const places = new Set(JSON.parse(row.places as string) as number[])
  const [ours, theirs] = [row.ours as string, row.theirs as string]
  const isDeleted = (ours === 'delete') !== (theirs === 'delete')
  const all = columns.map(({ name }, i): DraftCell => {
    const [base, own, other] = ['b', 'o', 't'].map((side) => plainCell(row[`${side}${i}`]))
    const changed = isDeleted ? null : own !== base ? 'ours' : other !== base ? 'theirs' : null
    const isConflict = places.has(i)
    return {
      ...{ column: name, place: i, isConflict, changedBy: isConflict ? null : changed },
      ...{ base: base!, ours: own!, theirs: other!, decision: decisions.get(i) ?? null },
    }
  })
  const differs = ({ isConflict, base, ours: a, theirs: b, decision }: DraftCell) =>
    isConflict || decision !== null || a !== base || b !== base
  return {
    row: Number(row.id),
    key: JSON.parse(row.keys as string) as string[],
    ...{ ours, theirs, isDeleted },
    decision: decisions.get(WHOLE_ROW) ?? null,
    cells: all.filter(differs).sort((a, b) => Number(b.isConflict) - Number(a.isConflict)),
    same: all
      .filter((cell) => !differs(cell))
      .slice(0, SAME_MAX)
      .map(({ column, base }) => ({ column, value: base })),
    checks: JSON.parse(row.checks as string) as string[],
  }
}

export interface DraftPreview {
  /** Conflicts that would be decided, and how many of them are decided otherwise by now. */
  n: number
  again: number
  /** Of values of one's own: how many would be missing. */
  missing: number
  sample: {
    key: string[]
    column: string | null
    base: string | null
    ours: string | null
    theirs: string | null
    result: string | null
  }[]
}

const PREVIEW_ROWS = 8

/** What a decision would come to. `seen` is the newest step that was looked at: `meanwhile` are conflicts that later ones have decided. */
export async function previewOf(
  tables: DraftTables,
  act: DraftChoice & DraftTake,
  seen: number,
  signal?: AbortSignal,
): Promise<DraftPreview & { meanwhile: { n: number; step: number } }> {
  const { query, name, columns } = tables
  const chosen = chosenSql(tables, act)
  const [sum] = await query.rows<Record<string, number | null>>(
    sql`select count(*) as n, count(before) as again, count(*) filter (take = 'value' and value is null) as missing,
      count(*) filter (step_before > ${String(seen)}) as meanwhile, max(step_before) as step from (${chosen})`,
    signal,
  )
  const text = (side: string) =>
    `case i.place ${columns.map((_, i) => `when ${i} then cast(r.${side}${i} as varchar)`).join(' ')} end`
  const rows = await query.rows(
    sql`select to_json(r.keys)::varchar as keys, i.place, i.take, i.value, r.ours as did_ours, r.theirs as did_theirs, ${raw(text('b'))} as base, ${raw(text('o'))} as ours, ${raw(text('t'))} as theirs
      from (select * from (${chosen}) order by "row", place limit ${String(PREVIEW_ROWS)}) i join ${name}_rows r on r.id = i."row" order by i."row", i.place`,
    signal,
  )
  return {
    n: Number(sum!.n),
    again: Number(sum!.again),
    missing: Number(sum!.missing),
    sample: rows.map((row) => {
      const place = Number(row.place)
      const [base, ours, theirs] = [row.base, row.ours, row.theirs] as (string | null)[]
      const cells = place === WHOLE_ROW ? wholeRow(row) : { base: base!, ours: ours!, theirs: theirs! }
      const result =
        row.take === 'value'
          ? (row.value as string | null)
          : (cells[row.take as 'ours' | 'theirs' | 'base'] ?? null)
      return {
        key: JSON.parse(row.keys as string) as string[],
        column: columns[place]?.name ?? null,
        ...cells,
        result,
      }
    }),
    meanwhile: { n: Number(sum!.meanwhile), step: Number(sum!.step ?? 0) },
  }
}

const DID: Record<string, string> = { insert: 'added', update: 'changed', delete: 'deleted' }

const wholeRow = (row: Record<string, unknown>) => ({
  base: 'as it was',
  ours: DID[row.did_ours as string] ?? '',
  theirs: DID[row.did_theirs as string] ?? '',
})

/** Rows that a merge has found broken, with the checks that they do not keep; the id is null of a row that was not in conflict. */
export async function brokenRows(
  { query, store, name }: DraftTables,
  conflicts: NonNullable<DraftTables['merge']['conflicts']>,
  limit: number,
): Promise<{ row: number | null; key: string[]; check: string }[]> {
  const path = (await store.objects.path(conflicts)).replaceAll("'", "''")
  const rows = await query.rows<{ id: number | null; keys: string; check: string }>(
    raw(
      `select r.id, to_json(c.keys)::varchar as keys, c."check" as "check" from read_parquet('${path}') c left join ${name}_rows r using (keys) where c.kind = 'check' order by r.id, c.keys limit ${limit}`,
    ),
  )
  return rows.map(({ id, keys, check }) => ({
    row: id === null ? null : Number(id),
    key: JSON.parse(keys) as string[],
    check,
  }))
}

export const schemaConflicts = ({ merge }: DraftTables): MergeConflict[] =>
  merge.sample.filter(({ kind }) => kind === 'schema')
