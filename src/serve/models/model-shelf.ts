/**
 * The models of a folder. A version is found, then loaded when it is first asked for (or at the start), and leaves when others need the room and it is used least.
 * One that was unloaded by name stays so until it is loaded by name.
 */
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import { findModel, findModels } from '../../model/repository/find.ts'
import type { Found, FoundModel, FoundVersion, RefusedModel } from '../../model/repository/found.ts'
import { BackOff } from '../back-off.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { InferAsk, Repository, RepositoryEntry } from '../oip/backend.ts'
import {
  type LoaderNumbers,
  type LoaderOptions,
  ModelLoader,
  type Owner,
  type Ready,
  UNUSED,
} from './model-loader.ts'
import { type TrialOf, unfitness } from './trial.ts'
import { identityOf } from './version-identity.ts'

export type { Ready } from './model-loader.ts'

export interface ShelfOptions extends LoaderOptions {
  /** A model file, a model's folder, or a folder of models. */
  path: string
  /** What is there, where another process has looked. */
  found?: Found
  /** Whose model one is, by its name. Default: whoever asks for it when it is loaded. */
  tenantOf?: (model: string) => string
  /** Versions that are asked before others ask them. Default: those that would take the place of one that answers. */
  trial?: TrialOf
}

/** Versions of a model that are loaded and were tried, and do not answer yet. */
export interface Prepared {
  /** From now on they answer. Errors: MR_SERVE_MODEL_UNKNOWN when there is none any more. */
  commit(): void
  abort(): void
}

export interface Slot extends Owner {
  found: FoundModel
  version: FoundVersion
  /** `gone`: another took its place, or it is no more where it was found. */
  state: 'idle' | 'loading' | 'ready' | 'failed' | 'unloaded' | 'gone'
  reason: string
  loading?: Promise<Ready>
  /** What answers in its place while it is loaded by name. */
  before?: Ready
  /** When it was asked last, or else found, in `performance.now()` milliseconds. */
  askedMs: number
}

/** A version with the request that holds it counted. */
export interface Held {
  slot: Slot
  ready: Ready
  /** What was waited for it to be loaded. */
  loadMs: number
}

const DAY_MS = 86_400_000

export class ModelShelf implements Repository {
  readonly #options: ShelfOptions
  readonly #loader: ModelLoader
  /** Versions by model, in ascending order. */
  readonly #models = new Map<string, Slot[]>()
  /** What is loaded or unloaded by name, one after the other. */
  readonly #turns = new Map<string, Promise<void>>()
  /** Versions that answered until the last change of a model, kept as they are for a way back as long as there is room. */
  readonly #warm = new Map<string, Slot[]>()
  /** What models were opened from, where that is known. */
  readonly #identities = new WeakMap<Ready, string>()
  readonly #backOff = new BackOff<Slot>({ isForNow })
  #refused: RefusedModel[] = []
  #isClosed = false

  /** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME. */
  constructor(options: ShelfOptions) {
    this.#options = options
    this.#loader = new ModelLoader(options, (owner) =>
      this.#letGo(owner as Slot, (owner as Slot).state === 'gone' ? 'gone' : 'idle'),
    )
    const { models, refused } = options.found ?? findModels(options.path)
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

  /** Whether there are so many models that each is loaded when it is first asked for. */
  get isLazy(): boolean {
    return this.#models.size > SERVE_LIMITS.eagerModelsMax
  }

