/** An edit as it happens in the child process: rows leave the parts they are in, and what is taken goes the way of a delivery. */
import type { Schema } from '../core/records.ts'
import { columnsOfPart, DUCK_TYPE, numberedPartRows, type PartFile } from '../engine/parts.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import type { Sql } from '../expr/sql.ts'
import { checkWhole } from './check-whole.ts'
import { canonicalOrder } from './columns-sql.ts'
import { type Duck, literal, quote } from './duck.ts'
import { WRITTEN_AS } from './edit.ts'
import type { ColumnFix, EditJob, EditResult } from './edit-types.ts'
import type { Import, Report } from './import-context.ts'
import { runImport } from './import-run.ts'
import { profile } from './profile.ts'
import type { ImportJob, ImportParams, WrittenPart } from './types.ts'
import { referencesFor, writePart } from './write-parts.ts'

/**
 * Edits a version. Leaves files in the job's folder and returns what they are; nothing else is touched. A part that loses rows keeps the order of the others, so its
 * bytes depend only on which rows it holds. Cost: one scan and one writing of each part that loses or gets rows.
 */
export async function runEdit(duck: Duck, job: EditJob, report: Report): Promise<EditResult> {
  report(0.02, 'looking at the rows')
  await loadChosen(duck, job)
  return job.params.act.kind === 'quarantine'
    ? await putAside(duck, job, report)
    : await takeUp(duck, job, report)
}

/** `chosen(row, reason)`: numbers of rows, and places in the list of reasons. */
async function loadChosen(duck: Duck, { selection }: EditJob): Promise<void> {
  const { rows, reasonOf } = selection
  const list = (type: string) => `unnest(CAST(CAST(? AS JSON) AS ${type}[]))`
  const reason = reasonOf.length === 0 ? 'NULL::INTEGER' : list('INTEGER')
  await duck.run({
    text: `CREATE TABLE chosen AS SELECT ${list('BIGINT')} AS row, ${reason} AS reason`,
    params: [JSON.stringify(rows), ...(reasonOf.length === 0 ? [] : [JSON.stringify(reasonOf)])],
  })
}

const NUMBER = '_mr_row'

/** Rows of a part with their numbers, which begin at `start`; columns that it does not have are null. */
function numbered(part: PartFile, schema: Schema, start: number, more: readonly string[] = []): string {
  const columns = [...columnsOfPart(part, schema.columns), ...more]
  return `SELECT ${columns.join(', ')}, file_row_number + ${start} AS ${NUMBER} FROM ${numberedPartRows(part)}`
}

interface Touched {
  part: PartFile
  /** Number of its first row. */
  start: number
  chosen: number
}

/** Parts that hold chosen rows. */
function touchedOf(parts: readonly PartFile[], rows: readonly number[]): Touched[] {
  const touched: Touched[] = []
  let start = 0
  let i = 0
  for (const part of parts) {
    const from = i
    while (i < rows.length && rows[i]! < start + part.rows) i++
    if (i > from) touched.push({ part, start, chosen: i - from })
    start += part.rows
  }
  return touched
}

/** What the writers of an import need to know. */
function contextOf(duck: Duck, job: EditJob, report: Report): Import {
  return {
    duck,
    job: importJob(job, []),
    delivery: { files: [], columns: job.schema.columns },
    order: canonicalOrder(job.schema.columns, job.params.time),
    report,
  }
}

/** The same edit as an import of a file onto what is left of the version. */
function importJob(job: EditJob, paths: readonly string[]): ImportJob {
  const { dataset, time, key, parts, checks, act } = job.params
  const files = paths.map((path) => ({
    path,
    name: 'rows put aside',
    format: 'parquet' as const,
    gzip: false,
  }))
  const params: ImportParams = {
    dataset,
    time,
    key: act.kind === 'fix' ? key : [],
    checks,
    read: { missing: [] },
    parts,
    files: files.map(({ name, format, gzip }, i) => ({ input: `source/${i}`, name, format, gzip })),
    select: null,
    period: null,
    message: '',
  }
  const parent = { schema: job.schema, parts: job.parts, quarantineParts: job.quarantineParts }
  const { others, folder, memoryMb } = job
  return { op: 'import', files, params, parent, others, folder, memoryMb }
}

// ---------------------------------------------------------------- rows of the version

async function putAside(duck: Duck, job: EditJob, report: Report): Promise<EditResult> {
  const { schema, selection } = job
  const run = contextOf(duck, job, report)
  const touched = touchedOf(job.parts, selection.rows)
  const references = await referencesFor(run, [])
  const columns = schema.columns.map((c) => quote(c.name)).join(', ')
  await duck.run({
    text: 'CREATE TABLE reasons AS SELECT unnest(CAST(CAST(? AS JSON) AS VARCHAR[][])) AS list, unnest(range(?)) AS reason',
    params: [JSON.stringify(selection.reasons), selection.reasons.length],
  })
  await duck.run(
    `CREATE TABLE aside AS SELECT ${columns}, coalesce(list, []::VARCHAR[]) AS _reasons FROM (${touched
      .map(({ part, start }) => numbered(part, schema, start))
      .join(' UNION ALL ')}) JOIN chosen ON chosen.row = ${NUMBER} LEFT JOIN reasons USING (reason)`,
  )
  const written: WrittenPart[] = []
  for (const [i, { part, start, chosen }] of touched.entries()) {
    report(0.1 + (0.8 * i) / touched.length, `writing ${part.key}`)
    if (chosen === part.rows) continue
    const kept = `SELECT ${columns} FROM (${numbered(part, schema, start)}) WHERE ${NUMBER} NOT IN (SELECT row FROM chosen) ORDER BY ${NUMBER}`
    written.push(await writePart(run, part.key, kept, references))
  }
  report(0.95, 'writing what was put aside')
  const aside = await writeAside(
    run,
    'aside',
    quarantineKey(job.quarantineParts + 1),
    `${run.order}, _reasons`,
  )
  return {
    schema,
    written,
    replaced: touched.map(({ part }) => part.key),
    quarantine: [aside],
    quarantineReplaced: [],
    outcome: {
      chosen: selection.rows.length,
      added: 0,
      removed: selection.rows.length,
      aside: selection.rows.length,
      byReason: await reasonsOf(duck, 'aside'),
    },
  }
}

