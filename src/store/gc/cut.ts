import { isMillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import { mapAtOnce } from '../disk/disk.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Objects, Ref, RefMove, Store } from '../ports.ts'
import { type Edges, edgesOf } from '../reach/edges.ts'
import { type Walked, walk } from '../reach/walk.ts'
import { isVersioned, type Roots } from './roots.ts'

/** Which old versions of datasets and sets of files need not be kept. Default: all are kept. */
export interface HistoryPolicy {
  /** The newest so many of each branch are kept. */
  keepVersions?: number
  /** Versions made at this instant or later are kept. */
  olderThan?: number
  /** Only of these, such as `flights`. Default: all. */
  only?: readonly string[]
}

export interface CutVersion {
  digest: Digest
  createdAt: number
  /** Versions before it: what deliveries are part of a branch is known by them when it is gone. */
  parents: Digest[]
}

export interface Cut {
  versions: CutVersion[]
  /** Refs of runs that worked on nothing else. */
  runs: RefMove[]
}

const isCutting = ({ keepVersions, olderThan }: HistoryPolicy): boolean =>
  keepVersions !== undefined || olderThan !== undefined

/**
 * The versions that a policy lets go. Heads of branches, tags, legal holds, and whatever a model or release that has a name was made of, are kept in any case: a
 * candidate that is reached from any ref otherwise than as an ancestor stays.
 */
export async function planCut(store: Store, roots: Roots, policy: HistoryPolicy): Promise<Cut> {
  if (!isCutting(policy)) return { versions: [], runs: [] }
  const candidates = await candidatesOf(store.objects, roots, policy)
  const kept = await walk(
    store.objects,
    roots.refs.map(({ digest }) => digest),
    { skipParent: (digest) => candidates.has(digest) || roots.gone.has(digest) },
  )
  const versions = [...candidates].filter(([digest]) => !kept.reached.has(digest))
  const gone = new Set(versions.map(([digest]) => digest))
  const described = await mapAtOnce(
    versions,
    STORE_LIMITS.objectReadsAtOnce,
    async ([digest, createdAt]) => ({
      digest,
      createdAt,
      parents: (await edgesOrNone(store.objects, digest))?.parents ?? [],
    }),
  )
  return {
    versions: described.toSorted((a, b) => a.createdAt - b.createdAt),
    runs: gone.size === 0 ? [] : await staleRuns(store.objects, roots, gone, kept),
  }
}

/** Versions with when they were made, as far as the policy has no wish for them. */
async function candidatesOf(
  objects: Objects,
  roots: Roots,
  { keepVersions = 1, olderThan = Number.POSITIVE_INFINITY, only }: HistoryPolicy,
): Promise<Map<Digest, number>> {
  const heads = roots.refs.filter((ref) => isVersioned(ref))
  const known = new Map<Digest, number>()
  const kept = new Set<Digest>()
  for (const ref of heads) {
    const isMeant = only === undefined || only.some((name) => ref.name.split(/[/@]/)[1] === name)
    for await (const { digest, depth, createdAt } of lineage(objects, ref.digest)) {
      if (!isMeant || depth < keepVersions || createdAt >= olderThan) kept.add(digest)
      else known.set(digest, createdAt)
    }
  }
  if (only === undefined)
    for (const digest of roots.madeBy.keys()) {
      const edges = await edgesOrNone(objects, digest)
      if (edges?.createdAt !== undefined && edges.createdAt < olderThan && !kept.has(digest))
        known.set(digest, edges.createdAt)
    }
  for (const digest of kept) known.delete(digest)
  return known
}

/** A version and all before it, with how many steps they are before it. */
async function* lineage(
  objects: Objects,
  head: Digest,
): AsyncIterable<{ digest: Digest; depth: number; createdAt: number }> {
  const seen = new Set<Digest>()
  for (let [level, depth] = [[head], 0]; level.length > 0; depth++) {
    const next: Digest[] = []
    for (const digest of level) {
      if (seen.has(digest)) continue
      seen.add(digest)
      const edges = await edgesOrNone(objects, digest)
      if (edges === undefined) continue
      yield { digest, depth, createdAt: edges.createdAt ?? Number.POSITIVE_INFINITY }
      next.push(...edges.parents)
    }
    level = next
  }
}

async function edgesOrNone(objects: Objects, digest: Digest): Promise<Edges | undefined> {
  try {
    return await edgesOf(objects, digest)
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_OBJECT_MISSING')) return undefined
    throw thrown
  }
}

/**
 * Refs of runs that made a version which goes, that name one, or that worked on what such a run gave, and that neither a kept record names nor made a version that is
 * kept. What they gave goes with them; should it be asked for again, it is run again.
 */
async function staleRuns(objects: Objects, roots: Roots, cut: Set<Digest>, kept: Walked): Promise<RefMove[]> {
  const gone = new Set(cut)
  for (const version of cut) {
    const spec = roots.madeBy.get(version)
    if (spec && !kept.reached.has(spec)) gone.add(spec)
  }
  const madeKept = new Set(
    [...roots.madeBy].flatMap(([version, spec]) => (cut.has(version) ? [] : [refs.run(spec)])),
  )
  const others = roots.runs.filter(({ name }) => !madeKept.has(name))
  let left = await mapAtOnce(others, STORE_LIMITS.objectReadsAtOnce, async (ref) => ({
    ref,
    ...(await namesOfRun(objects, ref)),
  }))
  const stale: Ref[] = []
  for (let found = true; found; ) {
    const going = left.filter(
      ({ names, ref }) => !kept.reached.has(ref.digest) && names.some((name) => gone.has(name)),
    )
    found = going.length > 0
    left = left.filter((run) => !going.includes(run))
    for (const { ref, gave } of going) {
      stale.push(ref)
      for (const digest of gave) if (!kept.reached.has(digest)) gone.add(digest)
    }
  }
  return stale.map(({ name, digest }) => ({ name, from: digest, to: null }))
}

async function namesOfRun(objects: Objects, { digest }: Ref): Promise<{ names: Digest[]; gave: Digest[] }> {
  const record = await edgesOrNone(objects, digest)
  const specs = await Promise.all((record?.others ?? []).map((name) => specOf(objects, name)))
  const spec = specs.find((each) => each !== undefined)
  const inputs = spec?.inputs ?? []
  return {
    names: [...inputs, ...(spec ? [spec.digest] : [])],
    gave: (record?.others ?? []).filter((name) => name !== spec?.digest),
  }
}

async function specOf(
  objects: Objects,
  digest: Digest,
): Promise<{ digest: Digest; inputs: Digest[] } | undefined> {
  const edges = await edgesOrNone(objects, digest)
  return edges?.kind === 'RunSpec' ? { digest, inputs: edges.others } : undefined
}
