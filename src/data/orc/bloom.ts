/** Bloom filters of values. Source: ORC specification v1, "Bloom Filter Index"; hashes as apache/orc has them (BloomFilter.java, Murmur3.hash64). */
import type { BloomFilter } from './stripe.ts'

/** Share of absent values that a filter does not know to be absent. */
const FALSE_SHARE = 0.05

/** A filter of these values: numbers and texts, times in milliseconds, dates in days. */
export function bloomOf(values: readonly (number | bigint | string)[]): BloomFilter {
  const n = Math.max(1, values.length)
  const wanted = Math.ceil((-n * Math.log(FALSE_SHARE)) / Math.LN2 ** 2)
  const nHashes = Math.max(1, Math.round((wanted / n) * Math.LN2))
  const bits = new BigUint64Array(Math.ceil(wanted / 64))
  for (const value of values)
    for (const at of placesOf(value, nHashes, bits)) bits[at >> 6]! |= 1n << BigInt(at & 63)
  return { nHashes, bits }
}

/** False only where the value is not among those of the filter. */
export function isIn({ nHashes, bits }: BloomFilter, value: number | bigint | string): boolean {
  if (bits.length === 0 || nHashes === 0) return true
  return placesOf(value, nHashes, bits).every((at) => ((bits[at >> 6]! >> BigInt(at & 63)) & 1n) === 1n)
}

/** Bits of a value; none for a number whose hash is not known here. */
function placesOf(value: number | bigint | string, nHashes: number, bits: BigUint64Array): number[] {
  const hash = typeof value === 'string' ? murmur64(new TextEncoder().encode(value)) : hashOfLong(value)
  if (hash === undefined) return []
  const first = Number(BigInt.asIntN(32, hash))
  const second = Number(BigInt.asIntN(32, hash >> 32n))
  return Array.from({ length: nHashes }, (_, i) => {
    const combined = (first + Math.imul(i + 1, second)) | 0
    return (combined < 0 ? ~combined : combined) % (bits.length * 64)
  })
}

/** Thomas Wang's hash of 64 bits, which integers, dates and times have; doubles are not looked up. */
function hashOfLong(value: number | bigint): bigint | undefined {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return undefined
  const u = (n: bigint) => BigInt.asUintN(64, n)
  let key = BigInt.asIntN(64, BigInt(value))
  key = BigInt.asIntN(64, ~key + (key << 21n))
  key ^= key >> 24n
  key = BigInt.asIntN(64, key + (key << 3n) + (key << 8n))
  key ^= key >> 14n
  key = BigInt.asIntN(64, key + (key << 2n) + (key << 4n))
  key ^= key >> 28n
  return u(BigInt.asIntN(64, key + (key << 31n)))
}

const C1 = 0x87c37b91114253d5n
const C2 = 0x4cf5ad432745937fn
const SEED = 104_729n

/** First half of Murmur3's 128 bits with ORC's seed, as ORC hashes texts: Murmur3 64. Source: apache/orc, Murmur3.hash64. */
function murmur64(bytes: Uint8Array): bigint {
  const u = (n: bigint) => BigInt.asUintN(64, n)
  const rotl = (n: bigint, by: bigint) => u((n << by) | (n >> (64n - by)))
  const mix = (k: bigint) => u(rotl(u(k * C1), 31n) * C2)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = bytes.length >> 3
  let hash = SEED
  for (let i = 0; i < blocks; i++) {
    hash ^= mix(view.getBigUint64(i * 8, true))
    hash = u(rotl(hash, 27n) * 5n + 0x52dce729n)
  }
  let tail = 0n
  for (let i = bytes.length - 1; i >= blocks * 8; i--) tail = (tail << 8n) | BigInt(bytes[i]!)
  if (bytes.length % 8 > 0) hash ^= mix(tail)
  hash ^= BigInt(bytes.length)
  hash ^= hash >> 33n
  hash = u(hash * 0xff51afd7ed558ccdn)
  hash ^= hash >> 33n
  hash = u(hash * 0xc4ceb9fe1a85ec53n)
  return hash ^ (hash >> 33n)
}
