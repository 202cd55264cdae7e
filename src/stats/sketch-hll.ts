/** HyperLogLog: distinct values in 4 KiB, mergeable. Source: Flajolet and others, 2007; estimator of Ertl, 2017, "New cardinality estimation algorithms". */
import { MillraceError } from '../core/errors.ts'
import { mix32 } from '../core/rng.ts'
import { requireRange } from './inputs.ts'

/** Largest number of leading zeros + 1 that a register holds: 32 hashed bits and the 20 or more left of the other word. */
const RANK_MAX = 53

export interface HllSketch {
  kind: 'HllSketch'
  /** 2^lgK registers; relative standard error 1.04 / √2^lgK: 1.6 % at the default 12. */
  lgK: number
  registers: Uint8Array
}

/** Errors: MR_STATS_RANGE. */
export function requireLgK(lgK: number): void {
  requireRange(Number.isInteger(lgK) && lgK >= 4 && lgK <= 16, 'lgK', 'a whole number from 4 to 16', lgK)
}

export function emptyHll(lgK = 12): HllSketch {
  requireLgK(lgK)
  return { kind: 'HllSketch', lgK, registers: new Uint8Array(2 ** lgK) }
}

/** Takes one value, in place. A number and its text are different values; -0 is 0, NaN is one value. Cost: O(length). */
export function addToHll(into: HllSketch, value: string | number): void {
  if (typeof value === 'number') {
    const [high, low] = hashNumber(value)
    addHash(into, high, low)
  } else {
    const bytes = UTF8.encode(value)
    addTextToHll(into, bytes, 0, bytes.length)
  }
}

const UTF8 = new TextEncoder()

/** `[high, low]`: 32 bits that choose a register, and 32 whose leading zeros it holds. */
function addHash(into: HllSketch, high: number, low: number): void {
  const register = high >>> (32 - into.lgK)
  const rest = (high << into.lgK) >>> 0
  const rank = low !== 0 ? Math.clz32(low) + 1 : 33 + Math.min(20, Math.clz32(rest))
  if (rank > into.registers[register]) into.registers[register] = rank
}

/** Takes the text whose UTF-8 bytes are `bytes[from, to)`, as `addToHll` would: two 32-bit words with different multipliers and a full final mix. */
export function addTextToHll(into: HllSketch, bytes: Uint8Array, from: number, to: number): void {
  let a = 0x2f0b4c47
  let b = 0x51ed270b
  for (let i = from; i < to; i++) {
    const byte = bytes[i]
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(((b << 13) | (b >>> 19)) ^ byte, 0x9e3779b1)
  }
  const length = to - from
  addHash(into, mix32(a ^ length ^ mix32(b)), mix32(b + Math.imul(length, 0x27d4eb2f)))
}

/** Takes `values[0, n)`, each as `addToHll` would; NaN is refused nowhere and must not be among them. Cost: a few nanoseconds a value. */
export function addNumbersToHll(into: HllSketch, values: Float64Array, n: number): void {
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * n)
  for (let i = 0; i < n; i++) {
    const isZero = values[i] === 0
    const top = mix32((isZero ? 0 : words[2 * i + 1]) ^ 0x3c6ef372)
    const bottom = isZero ? 0 : words[2 * i]
    addHash(into, highOf(top, bottom), lowOf(top, bottom))
  }
}

const NUMBER_BITS = new DataView(new ArrayBuffer(8))

function hashNumber(value: number): [number, number] {
  NUMBER_BITS.setFloat64(0, value === 0 ? 0 : value)
  const top = mix32(NUMBER_BITS.getInt32(0) ^ 0x3c6ef372)
  const bottom = NUMBER_BITS.getInt32(4)
  return [highOf(top, bottom), lowOf(top, bottom)]
}

const highOf = (top: number, bottom: number): number => mix32(mix32(top ^ bottom) + 0x9e3779b9)

