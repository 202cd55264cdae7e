/** Merges of branches: where two versions came from, what is to be done, and what came of it. */
import type { Json } from '../core/canonical.ts'
import { digestOf } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN, refs, subjects } from '../core/names.ts'
import type { DatasetVersion, Digest, Finding, JournalEvent, RunSpec } from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import { partId } from '../engine/parts.ts'
import { resolve } from '../expr/resolve.ts'
import type { Store } from '../store/ports.ts'
import { importEvents } from './import-events.ts'
import { commonVersion } from './merge-base.ts'
import { MERGE_CODE, MERGE_TASK } from './merge-task.ts'
import type { DatasetMerge, MergeJudgement, MergeParams, MergeRules } from './merge-types.ts'
import {
  type BrokenCheck,
  brokenError,
  brokenSentence,
  type MergeVerdicts,
  mergeVerdicts,
} from './merge-verdicts.ts'
import { mergedContext } from './merged-value.ts'
import { namedInputs } from './plan-import.ts'
import { moved } from './record-edit.ts'
import { getVersion } from './versions.ts'

/** The newest version of a dataset that both came from; see `commonVersion`. */
export const mergeBase = (store: Store, a: Digest, b: Digest): Promise<Digest | undefined> =>
  commonVersion(store, a, b, (digest) => getVersion(store, digest))

export interface MergeInputs {
  base?: Digest
  ours: Digest
  theirs: Digest
  /** Versions of the datasets that checks look keys up in, by name. */
  others?: Readonly<Record<string, Digest>>
  /** Parquet object with decisions of a merge that waited. */
  decisions?: Digest
}

/**
 * What a merge will do, as a spec. Pure. `warn` checks do not stand in the way of rows. Errors: MR_DATA_MERGE_COLUMN for a rule about a column that there is none of, MR_EXPR_… for an
 * expression that does not fit its column.
 */
export function planMerge(
  def: Pick<DatasetDef, 'name' | 'time' | 'key' | 'checks' | 'parts'>,
  ours: Pick<DatasetVersion, 'schema'>,
  { base, ours: into, theirs, others = {}, decisions }: MergeInputs,
  rules: MergeRules = {},
): RunSpec {
  checkRules(def.name, ours, rules)
  const params: MergeParams = {
    dataset: def.name,
    time: def.time ?? null,
    key: def.key,
    checks: def.checks
      .filter(({ onFail }) => onFail !== 'warn')
      .map((check) => ({ ...check, onFail: 'quarantine' })),
    ...(def.checks.length > 0 && { judged: def.checks }),
    parts: def.parts,
    rules,
  }
  return {
    kind: 'RunSpec',
    task: MERGE_TASK,
    code: MERGE_CODE,
    inputs: {
      ...(base && { base }),
      ours: into,
      theirs,
      ...(decisions && { decisions }),
      ...namedInputs(others),
    },
    params: params as unknown as Json,
    seed: 0,
  }
}

function checkRules(dataset: string, { schema }: Pick<DatasetVersion, 'schema'>, rules: MergeRules): void {
  const columns = schema.columns.map(({ name }) => name)
  const named = [
    ...Object.keys(rules.columns ?? {}),
    ...(rules.picks ?? []).flatMap(({ column }) => column ?? []),
  ]
  const unknown = named.find((name) => !columns.includes(name))
  if (unknown !== undefined)
    throw new MillraceError('MR_DATA_MERGE_COLUMN', { dataset, column: unknown, columns })
  for (const [name, node] of Object.entries(rules.columns ?? {})) {
    const column = schema.columns.find((c) => c.name === name)!
    resolve(node, mergedContext(column))
  }
}

export interface MergeRecording {
  dataset: string
  /** Branch that takes the other one over. */
  into: string
  /** Branch that is merged, and whether it ends. */
  from: string
  ends: boolean
  ours: Digest
  theirs: Digest
  /** The run and what it came to; absent where one side has nothing that the other has not, and `theirs` or `ours` is the outcome as it is. */
  merged?: { spec: RunSpec; merge: DatasetMerge }
  /** Checks of a branch that is taken as it is, and what they came to. */
  taken?: { checks: readonly CheckDef[]; judgement: MergeJudgement | undefined }
  actor: string
  now: number
  /** Why, in the words of who did it. */
  reason: string
  data?: Record<string, Json>
  /** The merge that waited to be decided and that ends with this: its ref, and the step that it must hold. */
  draft?: { name: string; digest: Digest }
}

