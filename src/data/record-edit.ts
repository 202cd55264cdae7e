import type { Json } from '../core/canonical.ts'
import { digestOf, shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN, refs, subjects } from '../core/names.ts'
import type { DatasetVersion, Digest, JournalEvent, RunSpec } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { EVENT_OF, editParams } from './edit.ts'
import type { DatasetEdit, EditAct, EditOutcome } from './edit-types.ts'
import { importEvents } from './import-events.ts'
import { getVersion } from './versions.ts'

export interface EditRecording {
  spec: RunSpec
  /** Outputs of the run of that spec. */
  outputs: Record<string, Digest>
  /** Branch that moves. Default: `main`. */
  branch?: string
  /** What the branch holds now; `null` for a branch that is begun. Default: the version that was edited. */
  from?: Digest | null
  actor: string
  now: number
  /** Why, in the words of who did it. */
  reason: string
  /** More facts for the event. */
  data?: Record<string, Json>
}

export interface RecordedEdit {
  version: Digest
  event: JournalEvent
  outcome: EditOutcome
  /** True when this edit had been recorded before and nothing was done. */
  known: boolean
}

export interface EditEventData {
  run: Digest
  branch: string
  /** The version that was edited. */
  base: Digest
  version: Digest
  selection: Digest
  chosen: number
}

/**
 * Makes the version of a finished edit and moves its branch there, with one event. Recording the same run onto the same branch again changes nothing.
 * Errors: MR_DATA_EDIT_MOVED when the branch holds another version.
 */
export async function recordEdit(store: Store, recording: EditRecording): Promise<RecordedEdit> {
  const { spec, outputs, branch = MAIN, actor, now, reason } = recording
  const done = await store.getRecord<DatasetEdit>(outputs.edit!, 'DatasetEdit')
  const base = spec.inputs.version!
  const from = recording.from === undefined ? base : recording.from
  const before = await recordedBefore(store, spec, branch, from)
  if (before) return { ...before, outcome: done.outcome, known: true }
  const { act } = editParams(spec)
  const text = sentenceOf(act, done.outcome)
  const [version] = await store.putRecords([versionOf(await getVersion(store, base), done, now, text), spec])
  const result = await store.meta.commit({
    moves: [{ name: refs.dataset(done.dataset, branch), from, to: version! }],
    event: {
      type: EVENT_OF[act.kind],
      subject: subjects.dataset(done.dataset),
      actor,
      reason: `${text}: ${reason}`,
      data: { ...recording.data, ...dataOf(spec, branch, version!, done.outcome) } as unknown as Json,
    },
  })
  if (result.ok) return { version: version!, event: result.event, outcome: done.outcome, known: false }
  const { holds } = result.conflict
  throw moved(done.dataset, branch, from, holds)
}

export function moved(
  dataset: string,
  branch: string,
  expected: Digest | null,
  holds: Digest | null | undefined,
): MillraceError {
  const name = (digest: Digest | null | undefined) => (digest ? shortDigest(digest) : 'nothing')
  return new MillraceError('MR_DATA_EDIT_MOVED', {
    dataset,
    branch,
    expected: name(expected),
    holds: name(holds),
  })
}

function dataOf(
  spec: RunSpec,
  branch: string,
  version: Digest,
  outcome: EditOutcome,
): Record<string, unknown> {
  const data: EditEventData = {
    run: digestOf(spec),
    branch,
    base: spec.inputs.version!,
    version,
    selection: spec.inputs.selection!,
    chosen: outcome.chosen,
  }
  return { ...data, ...outcome }
}

/** While the branch still holds what it is moved from, the edit cannot have been recorded, or it was taken back since. */
async function recordedBefore(
  store: Store,
  spec: RunSpec,
  branch: string,
  from: Digest | null,
): Promise<Pick<RecordedEdit, 'version' | 'event'> | undefined> {
  const { dataset, act } = editParams(spec)
  const holds = (await store.meta.ref(refs.dataset(dataset, branch)))?.digest ?? null
  if (holds === from) return undefined
  const run = digestOf(spec)
  for await (const event of importEvents(store, dataset, EVENT_OF[act.kind])) {
    const data = event.data as unknown as EditEventData
    if (data.run === run && data.branch === branch) return { version: data.version, event }
  }
  return undefined
}

function versionOf(base: DatasetVersion, done: DatasetEdit, now: number, message: string): DatasetVersion {
  const { schema, parts, quarantine, rows, rowsQuarantined, window } = done
  const { window: _, ...rest } = base
  return {
    ...rest,
    parents: [done.parent],
    schema,
    parts,
    quarantine,
    rows,
    rowsQuarantined,
    ...(window && { window }),
    createdAt: now,
    message,
  }
}

/** What an edit did, in one sentence without a full stop. */
export function sentenceOf(act: EditAct, { chosen, added, byReason }: EditOutcome): string {
  const rows = (n: number) => `${grouped(n)} ${n === 1 ? 'row' : 'rows'}`
  const why = Object.entries(byReason)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, n]) => `${grouped(n)} by "${reason}"`)
    .slice(0, 6)
    .join(', ')
  const reasons = why === '' ? '' : ` (${why})`
  switch (act.kind) {
    case 'quarantine':
      return `${rows(chosen)} put aside${reasons}`
    case 'release':
      return `${rows(chosen)} taken as they are${reasons}`
    case 'drop':
      return `${rows(chosen)} given up${reasons}`
    case 'fix': {
      const set = act.set.map(({ column }) => column).join(', ')
      const left = chosen - added
      return `${set} of ${rows(chosen)} set anew, ${grouped(added)} taken${left === 0 ? '' : `, ${grouped(left)} still aside${reasons}`}`
    }
  }
}
