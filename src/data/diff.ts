/** What changed between two versions, to the row and the cell. */
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../core/errors.ts'
import type { Column, ColumnStats, DatasetVersion, Digest, Schema } from '../core/records.ts'
import { partId } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import { join, literal, quoted, raw, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { type Candidates, type ChangeKind, candidates, makeChanges, unionOf } from './changes.ts'
import { mergeStats, psiBetween } from './merged-stats.ts'
import { getVersion } from './versions.ts'

export interface DatasetDiff {
  from: Digest
  to: Digest
  rowsAdded: number
  rowsRemoved: number
  /** By key; null where the versions have none in common. */
  keyed: KeyedDiff | null
  partsAdded: string[]
  partsRemoved: string[]
  partsSame: number
  schema: { added: string[]; removed: string[]; changed: string[] }
  columns: {
    column: string
    psi: number | null
    meanFrom: number | null
    meanTo: number | null
    nullsFrom: number
    nullsTo: number
  }[]
  /** Some of the rows, as plain values. */
  sample: { added: Record<string, unknown>[]; removed: Record<string, unknown>[] }
}

export interface KeyedDiff {
  key: string[]
  inserted: number
  deleted: number
  updated: number
  /** Changed cells of updated rows by column, most first. */
  cells: { column: string; rows: number }[]
  /** Some of the updated rows. */
  sample: ChangedRow[]
}

export interface ChangedRow {
  key: Record<string, unknown>
  /** Columns that differ, with their values before and after. */
  cells: Record<string, { from: unknown; to: unknown }>
}

export interface DiffOptions {
  /** Columns that identify a row. Default: those of the versions. */
  key?: readonly string[]
  /** Rows shown of each kind. Default 10. */
  sampleRows?: number
  /** Parquet file that gets all changes: `_change`, then each column as it is after (of deleted rows: was before), and as `_before_<column>` of updated rows where it differs. */
  path?: string
  signal?: AbortSignal
}

/**
 * Exact difference of two versions: by key where both have one, and as multisets of rows where not. Parts with one digest are not opened, and of parts of which rows are gone
 * only those rows are compared. A column that one version does not have is missing in its rows. Cost: one scan of the parts that differ.
 */
export async function diff(
  store: Store,
  query: Query,
  from: Digest,
  to: Digest,
  options: DiffOptions = {},
): Promise<DatasetDiff> {
  const [a, b] = await Promise.all([getVersion(store, from), getVersion(store, to)])
  const found = await candidates(store, a, b)
  const key = keyOf(a, b, options.key)
  const rows = key.length > 0 ? await byKey(query, found, key, options) : await byRow(query, found, options)
  const [inA, inB] = [a, b].map(({ parts }) => new Set(parts.map(partId)))
  return {
    from,
    to,
    ...rows,
    partsAdded: b.parts.filter((p) => !inA!.has(partId(p))).map((p) => p.key),
    partsRemoved: a.parts.filter((p) => !inB!.has(partId(p))).map((p) => p.key),
    partsSame: b.parts.filter((p) => inA!.has(partId(p))).length,
    schema: schemaChanges(a.schema, b.schema),
    columns: unionOf(a.schema, b.schema).columns.map(({ name }) => columnChange(name, a, b)),
  }
}

/** Errors: MR_DATA_KEY_COLUMN for a key that a version does not have. */
function keyOf(
  a: DatasetVersion,
  b: DatasetVersion,
  given: readonly string[] | undefined,
): readonly string[] {
  const key = given ?? b.key ?? a.key ?? []
  const absent = key.find((name) => [a, b].some(({ schema }) => !schema.columns.some((c) => c.name === name)))
  if (absent === undefined) return key
  if (given === undefined) return []
  throw new MillraceError('MR_DATA_KEY_COLUMN', {
    dataset: b.dataset,
    column: absent,
    columns: b.schema.columns.map((c) => c.name),
  })
}

type RowsDiff = Pick<DatasetDiff, 'rowsAdded' | 'rowsRemoved' | 'keyed' | 'sample'>

// ---------------------------------------------------------------- by row

async function byRow(query: Query, found: Candidates, options: DiffOptions): Promise<RowsDiff> {
  const [added, removed] = [
    sql`(${found.after}) except all (${found.before})`,
    sql`(${found.before}) except all (${found.after})`,
  ]
  const tables = { added: tableName(), removed: tableName() }
  const { signal } = options
  try {
    await query.exec(sql`create table ${raw(quoted(tables.added))} as ${added}`, signal)
    await query.exec(sql`create table ${raw(quoted(tables.removed))} as ${removed}`, signal)
    if (options.path !== undefined) {
      const rows = Object.entries({ insert: tables.added, delete: tables.removed }).map(([kind, table]) =>
        raw(`select '${kind}' as _change, * from ${quoted(table)}`),
      )
      await query.exec(
        sql`copy (${join(rows, ' union all ')}) to ${raw(literal(options.path))} (format parquet, compression zstd)`,
        signal,
      )
    }
    return {
      rowsAdded: await countOf(query, tables.added, signal),
      rowsRemoved: await countOf(query, tables.removed, signal),
      keyed: null,
      sample: {
        added: await someOf(query, tables.added, options),
        removed: await someOf(query, tables.removed, options),
      },
    }
  } finally {
    for (const table of Object.values(tables)) await query.exec(raw(`drop table if exists ${quoted(table)}`))
  }
}

const tableName = (): string => `mr_diff_${randomUUID().replaceAll('-', '')}`

async function countOf(query: Query, table: string, signal: AbortSignal | undefined): Promise<number> {
  const [row] = await query.rows<{ n: number }>(raw(`select count(*) as n from ${quoted(table)}`), signal)
  return Number(row!.n)
}

async function someOf(
  query: Query,
  table: string,
  { sampleRows = 10, signal }: DiffOptions,
): Promise<Record<string, unknown>[]> {
  return sampleRows === 0
    ? []
    : await query.rows(raw(`select * from ${quoted(table)} limit ${sampleRows}`), signal)
}

// ---------------------------------------------------------------- by key

async function byKey(
  query: Query,
  found: Candidates,
  key: readonly string[],
  options: DiffOptions,
): Promise<RowsDiff> {
  const table = tableName()
  const { signal } = options
  try {
    await makeChanges(query, found, key, table, signal)
    if (options.path !== undefined) await writeChanges(query, found.columns, table, options.path, signal)
    const from = quoted(table)
    const kinds = await query.rows<{ kind: ChangeKind; n: number }>(
      raw(`select kind, count(*) as n from ${from} group by 1`),
      signal,
    )
    const n = (kind: ChangeKind) => Number(kinds.find((row) => row.kind === kind)?.n ?? 0)
    const cells = await query.rows<{ place: number; n: number }>(
      raw(
        `select place, count(*) as n from (select unnest(changed) as place from ${from} where kind = 'update') group by 1 order by 2 desc, 1`,
      ),
      signal,
    )
    const keyed: KeyedDiff = {
      key: [...key],
      inserted: n('insert'),
      deleted: n('delete'),
      updated: n('update'),
      cells: cells.map(({ place, n: rows }) => ({
        column: found.columns[Number(place)]!.name,
        rows: Number(rows),
      })),
      sample: await updatedRows(query, found.columns, key, table, options),
    }
    return {
      rowsAdded: keyed.inserted + keyed.updated,
      rowsRemoved: keyed.deleted + keyed.updated,
      keyed,
      sample: {
        added: await rowsOfKind(query, found.columns, key, table, 'insert', options),
        removed: await rowsOfKind(query, found.columns, key, table, 'delete', options),
      },
    }
  } finally {
    await query.exec(raw(`drop table if exists ${quoted(table)}`))
  }
}

async function rowsOfKind(
  query: Query,
  columns: readonly Column[],
  key: readonly string[],
  table: string,
  kind: 'insert' | 'delete',
  { sampleRows = 10, signal }: DiffOptions,
): Promise<Record<string, unknown>[]> {
  if (sampleRows === 0) return []
  const side = kind === 'insert' ? 'a' : 'b'
  const list = columns.map(({ name }, i) => `${side}${i} as ${quoted(name)}`).join(', ')
  return await query.rows(
    raw(
      `select ${list} from ${quoted(table)} where kind = '${kind}' order by ${placesOf(columns, key)
        .map((i) => `${side}${i}`)
        .join(', ')} limit ${sampleRows}`,
    ),
    signal,
  )
}

const placesOf = (columns: readonly Column[], key: readonly string[]): number[] =>
  key.map((name) => columns.findIndex((c) => c.name === name))

async function updatedRows(
  query: Query,
  columns: readonly Column[],
  key: readonly string[],
  table: string,
  { sampleRows = 10, signal }: DiffOptions,
): Promise<ChangedRow[]> {
  if (sampleRows === 0) return []
  const places = placesOf(columns, key)
  const rows = await query.rows(
    raw(
      `select * exclude (changed), to_json(changed)::varchar as changed from ${quoted(table)} where kind = 'update' order by ${places.map((i) => `a${i}`).join(', ')} limit ${sampleRows}`,
    ),
    signal,
  )
  return rows.map((row) => ({
    key: Object.fromEntries(places.map((i) => [columns[i]!.name, row[`a${i}`]])),
    cells: Object.fromEntries(
      (JSON.parse(row.changed as string) as number[]).map((i) => [
        columns[i]!.name,
        { from: row[`b${i}`], to: row[`a${i}`] },
      ]),
    ),
  }))
}

async function writeChanges(
  query: Query,
  columns: readonly Column[],
  table: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const now = columns.map(
    ({ name }, i) => `case when kind = 'delete' then b${i} else a${i} end as ${quoted(name)}`,
  )
  const before = columns.map(
    ({ name }, i) =>
      `case when kind = 'update' and list_contains(changed, ${i}) then b${i} end as ${quoted(`_before_${name}`)}`,
  )
  const names = columns.map(({ name }) => literal(name)).join(', ')
  const changed = `case when kind = 'update' then list_transform(changed, lambda i: [${names}][i + 1]) end as _changed`
  await query.exec(
    raw(
      `copy (select kind as _change, ${changed}, ${[...now, ...before].join(', ')} from ${quoted(table)}) to ${literal(path)} (format parquet, compression zstd)`,
    ),
    signal,
  )
}

function schemaChanges(a: Schema, b: Schema): DatasetDiff['schema'] {
  const before = new Map(a.columns.map((c) => [c.name, c]))
  const after = new Map(b.columns.map((c) => [c.name, c]))
  const isChanged = (name: string) => {
    const [x, y] = [before.get(name), after.get(name)]
    return x !== undefined && y !== undefined && (x.type !== y.type || x.nullable !== y.nullable)
  }
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after.keys()].filter(isChanged),
  }
}

function columnChange(column: string, a: DatasetVersion, b: DatasetVersion): DatasetDiff['columns'][number] {
  const from = mergeStats(a.parts, column)
  const to = mergeStats(b.parts, column)
  const nulls = (stats: ColumnStats | undefined, version: DatasetVersion) => stats?.nulls ?? version.rows
  return {
    column,
    psi: psiBetween(from, to),
    meanFrom: from?.mean ?? null,
    meanTo: to?.mean ?? null,
    nullsFrom: nulls(from, a),
    nullsTo: nulls(to, b),
  }
}
