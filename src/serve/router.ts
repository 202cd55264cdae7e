/**
 * Which release answers for a model: follows the refs `models/<name>@live`.
 *
 * A model is `unknown` (no ref), then `named` (ref seen, record not read), then `followed` (release and bundles in memory). When a ref
 * moves, the new release and its bundles are read, loaded and tried first, and then replace the old ones in one assignment, so that a request, which asks once, sees
 * one release. If they cannot be read or used, the last good release goes on answering and `problems()` says so; a model that never had one fails
 * with the store's error.
 */
import { MillraceError, toError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { Digest, ModelBundle, Release, Route } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { BackOff } from './back-off.ts'
import { answeringRoutes, pickRoute } from './split.ts'

export type RoutedBundle = Route & { record: ModelBundle }

/** One release with all it needs to answer. Never changed after it is made. */
export interface LiveRelease {
  digest: Digest
  release: Release
  routes: RoutedBundle[]
}

/** A model as a client addresses it: `late`, or `late/ATL` for one member of the family. */
export interface Address {
  family: string
  /** Undefined when the rows choose. */
  member?: string
}

interface Followed {
  target: Digest
  live?: LiveRelease
  loading?: Promise<LiveRelease>
  problem?: Error
}

const [PREFIX, SUFFIX] = refs.live('\n').split('\n')

/** How often the journal is asked whether anything moved: a rollback by another process is to be followed within 0.2 s, on a busy machine too. */
const POLL_MS = 40
/** Longest pause before a release that cannot be used is tried again. */
const AGAIN_MS_MAX = 5_000

export interface RouterOptions {
  /** What must go well before a release takes the place of one that answers. Errors keep it from that. */
  prepare?: (next: LiveRelease, before: LiveRelease) => Promise<void>
  /** Told when one took the place of another. */
  onMoved?: (next: LiveRelease, before: LiveRelease) => void
}

export function parseAddress(name: string): Address {
  const slash = name.indexOf('/')
  return slash < 0 ? { family: name } : { family: name.slice(0, slash), member: name.slice(slash + 1) }
}

export class Router {
  readonly #store: Store
  readonly #followed = new Map<string, Followed>()
  readonly #options: RouterOptions
  readonly #backOff = new BackOff<Digest>({ longestMs: AGAIN_MS_MAX })
  #seenSeq = -1
  #timer: NodeJS.Timeout | undefined
  #refreshing: Promise<void> | undefined

  constructor(store: Store, options: RouterOptions = {}) {
    this.#store = store
    this.#options = options
  }

  /** Reads the refs and begins to poll. */
  async start(): Promise<void> {
    await this.refresh()
    this.#timer = setInterval(() => this.#poll(), POLL_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Reads where every live ref points now. Resolves when moved releases that were in use have been replaced. */
  async refresh(): Promise<void> {
    await this.#refreshing?.catch(() => undefined)
    this.#refreshing = this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    await this.#refreshing
  }

  /** Names that have a live ref, sorted. */
  models(): string[] {
    return [...this.#followed.keys()].sort()
  }

  has(family: string): boolean {
    return this.#followed.has(family)
  }

  /** Models whose newest release cannot be read. */
  problems(): Map<string, Error> {
    const found = [...this.#followed].flatMap(([name, f]) => (f.problem ? [[name, f.problem] as const] : []))
    return new Map(found)
  }

  /** What the store says when it is asked something small; undefined when it answers. */
  async storeProblem(): Promise<Error | undefined> {
    try {
      await this.#store.meta.newestSeq()
      return undefined
    } catch (error) {
      return toError(error)
    }
  }

  /**
   * The release that answers for a family: at once when it is in memory. Errors: MR_SERVE_MODEL_UNKNOWN; those of the store when no
   * release of it could ever be read.
   */
  release(family: string): LiveRelease | Promise<LiveRelease> {
    const followed = this.#followed.get(family)
    if (!followed) throw new MillraceError('MR_SERVE_MODEL_UNKNOWN', { model: family, known: this.models() })
    return followed.live ?? this.#follow(followed)
  }

  #follow(followed: Followed): Promise<LiveRelease> {
    followed.loading ??= this.#load(followed).finally(() => {
      followed.loading = undefined
    })
    return followed.loading
  }

  /** Reads until what was read is what the ref holds: it may move again meanwhile. */
  async #load(followed: Followed): Promise<LiveRelease> {
    for (;;) {
      const { target } = followed
      try {
        const live = await this.#read(target)
        const before = followed.live
        if (before && before.digest !== target) await this.#options.prepare?.(live, before)
        if (followed.target !== target) continue
        followed.problem = undefined
        followed.live = live
        this.#backOff.forget(target)
        if (before && before.digest !== target) this.#options.onMoved?.(live, before)
        return live
      } catch (error) {
        if (followed.target !== target) continue
        followed.problem = toError(error)
        this.#backOff.failed(target, error)
        throw error
      }
    }
  }

  async #read(digest: Digest): Promise<LiveRelease> {
    const release = await this.#store.getRecord<Release>(digest, 'Release')
    const routes = await Promise.all(
      release.routes.map(async (route) => ({
        ...route,
        record: await this.#store.getRecord<ModelBundle>(route.bundle, 'ModelBundle'),
      })),
    )
    return { digest, release, routes }
  }

  async #refresh(): Promise<void> {
    const newest = await this.#store.meta.newestSeq()
    const found = await this.#store.meta.refs(PREFIX)
    const names = new Set<string>()
    const moved: Followed[] = []
    for (const ref of found) {
      if (!ref.name.endsWith(SUFFIX)) continue
      const name = ref.name.slice(PREFIX.length, -SUFFIX.length)
      names.add(name)
      const followed = this.#retarget(name, ref.digest)
      if (followed) moved.push(followed)
    }
    for (const name of this.#followed.keys()) if (!names.has(name)) this.#followed.delete(name)
    await Promise.allSettled(moved.map((followed) => this.#follow(followed)))
    this.#seenSeq = newest
  }

  /** Points a name at a digest; gives the followed model when its release must be read now because the old one is in use. */
  #retarget(name: string, target: Digest): Followed | undefined {
    const followed = this.#followed.get(name)
    if (!followed) {
      this.#followed.set(name, { target })
      return undefined
    }
    followed.target = target
    const inUse = followed.live !== undefined || followed.problem !== undefined
    const current = followed.live?.digest === target && followed.problem === undefined
    return inUse && !current && !this.#backOff.isWaiting(target) ? followed : undefined
  }

  /** One look at the journal; refs are read only when it has grown. A look that fails is made again soon; readiness tells of it. */
  #poll(): void {
    if (this.#refreshing) return
    this.#store.meta
      .newestSeq()
      .then((seq) => (seq === this.#seenSeq && this.problems().size === 0 ? undefined : this.refresh()))
      .catch(() => undefined)
  }
}

/** The route of a release that answers: the one of a pinned version, else by the sticky key. */
export function routeFor(live: LiveRelease, model: string, key: string, version?: string): RoutedBundle {
  if (version !== undefined && version !== '') return pinned(live, model, version)
  const route = pickRoute(live.release, live.routes, key)
  if (!route) throw new MillraceError('MR_SERVE_NO_ROUTE', { model, state: live.release.state })
  return route
}

function pinned(live: LiveRelease, model: string, version: string): RoutedBundle {
  const route = live.routes.find((candidate) => String(candidate.version) === version.replace(/^v/, ''))
  if (route) return route
  const versions = live.routes.map((candidate) => candidate.version)
  throw new MillraceError('MR_SERVE_VERSION_UNKNOWN', { model, version: version.slice(0, 20), versions })
}

/** Routes that are asked in the shadow of the one that answers. A bundle that answers is not asked a second time. */
export function shadowsOf(live: LiveRelease, answering: RoutedBundle): RoutedBundle[] {
  return live.routes.filter((route) => route.role === 'shadow' && route.bundle !== answering.bundle)
}

/** Versions that answer, by weight, heaviest first: what metadata calls the versions of a model. */
export function versionsOf(live: LiveRelease): number[] {
  const answering = answeringRoutes(live.routes).sort((a, b) => b.weight - a.weight)
  return (answering.length > 0 ? answering : live.routes).map((route) => route.version)
}
