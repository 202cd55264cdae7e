/** The import itself, as it happens in the child process: load and judge, put bad rows aside, write parts. */

import { isMillraceError, MillraceError, toError } from '../core/errors.ts'
import type { Finding } from '../core/records.ts'
import { tableMetricText } from '../define/table-metrics.ts'
import type { CheckDef } from '../define/types.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import { join, raw, type Sql } from '../expr/sql.ts'
import { checksOf, type RowCheck, rowChecksOf, windowText } from './checks.ts'
import { canonicalOrder, openDelivery, relationsOf, schemaOf, selectList } from './columns-sql.ts'
import { firstInstant, measureDelivery } from './delivery-metrics.ts'
import { type Duck, literal, quote } from './duck.ts'
import { errorFinding, metricFinding, rowCountFinding, shareFinding, type Tally } from './findings.ts'
import { type Import, type Report, rowsOfParts } from './import-context.ts'
import { markRows } from './marked-rows.ts'
import { measureChecks } from './measure-checks.ts'
import { profile } from './profile.ts'
import { isOutOfRoom, isTyped, named, type OpenFile } from './reader.ts'
import { type RemarksAsked, remarksOf } from './remarks/index.ts'
import { dropRepeats, REPEATS } from './repeated-rows.ts'
import { stillFindings } from './stretches.ts'
import type { Measurement } from './table-metrics.ts'
import type { ImportJob, ImportResult, WrittenPart } from './types.ts'
import { writeDelta } from './write-delta.ts'
import { referencesFor, writeParts } from './write-parts.ts'

/**
 * Reads the files of a job into parts. Leaves files in the job's folder and returns what they are; nothing else is touched.
 *
 * Rows are sorted canonically inside a part, so its bytes depend only on which rows it holds. Cost: one scan of the sources, one sort, one scan a part.
 */
export async function runImport(duck: Duck, job: ImportJob, report: Report): Promise<ImportResult> {
  report(0.01, 'looking at the files')
  const run = await load(duck, job, report)
  const { checks, usable, broken, rows } = run
  if (rows === 0 && job.removals === undefined) throw noRows(job, whyNone(run))
  report(0.44, 'looking for what is odd')
  const remarks = await remarksOf(duck, oddities(run))
  report(0.45, 'judging rows among the others')
  const marked = await markRows(run, checks, soundRows(usable), broken)
  const tallies = new Map([...(await tally(duck, usable)), ...marked])
  const measured = await measureChecks(duck, 'staged', checks, run.delivery.columns, broken)
  const findings = checks.flatMap((check) => findingOf(job, check, rows, { tallies, measured, broken }))
  const refusedBy = refusals(checks, findings)
  const result = await write(run, quarantining(usable, marked, checks), refusedBy.length > 0)
  return {
    ...result,
    findings: [...findings, ...(await stillFindings(run))],
    refusedBy,
    byCheck: Object.fromEntries([...tallies].map(([name, t]) => [name, t.failed])),
    newest: await newestOf(duck, checks),
    ...(await measuredOf(run, checks, measured)),
    notes: notesOf(run),
    remarks,
  }
}

function oddities({ job: { params, parent }, delivery }: Loaded): RemarksAsked {
  const before = new Map<string, string[]>()
  for (const { stats } of parent?.parts ?? [])
    for (const [name, { histogram }] of Object.entries(stats))
      if (histogram?.kind === 'category') before.set(name, histogram.categories)
  return {
    from: 'staged',
    columns: delivery.columns,
    times: params.time === null ? [] : [params.time],
    files: relationsOf(delivery, params.read.missing),
    before,
  }
}

function whyNone({ job, repeated }: Loaded): string {
  if (repeated > 0) return REPEATS
  return job.params.select ? 'no row lies in the selected window of time' : 'the files have no rows'
}

interface Loaded extends Import {
  checks: CheckDef[]
  usable: RowCheck[]
  broken: Map<string, string>
  rows: number
  /** Rows that the dataset has already and that were left out. */
  repeated: number
}

async function load(duck: Duck, job: ImportJob, report: Report): Promise<Loaded> {
  try {
    return await loadOnce(duck, job, report, false)
  } catch (thrown) {
    const mayBeSniffing = job.files.some((f) => !isTyped(f)) && isMillraceError(thrown, 'MR_DATA_UNREADABLE')
    if (!mayBeSniffing) throw thrown
    await duck.run('DROP TABLE IF EXISTS staged')
    return await loadOnce(duck, job, report, true)
  }
}

