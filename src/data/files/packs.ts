/** Reading chunks back out of packs. Every chunk is checked against its digest. */
import { hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { standInsFor } from '../../store/reach/stand-ins.ts'
import { decompress } from './codec.ts'
import { FILE_LIMITS } from './limits.ts'
import { decodeFooter, FOOTER_BYTES, PACK_MAGIC, PackTable } from './pack-format.ts'

/** A stand-in that was itself replaced has less than half of what it had: more of them than this do not come about. */
const DEPTH_MAX = 64

interface OpenPack {
  fd: number
  path: string
  table: PackTable
}

export class Packs {
  readonly #store: Store
  readonly #open = new Map<Digest, Promise<OpenPack>>()
  /** Packs that are not there any more, and those that stand in for them. */
  readonly #replaced = new Map<Digest, readonly Digest[]>()
  readonly #frames = new Map<string, Uint8Array>()
  #frameBytes = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Whether a pack is there, whole as far as its table says, and has the chunk. */
  async has(pack: Digest, digest: Buffer): Promise<boolean> {
    try {
      return (await this.#pack(pack)).table.find(digest) >= 0
    } catch (thrown) {
      if (isMillraceError(thrown, 'MR_OBJECT_MISSING') || isMillraceError(thrown, 'MR_FILES_PACK'))
        return false
      throw thrown
    }
  }

  /** Bytes of a chunk. Errors: MR_OBJECT_MISSING, MR_FILES_PACK (no such chunk, or no pack), MR_FILES_DAMAGED (other bytes). */
  async read(pack: Digest, digest: string): Promise<Uint8Array> {
    const key = Buffer.from(digest, 'hex')
    const holder = await this.#holder(pack, key)
    const open = await this.#pack(holder)
    const i = open.table.find(key)
    if (i < 0) throw damagedPack(holder, open.path, `chunk ${digest.slice(0, 12)} is not in it`)
    const { frame, at, bytes } = open.table.chunk(i)
    const found = this.#frame(holder, open, frame).subarray(at, at + bytes)
    if (hash('sha256', found, 'hex') !== digest)
      throw new MillraceError('MR_FILES_DAMAGED', {
        pack: holder,
        path: open.path,
        chunk: digest.slice(0, 12),
      })
    return found
  }

  /**
   * Where the chunks of a pack are to be looked for: in itself, or, where it was removed, in all that stand in for it. Errors: MR_OBJECT_MISSING where it is neither
   * there nor stood in for, MR_FILES_PACK.
   */
  async holders(pack: Digest, depth = 0): Promise<{ pack: Digest; table: PackTable }[]> {
    try {
      if (!this.#replaced.has(pack)) return [{ pack, table: (await this.#pack(pack)).table }]
    } catch (thrown) {
      if (!isMillraceError(thrown, 'MR_OBJECT_MISSING') || depth === DEPTH_MAX) throw thrown
      const standIns = await standInsFor(this.#store, pack)
      if (standIns.length === 0) throw thrown
      this.#replaced.set(pack, standIns)
    }
    const found = []
    for (const standIn of this.#replaced.get(pack)!) found.push(...(await this.holders(standIn, depth + 1)))
    return found
  }

  async #holder(pack: Digest, key: Buffer): Promise<Digest> {
    if (this.#open.has(pack)) return pack
    const holders = await this.holders(pack)
    return (holders.find(({ table }) => table.find(key) >= 0) ?? holders[0]).pack
  }

  /** Digests of the chunks of a pack itself. Errors: MR_OBJECT_MISSING, MR_FILES_PACK. */
  async digests(pack: Digest): Promise<Buffer[]> {
    const { table } = await this.#pack(pack)
    return Array.from({ length: table.nChunks }, (_, i) => Buffer.from(table.digest(i)))
  }

  close(): void {
    for (const opened of this.#open.values())
      void opened.then(({ fd }) => closeSync(fd)).catch(() => undefined)
    this.#open.clear()
    this.#frames.clear()
    this.#frameBytes = 0
  }

  async #pack(pack: Digest): Promise<OpenPack> {
    const known = this.#open.get(pack)
    if (known) {
      this.#open.delete(pack)
      this.#open.set(pack, known)
      return await known
    }
    const opened = this.#store.objects.path(pack).then((path) => openPack(pack, path))
    this.#open.set(pack, opened)
    opened.catch(() => this.#open.delete(pack))
    this.#dropOldest()
    return await opened
  }

  #dropOldest(): void {
    if (this.#open.size <= FILE_LIMITS.openPacksMax) return
    const [oldest] = this.#open
    this.#open.delete(oldest[0])
    void oldest[1].then(({ fd }) => closeSync(fd)).catch(() => undefined)
  }

  #frame(pack: Digest, open: OpenPack, i: number): Uint8Array {
    const key = `${pack}/${i}`
    const known = this.#frames.get(key)
    if (known) return known
    const bytes = readFrame(pack, open, i)
    this.#frames.set(key, bytes)
    this.#frameBytes += bytes.length
    for (const [oldest, { length }] of this.#frames) {
      if (this.#frameBytes <= FILE_LIMITS.openFramesBytes) break
      this.#frames.delete(oldest)
      this.#frameBytes -= length
    }
    return bytes
  }
}

function openPack(pack: Digest, path: string): OpenPack {
  const fd = openSync(path, 'r')
  try {
    const size = fstatSync(fd).size
    const footer = decodeFooter(
      readAt(fd, Math.max(0, size - FOOTER_BYTES), Math.min(size, FOOTER_BYTES)),
      size,
    )
    const table = footer && PackTable.open(footer, readAt(fd, footer.tablesAt, footer.tablesBytes))
    if (!table) throw damagedPack(pack, path, 'its table is not what was written')
    return { fd, path, table }
  } catch (thrown) {
    closeSync(fd)
    throw thrown
  }
}

function readFrame(pack: Digest, { fd, path, table }: OpenPack, i: number): Uint8Array {
  const frame = table.frame(i)
  if (!frame) throw damagedPack(pack, path, 'a frame is out of bounds')
  try {
    return decompress(frame.codec, readAt(fd, frame.offset, frame.bytesStored), frame.bytesRaw)
  } catch (cause) {
    throw damagedPack(pack, path, 'a frame cannot be decompressed', cause)
  }
}

function damagedPack(pack: Digest, path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('MR_FILES_PACK', { pack, path, why }, { cause })
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let done = 0; done < length; ) {
    const n = readSync(fd, bytes, done, length - done, position + done)
    if (n === 0) return bytes.subarray(0, done)
    done += n
  }
  return bytes
}

/** Whether a file begins as a pack does. */
export function looksLikePack(path: string): boolean {
  const fd = openSync(path, 'r')
  try {
    return readAt(fd, 0, PACK_MAGIC.length).equals(PACK_MAGIC)
  } finally {
    closeSync(fd)
  }
}
