/** Writes down what ended: records as objects, their refs and one event in one commit, then the end of the lease. */

import type { Json } from '../../core/canonical.ts'
import { shortDigest } from '../../core/digest.ts'
import { refs } from '../../core/names.ts'
import type { Digest, RunRecord } from '../../core/records.ts'
import type { Job, NewEvent, RefMove, Store } from '../../store/ports.ts'

/** A run that ended and is not yet written down. */
export interface Ended {
  job: Job
  record: RunRecord
  /** What the ref held when the run began: a failed record, or one whose outputs are gone. */
  before: Digest | null
  note?: Json
}

/** A run that is written down, by us or by somebody who was faster. */
export interface Recorded {
  id: Digest
  record: RunRecord
  digest: Digest
  byOther: boolean
}

/** Words of an event name at most this many tasks. */
const TASKS_NAMED = 3

/**
 * Records a batch and ends its leases; resolves when all of it is durable. A ref that somebody else moved meanwhile wins: the
 * work was the same, and theirs is written down.
 */
export async function recordAll(store: Store, ended: Ended[], now: () => number): Promise<Recorded[]> {
  const digests = await store.putRecords(ended.map(({ record }) => record))
  const written = ended.map((one, i) => ({ ...one, digest: digests[i]!, byOther: false }))
  const done = await commit(
    store,
    written.filter(({ record }) => record.outcome === 'done'),
  )
  const failed = await commit(
    store,
    written.filter(({ record }) => record.outcome === 'failed'),
  )
  const all = [...done, ...failed]
  for (const one of all) await finish(store, one, now())
  return all.map(({ job, record, digest, byOther }) => ({ id: job.id, record, digest, byOther }))
}

type Written = Ended & { digest: Digest; byOther: boolean }

async function commit(store: Store, written: Written[]): Promise<Written[]> {
  const mine = [...written]
  const theirs: Written[] = []
  while (mine.length > 0) {
    const result = await store.meta.commit({ moves: mine.map(moveOf), event: eventOf(mine) })
    if (result.ok) break
    const lost = mine.findIndex(({ job }) => refs.run(job.id) === result.conflict.name)
    const [one] = mine.splice(lost, 1)
    const record = await recordAt(store, result.conflict.holds)
    if (record && (record.outcome === 'done' || one!.record.outcome === 'failed')) {
      theirs.push({ ...one!, digest: result.conflict.holds!, byOther: true, record })
    } else mine.push({ ...one!, before: result.conflict.holds })
  }
  return [...mine, ...theirs]
}

const moveOf = ({ job, before, digest }: Written): RefMove => ({
  name: refs.run(job.id),
  from: before,
  to: digest,
})

async function recordAt(store: Store, digest: Digest | null): Promise<RunRecord | undefined> {
  return digest === null ? undefined : await store.getRecord<RunRecord>(digest, 'RunRecord')
}

async function finish(store: Store, { job, record }: Written, now: number): Promise<void> {
  const outcome = { state: record.outcome, error: record.error?.message }
  await store.meta.jobs.finish(job.id, job.fence, outcome, now, 0)
}

function eventOf(written: Written[]): NewEvent {
  const failed = written[0]!.record.outcome === 'failed'
  return {
    type: failed ? 'run.failed' : 'run.done',
    subject: written.length === 1 ? refs.run(written[0]!.job.id) : 'runs',
    actor: 'jobs',
    reason: failed ? reasonFailed(written) : reasonDone(written),
    data: { runs: written.map(dataOf) },
  }
}

function reasonDone(written: Written[]): string {
  const tasks = [...new Set(written.map(({ job }) => job.task))]
  const named = tasks.length <= TASKS_NAMED ? tasks.join(', ') : `${tasks.length} tasks`
  if (written.length > 1) return `${written.length} runs of ${named} are done`
  const { startedAt, endedAt } = written[0]!.record
  return `${named} is done after ${((endedAt - startedAt) / 1000).toFixed(1)} s`
}

function reasonFailed(written: Written[]): string {
  const { job, record } = written[0]!
  const first = `${job.task} (run ${shortDigest(job.id)}) failed: ${record.error!.message}`
  return written.length === 1 ? first : `${first}; and ${written.length - 1} more`
}

function dataOf({ job, record, note }: Written): Json {
  return {
    spec: job.id,
    task: job.task,
    outputs: record.outputs,
    ms: record.endedAt - record.startedAt,
    tries: job.tries,
    note,
    error: record.error?.code,
  }
}

/** What ends within this time is written down together. */
const BATCH_MS = 250

/** Gathers what ends close together, so that many small runs share one wait for the disk. */
export class Batch<T> {
  private items: T[] = []
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()
  private readonly write: (items: T[]) => Promise<void>

  /** `write` must not throw: what goes wrong belongs to the items. */
  constructor(write: (items: T[]) => Promise<void>) {
    this.write = write
  }

  add(item: T): void {
    this.items.push(item)
    this.timer ??= setTimeout(() => void this.flush(), BATCH_MS)
  }

  /** Resolves when everything added so far is written. */
  flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    this.writing = this.writing.then(async () => {
      const items = this.items.splice(0)
      if (items.length > 0) await this.write(items)
    })
    return this.writing
  }
}
