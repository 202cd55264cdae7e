/** The paths of a version, in records that versions share as far as they are alike. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { decodeChunks, encodeChunks, PackNames } from './chunk-list.ts'
import { type FileEntry, MODE, type Place } from './entry.ts'
import { FILE_LIMITS } from './limits.ts'
import { cutList, hashText } from './lists.ts'
import { addNode, type NodeObjects, readNode } from './node-objects.ts'
import { refuseUnsafePath } from './paths.ts'

/**
 * One path: `/` and the path, mode, bytes, SHA-256 in hex, and where its bytes are: the place of a pack in `packs` (the file is one chunk), -1 (there are none),
 * chunks in base64 as in `FileChunks`, the digest of a `FileChunks` or `FileParts`, or `>` and the target of a link.
 */
export type FileRow = [path: string, mode: number, bytes: number, digest: string, at: number | string]

/** Paths of a version in order; nodes are cut by the hash of a path, so that what files hold moves no cut. */
export interface FileLeaf {
  kind: 'FileLeaf'
  packs: Digest[]
  rows: FileRow[]
}

/** Nodes in the order of their paths. */
export interface FileTree {
  kind: 'FileTree'
  nodes: [node: Digest, first: string, files: number, bytes: number][]
}

type Child = FileTree['nodes'][number]

/** A leaf as it was read. */
export interface KnownLeaf {
  digest: Digest
  entries: readonly FileEntry[]
}

/**
 * Nodes of a tree over entries that are ordered by path. Their lists of chunks are settled, their packs on disk. Leaves that hold the very entries of a known one,
 * by the path of its first, are that one.
 */
export function encodeTree(
  entries: readonly FileEntry[],
  nodes: NodeObjects,
  known: ReadonlyMap<string, KnownLeaf> = new Map(),
): Digest {
  const leaves = cutList(entries, ({ path }) => hashText(path), FILE_LIMITS.node)
  let level = (leaves.length > 0 ? leaves : [[]]).map((group) => leafOf(group, nodes, known))
  while (level.length > 1)
    level = cutList(level, ([, first]) => hashText(`${first}\n`), FILE_LIMITS.node).map((group) =>
      innerOf(group, nodes),
    )
  return level[0][0]
}

function leafOf(
  entries: readonly FileEntry[],
  nodes: NodeObjects,
  known: ReadonlyMap<string, KnownLeaf>,
): Child {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
  const first = entries[0]?.path ?? ''
  const before = known.get(first)
  const isSame = before?.entries.length === entries.length && entries.every((e, i) => e === before.entries[i])
  const digest = isSame ? before.digest : addLeaf(entries, nodes)
  return [digest, `/${first}`, entries.length, bytes]
}

function addLeaf(entries: readonly FileEntry[], nodes: NodeObjects): Digest {
  const packs = new PackNames()
  const rows = entries.map((entry): FileRow => rowOf(entry, packs))
  const leaf: FileLeaf = { kind: 'FileLeaf', packs: packs.names, rows }
  return addNode(nodes, leaf)
}

function innerOf(children: readonly Child[], nodes: NodeObjects): Child {
  const tree: FileTree = { kind: 'FileTree', nodes: [...children] }
  const [files, bytes] = [2, 3].map((i) => children.reduce((sum, child) => sum + (child[i] as number), 0))
  return [addNode(nodes, tree), children[0][1], files, bytes]
}

function rowOf({ path, mode, bytes, digest, place }: FileEntry, packs: PackNames): FileRow {
  return [`/${path}`, mode, bytes, digest, atOf(place, packs)]
}

function atOf(place: Place, packs: PackNames): number | string {
  if (place.in === 'pack') return packs.place(place.pack)
  if (place.in === 'chunks') return encodeChunks(place.chunks, packs)
  if (place.in === 'list') return place.list
  return place.in === 'link' ? `>${place.target}` : -1
}

