/**
 * Features of a row as places in a hashed space of `2^bits` weights: nothing is learned or kept for a value, so a value that was never seen has a weight of its own.
 *
 * Each feature is a field with a salt. A value's key is mixed with the salt, and the low `bits` of the result are its slot: distinct keys of one field fall together
 * only by chance, one in `2^bits`. A missing value is a key like any other.
 */
import { mix32 } from '../core/rng.ts'

/** How one feature becomes a slot and a value. */
export type HashedField =
  /** The code (any number of up to 53 bits) is the key, with value 1. */
  | { kind: 'category'; salt: number }
  /** One slot for the field, with value `(x - mean) / scale`. */
  | { kind: 'number'; salt: number; mean: number; scale: number }
  /** The number of `edges` (ascending) up to x is the key, with value 1. */
  | { kind: 'bins'; salt: number; edges: Float64Array }

export interface HashedSpace {
  /** From 8 to 24. */
  bits: number
  /** Whether a bit of the hash gives each value a sign, so that features that fall together cancel in the mean (Weinberger et al. 2009). */
  signed: boolean
  fields: HashedField[]
  /** Pairs of fields `[a0, b0, a1, b1, …]` whose values together are a key too; the value is the product. */
  pairs: Int32Array
}

/** Slots and values that a row has: one a field and one a pair. */
export function slotsOf({ fields, pairs }: Pick<HashedSpace, 'fields' | 'pairs'>): number {
  return fields.length + pairs.length / 2
}

/** Whether every value of every row is 1, so that values need not be kept. */
export function isAllOnes({ signed, fields }: HashedSpace): boolean {
  return !signed && fields.every((field) => field.kind !== 'number')
}

const MISSING = 0x6d697373
const LOW = 2 ** 32

/** Hash of a value in a field. Cost: a few nanoseconds. */
function hashOf(field: HashedField, x: number): number {
  if (Number.isNaN(x)) return mix32(field.salt ^ mix32(MISSING) ^ 1)
  if (field.kind === 'number') return mix32(field.salt)
  return mixKey(field.salt, field.kind === 'bins' ? binOf(field.edges, x) : x)
}

function mixKey(salt: number, key: number): number {
  const high = Math.floor(key / LOW)
  return mix32(salt ^ mix32((key >>> 0) ^ (high === 0 ? 0 : Math.imul(high | 0, 0x9e3779b9))))
}

/** Edges that are at most x. */
function binOf(edges: Float64Array, x: number): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (edges[middle] <= x) low = middle + 1
    else high = middle
  }
  return low
}

function fieldValue(field: HashedField, x: number): number {
  return field.kind === 'number' && !Number.isNaN(x) ? (x - field.mean) / field.scale : 1
}

/** Writes slots and values of rows. Owns scratch memory: not to be shared between threads. */
export interface RowHasher {
  /** Slots a row has. */
  readonly width: number
  /** `x[at, at + nFields)` to `slots[out, out + width)` and, where given, `values`. Values are kept within ±VALUE_MAX. */
  hash(x: Float64Array, at: number, slots: Int32Array, values: Float64Array | undefined, out: number): void
}

export function rowHasher(space: HashedSpace): RowHasher {
  const { bits, signed, fields, pairs } = space
  const mask = 2 ** bits - 1
  const hashes = new Uint32Array(fields.length)
  const plain = new Float64Array(fields.length)
  const width = slotsOf(space)
  const place = (
    slots: Int32Array,
    values: Float64Array | undefined,
    to: number,
    hash: number,
    value: number,
  ) => {
    slots[to] = hash & mask
    if (values) values[to] = signed && hash >>> 31 === 1 ? -value : value
  }
  return {
    width,
    hash(x, at, slots, values, out) {
      let to = out
      for (let j = 0; j < fields.length; j++) {
        const raw = x[at + j]
        hashes[j] = hashOf(fields[j], raw)
        plain[j] = bounded(fieldValue(fields[j], raw))
        place(slots, values, to++, hashes[j], plain[j])
      }
      for (let p = 0; p < pairs.length; p += 2) {
        const [a, b] = [pairs[p], pairs[p + 1]]
        const hash = mix32(Math.imul(hashes[a], 0x85ebca6b) ^ hashes[b])
        place(slots, values, to++, hash, bounded(plain[a] * plain[b]))
      }
    },
  }
}

/** Deviations beyond which a number says no more: one stray value must not throw a weight away. */
export const VALUE_MAX = 1e6

function bounded(value: number): number {
  return value > VALUE_MAX ? VALUE_MAX : value < -VALUE_MAX ? -VALUE_MAX : value
}

// ---------------------------------------------------------------- text

const encoder = new TextEncoder()

/** MurmurHash3 (x86, 32 bits) of UTF-8 text as an unsigned integer: the salt of a field is that of its name. Source: Appleby, smhasher. */
export function murmur3(text: string, seed = 0): number {
  const bytes = encoder.encode(text)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const whole = bytes.length & ~3
  let h = seed | 0
  for (let i = 0; i < whole; i += 4) {
    h ^= scramble(view.getInt32(i, true))
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | bytes[i]
  return mix32(h ^ scramble(tail) ^ bytes.length)
}

function scramble(k: number): number {
  const product = Math.imul(k, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
