/**
 * The models of a folder. A version is found, then loaded when it is first asked for (or at the start), and leaves when others need the room and it was used longest ago.
 * One that was unloaded by name stays so until it is loaded by name.
 */
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { type Infer, sessionBytes } from '../../core/tensors.ts'
import { findModels } from '../../model/repository/find.ts'
import type { FoundModel, FoundVersion, RefusedModel } from '../../model/repository/found.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { InferAsk, Repository, RepositoryEntry } from '../oip/backend.ts'
import { Statistics } from './statistics.ts'
import { TensorBatcher } from './tensor-batcher.ts'
import { openTensorModel, type TensorModel } from './tensor-model.ts'

export interface ShelfOptions {
  /** A model file, a model's folder, or a folder of models. */
  path: string
  infer: () => Promise<Infer>
  limits: Limits
  /** Worker threads that there are for graphs. */
  threads: number
  /** Time within which an answer is of use: what would take longer is refused. */
  latencyMs?: number
  /** Rows of one batch at most. */
  batchRowsMax?: number
}

export interface Ready {
  model: TensorModel
  batcher: TensorBatcher
  statistics: Statistics
  /** Requests under way. */
  asked: number
}

export interface Slot {
  found: FoundModel
  version: FoundVersion
  /** `gone`: another took its place, or it is no more where it was found. */
  state: 'idle' | 'loading' | 'ready' | 'failed' | 'unloaded' | 'gone'
  reason: string
  loading?: Promise<Ready>
  ready?: Ready
  /** Requests that wait for it to be loaded. */
  awaited: number
}

/** Rows of one batch where neither the model nor the command line says how many. */
const BATCH_ROWS = 256
/** Graphs of up to this size are held by several threads, where there are few models. */
const SPREAD_BYTES_MAX = 256 * 1024 * 1024
const SPREAD_MODELS_MAX = 4

export class ModelShelf implements Repository {
  readonly #options: ShelfOptions
  /** Versions by model, in ascending order; entries are in the order of use, newest last. */
  readonly #models = new Map<string, Slot[]>()
  /** What is loaded or unloaded by name, one after the other. */
  readonly #turns = new Map<string, Promise<void>>()
  #refused: RefusedModel[] = []
  /** Models that left for others. */
  #evicted = 0
  #isClosed = false

  /** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME. */
  constructor(options: ShelfOptions) {
    this.#options = options
    const { models, refused } = findModels(options.path)
    this.#refused = refused
    this.#add(models)
  }

