/** A branch merged into another one: row by row and cell by cell where both have moved, and as it is where only the branch has. */
import type { Json } from '../core/canonical.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import {
  changesNothing,
  type DatasetMerge,
  getVersion,
  type MergeConflict,
  type MergeRules,
  mergeBase,
  nothingSentence,
  openError,
  openSentence,
  othersOf,
  planMerge,
  recordMerge,
  takenSentence,
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
  /** The branch stays. Default: it ends. */
  keep?: boolean
  /** More facts for the event. */
  data?: Record<string, Json>
  reason: string
  actor: string
  /** Says exactly what would come of it, and moves nothing. */
  dryRun?: boolean
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
  /** Parquet object with all open conflicts. */
  conflicts?: Digest
}

const NONE = {
  taken: { inserted: 0, updated: 0, deleted: 0 },
  open: { cell: 0, deleted: 0, check: 0 },
  decided: 0,
  sample: [],
}

/**
 * Merges a branch. Open conflicts are part of the answer of a dry run, and thrown otherwise; nothing moves while there are any.
 * Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA, MR_DATA_BRANCH, MR_DATA_MERGE_CUT, MR_DATA_MERGE_OPEN, MR_DATA_MERGE_COLUMN, MR_DATA_EDIT_MOVED.
 */
export async function mergeInto(rt: Runtime, request: MergeRequest): Promise<MergeResult> {
  const { dataset, branch, into = MAIN, rules = {}, dryRun = false, signal, onProgress } = request
  const def = datasetDef(rt, dataset)
  const [ours, theirs] = [await branchHead(rt, dataset, into), await branchHead(rt, dataset, branch)]
  const base = await mergeBase(rt.store, ours.digest, theirs.digest)
  const state = { dryRun, version: ours.digest, rows: ours.version.rows, base: base ?? null, ...NONE }
  if (base === theirs.digest) return { ...state, done: false, effects: [nothingSentence(branch, into)] }
  const recording = {
    ...{ dataset, into, from: branch, ends: request.keep !== true },
    ...{ ours: ours.digest, theirs: theirs.digest },
    ...(request.data && { data: request.data }),
    ...{ actor: request.actor, reason: request.reason, now: rt.clock.now() },
  }
  if (base === ours.digest) {
    const effects = [`${into} is as branch "${branch}" is: ${grouped(theirs.version.rows)} rows`]
    const after = { ...state, effects, version: theirs.digest, rows: theirs.version.rows }
    if (!dryRun) await recordMerge(rt.store, recording)
    return { ...after, done: !dryRun }
  }
  const spec = planMerge(
    { ...def, key: ours.version.key ?? def.key },
    ours.version,
    { base, ours: ours.digest, theirs: theirs.digest, others: await othersOf(rt.store, def) },
    rules,
  )
  const [outcome] = await rt.jobs.run([spec], {
    signal,
    onProgress: onProgress && ((p) => onProgress(p.done, p.note)),
  })
  const merge = await rt.store.getRecord<DatasetMerge>(outcome!.record.outputs.merge!, 'DatasetMerge')
  const { taken, open, decided, sample, conflicts } = merge
  const found = { ...state, taken, open, decided, sample, ...(conflicts && { conflicts }) }
  const effects = [
    (await changesNothing(rt.store, merge)) ? nothingSentence(branch, into) : takenSentence(branch, merge),
  ]
  if (!merge.result) {
    if (dryRun) return { ...found, done: false, effects: [openSentence(merge)] }
    throw openError(merge)
  }
  if (dryRun) return { ...found, done: false, effects, rows: merge.result.rows }
  const { version } = await recordMerge(rt.store, { ...recording, merged: { spec, merge } })
  return { ...found, done: true, effects, version, rows: (await getVersion(rt.store, version)).rows }
}
