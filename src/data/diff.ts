/** What changed between two versions, to the row. */
import type { ColumnStats, DatasetVersion, Digest, Part, Schema } from '../core/records.ts'
import { columnsOfPart, partFiles, partId, partRows } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import { join, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { mergeStats, psiBetween } from './merged-stats.ts'
import { getVersion } from './versions.ts'

export interface DatasetDiff {
  from: Digest
  to: Digest
  rowsAdded: number
  rowsRemoved: number
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

export interface DiffOptions {
  /** Rows shown of each side. Default 10. */
  sampleRows?: number
  signal?: AbortSignal
}

/**
 * Exact difference of two versions as multisets of rows. Parts with one digest are not opened; the others are compared key by key. A column that one
 * version does not have is missing in its rows. Cost: one scan of the parts that differ.
 */
export async function diff(
  store: Store,
  query: Query,
  from: Digest,
  to: Digest,
  options: DiffOptions = {},
): Promise<DatasetDiff> {
  const [a, b] = await Promise.all([getVersion(store, from), getVersion(store, to)])
  const pairs = differing(a.parts, b.parts)
  const sides = { store, query, schema: unionOf(a.schema, b.schema), options }
  const rows = { added: 0, removed: 0 }
  const sample: DatasetDiff['sample'] = { added: [], removed: [] }
  for (const [before, after] of pairs) {
    const added = await surplus(sides, after, before, sample.added)
    rows.added += added
    rows.removed += before.length === 0 ? 0 : added + rowsOf(before) - rowsOf(after)
    if (before.length > 0) await fillSample(sides, before, after, sample.removed)
  }
  const kept = new Set(a.parts.map((p) => partId(p)))
  return {
    from,
    to,
    rowsAdded: rows.added,
    rowsRemoved: rows.removed,
    partsAdded: b.parts.filter((p) => !kept.has(partId(p))).map((p) => p.key),
    partsRemoved: a.parts.filter((p) => !b.parts.some((q) => partId(q) === partId(p))).map((p) => p.key),
    partsSame: b.parts.filter((p) => kept.has(partId(p))).length,
    schema: schemaChanges(a.schema, b.schema),
    columns: sides.schema.columns.map(({ name }) => columnChange(name, a, b)),
    sample,
  }
}

interface Sides {
  store: Store
  query: Query
  schema: Schema
  options: DiffOptions
}

/** Parts that are not in both, as pairs that cover the same key. Blocks of rows have no key of their own, so they are one pair. */
function differing(a: Part[], b: Part[]): [Part[], Part[]][] {
  const inA = new Set(a.map((p) => partId(p)))
  const inB = new Set(b.map((p) => partId(p)))
  const onlyA = a.filter((p) => !inB.has(partId(p)))
  const onlyB = b.filter((p) => !inA.has(partId(p)))
  const groups = new Map<string, [Part[], Part[]]>()
  const groupOf = (part: Part): [Part[], Part[]] => {
    const key = part.key.startsWith('rows-') ? 'rows' : part.key
    if (!groups.has(key)) groups.set(key, [[], []])
    return groups.get(key)!
  }
  for (const part of onlyA) groupOf(part)[0].push(part)
  for (const part of onlyB) groupOf(part)[1].push(part)
  return [...groups.values()]
}

const rowsOf = (parts: Part[]): number => parts.reduce((n, part) => n + part.rows, 0)

/** Rows of `these` beyond those of `others`; some of them go into the sample. */
async function surplus(
  sides: Sides,
  these: Part[],
  others: Part[],
  sample: Record<string, unknown>[],
): Promise<number> {
  if (these.length === 0) return 0
  await fillSample(sides, these, others, sample)
  if (others.length === 0) return rowsOf(these)
  const [row] = await sides.query.rows<{ n: number }>(
    sql`SELECT count(*) AS n FROM (${await except(sides, these, others)})`,
    sides.options.signal,
  )
  return Number(row!.n)
}

async function fillSample(
  sides: Sides,
  these: Part[],
  others: Part[],
  sample: Record<string, unknown>[],
): Promise<void> {
  const wanted = (sides.options.sampleRows ?? 10) - sample.length
  if (wanted <= 0 || these.length === 0) return
  const rows = others.length === 0 ? await scan(sides, these) : await except(sides, these, others)
  sample.push(
    ...(await sides.query.rows(
      sql`SELECT * FROM (${rows}) LIMIT ${raw(String(wanted))}`,
      sides.options.signal,
    )),
  )
}

async function except(sides: Sides, these: Part[], others: Part[]): Promise<Sql> {
  return sql`${await scan(sides, these)} EXCEPT ALL ${await scan(sides, others)}`
}

async function scan({ store, schema }: Sides, parts: Part[]): Promise<Sql> {
  const scans = (await partFiles(store, parts)).map((part) =>
    raw(`SELECT ${columnsOfPart(part, schema.columns).join(', ')} FROM ${partRows(part)}`),
  )
  return sql`(${join(scans, ' UNION ALL ')})`
}

function unionOf(a: Schema, b: Schema): Schema {
  const known = new Set(b.columns.map((c) => c.name))
  return { columns: [...b.columns, ...a.columns.filter((c) => !known.has(c.name))] }
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