  /** What was found and can be served. */
  get found(): FoundModel[] {
    return [...this.#models.values()].map(([slot]) => slot.found)
  }

  get refused(): readonly RefusedModel[] {
    return this.#refused
  }

  /** Loads what there is, as far as the memory goes. Resolves when all are loaded or have failed. */
  async loadAll(onLoaded?: (name: string, error?: MillraceError) => void): Promise<void> {
    const evicted = this.#evicted
    for (const [name, slots] of [...this.#models]) {
      if (this.#isClosed || this.#evicted > evicted) return
      const error = await this.ready(slots.at(-1) as Slot).then(
        () => undefined,
        (thrown: unknown) =>
          isMillraceError(thrown)
            ? thrown
            : new MillraceError('MR_SERVE_INTERNAL', { request: name }, { cause: thrown }),
      )
      onLoaded?.(name, error)
    }
  }

  /** Models that cannot be served now, and why. */
  problems(): Map<string, string> {
    const found = [...this.#models].flatMap(([name, slots]): [string, string][] => {
      const failed = slots.find(({ state }) => state === 'failed')
      return failed ? [[name, failed.reason]] : []
    })
    return new Map([...found, ...this.#refused.map(({ name, why }): [string, string] => [name, why])])
  }

  has(model: string): boolean {
    return this.#models.has(model)
  }

  /** Every version of every model. */
  all(): Slot[] {
    return [...this.#models.values()].flat()
  }

  load(model: string): Promise<void> {
    return this.#inTurn(model, () => this.#loadAgain(model))
  }

  unload(model: string): Promise<void> {
    return this.#inTurn(model, () => this.#unload(model))
  }

  /** Lets go of all models. */
  close(): void {
    this.#isClosed = true
    for (const slot of this.all()) this.#letGo(slot, 'idle')
  }

  answered(ready: Ready, slot: Slot): void {
    ready.asked--
    if (slot.ready !== ready && ready.asked === 0) ready.model.close()
  }

  /** Models that were found, as far as they are new. */
  #add(models: readonly FoundModel[]): void {
    for (const found of models)
      if (!this.#models.has(found.name))
        this.#models.set(
          found.name,
          found.versions.map((version) => newSlot(found, version)),
        )
  }

  slots(model: string): Slot[] {
    const slots = this.#models.get(model)
    if (slots) return slots
    const refused = this.#refused.find(({ name }) => name === model)
    if (refused) throw new MillraceError('MR_SERVE_UNLOADED', { model, version: '1', why: refused.why })
    throw new MillraceError('MR_SERVE_MODEL_UNKNOWN', { model, known: [...this.#models.keys()] })
  }

  /** The newest version, unless one is asked for. */
  slot(model: string, version?: string): Slot {
    const slots = this.slots(model)
    const slot =
      version === undefined || version === ''
        ? slots.at(-1)
        : slots.find((one) => one.version.version === version)
    if (slot) return slot
    const versions = slots.map((one) => Number(one.version.version))
    throw new MillraceError('MR_SERVE_VERSION_UNKNOWN', { model, version: String(version), versions })
  }

  index(onlyReady: boolean): RepositoryEntry[] {
    const slots = this.all().map(({ found, version, state, reason }): RepositoryEntry => {
      const shown = {
        idle: 'READY',
        ready: 'READY',
        loading: 'LOADING',
        failed: 'UNAVAILABLE',
        unloaded: 'UNAVAILABLE',
        gone: 'UNAVAILABLE',
      } as const
      return { name: found.name, version: version.version, state: shown[state], reason }
    })
    const refused = this.#refused.map(
      ({ name, why }): RepositoryEntry => ({ name, version: '', state: 'UNAVAILABLE', reason: why }),
    )
    return [...slots, ...refused].filter(({ state }) => !onlyReady || state === 'READY')
  }

  // -------------------------------------------------------------- loading

  async ready(slot: Slot): Promise<Ready> {
    if (slot.ready) {
      this.#touch(slot)
      return slot.ready
    }
    if (slot.state === 'unloaded' || slot.state === 'gone') throw unloadedError(slot)
    slot.loading ??= this.#load(slot)
    return await slot.loading
  }

  /** The version that is asked for with the request counted, so that it is not closed before it has answered. One that went meanwhile is looked for again. */
  async hold({ model, version }: InferAsk): Promise<{ slot: Slot; ready: Ready }> {
    for (;;) {
      const slot = this.slot(model, version)
      slot.awaited++
      try {
        const ready = await this.ready(slot)
        if (slot.ready === ready) {
          ready.asked++
          return { slot, ready }
        }
      } catch (error) {
        if (slot.state !== 'gone') throw error
      } finally {
        slot.awaited--
      }
    }
  }

  #touch({ found: { name } }: Slot): void {
    const slots = this.#models.get(name)
    if (!slots) return
    this.#models.delete(name)
    this.#models.set(name, slots)
  }

  /** What was let go while it was loaded is closed when it is there. */
  #load(slot: Slot): Promise<Ready> {
    slot.state = 'loading'
    const loading: Promise<Ready> = this.#open(slot, slot.found).then(
      (ready) => {
        if (slot.loading !== loading) {
          ready.model.close()
          throw unloadedError(slot)
        }
        slot.loading = undefined
        this.#place(slot, ready)
        return ready
      },
      (thrown: unknown) => {
        if (slot.loading === loading) {
          slot.loading = undefined
          slot.state = 'failed'
          slot.reason = toError(thrown).message
        }
        throw thrown
      },
    )
    return loading
  }

  /** Opens what lies there now; others leave where the runtime has no room for it. */
  async #open(slot: Slot, found: FoundModel): Promise<Ready> {
    const { infer } = this.#options
    for (;;) {
      try {
        const replicas = (bytes: number) => this.#replicas(bytes)
        return this.#readied(found, await openTensorModel(found, slot.version.path, { infer, replicas }))
      } catch (thrown) {
        if (!isMillraceError(thrown, 'MR_ONNX_MEMORY') || !this.#evict(slot)) throw thrown
      }
    }
  }

  /** Takes the place of what answered until now. */
  #place(slot: Slot, ready: Ready): void {
    const old = slot.ready
    slot.ready = ready
    slot.state = 'ready'
    slot.reason = ''
    if (old?.asked === 0) old.model.close()
    this.#touch(slot)
    while (this.#bytes() > this.#options.limits.modelCacheBytesMax) if (!this.#evict(slot)) return
  }

  /** Threads that hold a graph of a size: several where there are few models, as far as the memory goes. */
  #replicas(bytes: number): number {
    const { threads, limits } = this.#options
    const nModels = this.#models.size
    if (nModels > SPREAD_MODELS_MAX || bytes > SPREAD_BYTES_MAX) return 1
    const room = limits.modelCacheBytesMax / Math.max(1, nModels)
    return Math.max(1, Math.min(threads, Math.floor(room / sessionBytes(bytes))))
  }

  #readied(found: FoundModel, model: TensorModel): Ready {
    const { latencyMs, limits, batchRowsMax } = this.#options
    const statistics = new Statistics()
    const own = batchRowsMax ?? model.rowsMax ?? BATCH_ROWS
    const batcher = new TensorBatcher({
      model: found.name,
      run: model.run,
      hasRows: model.hasRows,
      isUnproven: model.isUnproven,
      rowsMax: Math.min(own, model.rowsMax ?? own, limits.batchRowsMax),
      queueRowsMax: limits.batchQueueRowsMax,
      concurrency: model.replicas,
      latencyMs,
      onBatch: (rows, ms) => statistics.batch(rows, ms),
    })
    return { model, batcher, statistics, asked: 0 }
  }

  #bytes(): number {
    return this.all().reduce((sum, { ready }) => sum + (ready?.model.memoryBytes ?? 0), 0)
  }

