/**
 * Requests to one model put together along their rows. Whatever has come while the model was busy is the next batch, so that batches grow with the load and nothing waits
 * while there is a free thread, unless a delay is stated. A stated latency bounds the batch by what the model was seen to cost, and refuses at once what could not be
 * answered in time.
 */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { SpareBuffers } from '../../core/spare-buffers.ts'
import type { Gone } from '../gone.ts'
import { BatchControl, type BatchSettings } from './batch-control.ts'
import { type BatchingReport, batchingReport } from './batch-report.ts'
import { agree, otherThan } from './row-proof.ts'
import { bytesOf, divided, joined, keyOf, type Part, spareOf } from './tensor-join.ts'
import type { Tensors } from './tensor-model.ts'
import { type InLine, WaitingLine } from './waiting-line.ts'

/** The clock and the event loop. */
export interface BatchTime {
  nowMs(): number
  /** After what is under way in this turn of the event loop. */
  soon(work: () => void): void
  /** Gives what calls it off. */
  after(ms: number, work: () => void): () => void
}

export interface BatcherOptions extends BatchSettings {
  /** Name in errors. */
  model: string
  /** Scores one batch. */
  run: (feeds: Tensors) => Promise<Tensors>
  /** Whether requests may be put together. */
  hasRows: boolean
  /** Whether it has to be seen first that rows of one request do not change what another is answered. */
  isUnproven?: boolean
  /** Rows that wait, before MR_SERVE_BUSY. */
  queueRowsMax: number
  /** Bytes of their tensors. Default: any number. */
  queueBytesMax?: number
  /** Told of each batch. */
  onBatch?: (rows: number, ms: number) => void
  time?: BatchTime
}

export interface Ask {
  feeds: Tensors
  rows: number
  /** When it came, in `performance.now()` milliseconds. Default: now. */
  sinceMs?: number
  /** In `performance.now()` milliseconds. */
  deadlineMs?: number
  signal?: Gone
}

export interface BatchAnswer {
  outputs: Tensors
  queueMs: number
  /** Of the whole batch. */
  runMs: number
}

interface Waiting extends Part, InLine<Waiting> {
  bytes: number
  key: string
  /** When it came, and when it came into the queue. */
  sinceMs: number
  queuedMs: number
  /** After how long it is expected to be answered. */
  expectedMs: number
  deadlineMs?: number
  signal?: Gone
  /** Whether it goes with no other: one that it was put together with may be at fault. */
  alone: boolean
  resolve: (answer: BatchAnswer) => void
  reject: (error: unknown) => void
}

