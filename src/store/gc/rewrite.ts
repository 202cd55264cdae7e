/** Objects of which little is needed are written anew, as far as they are needed, and go. What they are is for a `Rewriter` to know. */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { refs, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { RefMove, Store, Sweep } from '../ports.ts'
import type { StandIns } from '../reach/stand-ins.ts'
import type { Walked } from '../reach/walk.ts'
import type { Roots } from './roots.ts'

export interface RewriteItem {
  digest: Digest
  bytes: number
  /** Bytes of it, as they are stored, that are needed. */
  bytesNeeded: number
}

/** Knows objects that are made of parts, of which some may not be needed any more. */
export interface Rewriter {
  /** Kinds of the records that say which parts are needed. */
  kinds: ReadonlySet<string>
  /** Finds objects worth writing anew. Changes nothing. */
  plan(store: Store, request: RewriteRequest): Promise<Rewriting>
}

export interface RewriteRequest {
  /** All records of these kinds that are reached. */
  records: ReadonlySet<Digest>
  standIns: StandIns
  /** Sizes of objects that are reached and were last put before the grace period: no others may be written anew. */
  old: ReadonlyMap<Digest, number>
  signal?: AbortSignal
}

export interface Rewriting {
  /** Those first of which most goes. */
  items: RewriteItem[]
  /** How many of them are written at once: as many as are needed little enough to become one object. */
  batches(): RewriteItem[][]
  /** Stores what is needed of these, durably. One that cannot be read whole has no pair, and stays. */
  write(items: readonly RewriteItem[]): Promise<{ pairs: StandInPair[]; bytesWritten: number }>
  /** Those of the last that were written of which these records need more. Does not touch the objects themselves. */
  needMore(records: Iterable<Digest>): Promise<Set<Digest>>
}

export interface StandInPair {
  gone: Digest
  by: Digest
}

export interface Rewritten {
  objects: number
  bytesFreed: number
  bytesWritten: number
}

export const nothingRewritten = (): Rewritten => ({ objects: 0, bytesFreed: 0, bytesWritten: 0 })

/** What a collection found. */
interface Found {
  before: number
  roots: Roots
  walked: Walked
  records: ReadonlySet<Digest>
  rewriting?: Rewriting
}

interface RewriteOptions {
  actor: string
  reason: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
  /** Adds to the plan what is reached now and was not before. */
  reachMore: () => Promise<void>
}

/**
 * Writes what a plan says anew, as much at a time as makes one object. A batch is durable, and named by refs, before an object of it is set aside; what came meanwhile
 * and needs more of that one brings it back. After `kill -9` at any point both are there, or the new ones alone; the next collection goes on.
 *
 * Errors: MR_CANCELLED, MR_NO_SPACE, those of reading records. Nothing where another collection began meanwhile.
 */
export async function rewriteAll(store: Store, plan: Found, options: RewriteOptions): Promise<Rewritten> {
  const sum = nothingRewritten()
  const { signal, onProgress } = options
  const { rewriting } = plan
  if (rewriting === undefined) return sum
  const batches = rewriting.batches()
  for (const [i, batch] of batches.entries()) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'garbage collection' })
    onProgress?.(
      0.9 + (0.1 * i) / batches.length,
      `${sum.objects} of ${rewriting.items.length} packs written anew`,
    )
    const sweep = await begun(store)
    if (sweep === undefined) return sum
    try {
      const done = await rewriteBatch(store, sweep, batch, plan, options)
      await sweep.finish()
      sum.objects += done.objects
      sum.bytesFreed += done.bytesFreed
      sum.bytesWritten += done.bytesWritten
    } catch (thrown) {
      await sweep.abandon()
      throw thrown
    }
  }
  return sum
}

async function begun(store: Store): Promise<Sweep | undefined> {
  try {
    return await store.objects.sweep()
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_GC_RUNNING')) return undefined
    throw thrown
  }
}

async function rewriteBatch(
  store: Store,
  sweep: Sweep,
  batch: readonly RewriteItem[],
  plan: Found,
  options: RewriteOptions,
): Promise<Rewritten> {
  const rewriting = plan.rewriting!
  const { pairs, bytesWritten } = await rewriting.write(batch)
  const written = new Set(pairs.map(({ gone }) => gone))
  const done = { objects: 0, bytesFreed: 0, bytesWritten }
  if (!(await namePairs(store, pairs, plan, options))) return done
  const aside: RewriteItem[] = []
  for (const item of batch)
    if (written.has(item.digest) && (await sweep.setAside(item.digest, plan.before))) aside.push(item)
  const known = new Set(plan.records)
  await options.reachMore()
  const more = await rewriting.needMore([...plan.records].filter((digest) => !known.has(digest)))
  for (const { digest, bytes } of aside) {
    if (more.has(digest)) {
      await sweep.putBack(digest)
      continue
    }
    done.objects++
    done.bytesFreed += bytes
  }
  return done
}

/** Says what stands in for what, and that nothing else does: the objects are still there. False where somebody said otherwise meanwhile. */
async function namePairs(
  store: Store,
  pairs: readonly StandInPair[],
  { roots }: Found,
  { actor, reason }: RewriteOptions,
): Promise<boolean> {
  const gone = new Set(pairs.map((pair) => pair.gone))
  if (gone.size === 0) return false
  const names = new Set(pairs.map((pair) => refs.standIn(pair.gone, pair.by)))
  const stale = roots.pairs
    .filter(({ name }) => !names.has(name) && gone.has(refs.standInFor(name)))
    .map(({ name, digest, seq }): RefMove => ({ name, from: digest, seq, to: null }))
  const data = { objects: gone.size }
  const event = { type: 'store.rewritten', subject: subjects.store, actor, reason, data }
  const named = pairs.map((pair): RefMove => ({ name: refs.standIn(pair.gone, pair.by), to: pair.by }))
  const { ok } = await store.meta.commit({ moves: [...named, ...stale], event })
  return ok
}

/** Takes away pairs that say nothing any more: what stood in is gone too, and nothing that is reached needs it. */
export async function dropStalePairs(
  store: Store,
  { roots, walked }: Found,
  { actor, reason }: { actor: string; reason: string },
): Promise<void> {
  const moves: RefMove[] = []
  for (const { name, digest, seq } of roots.pairs)
    if (!walked.replaced.has(refs.standInFor(name)) && !(await store.objects.has(digest)))
      moves.push({ name, from: digest, seq, to: null })
  if (moves.length === 0) return
  // A pair that came again meanwhile is left to the next collection, with the others.
  const data = { standIns: moves.length }
  await store.meta.commit({
    moves,
    event: { type: 'store.rewritten', subject: subjects.store, actor, reason, data },
  })
}
