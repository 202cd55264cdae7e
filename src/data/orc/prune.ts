/** Which rows cannot fulfil a condition, by what is known of their smallest and largest values and by bloom filters. Source: ORC specification v1, "Bloom Filter Index". */
import type { BloomFilter } from './stripe.ts'
import type { ColumnStatistics } from './tail.ts'

/** A column that has a value, one of a range, or one value. Numbers, texts, days since 1970 for dates, and milliseconds for instants. */
export interface OrcCondition {
  column: string
  min?: number | bigint | string
  max?: number | bigint | string
  equals?: number | bigint | string
}

/** False only where no row can fulfil it. */
export function mayHold(
  condition: OrcCondition,
  known: ColumnStatistics | undefined,
  bloom?: BloomFilter,
): boolean {
  const { equals } = condition
  const min = equals ?? condition.min
  const max = equals ?? condition.max
  if (!known) return true
  if (known.values === 0 && known.hasNull) return false
  if (min !== undefined && known.max !== undefined && isComparable(min, known.max) && known.max < min)
    return false
  if (max !== undefined && known.min !== undefined && isComparable(max, known.min) && known.min > max)
    return false
  return equals === undefined || !bloom || isIn(bloom, equals)
}

/** Texts compare with texts, numbers with numbers; the order of JavaScript's texts is by UTF-16, so that texts beyond the BMP are not left out by it. */
function isComparable(a: number | bigint | string, b: number | bigint | string): boolean {
  if (typeof a === 'string' || typeof b === 'string')
    return typeof a === typeof b && !SURROGATE.test(a as string) && !SURROGATE.test(b as string)
  return !Number.isNaN(a) && !Number.isNaN(b)
}

const SURROGATE = /[\ud800-\udfff\ue000-\uffff]/

function isIn({ nHashes, bits }: BloomFilter, value: number | bigint | string): boolean {
  const nBits = bits.length * 64
  if (nBits === 0 || nHashes === 0) return true
  const hash = typeof value === 'string' ? murmur64(new TextEncoder().encode(value)) : hashOfLong(value)
  if (hash === undefined) return true
  const first = BigInt.asIntN(32, hash)
  const second = BigInt.asIntN(32, hash >> 32n)
  for (let i = 1n; i <= BigInt(nHashes); i++) {
    let combined = BigInt.asIntN(32, first + i * second)
    if (combined < 0n) combined = ~combined
    const at = Number(combined % BigInt(nBits))
    if (((bits[at >> 6]! >> BigInt(at & 63)) & 1n) === 0n) return false
  }
  return true
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
