import type { Json } from '../core/canonical.ts'
import { digestOf, shortDigest } from '../core/digest.ts'
import { type ErrorCode, MillraceError, toError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { refs, subjects } from '../core/names.ts'
import type { DatasetVersion, Digest, Finding, JournalEvent, RunSpec } from '../core/records.ts'
import type { RefMove, Store } from '../store/ports.ts'
import { type ImportEventData, importEvents } from './import-events.ts'
import { type JudgedDelivery, judgeDelivery } from './judge-delivery.ts'
import { contentsOf, deliveryOf, filesOf, importParams, selectionOf } from './plan-import.ts'
import type { DatasetImport } from './types.ts'

export { type ImportEventData, importEvents } from './import-events.ts'

export interface ImportRecording {
  spec: RunSpec
  /** Outputs of the run of that spec. */
  outputs: Record<string, Digest>
  /** Branch that moves. Default: `main`. */
  branch?: string
  actor: string
  now: number
  /** Source files that are not kept. */
  dropped?: readonly Digest[]
  /** Why, when it is not simply that data were delivered. */
  reason?: string
  /** Refs that move with the dataset's, in one commit or not at all. */
  also?: readonly RefMove[]
}

export interface RecordedImport {
  version: Digest
  event: JournalEvent
  /** True when the delivery had been recorded before and nothing was done. */
  known: boolean
}

/**
 * Makes the version of a finished import and moves the dataset's ref to it, with one event `data.imported`. Recording the same run again changes nothing.
 * A delivery that `stop` checks refuse is journalled as `data.refused`, the ref stays, and MR_DATA_REFUSED is thrown with the findings.
 * Errors: MR_DATA_REFUSED, MR_DATA_MOVED when another version came first.
 */
export async function recordImport(store: Store, recording: ImportRecording): Promise<RecordedImport> {
  const { spec, outputs, branch } = recording
  const before = await recordedBefore(store, spec, branch)
  if (before) return { ...before, known: true }
  const done = await store.getRecord<DatasetImport>(outputs.import!, 'DatasetImport')
  const { checks, key } = importParams(spec)
  const judged = await judgeDelivery(store, done, checks, recording.now)
  const { findings, refusedBy } = judged
  if (refusedBy.length > 0) throw await refuse(store, recording, done, judged)
  const [version] = await store.putRecords([versionOf(done, key, findings, recording.now), spec])
  return { version: version!, event: await move(store, recording, done, judged, version!), known: false }
}

/** While the ref still holds what the import was planned on, it cannot have been recorded, or it was taken back since. */
async function recordedBefore(
  store: Store,
  spec: RunSpec,
  branch: string | undefined,
): Promise<Omit<RecordedImport, 'known'> | undefined> {
  const { dataset } = importParams(spec)
  const ref = await store.meta.ref(refs.dataset(dataset, branch))
  if ((ref?.digest ?? null) === (spec.inputs.parent ?? null)) return undefined
  const run = digestOf(spec)
  const found = await findEvent(store, dataset, (data) => data.run === run && data.branch === branch)
  return found && { version: found.data.version, event: found.event }
}

function versionOf(done: DatasetImport, key: string[], findings: Finding[], now: number): DatasetVersion {
  const { dataset, parent, schema, parts, quarantine, rows, rowsQuarantined, window, source, message } = done
  const version: DatasetVersion = {
    kind: 'DatasetVersion',
    dataset,
    parents: parent ? [parent] : [],
    schema,
    ...(key.length > 0 && { key }),
    parts,
    quarantine,
    rows,
    rowsQuarantined,
    findings,
    source,
    createdAt: now,
    message: message || sentenceOf(done),
  }
  return window ? { ...version, window } : version
}

async function move(
  store: Store,
  recording: ImportRecording,
  done: DatasetImport,
  judged: JudgedDelivery,
  version: Digest,
): Promise<JournalEvent> {
  const { spec, actor, reason, branch, also = [], dropped = [] } = recording
  const commit = await store.meta.commit({
    moves: [{ name: refs.dataset(done.dataset, branch), from: done.parent, to: version }, ...also],
    event: {
      type: 'data.imported',
      subject: subjects.dataset(done.dataset),
      actor,
      reason: reason ?? sentenceOf(done),
      data: {
        ...eventData(spec, done, judged),
        ...(branch && { branch }),
        ...(dropped.length > 0 && { gone: [...dropped] }),
        version,
      },
    },
  })
  if (commit.ok) return commit.event
  throw new MillraceError('MR_DATA_MOVED', {
    dataset: done.dataset,
    expected: done.parent ? shortDigest(done.parent) : 'nothing',
    holds: commit.conflict.holds ? shortDigest(commit.conflict.holds) : 'nothing',
  })
}

function sentenceOf({ delivered, source, byCheck }: DatasetImport): string {
  const failed = Object.entries(byCheck).filter(([, n]) => n > 0)
  const reasons = failed.map(([name, n]) => `${grouped(n)} by "${name}"`).join(', ')
  const aside =
    delivered.quarantined === 0 ? '' : `; ${grouped(delivered.quarantined)} quarantined (${reasons})`
  const { rows, added, updated, deleted } = delivered
  if (updated === undefined || deleted === undefined)
    return `${grouped(added)} of ${grouped(rows)} rows of ${source} were added${aside}`
  return `${grouped(added)} rows added, ${grouped(updated)} changed and ${grouped(deleted)} taken out by the ${grouped(rows)} of ${source}${aside}`
}

function eventData(
  spec: RunSpec,
  done: DatasetImport,
  { findings, metrics, unusual }: JudgedDelivery,
): Record<string, Json> {
  return {
    run: digestOf(spec),
    delivery: deliveryOf(spec),
    files: filesOf(spec),
    contents: contentsOf(spec),
    selection: selectionOf(spec),
    rows: done.rows,
    delivered: done.delivered.rows,
    added: done.delivered.added,
    ...(done.delivered.updated !== undefined && { updated: done.delivered.updated }),
    ...(done.delivered.deleted !== undefined && { deleted: done.delivered.deleted }),
    quarantined: done.delivered.quarantined,
    byCheck: done.byCheck,
    verdicts: Object.fromEntries(findings.map((f) => [f.check, f.verdict])),
    notes: done.notes,
    // Imports of before remarks were made have none.
    remarks: (done.remarks ?? []) as unknown as Json,
    ...(metrics && { metrics, unusual }),
  }
}

async function refuse(
  store: Store,
  recording: ImportRecording,
  done: DatasetImport,
  judged: JudgedDelivery,
): Promise<Error> {
  const { dataset } = done
  const { findings, refusedBy: checks } = judged
  const error = new MillraceError('MR_DATA_REFUSED', {
    dataset,
    checks,
    findings: findings.filter((f) => checks.includes(f.check)),
  })
  const run = digestOf(recording.spec)
  if (await findEvent(store, dataset, (data) => data.run === run, 'data.refused')) return error
  const data = {
    ...eventData(recording.spec, done, judged),
    code: error.code,
    findings: findings as unknown as Json,
  }
  await journalRefusal(store, dataset, recording.actor, `${checks.join(', ')} refused the delivery`, data)
  return error
}

/** Journals an import that could not be made at all: the file was broken, of other types, too large. The ref stays. */
export async function recordRefusal(
  store: Store,
  spec: RunSpec,
  thrown: unknown,
  actor: string,
): Promise<void> {
  const error = toError(thrown) as Error & { code?: ErrorCode; fix?: string }
  const { dataset, files } = importParams(spec)
  const data = {
    run: digestOf(spec),
    delivery: deliveryOf(spec),
    code: error.code ?? 'unknown',
    files: files.map((f) => f.name),
    fix: error.fix ?? '',
  }
  await journalRefusal(store, dataset, actor, error.message, data)
}

async function journalRefusal(
  store: Store,
  dataset: string,
  actor: string,
  reason: string,
  data: Json,
): Promise<void> {
  await store.meta.commit({
    event: { type: 'data.refused', subject: subjects.dataset(dataset), actor, reason, data },
  })
}

/** The version that a delivery led to when it was recorded before: same bytes, same selection, same period. */
export async function findDelivery(
  store: Store,
  spec: RunSpec,
): Promise<{ version: Digest; event: JournalEvent } | undefined> {
  const delivery = deliveryOf(spec)
  const found = await findEvent(store, importParams(spec).dataset, (data) => data.delivery === delivery)
  return found && { version: found.data.version, event: found.event }
}

async function findEvent(
  store: Store,
  dataset: string,
  matches: (data: ImportEventData) => boolean,
  type = 'data.imported',
): Promise<{ event: JournalEvent; data: ImportEventData } | undefined> {
  for await (const event of importEvents(store, dataset, type)) {
    const data = event.data as unknown as ImportEventData
    if (matches(data)) return { event, data }
  }
  return undefined
}
