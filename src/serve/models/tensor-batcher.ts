/**
 * Requests to one model put together along their rows. Whatever has come while the model was busy is the next batch, so that batches grow with the load and nothing waits
 * while there is a free thread: there is no delay to be set. A stated latency bounds the batch by what the model was seen to cost, and refuses at once what could not be
 * answered in time.
 *
 *   one row at a time, 10 ms each: 100 rows a second; fifty at a time in 20 ms: 2,500 a second, each of which waits longer
 */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { OnnxData, OnnxTensor } from '../../core/tensors.ts'
import { CostCurve } from './cost-curve.ts'
import { agree, otherThan } from './row-proof.ts'
import type { Tensors } from './tensor-model.ts'

export interface BatcherOptions {
  /** Name in errors. */
  model: string
  /** Scores one batch. */
  run: (feeds: Tensors) => Promise<Tensors>
  /** Whether requests may be put together. */
  hasRows: boolean
  /** Whether it has to be seen first that rows of one request do not change what another is answered. */
  isUnproven?: boolean
  /** Rows of one batch. */
  rowsMax: number
  /** Rows that wait, before MR_SERVE_BUSY. */
  queueRowsMax: number
  /** Batches at once. */
  concurrency: number
  /** Time within which an answer is of use. */
  latencyMs?: number
  /** Time that one call of several requests should take at most. Default 1,000: a thread that answers nothing for long counts as stuck. */
  callMsMax?: number
  /** Told of each batch. */
  onBatch?: (rows: number, ms: number) => void
}

export interface Ask {
  feeds: Tensors
  rows: number
  /** In `performance.now()` milliseconds. */
  deadlineMs?: number
  signal?: AbortSignal
}

export interface BatchAnswer {
  outputs: Tensors
  queueMs: number
  /** Of the whole batch. */
  runMs: number
}

interface Waiting extends Ask {
  key: string
  sinceMs: number
  /** Whether it goes with no other: one that it was put together with may be at fault. */
  alone: boolean
  resolve: (answer: BatchAnswer) => void
  reject: (error: unknown) => void
}

type Part = Pick<Waiting, 'feeds' | 'rows'>

