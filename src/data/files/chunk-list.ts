/** Which chunks a file is made of, as text in a record. */
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import type { ChunkRef, FileEntry, Place } from './entry.ts'
import { FILE_LIMITS } from './limits.ts'
import { cutList } from './lists.ts'
import { addNode, type NodeObjects, readNode } from './node-objects.ts'
import type { PackSlot } from './pack-writer.ts'

/** A stretch of a file: chunks in order, each as 32 bytes of its SHA-256, its size (u32) and the place of its pack in `packs` (u16), little-endian, in base64. */
export interface FileChunks {
  kind: 'FileChunks'
  bytes: number
  packs: Digest[]
  chunks: string
}

/** A file of very many chunks: lists in order, each with the bytes it stands for. */
export interface FileParts {
  kind: 'FileParts'
  bytes: number
  parts: [list: Digest, bytes: number][]
}

const ITEM_BYTES = 38

/** Packs of a record, each named once. */
export class PackNames {
  readonly names: Digest[] = []
  readonly #places = new Map<Digest, number>()

  place({ digest }: PackSlot): number {
    assert(digest !== undefined, 'a pack is on disk before a record names it')
    const known = this.#places.get(digest)
    if (known !== undefined) return known
    this.#places.set(digest, this.names.length)
    return this.names.push(digest) - 1
  }
}

export function encodeChunks(chunks: readonly ChunkRef[], packs: PackNames): string {
  const bytes = Buffer.alloc(chunks.length * ITEM_BYTES)
  for (const [i, chunk] of chunks.entries()) {
    bytes.write(chunk.digest, i * ITEM_BYTES, 'hex')
    bytes.writeUInt32LE(chunk.bytes, i * ITEM_BYTES + 32)
    bytes.writeUInt16LE(packs.place(chunk.pack), i * ITEM_BYTES + 36)
  }
  return bytes.toString('base64')
}

export function decodeChunks(text: string, slots: readonly PackSlot[]): ChunkRef[] {
  const bytes = Buffer.from(text, 'base64')
  return Array.from({ length: Math.floor(bytes.length / ITEM_BYTES) }, (_, i) => ({
    digest: bytes.toString('hex', i * ITEM_BYTES, i * ITEM_BYTES + 32),
    bytes: bytes.readUInt32LE(i * ITEM_BYTES + 32),
    pack: slots[bytes.readUInt16LE(i * ITEM_BYTES + 36)],
  }))
}

/** A long list of chunks in records of its own; a short one stays as it is. */
export function settlePlace(place: Place, nodes: NodeObjects): Place {
  if (place.in !== 'chunks' || place.chunks.length <= FILE_LIMITS.inlineChunksMax) return place
  return { in: 'list', list: listOf(place.chunks, nodes) }
}

function listOf(chunks: readonly ChunkRef[], nodes: NodeObjects): Digest {
  let parts = cutList(chunks, ({ digest }) => Number.parseInt(digest.slice(0, 8), 16), FILE_LIMITS.list).map(
    (group): [Digest, number] => {
      const packs = new PackNames()
      const text = encodeChunks(group, packs)
      const bytes = total(group.map((chunk) => chunk.bytes))
      return [
        addNode(nodes, { kind: 'FileChunks', bytes, packs: packs.names, chunks: text } as FileChunks),
        bytes,
      ]
    },
  )
  while (parts.length > 1)
    parts = cutList(parts, ([list]) => Number.parseInt(list.slice(7, 15), 16), FILE_LIMITS.list).map(
      (group): [Digest, number] => {
        const bytes = total(group.map(([, size]) => size))
        return [addNode(nodes, { kind: 'FileParts', bytes, parts: group } as FileParts), bytes]
      },
    )
  return parts[0][0]
}

const total = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0)

/** Chunks of a file in order. Errors: those of reading records. */
export async function chunksOf(store: Store, { digest, bytes, place }: FileEntry): Promise<ChunkRef[]> {
  if (place.in === 'pack') return [{ digest, bytes, pack: place.pack }]
  if (place.in === 'chunks') return place.chunks
  return place.in === 'list' ? await chunksOfList(store, place.list, 0) : []
}

const DEPTH_MAX = 8

async function chunksOfList(store: Store, list: Digest, depth: number): Promise<ChunkRef[]> {
  const record = await readNode<FileChunks | FileParts>(store, list, ['FileChunks', 'FileParts'])
  if (record.kind === 'FileChunks')
    return decodeChunks(
      record.chunks,
      record.packs.map((digest) => ({ digest })),
    )
  if (depth === DEPTH_MAX)
    throw new MillraceError('MR_FILES_TREE', { digest: list, why: 'its lists are nested too deeply' })
  const parts = []
  for (const [part] of record.parts) parts.push(await chunksOfList(store, part, depth + 1))
  return parts.flat()
}
