/** Blocks of Snappy and LZ4, packed: copies of four bytes or more that a table of hashes finds. The twin of `block-codecs.ts`, which has the sources. */
import { ByteSink } from './write-runs.ts'

const HASH_BITS = 14
const MATCH_MIN = 4

/** Finds copies greedily. `take` gets literals from `begin` to `at`, then a copy of `length` bytes from `distance` before. Bytes that are left are given without a copy. */
function eachCopy(
  bytes: Uint8Array,
  { distanceMax, tailBytes, lastBegin }: { distanceMax: number; tailBytes: number; lastBegin: number },
  take: (begin: number, at: number, distance: number, length: number) => void,
): void {
  const table = new Int32Array(1 << HASH_BITS).fill(-1)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const last = bytes.length - tailBytes
  let begin = 0
  for (let at = 0; at + lastBegin <= bytes.length; ) {
    const word = view.getUint32(at, true)
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS)
    const from = table[slot]!
    table[slot] = at
    if (from < 0 || at - from > distanceMax || view.getUint32(from, true) !== word) {
      at += 1 + ((at - begin) >> 6)
      continue
    }
    let length = MATCH_MIN
    while (at + length < last && bytes[from + length] === bytes[at + length]) length++
    take(begin, at, at - from, length)
    at += length
    begin = at
  }
  take(begin, bytes.length, 0, 0)
}

const SNAPPY = { distanceMax: 65_535, tailBytes: 0, lastBegin: MATCH_MIN }

export function packSnappy(bytes: Uint8Array): Uint8Array {
  const sink = new ByteSink()
  let size = bytes.length
  for (; size > 127; size = Math.floor(size / 128)) sink.push((size % 128) | 128)
  sink.push(size)
  eachCopy(bytes, SNAPPY, (begin, at, distance, length) => {
    if (at > begin) {
      const n = at - begin - 1
      if (n < 60) sink.push(n << 2)
      else {
        const width = n < 256 ? 1 : n < 65_536 ? 2 : 3
        sink.push((59 + width) << 2)
        for (let i = 0; i < width; i++) sink.push((n >> (8 * i)) & 255)
      }
      sink.add(bytes.subarray(begin, at))
    }
    for (let left = length; left > 0; ) {
      const n = Math.min(64, left)
      sink.push(((n - 1) << 2) | 2)
      sink.push(distance & 255)
      sink.push(distance >> 8)
      left -= n
    }
  })
  return sink.done()
}

/** The last five bytes are literals, and no copy begins in the last twelve: decoders may rely on it. */
const LZ4 = { distanceMax: 65_535, tailBytes: 5, lastBegin: 12 }

export function packLz4(bytes: Uint8Array): Uint8Array {
  const sink = new ByteSink()
  const more = (n: number) => {
    let left = n - 15
    for (; left >= 255; left -= 255) sink.push(255)
    if (left >= 0) sink.push(left)
  }
  eachCopy(bytes, LZ4, (begin, at, distance, length) => {
    const literals = at - begin
    const copied = Math.max(0, length - MATCH_MIN)
    sink.push((Math.min(15, literals) << 4) | Math.min(15, copied))
    more(literals)
    sink.add(bytes.subarray(begin, at))
    if (length === 0) return
    sink.push(distance & 255)
    sink.push(distance >> 8)
    more(copied)
  })
  return sink.done()
}
