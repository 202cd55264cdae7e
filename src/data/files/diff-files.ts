/** What two versions of a set of files differ in. */
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { type FileEntry, isSameEntry } from './entry.ts'
import { byPath } from './paths.ts'
import { leavesOf, readLeaves } from './tree.ts'
import type { NamedFiles } from './versions.ts'

export interface FilesDiff {
  from: Digest
  to: Digest
  added: FileEntry[]
  removed: FileEntry[]
  changed: { before: FileEntry; after: FileEntry }[]
  /** Removed here and added there with the same bytes. */
  moved: { before: FileEntry; after: FileEntry }[]
  /** Paths that are the same in both. */
  same: number
}

/** Compares two versions. Cost: reads the nodes of their trees that are not shared; no file is read. */
export async function diffFiles(store: Store, a: NamedFiles, b: NamedFiles): Promise<FilesDiff> {
  const [left, right] = await Promise.all([a, b].map(({ version }) => leavesOf(store, version.tree)))
  const [inLeft, inRight] = [left, right].map((leaves) => new Set(leaves.map(({ digest }) => digest)))
  const before = await readLeaves(
    store,
    left.filter(({ digest }) => !inRight.has(digest)),
  )
  const after = await readLeaves(
    store,
    right.filter(({ digest }) => !inLeft.has(digest)),
  )
  const shared = left.filter(({ digest }) => inRight.has(digest)).reduce((n, { files }) => n + files, 0)
  return { from: a.digest, to: b.digest, ...compare(before, after, shared) }
}

function compare(
  before: readonly FileEntry[],
  after: readonly FileEntry[],
  shared: number,
): Omit<FilesDiff, 'from' | 'to'> {
  const old = new Map(before.map((entry) => [entry.path, entry]))
  const changed: FilesDiff['changed'] = []
  const fresh: FileEntry[] = []
  let same = shared
  for (const entry of after) {
    const was = old.get(entry.path)
    old.delete(entry.path)
    if (!was) fresh.push(entry)
    else if (isSameEntry(was, entry)) same++
    else changed.push({ before: was, after: entry })
  }
  return { ...withMoves([...old.values()], fresh), changed, same }
}

function withMoves(
  gone: readonly FileEntry[],
  fresh: readonly FileEntry[],
): Pick<FilesDiff, 'added' | 'removed' | 'moved'> {
  const byDigest = new Map<string, FileEntry[]>()
  for (const entry of gone)
    if (entry.bytes > 0) byDigest.set(entry.digest, [...(byDigest.get(entry.digest) ?? []), entry])
  const moved: FilesDiff['moved'] = []
  const added = fresh.filter((entry) => {
    const before = byDigest.get(entry.digest)?.shift()
    if (before) moved.push({ before, after: entry })
    return before === undefined
  })
  const went = new Set(moved.map(({ before }) => before))
  return { added, removed: gone.filter((entry) => !went.has(entry)).toSorted(byPath), moved }
}
