/**
 * Models held ready, by digest, within a budget of bytes.
 *
 * A digest is `absent`, then `loading` (one load, however many ask), then `held`, and leaves when others need the room and it was used
 * longest ago. What a request holds while it is answered is not disposed under it: it leaves the budget at once and is disposed when the last
 * holder lets go. Who asks for a load that fails gets the store's own error; it is tried again after growing pauses, in which who asks is told why and when. What is kept for a way
 * back leaves last.
 */
import { MillraceError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import { BackOff } from './back-off.ts'

/** What the cache can hold. */
export interface Held {
  /** Name in errors. */
  name: string
  /** Memory it takes alone while it is ready. */
  bytes: number
  /** Memory it shares with others of the same key (a family's parent graph, its features): counted once while anyone holds it. */
  shared?: readonly { key: string; bytes: number }[]
  /** Gives back what the garbage collector cannot see (sessions in workers). */
  dispose?: () => void
}

export interface CacheNumbers {
  held: number
  bytes: number
  bytesMax: number
  loads: number
  hits: number
  evictions: number
}

/** Characters of a digest that stand for it in errors. */
const NAME_CHARS = 19

interface Entry<M> {
  model: M
  holders: number
  evicted: boolean
}

export class ModelCache<M extends Held> {
  readonly #load: (digest: Digest) => Promise<M>
  readonly #bytesMax: number
  readonly #entries = new Map<Digest, Entry<M>>()
  readonly #loading = new Map<Digest, Promise<Entry<M>>>()
  readonly #sharedBy = new Map<string, number>()
  readonly #backOff: BackOff<Digest>
  /** What leaves last, by who wants it so. */
  readonly #kept = new Map<string, readonly Digest[]>()
  #bytes = 0
  #loads = 0
  #hits = 0
  #evictions = 0

  constructor(load: (digest: Digest) => Promise<M>, bytesMax: number, backOff = new BackOff<Digest>()) {
    this.#load = load
    this.#backOff = backOff
    this.#bytesMax = bytesMax
  }

  /**
   * Runs `use` with the model, loading it first when it is absent. Errors: those of the load; MR_SERVE_MODEL_TOO_LARGE when the
   * model alone exceeds the budget.
   */
  with<R>(digest: Digest, use: (model: M) => R | Promise<R>): R | Promise<R> {
    const entry = this.#entries.get(digest)
    if (!entry) return this.#loaded(digest).then((loaded) => this.#hold(loaded, use))
    this.#hits++
    this.#touch(digest, entry)
    return this.#hold(entry, use)
  }

  /** The model when it is held, without loading it and without counting as a use. */
  peek(digest: Digest): M | undefined {
    return this.#entries.get(digest)?.model
  }

  numbers(): CacheNumbers {
    return {
      held: this.#entries.size,
      bytes: this.#bytes,
      bytesMax: this.#bytesMax,
      loads: this.#loads,
      hits: this.#hits,
      evictions: this.#evictions,
    }
  }

  /** These leave last, instead of those that were to by the same name. */
  keep(name: string, digests: readonly Digest[]): void {
    this.#kept.set(name, digests)
  }

  clear(): void {
    for (const digest of [...this.#entries.keys()]) this.#evict(digest)
  }

  #hold<R>(entry: Entry<M>, use: (model: M) => R | Promise<R>): R | Promise<R> {
    entry.holders++
    let result: R | Promise<R>
    try {
      result = use(entry.model)
    } catch (error) {
      this.#letGo(entry)
      throw error
    }
    if (result instanceof Promise) return result.finally(() => this.#letGo(entry))
    this.#letGo(entry)
    return result
  }

  #letGo(entry: Entry<M>): void {
    entry.holders--
    if (entry.evicted && entry.holders === 0) entry.model.dispose?.()
  }

  #loaded(digest: Digest): Promise<Entry<M>> {
    const under = this.#loading.get(digest)
    if (under) return under
    const loading = this.#loadOnce(digest).finally(() => this.#loading.delete(digest))
    this.#loading.set(digest, loading)
    return loading
  }

  async #loadOnce(digest: Digest): Promise<Entry<M>> {
    this.#backOff.check(digest, digest.slice(0, NAME_CHARS))
    this.#loads++
    try {
      const entry = this.#admit(digest, await this.#load(digest))
      this.#backOff.forget(digest)
      return entry
    } catch (thrown) {
      this.#backOff.failed(digest, thrown)
      throw thrown
    }
  }

  #admit(digest: Digest, model: M): Entry<M> {
    const bytes = (model.shared ?? []).reduce((sum, part) => sum + part.bytes, model.bytes)
    if (bytes > this.#bytesMax) {
      model.dispose?.()
      const { name } = model
      throw new MillraceError('MR_SERVE_MODEL_TOO_LARGE', { model: name, bytes, max: this.#bytesMax })
    }
    const entry: Entry<M> = { model, holders: 0, evicted: false }
    this.#entries.set(digest, entry)
    this.#bytes += model.bytes
    for (const { key, bytes: part } of model.shared ?? []) this.#share(key, part, 1)
    if (this.#bytes <= this.#bytesMax) return entry
    for (const oldest of this.#leavers(digest)) {
      if (this.#bytes <= this.#bytesMax) break
      this.#evict(oldest)
      this.#evictions++
    }
    return entry
  }

  /** By use, longest ago first; what is kept after all others, what has just come last. */
  #leavers(newest: Digest): Digest[] {
    const kept = new Set([...this.#kept.values()].flat())
    const isKept = (digest: Digest) => digest !== newest && kept.has(digest)
    const all = [...this.#entries.keys()].filter((digest) => digest !== newest)
    return [...all.filter((digest) => !isKept(digest)), ...all.filter(isKept), newest]
  }

  #evict(digest: Digest): void {
    const entry = this.#entries.get(digest) as Entry<M>
    this.#entries.delete(digest)
    this.#bytes -= entry.model.bytes
    for (const { key, bytes } of entry.model.shared ?? []) this.#share(key, bytes, -1)
    entry.evicted = true
    if (entry.holders === 0) entry.model.dispose?.()
  }

  #share(key: string, bytes: number, change: 1 | -1): void {
    const before = this.#sharedBy.get(key) ?? 0
    const after = before + change
    if (after === 0) this.#sharedBy.delete(key)
    else this.#sharedBy.set(key, after)
    if (before === 0) this.#bytes += bytes
    if (after === 0) this.#bytes -= bytes
  }

  #touch(digest: Digest, entry: Entry<M>): void {
    this.#entries.delete(digest)
    this.#entries.set(digest, entry)
  }
}