const CALL_MS_MAX = 1_000
/** Proofs that may fail by an error before a model's requests are left apart. */
const PROOFS_MAX = 8
/** Longest time that a timer of Node can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1

export class TensorBatcher {
  readonly cost = new CostCurve()
  readonly #options: BatcherOptions
  #queue: Waiting[] = []
  #queueRows = 0
  /** Batches under way: when each is expected to end. */
  readonly #running = new Set<{ endsMs: number }>()
  #pumping = false
  #hasRows: boolean
  /** Proofs that are left, and whether one is under way. */
  #proofs: number
  #proving = false

  constructor(options: BatcherOptions) {
    this.#options = options
    this.#hasRows = options.hasRows
    this.#proofs = options.isUnproven ? PROOFS_MAX : 0
  }

  get rowsMax(): number {
    return this.#options.rowsMax
  }

  /**
   * Errors: MR_SERVE_BUSY at once when the queue is full, MR_SERVE_LATENCY when the stated latency could not be kept, MR_SERVE_DEADLINE when the deadline passes in the
   * queue, MR_CANCELLED when the client went away there, both as soon as it is so; those of the model, for the request that it cannot answer alone.
   */
  infer(ask: Ask): Promise<BatchAnswer> {
    const nowMs = performance.now()
    this.#admit(ask, nowMs)
    return new Promise((resolve, reject) => {
      const ended = this.#watch(ask)
      this.#queue.push({
        ...ask,
        key: keyOf(ask.feeds),
        sinceMs: nowMs,
        alone: false,
        resolve: (answer) => {
          ended()
          resolve(answer)
        },
        reject: (error) => {
          ended()
          reject(error)
        },
      })
      this.#queueRows += ask.rows
      this.#pumpSoon()
    })
  }

  /** Looks through the queue when a request's deadline passes or its client goes away. Gives what ends that. */
  #watch({ deadlineMs, signal }: Ask): () => void {
    const drop = () => this.#dropGone()
    let timer: NodeJS.Timeout | undefined
    const arm = (untilMs: number) => {
      const leftMs = Math.max(0, untilMs - performance.now())
      timer = setTimeout(look, Math.min(leftMs + 1, TIMER_MS_MAX), untilMs)
    }
    // a timer counts from when its turn of the event loop began, so that it may be early by what that turn did before
    const look = (untilMs: number) => (untilMs <= performance.now() ? drop() : arm(untilMs))
    if (deadlineMs !== undefined) arm(deadlineMs)
    signal?.addEventListener('abort', drop)
    return () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', drop)
    }
  }

  #admit({ rows }: Ask, nowMs: number): void {
    const { model, queueRowsMax, latencyMs } = this.#options
    if (this.#queueRows + rows > queueRowsMax)
      throw new MillraceError('MR_SERVE_BUSY', {
        what: `the queue of model "${model}" (rows)`,
        max: queueRowsMax,
        retryAfterS: 1,
      })
    if (latencyMs === undefined || (this.#queue.length === 0 && this.#running.size === 0)) return
    const expectedMs = this.#expectedMs(rows, nowMs)
    if (expectedMs > latencyMs) {
      const waitMs = Math.ceil(expectedMs - latencyMs)
      throw new MillraceError('MR_SERVE_LATENCY', {
        model,
        latencyMs,
        expectedMs: Math.ceil(expectedMs),
        waitMs,
      })
    }
  }

  /** When a request that comes now would be answered: after what runs, what waits, and itself. */
  #expectedMs(rows: number, nowMs: number): number {
    const { concurrency } = this.#options
    const free =
      this.#running.size < concurrency ? nowMs : Math.min(...[...this.#running].map(({ endsMs }) => endsMs))
    const batch = Math.max(1, this.#batchRows(nowMs))
    const before = Math.floor(this.#queueRows / batch)
    const own = this.cost.costMs(Math.min(batch, (this.#queueRows % batch) + rows))
    return Math.max(0, free - nowMs) + (before / concurrency) * this.cost.costMs(batch) + own
  }

  /** Rows that a batch may have: what is stated, and what ends in time, within the latency though its first request waited since then. One while nothing is known. */
  #batchRows(sinceMs: number): number {
    const { rowsMax, latencyMs, callMsMax = CALL_MS_MAX } = this.#options
    if (!this.cost.isKnown) return 1
    const leftMs = latencyMs === undefined ? callMsMax : latencyMs - (performance.now() - sinceMs)
    return Math.min(rowsMax, Math.max(1, this.cost.rowsWithin(Math.min(leftMs, callMsMax))))
  }

  /** What comes in the same turn of the event loop goes together. */
  #pumpSoon(): void {
    if (this.#pumping) return
    this.#pumping = true
    setImmediate(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#running.size < this.#options.concurrency) {
      const batch = this.#take()
      if (batch.length === 0) return
      void this.#answer(batch)
    }
  }

  /** The next batch: the request that waits longest, and those after it that fit with it. Those that nobody waits for any more leave. */
  #take(): Waiting[] {
    this.#dropGone()
    const [first, ...others] = this.#queue
    if (!first) return []
    const batch = [first]
    if (this.#hasRows && this.#proofs === 0 && !first.alone) {
      const max = this.#batchRows(first.sinceMs)
      let rows = first.rows
      for (const one of others) {
        if (one.alone || one.key !== first.key || rows + one.rows > max) continue
        rows += one.rows
        batch.push(one)
      }
    }
    const taken = new Set(batch)
    this.#queue = this.#queue.filter((one) => !taken.has(one))
    for (const { rows } of batch) this.#queueRows -= rows
    return batch
  }

  #dropGone(): void {
    const nowMs = performance.now()
    this.#queue = this.#queue.filter((one) => {
      const gone = goneError(one, nowMs, this.#options.model)
      if (!gone) return true
      this.#queueRows -= one.rows
      one.reject(gone)
      return false
    })
  }

  async #answer(batch: Waiting[]): Promise<void> {
    const rows = batch.reduce((sum, one) => sum + one.rows, 0)
    const begunMs = performance.now()
    const running = { endsMs: begunMs + this.cost.costMs(rows) }
    this.#running.add(running)
    try {
      const [only] = batch
      const mate = this.#mateOf(only)
      const outputs = await this.#options.run(batch.length === 1 ? only.feeds : joined(batch, rows))
      const runMs = performance.now() - begunMs
      this.cost.add(rows, runMs)
      this.#options.onBatch?.(rows, runMs)
      const parts = batch.length === 1 ? [outputs] : divided(outputs, batch, rows)
      if (!parts) {
        this.#hasRows = false
        return this.#putBack(batch)
      }
      batch.forEach(({ resolve, sinceMs }, i) => {
        resolve({ outputs: parts[i], queueMs: begunMs - sinceMs, runMs })
      })
      if (mate) await this.#prove(only, outputs, mate)
    } catch (error) {
      if (batch.length > 1 && isMillraceError(error, 'MR_ONNX_RUN')) return this.#putBack(batch)
      for (const { reject } of batch) reject(error)
    } finally {
      this.#running.delete(running)
      this.#pumpSoon()
    }
  }

  /** A request that would be put together with this one, where that has to be proven. */
  #mateOf(one: Waiting): Waiting | undefined {
    if (this.#proofs === 0 || this.#proving || !this.#hasRows) return undefined
    const { rowsMax } = this.#options
    return this.#queue.find(({ key, rows }) => key === one.key && rows + one.rows <= rowsMax)
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
    for (const one of batch) one.alone = true
    this.#queue.unshift(...batch)
    for (const { rows } of batch) this.#queueRows += rows
  }
}

