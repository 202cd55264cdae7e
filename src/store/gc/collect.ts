import { MillraceError } from '../../core/errors.ts'
import { subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { Store, Sweep } from '../ports.ts'
import { type Walked, type WalkOptions, walk } from '../reach/walk.ts'
import { type Cut, type HistoryPolicy, planCut } from './cut.ts'
import {
  dropStalePairs,
  nothingRewritten,
  type Rewriter,
  type Rewriting,
  type Rewritten,
  rewriteAll,
} from './rewrite.ts'
import { type Roots, rootsOf } from './roots.ts'

/** How long an object that nothing reaches is kept after it was last put: longer than work between a put and its commit takes. */
export const GRACE_MS = 24 * 3_600_000

export interface GcOptions extends HistoryPolicy {
  /** Now by the clock of the file system, in epoch milliseconds. */
  now: number
  graceMs?: number
  /** Writes objects anew of which little is needed. Default: they stay while anything of them is. */
  rewriter?: Rewriter
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/** What a collection would do. */
export interface GcPlan {
  cut: Cut
  /** Objects that nothing reaches and that were last put before the grace period. */
  sweep: { digest: Digest; bytes: number }[]
  bytes: number
  kept: { objects: number; bytes: number }
  /** Objects that nothing reaches and that are younger than the grace period. */
  young: { objects: number; bytes: number }
  /** Objects put at this instant or later stay. */
  before: number
  roots: Roots
  walked: Walked
  /** Records of the rewriter's kinds that are reached. */
  records: Set<Digest>
  /** Objects of which little is needed; undefined without a rewriter. */
  rewriting?: Rewriting
}

export interface GcOutcome {
  removed: { objects: number; bytes: number }
  /** Set aside, and brought back because something that happened meanwhile needs them. */
  savedMeanwhile: number
  cut: Digest[]
  kept: { objects: number; bytes: number }
  young: { objects: number; bytes: number }
  /** Objects of which little was needed: bytes that went, and bytes that were written for what is left. */
  rewritten: Rewritten
}

/**
 * Finds what nothing needs: neither a ref of any kind, nor the journal, nor a job that is not done, over all records in between. With a policy of history, old versions
 * are let go too (`cut.ts`). Changes nothing.
 *
 * Errors: MR_GC_DAMAGED where a record cannot be read, since what it names is not known. Cost: one read of every record, one look at every other object.
 */
export async function planGc(store: Store, options: GcOptions): Promise<GcPlan> {
  const { now, graceMs = GRACE_MS, signal, onProgress } = options
  const before = now - graceMs
  onProgress?.(0, 'reading refs and journal')
  const roots = await rootsOf(store)
  const cut = await planCut(store, roots, options)
  const dropped = new Set(cut.runs.map(({ name }) => name))
  const gone = new Set([...roots.gone, ...cut.versions.map(({ digest }) => digest)])
  const staying = { ...roots, runs: roots.runs.filter(({ name }) => !dropped.has(name)), gone }
  const records = new Set<Digest>()
  const walked = await mark(store, staying, {
    signal,
    onReached: (n) => onProgress?.(0.2, `${n} objects reached`),
    onRecord: onRecordOf(options, records),
  })
  const plan: GcPlan = {
    ...{ cut, before, walked, records, roots: staying, sweep: [], bytes: 0 },
    kept: { objects: 0, bytes: 0 },
    young: { objects: 0, bytes: 0 },
  }
  const old = new Map<Digest, number>()
  for await (const object of store.objects.list()) {
    addObject(plan, object)
    if (walked.reached.has(object.digest) && object.putAt < before) old.set(object.digest, object.bytes)
  }
  const { standIns } = staying
  plan.rewriting = await options.rewriter?.plan(store, { records, standIns, old, signal })
  return plan
}

/** Notes records by which a rewriter tells what is needed. */
const onRecordOf =
  ({ rewriter }: GcOptions, records: Set<Digest>) =>
  (digest: Digest, kind: string): void => {
    if (rewriter?.kinds.has(kind)) records.add(digest)
  }

function addObject(
  plan: GcPlan,
  { digest, bytes, putAt }: { digest: Digest; bytes: number; putAt: number },
): void {
  const reached = plan.walked.reached.has(digest)
  if (!reached && putAt < plan.before) {
    plan.sweep.push({ digest, bytes })
    plan.bytes += bytes
    return
  }
  const count = reached ? plan.kept : plan.young
  count.objects++
  count.bytes += bytes
}

/** Marks in two steps: what has a name keeps all it was made of; what is merely remembered does not keep versions that history was cut before. */
async function mark(
  store: Store,
  { refs, runs, named, gone, standIns }: Roots,
  options: Pick<WalkOptions, 'signal' | 'onReached' | 'onRecord'>,
  into?: Walked,
): Promise<Walked> {
  const { objects } = store
  const held = await walk(
    objects,
    refs.map(({ digest }) => digest),
    { ...options, standIns, skipParent: (digest) => gone.has(digest) },
    into,
  )
  const isGone = (digest: Digest) => gone.has(digest) && !held.reached.has(digest)
  const remembered = [...runs.map(({ digest }) => digest), ...named]
  const all = await walk(objects, remembered, { ...options, standIns, skip: isGone }, held)
  const [damaged] = all.corrupt.keys()
  if (damaged) throw new MillraceError('MR_GC_DAMAGED', { digest: damaged })
  return all
}

const TRIES = 5

/**
 * Collects garbage: cuts history by a commit that says so, then sets aside what nothing needs, looks whether anything happened meanwhile that needs it after all, and
 * removes the rest. Then objects of which little is needed are written anew (`rewrite.ts`). May run beside writers, and be killed at any point: what is set aside is still read, and comes back when it is.
 *
 * Errors: MR_GC_RUNNING, MR_GC_DAMAGED, MR_CANCELLED (then all that was set aside is back).
 */
export async function collectGarbage(
  store: Store,
  options: GcOptions & { actor: string; reason: string },
): Promise<GcOutcome> {
  const sweep = await store.objects.sweep()
  let plan: GcPlan
  let outcome: GcOutcome
  try {
    plan = await planAndCut(store, options)
    outcome = await sweepOf(store, sweep, plan, options)
    await recordGc(store, outcome, options)
  } catch (thrown) {
    await sweep.abandon()
    throw thrown
  }
  const reachMore = async () => {
    await reachedMeanwhile(store, plan, options)
  }
  outcome.rewritten = await rewriteAll(store, plan, { ...options, reachMore })
  await dropStalePairs(store, plan, options)
  return outcome
}

/** The plan, with its cut committed. A ref of a run that moved meanwhile makes it plan again. */
async function planAndCut(
  store: Store,
  options: GcOptions & { actor: string; reason: string },
): Promise<GcPlan> {
  for (let tries = 1; ; tries++) {
    const plan = await planGc(store, options)
    const { versions, runs } = plan.cut
    if (versions.length === 0) return plan
    const gone = versions.map(({ digest }) => digest)
    const { keepVersions, olderThan, actor, reason } = options
    const policy = { keepVersions: keepVersions ?? null, olderThan: olderThan ?? null }
    const lineage = Object.fromEntries(versions.map(({ digest, parents }) => [digest, parents]))
    const data = { gone, lineage, runs: runs.length, policy }
    const event = { type: 'history.cut', subject: subjects.store, actor, reason, data }
    const { ok } = await store.meta.commit({ moves: runs, event })
    if (ok) return plan
    if (tries === TRIES) throw new MillraceError('MR_GC_MOVED', { tries })
  }
}

async function sweepOf(store: Store, sweep: Sweep, plan: GcPlan, options: GcOptions): Promise<GcOutcome> {
  const { signal, onProgress } = options
  const removed = { objects: 0, bytes: 0 }
  const aside: typeof plan.sweep = []
  for (const [i, object] of plan.sweep.entries()) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'garbage collection' })
    if (await sweep.setAside(object.digest, plan.before)) aside.push(object)
    if (i % 256 === 0)
      onProgress?.(0.3 + (0.6 * i) / plan.sweep.length, `${i} of ${plan.sweep.length} objects`)
  }
  const needed = await reachedMeanwhile(store, plan, options)
  for (const { digest, bytes } of aside) {
    if (needed.has(digest)) {
      await sweep.putBack(digest)
      continue
    }
    removed.objects++
    removed.bytes += bytes
  }
  await sweep.finish()
  const { kept, young, cut } = plan
  const gone = cut.versions.map(({ digest }) => digest)
  const savedMeanwhile = aside.length - removed.objects
  return { removed, savedMeanwhile, cut: gone, kept, young, rewritten: nothingRewritten() }
}

/** Marks again from what the refs hold now and what the journal gained, until nothing more comes. */
async function reachedMeanwhile(store: Store, plan: GcPlan, options: GcOptions): Promise<Set<Digest>> {
  const onRecord = onRecordOf(options, plan.records)
  const into = { ...plan.walked, missing: new Map() }
  for (let after = plan.roots.seq; ; ) {
    const roots = await rootsOf(store, after)
    await mark(store, { ...roots, gone: plan.roots.gone }, { onRecord }, into)
    const more = await store.meta.events({ after: roots.seq, limit: 1 })
    if (more.length === 0) return into.reached
    after = roots.seq
  }
}

async function recordGc(
  store: Store,
  { removed, savedMeanwhile, kept, cut }: GcOutcome,
  { actor, reason }: { actor: string; reason: string },
): Promise<void> {
  if (removed.objects === 0) return
  const data = { removed, savedMeanwhile, kept, versionsCut: cut.length }
  await store.meta.commit({
    event: { type: 'store.collected', subject: subjects.store, actor, reason, data },
  })
}
