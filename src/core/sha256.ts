/**
 * SHA-256 (FIPS 180-4) of bytes as lower-case hex, in plain arithmetic: `core` has no `node:` module, so that it also runs in browsers.
 * Cost: about 150 MB/s. The store hashes files with the platform's own implementation.
 */
export function sha256Hex(bytes: Uint8Array): string {
  const blocks = pad(bytes)
  const h = Uint32Array.from(INITIAL)
  const w = new Uint32Array(64)
  for (let offset = 0; offset < blocks.length; offset += 64) compress(h, w, blocks, offset)
  return Array.from(h, (word) => word.toString(16).padStart(8, '0')).join('')
}

function pad(bytes: Uint8Array): Uint8Array {
  const length = Math.ceil((bytes.length + 9) / 64) * 64
  const blocks = new Uint8Array(length)
  blocks.set(bytes)
  blocks[bytes.length] = 0x80
  const view = new DataView(blocks.buffer)
  view.setUint32(length - 8, Math.floor(bytes.length / 0x20000000))
  view.setUint32(length - 4, bytes.length << 3)
  return blocks
}

function compress(h: Uint32Array, w: Uint32Array, blocks: Uint8Array, offset: number): void {
  for (let i = 0; i < 16; i++) {
    const j = offset + i * 4
    w[i] = (blocks[j] << 24) | (blocks[j + 1] << 16) | (blocks[j + 2] << 8) | blocks[j + 3]
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]
    const y = w[i - 2]
    const s0 = rotr(x, 7) ^ rotr(x, 18) ^ (x >>> 3)
    const s1 = rotr(y, 17) ^ rotr(y, 19) ^ (y >>> 10)
    w[i] = w[i - 16] + s0 + w[i - 7] + s1
  }
  let [a, b, c, d, e, f, g, k] = h
  for (let i = 0; i < 64; i++) {
    const t1 = (k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0
    const t2 = ((rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    k = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  h[0] += a
  h[1] += b
  h[2] += c
  h[3] += d
  h[4] += e
  h[5] += f
  h[6] += g
  h[7] += k
}

function rotr(x: number, n: number): number {
  return (x >>> n) | (x << (32 - n))
}

/** First 32 bits of the fractional parts of the square roots of the first 8 primes. */
const INITIAL = fractions(8, 1 / 2)
/** First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const K = fractions(64, 1 / 3)

function fractions(count: number, power: number): Uint32Array {
  const out = new Uint32Array(count)
  for (let n = 2, i = 0; i < count; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
    if (prime) out[i++] = fraction32(n ** power)
  }
  return out
}

function fraction32(x: number): number {
  return Math.floor((x - Math.floor(x)) * 0x100000000)
}
