/** Buffers that are packed: an unpacked length, then an LZ4 frame or Zstandard. Sources: apache/arrow format/Message.fbs (BodyCompression); lz4/lz4 doc/lz4_Frame_format.md. */
import type { Refuse } from '../../model/import/refusal.ts'
import { unpackZstd } from '../orc/compression.ts'

export type ArrowCodec = 'lz4' | 'zstd'

export const ARROW_CODECS: readonly ArrowCodec[] = ['lz4', 'zstd']

/** Bytes of one buffer; those whose length is -1 were left as they are. `room` is how many there may be. */
export function unpackBuffer(bytes: Uint8Array, codec: ArrowCodec, room: number, refuse: Refuse): Uint8Array {
  if (bytes.length === 0) return bytes
  if (bytes.length < 8) throw refuse('a packed buffer', 'at least 8 bytes', `${bytes.length}`)
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigInt64(0, true))
  const packed = bytes.subarray(8)
  if (length === -1) return packed
  if (length < 0 || length > room) throw refuse('a packed buffer', `at most ${room} bytes`, `${length}`)
  const unpacked =
    codec === 'zstd' ? unpackZstd(packed, length, refuse) : unpackLz4Frame(packed, length, refuse)
  if (unpacked.length !== length) throw refuse('a packed buffer', `${length} bytes`, `${unpacked.length}`)
  return unpacked
}

const LZ4_MAGIC = 0x184d2204

function unpackLz4Frame(frame: Uint8Array, length: number, refuse: Refuse): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame.length < 7 || view.getUint32(0, true) !== LZ4_MAGIC)
    throw refuse('a packed buffer', 'an LZ4 frame', 'other bytes')
  const flags = frame[4]!
  const hasBlockSums = (flags & 0x10) !== 0
  let at = 7 + ((flags & 0x08) !== 0 ? 8 : 0) + ((flags & 0x01) !== 0 ? 4 : 0)
  const out = new Uint8Array(length)
  let done = 0
  for (;;) {
    const word = view.getUint32(at, true)
    at += 4
    if (word === 0) return out.subarray(0, done)
    const bytes = word & 0x7fffffff
    if (at + bytes > frame.length) throw refuse('an LZ4 block', 'longer', 'cut off')
    const block = frame.subarray(at, at + bytes)
    if (word >>> 31 === 0) done = unpackBlock(block, out, done, refuse)
    else {
      if (done + bytes > length) throw refuse('an LZ4 frame', `${length} bytes`, 'more')
      out.set(block, done)
      done += bytes
    }
    at += bytes + (hasBlockSums ? 4 : 0)
  }
}

/** Blocks may copy from those before them, so all of a frame share one output. */
function unpackBlock(block: Uint8Array, out: Uint8Array, begin: number, refuse: Refuse): number {
  let at = 0
  let done = begin
  const long = (n: number): number => {
    let total = n
    for (let byte = n === 15 ? 255 : 0; byte === 255; total += byte) {
      if (at >= block.length) throw refuse('an LZ4 block', 'longer', 'cut off')
      byte = block[at++]!
    }
    return total
  }
  while (at < block.length) {
    const token = block[at++]!
    const literals = long(token >>> 4)
    if (at + literals > block.length || done + literals > out.length)
      throw refuse('an LZ4 block', 'within its frame', 'beyond')
    out.set(block.subarray(at, at + literals), done)
    at += literals
    done += literals
    if (at === block.length) break
    const distance = block[at]! | (block[at + 1]! << 8)
    at += 2
    const copied = long(token & 15) + 4
    if (!(distance >= 1 && distance <= done) || done + copied > out.length)
      throw refuse('an LZ4 block', 'within its frame', 'beyond')
    if (distance >= copied) out.copyWithin(done, done - distance, done - distance + copied)
    else for (let i = 0; i < copied; i++) out[done + i] = out[done + i - distance]!
    done += copied
  }
  return done
}
