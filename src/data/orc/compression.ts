/** Streams of ORC as chunks: three bytes say how long a chunk is and whether it is packed. Source: ORC specification v1, "Compression". */

import * as zlib from 'node:zlib'
import { inflateRawSync } from 'node:zlib'
import { decompress as unzstd } from 'fzstd'
import { toError } from '../../core/errors.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import { type BlockCodec, unpackLz4, unpackLzo, unpackSnappy } from './block-codecs.ts'

export const COMPRESSIONS = ['none', 'zlib', 'snappy', 'lzo', 'lz4', 'zstd', 'brotli'] as const
export type Compression = (typeof COMPRESSIONS)[number]

export const CHUNK_HEADER_BYTES = 3

/** By Node where it has it (22.15 and later), else in JavaScript. */
const zstd: (block: Uint8Array, max: number) => Uint8Array =
  'zstdDecompressSync' in zlib
    ? (block, max) => (zlib as unknown as ZstdOfNode).zstdDecompressSync(block, { maxOutputLength: max })
    : (block) => unzstd(block)

interface ZstdOfNode {
  zstdDecompressSync(block: Uint8Array, options: { maxOutputLength: number }): Uint8Array
}

const ofNode =
  (unpack: (block: Uint8Array, max: number) => Uint8Array): BlockCodec =>
  (block, max, refuse) => {
    try {
      return unpack(block, max)
    } catch (thrown) {
      throw refuse('a compressed block', 'whole', toError(thrown).message)
    }
  }

const CODECS: Record<Exclude<Compression, 'none'>, BlockCodec> = {
  zlib: ofNode((block, maxOutputLength) => inflateRawSync(block, { maxOutputLength })),
  brotli: ofNode((block, maxOutputLength) => zlib.brotliDecompressSync(block, { maxOutputLength })),
  snappy: unpackSnappy,
  lzo: unpackLzo,
  lz4: unpackLz4,
  zstd: ofNode(zstd),
}

export const unpackZstd = CODECS.zstd

/** How the chunks of a file are packed. */
export interface Packing {
  compression: Compression
  /** Most bytes of a chunk when unpacked. */
  blockBytes: number
}

/** Unpacked bytes of chunks one after the other. Errors: by `refuse`. */
export function unpackChunks(
  bytes: Uint8Array,
  { compression, blockBytes }: Packing,
  refuse: Refuse,
): Uint8Array {
  if (compression === 'none') return bytes
  const codec = CODECS[compression]
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const { begin, end, isOriginal } = chunkAt(bytes, at, refuse)
    const block = bytes.subarray(begin, end)
    const part = isOriginal ? block : codec(block, blockBytes, refuse)
    if (part.length > blockBytes)
      throw refuse('a compressed block', `of at most ${blockBytes} bytes`, `${part.length}`)
    parts.push(part)
    at = end
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** Where the bytes of a chunk lie whose header is at `at`. */
function chunkAt(
  bytes: Uint8Array,
  at: number,
  refuse: Refuse,
): { begin: number; end: number; isOriginal: boolean } {
  const begin = at + CHUNK_HEADER_BYTES
  if (begin > bytes.length) throw refuse('a stream', 'whole chunks', 'cut off')
  const { length, isOriginal } = chunkHeader(bytes.subarray(at, begin))
  const end = begin + length
  if (end > bytes.length) throw refuse('a stream', 'whole chunks', 'cut off')
  return { begin, end, isOriginal }
}

/** What the three bytes before a chunk say: how long it is, and whether it was left as it was. */
export function chunkHeader([a, b, c]: Uint8Array): { length: number; isOriginal: boolean } {
  const header = a! | (b! << 8) | (c! << 16)
  return { length: header >>> 1, isOriginal: (header & 1) === 1 }
}
