/** Where two versions came from. */
import { shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import type { Store } from '../store/ports.ts'

const ANCESTORS_MAX = 100_000

/** What of a version says where it came from. */
export interface Descended {
  parents: readonly Digest[]
  createdAt: number
}

/**
 * The newest version that both came from; undefined when they have none in common. Where merges crossed there may be several, of which the newest is taken.
 * Errors: MR_DATA_MERGE_CUT where history was cut before it. Cost: one record for each version since.
 */
export async function commonVersion(
  store: Pick<Store, 'objects'>,
  a: Digest,
  b: Digest,
  get: (digest: Digest) => Promise<Descended>,
): Promise<Digest | undefined> {
  const reachedBy = new Map<Digest, Set<Digest>>()
  const open: { digest: Digest; version: Descended }[] = []
  let cut: Digest | undefined
  const reach = async (digest: Digest, sides: Iterable<Digest>) => {
    const known = reachedBy.get(digest) ?? new Set()
    const before = known.size
    for (const side of sides) known.add(side)
    reachedBy.set(digest, known)
    if (known.size === before) return
    if (await store.objects.has(digest)) open.push({ digest, version: await get(digest) })
    else cut = digest
  }
  await reach(a, [a])
  await reach(b, [b])
  for (let n = 0; open.length > 0 && n < ANCESTORS_MAX; n++) {
    open.sort((x, y) => x.version.createdAt - y.version.createdAt)
    const { digest, version } = open.pop()!
    const sides = reachedBy.get(digest)!
    if (sides.has(a) && sides.has(b)) return digest
    for (const parent of version.parents) await reach(parent, sides)
  }
  if (cut) throw new MillraceError('MR_DATA_MERGE_CUT', { version: shortDigest(cut) })
  return undefined
}
