/**
 * Task `triage.join`: all that is known of each row of a version, side by side, as one Parquet of the rows that anything speaks against, worst first. What judged rows
 * (worth, poison, drift) is joined by row number; row checks of the config are asked of the rows themselves.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatasetVersion, Digest, RunSpec } from '../core/records.ts'
import { rowChecksOf } from '../data/index.ts'
import type { CheckDef } from '../define/types.ts'
import type { Query, Task, TaskContext } from '../engine/ports.ts'
import { relationOf } from '../engine/relation.ts'
import { join as joined, literal, param, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import { asJson } from '../train/specs.ts'
import { SIGNALS, type Signal, type SignalSource, TRIAGE_COLUMNS } from './triage-signals.ts'

const TASK = 'triage.join'
const CODE = '1'

interface JoinParams {
  dataset: string
  model: string | null
  checks: CheckDef[]
}

export interface TriageReport {
  kind: 'TriageReport'
  dataset: string
  version: Digest
  model: string | null
  /** Parquet of the rows that anything speaks against, worst first. */
  table: Digest
  /** Rows of the version. */
  rows: number
  /** Rows in the table. */
  found: number
  /** Rows by what is found of them. */
  counts: Record<string, number>
  /** Reports that were joined. */
  sources: Partial<Record<SignalSource, Digest>>
  /** Checks that could not be asked, with why. */
  notes: string[]
}

/** What was found of rows, by who found it: Parquets of `train/rows-file.ts`. */
export type FoundBy = Partial<Record<Exclude<SignalSource, 'checks'>, Digest>>

export function triageSpec(version: Digest, found: FoundBy, params: JoinParams): RunSpec {
  const inputs: Record<string, Digest> = { version }
  for (const [name, digest] of Object.entries(found)) inputs[name] = digest
  return { kind: 'RunSpec', task: TASK, code: CODE, inputs, params: asJson(params), seed: 0 }
}

export const triageTask: Task = {
  name: TASK,
  code: CODE,
  async run(context) {
    const { store, spec, signal } = context
    const params = spec.params as unknown as JoinParams
    const version = await store.getRecord<DatasetVersion>(spec.inputs.version!, 'DatasetVersion')
    const query = await context.query()
    context.progress(0, 'asking the checks of each row')
    const { sql: rows, notes } = await checkedRows(context, version, params)
    await query.exec(sql`create or replace table mr_found as ${rows}`, signal)
    context.progress(0.5, 'joining what was found')
    const sources = await joinAll(query, context)
    const path = join(store.scratch, `triage-${process.hrtime.bigint()}.parquet`)
    try {
      await query.exec(raw(copySql(await namesIn(query, 'mr_found'), path)), signal)
      await query.exec(raw('drop table mr_found'))
      const counts = await countsOf(query, path)
      const { digest } = await store.objects.putFile(path)
      const report: TriageReport = {
        kind: 'TriageReport',
        dataset: params.dataset,
        version: spec.inputs.version!,
        model: params.model,
        table: digest,
        rows: version.rows,
        ...counts,
        sources,
        notes,
      }
      return { outputs: { report: await store.putRecord(report) } }
    } finally {
      await rm(path, { force: true })
    }
  },
}

/** Number and failing checks of every row. */
async function checkedRows(
  { store }: TaskContext,
  version: DatasetVersion,
  { checks }: JoinParams,
): Promise<{ sql: Sql; notes: string[] }> {
  const { usable, broken } = rowChecksOf(checks, null, version.schema.columns)
  const tests = usable.map(
    ({ check, sql: holds }): Sql =>
      sql`case when not cast(${holds} as boolean) then ${param(check.name)} end`,
  )
  const failing = sql`list_filter([${joined(tests, ', ')}]::varchar[], lambda c: c is not null)`
  return {
    sql: sql`select mr_row, ${failing} as checks from (select *, row_number() over () - 1 as mr_row from (${await relationOf(store, version)}))`,
    notes: [...broken].map(([name, why]) => `check "${name}" cannot be asked of these rows: ${why}`),
  }
}