const quarantineKey = (n: number): string => `quarantine-${String(n).padStart(6, '0')}`

async function reasonsOf(duck: Duck, from: string): Promise<Record<string, number>> {
  const rows = await duck.rows<{ reason: string; n: number }>(
    `SELECT reason, count(*) AS n FROM (SELECT unnest(_reasons) AS reason FROM ${from}) GROUP BY 1 ORDER BY 1`,
  )
  return Object.fromEntries(rows.map(({ reason, n }) => [reason, n]))
}

/** Writes rows with reasons as one part. */
async function writeAside(run: Import, from: string, key: string, order: string): Promise<WrittenPart> {
  const { duck, job, delivery } = run
  const path = `${job.folder}/${key}.parquet`
  const columns = [...delivery.columns.map((c) => quote(c.name)), '_reasons'].join(', ')
  await duck.run(
    `COPY (SELECT ${columns} FROM ${from} ORDER BY ${order}) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
  )
  const stats = await profile(duck, from, delivery.columns, await referencesFor(run, []))
  const { n } = await duck.one<{ n: number }>(`SELECT count(*) AS n FROM ${from}`)
  return { path, key, keyRange: { min: key, max: key }, rows: n, stats }
}

// ---------------------------------------------------------------- rows that were put aside

async function takeUp(duck: Duck, job: EditJob, report: Report): Promise<EditResult> {
  const { schema, selection, params } = job
  const run = contextOf(duck, job, report)
  const touched = touchedOf(job.quarantine, selection.rows)
  const all = touched
    .map(({ part, start }) => numbered(part, schema, start, ['_reasons']))
    .join(' UNION ALL ')
  await duck.run(
    `CREATE TABLE picked AS SELECT * FROM (${all}) WHERE ${NUMBER} IN (SELECT row FROM chosen) ORDER BY ${NUMBER}`,
  )
  const left: WrittenPart[] = []
  for (const { part, start, chosen } of touched) {
    if (chosen === part.rows) continue
    await duck.run(
      `CREATE OR REPLACE TABLE left_aside AS SELECT * FROM (${numbered(part, schema, start, ['_reasons'])}) WHERE ${NUMBER} NOT IN (SELECT row FROM chosen) ORDER BY ${NUMBER}`,
    )
    left.push(await writeAside(run, 'left_aside', part.key, NUMBER))
  }
  const outcome = { chosen: selection.rows.length, added: 0, removed: 0, aside: -selection.rows.length }
  const before: EditResult = {
    schema,
    written: [],
    replaced: [],
    quarantine: left,
    quarantineReplaced: touched.map(({ part }) => part.key),
    outcome: { ...outcome, byReason: await reasonsOf(duck, 'picked') },
  }
  if (params.act.kind === 'drop') return before
  const path = `${job.folder}/taken.parquet`
  const values = params.act.kind === 'fix' ? await fixedColumns(duck, job, params.act.set) : columnsOf(schema)
  await duck.run({
    text: `COPY (SELECT ${values.text} FROM picked ORDER BY ${NUMBER}) TO ${literal(path)} (FORMAT parquet)`,
    params: values.params,
  })
  report(0.3, 'checking the rows')
  const taken = await runImport(duck, importJob(job, [path]), (done, note) => report(0.3 + 0.7 * done, note))
  return withTaken(before, taken, params.act.kind === 'fix')
}

const columnsOf = (schema: Schema): Sql => ({
  text: schema.columns.map((c) => quote(c.name)).join(', '),
  params: [],
})

function withTaken(
  before: EditResult,
  taken: Awaited<ReturnType<typeof runImport>>,
  isChecked: boolean,
): EditResult {
  const failed = Object.fromEntries(Object.entries(taken.byCheck).filter(([, n]) => n > 0))
  return {
    ...before,
    schema: taken.schema,
    written: taken.written,
    replaced: taken.replaced,
    quarantine: [...before.quarantine, ...(taken.quarantine ? [taken.quarantine] : [])],
    outcome: {
      ...before.outcome,
      added: taken.delivered.added,
      aside: before.outcome.aside + taken.delivered.quarantined,
      byReason: isChecked ? failed : before.outcome.byReason,
    },
  }
}

/** The columns with their new values. Errors: MR_DATA_FIX_VALUE where a whole number would lose its fraction or has no room. */
async function fixedColumns(duck: Duck, job: EditJob, set: readonly ColumnFix[]): Promise<Sql> {
  const { schema } = job
  const fixes = new Map(set.map(({ column, value }) => [column, value]))
  const texts: string[] = []
  const params: Sql['params'] = []
  for (const { name, type } of schema.columns) {
    const value = fixes.get(name)
    if (value === undefined) {
      texts.push(quote(name))
      continue
    }
    const sql = toDuckDb(value, { schema, expect: WRITTEN_AS[type], place: `the new value of ${name}` })
    if (type === 'int') await checkWhole(duck, job.params.dataset, name, sql, 'picked')
    texts.push(`CAST(${sql.text} AS ${DUCK_TYPE[type]}) AS ${quote(name)}`)
    params.push(...sql.params)
  }
  return { text: texts.join(', '), params }
}
