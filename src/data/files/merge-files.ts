/** A branch of a set of files merged into another one, by path. */
import type { Json } from '../../core/canonical.ts'
import { shortDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { MAIN, refs, subjects } from '../../core/names.ts'
import type { Digest, FileSetVersion } from '../../core/records.ts'
import { fault } from '../../store/disk/fault.ts'
import type { Store } from '../../store/ports.ts'
import { commonVersion } from '../merge-base.ts'
import { settlePlace } from './chunk-list.ts'
import { ContentHash } from './content-hash.ts'
import { type FileEntry, MODE } from './entry.ts'
import { openIndex } from './known-chunks.ts'
import { FILE_LIMITS } from './limits.ts'
import {
  type FileSide,
  type MergedPaths,
  mergePaths,
  type PathConflict,
  type PathConflictKind,
} from './merge-paths.ts'
import type { NodeObjects } from './node-objects.ts'
import { PackWriter } from './pack-writer.ts'
import { Packs } from './packs.ts'
import { storeFile } from './read-file.ts'
import { statOf } from './stat.ts'
import { type LeafRef, leavesOf, putNodes, readLeaf, readLeaves, TreeBuilder } from './tree.ts'
import { getFileSet, type NamedFiles, requireBranch } from './versions.ts'
import { statAt } from './walk.ts'

/** How one path is decided by hand: by a side, or by a local file. */
export type FilePick = { path: string; take: FileSide } | { path: string; file: string }

export interface MergeFilesRequest {
  set: string
  /** Branch that is merged. */
  branch: string
  /** Branch that takes it. Default: `main`. */
  into?: string
  /** Side that decides conflicts which are not picked. */
  rest?: FileSide | undefined
  picks?: readonly FilePick[]
  /** The branch stays. Default: it ends. */
  keep?: boolean
  reason: string
  actor: string
  /** Says what would come of it, and moves nothing. */
  dryRun?: boolean
  signal?: AbortSignal
}

export interface MergeFilesResult {
  done: boolean
  dryRun: boolean
  /** What the branch that takes the other one holds, or would hold, afterwards; as before where something is open. */
  version: Digest
  /** Version that both came from; null where they have none in common. */
  base: Digest | null
  /** `nothing`: all of the branch is there already. `forward`: only the branch has moved. */
  how: 'nothing' | 'forward' | 'merged' | 'open'
  taken: MergedPaths['taken']
  decided: number
  open: { path: string; kind: PathConflictKind }[]
}

const NONE = { taken: { added: 0, changed: 0, removed: 0 }, decided: 0, open: [] }

/**
 * Merges a branch, path by path, and moves the branch that takes it by compare-and-set, in one commit with the end of the other. Nothing moves while a conflict is
 * open: those are in the answer.
 *
 * Errors: MR_FILES_VERSION, MR_DATA_MERGE_CUT, MR_FILES_PICK, MR_FILES_MOVED when either branch moved meanwhile, those of `storeFile`.
 * Cost: the nodes of the three trees that not all of them share; of files only those that are given by hand are read.
 */
export async function mergeFiles(store: Store, request: MergeFilesRequest): Promise<MergeFilesResult> {
  const { set, branch, into = MAIN, dryRun = false } = request
  const [ours, theirs] = [await requireBranch(store, set, into), await requireBranch(store, set, branch)]
  const base = await commonVersion(store, ours.digest, theirs.digest, (digest) => getFileSet(store, digest))
  const state = { dryRun, version: ours.digest, base: base ?? null, ...NONE }
  if (base === theirs.digest) return { ...state, done: false, how: 'nothing' }
  if (base === ours.digest) {
    if (!dryRun) await record(store, request, { ours, theirs, to: theirs.digest, facts: {} })
    return { ...state, done: !dryRun, how: 'forward', version: theirs.digest }
  }
  const packs = new Packs(store)
  try {
    return await mergeApart(store, packs, request, { ours, theirs, state })
  } finally {
    packs.close()
  }
}

async function mergeApart(
  store: Store,
  packs: Packs,
  request: MergeFilesRequest,
  { ours, theirs, state }: Sides & { state: Omit<MergeFilesResult, 'done' | 'how'> },
): Promise<MergeFilesResult> {
  const { dryRun, base } = state
  const trees = await threeTrees(store, base, { ours, theirs })
  const { picks, bytesStored } = await picksOf(store, packs, request)
  const merged = mergePaths(trees.apart, { rest: request.rest, picks })
  refuseStray(request.picks ?? [], trees.apart)
  const { taken, decided } = merged
  const found = { ...state, taken, decided, open: merged.open.map(plainConflict) }
  if (merged.open.length > 0) return { ...found, done: false, how: 'open' }
  const nodes: NodeObjects = new Map()
  const made = await treeOf(store, nodes, trees.shared, merged.entries)
  if (dryRun) return { ...found, done: false, how: 'merged' }
  const version: FileSetVersion = {
    kind: 'FileSetVersion',
    set: request.set,
    parents: [ours.digest, theirs.digest],
    ...made,
    shape: ours.version.shape,
    bytesStored: bytesStored + (await putNodes(store, nodes)),
    createdAt: Date.now(),
    message: request.reason,
  }
  const to = await store.putRecord(version)
  await record(store, request, { ours, theirs, to, facts: { base, taken: { ...taken }, decided } })
  return { ...found, done: true, how: 'merged', version: to }
}

interface Sides {
  ours: NamedFiles
  theirs: NamedFiles
}

const plainConflict = ({ path, kind }: PathConflict) => ({ path, kind })

/** Leaves that all three have, and the entries of the others. */
async function threeTrees(store: Store, base: Digest | null, { ours, theirs }: Sides) {
  const roots = [base === null ? undefined : await getFileSet(store, base), ours.version, theirs.version]
  const leaves = await Promise.all(roots.map((version) => (version ? leavesOf(store, version.tree) : [])))
  const digests = leaves.map((list) => new Set(list.map(({ digest }) => digest)))
  const isShared = ({ digest }: LeafRef) => digests.every((set) => set.has(digest))
  const entries = await Promise.all(
    leaves.map((list) =>
      readLeaves(
        store,
        list.filter((leaf) => !isShared(leaf)),
      ),
    ),
  )
  return {
    shared: leaves[1].filter(isShared),
    apart: { base: entries[0], ours: entries[1], theirs: entries[2] },
  }
}

/** The tree of entries and of leaves that stay; a leaf that stays has no path of another between its own. */
async function treeOf(
  store: Store,
  nodes: NodeObjects,
  shared: readonly LeafRef[],
  entries: readonly FileEntry[],
): Promise<Pick<FileSetVersion, 'tree' | 'files' | 'bytes' | 'content'>> {
  const builder = new TreeBuilder(nodes, ({ digest }) => readLeaf(store, digest))
  const content = new ContentHash()
  let iLeaf = 0
  const keepUntil = async (path: string | undefined) => {
    for (; iLeaf < shared.length && (path === undefined || shared[iLeaf].first < path); iLeaf++) {
      await builder.keep(shared[iLeaf])
      for (const entry of await readLeaf(store, shared[iLeaf].digest)) content.add(entry)
    }
  }
  for (const entry of entries) {
    await keepUntil(entry.path)
    builder.add({ ...entry, place: settlePlace(entry.place, nodes) })
    content.add(entry)
  }
  await keepUntil(undefined)
  return { ...builder.finish(), content: content.digest() }
}

/** Decisions by path; files that are given are stored. A dry run stores them too, since what they hold names the result: what nothing reaches is collected later. */
async function picksOf(
  store: Store,
  packs: Packs,
  { picks = [], signal = new AbortController().signal }: MergeFilesRequest,
): Promise<{ picks: Map<string, FileSide | FileEntry>; bytesStored: number }> {
  const decided = new Map<string, FileSide | FileEntry>()
  const index = await openIndex(store, packs)
  const writer = new PackWriter(store, index, packs)
  try {
    for (const pick of picks)
      decided.set(pick.path, 'take' in pick ? pick.take : await byHand(pick, writer, signal))
    await writer.finish()
    return { picks: decided, bytesStored: writer.bytesStored }
  } finally {
    await writer.settle()
    index.close()
  }
}

async function byHand(
  { path, file }: { path: string; file: string },
  writer: PackWriter,
  signal: AbortSignal,
): Promise<FileEntry> {
  const stats = statAt(file)
  if (!stats?.isFile()) throw new MillraceError('MR_FILES_ABSENT', { path: file })
  const { digest, place, stat } = await storeFile(file, statOf(stats), {
    ...{ writer, signal, rule: FILE_LIMITS.chunk },
    onBytes: () => undefined,
  }).catch((thrown) => {
    throw fault(thrown, file, 'read')
  })
  const mode = (stats.mode & 0o111) === 0 ? MODE.file : MODE.executable
  return { path, mode, bytes: stat.bytes, digest, place }
}

/** A pick of a path that is no conflict is a mistake: its author means another. */
function refuseStray(picks: readonly FilePick[], apart: Parameters<typeof mergePaths>[0]): void {
  if (picks.length === 0) return
  const conflicts = new Set(mergePaths(apart).open.map(({ path }) => path))
  const stray = picks.find(({ path }) => !conflicts.has(path))
  if (stray === undefined) return
  const open = [...conflicts].slice(0, FILE_LIMITS.namedMax)
  throw new MillraceError('MR_FILES_PICK', { path: stray.path, open, more: conflicts.size - open.length })
}

async function record(
  store: Store,
  { set, branch, into = MAIN, keep = false, actor, reason }: MergeFilesRequest,
  { ours, theirs, to, facts }: Sides & { to: Digest; facts: Record<string, Json> },
): Promise<void> {
  const [target, source] = [refs.files(set, into), refs.files(set, branch)]
  const result = await store.meta.commit({
    moves: [
      { name: target, from: ours.digest, to },
      ...(keep ? [] : [{ name: source, from: theirs.digest, to: null }]),
    ],
    event: {
      type: 'files.merged',
      subject: subjects.files(set),
      actor,
      reason,
      data: { version: to, branch: into, merged: branch, from: theirs.digest, ended: !keep, ...facts },
    },
  })
  if (result.ok) return
  const { conflict } = result
  const isTarget = conflict.name === target
  throw new MillraceError('MR_FILES_MOVED', {
    name: set,
    branch: isTarget ? into : branch,
    expected: shortDigest(isTarget ? ours.digest : theirs.digest),
    holds: conflict.holds ? shortDigest(conflict.holds) : 'none',
  })
}
