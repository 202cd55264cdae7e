/**
 * The bytes of a pack: an object that holds chunks of files.
 *
 *   magic (8) · frames · table of frames · table of chunks · footer (36)
 *
 * A frame is one large chunk or many small ones, compressed together. Table of frames, 13 bytes each: offset, stored bytes, raw bytes (u32), codec (u8). Table
 * of chunks, 44 bytes each and ordered by digest: SHA-256 (32), frame, offset in the raw frame, bytes (u32). Footer: frames, chunks, offset of the tables
 * (u32), the first 16 bytes of the SHA-256 of both tables, magic. All numbers are little-endian.
 */
import { createHash } from 'node:crypto'
import { FILE_LIMITS } from './limits.ts'

export const PACK_MAGIC = Buffer.from('MRPACK\x01\n', 'latin1')
const FOOTER_MAGIC = Buffer.from('KCAPRM\x01\n', 'latin1')
const FRAME_BYTES = 13
const CHUNK_BYTES = 44
const DIGEST_BYTES = 32
const SUM_BYTES = 16
export const FOOTER_BYTES = 12 + SUM_BYTES + FOOTER_MAGIC.length

export interface PackFrame {
  codec: number
  bytesRaw: number
  stored: Uint8Array
}

export interface PackChunk {
  /** SHA-256 in hex. */
  digest: string
  frame: number
  at: number
  bytes: number
}

