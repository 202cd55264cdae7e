/** One place to act on rows: what is found of each, side by side; a choice of them goes onto a branch, is tried, and is merged or dropped. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { ColumnType, DatasetVersion, Digest, Schema } from '../core/records.ts'
import { columnsOfPart, getVersion, numberedPartRows, partFiles, plainCell } from '../data/index.ts'
import type { Query } from '../engine/ports.ts'
import { relationOf } from '../engine/relation.ts'
import type { ExprNode } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { join, listParam, param, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { WorthReport } from '../train/worth/report.ts'
import type { ChosenRow } from './branches.ts'
import { branchHead } from './quarantine.ts'
import { datasetDef, type Runtime } from './runtime.ts'
import { FINDINGS, TRIAGE_COLUMNS } from './triage-signals.ts'
import { type FoundBy, type TriageReport, triageSpec } from './triage-task.ts'

export interface TriageRequest {
  /** A model, or a dataset: then the model that was judged last, if any was. */
  name: string
  /** Default: the version that the model's rows were judged in, or the newest. */
  version?: Digest
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/** What is known of the rows of a version. */
export interface Triage {
  report: TriageReport
  /** Digest of the report. */
  digest: Digest
  /** True when nothing had to be done. */
  known: boolean
  worth: WorthReport | null
  /** main holds another version by now. */
  isBehind: boolean
}

/** Joins what was found of rows. Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA. */
export async function triageOf(rt: Runtime, request: TriageRequest): Promise<Triage> {
  const { dataset, model, worth } = await subjectOf(rt, request.name)
  const head = await branchHead(rt, dataset, 'main')
  const version = request.version ?? worth?.report.dataset ?? head.digest
  const def = datasetDef(rt, dataset)
  const found = await foundBy(rt, model, version)
  const spec = triageSpec(version, found, { dataset, model, checks: def.checks })
  const [outcome] = await rt.jobs.run([spec], {
    signal: request.signal,
    onProgress: request.onProgress && (({ done, note }) => request.onProgress?.(done, note)),
  })
  const digest = outcome!.record.outputs.report!
  return {
    report: await rt.store.getRecord<TriageReport>(digest, 'TriageReport'),
    digest,
    known: outcome!.cached,
    worth: worth?.report ?? null,
    isBehind: version !== head.digest,
  }
}

interface Subject {
  dataset: string
  model: string | null
  worth: { report: WorthReport; movedAt: number } | null
}

async function subjectOf(rt: Runtime, name: string): Promise<Subject> {
  const { models, datasets } = rt.project
  const asked = models.find((model) => model.name === name)
  if (asked) return { dataset: asked.from, model: asked.name, worth: await worthOf(rt, asked.name) }
  if (!datasets.some((dataset) => dataset.name === name))
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'dataset or model',
      name,
      known: [...datasets, ...models].map((each) => each.name),
    })
  const fed = models.filter(({ from }) => from === name)
  const judged = await Promise.all(
    fed.map(async (model) => ({ model, worth: await worthOf(rt, model.name) })),
  )
  const newest = judged.toSorted((a, b) => (b.worth?.movedAt ?? 0) - (a.worth?.movedAt ?? 0))[0]
  return { dataset: name, model: newest?.model.name ?? null, worth: newest?.worth ?? null }
}

async function worthOf({ store }: Pick<Runtime, 'store'>, model: string): Promise<Subject['worth']> {
  const ref = await store.meta.ref(refs.worth(model))
  return ref
    ? { report: await store.getRecord<WorthReport>(ref.digest, 'WorthReport'), movedAt: ref.movedAt }
    : null
}

/** Reports of a model whose findings of rows are joined: where each is, and of what kind. */
const REPORTS: Record<keyof FoundBy, { ref: (model: string) => string; kind: string }> = {
  worth: { ref: refs.worth, kind: 'WorthReport' },
  poison: { ref: refs.poison, kind: 'PoisonReport' },
  drift: { ref: refs.likeness, kind: 'LikenessReport' },
}

