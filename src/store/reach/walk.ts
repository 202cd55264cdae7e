import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Objects } from '../ports.ts'
import { crawl } from './crawl.ts'
import { type Edges, edgesOf } from './edges.ts'
import type { StandIns } from './stand-ins.ts'

export interface WalkOptions {
  /** Objects that are not entered, whoever names them. */
  skip?: (digest: Digest) => boolean
  /** Versions that are not entered through `parents` of a later one. */
  skipParent?: (digest: Digest) => boolean
  /** What is reached through objects that are not there any more. */
  standIns?: StandIns
  signal?: AbortSignal
  onReached?: (count: number) => void
  onRecord?: (digest: Digest, kind: string) => void
}

export interface Walked {
  reached: Set<Digest>
  /** What is named and not there, with who names it; null for a root. */
  missing: Map<Digest, Digest | null>
  /** Records that are damaged: what they name is not known. */
  corrupt: Map<Digest, Digest | null>
  /** What is named and not there, while something stands in for it. */
  replaced: Set<Digest>
}

const nothingWalked = (): Walked => ({
  reached: new Set(),
  missing: new Map(),
  corrupt: new Map(),
  replaced: new Set(),
})

/**
 * Everything that is reached from some objects over the digests in records. Goes into `into` and passes over what is in it already. Absent and damaged objects are
 * values. Cost: one read of every record reached, one byte of every other object; memory for the digests.
 */
export async function walk(
  objects: Objects,
  roots: Iterable<Digest>,
  options: WalkOptions = {},
  into: Walked = nothingWalked(),
): Promise<Walked> {
  const { skip = () => false, signal, onReached, onRecord } = options
  await crawl(
    [...roots].filter((root) => !skip(root)),
    STORE_LIMITS.objectReadsAtOnce,
    async (digest, by) => {
      if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'following what refers to what' })
      if (into.reached.has(digest) || into.missing.has(digest) || into.replaced.has(digest)) return []
      const edges = await edgesHere(objects, { digest, by }, into, options.standIns)
      onReached?.(into.reached.size)
      if (edges === undefined) return []
      onRecord?.(digest, edges.kind)
      return entered(edges, options)
    },
  )
  return into
}

/** What is entered of what a record names. */
export function entered(
  { parents, others }: Edges,
  { skip = () => false, skipParent = () => false }: Pick<WalkOptions, 'skip' | 'skipParent'>,
): Digest[] {
  return [...parents.filter((parent) => !skipParent(parent)), ...others].filter((digest) => !skip(digest))
}

async function edgesHere(
  objects: Objects,
  { digest, by }: { digest: Digest; by: Digest | null },
  into: Walked,
  standIns: StandIns | undefined,
): Promise<Edges | undefined> {
  try {
    const edges = await edgesOf(objects, digest)
    into.reached.add(digest)
    return edges
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_OBJECT_MISSING')) return missingEdges(digest, by, into, standIns)
    if (isMillraceError(thrown, 'MR_OBJECT_CORRUPT')) {
      into.reached.add(digest)
      into.corrupt.set(digest, by)
    } else throw thrown
  }
}

function missingEdges(
  digest: Digest,
  by: Digest | null,
  { missing, replaced }: Walked,
  standIns: StandIns | undefined,
): Edges | undefined {
  const others = standIns?.get(digest)
  if (others === undefined) {
    missing.set(digest, by)
    return undefined
  }
  replaced.add(digest)
  return { kind: '', parents: [], others: [...others] }
}
