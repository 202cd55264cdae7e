/** Where a file is cut, by what it holds: an edit moves the cuts near it and no others. */

/** Sizes of chunks; the average is a power of two from 64 on, and min ≤ average ≤ max. */
export interface CutRule {
  bytesMin: number
  bytesAverage: number
  bytesMax: number
}

/**
 * A number for each byte, from a fixed generator (Mulberry32 of the seed below). The table decides where files are cut, so it never changes: with another one
 * everything would still read back, and nothing would be shared with what is stored.
 */
const GEAR = gearTable(0x6d696c6c)

function gearTable(seed: number): Int32Array {
  let state = seed
  return Int32Array.from({ length: 256 }, () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) | 0
  })
}

/** How much rarer cuts are before the average size than at it, and how much likelier after it, in bits. */
const NORMALIZATION_BITS = 2

/**
 * End of the chunk that begins at `from`, at most `to`, of bytes that are all there up to `to` or up to the largest chunk.
 *
 * Gear hash `h = (h << 1) + G[byte]` on 32 bits, so that the last 32 bytes decide; a cut where the top bits are zero, two bits more before the average size
 * and two fewer after it, none before `bytesMin`, one at `bytesMax`. The hash begins anew with each chunk.
 *
 * Cost: one look-up, shift and test a byte beyond `bytesMin`.
 * Source: Xia et al. 2016, FastCDC, §4 (gear, cut-point skipping, normalised chunking). Convention: masks of the highest bits, which see the whole window.
 */
export function cutAt(bytes: Uint8Array, from: number, to: number, rule: CutRule): number {
  const end = Math.min(to, from + rule.bytesMax)
  const begin = from + rule.bytesMin
  if (end <= begin) return end
  const bits = 31 - Math.clz32(rule.bytesAverage)
  const middle = Math.min(end, from + rule.bytesAverage)
  const window = Math.max(from, begin - WINDOW_BYTES)
  const warm = hashOver(bytes, window, begin)
  return scan(bytes, { begin, middle, end, warm, bits })
}

const WINDOW_BYTES = 32

function hashOver(bytes: Uint8Array, from: number, to: number): number {
  let h = 0
  for (let i = from; i < to; i++) h = ((h << 1) + GEAR[bytes[i]]) | 0
  return h
}

function scan(
  bytes: Uint8Array,
  {
    begin,
    middle,
    end,
    warm,
    bits,
  }: { begin: number; middle: number; end: number; warm: number; bits: number },
): number {
  const hard = topBits(bits + NORMALIZATION_BITS)
  const easy = topBits(bits - NORMALIZATION_BITS)
  let h = warm
  let i = begin
  for (; i < middle; i++) {
    h = ((h << 1) + GEAR[bytes[i]]) | 0
    if ((h & hard) === 0) return i + 1
  }
  for (; i < end; i++) {
    h = ((h << 1) + GEAR[bytes[i]]) | 0
    if ((h & easy) === 0) return i + 1
  }
  return end
}

function topBits(n: number): number {
  const bits = Math.min(31, Math.max(1, n))
  return (-1 << (32 - bits)) | 0
}