/** Findings of a model's rows, from the reports that are of this version. */
async function foundBy(
  { store }: Pick<Runtime, 'store'>,
  model: string | null,
  version: Digest,
): Promise<FoundBy> {
  const found: FoundBy = {}
  for (const [source, { ref, kind }] of Object.entries(REPORTS)) {
    const at = model === null ? undefined : await store.meta.ref(ref(model))
    if (!at) continue
    const report = await store.getRecord<{ kind: string; dataset: Digest; findings: Digest }>(at.digest, kind)
    if (report.dataset === version) found[source as keyof FoundBy] = report.findings
  }
  return found
}

/** Which of the rows are meant; all conditions that are given have to hold. */
export interface TriageFilter {
  /** Rows with any of these findings. */
  findings?: readonly string[]
  /** Over the columns of the dataset, and those of `TRIAGE_COLUMNS` whose names it has not. */
  where?: ExprNode
  /** Numbers of rows in the version. */
  rows?: readonly number[]
  /** Only the worst so many. */
  top?: number
}

export interface TriageRow {
  row: number
  findings: string[]
  score: number
  /** Checks that it fails. */
  checks: string[]
  given: string | null
  suggested: string | null
  confidence: number | null
  worth: number | null
  distance: number | null
  copyGroup: number | null
  nearGroup: number | null
  likeness: number | null
  /** In the order of the columns of the page. */
  values: (string | number | boolean | null)[]
}

export interface TriagePage {
  columns: { name: string; type: ColumnType }[]
  rows: TriageRow[]
  /** Rows that the filter leaves, and by what is found of them. */
  matched: number
  counts: Record<string, number>
  /** Asked for as `from`: the next page; null at the end. */
  next: number | null
}

/** Rows of a triage, worst first. Cost: one scan of the table; with `where` one of the version too. Errors: MR_LOOP_UNKNOWN for a finding that there is not, MR_EXPR_…. */
export async function readTriage(
  rt: Pick<Runtime, 'store' | 'query'>,
  report: TriageReport,
  ask: TriageFilter & { from?: number; limit?: number; signal?: AbortSignal } = {},
): Promise<TriagePage> {
  const { from = 0, limit = 50, signal } = ask
  const version = await getVersion(rt.store, report.version)
  const query = await rt.query()
  const chosen = await chosenSql(rt, report, version, ask)
  const [sum] = await query.rows<Record<string, number>>(
    sql`select count(*) as mr_all, ${raw(countList())} from (${chosen})`,
    signal,
  )
  const rows = await query.rows(
    sql`select * exclude (findings, checks), to_json(findings)::varchar as findings, to_json(checks)::varchar as checks
      from (${chosen}) order by mr_place limit ${raw(String(limit))} offset ${raw(String(from))}`,
    signal,
  )
  const values = await valuesOf(
    rt,
    query,
    version,
    rows.map(({ row }) => Number(row)),
    signal,
  )
  const matched = Number(sum!.mr_all)
  return {
    columns: version.schema.columns.map(({ name, type }) => ({ name, type })),
    rows: rows.map((row) => rowOf(row, values.get(Number(row.row)) ?? [])),
    matched,
    counts: Object.fromEntries(
      FINDINGS.flatMap((name, i) => (Number(sum![`c${i}`]) > 0 ? [[name, Number(sum![`c${i}`])]] : [])),
    ),
    next: from + rows.length < matched ? from + rows.length : null,
  }
}

const countList = (): string =>
  FINDINGS.map((name, i) => `count(*) filter (list_contains(findings, '${name}')) as c${i}`).join(', ')

/** The rows that a filter means, each once, with what speaks against it: of the findings that were asked for, or of all. Errors: as `readTriage`. */
export async function chooseTriage(
  rt: Pick<Runtime, 'store' | 'query'>,
  report: TriageReport,
  filter: TriageFilter,
  signal?: AbortSignal,
): Promise<ChosenRow[]> {
  const version = await getVersion(rt.store, report.version)
  const query = await rt.query()
  const chosen = await chosenSql(rt, report, version, filter)
  const rows = await query.rows<{ row: number; findings: string }>(
    sql`select row, to_json(findings)::varchar as findings from (${chosen}) order by row`,
    signal,
  )
  const asked = filter.findings && new Set(filter.findings)
  const found = rows.map(({ row, findings }) => ({
    row: Number(row),
    reasons: (JSON.parse(findings) as string[]).filter((name) => !asked || asked.has(name)),
  }))
  return [...found, ...byHand(filter, new Set(found.map(({ row }) => row)))]
}

