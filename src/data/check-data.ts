/** Judging rows against declared checks without importing them: a version that is there, or files that may come. Reads only. */

import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { LIMITS, type Limits } from '../core/limits.ts'
import type { Digest, Finding, TimeWindow } from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import { partFiles } from '../engine/parts.ts'
import type { Store } from '../store/ports.ts'
import type { CheckedResult, CheckedRows, CheckedRule, CheckJob } from './check-types.ts'
import { checksOf } from './checks.ts'
import { runChild } from './child.ts'
import { findFiles } from './find-files.ts'
import { errorFinding, freshFinding, metricFinding, rowCountFinding, shareFinding } from './findings.ts'
import { inJobFolder } from './job-folder.ts'
import { planImport, referredDatasets } from './plan-import.ts'
import { lookAt } from './sources.ts'
import type { ImportParams, OtherRows } from './types.ts'
import { getVersion, headOf } from './versions.ts'

/** What is judged: a version of the dataset, or files by names and globs. */
export type CheckTarget = { version: Digest } | { files: readonly string[] }

export interface CheckRequest {
  /** Instant at which the age of the newest row is judged. */
  now: number
  /** Failing rows shown of each check. Default 0: values may be personal. */
  examples?: number
  /** Period that the rows claim to be of. */
  period?: TimeWindow
  /** Parquet file that the failing rows are written to; one that is there is replaced. */
  failing?: string
  /** Default: one a processor. */
  threads?: number
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
  limits?: Pick<Limits, 'importMemoryMb' | 'importStallMs'>
}

/** Judges a job: in a child process, or in this one where the files are known to be good. */
export type JudgeRows = (
  job: CheckJob,
  options: { signal?: AbortSignal; stallMs: number; onProgress?: CheckRequest['onProgress'] },
) => Promise<CheckedResult>

export interface CheckedRow {
  /** Number of the row, from 0. */
  row: number
  /** What the check reads of it, as texts. */
  values: Record<string, unknown>
}

export interface CheckedFinding extends Finding {
  onFail: CheckDef['onFail']
  /** Rows that fail, of checks that judge rows. */
  failed?: number
  /** The value is that of a sample, and the verdict is exact all the same: a quantile of many rows. */
  isNear?: true
  examples?: CheckedRow[]
}

export interface CheckReport {
  dataset: string
  rows: number
  findings: CheckedFinding[]
  /** Checks that only an import can judge: by a period that was not given, or by what came before. */
  unjudged: string[]
  /** Passes over the rows. */
  passes: CheckedResult['passes']
  /** Rows in the file of failing ones. */
  failingRows: number | null
}

/**
 * Judges a dataset's checks. Quarantine is not carried out, so no check changes what another one sees. Checks of a period are judged where one is given.
 * Memory is bounded by limits.importMemoryMb; what does not fit is spilled to disk. Cost: one pass over the rows, two at most, and one over the columns of each rule that groups rows.
 * Errors: those of reading files, MR_DATA_NO_FILES, MR_DATA_NO_ROWS, MR_CANCELLED.
 */
export async function checkData(
  store: Store | undefined,
  def: DatasetDef,
  target: CheckTarget,
  folder: string,
  request: CheckRequest,
  judge: JudgeRows = runChild,
): Promise<CheckReport> {
  const limits = request.limits ?? LIMITS
  return await inJobFolder({ name: 'check' }, async (scratch) => {
    const job = await jobOf(store, def, target, folder, request, scratch, limits.importMemoryMb)
    const { signal, onProgress } = request
    const result = await judge(job, { signal, onProgress, stallMs: limits.importStallMs })
    return reportOf(def.name, job.checks, result, request)
  })
}

