/** Reading and moving the Release that serving follows. */
import type { Json } from '../core/canonical.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, JournalEvent, Release } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { liveRoute } from './machine.ts'

export interface CurrentRelease {
  digest: Digest
  release: Release
}

/** The Release of a model now, or undefined when it was never released. */
export async function currentRelease(store: Store, model: string): Promise<CurrentRelease | undefined> {
  const ref = await store.meta.ref(refs.live(model))
  return ref && { digest: ref.digest, release: await store.getRecord<Release>(ref.digest, 'Release') }
}

/**
 * The release that a rollback restores: the newest one before that sends traffic elsewhere. After a canary went back by itself, what is live now is what was
 * live before it, so going back again must reach further.
 */
export async function releaseBefore(store: Store, current: Release): Promise<Release | undefined> {
  const live = liveRoute(current)?.bundle
  let digest = current.previous
  while (digest) {
    const release = await store.getRecord<Release>(digest, 'Release')
    if (liveRoute(release)?.bundle !== live) return release
    digest = release.previous
  }
  return undefined
}

/** All releases of a model, newest first. */
export async function releaseHistory(
  store: Store,
  model: string,
  limit = 100,
): Promise<(CurrentRelease & { movedAt: number })[]> {
  const history = await store.meta.history(refs.live(model), limit)
  const out: (CurrentRelease & { movedAt: number })[] = []
  for (const { digest, movedAt } of history) {
    if (digest) out.push({ digest, movedAt, release: await store.getRecord<Release>(digest, 'Release') })
  }
  return out
}

/**
 * Moves serving to a release, by compare-and-set against the one it was planned on, and says why in the journal.
 * Returns undefined when somebody else moved it first; plan again then.
 */
export async function recordRelease(
  store: Store,
  release: Release,
  from: Digest | undefined,
  actor: string,
  data: { [key: string]: Json | undefined } = {},
): Promise<{ digest: Digest; event: JournalEvent } | undefined> {
  const digest = await store.putRecord(release)
  const result = await store.meta.commit({
    moves: [{ name: refs.live(release.model), from: from ?? null, to: digest }],
    event: {
      type: `release.${release.state}`,
      subject: subjects.model(release.model),
      actor,
      reason: release.reason,
      data: {
        ...data,
        at: release.at,
        step: release.step,
        routes: release.routes.map(({ version, role, weight }) => ({ version, role, weight })),
      },
    },
  })
  return result.ok ? { digest, event: result.event } : undefined
}
