import { MillraceError } from '../../core/errors.ts'
import { SEEN, STAND_INS } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import { mapAtOnce } from '../disk/disk.ts'
import { goneOf } from '../gc/roots.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Store } from '../ports.ts'
import { standInsOf } from './stand-ins.ts'
import { walk } from './walk.ts'

export interface BadObject {
  digest: Digest
  state: 'missing' | 'corrupt'
  /** Record that names it; null where a ref does. */
  by: Digest | null
}

export interface StoreVerification {
  /** Objects that were hashed again, and their bytes. */
  objects: number
  bytes: number
  bad: BadObject[]
  /** First event that does not fit the chain of the journal; null when it is whole. */
  journalBrokenAt: number | null
}

export interface VerifyOptions {
  /** Only what these objects reach. Default: what all refs reach. */
  roots?: readonly Digest[]
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/**
 * Hashes everything again that refs reach, several objects at a time, and names what is missing or has other bytes than its digest says. Versions that history was cut
 * before are no loss. What a damaged record names is not known until it is repaired. Cost: one read of all bytes.
 */
export async function verifyStore(store: Store, options: VerifyOptions = {}): Promise<StoreVerification> {
  const { signal, onProgress } = options
  onProgress?.(0, 'following what refers to what')
  const gone = await goneOf(store)
  const walked = await walk(store.objects, options.roots ?? (await rootsOf(store)), {
    signal,
    standIns: await standInsOf(store),
    skipParent: (digest) => gone.has(digest),
  })
  const bad: BadObject[] = [...walked.missing]
    .filter(([digest]) => !gone.has(digest))
    .map(([digest, by]) => ({ digest, by, state: 'missing' }))
  for (const [digest, by] of walked.corrupt) bad.push({ digest, by, state: 'corrupt' })
  const sizes = await sizesOf(store, walked.reached)
  const all = [...sizes.values()].reduce((sum, each) => sum + each, 0)
  let bytes = 0
  await mapAtOnce([...walked.reached], STORE_LIMITS.verifiesAtOnce, async (digest) => {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the verification' })
    const state = walked.corrupt.has(digest) ? 'ok' : await store.objects.verify(digest)
    if (state !== 'ok') bad.push({ digest, state, by: null })
    bytes += sizes.get(digest) ?? 0
    onProgress?.(
      bytes / Math.max(1, all),
      `${bad.length === 0 ? 'all whole so far' : `${bad.length} damaged`}`,
    )
  })
  const journalBrokenAt = (await store.meta.verifyJournal()) ?? null
  return {
    objects: walked.reached.size,
    bytes,
    bad: bad.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    journalBrokenAt,
  }
}

async function rootsOf(store: Store): Promise<Digest[]> {
  const refs = await store.meta.refs('')
  const isRoot = ({ name }: { name: string }) => !name.startsWith(SEEN) && !name.startsWith(STAND_INS)
  return refs.filter(isRoot).map(({ digest }) => digest)
}

async function sizesOf(store: Store, wanted: ReadonlySet<Digest>): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>()
  for await (const { digest, bytes } of store.objects.list()) if (wanted.has(digest)) sizes.set(digest, bytes)
  return sizes
}
