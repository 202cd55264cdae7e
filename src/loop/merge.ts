/** A branch merged into another one: row by row and cell by cell where both have moved, and as it is where only the branch has. */
import type { Json } from '../core/canonical.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN, refs } from '../core/names.ts'
import type { Digest, Finding, RunSpec } from '../core/records.ts'
import {
  type BrokenCheck,
  brokenSentence,
  changesNothing,
  type DatasetMerge,
  getVersion,
  judgeTaken,
  type MergeConflict,
  type MergeRecording,
  type MergeRules,
  mergeBase,
  nothingSentence,
  openError,
  openSentence,
  othersOf,
  planMerge,
  recordMerge,
  takenSentence,
  verdictsOf,
} from '../data/index.ts'
import { branchHead } from './quarantine.ts'
import { datasetDef, type Runtime } from './runtime.ts'

export interface MergeRequest {
  dataset: string
  /** Branch that is merged. */
  branch: string
  /** Branch that takes it. Default: `main`. */
  into?: string
  rules?: MergeRules
  /** Decisions of a merge that waited, and what the branches held when it was begun. */
  decided?: { decisions?: Digest; ours: Digest; theirs: Digest; step: Digest }
  /** The branch stays. Default: it ends. */
  keep?: boolean
  /** More facts for the event. */
  data?: Record<string, Json>
  reason: string
  actor: string
  /** Says exactly what would come of it, and moves nothing. */
  dryRun?: boolean
  /** Open conflicts are the answer and no error. */
  answerOpen?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface MergeResult {
  done: boolean
  dryRun: boolean
  /** What happened or would, in sentences. */
  effects: string[]
  /** What the branch that takes the other one holds afterwards. */
  version: Digest
  rows: number
  /** Version that both came from; null where they have none in common. */
  base: Digest | null
  taken: DatasetMerge['taken']
  /** Conflicts by kind that are open; the merge is not done while there are any. */
  open: DatasetMerge['open']
  /** Conflicts that rules have decided. */
  decided: number
  sample: MergeConflict[]
  /** Verdicts of the declared checks on the merged version; none while conflicts are open. */
  findings: Finding[]
  /** Those that stop the merge. */
  broken: BrokenCheck[]
  /** Parquet object with all open conflicts. */
  conflicts?: Digest
}

const NONE = {
  taken: { inserted: 0, updated: 0, deleted: 0 },
  open: { schema: 0, cell: 0, deleted: 0, check: 0 },
  decided: 0,
  sample: [],
  findings: [],
  broken: [],
}

/**
 * Merges a branch. Open conflicts are part of the answer of a dry run, or where they are asked for, and thrown otherwise; nothing moves while there are any, nor while the merged version breaks a declared check.
 * Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA, MR_DATA_BRANCH, MR_DATA_MERGE_CUT, MR_DATA_MERGE_OPEN, MR_DATA_MERGE_CHECKS, MR_DATA_MERGE_COLUMN, MR_DATA_EDIT_MOVED, and of
 * decisions that waited MR_DATA_MERGE_STALE, MR_DATA_MERGE_DECIDED.
 */
export async function mergeInto(rt: Runtime, request: MergeRequest): Promise<MergeResult> {
  const { dataset, branch, into = MAIN, dryRun = false } = request
  const def = datasetDef(rt, dataset)
  const [ours, theirs] = [await branchHead(rt, dataset, into), await branchHead(rt, dataset, branch)]
  checkDecided(request, ours.digest, theirs.digest)
  const base = await mergeBase(rt.store, ours.digest, theirs.digest)
  const state = { dryRun, version: ours.digest, rows: ours.version.rows, base: base ?? null, ...NONE }
  if (base === theirs.digest) return { ...state, done: false, effects: [nothingSentence(branch, into)] }
  const recording = {
    ...{ dataset, into, from: branch, ends: request.keep !== true },
    ...{ ours: ours.digest, theirs: theirs.digest },
    ...(request.data && { data: request.data }),
    ...(await draftOf(rt, request)),
    ...{ actor: request.actor, reason: request.reason, now: rt.clock.now() },
  }
  if (base === ours.digest) {
    const judgement = await judgeTaken(rt.store, def, { ours: ours.version, theirs: theirs.version })
    const effects = [`${into} is as branch "${branch}" is: ${grouped(theirs.version.rows)} rows`]
    const taken = { ...recording, taken: { checks: def.checks, judgement } }
    return await finished(rt, request, taken, { ...state, effects, rows: theirs.version.rows })
  }
  const spec = planMerge(
    { ...def, key: ours.version.key ?? def.key },
    ours.version,
    {
      base,
      ours: ours.digest,
      theirs: theirs.digest,
      others: await othersOf(rt.store, def),
      decisions: request.decided?.decisions,
    },
    request.rules ?? {},
  )
  const merge = await runMerge(rt, spec, request)
  const { taken, open, decided, sample, conflicts } = merge
  const found = { ...state, taken, open, decided, sample, ...(conflicts && { conflicts }) }
  if (!merge.result) {
    if (!dryRun && request.answerOpen !== true) throw openError(merge)
    return { ...found, done: false, effects: [openSentence(merge)] }
  }
  const effects = [
    (await changesNothing(rt.store, merge)) ? nothingSentence(branch, into) : takenSentence(branch, merge),
  ]
  const whole = { ...found, effects, rows: merge.result.rows }
  return await finished(rt, request, { ...recording, merged: { spec, merge } }, whole)
}

async function runMerge(rt: Runtime, spec: RunSpec, request: MergeRequest): Promise<DatasetMerge> {
  const { signal, onProgress } = request
  const [outcome] = await rt.jobs.run([spec], {
    signal,
    onProgress: onProgress && ((p) => onProgress(p.done, p.note)),
  })
  return await rt.store.getRecord<DatasetMerge>(outcome!.record.outputs.merge!, 'DatasetMerge')
}

/** Records a merge without conflicts, or says what would come of it. */
async function finished(
  { store }: Runtime,
  { dryRun = false }: MergeRequest,
  recording: MergeRecording,
  found: Omit<MergeResult, 'done' | 'findings' | 'broken'>,
): Promise<MergeResult> {
  const { findings, broken } = await verdictsOf(store, recording)
  const { into, from } = recording
  const effects = [
    ...found.effects,
    ...broken.map((each) => `a check breaks: ${brokenSentence(each, into, from)}`),
    ...failing(findings, broken),
  ]
  if (dryRun) return { ...found, done: false, effects, findings, broken }
  const { version } = await recordMerge(store, recording)
  const { rows } = await getVersion(store, version)
  return { ...found, done: true, effects, findings, broken, version, rows }
}

/** What fails and does not stop the merge. */
function failing(findings: readonly Finding[], broken: readonly BrokenCheck[]): string[] {
  const stops = new Set(broken.map(({ check }) => check))
  return findings.flatMap(({ check, verdict, message }) =>
    (verdict === 'fail' || verdict === 'error') && !stops.has(check) ? [`a check fails: ${message}`] : [],
  )
}

/** Errors: MR_DATA_MERGE_STALE when a branch holds another version than when the decisions were made. */
function checkDecided(
  { dataset, branch, into = MAIN, decided }: MergeRequest,
  ours: Digest,
  theirs: Digest,
): void {
  if (!decided) return
  const moved = decided.ours !== ours ? into : decided.theirs !== theirs ? branch : undefined
  if (moved !== undefined) throw new MillraceError('MR_DATA_MERGE_STALE', { dataset, branch, moved })
}

/** A merge of the same branches that waits ends with this one. */
async function draftOf({ store }: Runtime, { dataset, branch, into = MAIN, decided }: MergeRequest) {
  const name = refs.merge(dataset, branch, into)
  const digest = decided?.step ?? (await store.meta.ref(name))?.digest
  return digest ? { draft: { name, digest } } : {}
}
