/**
 * Models of others behind the inference protocol. A version is found, then loaded when it is first asked for (or at the start), and leaves when others need the room and it
 * was used longest ago. One that was unloaded by name stays so until it is loaded by name.
 */
import type { Clock } from '../../core/clock.ts'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { Infer } from '../../core/tensors.ts'
import { findModels } from '../../model/repository/find.ts'
import type { FoundModel, FoundVersion, RefusedModel } from '../../model/repository/found.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { ServeMetrics } from '../metrics.ts'
import type {
  InferAnswer,
  InferAsk,
  ModelMetadata,
  ModelStatistics,
  OipBackend,
  Repository,
  RepositoryEntry,
} from '../oip/backend.ts'
import { tensorError } from '../oip/request.ts'
import { answerTensors, checkWanted, feedsOf } from './feeds.ts'
import { Statistics } from './statistics.ts'
import { TensorBatcher } from './tensor-batcher.ts'
import { openTensorModel, type TensorModel } from './tensor-model.ts'

export interface ModelsOptions {
  /** A model file, a model's folder, or a folder of models. */
  path: string
  infer: () => Promise<Infer>
  limits: Limits
  metrics: ServeMetrics
  clock: Clock
  newId: () => string
  /** Worker threads that there are for graphs. */
  threads: number
  /** Time within which an answer is of use: what would take longer is refused. */
  latencyMs?: number
  /** Rows of one batch at most. */
  batchRowsMax?: number
}

interface Ready {
  model: TensorModel
  batcher: TensorBatcher
  statistics: Statistics
  /** Requests under way. */
  asked: number
}

interface Slot {
  found: FoundModel
  version: FoundVersion
  state: 'idle' | 'loading' | 'ready' | 'failed' | 'unloaded'
  reason: string
  loading?: Promise<Ready>
  ready?: Ready
}

/** Rows of one batch where neither the model nor the command line says how many. */
const BATCH_ROWS = 256
/** Graphs of up to this size are held by every thread, where there are few models. */
const SPREAD_BYTES_MAX = 256 * 1024 * 1024
const SPREAD_MODELS_MAX = 4
/** A session takes a few times its file. */
const MEMORY_PER_BYTE = 5

export class ModelsBackend implements OipBackend {
  readonly extensions = ['binary_tensor_data', 'model_repository', 'statistics']
  readonly repository: Repository
  readonly #options: ModelsOptions
  /** Versions by model, in ascending order; entries are in the order of use, newest last. */
  readonly #models = new Map<string, Slot[]>()
  #refused: RefusedModel[] = []

