import type { Kysely, Selectable } from 'kysely'
import { shortDigest } from '../../core/digest.ts'
import { assert } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Job, JobState, JobTable } from '../ports.ts'
import type { Schema } from './schema.ts'

type Row = Selectable<Schema['jobs']>
type NewJob = Parameters<JobTable['enqueue']>[0][number]

/**
 * Leased work. A job is `queued` until a worker claims it, `leased` while its worker sends heartbeats, and
 * ends `done`, `failed` or `cancelled`. A lease that ran out may be claimed by anyone; the fence, raised by
 * each claim, keeps the slow worker from ending what is no longer its own. Every change is one statement or
 * one transaction, so any number of processes may work.
 */
export function openJobTable(db: Kysely<Schema>): JobTable {
  const write = <T>(work: (tx: Kysely<Schema>) => Promise<T>): Promise<T> => db.transaction().execute(work)
  return {
    enqueue: (jobs, now) => write((tx) => enqueue(tx, jobs, now)),
    claim: (worker, now, leaseMs) =>
      write(async (tx) => {
        const row = await claim(tx, worker, now, leaseMs)
        return row && (await withNeeds(tx, [row]))[0]
      }),
    release: (worker) => write((tx) => release(tx, worker)),
    heartbeat: (id, fence, now, leaseMs, progress) =>
      write(async (tx) => {
        const note = progress && { progress_done: progress.done, progress_note: progress.note }
        const kept = await held(tx, id, fence)
          .set({ lease_until: now + leaseMs, ...note })
          .executeTakeFirst()
        return kept.numUpdatedRows > 0n
      }),
    finish: (id, fence, outcome, now, triesMax) =>
      write(async (tx) => {
        const ended = await finish(tx, id, fence, outcome, now, triesMax)
        if (ended === undefined) return false
        if (ended.state === 'failed' || ended.state === 'cancelled') await endDependents(tx, [ended], now)
        return true
      }),
    async get(ids) {
      const rows: Row[] = []
      for (const some of chunks(ids))
        rows.push(...(await db.selectFrom('jobs').selectAll().where('id', 'in', some).execute()))
      const jobs = new Map((await withNeeds(db, rows)).map((job) => [job.id, job]))
      return ids.flatMap((id) => jobs.get(id) ?? [])
    },
    async list({ state, limit = 1000 } = {}) {
      let rows = db.selectFrom('jobs').selectAll()
      if (state !== undefined) rows = rows.where('state', '=', state)
      rows = rows.orderBy('priority', 'desc').orderBy('queued_at').orderBy('ordinal').limit(limit)
      return withNeeds(db, await rows.execute())
    },
    cancel: (ids, now) => write((tx) => cancel(tx, ids, now)),
  }
}

async function enqueue(tx: Kysely<Schema>, jobs: NewJob[], now: number): Promise<number> {
  let added = 0
  const rows = jobs.map((job, ordinal) => ({ job, ordinal }))
  for (const again of [false, true]) {
    const states = again ? ['failed', 'cancelled', 'done'] : ['failed', 'cancelled']
    for (const some of chunks(rows.filter(({ job }) => (job.again ?? false) === again))) {
      added += await upsert(
        tx,
        some.map(({ job, ordinal }) => toRow(job, ordinal, now)),
        states,
      )
    }
  }
  const needs = jobs.flatMap(({ id, needs = [] }) =>
    needs.map((needsId) => ({ job_id: id, needs_id: needsId })),
  )
  for (const some of chunks(needs)) {
    assert(
      some.every((need) => need.job_id !== need.needs_id),
      'a job cannot need itself',
    )
    await tx
      .insertInto('job_needs')
      .values(some)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  await endDependents(
    tx,
    await endedAmong(
      tx,
      needs.map((need) => need.needs_id),
    ),
    now,
  )
  return added
}

function toRow({ id, task, priority = 0 }: NewJob, ordinal: number, now: number) {
  return { id, task, state: 'queued', priority, tries: 0, fence: 0, queued_at: now, ordinal }
}

/** New rows are queued; those there in one of `states` are queued again with their fence kept. */
async function upsert(
  tx: Kysely<Schema>,
  rows: ReturnType<typeof toRow>[],
  states: string[],
): Promise<number> {
  const result = await tx
    .insertInto('jobs')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((eb) => ({
          state: 'queued',
          priority: eb.ref('excluded.priority'),
          queued_at: eb.ref('excluded.queued_at'),
          ordinal: eb.ref('excluded.ordinal'),
          tries: 0,
          worker: null,
          lease_until: null,
          error: null,
          progress_done: null,
          progress_note: null,
          ended_at: null,
        }))
        .where('jobs.state', 'in', states),
    )
    .executeTakeFirst()
  return Number(result.numInsertedOrUpdatedRows ?? 0n)
}

function claim(db: Kysely<Schema>, worker: string, now: number, leaseMs: number): Promise<Row | undefined> {
  return db
    .updateTable('jobs')
    .set((eb) => ({
      state: 'leased',
      worker,
      lease_until: now + leaseMs,
      fence: eb('fence', '+', 1),
      tries: eb('tries', '+', 1),
      progress_done: null,
      progress_note: null,
    }))
    .where('id', '=', (eb) => eb.fn.coalesce(expired(db, now), urgent(db)))
    .returningAll()
    .executeTakeFirst()
}

function expired(db: Kysely<Schema>, now: number) {
  return db
    .selectFrom('jobs as late')
    .select('late.id')
    .where('late.state', '=', 'leased')
    .where('late.lease_until', '<=', now)
    .orderBy('late.lease_until')
    .limit(1)
}

