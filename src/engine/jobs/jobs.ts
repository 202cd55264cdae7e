/**
 * Jobs on worker threads of this process, with leases in the metadata database, so that several processes share the work.
 *
 * A spec goes from wish (somebody here asked) to the job table, is claimed by a free worker of any process, runs in a thread, and
 * ends as a record under `runs/<spec>`. The ref is moved by compare-and-set, so whoever is first is the one that did it; a crash
 * before that moment costs the one run, and its outputs, being content-addressed, are simply found again.
 */
import { availableParallelism } from 'node:os'
import type { Clock } from '../../core/clock.ts'
import { shortDigest } from '../../core/digest.ts'
import { MillraceError, plainError, toError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Digest, RunRecord, RunSpec } from '../../core/records.ts'
import type { Job, Store } from '../../store/ports.ts'
import type { Jobs, RunOutcome } from '../ports.ts'
import { workerUrl } from '../worker-url.ts'
import type { FromWorker, Plain } from './messages.ts'
import { freeDead, newOwner } from './owners.ts'
import { Batch, type Ended, type Recorded, recordAll } from './recorder.ts'
import { knownRun, recordError, runError } from './records.ts'
import { Slot } from './slot.ts'
import { type Asker, type Wish, Wishes } from './wishes.ts'

export interface JobsOptions {
  store: Store
  /** Where workers open the same store, as `openStore` takes it. */
  storeUrl: string
  /** Module whose default export is `Task[]`; a source file stands for its compiled twin. */
  tasksModule: URL
  /** Threads. They start when they are first needed and stay warm. */
  workers: number
  clock: Clock
  /** Memory of all workers together: half of a worker's share is its heap, half its Query's. */
  memoryMb: number
  /** Threads of each worker's Query. Default: one a core, shared by the operating system. */
  queryThreads?: number
}

/** How often the job table is asked about work that is not in this process. */
const POLL_MS = 100
/** How long a task may go on after it was told to stop; then its thread is ended. */
const ABORT_MS = 2_000
const HEAP_MB_MIN = 64

interface Running {
  job: Job
  slot: Slot
  before: Digest | null
  progress?: { done: number; note: string }
  /** Told to stop: what it still answers is not written down, unless it was done. */
  stopping?: NodeJS.Timeout
}

/** Starts a pool. Errors: MR_DIST_MISSING when the tasks or the worker are not compiled. */
export function createJobs(options: JobsOptions): Jobs {
  return new WorkerJobs(options)
}

class WorkerJobs implements Jobs {
  private readonly store: Store
  private readonly clock: Clock
  private readonly slots: Slot[]
  private readonly wishes = new Wishes()
  private readonly running = new Map<Digest, Running>()
  private readonly batch = new Batch<Ended>((ended) => this.record(ended))
  private pumping = false
  private pumpAgain = false
  private pollTimer: NodeJS.Timeout | undefined
  private beatTimer: NodeJS.Timeout | undefined
  private closing: Promise<void> | undefined

  constructor({ store, storeUrl, tasksModule, workers, clock, memoryMb, queryThreads }: JobsOptions) {
    this.store = store
    this.clock = clock
    const owner = newOwner()
    const share = Math.max(2 * HEAP_MB_MIN, Math.floor(memoryMb / workers))
    const setup = {
      storeUrl,
      tasksModule: workerUrl(tasksModule).href,
      queryMemoryMb: Math.floor(share / 2),
      queryThreads: queryThreads ?? availableParallelism(),
    }
    const events = {
      message: (slot: Slot, message: FromWorker) => this.onMessage(slot, message),
      died: (slot: Slot, reason: string) => void this.onDied(slot, reason),
    }
    this.slots = Array.from(
      { length: workers },
      (_, i) => new Slot(`${owner}:${i}`, setup, Math.floor(share / 2), events),
    )
  }

