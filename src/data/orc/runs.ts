/**
 * Runs of integers, bytes and bits. Integers are kept as pairs of 32-bit lanes, so that all 64 bits are exact without one BigInt a value. Source: ORC specification v1,
 * "Run Length Encoding" (byte, boolean, integer versions 1 and 2).
 */
import type { Refuse } from '../../model/import/refusal.ts'

/** 64-bit integers; `lanes` are their low and high halves by turns. */
export class Ints {
  readonly values: BigInt64Array
  readonly lanes: Uint32Array

  constructor(values: BigInt64Array) {
    this.values = values
    this.lanes = new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
  }

  static of(length: number): Ints {
    return new Ints(new BigInt64Array(length))
  }

  /** Those from a place on. */
  from(begin: number): Ints {
    return new Ints(this.values.slice(begin))
  }

  /** The low 32 bits of each, with their sign. */
  low(): Int32Array {
    const out = new Int32Array(this.values.length)
    for (let i = 0; i < out.length; i++) out[i] = this.lanes[2 * i]!
    return out
  }
}

/** Where a decoder is in its bytes. */
export interface Cursor {
  bytes: Uint8Array
  at: number
  refuse: Refuse
}

function byteOf(cursor: Cursor): number {
  if (cursor.at >= cursor.bytes.length) throw cursor.refuse('a stream', 'longer', 'cut off')
  return cursor.bytes[cursor.at++]!
}

// ---------------------------------------------------------------- bytes and bits

/** Bytes, `n` of them. */
export function byteRuns(cursor: Cursor, n: number): Uint8Array {
  const out = new Uint8Array(n)
  for (let i = 0; i < n; ) {
    const control = byteOf(cursor)
    const length = control < 128 ? control + 3 : 256 - control
    const end = Math.min(n, i + length)
    if (control < 128) out.fill(byteOf(cursor), i, end)
    else {
      if (end - i > cursor.bytes.length - cursor.at) throw cursor.refuse('a stream', 'longer', 'cut off')
      out.set(cursor.bytes.subarray(cursor.at, cursor.at + end - i), i)
      cursor.at += length
    }
    i = end
  }
  return out
}

/** Bits as 0 and 1, the highest of a byte first. */
export function bitRuns(cursor: Cursor, n: number): Uint8Array {
  const bytes = byteRuns(cursor, Math.ceil(n / 8))
  const out = new Uint8Array(n)
  for (let i = 0; i < n; i++) out[i] = (bytes[i >> 3]! >> (7 - (i & 7))) & 1
  return out
}

// ---------------------------------------------------------------- integers

/** Integers, `n` of them, by the version of their encoding. */
export function intRuns(cursor: Cursor, n: number, isSigned: boolean, version: 1 | 2): Ints {
  // a run may go beyond what is asked for
  const out = Ints.of(n + RUN_MAX)
  const run = version === 1 ? runV1 : runV2
  for (let i = 0; i < n; ) i += run(cursor, out, i, isSigned)
  return new Ints(out.values.subarray(0, n))
}

/** Most values of one run. */
const RUN_MAX = 512

function runV1(cursor: Cursor, out: Ints, at: number, isSigned: boolean): number {
  const control = byteOf(cursor)
  if (control >= 128) {
    for (let i = 0; i < 256 - control; i++) varint(cursor, out, at + i, isSigned)
    return 256 - control
  }
  const length = control + 3
  const delta = (byteOf(cursor) << 24) >> 24
  varint(cursor, out, at, isSigned)
  for (let i = 1; i < length; i++) add(out, at + i, at + i - 1, delta >>> 0, delta < 0 ? 0xffff_ffff : 0)
  return length
}

function varint(cursor: Cursor, out: Ints, at: number, isSigned: boolean): void {
  let low = 0
  let high = 0
  for (let shift = 0; ; shift += 7) {
    if (shift > 63) throw cursor.refuse('an integer', 'of at most 10 bytes', 'longer')
    const byte = byteOf(cursor)
    const bits = byte & 127
    if (shift < 32) {
      low |= bits << shift
      if (shift > 25) high |= bits >>> (32 - shift)
    } else high |= bits << (shift - 32)
    if (byte < 128) break
  }
  put(out, at, low, high, isSigned)
}

function put(out: Ints, at: number, low: number, high: number, isZigzag: boolean): void {
  if (isZigzag) {
    const sign = -(low & 1)
    low = ((low >>> 1) | (high << 31)) ^ sign
    high = (high >>> 1) ^ sign
  }
  out.lanes[2 * at] = low
  out.lanes[2 * at + 1] = high
}

/** out[to] = out[from] + (low, high), modulo 2^64. */
function add({ lanes }: Ints, to: number, from: number, low: number, high: number): void {
  const sum = lanes[2 * from]! + low
  lanes[2 * to] = sum
  lanes[2 * to + 1] = lanes[2 * from + 1]! + high + (sum > 0xffff_ffff ? 1 : 0)
}

// version 2

/** Widths of numbers by their codes. */
export const BITS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 30, 32, 40,
  48, 56, 64,
]

const KINDS = [shortRepeat, direct, patchedBase, delta]

function runV2(cursor: Cursor, out: Ints, at: number, isSigned: boolean): number {
  const first = byteOf(cursor)
  return KINDS[first >> 6]!(cursor, first, out, at, isSigned)
}