async function loadOnce(duck: Duck, job: ImportJob, report: Report, thorough: boolean): Promise<Loaded> {
  const { params } = job
  const delivery = await openDelivery(duck, job.files, params, job.parent?.schema ?? null, thorough)
  const checks = checksOf(params)
  const { usable, broken } = rowChecksOf(checks, params.period, delivery.columns)
  const run = { duck, job, delivery, order: canonicalOrder(delivery.columns, params.time), report }
  await createStaged(run)
  const binding = await bindable(run, usable, broken)
  const good = await stage(run, binding, broken)
  const repeated = await dropRepeats(run)
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM staged')
  return { ...run, checks, usable: good, broken, rows: n, repeated }
}

async function createStaged({ duck, delivery }: Import): Promise<void> {
  await duck.run(
    `CREATE TABLE staged (${delivery.columns.map((c) => `${quote(c.name)} ${DUCK_TYPE[c.type]}`).join(', ')})`,
  )
}

/** Leaves out checks that do not fit the columns, such as one that names a column which is not there. */
async function bindable(
  { duck }: Import,
  checks: RowCheck[],
  broken: Map<string, string>,
): Promise<RowCheck[]> {
  const good: RowCheck[] = []
  for (const check of checks) {
    const failure = await failureOf(() => duck.run(verdictOf(check, 'staged')))
    if (failure) broken.set(check.check.name, firstLine(failure))
    else good.push(check)
  }
  return good
}

const verdictOf = ({ sql }: RowCheck, from: string): Sql => ({
  text: `SELECT count(*) FILTER (CAST(${sql.text} AS BOOLEAN)) FROM ${from}`,
  params: sql.params,
})

const firstLine = (error: Error): string => error.message.split('\n')[0]!

async function failureOf(work: () => Promise<unknown>): Promise<Error | undefined> {
  try {
    await work()
    return undefined
  } catch (thrown) {
    return toError(thrown)
  }
}

/** One pass over the files with all verdicts as columns. When a verdict crashes on some row, the rows are loaded without and the culprit is found. */
async function stage(run: Import, checks: RowCheck[], broken: Map<string, string>): Promise<RowCheck[]> {
  await addVerdictColumns(run.duck, checks)
  const failure = await failureOf(() => fill(run, checks))
  if (!failure) return checks
  if (checks.length === 0 || isOutOfRoom(failure)) throw failure
  await run.duck.run('DROP TABLE staged')
  await createStaged(run)
  await fill(run, [])
  const good: RowCheck[] = []
  for (const check of checks) {
    const crash = await failureOf(() => run.duck.run(verdictOf(check, 'staged')))
    if (crash) broken.set(check.check.name, firstLine(crash))
    else good.push(check)
  }
  await addVerdictColumns(run.duck, good)
  for (const [i, { sql }] of good.entries())
    await run.duck.run({
      text: `UPDATE staged SET ${verdict(i)} = CAST(${sql.text} AS BOOLEAN)`,
      params: sql.params,
    })
  return good
}

const verdict = (i: number): string => `_mr_holds_${i}`

async function addVerdictColumns(duck: Duck, checks: RowCheck[]): Promise<void> {
  for (const i of checks.keys()) await duck.run(`ALTER TABLE staged ADD COLUMN ${verdict(i)} BOOLEAN`)
}

async function fill(run: Import, checks: RowCheck[]): Promise<void> {
  const { duck, job, delivery } = run
  const verdicts = join(
    [
      raw('*'),
      ...checks.map(({ sql }): Sql => ({ text: `CAST(${sql.text} AS BOOLEAN)`, params: sql.params })),
    ],
    ', ',
  )
  for (const [i, file] of delivery.files.entries()) {
    run.report(0.03 + (0.4 * i) / delivery.files.length, `reading ${file.name}`)
    const rows = withAbsent(run, file)
    const where =
      job.params.select && job.params.time !== null
        ? `WHERE ${windowText(job.params.time, job.params.select)}`
        : ''
    await named(file, () =>
      duck.run({
        text: `INSERT INTO staged SELECT ${verdicts.text} FROM (SELECT * FROM ${rows} ${where})`,
        params: verdicts.params,
      }),
    )
  }
}

/** The rows of a file. Where rows are updated by key, columns that the file does not have keep the values they had. */
function withAbsent({ job, delivery }: Import, file: OpenFile): string {
  const rows = `(SELECT ${selectList(file, delivery.columns, job.params.read.missing)} FROM ${file.scan})`
  const absent = delivery.columns.filter(({ name }) => !file.columns.some((column) => column.name === name))
  if (job.params.mode !== 'upsert' || job.parent === null || absent.length === 0) return rows
  const isKey = (name: string) => job.params.key.includes(name)
  const before = rowsOfParts(
    job.parent.parts,
    delivery.columns.filter((column) => isKey(column.name) || absent.includes(column)),
  )
  const values = absent.map(({ name }) => `b.${quote(name)} AS ${quote(name)}`).join(', ')
  const on = job.params.key.map((name) => `b.${quote(name)} IS NOT DISTINCT FROM s.${quote(name)}`)
  return `(SELECT s.* REPLACE (${values}) FROM ${rows} s LEFT JOIN (${before}) b ON ${on.join(' AND ')})`
}

