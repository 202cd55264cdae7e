import { stat } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.ts'
import { refs, STAND_INS, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import { mapAtOnce } from '../disk/disk.ts'
import { goneOf, isVersioned, lineageOfGone } from '../gc/roots.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Ref, Store } from '../ports.ts'
import { type StandIns, standInsIn, standInsOf } from '../reach/stand-ins.ts'
import { type Walked, walk } from '../reach/walk.ts'
import { isChosen, requireAll } from './choose.ts'
import { type Lease, takeLease } from './lease.ts'
import type { Remote, RemoteRef } from './ports.ts'

export interface PushOptions {
  /** What is pushed; see `prefixesOf`. Default: everything that has versions, and tags. */
  names?: readonly string[]
  /** Looks on the remote for every object, also for those that its refs say are there. */
  recheck?: boolean
  /** Moves refs to what they are here although the remote has something else. Default: they are refused. */
  force?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/** One ref of a push: `same` needs nothing, `moved` is refused since the remote has what is not here. */
export interface RefPush {
  name: string
  /** What it holds here. */
  digest: Digest
  /** What the remote holds. */
  from: Digest | null
  state: 'new' | 'forward' | 'same' | 'forced' | 'moved'
}

export interface PushPlan {
  refs: RefPush[]
  /** Objects that the remote lacks. */
  lacking: { digest: Digest; bytes: number; path: string }[]
  bytes: number
  /** Objects of these refs that the remote has, as far as they were looked for. */
  present: number
  /** Versions that these refs name and that history was cut before. */
  gone: Digest[]
  /** What the remote has to know to do without objects that are not here any more, nor there. */
  standIns: { name: string; digest: Digest }[]
}

export interface PushOutcome extends Omit<PushPlan, 'lacking' | 'standIns'> {
  sent: number
}

/**
 * Finds what a push would do: which refs move and which objects the remote lacks. What refs of the remote reach is known to be there, since a ref moves only after its
 * objects: nothing is asked about it, and where no ref moves nothing is walked.
 *
 * Errors: MR_REMOTE_NOTHING, MR_REMOTE_INCOMPLETE where an object that is needed is absent or damaged here, and those of the remote.
 */
export async function planPush(
  store: Store,
  remote: Remote,
  options: PushOptions & {
    /** Called before what the remote has is looked at and counted on. */
    onGoing?: () => Promise<void>
  } = {},
): Promise<PushPlan> {
  const { names = [], recheck = false, force = false, signal, onProgress } = options
  const local = (await store.meta.refs('')).filter(({ name }) => isChosen(name, names))
  requireAll(names, local, 'this store')
  const [there, gone, lineage] = await Promise.all([
    remoteRefs(remote, local),
    goneOf(store),
    lineageOfGone(store),
  ])
  const plan: PushPlan = { refs: [], lacking: [], bytes: 0, present: 0, gone: [], standIns: [] }
  const skipped = new Set<Digest>()
  const within = {
    signal,
    onReached: (n: number) => onProgress?.(0, `${n} objects reached`),
    skipParent: (digest: Digest) => gone.has(digest) && skipped.add(digest) !== undefined,
  }
  for (const ref of local) {
    const held = there.get(ref.name)
    skipped.clear()
    const isBehind = async (digest: Digest) =>
      (await walk(store.objects, [ref.digest], within)).reached.has(digest) ||
      throughGone(skipped, lineage).has(digest)
    plan.refs.push(await statePush(store, remote, ref, held, isBehind, force))
  }
  const going = plan.refs.filter(({ state }) => state !== 'moved' && (recheck || state !== 'same'))
  if (going.length === 0) return plan
  skipped.clear()
  const heads = going.map(({ digest }) => digest)
  const standIns = await standInsOf(store)
  const all = await walk(store.objects, heads, { ...within, standIns })
  requireWhole(all, gone)
  await options.onGoing?.()
  const needed = await neededThere(store, remote, heads, all, { ...within, standIns })
  plan.standIns = await standInsLacking(remote, needed.replaced, standIns)
  const known = recheck
    ? new Set<Digest>()
    : await reachedThere(store, await remoteRefs(remote, local), within)
  plan.gone = [...throughGone(skipped, lineage), ...needed.missing.keys()]
  await addLacking(
    store,
    remote,
    plan,
    [...needed.reached].filter((digest) => !known.has(digest)),
  )
  return plan
}

type Within = NonNullable<Parameters<typeof walk>[2]>

/** Of all that some objects reach, what the remote needs: for what is not here any more, and is there, nothing that stands in for it. */
async function neededThere(
  store: Store,
  remote: Remote,
  heads: readonly Digest[],
  all: Walked,
  within: Within & { standIns: StandIns },
): Promise<Walked> {
  if (all.replaced.size === 0) return all
  const there = await remote.present([...all.replaced])
  if (there.size === 0) return all
  const standIns = new Map(
    [...within.standIns].map(([gone, by]): [Digest, readonly Digest[]] => [gone, there.has(gone) ? [] : by]),
  )
  const needed = await walk(store.objects, heads, { ...within, standIns })
  for (const digest of there.keys()) needed.replaced.delete(digest)
  return needed
}

async function standInsLacking(
  remote: Remote,
  replaced: ReadonlySet<Digest>,
  standIns: StandIns,
): Promise<PushPlan['standIns']> {
  if (replaced.size === 0) return []
  const there = standInsIn(await remote.refs(STAND_INS))
  return [...replaced].flatMap((gone) =>
    (standIns.get(gone) ?? [])
      .filter((by) => !there.get(gone)?.includes(by))
      .map((by) => ({ name: refs.standIn(gone, by), digest: by })),
  )
}

/** What the remote holds of these names, and of their neighbours. */
async function remoteRefs(remote: Remote, local: readonly Ref[]): Promise<Map<string, RemoteRef>> {
  const near = [...new Set(local.map(({ name }) => name.slice(0, name.indexOf('@') + 1) || name))]
  const far = [...new Set(local.map(({ name }) => `${name.split('/')[0]}/`))]
  const found = await Promise.all(
    (near.length > STORE_LIMITS.refPrefixesMax ? far : near).map((prefix) => remote.refs(prefix)),
  )
  return new Map(found.flat().map((ref) => [ref.name, ref]))
}

async function statePush(
  store: Store,
  remote: Remote,
  { name, digest }: Ref,
  held: RemoteRef | undefined,
  isBehind: (digest: Digest) => Promise<boolean>,
  force: boolean,
): Promise<RefPush> {
  const push = { name, digest, from: held?.digest ?? null }
  if (!held) return { ...push, state: 'new' }
  if (held.digest === digest) return { ...push, state: 'same' }
  const seen = await store.meta.ref(refs.seen(remote.name, name))
  const isUntouched = seen?.digest === held.digest && !isVersioned({ name })
  if (isUntouched || (await isBehind(held.digest))) return { ...push, state: 'forward' }
  return { ...push, state: force ? 'forced' : 'moved' }
}

/** Versions before those where history was cut, newest first, as many as a ref of a remote names: a copy that has one of them is behind, and nothing else. */
function throughGone(cut: ReadonlySet<Digest>, lineage: ReadonlyMap<Digest, Digest[]>): Set<Digest> {
  const found = new Set(cut)
  for (const digest of found) {
    if (found.size >= STORE_LIMITS.goneNamedMax) break
    for (const parent of lineage.get(digest) ?? []) found.add(parent)
  }
  return found
}

function requireWhole({ missing, corrupt }: Walked, gone: ReadonlySet<Digest>): void {
  const [lost] = [...missing].filter(([digest]) => !gone.has(digest))
  const bad = lost ?? [...corrupt][0]
  if (bad)
    throw new MillraceError('MR_REMOTE_INCOMPLETE', {
      digest: bad[0],
      by: bad[1],
      state: lost ? 'missing' : 'damaged',
    })
}

/** What refs of the remote reach, as far as that is here too. */
async function reachedThere(
  store: Store,
  there: ReadonlyMap<string, RemoteRef>,
  within: Within,
): Promise<Set<Digest>> {
  const heads = [...there.values()].map(({ digest }) => digest)
  const here = await mapAtOnce(heads, STORE_LIMITS.objectReadsAtOnce, async (digest) =>
    (await store.objects.has(digest)) ? [digest] : [],
  )
  return (await walk(store.objects, here.flat(), within)).reached
}

async function addLacking(store: Store, remote: Remote, plan: PushPlan, digests: Digest[]): Promise<void> {
  const there = await remote.present(digests)
  plan.present = there.size
  plan.lacking = await mapAtOnce(
    digests.filter((digest) => !there.has(digest)),
    STORE_LIMITS.objectReadsAtOnce,
    async (digest) => {
      const path = await store.objects.path(digest)
      return { digest, path, bytes: (await stat(path)).size }
    },
  )
  plan.bytes = plan.lacking.reduce((sum, { bytes }) => sum + bytes, 0)
}

/**
 * Pushes: sends the objects that the remote lacks, several at a time, and then moves refs by compare-and-set, so that nobody sees a ref without its objects. What was
 * sent before a push was cut off is found there by the next one. A ref that moved meanwhile is `moved` in the outcome and was not touched.
 *
 * Errors: those of `planPush`, MR_REMOTE_AT_WORK while the remote is collected, MR_REMOTE_LEASE, MR_OBJECT_CORRUPT (nothing of that object is there then), MR_CANCELLED.
 */
export async function push(
  store: Store,
  remote: Remote,
  options: PushOptions & { actor: string; now: number; reason?: string },
): Promise<PushOutcome> {
  let lease: Lease | undefined
  try {
    const onGoing = async () => {
      lease = await takeLease(remote, 'push')
    }
    const { lacking, standIns, ...plan } = await planPush(store, remote, { ...options, onGoing })
    await sendAll(remote, lacking, plan.bytes, options)
    const { actor, now } = options
    await mapAtOnce(standIns, STORE_LIMITS.transfersAtOnce, (pair) =>
      remote.moveRef(null, { ...pair, gone: [], movedAt: now, actor }),
    )
    const done: RefPush[] = []
    for (const ref of plan.refs) {
      lease?.require()
      done.push(await moveThere(remote, ref, plan.gone, options))
    }
    const outcome = { ...plan, refs: done, sent: lacking.length }
    await recordPush(store, remote, outcome, options)
    return outcome
  } finally {
    await lease?.end()
  }
}

async function sendAll(
  remote: Remote,
  lacking: PushPlan['lacking'],
  bytesAll: number,
  { signal, onProgress }: PushOptions,
): Promise<void> {
  let [sent, bytesSent] = [0, 0]
  const tell = (bytes = 0) => {
    bytesSent += bytes
    onProgress?.(bytesSent / Math.max(1, bytesAll), `${sent} of ${lacking.length} objects`)
  }
  let failed = false
  await mapAtOnce(lacking, STORE_LIMITS.transfersAtOnce, async ({ digest, path, bytes }) => {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the push' })
    if (failed) return
    try {
      await remote.send(digest, path, bytes, { signal, onBytes: tell })
    } catch (thrown) {
      failed = true
      throw thrown
    }
    sent++
    tell()
  })
}

async function moveThere(
  remote: Remote,
  ref: RefPush,
  gone: Digest[],
  { actor, now, signal }: PushOptions & { actor: string; now: number },
): Promise<RefPush> {
  if (ref.state === 'moved' || ref.state === 'same') return ref
  if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the push' })
  const { name, digest, from } = ref
  const moved = await remote.moveRef(from, { name, digest, gone, movedAt: now, actor })
  if (moved.ok) return ref
  const holds = moved.holds?.digest ?? null
  return { ...ref, from: holds, state: holds === digest ? 'same' : 'moved' }
}

async function recordPush(
  store: Store,
  remote: Remote,
  { refs: pushed, sent, bytes }: PushOutcome,
  { actor, reason = `pushed to ${remote.name}` }: { actor: string; reason?: string },
): Promise<void> {
  const isThere = pushed.filter(({ state }) => state !== 'moved')
  const changed = isThere.filter(({ state }) => state !== 'same')
  const moves = isThere.map(({ name, digest }) => ({ name: refs.seen(remote.name, name), to: digest }))
  const known = new Map(
    (await store.meta.refs(refs.seen(remote.name, ''))).map(({ name, digest }) => [name, digest]),
  )
  const news = moves.filter(({ name, to }) => known.get(name) !== to)
  if (changed.length === 0 && sent === 0 && news.length === 0) return
  await store.meta.commit({
    moves: news,
    event: {
      type: 'remote.pushed',
      subject: subjects.remote(remote.name),
      actor,
      reason,
      data: {
        url: remote.url,
        objects: sent,
        bytes,
        refs: changed.map(({ name, digest, from, state }) => ({ name, to: digest, from, state })),
      },
    },
  })
}
