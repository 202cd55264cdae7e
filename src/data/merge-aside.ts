/** Rows that were put aside, of both sides of a merge: what the other side put aside comes along, and what it took up again leaves. */
import type { Part, Schema } from '../core/records.ts'
import { columnsOfPart, partFiles, partRows } from '../engine/parts.ts'
import { quoted } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { type Duck, literal } from './duck.ts'
import { lastQuarantine, putParts } from './import-task.ts'
import type { MergeSides } from './merge-types.ts'
import { profile } from './profile.ts'
import type { WrittenPart } from './types.ts'

/** Parts aside of the merged version. Parts that only one side changed are taken as they are where the other has nothing to say of their rows. */
export async function mergeAside(
  store: Store,
  duck: Duck,
  sides: MergeSides,
  schema: Schema,
  folder: string,
): Promise<Part[]> {
  const { ours } = sides
  const [base, own, other] = [sides.base, ours, sides.theirs].map(({ quarantine }) => quarantine)
  const inBase = digestsIn(base!)
  const come = other!.filter(({ digest }) => !inBase.has(digest))
  const left = base!.filter(({ digest }) => !digestsIn(other!).has(digest))
  if (come.length === 0 && left.length === 0) return own!
  const touched = own!.filter(
    ({ digest }) => !inBase.has(digest) || left.some((part) => part.digest === digest),
  )
  const kept = own!.filter((part) => !touched.includes(part))
  await load(store, duck, 'mr_aside_base', left, schema)
  await load(store, duck, 'mr_aside_ours', touched, schema)
  await load(store, duck, 'mr_aside_theirs', come, schema)
  await duck.run(mergedSql(schema))
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM mr_aside')
  if (n === 0) return kept
  const written = await writeAside(
    duck,
    schema,
    folder,
    `quarantine-${String(lastQuarantine(ours) + 1).padStart(6, '0')}`,
  )
  return [...kept, ...(await putParts(store, [written]))]
}

const digestsIn = (parts: readonly Part[]): Set<string> => new Set(parts.map(({ digest }) => digest))

async function load(
  store: Store,
  duck: Duck,
  table: string,
  parts: readonly Part[],
  { columns }: Schema,
): Promise<void> {
  const scans = (await partFiles(store, parts)).map(
    (part) => `SELECT ${columnsOfPart(part, columns).join(', ')}, _reasons FROM ${partRows(part)}`,
  )
  const none = `SELECT ${columnsOfPart({ stats: {} }, columns).join(', ')}, []::VARCHAR[] AS _reasons WHERE FALSE`
  await duck.run(`CREATE TABLE ${table} AS ${scans.length > 0 ? scans.join(' UNION ALL ') : none}`)
}

/**
 * Of rows that are equal, whatever their reasons: as many as ours has, and as many more as the other side has more than both had, beyond what ours put aside itself; less as many
 * as the other side took up.
 */
function mergedSql({ columns }: Schema): string {
  const names = columns.map(({ name }) => quoted(name))
  const list = names.join(', ')
  const same = (a: string, b: string) =>
    names.map((name) => `${a}.${name} IS NOT DISTINCT FROM ${b}.${name}`).join(' AND ')
  const count = (table: string) => `SELECT ${list}, count(*) AS n FROM ${table} GROUP BY ALL`
  const rows = `SELECT *, row_number() OVER (PARTITION BY ${list} ORDER BY side, _reasons) AS place FROM (
    SELECT *, 0 AS side FROM mr_aside_ours UNION ALL SELECT *, 1 AS side FROM mr_aside_theirs)`
  const n = (table: string) => `coalesce(${table}.n, 0)`
  const wanted = `greatest(${n('o')}, ${n('b')}) + ${n('t')} - ${n('b')}`
  // What both sides put aside since is there once: as often as the side that has more of it.
  return `CREATE TABLE mr_aside AS SELECT r.* EXCLUDE (side, place) FROM (${rows}) r
    LEFT JOIN (${count('mr_aside_ours')}) o ON ${same('r', 'o')} LEFT JOIN (${count('mr_aside_theirs')}) t ON ${same('r', 't')} LEFT JOIN (${count('mr_aside_base')}) b ON ${same('r', 'b')}
    WHERE place <= CASE WHEN ${n('b')} = 0 THEN greatest(${n('o')}, ${n('t')}) ELSE ${wanted} END`
}

async function writeAside(
  duck: Duck,
  { columns }: Schema,
  folder: string,
  key: string,
): Promise<WrittenPart> {
  const path = `${folder}/${key}.parquet`
  const order = [...columns.map(({ name }) => `${quoted(name)} NULLS LAST`), '_reasons'].join(', ')
  await duck.run(
    `COPY (SELECT * FROM mr_aside ORDER BY ${order}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
  )
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM mr_aside')
  return {
    path,
    key,
    keyRange: { min: key, max: key },
    rows: n,
    stats: await profile(duck, 'mr_aside', columns, new Map()),
  }
}
