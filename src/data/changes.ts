/** Rows in which two versions differ. Parts that both have are not opened; of a part of which different rows are gone, those rows alone are compared. */
import type { Column, ColumnType, DatasetVersion, Part, Schema } from '../core/records.ts'
import { columnsOfPart, DUCK_TYPE, type PartFile, partFiles, partId, partRows } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import { join, literal, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'

/** Columns of both versions: those of the second first. A column that has two types is compared as text. */
export function unionOf(a: Schema, b: Schema): Schema {
  const types = new Map(a.columns.map((c) => [c.name, c.type]))
  const own = b.columns.map((c): Column => ({ ...c, type: commonType(c.type, types.get(c.name)) }))
  const known = new Set(own.map((c) => c.name))
  return { columns: [...own, ...a.columns.filter((c) => !known.has(c.name))] }
}

const commonType = (type: ColumnType, other: ColumnType | undefined): ColumnType =>
  other === undefined || other === type ? type : 'string'

/** Rows that only the first of two versions can have, and those that only the second can, as relations with the given columns. Equal rows may be in both. */
export interface Candidates {
  before: Sql
  after: Sql
  columns: Column[]
}

export async function candidates(
  store: Store,
  a: DatasetVersion,
  b: DatasetVersion,
  schema: Schema = unionOf(a.schema, b.schema),
): Promise<Candidates> {
  const [before, after]: [string[], string[]] = [[], []]
  const { pairs, onlyA, onlyB } = paired(await partFiles(store, a.parts), await partFiles(store, b.parts))
  const [listA, listB] = [a, b].map((version) => (part: PartFile) => listOf(part, version.schema, schema))
  for (const [x, y] of pairs) {
    if (y.gonePath !== undefined) before.push(`SELECT ${listA!(x)} FROM ${goneOnlyIn(y, x)}`)
    if (x.gonePath !== undefined) after.push(`SELECT ${listB!(y)} FROM ${goneOnlyIn(x, y)}`)
  }
  for (const part of onlyA) before.push(`SELECT ${listA!(part)} FROM ${partRows(part)}`)
  for (const part of onlyB) after.push(`SELECT ${listB!(part)} FROM ${partRows(part)}`)
  return { before: unionRows(before, schema), after: unionRows(after, schema), columns: schema.columns }
}

/** Parts of one file in both versions with other rows gone, and parts that only one version has. Parts that are the same are left out. */
function paired(a: PartFile[], b: PartFile[]) {
  const waiting = new Map<string, PartFile[]>()
  for (const part of b) waiting.set(part.digest, [...(waiting.get(part.digest) ?? []), part])
  const pairs: [PartFile, PartFile][] = []
  const onlyA: PartFile[] = []
  for (const part of a) {
    const other = takeLike(waiting.get(part.digest) ?? [], part)
    if (!other) onlyA.push(part)
    else if (partId(other) !== partId(part)) pairs.push([part, other])
  }
  return { pairs, onlyA, onlyB: [...waiting.values()].flat() }
}

/** Takes out the part with the same rows, or else any. */
function takeLike(parts: PartFile[], part: Part): PartFile | undefined {
  const at = parts.findIndex((other) => partId(other) === partId(part))
  return parts.splice(Math.max(0, at), 1)[0]
}

/** Rows of a file that are gone in one part of it and not in the other. */
function goneOnlyIn(gone: PartFile, other: PartFile): string {
  const rows = `SELECT row FROM read_parquet(${literal(gone.gonePath!)})`
  const less =
    other.gonePath === undefined ? '' : ` EXCEPT SELECT row FROM read_parquet(${literal(other.gonePath)})`
  return `(SELECT * EXCLUDE (file_row_number) FROM read_parquet(${literal(gone.path)}, file_row_number = true) WHERE file_row_number IN (${rows}${less}))`
}

function listOf(part: Part, own: Schema, { columns }: Schema): string {
  const has = new Map(own.columns.map((c) => [c.name, c.type]))
  const list = columns.map(({ name, type }) => {
    if (!has.has(name)) return `NULL::${DUCK_TYPE[type]} AS ${quoted(name)}`
    if (has.get(name) === type) return columnsOfPart(part, [{ name, type }])[0]!
    return `CAST(${quoted(name)} AS ${DUCK_TYPE[type]}) AS ${quoted(name)}`
  })
  return list.join(', ')
}

function unionRows(scans: string[], { columns }: Schema): Sql {
  if (scans.length > 0) return join(scans.map(raw), ' UNION ALL ')
  return raw(`SELECT ${columnsOfPart({ stats: {} }, columns).join(', ')} WHERE FALSE`)
}

export const CHANGE_KINDS = ['insert', 'delete', 'update'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/**
 * Makes the table `name` of what changed by key: `kind`, `changed` (places of the columns that differ), and for the column at place i `b<i>` before and `a<i>` after. Rows of one
 * key are compared one by one in no certain order where a version has several.
 */
export async function makeChanges(
  query: Pick<Query, 'exec'>,
  { before, after, columns }: Candidates,
  key: readonly string[],
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const keys = key.map(quoted).join(', ')
  const numbered = (rows: Sql): Sql =>
    sql`select *, row_number() over (partition by ${keys}) as _mr_copy from (${rows})`
  const on = [
    ...key.map((k) => `b.${quoted(k)} is not distinct from a.${quoted(k)}`),
    'b._mr_copy = a._mr_copy',
  ]
  const differs = (c: Column, i: number) =>
    `case when b.${quoted(c.name)} is distinct from a.${quoted(c.name)} then ${i} end`
  const values = columns.flatMap(({ name: c }, i) => [`b.${quoted(c)} as b${i}`, `a.${quoted(c)} as a${i}`])
  await query.exec(
    sql`create or replace table ${raw(quoted(name))} as select * from (
      select case when b._mr_copy is null then 'insert' when a._mr_copy is null then 'delete' else 'update' end as kind,
        list_filter([${columns.map(differs).join(', ')}]::integer[], lambda x: x is not null) as changed, ${values.join(', ')}
      from (${numbered(before)}) b full join (${numbered(after)}) a on ${on.join(' and ')})
      where kind <> 'update' or len(changed) > 0`,
    signal,
  )
}
