/** Chunks of a stream, packed; the twin of `compression.ts`. */
import * as zlib from 'node:zlib'
import { deflateRawSync } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import { packLz4, packSnappy } from './block-pack.ts'
import { ByteSink } from './write-runs.ts'

export type WrittenCompression = 'none' | 'zlib' | 'snappy' | 'lz4' | 'zstd'

/** Most bytes of a chunk before it is packed. */
export const BLOCK_BYTES = 262_144

interface ZstdOfNode {
  zstdCompressSync?(bytes: Uint8Array): Uint8Array
}

const PACKERS: Record<Exclude<WrittenCompression, 'none' | 'zstd'>, (bytes: Uint8Array) => Uint8Array> = {
  zlib: (bytes) => deflateRawSync(bytes),
  snappy: packSnappy,
  lz4: packLz4,
}

/** Errors: MR_DATA_ORC_WRITE for a codec that this Node does not have. */
export class Pack {
  readonly compression: WrittenCompression
  readonly #packer?: (bytes: Uint8Array) => Uint8Array

  constructor(compression: WrittenCompression) {
    this.compression = compression
    if (compression === 'none') return
    this.#packer = compression === 'zstd' ? (zlib as ZstdOfNode).zstdCompressSync : PACKERS[compression]
    if (!this.#packer) throw new MillraceError('MR_DATA_ORC_WRITE', { compression, node: process.version })
  }

  /** Bytes as chunks, and the numbers by which an index says where an unpacked byte is. */
  chunks(bytes: Uint8Array): { bytes: Uint8Array; placeOf: (byte: number) => number[] } {
    const packer = this.#packer
    if (!packer) return { bytes, placeOf: (byte) => [byte] }
    const sink = new ByteSink()
    const begins: number[] = []
    for (let begin = 0; begin < bytes.length; begin += BLOCK_BYTES) {
      begins.push(sink.length)
      const block = bytes.subarray(begin, begin + BLOCK_BYTES)
      const packed = packer(block)
      const isOriginal = packed.length >= block.length
      const own = isOriginal ? block : packed
      const head = (own.length << 1) | (isOriginal ? 1 : 0)
      sink.add(Uint8Array.of(head & 255, (head >> 8) & 255, (head >> 16) & 255))
      sink.add(own)
    }
    begins.push(sink.length)
    return {
      bytes: sink.done(),
      placeOf: (byte) => {
        const block = Math.min(Math.floor(byte / BLOCK_BYTES), begins.length - 1)
        return [begins[block]!, byte - block * BLOCK_BYTES]
      },
    }
  }
}