/** Brings the findings of each source beside the rows; a name that an earlier source or the key has is left out. */
async function joinAll(query: Query, { store, spec, signal }: TaskContext): Promise<TriageReport['sources']> {
  const sources: TriageReport['sources'] = {}
  for (const source of new Set(SIGNALS.map((s) => s.source))) {
    const digest = spec.inputs[source]
    if (source === 'checks' || digest === undefined) continue
    const path = await store.objects.path(digest)
    const have = new Set(await namesIn(query, 'mr_found'))
    const names = (
      await query.rows<{ name: string }>({
        text: "select name from parquet_schema(?) where num_children is null and name <> 'row'",
        params: [path],
      })
    ).flatMap(({ name }) => (have.has(name) ? [] : [`f.${quoted(name)}`]))
    await query.exec(
      sql`create or replace table mr_found as select ${raw(['r.*', ...names].join(', '))} from mr_found r left join read_parquet(${param(path)}) f on f.row = r.mr_row`,
      signal,
    )
    sources[source] = digest
  }
  return sources
}

async function namesIn(query: Query, table: string): Promise<string[]> {
  const rows = await query.rows<{ column_name: string }>(raw(`select column_name from (describe ${table})`))
  return rows.map(({ column_name }) => column_name)
}

function copySql(have: readonly string[], path: string): string {
  const known = new Set(have)
  const has = (names: readonly string[]) => names.every((name) => known.has(name))
  const signals = SIGNALS.filter(({ needs }) => has(needs))
  const places = ['copy', 'near'].map((kind) =>
    known.has(`${kind}_group`)
      ? `case when ${kind}_group is not null then row_number() over (partition by ${kind}_group order by mr_row) end as ${kind}_place`
      : `cast(null as bigint) as ${kind}_place`,
  )
  const columns = Object.entries(TRIAGE_COLUMNS).flatMap(([name, type]) =>
    name === 'score'
      ? []
      : [`cast(${known.has(name) ? quoted(name) : 'null'} as ${SQL_TYPES[type]}) as ${name}`],
  )
  const list = ['mr_row as row', 'findings', 'score', 'checks', ...columns].join(', ')
  return `copy (select ${list} from (select *, ${findingsSql(signals)} as findings, ${scoreSql(signals)} as score
    from (select *, ${places.join(', ')} from mr_found)) where len(findings) > 0 order by score desc, mr_row)
    to ${literal(path)} (format parquet, compression zstd)`
}

const SQL_TYPES = { string: 'varchar', float: 'double', int: 'bigint' } as const

const findingsSql = (signals: readonly Signal[]): string =>
  `list_filter([${signals.map(({ name, holds }) => `case when ${holds} then '${name}' end`).join(', ')}]::varchar[], lambda f: f is not null)`

const scoreSql = (signals: readonly Signal[]): string =>
  signals
    .map(
      ({ holds, strength }) =>
        `case when ${holds} then coalesce(${strength}, 0.0)::double else 0.0::double end`,
    )
    .join(' + ')

async function countsOf(query: Query, path: string): Promise<Pick<TriageReport, 'found' | 'counts'>> {
  const from = param(path)
  const [all] = await query.rows<{ n: number }>(sql`select count(*) as n from read_parquet(${from})`)
  const rows = await query.rows<{ finding: string; n: number }>(
    sql`select finding, count(*) as n from (select unnest(findings) as finding from read_parquet(${from})) group by 1`,
  )
  const found = new Map(rows.map(({ finding, n }) => [finding, Number(n)]))
  return {
    found: Number(all!.n),
    counts: Object.fromEntries(
      SIGNALS.flatMap(({ name }) => (found.has(name) ? [[name, found.get(name)!]] : [])),
    ),
  }
}
