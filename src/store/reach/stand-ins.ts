/**
 * Objects that were removed, and what has that part of them which is still needed: a pack of chunks of which most were garbage, and the packs that the rest was
 * written into. Each pair is a ref `stand-ins/<removed>@<by>`, so that any number of them hold side by side: who has the object itself needs none, who has not
 * needs all.
 */
import { refs as names, STAND_INS } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { Ref, Store } from '../ports.ts'

/** Removed object → what stands in for it. */
export type StandIns = ReadonlyMap<Digest, readonly Digest[]>

/** All pairs of a store. Cost: one read of its refs. */
export const standInsOf = async ({ meta }: Pick<Store, 'meta'>): Promise<StandIns> =>
  standInsIn(await meta.refs(STAND_INS))

/** What stands in for one object. */
export async function standInsFor({ meta }: Pick<Store, 'meta'>, gone: Digest): Promise<Digest[]> {
  const refs = await meta.refs(`${STAND_INS}${gone.slice('sha256:'.length)}@`)
  return refs.map(({ digest }) => digest)
}

/** The pairs among some refs, of a store or of a remote. */
export function standInsIn(refs: readonly Pick<Ref, 'name' | 'digest'>[]): StandIns {
  const found = new Map<Digest, Digest[]>()
  for (const { name, digest } of refs) {
    if (!name.startsWith(STAND_INS)) continue
    const gone = names.standInFor(name)
    const known = found.get(gone)
    if (known) known.push(digest)
    else found.set(gone, [digest])
  }
  return found
}