/** Reason of rows that were chosen by number and of which nothing is found. */
const BY_HAND = 'by hand'

/** Rows of which nothing is found are meant where numbers are all that is asked: they meet no other condition. */
function byHand({ rows = [], findings, where, top }: TriageFilter, found: ReadonlySet<number>): ChosenRow[] {
  if (findings || where || top !== undefined) return []
  return [...new Set(rows)].flatMap((row) => (found.has(row) ? [] : [{ row, reasons: [BY_HAND] }]))
}

async function chosenSql(
  { store }: Pick<Runtime, 'store'>,
  report: TriageReport,
  version: DatasetVersion,
  { findings, where, rows, top }: TriageFilter,
): Promise<Sql> {
  const unknown = findings?.find((name) => !FINDINGS.includes(name))
  if (unknown !== undefined)
    throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'finding', name: unknown, known: [...FINDINGS] })
  const path = param(await store.objects.path(report.table))
  const table = sql`select *, row_number() over () as mr_place from read_parquet(${path})`
  const tests: Sql[] = []
  if (findings) tests.push(sql`list_has_any(t.findings, ${listParam(findings, 'varchar')})`)
  if (rows) tests.push(sql`t.row in (select unnest(${listParam(rows, 'bigint')}))`)
  const joined = where ? await withValues(store, version) : raw('')
  if (where) tests.push(filterSql(where, version.schema))
  const condition = tests.length === 0 ? raw('') : sql`where ${join(tests, ' and ')}`
  const all = sql`select t.* from (${table}) t ${joined} ${condition}`
  return top === undefined ? all : sql`select * from (${all}) order by mr_place limit ${raw(String(top))}`
}

/** Columns that a filter may name, those of the data first. */
function filterSchema({ columns }: Schema): Schema {
  const have = new Set(columns.map(({ name }) => name))
  const more = Object.entries(TRIAGE_COLUMNS).filter(([name]) => !have.has(name))
  return { columns: [...columns, ...more.map(([name, type]) => ({ name, type, nullable: true }))] }
}

function filterSql(where: ExprNode, schema: Schema): Sql {
  const own = new Set(schema.columns.map(({ name }) => name))
  return toDuckDb(where, {
    schema: filterSchema(schema),
    expect: 'bool',
    place: 'the filter',
    column: (name) => `${own.has(name) ? 'v' : 't'}.${quoted(name)}`,
  })
}

async function withValues(store: Runtime['store'], version: DatasetVersion): Promise<Sql> {
  return sql`join (select *, row_number() over () - 1 as mr_row from (${await relationOf(store, version)})) v on v.mr_row = t.row`
}

/** Values of a few rows: only the parts that hold them are opened. */
async function valuesOf(
  { store }: Pick<Runtime, 'store'>,
  query: Query,
  version: DatasetVersion,
  rows: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Map<number, TriageRow['values']>> {
  const found = new Map<number, TriageRow['values']>()
  let start = 0
  for (const part of await partFiles(store, version.parts)) {
    const own = rows.filter((row) => row >= start && row < start + part.rows)
    if (own.length > 0) {
      const columns = columnsOfPart(part, version.schema.columns)
      const places = own.map((row) => row - start).join(', ')
      const read = await query.rows(
        sql`select ${raw(columns.join(', '))}, file_row_number as mr_row from ${raw(numberedPartRows(part))} where file_row_number in (${places})`,
        signal,
      )
      for (const row of read)
        found.set(
          Number(row.mr_row) + start,
          version.schema.columns.map(({ name }) => plainCell(row[name])),
        )
    }
    start += part.rows
  }
  return found
}

function rowOf(row: Record<string, unknown>, values: TriageRow['values']): TriageRow {
  const number = (name: string) => (row[name] === null ? null : Number(row[name]))
  return {
    row: Number(row.row),
    findings: JSON.parse(row.findings as string) as string[],
    score: Number(row.score),
    checks: JSON.parse(row.checks as string) as string[],
    given: row.given as string | null,
    suggested: row.suggested as string | null,
    confidence: number('confidence'),
    worth: number('worth'),
    distance: number('distance'),
    copyGroup: number('copy_group'),
    nearGroup: number('near_group'),
    likeness: number('likeness'),
    values,
  }
}
