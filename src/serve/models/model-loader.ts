/**
 * Makes models ready within the memory there is: files are read off this thread, so many at once, tenants in turn; before a model is opened there is room for it, for which
 * those leave that are used least, or it is refused with what is in the way; when it is open it counts what it was measured to take.
 */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { type Infer, sessionBytes } from '../../core/tensors.ts'
import type { FoundModel } from '../../model/repository/found.ts'
import { SERVE_LIMITS } from '../limits.ts'
import { LoadQueue } from './load-queue.ts'
import { type Holder, MemoryBudget, type NoRoom } from './memory-budget.ts'
import { ModelReader } from './model-reader.ts'
import { QuietCollector } from './quiet-collector.ts'
import { SessionSizes } from './session-sizes.ts'
import { Statistics } from './statistics.ts'
import { TensorBatcher } from './tensor-batcher.ts'
import { openTensorModel, type TensorModel } from './tensor-model.ts'
import { UNUSED, UseClock } from './use-score.ts'

export interface LoaderOptions {
  infer: () => Promise<Infer>
  limits: Limits
  /** Worker threads that there are for graphs. */
  threads: number
  /** Time within which an answer is of use: what would take longer is refused. */
  latencyMs?: number
  /** Rows of one batch at most. */
  batchRowsMax?: number
  /** Time that a request waits for others while a thread is free. Stated, batches are as large as they may be, and not as found. */
  batchDelayMs?: number
}

export interface Ready {
  model: TensorModel
  batcher: TensorBatcher
  statistics: Statistics
  /** Requests under way. */
  asked: number
  place: Place
}

/** What a model that may be loaded keeps for it, loaded or not. */
export interface Owner {
  readonly found: FoundModel
  /** Whose share of the memory it takes when it is loaded next. */
  tenant: string
  /** See `use-score.ts`. */
  score: number
  ready?: Ready
  /** Requests that wait for it to be loaded. */
  awaited: number
}

export interface LoaderNumbers {
  held: number
  bytes: number
  bytesMax: number
  loads: number
  evictions: number
  /** Requests that found their model ready, and those that did not. */
  hits: number
  misses: number
  waiting: number
}

/** Rows of one batch where neither the model nor the command line says how many. */
const BATCH_ROWS = 256
/** Graphs of up to this size are held by several threads, where there are few models. */
const SPREAD_BYTES_MAX = 256 * 1024 * 1024
const SPREAD_MODELS_MAX = 4
/** A use counts half after so many times as many others as there are models: long enough to tell apart what is used seldom. */
const HALF_LIVES = 10
const HALF_LIFE_MIN = 1_000

/** Memory of one opened model, from when there was room for it until it is closed. */
class Place implements Holder {
  readonly owner: Owner
  readonly tenant: string
  bytes = 0
  ready: Ready | undefined

  constructor(owner: Owner) {
    this.owner = owner
    this.tenant = owner.tenant
  }

  get name(): string {
    return this.owner.found.name
  }

  get score(): number {
    return this.owner.score
  }

  get isBusy(): boolean {
    const { ready, owner } = this
    return !ready || ready.asked > 0 || owner.awaited > 0 || owner.ready !== ready
  }
}

export type { Place }

export class ModelLoader {
  readonly #options: LoaderOptions
  readonly #evict: (owner: Owner) => void
  readonly #budget: MemoryBudget<Place>
  readonly #queue: LoadQueue
  readonly #reader: ModelReader
  readonly #sizes = new SessionSizes()
  readonly #collector = new QuietCollector()
  readonly #clock = new UseClock(HALF_LIFE_MIN)
  /** Told when a model comes out of use. */
  readonly #waiters = new Set<(isFreed: boolean) => void>()
  #nModels = 0
  #loads = 0
  #evictions = 0
  #hits = 0
  #misses = 0

  /** `evict` lets go of an owner's model, which is then released here. */
  constructor(options: LoaderOptions, evict: (owner: Owner) => void) {
    this.#options = options
    this.#evict = evict
    this.#budget = new MemoryBudget(options.limits.modelCacheBytesMax)
    this.#reader = new ModelReader(options.threads)
    const concurrency = Math.max(2, options.threads)
    this.#queue = new LoadQueue({ concurrency, waitingMax: SERVE_LIMITS.loadsWaitingMax })
  }

  /** How many models there are to be used. */
  set models(nModels: number) {
    this.#nModels = nModels
    this.#clock.halfLife = Math.max(HALF_LIFE_MIN, HALF_LIVES * nModels)
  }

  get evictions(): number {
    return this.#evictions
  }

  /** Counts a use. */
  use(owner: Owner): void {
    owner.score = this.#clock.use(owner.score)
    if (owner.ready) this.#hits++
    else this.#misses++
  }

  /** Starts the threads that read files. */
  warm(): void {
    this.#reader.warm()
  }

  numbers(): LoaderNumbers {
    return {
      held: this.#budget.holders,
      bytes: this.#budget.bytes,
      bytesMax: this.#budget.bytesMax,
      loads: this.#loads,
      evictions: this.#evictions,
      hits: this.#hits,
      misses: this.#misses,
      waiting: this.#queue.waiting,
    }
  }