/** A whole pack, in pieces; frames that lie one behind another in memory are one piece. `keys` are the digests in order. */
export function encodePack(
  frames: readonly PackFrame[],
  chunks: readonly PackChunk[],
): { pieces: Uint8Array[]; keys: Buffer[] } {
  const frameTable = Buffer.alloc(frames.length * FRAME_BYTES)
  let offset = PACK_MAGIC.length
  for (const [i, { codec, bytesRaw, stored }] of frames.entries()) {
    frameTable.writeUInt32LE(offset, i * FRAME_BYTES)
    frameTable.writeUInt32LE(stored.length, i * FRAME_BYTES + 4)
    frameTable.writeUInt32LE(bytesRaw, i * FRAME_BYTES + 8)
    frameTable.writeUInt8(codec, i * FRAME_BYTES + 12)
    offset += stored.length
  }
  const chunkRows = chunkTable(chunks)
  const tables = Buffer.concat([frameTable, chunkRows])
  const end = footer(frames.length, chunks.length, offset, tables)
  return {
    pieces: joined([PACK_MAGIC, ...frames.map(({ stored }) => stored), tables, end]),
    keys: chunks.map((_, i) => chunkRows.subarray(i * CHUNK_BYTES, i * CHUNK_BYTES + DIGEST_BYTES)),
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array[] {
  const out: Uint8Array[] = []
  for (const piece of pieces) {
    const last = out.at(-1)
    if (last && last.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset)
      out[out.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + piece.length)
    else out.push(piece)
  }
  return out
}

function chunkTable(chunks: readonly PackChunk[]): Buffer {
  const table = Buffer.alloc(chunks.length * CHUNK_BYTES)
  for (const [to, i] of orderOf(chunks).entries()) {
    const { digest, frame, at, bytes } = chunks[i]
    const begin = to * CHUNK_BYTES
    table.write(digest, begin, 'hex')
    table.writeUInt32LE(frame, begin + DIGEST_BYTES)
    table.writeUInt32LE(at, begin + DIGEST_BYTES + 4)
    table.writeUInt32LE(bytes, begin + DIGEST_BYTES + 8)
  }
  return table
}

/** More chunks than this share no double with 32 bits of a digest. */
const PLACES = 2 ** 21

/** Places of chunks in the order of their digests: by the first 32 bits as numbers, then what is equal by all of them. */
function orderOf(chunks: readonly PackChunk[]): number[] {
  const byDigest = (a: number, b: number) => (chunks[a].digest < chunks[b].digest ? -1 : 1)
  if (chunks.length > PLACES) return Array.from(chunks, (_, i) => i).sort(byDigest)
  const keys = new Float64Array(chunks.length)
  for (const [i, { digest }] of chunks.entries())
    keys[i] = Number.parseInt(digest.slice(0, 8), 16) * PLACES + i
  keys.sort()
  const order: number[] = []
  for (let i = 0; i < keys.length; i++) order.push(keys[i] % PLACES)
  for (let i = 1; i < order.length; i++)
    for (let j = i; j > 0 && byDigest(order[j], order[j - 1]) < 0; j--)
      [order[j], order[j - 1]] = [order[j - 1], order[j]]
  return order
}

function footer(nFrames: number, nChunks: number, tablesAt: number, tables: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt32LE(nFrames, 0)
  head.writeUInt32LE(nChunks, 4)
  head.writeUInt32LE(tablesAt, 8)
  return Buffer.concat([head, sumOf(tables), FOOTER_MAGIC])
}

const sumOf = (tables: Uint8Array): Buffer =>
  createHash('sha256').update(tables).digest().subarray(0, SUM_BYTES)

export interface PackFooter {
  nFrames: number
  nChunks: number
  tablesAt: number
  tablesBytes: number
  sum: Buffer
}

/** The footer of a pack of so many bytes; undefined where it is none, or says what cannot be. */
export function decodeFooter(bytes: Buffer, packBytes: number): PackFooter | undefined {
  if (bytes.length !== FOOTER_BYTES || !bytes.subarray(12 + SUM_BYTES).equals(FOOTER_MAGIC)) return undefined
  const [nFrames, nChunks, tablesAt] = [0, 4, 8].map((at) => bytes.readUInt32LE(at))
  const tablesBytes = nFrames * FRAME_BYTES + nChunks * CHUNK_BYTES
  if (tablesAt + tablesBytes + FOOTER_BYTES !== packBytes) return undefined
  return { nFrames, nChunks, tablesAt, tablesBytes, sum: bytes.subarray(12, 12 + SUM_BYTES) }
}

/** Which chunks a pack has, and where. */
export class PackTable {
  readonly nChunks: number
  readonly #nFrames: number
  readonly #tables: Buffer
  readonly #chunks: Buffer
  readonly #framesEnd: number

  constructor({ nFrames, nChunks, tablesAt }: PackFooter, tables: Buffer) {
    this.nChunks = nChunks
    this.#nFrames = nFrames
    this.#tables = tables
    this.#chunks = tables.subarray(nFrames * FRAME_BYTES)
    this.#framesEnd = tablesAt
  }

  /** Undefined where the tables are not those that the footer was written for. */
  static open(footer: PackFooter, tables: Buffer): PackTable | undefined {
    return sumOf(tables).equals(footer.sum) ? new PackTable(footer, tables) : undefined
  }

  /** Place of a chunk in the table; -1 where the pack does not have it. */
  find(digest: Buffer): number {
    const begin = digest.readUInt32BE(0)
    let low = 0
    let high = this.nChunks - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const at = middle * CHUNK_BYTES
      const order =
        this.#chunks.readUInt32BE(at) - begin ||
        this.#chunks.compare(digest, 4, DIGEST_BYTES, at + 4, at + DIGEST_BYTES)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  digest(i: number): Buffer {
    return this.#chunks.subarray(i * CHUNK_BYTES, i * CHUNK_BYTES + DIGEST_BYTES)
  }

  chunk(i: number): { frame: number; at: number; bytes: number } {
    const [frame, at, bytes] = [0, 4, 8].map((o) =>
      this.#chunks.readUInt32LE(i * CHUNK_BYTES + DIGEST_BYTES + o),
    )
    return { frame, at, bytes }
  }

  /** Undefined where the table says what cannot be. */
  frame(i: number): { offset: number; bytesStored: number; bytesRaw: number; codec: number } | undefined {
    if (i >= this.#nFrames) return undefined
    const [offset, bytesStored, bytesRaw] = [0, 4, 8].map((o) =>
      this.#tables.readUInt32LE(i * FRAME_BYTES + o),
    )
    if (bytesRaw > FILE_LIMITS.frameBytesMax || offset + bytesStored > this.#framesEnd) return undefined
    return { offset, bytesStored, bytesRaw, codec: this.#tables.readUInt8(i * FRAME_BYTES + 12) }
  }
}