  async run(specs: RunSpec[], options: Parameters<Jobs['run']>[1] = {}): Promise<RunOutcome[]> {
    const { signal, onProgress, priority = 0 } = options
    this.checkOpen('a run')
    if (signal?.aborted) throw cancelled(specs.length)
    const ids = await this.store.putRecords(specs)
    const asker: Asker = { open: 0, onProgress }
    const found = new Map<Digest, Promise<RunOutcome>>()
    const mine: Wish[] = []
    for (const [i, id] of ids.entries()) {
      if (found.has(id)) continue
      const known = await knownRun(this.store, id)
      if (known.holds) {
        found.set(id, Promise.resolve({ spec: id, record: known.record!, cached: true }))
        continue
      }
      this.checkOpen('a run')
      const wish = this.wishes.join(asker, { id, spec: specs[i]!, priority, before: known.digest })
      mine.push(wish)
      found.set(id, wish.promise)
    }
    if (mine.length > 0) await this.wait(mine, asker, signal)
    return await allOf(ids.map((id) => found.get(id)!))
  }

  workers(): { name: string; task?: string; since?: number }[] {
    return this.slots
      .filter((slot) => slot.alive)
      .map(({ name, job }) => ({ name, ...(job && { task: job.task, since: job.since }) }))
  }

  close(): Promise<void> {
    this.closing ??= this.shut()
    return this.closing
  }

  private checkOpen(what: string): void {
    if (this.closing) throw new MillraceError('MR_JOBS_CLOSED', { what })
  }