  /**
   * Opens what lies at a path now. Errors: those of `openTensorModel`, MR_SERVE_BUSY when too many wait to be loaded, MR_SERVE_MODEL_TOO_LARGE for one that the whole memory
   * cannot hold, MR_SERVE_MEMORY when what holds it is in use.
   */
  async open(owner: Owner, found: FoundModel, path: string): Promise<Ready> {
    const place = new Place(owner)
    const wanted = this.#budget.want(place.tenant)
    try {
      return await this.#queue.run(place.tenant, () => this.#open(place, found, path))
    } catch (error) {
      this.#budget.hold(place, 0)
      throw error
    } finally {
      wanted()
    }
  }

  /** The model is used no more: it is closed and holds nothing. */
  release({ model, place }: Ready): void {
    model.close()
    this.#collector.add(place.bytes)
    this.#budget.hold(place, 0)
    this.#tellFreed()
  }

  /** A request to a model has ended, which is closed if it took its place no more. */
  answered(ready: Ready): void {
    ready.asked--
    if (ready.asked > 0) return
    const { place, model } = ready
    if (place.owner.ready !== ready) this.release(ready)
    // models that are asked much may take more memory to answer faster
    else if (model.expectedBytes === 0 && model.memoryBytes !== place.bytes)
      this.#budget.hold(place, model.memoryBytes)
    this.#tellFreed()
  }

  close(): void {
    this.#reader.close()
    this.#collector.close()
  }

  /** Others leave where the runtime itself has no room. */
  async #open(place: Place, found: FoundModel, path: string): Promise<Ready> {
    for (;;) {
      try {
        const model = await openTensorModel(found, path, {
          infer: this.#options.infer,
          read: (file, as) => this.#reader.read(file, as),
          replicas: (bytes) => this.#replicas(bytes),
          admit: (counted, expected) => this.#admit(place, counted + this.#sizes.bytes(expected)),
        })
        this.#loads++
        return this.#readied(place, found, model)
      } catch (thrown) {
        const other = isMillraceError(thrown, 'MR_ONNX_MEMORY') && this.#budget.leaver(place)
        if (!other) throw thrown
        this.#leave(other)
      }
    }
  }

  /** Waits a while where what is in the way is in use: most requests are short. */
  async #admit(place: Place, bytes: number): Promise<void> {
    const { bytesMax } = this.#budget
    const model = place.name
    if (bytes > bytesMax) throw new MillraceError('MR_SERVE_MODEL_TOO_LARGE', { model, bytes, max: bytesMax })
    const untilMs = performance.now() + SERVE_LIMITS.roomMsMax
    for (;;) {
      const leavers = this.#budget.leavers(place, bytes)
      if (Array.isArray(leavers)) {
        for (const other of leavers) this.#leave(other)
        return this.#budget.hold(place, bytes)
      }
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0 || !(await this.#freed(leftMs))) throw memoryError(model, leavers, bytesMax)
    }
  }

  /** Whether a model came out of use within a time. */
  #freed(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => heard(false), ms)
      const heard = (isFreed: boolean) => {
        clearTimeout(timer)
        this.#waiters.delete(heard)
        resolve(isFreed)
      }
      this.#waiters.add(heard)
    })
  }

  #tellFreed(): void {
    for (const heard of [...this.#waiters]) heard(true)
  }

  #leave({ owner }: Place): void {
    this.#evictions++
    this.#evict(owner)
  }

  /** Threads that hold a graph of a size: several where there are few models, as far as the memory goes. */
  #replicas(bytes: number): number {
    const { threads, limits } = this.#options
    if (this.#nModels > SPREAD_MODELS_MAX || bytes > SPREAD_BYTES_MAX) return 1
    const room = limits.modelCacheBytesMax / Math.max(1, this.#nModels)
    return Math.max(1, Math.min(threads, Math.floor(room / sessionBytes(bytes))))
  }

  #readied(place: Place, found: FoundModel, model: TensorModel): Ready {
    const { latencyMs, limits, batchRowsMax, batchDelayMs } = this.#options
    const statistics = new Statistics()
    const own = batchRowsMax ?? model.rowsMax ?? BATCH_ROWS
    const batcher = new TensorBatcher({
      model: found.name,
      run: model.run,
      hasRows: model.hasRows,
      isUnproven: model.isUnproven,
      rowsMax: Math.min(own, model.rowsMax ?? own, limits.batchRowsMax),
      queueRowsMax: limits.batchQueueRowsMax,
      queueBytesMax: limits.batchQueueBytesMax,
      concurrency: model.replicas,
      latencyMs,
      ...(batchDelayMs !== undefined && { isStatic: true, delayMs: batchDelayMs }),
      onBatch: (rows, ms) => statistics.batch(rows, ms),
    })
    const { memoryBytes, expectedBytes, grownBytes } = model
    if (grownBytes !== undefined) this.#sizes.add(expectedBytes, grownBytes)
    this.#budget.hold(place, memoryBytes + this.#sizes.bytes(expectedBytes))
    const ready = { model, batcher, statistics, asked: 0, place }
    place.ready = ready
    return ready
  }
}

function memoryError(model: string, { inTheWay, ...room }: NoRoom<Place>, maxBytes: number): MillraceError {
  const named = inTheWay.map(({ name, bytes }) => ({ name, bytes }))
  return new MillraceError('MR_SERVE_MEMORY', { ...room, model, inTheWay: named, maxBytes })
}

export { UNUSED }