async function tally(duck: Duck, checks: RowCheck[]): Promise<Map<string, Tally>> {
  if (checks.length === 0) return new Map()
  const counts = checks.map(
    (_, i) => `count(${verdict(i)}) AS j${i}, count(*) FILTER (NOT ${verdict(i)}) AS f${i}`,
  )
  const row = await duck.one<Record<string, number>>(`SELECT ${counts.join(', ')} FROM staged`)
  return new Map(checks.map(({ check }, i) => [check.name, { judged: row[`j${i}`]!, failed: row[`f${i}`]! }]))
}

/** Rows that some row rule with `quarantine` puts aside; the others compete for being the first of their kind. */
function soundRows(usable: RowCheck[]): string {
  const tests = usable.flatMap(({ check }, i) =>
    check.onFail === 'quarantine' ? [`${verdict(i)} IS DISTINCT FROM FALSE`] : [],
  )
  return tests.length === 0 ? 'TRUE' : tests.join(' AND ')
}

interface Judged {
  tallies: ReadonlyMap<string, Tally>
  measured: ReadonlyMap<string, Measurement>
  broken: ReadonlyMap<string, string>
}

/** None for checks that are judged later, such as the age of the newest row, or not at all. */
function findingOf(job: ImportJob, check: CheckDef, rows: number, judged: Judged): Finding[] {
  const { dataset } = job.params
  const why = judged.broken.get(check.name)
  if (why !== undefined) return [errorFinding(dataset, check, why)]
  if (check.rule.kind === 'rowCount') return [rowCountFinding(dataset, check, rows)]
  const measurement = judged.measured.get(check.name)
  if (check.rule.kind === 'usual') return []
  if (measurement) return [metricFinding(dataset, check, measurement)]
  const counted = judged.tallies.get(check.name)
  return counted ? [shareFinding(dataset, check, counted)] : []
}

/** A check that must stop the delivery does so unless it passes; one without a row to judge lets it go on. */
function refusals(checks: CheckDef[], findings: Finding[]): string[] {
  const stops = new Set(checks.filter((c) => c.onFail === 'stop').map((c) => c.name))
  return findings
    .filter((f) => stops.has(f.check) && (f.verdict === 'fail' || f.verdict === 'error'))
    .map((f) => f.check)
}

/** Reasons a row is put aside, as SQL terms that are null when they do not apply. */
function quarantining(usable: RowCheck[], marked: ReadonlyMap<string, Tally>, checks: CheckDef[]): string[] {
  const byRow = usable.flatMap(({ check }, i) =>
    check.onFail === 'quarantine' ? [`CASE WHEN NOT ${verdict(i)} THEN ${literal(check.name)} END`] : [],
  )
  const byMark = checks
    .filter((c) => c.onFail === 'quarantine' && marked.has(c.name))
    .map(
      (c) =>
        `CASE WHEN rowid IN (SELECT rid FROM marked WHERE name = ${literal(c.name)}) THEN ${literal(c.name)} END`,
    )
  return [...byRow, ...byMark]
}

type Written = Pick<ImportResult, 'schema' | 'written' | 'reduced' | 'replaced' | 'quarantine' | 'delivered'>

async function write(run: Loaded, reasons: string[], refused: boolean): Promise<Written> {
  const { duck, delivery, order, job, rows } = run
  const names = delivery.columns.map((c) => quote(c.name)).join(', ')
  run.report(0.55, 'sorting rows')
  const reasonList = `list_filter([${reasons.join(', ')}]::VARCHAR[], lambda r: r IS NOT NULL)`
  await duck.run(
    `CREATE TEMP TABLE aside AS SELECT ${names}, ${reasonList} AS _reasons, rowid AS rid FROM staged WHERE ${anyReason(reasons)}`,
  )
  await duck.run(
    `CREATE TABLE good AS SELECT ${names} FROM staged WHERE rowid NOT IN (SELECT rid FROM aside) ORDER BY ${order}`,
  )
  const { n: added } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM good')
  const delivered = { rows, added, quarantined: rows - added }
  const schema = schemaOf(delivery.columns, await nullableOf(run), job.parent?.schema ?? null)
  const none = { schema, written: [], reduced: [], replaced: [] }
  if (refused) return { ...none, quarantine: null, delivered }
  if (added === 0 && job.parent === null) throw noRows(job, `all ${rows} rows failed checks`)
  const quarantine = await writeQuarantine(run, delivered.quarantined)
  const mode = job.params.mode ?? 'append'
  const onlyAdds = mode === 'append' && job.removals === undefined
  // Rows that come in small deliveries become small parts too, so that each costs about what it brings.
  if (job.parent && (!onlyAdds || job.params.repeats === 'drop')) {
    const { counts, ...parts } = await writeDelta(run, mode)
    return { schema, ...parts, quarantine, delivered: { ...delivered, ...(onlyAdds ? {} : counts) } }
  }
  return { ...none, ...(added === 0 ? {} : await writeParts(run)), quarantine, delivered }
}