/** Proofs that may fail by an error before a model's requests are left apart. */
const PROOFS_MAX = 8
/** Longest time that a timer of Node can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1

const REAL_TIME: BatchTime = {
  nowMs: () => performance.now(),
  soon: (work) => void setImmediate(work),
  after: (ms, work) => {
    const timer = setTimeout(work, Math.min(Math.max(0, ms), TIMER_MS_MAX))
    return () => clearTimeout(timer)
  },
}

export class TensorBatcher {
  readonly control: BatchControl
  readonly #options: BatcherOptions
  readonly #time: BatchTime
  readonly #spare = new SpareBuffers()
  readonly #queue = new WaitingLine<Waiting>()
  #queueRows = 0
  #queueBytes = 0
  /** Batches under way: when each is expected to end. */
  readonly #running = new Set<{ endsMs: number }>()
  #pumping = false
  #delayed?: () => void
  #hasRows: boolean
  /** Proofs that are left, and whether one is under way. */
  #proofs: number
  #proving = false

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#time = options.time ?? REAL_TIME
    this.control = new BatchControl(options)
    this.#hasRows = options.hasRows
    this.#proofs = options.isUnproven ? PROOFS_MAX : 0
  }

  get rowsMax(): number {
    return this.#options.rowsMax
  }

  /** Whether requests are put together, as far as was seen. */
  get hasRows(): boolean {
    return this.#hasRows
  }

  /**
   * Errors: MR_SERVE_BUSY at once when the queue is full, MR_SERVE_LATENCY when the stated latency could not be kept, MR_SERVE_DEADLINE when the deadline passes in the
   * queue, MR_CANCELLED when the client went away there, both as soon as it is so; those of the model, for the request that it cannot answer alone.
   */
  infer(ask: Ask): Promise<BatchAnswer> {
    const nowMs = this.#time.nowMs()
    const { feeds, rows, sinceMs = nowMs, deadlineMs, signal } = ask
    this.control.offered.add(rows, nowMs)
    const bytes = bytesOf(feeds)
    this.#checkRoom(rows, bytes)
    const expectedMs = this.checkInTime(rows, nowMs - sinceMs) + nowMs - sinceMs
    return new Promise((resolve, reject) => {
      const one: Waiting = {
        feeds,
        rows,
        bytes,
        deadlineMs,
        signal,
        key: keyOf(feeds),
        sinceMs,
        queuedMs: nowMs,
        expectedMs,
        alone: false,
        isInLine: false,
        resolve: (answer) => {
          ended()
          resolve(answer)
        },
        reject: (error) => {
          ended()
          reject(error)
        },
      }
      const ended = this.#watch(one)
      this.#queue.add(one)
      this.#count(one, 1)
      this.#pumpSoon()
    })
  }

  /** Refuses what could not be answered in time however few rows it has, before it was read. Errors: MR_SERVE_LATENCY. */
  checkAny(): void {
    try {
      this.checkInTime(1)
    } catch (error) {
      this.control.offered.add(1, this.#time.nowMs())
      throw error
    }
  }

  report(): BatchingReport {
    return batchingReport(this.control, this.#time.nowMs())
  }

  /**
   * Refuses a request of so many rows that could not be answered in time, of which some has passed; gives when it is expected to be answered from now. A model that does
   * nothing takes whatever comes. Errors: MR_SERVE_LATENCY.
   */
  checkInTime(rows: number, passedMs = 0): number {
    const { model, latencyMs } = this.#options
    if (latencyMs === undefined) return 0
    const nowMs = this.#time.nowMs()
    const endsInMs = [...this.#running].map(({ endsMs }) => endsMs - nowMs)
    const expectedMs = this.control.expectedMs(rows, { queueRows: this.#queueRows, endsInMs }, nowMs)
    const overMs = passedMs + expectedMs - this.control.plannedMs
    if (overMs <= 0 || (this.#queueRows === 0 && endsInMs.length === 0)) return expectedMs
    this.control.requests.refused++
    const waitMs = Math.ceil(overMs)
    throw new MillraceError('MR_SERVE_LATENCY', { model, latencyMs, expectedMs: latencyMs + waitMs, waitMs })
  }

  #checkRoom(rows: number, bytes: number): void {
    const { model, queueRowsMax, queueBytesMax = Number.POSITIVE_INFINITY } = this.#options
    const isFullOfRows = this.#queueRows + rows > queueRowsMax
    if (!isFullOfRows && this.#queueBytes + bytes <= queueBytesMax) return
    this.control.requests.refused++
    throw new MillraceError('MR_SERVE_BUSY', {
      what: `the queue of model "${model}" (${isFullOfRows ? 'rows' : 'bytes'})`,
      max: isFullOfRows ? queueRowsMax : queueBytesMax,
      retryAfterS: 1,
    })
  }

  /** Looks at a request when its deadline passes or its client goes away. Gives what ends that. */
  #watch(one: Waiting): () => void {
    const { deadlineMs, signal } = one
    const drop = () => void this.#dropIfGone(one)
    let disarm: (() => void) | undefined
    const arm = (untilMs: number) => {
      disarm = this.#time.after(untilMs - this.#time.nowMs() + 1, () => look(untilMs))
    }
    // a timer counts from when its turn of the event loop began, so that it may be early by what that turn did before
    const look = (untilMs: number) => (untilMs <= this.#time.nowMs() ? drop() : arm(untilMs))
    if (deadlineMs !== undefined) arm(deadlineMs)
    signal?.addEventListener('abort', drop)
    return () => {
      disarm?.()
      signal?.removeEventListener('abort', drop)
    }
  }

  /** What comes in the same turn of the event loop goes together. */
  #pumpSoon(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#time.soon(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#running.size < this.#options.concurrency) {
      const first = this.#first()
      if (!first || this.#waitsForOthers(first)) return
      void this.#answer(this.#take(first))
    }
  }

  /** Whether the first of the queue has time left to wait for others, as a stated delay has it. */
  #waitsForOthers({ queuedMs }: Waiting): boolean {
    const { delayMs } = this.control
    this.#delayed?.()
    this.#delayed = undefined
    if (delayMs === 0 || this.#queueRows >= this.control.batchRows()) return false
    const leftMs = queuedMs + delayMs - this.#time.nowMs()
    if (leftMs <= 0) return false
    this.#delayed = this.#time.after(leftMs, () => this.#pump())
    return true
  }

  /** The next batch: the request that waits longest, and those after it, until there are as many rows as are wanted; the last may bring more, as far as rows may go. */
  #take(first: Waiting): Waiting[] {
    const isTogether = this.#hasRows && this.#proofs === 0 && !first.alone
    const wanted = isTogether ? this.control.nextRows() : 0
    const { rowsMax } = this.#options
    const isWith = (one: Waiting) =>
      !one.alone && one.key === first.key && rows + one.rows <= rowsMax && !this.#dropIfGone(one)
    const batch: Waiting[] = []
    let rows = 0
    for (const one of this.#queue) {
      if (one !== first && rows >= wanted) break
      if (one !== first && !isWith(one)) continue
      this.#leave(one)
      rows += one.rows
      batch.push(one)
    }
    return batch
  }

  /** Who waits longest, of those that someone waits for. */
  #first(): Waiting | undefined {
    for (const one of this.#queue) if (!this.#dropIfGone(one)) return one
    return undefined
  }

  /** One that nobody waits for any more leaves the queue. */
  #dropIfGone(one: Waiting): boolean {
    const gone = one.isInLine && goneError(one, this.#time.nowMs(), this.#options.model)
    if (!gone) return false
    this.#leave(one)
    one.reject(gone)
    return true
  }

  #leave(one: Waiting): void {
    if (this.#queue.remove(one)) this.#count(one, -1)
  }

  #count({ rows, bytes }: Waiting, sign: 1 | -1): void {
    this.#queueRows += sign * rows
    this.#queueBytes += sign * bytes
  }

  async #answer(batch: Waiting[]): Promise<void> {
    const rows = batch.reduce((sum, one) => sum + one.rows, 0)
    const begunMs = this.#time.nowMs()
    const running = { endsMs: begunMs + this.control.cost.costMs(rows) }
    this.#running.add(running)
    try {
      const [only] = batch
      const mate = this.#mateOf(only)
      const outputs = await (batch.length === 1
        ? this.#options.run(only.feeds)
        : this.#runJoined(batch, rows))
      const endedMs = this.#time.nowMs()
      const runMs = endedMs - begunMs
      this.control.cost.add(rows, runMs, endedMs)
      this.#options.onBatch?.(rows, runMs)
      const parts = batch.length === 1 ? [outputs] : divided(outputs, batch, rows)
      if (!parts) {
        this.#hasRows = false
        return this.#putBack(batch)
      }
      // the thread has its next call before this one's answers are written
      if (!mate) this.#free(running)
      batch.forEach(({ resolve, queuedMs }, i) => {
        resolve({ outputs: parts[i], queueMs: begunMs - queuedMs, runMs })
      })
      this.#time.soon(() => this.#left(batch, rows))
      if (mate) await this.#prove(only, outputs, mate)
    } catch (error) {
      if (batch.length > 1 && isMillraceError(error, 'MR_ONNX_RUN')) return this.#putBack(batch)
      for (const { reject } of batch) reject(error)
    } finally {
      if (this.#running.delete(running)) this.#pumpSoon()
    }
  }

  /** What is asked for is copied before the runtime has it, or it has it no longer when it has answered: then its memory is used again. */
  async #runJoined(batch: readonly Part[], rows: number): Promise<Tensors> {
    const feeds = joined(batch, rows, this.#spare)
    try {
      return await this.#options.run(feeds)
    } finally {
      this.#spare.give(spareOf(feeds))
    }
  }

  #free(running: { endsMs: number }): void {
    this.#running.delete(running)
    this.#pump()
  }

  /** The answers of a batch are written. */
  #left(batch: readonly Waiting[], rows: number): void {
    const nowMs = this.#time.nowMs()
    this.control.ended(
      batch.map(({ sinceMs, expectedMs }) => ({ ms: nowMs - sinceMs, expectedMs })),
      rows,
      nowMs,
    )
  }

  /** A request that would be put together with this one, where that has to be proven. */
  #mateOf(one: Waiting): Waiting | undefined {
    if (this.#proofs === 0 || this.#proving || !this.#hasRows) return undefined
    const { rowsMax } = this.#options
    for (const mate of this.#queue) if (mate.key === one.key && mate.rows + one.rows <= rowsMax) return mate
    return undefined
  }

  /** Asks again what was answered, behind other rows; nobody waits for it. */
  async #prove(own: Part, outputs: Tensors, mate: Part): Promise<void> {
    this.#proving = true
    const feeds = otherThan(own.feeds, mate.feeds)
    const pair = [{ feeds, rows: feeds === mate.feeds ? mate.rows : own.rows }, own]
    const rows = pair[0].rows + own.rows
    try {
      const parts = divided(await this.#options.run(joined(pair, rows)), pair, rows)
      this.#hasRows &&= parts !== undefined && agree(outputs, parts[1])
      this.#proofs = 0
    } catch {
      this.#hasRows &&= --this.#proofs > 0
    } finally {
      this.#proving = false
    }
  }

  /** Requests that could not be answered together are asked one at a time. */
  #putBack(batch: Waiting[]): void {
    this.#queue.addFirst(batch)
    for (const one of batch) {
      one.alone = true
      this.#count(one, 1)
    }
  }
}

function goneError(
  { deadlineMs, signal, queuedMs }: Waiting,
  nowMs: number,
  model: string,
): MillraceError | undefined {
  if (signal?.aborted) return new MillraceError('MR_CANCELLED', { what: 'the request' })
  if (deadlineMs === undefined || deadlineMs > nowMs) return undefined
  return new MillraceError('MR_SERVE_DEADLINE', { model, waitedMs: Math.round(nowMs - queuedMs) })
}