export interface RecordedMerge {
  version: Digest
  event: JournalEvent
}

/**
 * Makes the version of a finished merge and moves the branch there, in one commit with the end of the other branch. Errors: MR_DATA_MERGE_OPEN while conflicts are open,
 * MR_DATA_MERGE_CHECKS where a declared check is broken, which the journal says once a run (`data.merge-refused`), MR_DATA_EDIT_MOVED when either branch holds another version by now,
 * MR_DATA_MERGE_DECIDED when the merge that waited has another step.
 */
export async function recordMerge(store: Store, recording: MergeRecording): Promise<RecordedMerge> {
  const { dataset, into, from, ends, ours, theirs, merged, draft, actor, reason } = recording
  if (merged && !merged.merge.result) throw openError(merged.merge)
  const { findings, broken } = await verdictsOf(store, recording)
  if (broken.length > 0) throw await refuse(store, recording, broken)
  const isNothing = merged !== undefined && (await changesNothing(store, merged.merge))
  const sentence = sentenceOf(recording, isNothing)
  const version = isNothing
    ? ours
    : merged
      ? await putVersion(store, recording, merged, sentence, findings)
      : theirs
  const result = await store.meta.commit({
    moves: [
      ...(version === ours ? [] : [{ name: refs.dataset(dataset, into), from: ours, to: version }]),
      ...(ends ? [{ name: refs.dataset(dataset, from), from: theirs, to: null }] : []),
      ...(draft ? [{ name: draft.name, from: draft.digest, to: null }] : []),
    ],
    event: {
      type: 'data.merged',
      subject: subjects.dataset(dataset),
      actor,
      reason: `${sentence}: ${reason}`,
      data: {
        ...recording.data,
        branch: from,
        ...(into !== MAIN && { into }),
        ours,
        theirs,
        version,
        ...(findings.length > 0 && { verdicts: verdictsByCheck(findings) }),
        ...(merged && {
          run: digestOf(merged.spec),
          base: merged.merge.base,
          taken: merged.merge.taken,
          decided: merged.merge.decided,
        }),
      },
    },
  })
  if (result.ok) return { version, event: result.event }
  if (result.conflict.name === draft?.name)
    throw new MillraceError('MR_DATA_MERGE_DECIDED', { n: 1, by: 'somebody' })
  const isInto = result.conflict.name === refs.dataset(dataset, into)
  throw moved(dataset, isInto ? into : from, isInto ? ours : theirs, result.conflict.holds)
}

const verdictsByCheck = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]))

/** Verdicts of the declared checks on what a merge came to. Errors: those of the store. */
export async function verdictsOf(
  store: Store,
  { dataset, ours, theirs, merged, taken, now }: Omit<MergeRecording, 'actor' | 'reason'>,
): Promise<MergeVerdicts> {
  const result = merged ? merged.merge.result! : await getVersion(store, theirs)
  const { checks = [], judgement } = merged
    ? { checks: (merged.spec.params as unknown as MergeParams).judged, judgement: merged.merge.judgement }
    : (taken ?? { checks: [], judgement: undefined })
  return await mergeVerdicts(store, { dataset, checks, judgement, merged: result, ours, theirs, now })
}

const REFUSED = 'data.merge-refused'

/** The journal says once of the same two versions that they do not go together. */
async function refuse(
  store: Store,
  { dataset, into, from, ours, theirs, merged, actor, reason }: MergeRecording,
  broken: BrokenCheck[],
): Promise<MillraceError> {
  const error = brokenError({ dataset, into, from }, broken)
  const run = merged && digestOf(merged.spec)
  const data = {
    branch: from,
    into,
    ours,
    theirs,
    ...(run && { run }),
    code: error.code,
    fix: error.fix,
    broken,
  }
  for await (const { data: before } of importEvents(store, dataset, REFUSED))
    if (digestOf(before) === digestOf(data as unknown as Json)) return error
  const text = broken.map((each) => brokenSentence(each, into, from)).join('; ')
  await store.meta.commit({
    event: {
      type: REFUSED,
      subject: subjects.dataset(dataset),
      actor,
      reason: `${text}: ${reason}`,
      data: data as unknown as Json,
    },
  })
  return error
}