const anyReason = (reasons: string[]): string =>
  reasons.length === 0 ? 'FALSE' : `coalesce(${reasons.join(', ')}) IS NOT NULL`

async function nullableOf({ duck, delivery }: Loaded): Promise<Set<string>> {
  const counts = delivery.columns.map((c, i) => `count(*) - count(${quote(c.name)}) AS c${i}`)
  const row = await duck.one<Record<string, number>>(`SELECT ${counts.join(', ')} FROM good`)
  return new Set(delivery.columns.filter((_, i) => row[`c${i}`]! > 0).map((c) => c.name))
}

async function writeQuarantine(run: Loaded, rows: number): Promise<WrittenPart | null> {
  if (rows === 0) return null
  const { duck, job, delivery, order } = run
  const path = `${job.folder}/quarantine.parquet`
  await duck.run(
    `COPY (SELECT * EXCLUDE (rid) FROM aside ORDER BY ${order}, _reasons) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`,
  )
  const key = `quarantine-${String((job.parent?.quarantineParts ?? 0) + 1).padStart(6, '0')}`
  const stats = await profile(duck, 'aside', delivery.columns, await referencesFor(run, []))
  return { path, key, keyRange: { min: key, max: key }, rows, stats }
}

/** What history and drift are judged by when the import is recorded. */
async function measuredOf(
  { duck, job, delivery }: Loaded,
  checks: CheckDef[],
  measured: ReadonlyMap<string, Measurement>,
): Promise<Pick<ImportResult, 'metrics' | 'deliveredStats'>> {
  const asked = checks.flatMap(({ name, rule }) => {
    const found = rule.kind === 'usual' ? measured.get(name) : undefined
    return found && rule.kind === 'usual' ? [[tableMetricText(rule.metric), found] as const] : []
  })
  const values = {
    ...(await measureDelivery(duck, 'staged', delivery.columns)),
    ...Object.fromEntries(asked),
  }
  const at = await firstInstant(duck, 'staged', job.params.time)
  const isCompared = job.parent !== null && checks.some(({ rule }) => rule.kind === 'drift')
  const references = isCompared ? await referencesFor({ duck, job }, []) : undefined
  return {
    metrics: { at, values },
    ...(references && { deliveredStats: await profile(duck, 'staged', delivery.columns, references) }),
  }
}

async function newestOf(duck: Duck, checks: CheckDef[]): Promise<Record<string, number | null>> {
  const newest: Record<string, number | null> = {}
  for (const { rule } of checks) {
    if (rule.kind !== 'fresh') continue
    const { at } = await duck.one<{ at: number | null }>(
      `SELECT CAST(epoch_ms(max(${quote(rule.column)})) AS DOUBLE) AS at FROM staged`,
    )
    newest[rule.column] = at
  }
  return newest
}

function noRows(job: ImportJob, why: string): MillraceError {
  return new MillraceError('MR_DATA_NO_ROWS', {
    dataset: job.params.dataset,
    files: job.files.map((f) => f.name),
    why,
  })
}

function notesOf({ job, delivery, repeated }: Loaded): string[] {
  const before = new Set(job.parent?.schema.columns.map((c) => c.name))
  const added =
    job.parent === null ? [] : delivery.columns.filter((c) => !before.has(c.name)).map((c) => c.name)
  const csv = delivery.files.filter((f) => f.format === 'csv')
  const dialects = csv.map(
    (f) =>
      `${f.name}: delimiter ${JSON.stringify(f.delimiter)}, ${f.encoding}; blanks around texts are trimmed`,
  )
  return [
    ...(added.length > 0 ? [`new columns: ${added.join(', ')}`] : []),
    ...(repeated > 0 ? [`${repeated} rows were in the dataset already and are there once`] : []),
    ...dialects,
    ...delivery.files.flatMap(({ notes = [] }) => notes),
  ]
}