  /** Queues the wishes and waits until all are settled, or until the signal aborts. */
  private async wait(mine: Wish[], asker: Asker, signal?: AbortSignal): Promise<void> {
    let onAbort = () => {}
    const aborted = new Promise<void>((resolve) => {
      onAbort = resolve
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await this.enqueue(mine)
      if (signal?.aborted !== true) this.pump()
      const settled = Promise.allSettled(mine.map(({ promise }) => promise))
      await (signal?.aborted ? undefined : Promise.race([settled, aborted]))
    } catch (thrown) {
      await this.withdraw(mine, asker)
      throw thrown
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
    if (!signal?.aborted) return
    await this.withdraw(mine, asker)
    throw cancelled(mine.length)
  }

  private async enqueue(wishes: Wish[]): Promise<void> {
    const now = this.clock.now()
    await freeDead(this.store.meta.jobs, now)
    const jobs = wishes.map(({ id, spec, priority }) => ({ id, task: spec.task, priority, again: true }))
    await this.store.meta.jobs.enqueue(jobs, now)
  }

  // ---------------------------------------------------------------- handing out

  /** Gives free workers work until either runs out. One at a time; a call meanwhile makes it look again. */
  private pump(): void {
    this.pumpAgain = true
    if (this.pumping) return
    this.pumping = true
    void this.pumpUntilQuiet()
  }

  private async pumpUntilQuiet(): Promise<void> {
    try {
      while (this.pumpAgain) {
        this.pumpAgain = false
        await this.fill()
      }
    } catch (thrown) {
      for (const { id } of this.wishes.waiting()) this.rejectWish(id, toError(thrown))
    }
    this.pumping = false
  }

  private async fill(): Promise<void> {
    for (;;) {
      const slot = this.slots.find((one) => one.free)
      if (this.closing || !slot || !this.wishes.anyWaiting()) return
      const job = await this.store.meta.jobs.claim(slot.name, this.clock.now(), LIMITS.leaseMs)
      if (!job) return this.pollSoon()
      await this.begin(slot, job)
    }
  }

  /** Runs a claimed job, unless somebody has done it since it was queued. */
  private async begin(slot: Slot, job: Job): Promise<void> {
    const known = await knownRun(this.store, job.id)
    if (known.holds) {
      await this.finish(job, 'done')
      this.settleFrom({ id: job.id, record: known.record!, digest: known.digest!, byOther: true })
      return
    }
    const spec = await this.store.getRecord<RunSpec>(job.id, 'RunSpec')
    const wish = this.wishes.get(job.id)
    if (wish) wish.state = 'running'
    this.running.set(job.id, { job, slot, before: known.digest })
    slot.run(job.id, spec, this.clock.now())
    this.beatTimer ??= setInterval(() => void this.beat(), LIMITS.leaseMs / 3)
  }

  private finish(job: Job, state: 'done' | 'cancelled'): Promise<boolean> {
    return this.store.meta.jobs.finish(job.id, job.fence, { state }, this.clock.now(), 0)
  }

  // ---------------------------------------------------------------- answers of workers

  private onMessage(slot: Slot, message: FromWorker): void {
    const run = this.running.get(message.id)
    if (run?.slot !== slot) return
    if (message.type === 'progress') this.onProgress(run, message)
    else this.onAnswer(run, message)
  }

  private onAnswer(run: Running, message: Exclude<FromWorker, { type: 'progress' }>): void {
    this.drop(run)
    if (message.type === 'done') this.end(run, doneRecord(message), message.note)
    else if (run.stopping) void this.stopped(run)
    else if (message.type === 'refused') void this.refused(run, message.error)
    else this.fail(run, message.error, message)
    this.pump()
  }

  private onProgress(run: Running, { done, note }: { done: number; note: string }): void {
    run.progress = { done, note }
    for (const { onProgress } of this.wishes.get(run.job.id)?.askers ?? []) {
      onProgress?.({ spec: run.job.id, task: run.job.task, done, note })
    }
  }

  private drop(run: Running): void {
    clearTimeout(run.stopping)
    this.running.delete(run.job.id)
    if (this.running.size > 0) return
    clearInterval(this.beatTimer)
    this.beatTimer = undefined
  }

  private fail(
    run: Running,
    error: Plain,
    times: { startedAt: number; endedAt: number; cpuMs?: number },
  ): void {
    this.errors.set(run.job.id, runError(run.job.task, run.job.id, error))
    const { code = 'Error', message } = error
    const { startedAt, endedAt, cpuMs } = times
    const said = { code, message: message.slice(0, MESSAGE_CHARS_MAX) }
    const record = {
      spec: run.job.id,
      outputs: {},
      outcome: 'failed',
      error: said,
      startedAt,
      endedAt,
      cpuMs,
    } as const
    this.end(run, { kind: 'RunRecord', ...record })
  }

  /** The whole errors of runs that failed here, until they are written down: a record keeps code and message alone. */
  private readonly errors = new Map<Digest, Error>()

  private end({ job, before }: Running, record: RunRecord, note?: Ended['note']): void {
    const wish = this.wishes.get(job.id)
    const urgent = wish !== undefined && this.wishes.end(wish)
    this.batch.add({ job, record, before, note })
    if (urgent) void this.batch.flush()
  }

  private async record(ended: Ended[]): Promise<void> {
    try {
      const recorded = await recordAll(this.store, ended, () => this.clock.now())
      for (const one of recorded) this.settleFrom(one)
    } catch (thrown) {
      for (const { job } of ended) this.wishes.settle(job.id, ({ reject }) => reject(toError(thrown)))
    } finally {
      for (const { job } of ended) this.errors.delete(job.id)
    }
  }

  private settleFrom({ id, record, byOther }: Recorded): void {
    this.wishes.settle(id, (wish) => {
      if (record.outcome === 'done') wish.resolve({ spec: id, record, cached: byOther })
      else wish.reject(this.errors.get(id) ?? recordError(wish.spec.task, record))
    })
  }

  private async refused({ job }: Running, error: Plain): Promise<void> {
    await this.finish(job, 'cancelled').catch(() => false)
    this.wishes.settle(job.id, (wish) => wish.reject(runError(job.task, job.id, error)))
  }

  /** A task that was told to stop has stopped. Its wish, if there is one again, waits for another turn. */
  private async stopped({ job }: Running): Promise<void> {
    await this.finish(job, 'cancelled').catch(() => false)
    const wish = this.wishes.get(job.id)
    if (!wish) return
    wish.state = 'waiting'
    this.pollSoon()
  }

  private async onDied(slot: Slot, reason: string): Promise<void> {
    const run = slot.job && this.running.get(slot.job.id)
    if (!run || run.slot !== slot) return
    this.drop(run)
    if (run.stopping) await this.stopped(run)
    else await this.retry(run, reason).catch((thrown) => this.rejectWish(run.job.id, toError(thrown)))
    this.pump()
  }

  private rejectWish(id: Digest, error: Error): void {
    this.wishes.settle(id, ({ reject }) => reject(error))
  }

  /** Work whose worker died is tried again, here or elsewhere, until it has been tried often enough. */
  private async retry(run: Running, reason: string): Promise<void> {
    const { job } = run
    if (job.tries >= LIMITS.jobTriesMax) {
      const about = { task: job.task, spec: shortDigest(job.id), tries: job.tries, message: reason }
      const now = this.clock.now()
      this.fail(run, plainError(new MillraceError('MR_WORKER_DIED', about)), { startedAt: now, endedAt: now })
      return
    }
    const outcome = { state: 'failed', error: reason } as const
    await this.store.meta.jobs.finish(job.id, job.fence, outcome, this.clock.now(), LIMITS.jobTriesMax)
    const wish = this.wishes.get(job.id)
    if (wish) wish.state = 'waiting'
  }

  // ---------------------------------------------------------------- time

  /** Keeps the leases. One that was lost means: somebody cancelled the job, or took it over. */
  private async beat(): Promise<void> {
    for (const run of [...this.running.values()]) {
      const { id, fence } = run.job
      const kept = await this.store.meta.jobs
        .heartbeat(id, fence, this.clock.now(), LIMITS.leaseMs, run.progress)
        .catch(() => true)
      if (!kept) this.stop(run)
    }
  }

  private stop(run: Running): void {
    if (run.stopping) return
    run.stopping = setTimeout(() => run.slot.kill(), ABORT_MS)
    run.slot.abort(run.job.id)
  }

  private pollSoon(): void {
    if (this.closing) return
    this.pollTimer ??= setTimeout(() => {
      this.pollTimer = undefined
      void this.poll().catch((thrown) => {
        for (const { id } of this.wishes.waiting()) this.rejectWish(id, toError(thrown))
      })
    }, POLL_MS)
  }

  /** Looks after wishes that are not in this process: done by others, given up by others, or to be claimed. */
  private async poll(): Promise<void> {
    const waiting = this.wishes.waiting()
    if (waiting.length === 0) return
    await freeDead(this.store.meta.jobs, this.clock.now())
    const jobs = new Map(
      (await this.store.meta.jobs.get(waiting.map(({ id }) => id))).map((job) => [job.id, job]),
    )
    const left = waiting.filter(({ id }) => !['queued', 'leased'].includes(jobs.get(id)?.state ?? ''))
    const lost: Wish[] = []
    for (const wish of left) if (!(await this.endedElsewhere(wish))) lost.push(wish)
    if (lost.length > 0) await this.enqueue(lost.filter((wish) => wish.state === 'waiting'))
    this.pump()
  }

  private async endedElsewhere(wish: Wish): Promise<boolean> {
    const { digest, record, holds } = await knownRun(this.store, wish.id)
    if (!record || digest === wish.before || (record.outcome === 'done' && !holds)) return false
    this.settleFrom({ id: wish.id, record, digest: digest!, byOther: true })
    return true
  }

  // ---------------------------------------------------------------- stopping

  /**
   * One caller no longer wants its wishes. Those that nobody else wants are cancelled, and what runs of them is told to stop;
   * what had ended is written down before this resolves.
   */
  private async withdraw(mine: Wish[], asker: Asker): Promise<void> {
    const unwanted = mine.filter((wish) => this.wishes.leave(asker, wish) && wish.state !== 'ended')
    for (const { id } of unwanted) {
      const run = this.running.get(id)
      if (run) this.stop(run)
    }
    const queued = unwanted.filter(({ id }) => !this.running.has(id)).map(({ id }) => id)
    await this.store.meta.jobs.cancel(queued, this.clock.now())
    await this.batch.flush()
  }

  private async shut(): Promise<void> {
    clearTimeout(this.pollTimer)
    for (const run of this.running.values()) this.stop(run)
    await this.batch.flush()
    for (const { id } of this.wishes.all()) {
      this.rejectWish(id, new MillraceError('MR_JOBS_CLOSED', { what: 'a run' }))
    }
    await Promise.all(this.slots.map((slot) => slot.close()))
    clearInterval(this.beatTimer)
    for (const { name } of this.slots) await this.store.meta.jobs.release(name)
  }
}

const MESSAGE_CHARS_MAX = 2_000

function doneRecord(message: Extract<FromWorker, { type: 'done' }>): RunRecord {
  const { id, outputs, startedAt, endedAt, cpuMs } = message
  return { kind: 'RunRecord', spec: id, outputs, outcome: 'done', startedAt, endedAt, cpuMs }
}

const cancelled = (runs: number) =>
  new MillraceError('MR_CANCELLED', { what: runs === 1 ? 'a run' : `a batch of ${runs} runs` })

/** All outcomes, or the first failure after every other run has ended. */
async function allOf(promises: Promise<RunOutcome>[]): Promise<RunOutcome[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}
