/** Parts: which rows go together, what is rewritten, and the files. */

import { writeFile } from 'node:fs/promises'
import type { Part } from '../core/records.ts'
import type { PartFile } from '../engine/parts.ts'
import { encodeSketches } from '../stats/sketch-codec.ts'
import { instant } from './checks.ts'
import { type Duck, literal, quote } from './duck.ts'
import { type Import, rowsOfParts } from './import-context.ts'
import { profile, referenceIn, referencesOf } from './profile.ts'
import { sketchTable } from './sketch-run.ts'
import type { Reference, WrittenPart } from './types.ts'

const ROW_GROUP = 122_880
/** Key of the part whose rows have no time. */
const TIMELESS = 'no-time'

/** Writes the rows of table `good` as parts, merged with those of the version before that cover the same buckets. */
export async function writeParts(run: Import): Promise<{ written: WrittenPart[]; replaced: string[] }> {
  const { params } = run.job
  const references = await referencesFor(run, run.delivery.columns)
  const byTime = params.time !== null && params.parts.by !== 'rows'
  return byTime ? await writeBuckets(run, params.time!, references) : await writeBlocks(run, references)
}

/** Bins that the version before has fixed; those of the named columns that have none yet are fixed now, from the new rows. */
export async function referencesFor(
  { duck, job }: Pick<Import, 'duck' | 'job'>,
  fixNow: Import['delivery']['columns'],
): Promise<Map<string, Reference>> {
  const references = new Map<string, Reference>()
  for (const part of job.parent?.parts ?? []) {
    for (const [name, stats] of Object.entries(part.stats)) {
      const reference = referenceIn(stats)
      if (reference && !references.has(name)) references.set(name, reference)
    }
  }
  if (fixNow.length === 0) return references
  const fresh = await referencesOf(
    duck,
    'good',
    fixNow.filter((c) => !references.has(c.name)),
  )
  return new Map([...references, ...fresh])
}

interface Bucket {
  key: string
  /** Which rows of `good` it takes. */
  where: string
}

async function writeBuckets(
  run: Import,
  time: string,
  references: Map<string, Reference>,
): Promise<{ written: WrittenPart[]; replaced: string[] }> {
  const buckets = await bucketsOf(run.duck, 'good', time, run.job.params.parts.by === 'day' ? 'day' : 'month')
  const existing = new Map(run.job.parent?.parts.map((part) => [part.key, part]))
  const written: WrittenPart[] = []
  for (const [i, bucket] of buckets.entries()) {
    run.report(0.6 + (0.4 * i) / buckets.length, `writing ${bucket.key}`)
    const old = existing.get(bucket.key)
    written.push(await writePart(run, bucket.key, rowsOf(run, bucket.where, old ? [old] : []), references))
  }
  return { written, replaced: buckets.map((b) => b.key).filter((key) => existing.has(key)) }
}

/** Months or days that rows of a table lie in. */
export async function bucketsOf(
  duck: Duck,
  table: string,
  time: string,
  by: 'day' | 'month',
): Promise<Bucket[]> {
  const t = quote(time)
  const format = by === 'day' ? '%Y-%m-%d' : '%Y-%m'
  const rows = await duck.rows<{ key: string | null; fromAt: number; toAt: number }>(
    `SELECT strftime(b, '${format}') AS key, CAST(epoch_ms(b) AS DOUBLE) AS "fromAt", CAST(epoch_ms(b + INTERVAL 1 ${by}) AS DOUBLE) AS "toAt"
     FROM (SELECT DISTINCT CAST(date_trunc('${by}', ${t}) AS TIMESTAMP) AS b FROM ${table}) ORDER BY b NULLS LAST`,
  )
  return rows.map(({ key, fromAt, toAt }) =>
    key === null
      ? { key: TIMELESS, where: `${t} IS NULL` }
      : { key, where: `${t} >= ${instant(fromAt)} AND ${t} < ${instant(toAt)}` },
  )
}

/** New rows of a bucket, or those and the old ones together in canonical order. */
function rowsOf({ delivery, order }: Import, where: string, old: PartFile[]): string {
  const fresh = `SELECT * FROM good WHERE ${where}`
  return old.length === 0
    ? fresh
    : `SELECT * FROM (${fresh} UNION ALL ${rowsOfParts(old, delivery.columns)}) ORDER BY ${order}`
}

/** Number at the end of a key. Numbers of blocks that were emptied since are not given again. */
export const numberOf = ({ key }: Pick<Part, 'key'>): number => Number(/\d+$/.exec(key)?.[0] ?? 0)

/** Blocks of rows, for data without a time. The last block is filled up before a new one is begun; earlier ones never change. */
async function writeBlocks(
  run: Import,
  references: Map<string, Reference>,
): Promise<{ written: WrittenPart[]; replaced: string[] }> {
  const { rowsMax } = run.job.params.parts
  const parents = run.job.parent?.parts ?? []
  const last = parents.at(-1)
  const open = last !== undefined && last.rows < rowsMax ? [last] : []
  await run.duck.run(`CREATE TABLE blocks AS ${rowsOf(run, 'TRUE', open)}`)
  const { n } = await run.duck.one<{ n: number }>('SELECT count(*) AS n FROM blocks')
  const first = last === undefined ? 0 : numberOf(last) + (open.length === 0 ? 1 : 0)
  const written: WrittenPart[] = []
  for (let start = 0; start < n; start += rowsMax) {
    run.report(0.6 + (0.4 * start) / n, `writing block ${first + written.length}`)
    const key = `rows-${String(first + written.length).padStart(6, '0')}`
    written.push(
      await writePart(
        run,
        key,
        `SELECT * FROM blocks WHERE rowid >= ${start} AND rowid < ${start + rowsMax}`,
        references,
      ),
    )
  }
  return { written, replaced: open.map((part) => part.key) }
}

/**
 * The rows go through a table of their own, so that the writer gets them in full vectors from the first row on: where its row groups and pages
 * end, and with them the bytes, would otherwise depend on what else was imported.
 */
export async function writePart(
  run: Import,
  key: string,
  rows: string,
  references: Map<string, Reference>,
): Promise<WrittenPart> {
  const { duck, job, delivery } = run
  const path = `${job.folder}/${key}.parquet`
  await duck.run(`CREATE OR REPLACE TEMP TABLE part AS ${rows}`)
  await duck.run(
    `COPY part TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP})`,
  )
  const stats = await profile(duck, 'part', delivery.columns, references)
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM part')
  const range = rangeOf(key, job.params.time === null ? undefined : stats[job.params.time])
  const sketchPath = `${job.folder}/${key}.sketches`
  await writeFile(sketchPath, encodeSketches(await sketchTable(duck, 'part', delivery.columns)))
  return { path, sketchPath, key, keyRange: range, rows: n, stats }
}

function rangeOf(
  key: string,
  time: { min?: number | string; max?: number | string } | undefined,
): Part['keyRange'] {
  if (typeof time?.min !== 'number' || typeof time.max !== 'number') return { min: key, max: key }
  return { min: new Date(time.min).toISOString(), max: new Date(time.max).toISOString() }
}
