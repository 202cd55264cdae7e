/** The paths of a version, in records that versions share as far as they are alike. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { decodeChunks, encodeChunks, PackNames } from './chunk-list.ts'
import { type FileEntry, MODE, type Place } from './entry.ts'
import { FILE_LIMITS } from './limits.ts'
import { cutList, hashText, isCutAfter } from './lists.ts'
import { addNode, addText, type NodeObjects, readNode } from './node-objects.ts'
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

/** A leaf of a tree, by which two versions are compared without reading what they share. */
export interface LeafRef {
  digest: Digest
  /** Path of its first entry; '' where it has none. */
  first: string
  files: number
  bytes: number
}

/**
 * Makes the nodes of a tree over entries in the order of their paths. Their lists of chunks are settled, their packs on disk. Leaves of the version before in
 * which nothing changed are kept as they are: they are only read where a cut before them moved.
 */
export class TreeBuilder {
  readonly #nodes: NodeObjects
  readonly #read: (leaf: LeafRef) => Promise<readonly FileEntry[]>
  #group: FileEntry[] = []
  #level: Child[] = []

  constructor(nodes: NodeObjects, read: (leaf: LeafRef) => Promise<readonly FileEntry[]>) {
    this.#nodes = nodes
    this.#read = read
  }

  add(entry: FileEntry): void {
    this.#group.push(entry)
    if (isCutAfter(this.#group, hashOfEntry, FILE_LIMITS.node)) this.#close()
  }

  /** Adds all of a leaf. The last leaf of a tree ends where nothing follows it, so that nothing may be added after that one. */
  async keep(leaf: LeafRef): Promise<void> {
    const isAligned = this.#group.length === 0
    if (isAligned) this.#level.push([leaf.digest, `/${leaf.first}`, leaf.files, leaf.bytes])
    else for (const entry of await this.#read(leaf)) this.add(entry)
  }

  finish(): { tree: Digest; files: number; bytes: number } {
    if (this.#group.length > 0 || this.#level.length === 0) this.#close()
    let level = this.#level
    while (level.length > 1)
      level = cutList(level, ([, first]) => hashText(`${first}\n`), FILE_LIMITS.node).map((group) =>
        innerOf(group, this.#nodes),
      )
    const [[tree, , files, bytes]] = level
    return { tree, files, bytes }
  }

  #close(): void {
    const group = this.#group
    const bytes = group.reduce((sum, entry) => sum + entry.bytes, 0)
    this.#level.push([addLeaf(group, this.#nodes), `/${group[0]?.path ?? ''}`, group.length, bytes])
    this.#group = []
  }
}

const hashOfEntry = ({ path }: FileEntry): number => hashText(path)

function addLeaf(entries: readonly FileEntry[], nodes: NodeObjects): Digest {
  const packs = new PackNames()
  const rows = entries.map((entry): FileRow => rowOf(entry, packs))
  // Its keys are in order and it has neither gaps nor fractions, so that this is its canonical JSON at a third of the cost.
  const leaf: FileLeaf = { kind: 'FileLeaf', packs: packs.names, rows }
  return addText(nodes, JSON.stringify(leaf))
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

/** Stores those nodes that the store does not have, and gives their bytes. */
export async function putNodes(store: Store, nodes: NodeObjects): Promise<number> {
  const fresh: Buffer[] = []
  for (const [digest, node] of nodes) if (!(await store.objects.keep(digest))) fresh.push(node)
  await store.objects.putAll(fresh)
  return fresh.reduce((sum, { length }) => sum + length, 0)
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
  if (node.kind === 'FileLeaf') return [leafRef(root, node)]
  if (depth === DEPTH_MAX)
    throw new MillraceError('MR_FILES_TREE', { digest: root, why: 'its nodes are nested too deeply' })
  const leaves: LeafRef[] = []
  let isLowest: boolean | undefined
  for (const [digest, first, files, bytes] of node.nodes) {
    isLowest ??=
      (await readNode<FileLeaf | FileTree>(store, digest, ['FileLeaf', 'FileTree'])).kind === 'FileLeaf'
    if (isLowest) leaves.push({ digest, first: first.slice(1), files, bytes })
    else leaves.push(...(await leavesOf(store, digest, nodes, depth + 1)))
    nodes.add(digest)
  }
  return leaves
}

function leafRef(digest: Digest, { rows }: FileLeaf): LeafRef {
  const bytes = rows.reduce((sum, [, , size]) => sum + size, 0)
  return { digest, first: rows[0]?.[0].slice(1) ?? '', files: rows.length, bytes }
}

const DEPTH_MAX = 8

/** Entries of a leaf. Errors: MR_FILES_PATH for a path that leads out of the set, and those of reading records. */
export async function readLeaf(store: Store, digest: Digest): Promise<FileEntry[]> {
  return entriesOf(await readNode<FileLeaf>(store, digest, ['FileLeaf']))
}

/** The same of a leaf that was read. */
export function entriesOf({ rows, packs }: FileLeaf): FileEntry[] {
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

/** All entries of a tree, ordered by path. */
export async function readTree(store: Store, root: Digest): Promise<FileEntry[]> {
  return await readLeaves(store, await leavesOf(store, root))
}

/** Entries of some leaves, in their order. */
export async function readLeaves(store: Store, leaves: readonly LeafRef[]): Promise<FileEntry[]> {
  const groups: FileEntry[][] = []
  for (let i = 0; i < leaves.length; i += LEAVES_AT_ONCE)
    groups.push(
      ...(await Promise.all(
        leaves.slice(i, i + LEAVES_AT_ONCE).map(({ digest }) => readLeaf(store, digest)),
      )),
    )
  return groups.flat()
}
