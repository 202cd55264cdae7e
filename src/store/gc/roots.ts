import { isDigest } from '../../core/digest.ts'
import { RUNS, SEEN, STAND_INS, VERSIONED } from '../../core/names.ts'
import type { Digest, JournalEvent } from '../../core/records.ts'
import type { Ref, Store } from '../ports.ts'
import { digestsIn } from '../reach/edges.ts'
import { type StandIns, standInsIn } from '../reach/stand-ins.ts'

/** Events that say which versions, or sources of them, are absent by intention. */
export const GONE_EVENTS = ['history.cut', 'remote.pulled', 'data.imported']

/** What keeps objects: names, what happened, and work that is waited for. */
export interface Roots {
  /** All but those of runs, of what remotes hold and of stand-ins. */
  refs: Ref[]
  runs: Ref[]
  /** Through objects that were removed these are reached, and the refs that say so. */
  standIns: StandIns
  pairs: Ref[]
  /** Named by the journal or by a job that is not done. */
  named: Set<Digest>
  /** Versions that are absent by intention: history was cut before them, here or where they were pulled from. */
  gone: Set<Digest>
  /** Version → the spec of the run that made it. */
  madeBy: Map<Digest, Digest>
  /** Last event that was read. */
  seq: number
}

/** Reads the roots of a store; with `after` only events after that one. Cost: one read of the journal. */
export async function rootsOf(store: Store, after = 0): Promise<Roots> {
  const roots: Roots = {
    refs: [],
    runs: [],
    standIns: new Map(),
    pairs: [],
    named: new Set(),
    gone: new Set(),
    madeBy: new Map(),
    seq: after,
  }
  for await (const event of eventsAfter(store, after)) addEvent(roots, event)
  for (const job of await unfinished(store)) roots.named.add(job)
  const all = await store.meta.refs('')
  roots.standIns = standInsIn(all)
  for (const ref of all) {
    if (ref.name.startsWith(STAND_INS)) roots.pairs.push(ref)
    else if (ref.name.startsWith(SEEN)) roots.named.add(ref.digest)
    else (ref.name.startsWith(RUNS) ? roots.runs : roots.refs).push(ref)
  }
  return roots
}

/** The versions that a store is without by intention. */
export async function goneOf(store: Pick<Store, 'meta'>): Promise<Set<Digest>> {
  const gone = new Set<Digest>()
  for await (const event of eventsAfter(store, 0, GONE_EVENTS))
    for (const digest of goneIn(event)) gone.add(digest)
  return gone
}

/** The versions before each version that history was cut at, so that a lineage can be followed through those that are gone. */
export async function lineageOfGone(store: Pick<Store, 'meta'>): Promise<Map<Digest, Digest[]>> {
  const lineage = new Map<Digest, Digest[]>()
  for await (const { data } of eventsAfter(store, 0, ['history.cut']))
    for (const [digest, parents] of Object.entries(
      (data as { lineage?: Record<Digest, Digest[]> }).lineage ?? {},
    ))
      lineage.set(digest as Digest, parents)
  return lineage
}

async function* eventsAfter(
  { meta }: Pick<Store, 'meta'>,
  after: number,
  types?: string[],
): AsyncIterable<JournalEvent> {
  for (;;) {
    const page = await meta.events({ after, types })
    yield* page
    const last = page.at(-1)
    if (!last) return
    after = last.seq
  }
}

function addEvent(roots: Roots, event: JournalEvent): void {
  roots.seq = event.seq
  const gone = new Set(goneIn(event))
  for (const digest of gone) roots.gone.add(digest)
  for (const digest of digestsIn(event.data)) if (!gone.has(digest)) roots.named.add(digest)
  const { version, run } = (event.data ?? {}) as { version?: unknown; run?: unknown }
  if (typeof version === 'string' && isDigest(version) && typeof run === 'string' && isDigest(run))
    roots.madeBy.set(version, run)
}

function goneIn({ type, data }: JournalEvent): Digest[] {
  return GONE_EVENTS.includes(type) ? digestsIn((data as { gone?: unknown }).gone ?? []) : []
}

async function unfinished({ meta }: Pick<Store, 'meta'>): Promise<Digest[]> {
  const states = ['queued', 'leased', 'failed'] as const
  const jobs = await Promise.all(states.map((state) => meta.jobs.list({ state, limit: 1_000_000 })))
  return jobs.flat().map(({ id }) => id)
}

/** Whether a ref is a branch of something that has versions. */
export const isVersioned = ({ name }: Pick<Ref, 'name'>): boolean =>
  VERSIONED.some((prefix) => name.startsWith(prefix))