/** Requests whose tensors agree in all but their rows. */
function keyOf(feeds: Tensors): string {
  return Object.entries(feeds)
    .map(([name, { type, dims }]) => `${name} ${type} ${dims.slice(1).join()}`)
    .sort()
    .join('\n')
}

function goneError(
  { deadlineMs, signal, sinceMs }: Waiting,
  nowMs: number,
  model: string,
): MillraceError | undefined {
  if (signal?.aborted) return new MillraceError('MR_CANCELLED', { what: 'the request' })
  if (deadlineMs === undefined || deadlineMs > nowMs) return undefined
  return new MillraceError('MR_SERVE_DEADLINE', { model, waitedMs: Math.round(nowMs - sinceMs) })
}

function joined(batch: readonly Part[], rows: number): Tensors {
  const feeds: Tensors = {}
  for (const [name, { type, dims, data }] of Object.entries(batch[0].feeds)) {
    const parts = batch.map((one) => one.feeds[name])
    feeds[name] = { type, dims: [rows, ...dims.slice(1)], data: concatenated(data, parts) }
  }
  return feeds
}

function concatenated(like: OnnxData, parts: readonly OnnxTensor[]): OnnxData {
  if (Array.isArray(like)) return parts.flatMap(({ data }) => data as string[])
  const length = parts.reduce((sum, { data }) => sum + data.length, 0)
  const whole = new (like.constructor as Float32ArrayConstructor)(length)
  let at = 0
  for (const { data } of parts) {
    whole.set(data as Float32Array, at)
    at += data.length
  }
  return whole as OnnxData
}

/** Outputs of each request; undefined when an output does not have as many rows as went in. */
function divided(outputs: Tensors, batch: readonly Part[], rows: number): Tensors[] | undefined {
  if (Object.values(outputs).some(({ dims }) => dims[0] !== rows)) return undefined
  const parts: Tensors[] = batch.map(() => ({}))
  for (const [name, { type, dims, data }] of Object.entries(outputs)) {
    const width = data.length / rows
    let row = 0
    batch.forEach((one, i) => {
      const own = data.slice(row * width, (row + one.rows) * width) as OnnxData
      parts[i][name] = { type, dims: [one.rows, ...dims.slice(1)], data: own }
      row += one.rows
    })
  }
  return parts
}
