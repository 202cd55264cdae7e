/** Takes away what no ref of a remote reaches. */
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { refs as names, STAND_INS, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import { mapAtOnce } from '../disk/disk.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Store } from '../ports.ts'
import { crawl } from '../reach/crawl.ts'
import { type Edges, edgesIn, edgesOf } from '../reach/edges.ts'
import { standInsIn } from '../reach/stand-ins.ts'
import { entered } from '../reach/walk.ts'
import { takeLease } from '../remote/lease.ts'
import type { Remote, RemoteObject } from '../remote/ports.ts'
import { GRACE_MS } from './collect.ts'

export interface RemoteGcOptions {
  graceMs?: number
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface RemoteGcPlan {
  /** Objects that nothing reaches and that were written before the grace period. */
  sweep: RemoteObject[]
  bytes: number
  kept: { objects: number; bytes: number }
  /** Objects that nothing reaches and that are younger than the grace period. */
  young: { objects: number; bytes: number }
  /** Refs that say what stands in for objects which nothing needs any more. */
  stalePairs: string[]
}

export interface RemoteGcOutcome extends Omit<RemoteGcPlan, 'sweep' | 'bytes' | 'stalePairs'> {
  removed: { objects: number; bytes: number }
}

/**
 * Finds what no ref of a remote reaches: neither over all records in between, nor from a version that is under legal hold in this store. Versions that history was cut
 * before, as the remote's refs say, are not reached by those after them. Records that this store has are read here. Changes nothing.
 *
 * Errors: MR_REMOTE_MISSING where a record is at neither place, so that what it needs is not known; MR_GC_DAMAGED where one has other bytes; those of the remote.
 * Cost: a listing of all objects; one read of each that is reached and not here, of large ones of their first bytes.
 */
export async function planRemoteGc(
  store: Store,
  remote: Remote,
  { graceMs = GRACE_MS, signal, onProgress }: RemoteGcOptions = {},
): Promise<RemoteGcPlan> {
  onProgress?.(0, 'listing what is there')
  const before = (await remote.now()) - graceMs
  const there = new Map<Digest, RemoteObject>()
  for await (const object of remote.list()) there.set(object.digest, object)
  const all = await remote.refs('')
  const refs = all.filter(({ name }) => !name.startsWith(STAND_INS))
  const standIns = standInsIn(all)
  const gone = new Set(refs.flatMap((ref) => ref.gone))
  const held = (await store.meta.refs('holds/')).map(({ digest }) => digest)
  const roots = [...refs.map(({ digest }) => digest), ...held.filter((digest) => there.has(digest))]
  const reached = new Set<Digest>()
  await crawl(roots, STORE_LIMITS.objectReadsAtOnce, async (digest) => {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'garbage collection' })
    reached.add(digest)
    const others = there.has(digest) ? undefined : standIns.get(digest)
    if (others) return others
    onProgress?.(0.1, `${reached.size} objects reached`)
    const edges = await edgesAt(store, remote, there.get(digest), digest)
    return edges ? entered(edges, { skipParent: (parent) => gone.has(parent) }) : []
  })
  const plan: RemoteGcPlan = {
    sweep: [],
    bytes: 0,
    kept: { objects: 0, bytes: 0 },
    young: { objects: 0, bytes: 0 },
    stalePairs: all
      .map(({ name }) => name)
      .filter((name) => name.startsWith(STAND_INS) && !reached.has(names.standInFor(name))),
  }
  for (const object of there.values()) {
    if (!reached.has(object.digest) && object.putAt < before) {
      plan.sweep.push(object)
      plan.bytes += object.bytes
      continue
    }
    const count = reached.has(object.digest) ? plan.kept : plan.young
    count.objects++
    count.bytes += object.bytes
  }
  return plan
}

/** What an object names, read here where it is here. */
async function edgesAt(
  store: Store,
  remote: Remote,
  object: RemoteObject | undefined,
  digest: Digest,
): Promise<Edges | undefined> {
  try {
    if (await store.objects.has(digest)) return await edgesOf(store.objects, digest)
  } catch (thrown) {
    if (!isMillraceError(thrown, 'MR_OBJECT_CORRUPT') && !isMillraceError(thrown, 'MR_OBJECT_MISSING'))
      throw thrown
  }
  if (object === undefined) throw new MillraceError('MR_REMOTE_MISSING', { remote: remote.name, digest })
  const [first] = await remote.head(digest, 1)
  return first === OPEN_BRACE && object.bytes <= STORE_LIMITS.recordBytesMax
    ? await edgesOfRecord(store, remote, digest)
    : undefined
}

const OPEN_BRACE = 0x7b

async function edgesOfRecord(store: Store, remote: Remote, digest: Digest): Promise<Edges | undefined> {
  const path = join(store.scratch, `record-${randomUUID()}`)
  try {
    await remote.receive(digest, path)
    return edgesIn(await readFile(path))
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_REMOTE_CORRUPT'))
      throw new MillraceError('MR_GC_DAMAGED', { digest }, { cause: thrown })
    throw thrown
  } finally {
    await rm(path, { force: true })
  }
}

/**
 * Collects a remote: takes a lease, so that no push counts on an object that goes meanwhile, and removes what nothing reaches. What was written within the grace period
 * stays, since who wrote it may be about to name it. May be killed at any point, and run again.
 *
 * Errors: MR_REMOTE_AT_WORK while somebody pushes, MR_REMOTE_LEASE, those of `planRemoteGc`, MR_CANCELLED.
 */
export async function collectRemote(
  store: Store,
  remote: Remote,
  options: RemoteGcOptions & { actor: string; reason: string },
): Promise<RemoteGcOutcome> {
  const { signal, onProgress, actor, reason } = options
  const lease = await takeLease(remote, 'gc')
  try {
    const { sweep, kept, young, stalePairs } = await planRemoteGc(store, remote, options)
    await mapAtOnce(stalePairs, STORE_LIMITS.transfersAtOnce, (name) => remote.dropRef(name))
    const removed = { objects: 0, bytes: 0 }
    await mapAtOnce(sweep, STORE_LIMITS.transfersAtOnce, async ({ digest, bytes }) => {
      if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'garbage collection' })
      lease.require()
      await remote.remove(digest)
      removed.objects++
      removed.bytes += bytes
      onProgress?.(
        0.2 + (0.8 * removed.objects) / sweep.length,
        `${removed.objects} of ${sweep.length} objects`,
      )
    })
    if (removed.objects > 0) await record(store, remote, { removed, kept }, { actor, reason })
    return { removed, kept, young }
  } finally {
    await lease.end()
  }
}

async function record(
  store: Store,
  remote: Remote,
  { removed, kept }: Pick<RemoteGcOutcome, 'removed' | 'kept'>,
  { actor, reason }: { actor: string; reason: string },
): Promise<void> {
  const data = { url: remote.url, removed, kept }
  await store.meta.commit({
    event: { type: 'remote.collected', subject: subjects.remote(remote.name), actor, reason, data },
  })
}