  /** Models none of whose versions was asked for in some days: what could be retired. Nothing is done with them. */
  unused(days: number = SERVE_LIMITS.unusedDays): string[] {
    const sinceMs = performance.now() - days * DAY_MS
    return [...this.#models]
      .filter(([, slots]) => slots.every(({ askedMs }) => askedMs < sinceMs))
      .map(([name]) => name)
  }

  numbers(): LoaderNumbers {
    return this.#loader.numbers()
  }

  /** Loads what there is, as far as the memory goes or until it takes `bytesMax`, where that are not too many. Resolves when all are loaded or have failed. */
  async loadAll(
    onLoaded?: (name: string, error?: MillraceError) => void,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    if (this.isLazy) return this.#loader.warm()
    const { evictions } = this.#loader
    for (const [name, slots] of [...this.#models]) {
      const isFull = this.#loader.evictions > evictions || this.numbers().bytes >= bytesMax
      if (this.#isClosed || isFull) return
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

  /** Whose share a request counts to. */
  tenantOf({ model, tenant = '' }: Pick<InferAsk, 'model' | 'tenant'>): string {
    return this.#options.tenantOf?.(model) ?? tenant
  }

  /** Every version of every model. */
  all(): Slot[] {
    return [...this.#models.values()].flat()
  }

  load(model: string): Promise<void> {
    return this.#inTurn(model, async () => (await this.#prepare(model)).commit())
  }

  /** The first half of a load, for several processes that change over together. Nothing else is done to the model by name until the second. Errors: those of a load. */
  prepare(model: string): Promise<Prepared> {
    return new Promise((resolve, reject) => {
      const turn = async () => {
        const { commit, abort } = await this.#prepare(model)
        await new Promise<void>((end) => {
          const then = (act: () => void) => () => {
            end()
            act()
          }
          resolve({ commit: then(commit), abort: then(abort) })
        })
      }
      this.#inTurn(model, turn).catch(reject)
    })
  }

  unload(model: string): Promise<void> {
    return this.#inTurn(model, () => this.#unload(model))
  }

  /** Lets go of all models. */
  close(): void {
    this.#isClosed = true
    for (const slot of [...this.all(), ...[...this.#warm.values()].flat()]) this.#letGo(slot, 'idle')
    this.#loader.close()
  }

  answered(ready: Ready): void {
    this.#loader.answered(ready)
  }

  /** Models that were found, as far as they are new. */
  #add(models: readonly FoundModel[]): void {
    for (const found of models)
      if (!this.#models.has(found.name))
        this.#models.set(
          found.name,
          found.versions.map((version) => this.#newSlot(found, version)),
        )
    this.#loader.models = this.#models.size
  }

  #newSlot(found: FoundModel, version: FoundVersion): Slot {
    const tenant = this.#options.tenantOf?.(found.name) ?? ''
    const askedMs = performance.now()
    return { found, version, state: 'idle', reason: '', awaited: 0, tenant, score: UNUSED, askedMs }
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
    if (slot.ready) return slot.ready
    if (slot.state === 'unloaded' || slot.state === 'gone') throw unloadedError(slot)
    if (slot.state === 'failed') this.#backOff.check(slot, slot.found.name)
    slot.loading ??= this.#load(slot)
    return await slot.loading
  }

  /** The version that is asked for with the request counted, so that it is not closed before it has answered. One that went meanwhile is looked for again. */
  async hold(ask: InferAsk): Promise<Held> {
    const { model, version } = ask
    const beganMs = performance.now()
    for (;;) {
      const slot = this.slot(model, version)
      this.#loader.use(slot)
      slot.tenant = this.tenantOf(ask)
      slot.askedMs = performance.now()
      const wasReady = slot.ready !== undefined
      slot.awaited++
      try {
        const ready = await this.ready(slot)
        if (slot.ready === ready) {
          ready.asked++
          return { slot, ready, loadMs: wasReady ? 0 : performance.now() - beganMs }
        }
      } catch (error) {
        if (slot.state !== 'gone') throw error
      } finally {
        slot.awaited--
      }
    }
  }

  /** What was let go while it was loaded is closed when it is there. */
  #load(slot: Slot): Promise<Ready> {
    slot.state = 'loading'
    const loading: Promise<Ready> = this.#opened(slot, slot.found, slot.before).then(
      (ready) => {
        if (slot.loading !== loading) {
          this.#loader.release(ready)
          throw unloadedError(slot)
        }
        slot.loading = undefined
        this.#backOff.forget(slot)
        this.#place(slot, ready)
        return ready
      },
      (thrown: unknown) => {
        if (slot.loading === loading) {
          slot.loading = undefined
          slot.state = isForNow(thrown) ? 'idle' : 'failed'
          slot.reason = isForNow(thrown) ? '' : toError(thrown).message
          this.#backOff.failed(slot, thrown)
        }
        throw thrown
      },
    )
    return loading
  }

  /** Opens what lies there now, and asks it before others do, where that is wanted. `before` is what it would take the place of. Errors: those of the loader, MR_SERVE_UNFIT. */
  async #opened(slot: Slot, found: FoundModel, before?: Ready): Promise<Ready> {
    const { path } = slot.version
    const lay = await identityOf(found, path)
    const ready = await this.#loader.open(slot, found, path)
    const lies = await identityOf(found, path)
    if (lay !== undefined && lay === lies) this.#identities.set(ready, lay)
    const { trial = 'swaps' } = this.#options
    if (trial === 'none' || (trial === 'swaps' && !before)) return ready
    const why = await unfitness(ready.model, before?.model)
    if (why === undefined) return ready
    this.#loader.release(ready)
    throw new MillraceError('MR_SERVE_UNFIT', { model: found.name, version: slot.version.version, why })
  }

  /** Takes the place of what answered until now. */
  #place(slot: Slot, ready: Ready): void {
    const old = slot.ready
    slot.ready = ready
    slot.state = 'ready'
    slot.reason = ''
    if (old?.asked === 0) this.#loader.release(old)
  }

  /** What answers now is closed when it has answered. */
  #letGo(slot: Slot, state: 'idle' | 'unloaded' | 'gone'): void {
    const { ready } = slot
    slot.ready = undefined
    slot.loading = undefined
    slot.state = state
    if (ready?.asked === 0) this.#loader.release(ready)
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

  /** What there is now; where there are thousands, of one model, since to open all their files takes its time. */
  #find(name: string): Found {
    const alone = this.isLazy ? findModel(this.#options.path, name) : undefined
    if (!alone) return findModels(this.#options.path)
    const others = this.#refused.filter((one) => one.name !== name)
    return { models: alone.models, refused: [...others, ...alone.refused] }
  }

  /**
   * Looks at the folder again and loads the versions of a model that are there now. Those before answer until all of these can and are changed over to in one turn of the event
   * loop, and stay where one of these cannot.
   */
  async #prepare(name: string): Promise<Prepared> {
    const { models, refused } = this.#find(name)
    const found = models.find((one) => one.name === name)
    this.#add(models.filter((one) => one !== found))
    this.#refused = refused.filter((one) => !this.#models.has(one.name))
    const why = refused.find((one) => one.name === name)?.why
    if (why !== undefined) throw new MillraceError('MR_SERVE_UNLOADED', { model: name, version: '1', why })
    const held = this.#models.get(name) ?? []
    const warm = await this.#warmOf(name, found)
    const slots = (found?.versions ?? []).map(
      (version) =>
        [...held, ...warm].find((slot) => isSame(slot.version, version)) ??
        this.#newSlot(found as FoundModel, version),
    )
    const canAnswer = held.some(({ ready, state }) => ready || state === 'idle')
    if (!canAnswer) this.#publish(name, slots)
    const fresh = slots.filter((slot) => !held.includes(slot) && !warm.includes(slot))
    const renewed: { slot: Slot; ready: Ready }[] = []
    const abort = () => {
      for (const { ready } of renewed) this.#loader.release(ready)
      if (canAnswer) for (const slot of fresh) this.#letGo(slot, 'gone')
    }
    try {
      const newest = held.findLast(({ ready }) => ready)?.ready
      for (const slot of slots.slice(-SERVE_LIMITS.versionsLoadedMax)) {
        if (warm.includes(slot) && slot.ready) continue
        const ready = await this.#renewed(slot, found as FoundModel, newest)
        if (ready) renewed.push({ slot, ready })
      }
    } catch (thrown) {
      abort()
      throw thrown
    }
    return {
      abort,
      commit: () => {
        for (const { slot, ready } of renewed) this.#place(slot, ready)
        for (const slot of slots) if (found) slot.found = found
        this.#publish(name, slots)
        this.slots(name)
      },
    }
  }

  /** The file may have changed: what it holds now is to take the place of what answers, and is given. A version that does not answer is made ready. */
  async #renewed(slot: Slot, found: FoundModel, newest: Ready | undefined): Promise<Ready | undefined> {
    if (slot.ready) return await this.#opened(slot, found, slot.ready)
    this.#backOff.forget(slot)
    if (slot.state !== 'loading') slot.state = 'idle'
    slot.found = found
    slot.before = newest
    try {
      await this.ready(slot)
    } finally {
      slot.before = undefined
    }
    return undefined
  }

  /** From now on these are the versions of a model; none: it is no more. */
  #publish(name: string, slots: Slot[]): void {
    const before = this.#models.get(name) ?? []
    if (slots.length > 0) this.#models.set(name, slots)
    else this.#models.delete(name)
    for (const slot of slots) if (slot.state === 'gone') slot.state = slot.ready ? 'ready' : 'idle'
    const left = before.filter((slot) => !slots.includes(slot))
    for (const slot of this.#warm.get(name) ?? []) if (!slots.includes(slot)) this.#letGo(slot, 'gone')
    const warm = left.filter(({ ready }) => ready && this.#identities.has(ready))
    for (const slot of left)
      if (warm.includes(slot)) slot.state = 'gone'
      else this.#letGo(slot, 'gone')
    if (warm.length > 0) this.#warm.set(name, warm)
    else this.#warm.delete(name)
  }

  /** Versions that are kept, and are still what lies in their place. */
  async #warmOf(name: string, found: FoundModel | undefined): Promise<Slot[]> {
    const kept = this.#warm.get(name) ?? []
    if (!found || kept.length === 0) return []
    const same = await Promise.all(
      kept.map(async ({ ready, version }) => {
        const now = await identityOf(found, version.path)
        return ready !== undefined && now !== undefined && this.#identities.get(ready) === now
      }),
    )
    return kept.filter((slot, i) => same[i] && slot.ready)
  }

  async #unload(name: string): Promise<void> {
    for (const slot of this.slots(name)) this.#letGo(slot, 'unloaded')
  }
}

/** Whether there was no room or no turn, which says nothing of the model. */
const isForNow = (thrown: unknown): boolean =>
  isMillraceError(thrown, 'MR_SERVE_MEMORY') || isMillraceError(thrown, 'MR_SERVE_BUSY')

const isSame = (a: FoundVersion, b: FoundVersion): boolean => a.version === b.version && a.path === b.path

function unloadedError({ found, version: { version } }: Slot): MillraceError {
  return new MillraceError('MR_SERVE_UNLOADED', { model: found.name, version, why: 'it was unloaded' })
}