function sentenceOf({ from, into, merged }: MergeRecording, isNothing: boolean): string {
  if (isNothing) return nothingSentence(from, into)
  return merged ? takenSentence(from, merged.merge) : `branch "${from}" is ${into} now`
}

export const nothingSentence = (from: string, into: string): string =>
  `${into} has all that branch "${from}" changed already`

/** Whether a merge came to what ours is. */
export async function changesNothing(store: Store, { ours, result }: DatasetMerge): Promise<boolean> {
  if (!result) return false
  const before = await getVersion(store, ours)
  const idsOf = ({ parts, quarantine, schema }: Pick<DatasetVersion, 'parts' | 'quarantine' | 'schema'>) =>
    JSON.stringify([parts.map(partId), quarantine.map(partId), schema.columns.map(({ name }) => name)])
  return idsOf(before) === idsOf(result)
}

async function putVersion(
  store: Store,
  { ours, theirs, now }: MergeRecording,
  { spec, merge }: NonNullable<MergeRecording['merged']>,
  message: string,
  findings: Finding[],
): Promise<Digest> {
  const { window: _, ...before } = await getVersion(store, ours)
  const { schema, parts, quarantine, rows, rowsQuarantined, window } = merge.result!
  const version: DatasetVersion = {
    ...before,
    parents: [ours, theirs],
    ...{ schema, parts, quarantine, rows, rowsQuarantined },
    ...(merge.judgement && { findings }),
    ...(window && { window }),
    createdAt: now,
    message,
  }
  const [digest] = await store.putRecords([version, spec])
  return digest!
}

export function openError({
  dataset,
  open,
  sample,
}: Pick<DatasetMerge, 'dataset' | 'open' | 'sample'>): MillraceError {
  return new MillraceError('MR_DATA_MERGE_OPEN', {
    dataset,
    open,
    sample: sample.slice(0, 5).map(conflictSentence),
  })
}

/** How many conflicts are open, in one sentence without a full stop. */
export function openSentence({ open }: Pick<DatasetMerge, 'open'>): string {
  const { schema, cell, deleted, check } = open
  const parts = [
    schema > 0 && `${grouped(schema)} columns were changed in ways that contradict one another`,
    cell > 0 && `${grouped(cell)} cells have two new values`,
    deleted > 0 && `${grouped(deleted)} rows were changed by one side and deleted by the other`,
    check > 0 && `${grouped(check)} merged rows would not keep a check`,
  ]
  return parts.filter(Boolean).join(', ')
}

/** One conflict, in one sentence without a full stop. */
export function conflictSentence({
  kind,
  key,
  column,
  base,
  ours,
  theirs,
  check,
}: DatasetMerge['sample'][number]): string {
  const row = key.length === 0 ? 'merged rows' : `row ${key.join(', ')}`
  const text = (value: string | null) => value ?? 'nothing'
  if (kind === 'schema')
    return `column ${column} was ${text(base)}, is ${text(ours)} here and ${text(theirs)} there`
  if (kind === 'check') return `${row} would not keep "${check}"`
  if (kind === 'deleted') return `${row} was ${ours} here and ${theirs} there`
  return `${column} of ${row} was ${text(base)}, is ${text(ours)} here and ${text(theirs)} there`
}

/** What a merge took over, in one sentence without a full stop. */
export function takenSentence(
  from: string,
  { taken, decided }: Pick<DatasetMerge, 'taken' | 'decided'>,
): string {
  const { inserted, updated, deleted } = taken
  const conflicts =
    decided === 0 ? '' : `, ${grouped(decided)} ${decided === 1 ? 'conflict' : 'conflicts'} decided`
  return `${grouped(inserted)} rows added, ${grouped(updated)} changed and ${grouped(deleted)} taken out by branch "${from}"${conflicts}`
}