async function jobOf(
  store: Store | undefined,
  def: DatasetDef,
  target: CheckTarget,
  folder: string,
  request: CheckRequest,
  scratch: string,
  memoryMb: number,
): Promise<CheckJob> {
  const params = planImport(def, [], {}, request.period ? { period: request.period } : {})
    .params as unknown as ImportParams
  const rows =
    'version' in target
      ? await versionRows(store!, target.version)
      : await fileRows(def, params, target.files, folder)
  return {
    op: 'check',
    files: rows.kind === 'files' ? rows.files : [{ name: `dataset ${def.name}` }],
    dataset: def.name,
    checks: checksOf(params),
    period: params.period,
    rows,
    others: await otherRows(store, def),
    examples: request.examples ?? 0,
    failing: request.failing === undefined ? null : { path: request.failing, key: def.key },
    threads: request.threads ?? availableParallelism(),
    folder: scratch,
    memoryMb,
  }
}

async function versionRows(store: Store, digest: Digest): Promise<CheckedRows> {
  return { kind: 'parts', ...(await rowsOf(store, digest)) }
}

async function rowsOf(store: Store, digest: Digest): Promise<OtherRows> {
  const { schema, parts } = await getVersion(store, digest)
  return { schema, parts: await partFiles(store, parts) }
}

/** Columns that an import could not do without are matters of single checks here. */
const anyColumns = (params: ImportParams): ImportParams => ({ ...params, time: null, key: [], checks: [] })

async function fileRows(
  def: DatasetDef,
  params: ImportParams,
  files: readonly string[],
  folder: string,
): Promise<CheckedRows> {
  const paths = await findFiles(folder, files)
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', { dataset: def.name, folder, tried: [...files] })
  const found = paths.map(async (path) => ({
    path,
    name: basename(path),
    ...(await lookAt(path, basename(path), def.read.format)),
  }))
  return { kind: 'files', files: await Promise.all(found), params: anyColumns(params), schema: null }
}

/** What datasets hold now that checks look keys up in. */
export async function otherRows(
  store: Store | undefined,
  def: DatasetDef,
): Promise<Record<string, OtherRows>> {
  const others: Record<string, OtherRows> = {}
  for (const name of referredDatasets(def)) {
    const head = store && (await headOf(store, name))
    if (head) others[name] = await rowsOf(store, head.digest)
  }
  return others
}

function reportOf(
  dataset: string,
  checks: readonly CheckDef[],
  result: CheckedResult,
  { now }: CheckRequest,
): CheckReport {
  const rules = new Map(result.rules.map((rule) => [rule.check, rule]))
  const findings = checks.flatMap((check) => {
    const rule = rules.get(check.name)!
    const found = findingOf(dataset, check, rule, result.rows, now)
    return found === undefined
      ? []
      : [
          {
            ...found,
            at: now,
            onFail: check.onFail,
            ...(rule.tally && { failed: rule.tally.failed }),
            ...(rule.measured?.isNear && { isNear: true as const }),
            ...(rule.examples && { examples: rule.examples }),
          },
        ]
  })
  const judged = new Set(findings.map((f) => f.check))
  const unjudged = checks.flatMap(({ name }) => (judged.has(name) ? [] : [name]))
  const { rows, passes, failingRows } = result
  return { dataset, rows, findings, unjudged, passes, failingRows }
}

/** Verdict on what a check came to over rows that are there: nothing is put aside, so no sentence says that it was. Undefined where only an import can judge. */
export function findingOf(
  dataset: string,
  check: CheckDef,
  judged: CheckedRule,
  rows: number,
  now: number,
): Finding | undefined {
  if (judged.error !== undefined) return errorFinding(dataset, check, judged.error)
  if (check.rule.kind === 'rowCount') return rowCountFinding(dataset, check, rows)
  if (judged.newestAt !== undefined) return freshFinding(dataset, check, judged.newestAt, rows, now)
  if (judged.measured) {
    const { infinite, ...measured } = judged.measured
    const value = infinite === undefined ? measured.value : infinite * Number.POSITIVE_INFINITY
    return metricFinding(dataset, check, { ...measured, value })
  }
  return judged.tally && shareFinding(dataset, { ...check, onFail: 'warn' }, judged.tally)
}