/** A leaf of a tree, by which two versions are compared without reading what they share. */
export interface LeafRef {
  digest: Digest
  files: number
}

/** All leaves of a tree in order, and the digests of all its nodes. */
export async function leavesOf(
  store: Store,
  root: Digest,
  nodes: Set<Digest> = new Set(),
  depth = 0,
): Promise<LeafRef[]> {
  nodes.add(root)
  const node = await readNode<FileLeaf | FileTree>(store, root, ['FileLeaf', 'FileTree'])
  if (node.kind === 'FileLeaf') return [{ digest: root, files: node.rows.length }]
  if (depth === DEPTH_MAX)
    throw new MillraceError('MR_FILES_TREE', { digest: root, why: 'its nodes are nested too deeply' })
  const leaves: LeafRef[] = []
  let isLowest: boolean | undefined
  for (const [digest, , files] of node.nodes) {
    isLowest ??=
      (await readNode<FileLeaf | FileTree>(store, digest, ['FileLeaf', 'FileTree'])).kind === 'FileLeaf'
    if (isLowest) leaves.push({ digest, files })
    else leaves.push(...(await leavesOf(store, digest, nodes, depth + 1)))
    nodes.add(digest)
  }
  return leaves
}

const DEPTH_MAX = 8

/** Entries of a leaf. Errors: MR_FILES_PATH for a path that leads out of the set, and those of reading records. */
async function readLeaf(store: Store, digest: Digest): Promise<FileEntry[]> {
  const { rows, packs } = await readNode<FileLeaf>(store, digest, ['FileLeaf'])
  const slots = packs.map((pack) => ({ digest: pack }))
  return rows.map(([name, mode, bytes, hex, at]): FileEntry => {
    const path = name.slice(1)
    refuseUnsafePath(path)
    return { path, mode, bytes, digest: hex, place: placeOf(mode, at, slots) }
  })
}

function placeOf(mode: number, at: number | string, slots: { digest: Digest }[]): Place {
  if (typeof at === 'number') return at < 0 ? { in: 'nothing' } : { in: 'pack', pack: slots[at] }
  if (mode === MODE.link) return { in: 'link', target: at.slice(1) }
  if (at.startsWith('sha256:')) return { in: 'list', list: at as Digest }
  return { in: 'chunks', chunks: decodeChunks(at, slots) }
}

const LEAVES_AT_ONCE = 16

/** A tree that was read whole. */
export interface ReadTree {
  /** Ordered by path. */
  entries: FileEntry[]
  /** Digests of all its nodes. */
  nodes: ReadonlySet<Digest>
  /** Its leaves, by the path of the first entry. */
  leaves: ReadonlyMap<string, KnownLeaf>
}

export const NO_TREE: ReadTree = { entries: [], nodes: new Set(), leaves: new Map() }

/** Reads all of a tree. */
export async function readTree(store: Store, root: Digest): Promise<ReadTree> {
  const nodes = new Set<Digest>()
  const refs = await leavesOf(store, root, nodes)
  const groups = await readGroups(store, refs)
  const leaves = new Map(
    groups.map((entries, i): [string, KnownLeaf] => [
      entries[0]?.path ?? '',
      { digest: refs[i].digest, entries },
    ]),
  )
  return { entries: groups.flat(), nodes, leaves }
}

/** Entries of some leaves, in their order. */
export async function readLeaves(store: Store, leaves: readonly LeafRef[]): Promise<FileEntry[]> {
  return (await readGroups(store, leaves)).flat()
}

async function readGroups(store: Store, leaves: readonly LeafRef[]): Promise<FileEntry[][]> {
  const groups: FileEntry[][] = []
  for (let i = 0; i < leaves.length; i += LEAVES_AT_ONCE)
    groups.push(
      ...(await Promise.all(
        leaves.slice(i, i + LEAVES_AT_ONCE).map(({ digest }) => readLeaf(store, digest)),
      )),
    )
  return groups
}
