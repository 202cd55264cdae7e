/** Reading a file of a version: all of it, or from any byte on. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { chunksOf } from './chunk-list.ts'
import type { ChunkRef, FileEntry } from './entry.ts'
import type { Packs } from './packs.ts'
import { readTree } from './tree.ts'
import { resolveFileSet } from './versions.ts'

export class StoredFile {
  readonly bytes: number
  readonly #packs: Packs
  readonly #chunks: readonly ChunkRef[]
  /** Where each chunk begins, and the end of the last. */
  readonly #begins: Float64Array

  private constructor(packs: Packs, { path, bytes }: FileEntry, chunks: readonly ChunkRef[]) {
    this.bytes = bytes
    this.#packs = packs
    this.#chunks = chunks
    this.#begins = new Float64Array(chunks.length + 1)
    for (const [i, chunk] of chunks.entries()) this.#begins[i + 1] = this.#begins[i] + chunk.bytes
    if (this.#begins[chunks.length] !== bytes)
      throw new MillraceError('MR_FILES_TREE', { digest: path, why: 'its chunks are not as long as it is' })
  }

  /** Errors: those of reading records, MR_FILES_TREE. */
  static async open(store: Store, packs: Packs, entry: FileEntry): Promise<StoredFile> {
    return new StoredFile(packs, entry, await chunksOf(store, entry))
  }

  get chunks(): readonly ChunkRef[] {
    return this.#chunks
  }

  /** Its chunks in order. Errors: those of `Packs.read`. */
  async *pieces(): AsyncIterable<Uint8Array> {
    for (const chunk of this.#chunks) yield await readChunk(this.#packs, chunk)
  }

  /** `length` bytes from `at` on, or as many as there are. */
  async read(at: number, length: number): Promise<Buffer> {
    const end = Math.min(this.bytes, at + length)
    const out = Buffer.alloc(Math.max(0, end - at))
    for (let i = this.#chunkAt(at); i < this.#chunks.length && this.#begins[i] < end; i++) {
      const piece = await readChunk(this.#packs, this.#chunks[i])
      const from = Math.max(0, at - this.#begins[i])
      const to = Math.min(piece.length, end - this.#begins[i])
      out.set(piece.subarray(from, to), this.#begins[i] + from - at)
    }
    return out
  }

  /** Digests of the chunks that make up a stretch; undefined where one reaches over an end of it. */
  digestsOf(at: number, length: number): string | undefined {
    if (length === 0) return ''
    const first = this.#chunkAt(at)
    let last = first
    while (last < this.#chunks.length && this.#begins[last] < at + length) last++
    const isWhole = this.#begins[first] === at && this.#begins[last] === at + length
    return isWhole
      ? this.#chunks
          .slice(first, last)
          .map(({ digest }) => digest)
          .join()
      : undefined
  }

  #chunkAt(at: number): number {
    let low = 0
    let high = this.#chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#begins[middle] <= at) low = middle
      else high = middle - 1
    }
    return low
  }
}

async function readChunk(packs: Packs, { digest, bytes, pack }: ChunkRef): Promise<Uint8Array> {
  const piece = await packs.read(pack.digest as Digest, digest)
  if (piece.length !== bytes)
    throw new MillraceError('MR_FILES_TREE', {
      digest,
      why: `a chunk has ${piece.length} bytes, expected ${bytes}`,
    })
  return piece
}

/**
 * A file of a version by name: `model@main:weights/a.safetensors`, or just the version where it has one file.
 * Errors: MR_FILES_VERSION, MR_FILES_NO_FILE, those of reading records.
 */
export async function openInSet(store: Store, packs: Packs, name: string): Promise<StoredFile> {
  const colon = name.indexOf(':')
  const [version, path] = colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)]
  const named = await resolveFileSet(store, version)
  const entries = await readTree(store, named.version.tree)
  const found =
    path === undefined ? entries.filter(({ bytes }) => bytes > 0) : entries.filter((e) => e.path === path)
  if (found.length !== 1)
    throw new MillraceError('MR_FILES_NO_FILE', {
      version,
      path: path ?? `alone, but ${found.length}; name one as ${version}:path`,
    })
  return await StoredFile.open(store, packs, found[0])
}