function shortRepeat(cursor: Cursor, first: number, out: Ints, at: number, isSigned: boolean): number {
  const length = (first & 7) + 3
  const [low, high] = bigEndian(cursor, ((first >> 3) & 7) + 1)
  for (let i = 0; i < length; i++) put(out, at + i, low, high, isSigned)
  return length
}

function bigEndian(cursor: Cursor, bytes: number): [low: number, high: number] {
  let low = 0
  let high = 0
  for (let i = 0; i < bytes; i++) {
    high = (high << 8) | (low >>> 24)
    low = (low << 8) | byteOf(cursor)
  }
  return [low, high]
}

const runLength = (cursor: Cursor, first: number): number => (((first & 1) << 8) | byteOf(cursor)) + 1

function direct(cursor: Cursor, first: number, out: Ints, at: number, isSigned: boolean): number {
  const width = BITS[(first >> 1) & 31]!
  const length = runLength(cursor, first)
  unpack(cursor, width, length, (i, low, high) => put(out, at + i, low, high, isSigned))
  return length
}

/** Numbers of a width in bits, the highest bit first, to the end of their last byte. */
function unpack(
  cursor: Cursor,
  width: number,
  length: number,
  take: (i: number, low: number, high: number) => void,
): void {
  let byte = 0
  let left = 0
  for (let i = 0; i < length; i++) {
    let low = 0
    let high = 0
    for (let need = width; need > 0; ) {
      if (left === 0) {
        byte = byteOf(cursor)
        left = 8
      }
      const n = Math.min(need, left)
      left -= n
      need -= n
      if (width > 32) high = (high << n) | (low >>> (32 - n))
      low = (low << n) | ((byte >> left) & ((1 << n) - 1))
    }
    take(i, low, high)
  }
}

function delta(cursor: Cursor, first: number, out: Ints, at: number, isSigned: boolean): number {
  const code = (first >> 1) & 31
  const length = runLength(cursor, first)
  varint(cursor, out, at, isSigned)
  const step = Ints.of(1)
  varint(cursor, step, 0, true)
  const [low, high] = [step.lanes[0]!, step.lanes[1]!]
  if (length > 1) add(out, at + 1, at, low, high)
  if (code === 0) for (let i = 2; i < length; i++) add(out, at + i, at + i - 1, low, high)
  else {
    const isFalling = high >= 0x8000_0000
    unpack(cursor, BITS[code]!, length - 2, (i, stepLow, stepHigh) => {
      const [l, h] = isFalling ? negated(stepLow >>> 0, stepHigh >>> 0) : [stepLow >>> 0, stepHigh >>> 0]
      add(out, at + 2 + i, at + 1 + i, l!, h!)
    })
  }
  return length
}

const negated = (low: number, high: number): [number, number] => [
  -low >>> 0,
  (~high + (low === 0 ? 1 : 0)) >>> 0,
]

/** Most of the numbers are narrow; what the wide ones have above that width comes after them, with the gaps between. */
function patchedBase(cursor: Cursor, first: number, out: Ints, at: number): number {
  const width = BITS[(first >> 1) & 31]!
  const length = runLength(cursor, first)
  const third = byteOf(cursor)
  const fourth = byteOf(cursor)
  const baseBytes = (third >> 5) + 1
  const patchBits = BITS[third & 31]!
  const patches = fourth & 31
  const entryBits = closestWidth((fourth >> 5) + 1 + patchBits, cursor)
  const base = signedMagnitude(cursor, baseBytes)
  unpack(cursor, width, length, (i, low, high) => put(out, at + i, low, high, false))
  let place = 0
  unpack(cursor, entryBits, patches, (_, low, high) => {
    const entry = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
    place += Number(entry >> BigInt(patchBits))
    const patch = entry & ((1n << BigInt(patchBits)) - 1n)
    if (place >= length) throw cursor.refuse('a patch', `within its run of ${length}`, `at ${place}`)
    out.values[at + place]! |= BigInt.asIntN(64, patch << BigInt(width))
  })
  for (let i = 0; i < length; i++) out.values[at + i]! += base
  return length
}

function closestWidth(bits: number, cursor: Cursor): number {
  const width = BITS.find((one) => one >= bits)
  if (width === undefined) throw cursor.refuse('a patch', 'of at most 64 bits', `${bits}`)
  return width
}

/** The highest bit says that the number is negative. */
function signedMagnitude(cursor: Cursor, bytes: number): bigint {
  let value = 0n
  for (let i = 0; i < bytes; i++) value = (value << 8n) | BigInt(byteOf(cursor))
  const sign = 1n << BigInt(bytes * 8 - 1)
  return value & sign ? -(value ^ sign) : value
}

// ---------------------------------------------------------------- integers without bound

/** Decimals without their point: integers of any length, seven bits a byte. */
export function bigVarints(cursor: Cursor, n: number): bigint[] {
  const out = new Array<bigint>(n)
  for (let i = 0; i < n; i++) {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      if (shift > BIG_BITS_MAX) throw cursor.refuse('a decimal', `of at most ${BIG_BITS_MAX} bits`, 'longer')
      const byte = byteOf(cursor)
      value |= BigInt(byte & 127) << shift
      if (byte < 128) break
    }
    out[i] = value & 1n ? -(value >> 1n) - 1n : value >> 1n
  }
  return out
}

const BIG_BITS_MAX = 140n