function urgent(db: Kysely<Schema>) {
  return db
    .selectFrom('jobs as ready')
    .select('ready.id')
    .where('ready.state', '=', 'queued')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('job_needs as need')
            .leftJoin('jobs as needed', 'needed.id', 'need.needs_id')
            .select('need.needs_id')
            .whereRef('need.job_id', '=', 'ready.id')
            .where((eb) => eb.or([eb('needed.state', 'is', null), eb('needed.state', '<>', 'done')])),
        ),
      ),
    )
    .orderBy('ready.priority', 'desc')
    .orderBy('ready.queued_at')
    .orderBy('ready.ordinal')
    .limit(1)
}

async function release(tx: Kysely<Schema>, worker: string): Promise<number> {
  const released = await tx
    .updateTable('jobs')
    .set((eb) => ({ state: 'queued', worker: null, lease_until: null, tries: eb('tries', '-', 1) }))
    .where('worker', '=', worker)
    .where('state', '=', 'leased')
    .executeTakeFirst()
  return Number(released.numUpdatedRows)
}

function held(db: Kysely<Schema>, id: Digest, fence: number) {
  return db.updateTable('jobs').where('id', '=', id).where('fence', '=', fence).where('state', '=', 'leased')
}

async function finish(
  tx: Kysely<Schema>,
  id: Digest,
  fence: number,
  { state, error = null }: { state: JobState; error?: string | null },
  now: number,
  triesMax: number,
): Promise<Row | undefined> {
  if (state === 'failed') {
    const free = { state: 'queued', error, worker: null, lease_until: null }
    const queued = await held(tx, id, fence)
      .where('tries', '<', triesMax)
      .set(free)
      .returningAll()
      .executeTakeFirst()
    if (queued !== undefined) return queued
  }
  const ended = { state, error, worker: null, lease_until: null, ended_at: now }
  return held(tx, id, fence).set(ended).returningAll().executeTakeFirst()
}

async function cancel(tx: Kysely<Schema>, ids: Digest[], now: number): Promise<void> {
  const ended: Row[] = []
  for (const some of chunks(ids)) {
    const rows = await tx
      .updateTable('jobs')
      .set({ state: 'cancelled', worker: null, lease_until: null, ended_at: now })
      .where('id', 'in', some)
      .where('state', 'in', ['queued', 'leased'])
      .returningAll()
      .execute()
    ended.push(...rows)
  }
  await endDependents(tx, ended, now)
}

async function endedAmong(tx: Kysely<Schema>, ids: string[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const some of chunks([...new Set(ids)])) {
    const query = tx
      .selectFrom('jobs')
      .selectAll()
      .where('id', 'in', some)
      .where('state', 'in', ['failed', 'cancelled'])
    rows.push(...(await query.execute()))
  }
  return rows
}

/**
 * Queued jobs that need one of `ended` can never start: they end the same way, and so on to their own
 * dependents, level by level.
 */
async function endDependents(tx: Kysely<Schema>, ended: Row[], now: number): Promise<void> {
  for (let level = ended; level.length > 0; ) {
    const next: Row[] = []
    for (const causes of bySameEnd(level)) {
      for (const some of chunks(causes)) next.push(...(await endNeedingOneOf(tx, some, now)))
    }
    level = next
  }
}

/** Groups whose dependents end in one state for one reason. */
function bySameEnd(rows: Row[]): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const end = `${row.state} ${reasonOf(row)}`
    const group = groups.get(end)
    if (group === undefined) groups.set(end, [row])
    else group.push(row)
  }
  return [...groups.values()]
}

function endNeedingOneOf(tx: Kysely<Schema>, causes: Row[], now: number): Promise<Row[]> {
  const needed = causes.map(({ id }) => id)
  return tx
    .updateTable('jobs')
    .set({ state: causes[0].state, error: reasonOf(causes[0]), ended_at: now })
    .where('state', '=', 'queued')
    .where('id', 'in', (eb) => eb.selectFrom('job_needs').select('job_id').where('needs_id', 'in', needed))
    .returningAll()
    .execute()
}

/** The first cause is kept through the chain, not wrapped again at each step. */
function reasonOf({ id, task, state, error }: Row): string {
  if (error?.startsWith('needs ')) return error
  const end = state === 'failed' ? 'failed' : 'was cancelled'
  return `needs ${task} ${shortDigest(id)}, which ${end}${error ? `: ${error}` : ''}`
}

async function withNeeds(db: Kysely<Schema>, rows: Row[]): Promise<Job[]> {
  const needs = new Map<string, Digest[]>(rows.map(({ id }) => [id, []]))
  for (const some of chunks(rows)) {
    const found = await db
      .selectFrom('job_needs')
      .selectAll()
      .where(
        'job_id',
        'in',
        some.map(({ id }) => id),
      )
      .orderBy('needs_id')
      .execute()
    for (const { job_id, needs_id } of found) needs.get(job_id)?.push(needs_id as Digest)
  }
  return rows.map((row) => toJob(row, needs.get(row.id) ?? []))
}

function toJob(row: Row, needs: Digest[]): Job {
  return {
    id: row.id as Digest,
    task: row.task,
    state: row.state as JobState,
    needs,
    priority: row.priority,
    tries: row.tries,
    fence: row.fence,
    queuedAt: row.queued_at,
    ...(row.worker !== null && { worker: row.worker }),
    ...(row.lease_until !== null && { leaseUntil: row.lease_until }),
    ...(row.error !== null && { error: row.error }),
    ...(row.progress_done !== null && {
      progress: { done: row.progress_done, note: row.progress_note ?? '' },
    }),
    ...(row.ended_at !== null && { endedAt: row.ended_at }),
  }
}

function chunks<T>(items: T[]): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < items.length; i += STORE_LIMITS.insertRowsMax)
    parts.push(items.slice(i, i + STORE_LIMITS.insertRowsMax))
  return parts
}