  /** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME. */
  constructor(options: ModelsOptions) {
    this.#options = options
    this.#look()
    this.repository = {
      index: (onlyReady) => this.#index(onlyReady),
      load: (model) => this.#loadAgain(model),
      unload: (model) => this.#unload(model),
    }
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
    for (const [name, slots] of [...this.#models]) {
      if (this.#bytes() > this.#options.limits.modelCacheBytesMax) return
      const error = await this.#ready(slots.at(-1) as Slot).then(
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

  async modelReady(model: string, version?: string): Promise<void> {
    await this.#ready(this.#slot(model, version))
  }

  async metadata(name: string, version?: string): Promise<ModelMetadata> {
    const { model } = await this.#ready(this.#slot(name, version))
    const versions = this.#slots(name).map((slot) => slot.version.version)
    const { platform, inputs, outputs } = model
    return { name, versions, platform, inputs, outputs }
  }

  async infer(ask: InferAsk): Promise<InferAnswer> {
    const beganMs = performance.now()
    let ready: Ready | undefined
    try {
      const slot = this.#slot(ask.model, ask.version)
      ready = await this.#ready(slot)
      ready.asked++
      const outputs = await this.#answer(ready, ask, slot, beganMs).finally(() =>
        this.#answered(ready as Ready, slot),
      )
      return {
        model: ask.model,
        version: slot.version.version,
        id: ask.id ?? ask.requestId ?? this.#options.newId(),
        outputs,
      }
    } catch (error) {
      ready?.statistics.failed(performance.now() - beganMs)
      this.failed(ask.model, error)
      throw error
    }
  }

  failed(model: string, error: unknown): void {
    const code = isMillraceError(error) ? error.code : 'MR_SERVE_INTERNAL'
    this.#options.metrics.failed(this.#models.has(model) ? model : '', code)
  }

  statistics(name?: string, version?: string): ModelStatistics[] {
    const slots = name === undefined ? [...this.#models.values()].flat() : this.#slots(name)
    const asked = version === undefined ? slots : slots.filter((slot) => slot.version.version === version)
    return asked.flatMap(({ found, version: { version: own }, ready }) =>
      ready ? [ready.statistics.of(found.name, own)] : [],
    )
  }

  rowsMax(name: string, version?: string): number {
    const { ready } = this.#slot(name, version)
    return ready?.model.hasRows ? (ready.model.rowsMax ?? ready.batcher.rowsMax) : 0
  }

  /** Lets go of all models. */
  close(): void {
    for (const slot of [...this.#models.values()].flat()) this.#letGo(slot, 'idle')
  }

  async #answer(ready: Ready, ask: InferAsk, slot: Slot, beganMs: number) {
    const { model, batcher, statistics } = ready
    checkWanted(model, ask.outputs)
    const { feeds, rows } = feedsOf(model, ask.inputs)
    const { requestRowsMax } = this.#options.limits
    if (rows > requestRowsMax)
      throw new MillraceError('MR_LIMIT', {
        limit: 'requestRowsMax',
        max: requestRowsMax,
        got: rows,
        unit: 'rows',
      })
    if (model.rowsMax !== undefined && rows > model.rowsMax)
      throw tensorError(
        model.inputs[0].name,
        `at most ${model.rowsMax} rows, as its configuration says`,
        `${rows}`,
      )
    const inputMs = performance.now() - beganMs
    const { outputs, queueMs, runMs } = await batcher.infer({
      feeds,
      rows,
      deadlineMs: ask.deadlineMs,
      signal: ask.signal,
    })
    const answer = answerTensors(model, outputs, ask.outputs)
    const totalMs = performance.now() - beganMs
    const spent = {
      input: inputMs,
      queue: queueMs,
      compute: runMs,
      output: Math.max(0, totalMs - inputMs - queueMs - runMs),
    }
    statistics.answered(rows, spent, this.#options.clock.now())
    this.#options.metrics.answered(ask.model, slot.version.version, 'live', rows, totalMs / 1000)
    return answer
  }

  #answered(ready: Ready, slot: Slot): void {
    ready.asked--
    if (slot.ready !== ready && ready.asked === 0) ready.model.close()
  }

  // -------------------------------------------------------------- finding

  /** Reads the folder; versions that are there still keep what they hold. */
  #look(): void {
    const { models, refused } = findModels(this.#options.path)
    this.#refused = refused
    const before = new Map(this.#models)
    this.#models.clear()
    for (const found of models) {
      const held = before.get(found.name) ?? []
      const slots = found.versions.map((version): Slot => {
        const same = held.find(
          (slot) => slot.version.version === version.version && slot.version.path === version.path,
        )
        return same ? Object.assign(same, { found }) : { found, version, state: 'idle', reason: '' }
      })
      this.#models.set(found.name, slots)
    }
    const there = new Set([...this.#models.values()].flat())
    for (const gone of [...before.values()].flat()) if (!there.has(gone)) this.#letGo(gone, 'idle')
  }

  #slots(model: string): Slot[] {
    const slots = this.#models.get(model)
    if (slots) return slots
    const refused = this.#refused.find(({ name }) => name === model)
    if (refused) throw new MillraceError('MR_SERVE_UNLOADED', { model, version: '1', why: refused.why })
    throw new MillraceError('MR_SERVE_MODEL_UNKNOWN', { model, known: [...this.#models.keys()] })
  }

  /** The newest version, unless one is asked for. */
  #slot(model: string, version?: string): Slot {
    const slots = this.#slots(model)
    const slot =
      version === undefined || version === ''
        ? slots.at(-1)
        : slots.find((one) => one.version.version === version)
    if (slot) return slot
    const versions = slots.map((one) => Number(one.version.version))
    throw new MillraceError('MR_SERVE_VERSION_UNKNOWN', { model, version: String(version), versions })
  }

  #index(onlyReady: boolean): RepositoryEntry[] {
    const slots = [...this.#models.values()]
      .flat()
      .map(({ found, version, state, reason }): RepositoryEntry => {
        const shown = {
          idle: 'READY',
          ready: 'READY',
          loading: 'LOADING',
          failed: 'UNAVAILABLE',
          unloaded: 'UNAVAILABLE',
        } as const
        return { name: found.name, version: version.version, state: shown[state], reason }
      })
    const refused = this.#refused.map(
      ({ name, why }): RepositoryEntry => ({ name, version: '', state: 'UNAVAILABLE', reason: why }),
    )
    return [...slots, ...refused].filter(({ state }) => !onlyReady || state === 'READY')
  }

  // -------------------------------------------------------------- loading

  async #ready(slot: Slot): Promise<Ready> {
    if (slot.ready) {
      this.#touch(slot)
      return slot.ready
    }
    const { found, version } = slot
    if (slot.state === 'unloaded')
      throw new MillraceError('MR_SERVE_UNLOADED', {
        model: found.name,
        version: version.version,
        why: 'it was unloaded',
      })
    slot.loading ??= this.#load(slot).finally(() => {
      slot.loading = undefined
    })
    return await slot.loading
  }

  #touch({ found: { name } }: Slot): void {
    const slots = this.#models.get(name)
    if (!slots) return
    this.#models.delete(name)
    this.#models.set(name, slots)
  }

  async #load(slot: Slot): Promise<Ready> {
    const { infer, threads, limits } = this.#options
    slot.state = 'loading'
    try {
      const model = await openTensorModel(slot.found, slot.version.path, {
        infer,
        replicas: this.#replicas(),
      })
      const ready = this.#readied(slot.found, model, threads)
      slot.ready = ready
      slot.state = 'ready'
      slot.reason = ''
      this.#touch(slot)
      this.#makeRoom(slot, limits.modelCacheBytesMax)
      return ready
    } catch (thrown) {
      slot.state = 'failed'
      slot.reason = toError(thrown).message
      throw thrown
    }
  }

  #replicas(): number {
    return this.#models.size <= SPREAD_MODELS_MAX ? this.#options.threads : 1
  }

  #readied(found: FoundModel, model: TensorModel, threads: number): Ready {
    const { latencyMs, limits } = this.#options
    const statistics = new Statistics()
    const rowsMax = Math.min(model.rowsMax ?? this.#options.batchRowsMax ?? BATCH_ROWS, limits.batchRowsMax)
    const batcher = new TensorBatcher({
      model: found.name,
      run: model.run,
      hasRows: model.hasRows,
      rowsMax,
      queueRowsMax: limits.batchQueueRowsMax,
      concurrency: model.bytes <= SPREAD_BYTES_MAX && this.#replicas() > 1 ? threads : 1,
      latencyMs,
      onBatch: (rows, ms) => statistics.batch(rows, ms),
    })
    return { model, batcher, statistics, asked: 0 }
  }

  #bytes(): number {
    return [...this.#models.values()]
      .flat()
      .reduce((sum, { ready }) => sum + (ready ? ready.model.bytes * MEMORY_PER_BYTE : 0), 0)
  }

  /** Models that were used longest ago leave, never the one that was just loaded, nor one that is being asked. */
  #makeRoom(newest: Slot, bytesMax: number): void {
    for (const slot of [...this.#models.values()].flat()) {
      if (this.#bytes() <= bytesMax) return
      if (slot !== newest && slot.ready?.asked === 0) this.#letGo(slot, 'idle')
    }
  }

  /** What answers now is closed when it has answered. */
  #letGo(slot: Slot, state: 'idle' | 'unloaded'): void {
    const { ready } = slot
    slot.ready = undefined
    slot.state = state
    if (ready?.asked === 0) ready.model.close()
  }

  /** Looks at the folder again, so that new versions are found, and loads what is there. The version before answers until the new one can. */
  async #loadAgain(name: string): Promise<void> {
    const before = this.#models.get(name) ?? []
    this.#look()
    const slots = this.#slots(name)
    for (const slot of slots.slice(-SERVE_LIMITS.versionsLoadedMax)) {
      const old = before.includes(slot) ? slot.ready : undefined
      if (slot.state === 'unloaded' || slot.state === 'failed') slot.state = 'idle'
      if (!old) await this.#ready(slot)
      else await this.#swap(slot, old)
    }
  }

  /** The file may have changed: what it holds now takes the place of what answered until now, or that stays where it cannot be loaded. */
  async #swap(slot: Slot, old: Ready): Promise<void> {
    const { infer, threads } = this.#options
    const model = await openTensorModel(slot.found, slot.version.path, { infer, replicas: this.#replicas() })
    slot.ready = this.#readied(slot.found, model, threads)
    if (old.asked === 0) old.model.close()
  }

  async #unload(name: string): Promise<void> {
    for (const slot of this.#slots(name)) this.#letGo(slot, 'unloaded')
  }
}
