/** What a lock pins, brought here: versions from a remote, sets of files into folders, and branches to where the lock has them. */
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { subjects } from '../core/names.ts'
import type { DatasetVersion, Digest, FileSetVersion } from '../core/records.ts'
import { checkoutFiles, type LinkChoice } from '../data/files/index.ts'
import type { Store } from '../store/ports.ts'
import type { Remote } from '../store/remote/ports.ts'
import { pull } from '../store/remote/pull.ts'
import { LOCK_FILE, nameOf, readLock } from './lock-file.ts'
import type { Runtime } from './runtime.ts'

export interface LockCheckoutRequest {
  /** Lock to go by, relative to the project's folder. Default: `millrace.lock`. */
  file?: string
  /** Where versions come from that are not here; asked for only then. Undefined where the project has no remote. */
  openRemote?: () => Promise<Remote | undefined>
  /** Folder that sets of files are written below. Default: the project's. */
  to?: string
  link?: LinkChoice
  /** Moves branches back to what is pinned, and overwrites files that no version holds. */
  isForced?: boolean
  isDryRun?: boolean
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/**
 * One ref of a lock: `same` holds what is pinned; `new` and `forward` are moved there; `ahead` has what is pinned and more, and `diverged` has gone another way: both stay where they are unless forced, and
 * what is pinned is read with `--locked`.
 */
export interface LockedRef {
  name: string
  digest: Digest
  from: Digest | null
  state: 'same' | 'new' | 'forward' | 'ahead' | 'diverged'
  /** Whether the ref is moved, or would be. */
  moves: boolean
  /** Of a set of files: what was written into its folder. */
  files?: { to: string; written: number; removed: number; kept: number }
}

export interface LockCheckout {
  file: string
  refs: LockedRef[]
  /** Objects that came from the remote. */
  received: number
}

type Place = Pick<Runtime, 'store' | 'folder' | 'project'>

/**
 * Brings the store to what a lock says. Files are written first and refs move in one commit, so that a local change that is in the way leaves everything as it is. What a branch held before stays in the journal.
 * Errors: MR_LOCK_NONE, MR_LOCK_SYNTAX, MR_LOCK_PROJECT, MR_LOCK_KIND, MR_LOCK_ABSENT, MR_FILES_UNSAVED, MR_LOCK_MOVED, and those of pulling.
 */
export async function checkoutLock(rt: Place, request: LockCheckoutRequest): Promise<LockCheckout> {
  const file = request.file ?? LOCK_FILE
  const lock = await readLock(rt, file)
  if (lock === undefined) throw new MillraceError('MR_LOCK_NONE', { file, folder: rt.folder })
  // A pull moves branches to what the remote has now: where they stood before is what counts.
  const before = new Map<string, Digest | null>()
  for (const name of lock.keys()) before.set(name, (await rt.store.meta.ref(name))?.digest ?? null)
  const received = await bringAbsent(rt.store, lock, request)
  const refs: LockedRef[] = []
  for (const [name, digest] of lock)
    refs.push(await stateOf(rt.store, { name, digest, from: before.get(name)! }, request))
  for (const ref of refs) if (isFiles(ref)) ref.files = await writeFiles(rt, ref, request)
  if (request.isDryRun !== true) await moveRefs(rt.store, file, refs, request.actor)
  return { file, refs, received }
}

const isFiles = ({ name }: Pick<LockedRef, 'name'>): boolean => name.startsWith('files/')

async function bringAbsent(
  store: Store,
  lock: ReadonlyMap<string, Digest>,
  { openRemote, isDryRun, actor, signal, onProgress }: LockCheckoutRequest,
): Promise<number> {
  const absent = async () => {
    const found: [string, Digest][] = []
    for (const entry of lock) if (!(await store.objects.has(entry[1]))) found.push(entry)
    return found
  }
  const wanted = await absent()
  if (wanted.length === 0) return 0
  const remote = isDryRun === true ? undefined : await openRemote?.()
  if (remote === undefined) throw absentError(wanted[0]!)
  try {
    const names = wanted.map(([name]) => name)
    const reason = 'pinned by a lock that is checked out'
    const { received } = await pull(store, remote, { names, actor, reason, signal, onProgress })
    const [still] = await absent()
    if (still) throw absentError(still)
    return received
  } finally {
    await remote.close()
  }
}

const absentError = ([name, digest]: [string, Digest]): MillraceError =>
  new MillraceError('MR_LOCK_ABSENT', { name: nameOf(name), digest })

async function stateOf(
  store: Store,
  { name, digest, from }: Pick<LockedRef, 'name' | 'digest' | 'from'>,
  { isForced = false }: LockCheckoutRequest,
): Promise<LockedRef> {
  await requireKind(store, name, digest)
  const state = from === null ? 'new' : await between(store, name, from, digest)
  const holds = (await store.meta.ref(name))?.digest
  return { name, digest, from, state, moves: holds !== digest && (isForced || !STAYS.includes(state)) }
}

const STAYS: readonly LockedRef['state'][] = ['ahead', 'diverged']

type Version = DatasetVersion | FileSetVersion

const versionOf = async (store: Store, name: string, digest: Digest): Promise<Version> =>
  isFiles({ name })
    ? await store.getRecord<FileSetVersion>(digest, 'FileSetVersion')
    : await store.getRecord<DatasetVersion>(digest, 'DatasetVersion')

/** A digest that git merged onto another line must not become a version of what it is none of. */
async function requireKind(store: Store, name: string, digest: Digest): Promise<void> {
  const fault = (is: string) => new MillraceError('MR_LOCK_KIND', { name, digest, is })
  const version = await versionOf(store, name, digest).catch((cause: unknown) => {
    throw new MillraceError('MR_LOCK_KIND', { name, digest, is: 'no version of that kind' }, { cause })
  })
  const of = version.kind === 'DatasetVersion' ? version.dataset : version.set
  if (of !== nameOf(name)) throw fault(`a version of "${of}"`)
}

async function between(
  store: Store,
  name: string,
  from: Digest,
  digest: Digest,
): Promise<'same' | 'forward' | 'ahead' | 'diverged'> {
  if (from === digest) return 'same'
  if (await reaches(store, name, digest, from)) return 'forward'
  return (await reaches(store, name, from, digest)) ? 'ahead' : 'diverged'
}

/** Whether a version came of another one, over all parents that are kept. */
async function reaches(store: Store, name: string, later: Digest, earlier: Digest): Promise<boolean> {
  const seen = new Set([later])
  for (const digest of seen) {
    if (digest === earlier) return true
    if (!(await store.objects.has(digest))) continue
    for (const parent of (await versionOf(store, name, digest)).parents) seen.add(parent)
  }
  return false
}

async function writeFiles(
  rt: Place,
  { name, digest }: LockedRef,
  { to = rt.folder, link, isForced, isDryRun, signal, onProgress }: LockCheckoutRequest,
): Promise<NonNullable<LockedRef['files']>> {
  const version = await rt.store.getRecord<FileSetVersion>(digest, 'FileSetVersion')
  const folder = version.shape === 'folder' ? join(to, version.set) : to
  const named = { digest, version, branch: name.slice(name.lastIndexOf('@') + 1) }
  const options = { to: folder, isForced, isDryRun, signal, onProgress }
  const { written, removed, kept } = await checkoutFiles(rt.store, named, {
    ...options,
    ...(link && { link }),
  })
  return { to: folder, written, removed, kept }
}

async function moveRefs(
  store: Store,
  file: string,
  refs: readonly LockedRef[],
  actor: string,
): Promise<void> {
  const moving = refs.filter(({ moves }) => moves)
  if (moving.length === 0) return
  const moves = await Promise.all(
    moving.map(async ({ name, digest }) => ({
      name,
      from: (await store.meta.ref(name))?.digest ?? null,
      to: digest,
    })),
  )
  const result = await store.meta.commit({
    moves,
    event: {
      type: 'data.checked-out',
      subject: moving.length === 1 ? moving[0]!.name.replace(/@[^@]*$/, '') : subjects.store,
      actor,
      reason: `${moving.map(({ name }) => name).join(', ')} as ${file} pins it`,
      data: {
        file,
        refs: moving.map(({ name, from, digest, state }) => ({ name, from, to: digest, state })),
      },
    },
  })
  if (!result.ok) throw new MillraceError('MR_LOCK_MOVED', { file, name: result.conflict.name })
}
