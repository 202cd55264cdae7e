/**
 * Three versions in the engine: what each side changed since the version that both came from, cell by cell. What one side alone changed is taken; what both changed to the same
 * is taken once; what both changed to different values is a conflict, and so is a row that one changed and the other deleted.
 */
import { MillraceError } from '../core/errors.ts'
import type { Column, Schema } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import type { ExprNode } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { join, listParam, literal, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import { checkWhole } from './check-whole.ts'
import type { Duck } from './duck.ts'
import type { MergeConflict, MergeRules } from './merge-types.ts'
import { mergedBy } from './merged-value.ts'
import { isNoValue } from './typed-values.ts'

export interface MergeTables {
  dataset: string
  /** Columns of both sides and of the version before. */
  schema: Schema
  key: readonly string[]
  /** Columns of the merged version. */
  merged: Schema
  /** Columns that are merged cell by cell. */
  shared: ReadonlySet<string>
  /** Columns that stay as ours has them, since the other side has none. */
  oursOnly: ReadonlySet<string>
  /** Parquet file with decisions: `keys`, `column` (missing for the row), `take` and `value`, beside those of the rules. */
  decisions?: string
}

/** Changes of each side, made by `makeChanges` over the same columns. */
export const OURS = 'mr_ours'
export const THEIRS = 'mr_theirs'

/** Makes `mr_merge`, a row for each that the other side changed, with what ours did to it and who decides. */
export async function joinSides(duck: Duck, tables: MergeTables, rules: MergeRules): Promise<void> {
  const { schema, key } = tables
  const { columns } = schema
  const places = key.map((name) => columns.findIndex((c) => c.name === name))
  const keyOf = (side: string) => places.map((i) => `coalesce(${side}.a${i}, ${side}.b${i})`)
  const texts = keyOf('t').map((value) => `CAST(${value} AS VARCHAR)`)
  const same = keyOf('t').map((value, i) => `${value} IS NOT DISTINCT FROM ${keyOf('o')[i]}`)
  await makePicks(duck, tables, rules)
  const values = columns.flatMap((_, i) => [`t.a${i} AS ta${i}`, `t.b${i} AS tb${i}`, `o.a${i} AS oa${i}`])
  await duck.run(
    `CREATE TABLE mr_joined AS SELECT t.kind AS theirs, o.kind AS ours, t.changed AS t_changed, coalesce(o.changed, []) AS o_changed, [${texts.join(', ')}] AS keys, ${values.join(', ')}
     FROM ${THEIRS} t LEFT JOIN ${OURS} o ON ${same.join(' AND ')}`,
  )
  await duck.run(
    `CREATE TABLE mr_merge AS SELECT j.*, r.take AS row_pick, c.picks AS cell_picks, c.vals AS cell_values FROM mr_joined j
     LEFT JOIN (SELECT keys, any_value(take) AS take FROM mr_picks WHERE place IS NULL GROUP BY 1) r USING (keys)
     LEFT JOIN (SELECT keys, map(list(place), list(take)) AS picks, map(list(place), list(value)) AS vals FROM (SELECT keys, place, last(take) AS take, last(value) AS value FROM mr_picks WHERE place IS NOT NULL GROUP BY 1, 2) GROUP BY 1) c USING (keys)`,
  )
}

async function makePicks(
  duck: Duck,
  { schema: { columns }, decisions }: MergeTables,
  { picks = [] }: MergeRules,
): Promise<void> {
  const place = (column: string | undefined) =>
    column === undefined ? null : columns.findIndex((c) => c.name === column)
  const list = (values: unknown[], type: string) => sql`unnest(${listParam(values, type)})`
  await duck.run(
    sql`CREATE TABLE mr_picks AS SELECT ${list(
      picks.map((p) => p.key),
      'VARCHAR[]',
    )} AS keys, ${list(
      picks.map((p) => place(p.column)),
      'INTEGER',
    )} AS place, ${list(
      picks.map((p) => p.take),
      'VARCHAR',
    )} AS take, ${list(
      picks.map((p) => (p.take === 'value' ? p.value : null)),
      'VARCHAR',
    )} AS value`,
  )
  await checkPicked(duck, columns)
  if (decisions === undefined) return
  const names = columns.map(({ name }) => literal(name)).join(', ')
  await duck.run(
    `INSERT INTO mr_picks SELECT keys, list_position([${names}], "column") - 1, take, value FROM read_parquet(${literal(decisions)})`,
  )
}

/** Errors: MR_DATA_MERGE_VALUE where a text that was picked is no value of its column. */
async function checkPicked(duck: Duck, columns: readonly Column[]): Promise<void> {
  const picked = await duck.rows<{ place: number }>(
    "SELECT DISTINCT place FROM mr_picks WHERE take = 'value' AND value IS NOT NULL ORDER BY 1",
  )
  for (const { place } of picked) {
    const { name: column, type } = columns[place]!
    const [wrong] = await duck.rows<{ value: string }>(
      sql`SELECT value FROM mr_picks WHERE take = 'value' AND place = ${String(place)} AND value IS NOT NULL AND ${isNoValue(type, raw('value'))} LIMIT 1`,
    )
    if (wrong) throw new MillraceError('MR_DATA_MERGE_VALUE', { column, type, got: wrong.value })
  }
}

/** Both sides have the row, and one of them has it no more. What both deleted is no matter. */
const DELETED = `(ours IS NOT NULL AND (theirs = 'delete') <> (ours = 'delete'))`
const BOTH = `(ours IS NOT NULL AND theirs <> 'delete' AND ours <> 'delete')`

/** Both gave the cell a new value, and not the same. */
const isOpen = ({ schema, shared }: MergeTables, i: number): string =>
  !shared.has(schema.columns[i]!.name)
    ? 'FALSE'
    : `(${BOTH} AND list_contains(t_changed, ${i}) AND list_contains(o_changed, ${i}) AND ta${i} IS DISTINCT FROM oa${i})`

/** Who decides a cell or, without a place, a row that one side deleted; null where nobody does. */
function decider({ schema: { columns } }: MergeTables, rules: MergeRules, i?: number): string {
  const rest = rules.rest === undefined ? 'NULL' : literal(rules.rest)
  if (i === undefined) return `coalesce(row_pick, ${rest})`
  const byColumn = rules.columns?.[columns[i]!.name] ? `'column'` : 'NULL'
  return `coalesce(cell_picks[${i}], row_pick, ${byColumn}, ${rest})`
}

/** The value of a column in the merged row. */
function mergedValue(tables: MergeTables, rules: MergeRules, i: number): Sql {
  const column = tables.schema.columns[i]!
  const place = String(i)
  if (tables.oursOnly.has(column.name))
    return sql`CASE WHEN ours IS NULL OR ours = 'delete' THEN tb${place} ELSE oa${place} END`
  const expression = rules.columns?.[column.name]
  const type = DUCK_TYPE[column.type]
  const own = expression ? sql`CAST(${ownValue(column, expression, i)} AS ${type})` : raw('NULL')
  return sql`CASE WHEN ${DELETED} AND ${decider(tables, rules)} = 'base' THEN tb${place}
    WHEN ${isOpen(tables, i)} OR (theirs <> 'delete' AND cell_picks[${place}] IS NOT NULL) THEN CASE ${decider(tables, rules, i)} WHEN 'theirs' THEN ta${place} WHEN 'base' THEN tb${place} WHEN 'column' THEN ${own} WHEN 'value' THEN CAST(cell_values[${place}] AS ${type}) ELSE oa${place} END
    WHEN ours IS NULL OR ours = 'delete' OR list_contains(t_changed, ${place}) THEN ta${place} ELSE oa${place} END`
}

const ownValue = (column: Column, node: ExprNode, i: number): Sql =>
  mergedBy(column, node, { ours: `oa${i}`, theirs: `ta${i}`, base: `tb${i}` })

/** Errors: MR_DATA_FIX_VALUE where an expression gives a column of whole numbers something else. */
async function checkOwnValues(duck: Duck, tables: MergeTables, rules: MergeRules): Promise<void> {
  const { dataset, schema } = tables
  for (const [i, column] of schema.columns.entries()) {
    const node = rules.columns?.[column.name]
    if (node === undefined || column.type !== 'int') continue
    const rows = `(SELECT * FROM mr_merge WHERE ${isOpen(tables, i)} AND ${decider(tables, rules, i)} = 'column')`
    await checkWhole(duck, dataset, column.name, ownValue(column, node, i), rows)
  }
}

/** Makes `mr_open` of the conflicts that nobody decides; gives how many were decided. */
export async function findConflicts(
  duck: Duck,
  tables: MergeTables,
  rules: MergeRules,
  checks: readonly CheckDef[],
): Promise<number> {
  const { schema } = tables
  const { columns } = schema
  await checkOwnValues(duck, tables, rules)
  const text = (value: string) => `CAST(${value} AS VARCHAR)`
  const cells = columns.map(
    ({ name }, i) =>
      `SELECT 'cell' AS kind, keys, ${literal(name)} AS "column", ${text(`tb${i}`)} AS base, ${text(`oa${i}`)} AS ours, ${text(`ta${i}`)} AS theirs, NULL::VARCHAR AS "check", ${decider(tables, rules, i)} AS take FROM mr_merge WHERE ${isOpen(tables, i)}`,
  )
  const deleted = `SELECT 'deleted', keys, NULL, NULL, CASE WHEN ours = 'delete' THEN 'deleted' ELSE 'changed' END, CASE WHEN theirs = 'delete' THEN 'deleted' ELSE 'changed' END, NULL, ${decider(tables, rules)} FROM mr_merge WHERE ${DELETED}`
  await duck.run(`CREATE TABLE mr_conflicts AS ${[...cells, deleted].join(' UNION ALL ')}`)
  const values = columns.map(({ name }, i) => sql`${mergedValue(tables, rules, i)} AS ${quoted(name)}`)
  await duck.run(
    sql`CREATE TABLE mr_result AS SELECT keys, ${BOTH} AS is_combined, ${join(values, ', ')} FROM mr_merge WHERE ${upsertWhere(tables, rules)}`,
  )
  for (const check of checks) await addBroken(duck, schema, check)
  await duck.run(
    'CREATE TABLE mr_open AS SELECT * EXCLUDE (take) FROM mr_conflicts WHERE take IS NULL ORDER BY ALL',
  )
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM mr_conflicts WHERE take IS NOT NULL')
  return n
}

/** Rows that are written: new and changed ones of the other side, but those that are as ours has them. */
function upsertWhere(tables: MergeTables, rules: MergeRules): string {
  const decided = decider(tables, rules)
  return `(theirs <> 'delete' AND (ours IS NULL OR ${BOTH})) OR (${DELETED} AND (${decided} = 'base' OR (theirs <> 'delete' AND ${decided} = 'theirs')))`
}

/** Rows in which both sides have a part were never seen by a check. */
async function addBroken(duck: Duck, schema: Schema, { name, rule }: CheckDef): Promise<void> {
  if (rule.kind !== 'row') return
  const holds = toDuckDb(rule.holds, { schema, expect: 'bool', place: `check "${name}"` })
  await duck.run(
    sql`INSERT INTO mr_conflicts SELECT 'check', keys, NULL, NULL, NULL, NULL, ${literal(name)}, NULL FROM mr_result WHERE is_combined AND NOT (${holds})`,
  )
}

/** Files that a merge is carried out by: rows that ours takes over, and those that it gives up, by key where there is one. */
export interface MergeFiles {
  rows: string
  removals: string
}

export async function writeMerged(
  duck: Duck,
  tables: MergeTables,
  rules: MergeRules,
  paths: MergeFiles,
): Promise<void> {
  const { schema, merged, key } = tables
  const { columns } = schema
  const names = merged.columns.map(({ name }) => quoted(name)).join(', ')
  const keys = key.map((name) => `tb${columns.findIndex((c) => c.name === name)} AS ${quoted(name)}`)
  const goes = `theirs = 'delete' AND (ours IS NULL OR (${DELETED} AND ${decider(tables, rules)} = 'theirs'))`
  await duck.run(`COPY (SELECT ${names} FROM mr_result) TO ${literal(paths.rows)} (FORMAT parquet)`)
  await duck.run(
    `COPY (SELECT ${keys.join(', ')} FROM mr_merge WHERE ${goes}) TO ${literal(paths.removals)} (FORMAT parquet)`,
  )
}

/** Of rows without a key: as many of each as the other side has more, or less, than both had, beyond what ours did alike. */
export async function writeMultiset(
  duck: Duck,
  { ours, theirs }: Record<'ours' | 'theirs', { before: Sql; after: Sql }>,
  paths: MergeFiles,
): Promise<void> {
  const less = (from: Sql, other: Sql) => sql`((${from}) EXCEPT ALL (${other}))`
  const net = (side: 'before' | 'after', other: 'before' | 'after') =>
    less(less(theirs[side], theirs[other]), less(ours[side], ours[other]))
  await duck.run(sql`COPY (${net('after', 'before')}) TO ${literal(paths.rows)} (FORMAT parquet)`)
  await duck.run(sql`COPY (${net('before', 'after')}) TO ${literal(paths.removals)} (FORMAT parquet)`)
}

/** Writes the rows of open conflicts with the values of all three, in the order of the key; false where no conflict is of a row. */
export async function writeConflictRows(
  duck: Duck,
  { schema: { columns }, key }: MergeTables,
  path: string,
): Promise<boolean> {
  const places = key.map((name) => columns.findIndex((c) => c.name === name))
  const values = columns.flatMap((_, i) => [`m.tb${i} AS b${i}`, `m.oa${i} AS o${i}`, `m.ta${i} AS t${i}`])
  const names = columns.map(({ name }) => literal(name)).join(', ')
  const found = `SELECT keys, list_sort(list(DISTINCT list_position([${names}], "column") - 1) FILTER ("column" IS NOT NULL)) AS places, list_sort(list(DISTINCT "check") FILTER ("check" IS NOT NULL)) AS checks FROM mr_open GROUP BY 1`
  const order = places.map((i) => `coalesce(m.tb${i}, m.oa${i}, m.ta${i})`)
  await duck.run(
    `COPY (SELECT m.keys, m.ours, m.theirs, coalesce(f.places, []) AS places, coalesce(f.checks, []) AS checks, ${values.join(', ')}
     FROM mr_merge m JOIN (${found}) f USING (keys) ORDER BY ${order.join(', ')}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
  )
  const { n } = await duck.one<{ n: number }>(`SELECT count(*) AS n FROM read_parquet(${literal(path)})`)
  return n > 0
}

/** Adds rows that a check has put aside to the open conflicts, each with its key. */
export async function addPutAside(duck: Duck, key: readonly string[], path: string): Promise<void> {
  const texts = key.map((name) => `CAST(${quoted(name)} AS VARCHAR)`)
  await duck.run(
    `INSERT INTO mr_open SELECT 'check', [${texts.join(', ')}], NULL, NULL, NULL, NULL, unnest(_reasons) FROM read_parquet(${literal(path)})`,
  )
}

const SAMPLE = 20

export async function openConflicts(duck: Duck): Promise<{
  open: Record<MergeConflict['kind'], number>
  sample: MergeConflict[]
}> {
  const counts = await duck.rows<{ kind: MergeConflict['kind']; n: number }>(
    'SELECT kind, count(*) AS n FROM mr_open GROUP BY 1',
  )
  const open = { schema: 0, cell: 0, deleted: 0, check: 0 }
  for (const { kind, n } of counts) open[kind] = n
  const sample = await duck.rows<Omit<MergeConflict, 'key'> & { keys: string[] }>(
    `SELECT * FROM mr_open LIMIT ${SAMPLE}`,
  )
  return { open, sample: sample.map(({ keys, ...rest }) => ({ ...rest, key: keys })) }
}
