/** MD5 (RFC 1321) of UTF-8 text: only for stable buckets that every engine computes alike, never for security. */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32))
const encoder = new TextEncoder()

/** The first 32 bits of the digest's hexadecimal text, as an unsigned integer. Cost: O(length), about 1 µs for short text. */
export function md5Prefix(text: string): number {
  const state = digest(encoder.encode(text))
  return new DataView(state.buffer).getUint32(0)
}

/** All 32 hexadecimal digits. */
export function md5Hex(text: string): string {
  const bytes = new Uint8Array(digest(encoder.encode(text)).buffer)
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}

function digest(message: Uint8Array): Uint32Array {
  const blocks = padded(message)
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476])
  const words = new DataView(blocks.buffer)
  for (let at = 0; at < blocks.length; at += 64) mixBlock(state, words, at)
  const out = new DataView(new ArrayBuffer(16))
  for (let i = 0; i < 4; i++) out.setUint32(4 * i, state[i]!, true)
  return new Uint32Array(out.buffer)
}

function padded(message: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  blocks.set(message)
  blocks[message.length] = 0x80
  const view = new DataView(blocks.buffer)
  view.setUint32(blocks.length - 8, message.length << 3, true)
  view.setUint32(blocks.length - 4, Math.floor(message.length / 2 ** 29), true)
  return blocks
}

function mixBlock(state: Uint32Array, words: DataView, at: number): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number]
  for (let i = 0; i < 64; i++) {
    const round = i >> 4
    const sum = (a + choose(round, b, c, d) + SINES[i]! + words.getInt32(at + 4 * wordOf(round, i), true)) | 0
    const shift = SHIFTS[4 * round + (i & 3)]!
    const next = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
    a = d
    d = c
    c = b
    b = next
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
}

function choose(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d)
  if (round === 1) return (d & b) | (~d & c)
  return round === 2 ? b ^ c ^ d : c ^ (b | ~d)
}

function wordOf(round: number, i: number): number {
  if (round === 0) return i
  if (round === 1) return (5 * i + 1) & 15
  return round === 2 ? (3 * i + 5) & 15 : (7 * i) & 15
}