const lowOf = (top: number, bottom: number): number =>
  mix32(top + Math.imul(mix32(bottom ^ 0x7f4a7c15), 0x85ebca6b))

/** Sketch of both sets: the larger of each register; neither is changed. Errors: MR_STATS_BINS for another lgK. */
export function mergeHll(a: HllSketch, b: HllSketch): HllSketch {
  const merged = { ...a, registers: a.registers.slice() }
  raiseHll(merged, b)
  return merged
}

/** `mergeHll` into the first, in place. */
export function raiseHll(into: HllSketch, other: HllSketch): void {
  if (into.lgK !== other.lgK) {
    throw new MillraceError('MR_STATS_BINS', {
      what: 'merging HLL sketches',
      a: `lgK ${into.lgK}`,
      b: `lgK ${other.lgK}`,
    })
  }
  if (into.registers.byteOffset % 4 !== 0 || other.registers.byteOffset % 4 !== 0) {
    raiseBytes(into.registers, other.registers)
    return
  }
  const ours = wordsOf(into.registers)
  const theirs = wordsOf(other.registers)
  for (let i = 0; i < ours.length; i++) {
    const a = ours[i]
    const b = theirs[i]
    // Four registers at once: all are below 128, so the top bit of a byte says whether `a` is at least `b` there.
    const top = ((a | 0x80808080) - b) & 0x80808080
    const keep = top | (top - (top >>> 7))
    ours[i] = (a & keep) | (b & ~keep)
  }
}

const wordsOf = ({ buffer, byteOffset, length }: Uint8Array): Int32Array =>
  new Int32Array(buffer, byteOffset, length / 4)

function raiseBytes(into: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < into.length; i++) if (other[i] > into[i]) into[i] = other[i]
}

/** Number of distinct values, about; 0 for none. Unbiased from one to billions. Cost: O(registers). */
export function hllEstimate(sketch: HllSketch): number {
  const m = sketch.registers.length
  const counts = new Float64Array(RANK_MAX + 1)
  for (const rank of sketch.registers) counts[rank]++
  let z = m * tau(1 - counts[RANK_MAX] / m)
  for (let rank = RANK_MAX - 1; rank >= 1; rank--) z = (z + counts[rank]) / 2
  z += m * sigma(counts[0] / m)
  return (m * m) / (2 * Math.LN2 * z)
}

/** x + Σ x^(2^k)·2^(k-1), for the empty registers. */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let x = share
  let y = 1
  let z = share
  for (let before = Number.NaN; z !== before; ) {
    before = z
    x *= x
    z += x * y
    y += y
  }
  return z
}

/** (1 - x - Σ (1 - x^(2^-k))²·2^-k) / 3, for the full registers. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0
  let x = share
  let y = 1
  let z = 1 - share
  for (let before = Number.NaN; z !== before; ) {
    before = z
    x = Math.sqrt(x)
    y /= 2
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Plain JSON: one character a register. */
export function encodeHll(sketch: HllSketch): { kind: 'HllSketch'; lgK: number; registers: string } {
  return {
    kind: 'HllSketch',
    lgK: sketch.lgK,
    registers: Array.from(sketch.registers, (r) => DIGITS[r]).join(''),
  }
}

/** Reads `encodeHll` back; MR_STATS_DECODE when it is not such a thing. */
export function decodeHll(encoded: { kind: 'HllSketch'; lgK: number; registers: string }): HllSketch {
  const sketch = emptyHll(encoded.lgK)
  const refuse = (why: string) => new MillraceError('MR_STATS_DECODE', { what: 'HllSketch', why })
  if (encoded.registers.length !== sketch.registers.length)
    throw refuse(`${encoded.registers.length} registers, not ${sketch.registers.length}`)
  for (let i = 0; i < sketch.registers.length; i++) {
    const rank = DIGITS.indexOf(encoded.registers[i])
    if (rank < 0 || rank > RANK_MAX) throw refuse(`register ${i} is malformed`)
    sketch.registers[i] = rank
  }
  return sketch
}