  /** The model that was used longest ago leaves, never the one that is wanted, nor one that is being asked. Whether there was one. */
  #evict(wanted: Slot): boolean {
    const slot = this.all().find((one) => one !== wanted && one.awaited === 0 && one.ready?.asked === 0)
    if (slot) this.#letGo(slot, 'idle')
    if (slot) this.#evicted++
    return slot !== undefined
  }

  /** What answers now is closed when it has answered. */
  #letGo(slot: Slot, state: 'idle' | 'unloaded' | 'gone'): void {
    const { ready } = slot
    slot.ready = undefined
    slot.loading = undefined
    slot.state = state
    if (ready?.asked === 0) ready.model.close()
  }

  // -------------------------------------------------------------- by name

  /** Loads and unloads of one model in the order they were asked for. */
  async #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const mine = (this.#turns.get(name) ?? Promise.resolve()).then(work)
    const ended = mine.catch(() => undefined)
    this.#turns.set(name, ended)
    try {
      await mine
    } finally {
      if (this.#turns.get(name) === ended) this.#turns.delete(name)
    }
  }

  /** Looks at the folder again and loads the versions of a model that are there now. Those before answer until all of these can, and stay where one of these cannot. */
  async #loadAgain(name: string): Promise<void> {
    const { models, refused } = findModels(this.#options.path)
    const found = models.find((one) => one.name === name)
    this.#add(models.filter((one) => one !== found))
    this.#refused = refused.filter((one) => !this.#models.has(one.name))
    const why = refused.find((one) => one.name === name)?.why
    if (why !== undefined) throw new MillraceError('MR_SERVE_UNLOADED', { model: name, version: '1', why })
    const held = this.#models.get(name) ?? []
    const slots = (found?.versions ?? []).map(
      (version) =>
        held.find((slot) => isSame(slot.version, version)) ?? newSlot(found as FoundModel, version),
    )
    const canAnswer = held.some(({ ready, state }) => ready || state === 'idle')
    if (!canAnswer) this.#publish(name, slots)
    const fresh = slots.filter((slot) => !held.includes(slot))
    try {
      for (const slot of slots.slice(-SERVE_LIMITS.versionsLoadedMax))
        await this.#renew(slot, found as FoundModel)
    } catch (thrown) {
      if (canAnswer) for (const slot of fresh) this.#letGo(slot, 'gone')
      throw thrown
    }
    this.#publish(name, slots)
    this.slots(name)
  }

  /** The file may have changed: what it holds now takes the place of what answered until now, or that stays where it cannot be loaded. */
  async #renew(slot: Slot, found: FoundModel): Promise<void> {
    if (slot.ready) this.#place(slot, await this.#open(slot, found))
    else {
      if (slot.state !== 'loading') slot.state = 'idle'
      slot.found = found
      await this.ready(slot)
    }
    slot.found = found
  }

  /** From now on these are the versions of a model; none: it is no more. */
  #publish(name: string, slots: Slot[]): void {
    const before = this.#models.get(name) ?? []
    if (slots.length > 0) this.#models.set(name, slots)
    else this.#models.delete(name)
    for (const slot of before) if (!slots.includes(slot)) this.#letGo(slot, 'gone')
  }

  async #unload(name: string): Promise<void> {
    for (const slot of this.slots(name)) this.#letGo(slot, 'unloaded')
  }
}

const newSlot = (found: FoundModel, version: FoundVersion): Slot => ({
  found,
  version,
  state: 'idle',
  reason: '',
  awaited: 0,
})

const isSame = (a: FoundVersion, b: FoundVersion): boolean => a.version === b.version && a.path === b.path

function unloadedError({ found, version: { version } }: Slot): MillraceError {
  return new MillraceError('MR_SERVE_UNLOADED', { model: found.name, version, why: 'it was unloaded' })
}
