import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { refs, STAND_INS, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import { goneOf, isVersioned } from '../gc/roots.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Store } from '../ports.ts'
import { crawl } from '../reach/crawl.ts'
import { edgesOf } from '../reach/edges.ts'
import { type StandIns, standInsIn, standInsOf } from '../reach/stand-ins.ts'
import { entered, type Walked, walk } from '../reach/walk.ts'
import { isChosen, prefixesOf, requireAll } from './choose.ts'
import type { Remote, RemoteRef } from './ports.ts'

export interface PullOptions {
  /** What is pulled; see `prefixesOf`. Default: everything that has versions, and tags. */
  names?: readonly string[]
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/** One ref of a pull: `ahead` has all that the remote has and more; `diverged` stays as it is, and what the remote holds is here to be merged. */
export interface RefPull {
  name: string
  /** What the remote holds. */
  digest: Digest
  /** What it holds here. */
  from: Digest | null
  state: 'new' | 'forward' | 'same' | 'ahead' | 'diverged'
}

export interface PullOutcome {
  refs: RefPull[]
  received: number
  bytes: number
}

/** Refs that a pull is about. Errors: MR_REMOTE_NOTHING, and those of the remote. */
async function remoteRefsOf(remote: Remote, names: readonly string[] = []): Promise<RemoteRef[]> {
  const found = await Promise.all(prefixesOf(names).map((prefix) => remote.refs(prefix)))
  const all = [...new Map(found.flat().map((ref) => [ref.name, ref])).values()]
  const chosen = all.filter(({ name }) => isChosen(name, names))
  requireAll(
    names,
    names.length > 0 && chosen.length === 0 ? await remote.refs('') : chosen,
    `remote ${remote.name}`,
  )
  return chosen
}

/** Which refs a pull would look into, without fetching: what differs here is `new` or, until its objects are seen, `forward`. */
export async function planPull(store: Store, remote: Remote, options: PullOptions = {}): Promise<RefPull[]> {
  const there = await remoteRefsOf(remote, options.names)
  return await Promise.all(
    there.map(async ({ name, digest }): Promise<RefPull> => {
      const from = (await store.meta.ref(name))?.digest ?? null
      return { name, digest, from, state: from === null ? 'new' : from === digest ? 'same' : 'forward' }
    }),
  )
}

const TRIES = 5

/**
 * Pulls: brings every object that the remote's refs reach and that is not here, several at a time, each held to its digest, and then moves the refs in one commit. A
 * ref that has gone another way here stays, and the outcome says so. What came before a pull was cut off is not fetched again.
 *
 * Errors: MR_REMOTE_NOTHING, MR_REMOTE_MISSING, MR_REMOTE_CORRUPT, MR_REMOTE_LOCAL_MOVED, MR_CANCELLED, and those of the remote.
 */
export async function pull(
  store: Store,
  remote: Remote,
  options: PullOptions & { actor: string; reason?: string },
): Promise<PullOutcome> {
  const there = await remoteRefsOf(remote, options.names)
  const count: Received = { received: 0, bytes: 0, standIns: new Map() }
  for (let tries = 1; ; tries++) {
    const gone = await goneOf(store)
    const before = new Set(there.flatMap((ref) => ref.gone))
    for (const digest of before) if (!(await store.objects.has(digest))) gone.add(digest)
    const plan = await planPull(store, remote, options)
    const wanted = plan.filter(({ state }) => state !== 'same')
    if (wanted.length > 0) await receiveAll(store, remote, wanted, gone, count, options)
    const pulled: RefPull[] = []
    for (const ref of plan)
      pulled.push(ref.state === 'forward' ? await stateOf(store, remote, ref, gone, before) : ref)
    const { standIns, ...counts } = count
    const outcome = { refs: pulled, ...counts }
    if (await recordPull(store, remote, outcome, { there, standIns }, options)) return outcome
    if (tries === TRIES) throw new MillraceError('MR_REMOTE_LOCAL_MOVED', { remote: remote.name, tries })
  }
}

interface Received {
  received: number
  bytes: number
  /** What stands in for objects that are neither here nor there: name of the ref → digest. */
  standIns: Map<string, Digest>
}

async function receiveAll(
  store: Store,
  remote: Remote,
  wanted: readonly RefPull[],
  gone: ReadonlySet<Digest>,
  count: Received,
  { signal, onProgress }: PullOptions,
): Promise<void> {
  const known = await reachedHere(store, gone)
  const heads = wanted.map(({ digest }) => digest)
  const direct = new Set(heads)
  const skip = (digest: Digest) => known.has(digest) || (gone.has(digest) && !direct.has(digest))
  let there: Promise<StandIns> | undefined
  /** What is not on the remote any more, it has something else for. */
  const replaced = async (digest: Digest, thrown: unknown): Promise<Digest[]> => {
    if (!isMillraceError(thrown, 'MR_REMOTE_MISSING')) throw thrown
    there ??= remote.refs(STAND_INS).then(standInsIn)
    const others = (await there).get(digest)
    if (others === undefined) throw thrown
    for (const by of others) count.standIns.set(refs.standIn(digest, by), by)
    return others.filter((by) => !known.has(by))
  }
  let waiting = 0
  let done = 0
  await crawl(heads, STORE_LIMITS.transfersAtOnce, async (digest) => {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the pull' })
    if (known.has(digest)) return []
    if (!(await store.objects.keep(digest))) {
      try {
        const bytes = await receiveOne(store, remote, digest, signal)
        count.bytes += bytes
      } catch (thrown) {
        return await replaced(digest, thrown)
      }
      count.received++
    }
    const edges = await edgesOf(store.objects, digest)
    const next = edges ? entered(edges, { skip }) : []
    waiting += next.length
    done++
    onProgress?.(done / (done + waiting), `${count.received} objects received`)
    return next
  })
}

/** What the refs of this store reach is whole here, or else `verify` says so: it is not looked at again. */
async function reachedHere(store: Store, gone: ReadonlySet<Digest>): Promise<Set<Digest>> {
  const local = (await store.meta.refs('')).filter(({ name }) => isVersioned({ name }))
  const walked: Walked = await walk(
    store.objects,
    local.map(({ digest }) => digest),
    { skipParent: (digest) => gone.has(digest), standIns: await standInsOf(store) },
  )
  return walked.reached
}

/** Brings one object into the store and gives its size. Also what repair does with a damaged one. */
export async function receiveOne(
  store: Store,
  remote: Remote,
  digest: Digest,
  signal?: AbortSignal,
): Promise<number> {
  const path = join(store.scratch, `received-${randomUUID()}`)
  try {
    const { bytes } = await remote.receive(digest, path, { signal })
    const put = await store.objects.putFile(path)
    if (put.digest !== digest)
      throw new MillraceError('MR_REMOTE_CORRUPT', { remote: remote.name, digest, found: put.digest })
    return bytes
  } finally {
    await rm(path, { force: true })
  }
}

async function stateOf(
  store: Store,
  remote: Remote,
  ref: RefPull,
  gone: ReadonlySet<Digest>,
  before: ReadonlySet<Digest>,
): Promise<RefPull> {
  const { name, digest, from } = ref
  if (from !== null && before.has(from)) return { ...ref, state: 'forward' }
  const within = { skipParent: (each: Digest) => gone.has(each) }
  if (from === null || (await walk(store.objects, [digest], within)).reached.has(from))
    return { ...ref, state: from === null ? 'new' : 'forward' }
  if ((await walk(store.objects, [from], within)).reached.has(digest)) return { ...ref, state: 'ahead' }
  const seen = await store.meta.ref(refs.seen(remote.name, name))
  const isUntouched = !isVersioned({ name }) && seen?.digest === from
  return { ...ref, state: isUntouched ? 'forward' : 'diverged' }
}

/** False where a ref moved here meanwhile. */
async function recordPull(
  store: Store,
  remote: Remote,
  { refs: pulled, received, bytes }: PullOutcome,
  { there, standIns }: { there: readonly RemoteRef[]; standIns: ReadonlyMap<string, Digest> },
  { actor, reason = `pulled from ${remote.name}` }: { actor: string; reason?: string },
): Promise<boolean> {
  const moving = pulled.filter(({ state }) => state === 'new' || state === 'forward')
  const known = new Map(
    (await store.meta.refs(refs.seen(remote.name, ''))).map(({ name, digest }) => [name, digest]),
  )
  const seen = pulled
    .map(({ name, digest }) => ({ name: refs.seen(remote.name, name), to: digest }))
    .filter(({ name, to }) => known.get(name) !== to)
  if (moving.length === 0 && received === 0 && seen.length === 0 && standIns.size === 0) return true
  const gone = await absentOf(store, there)
  const { ok } = await store.meta.commit({
    moves: [
      ...moving.map(({ name, digest, from }) => ({ name, from, to: digest })),
      ...seen,
      ...[...standIns].map(([name, to]) => ({ name, to })),
    ],
    event: {
      type: 'remote.pulled',
      subject: subjects.remote(remote.name),
      actor,
      reason,
      data: {
        url: remote.url,
        objects: received,
        bytes,
        refs: pulled
          .filter(({ state }) => state !== 'same')
          .map(({ name, digest, from, state }) => ({ name, to: digest, from, state })),
        ...(gone.length > 0 && { gone }),
      },
    },
  })
  return ok
}

/** Versions that history was cut before on the other side, and that are not here either. */
async function absentOf(store: Store, there: readonly RemoteRef[]): Promise<Digest[]> {
  const named = [...new Set(there.flatMap((ref) => ref.gone))]
  const known = await goneOf(store)
  const absent: Digest[] = []
  for (const digest of named)
    if (!known.has(digest) && !(await store.objects.has(digest))) absent.push(digest)
  return absent
}
