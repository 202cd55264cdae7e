/**
 * Integers, bytes and bits written as runs, with where each run begins, so that an index can say where any value is. The reader's twin of this is `runs.ts`; source: ORC
 * specification v1, "Run Length Encoding".
 */
import { varintBytes, zigzag } from '../../model/import/protobuf.ts'
import { BITS } from './runs.ts'

/** Bytes that grow. */
export class ByteSink {
  #bytes = new Uint8Array(1_024)
  length = 0

  push(byte: number): void {
    if (this.length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.length++] = byte
  }

  add(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length)
    this.#bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.length)
  }

  #grow(more: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + more))
    larger.set(this.#bytes)
    this.#bytes = larger
  }
}

/** What was written, and the place of a value in it: the byte where its run begins, and how many values of the run stand before it. */
export interface WrittenRuns {
  bytes: Uint8Array
  placeOf(value: number): { byte: number; skip: number }
}

class Runs {
  readonly sink = new ByteSink()
  readonly #values: number[] = []
  readonly #bytes: number[] = []

  begin(value: number): void {
    this.#values.push(value)
    this.#bytes.push(this.sink.length)
  }

  done(n: number): WrittenRuns {
    const [values, bytes] = [this.#values, this.#bytes]
    return {
      bytes: this.sink.done(),
      placeOf: (value) => {
        if (value >= n) return { byte: this.sink.length, skip: 0 }
        let [low, high] = [0, values.length]
        while (high - low > 1) {
          const middle = (low + high) >> 1
          if (values[middle]! <= value) low = middle
          else high = middle
        }
        return { byte: bytes[low]!, skip: value - values[low]! }
      },
    }
  }
}

// ---------------------------------------------------------------- bytes and bits

const [BYTE_RUN_MIN, BYTE_RUN_MAX, LITERALS_MAX] = [3, 130, 128]

function writeByteRuns(values: Uint8Array): WrittenRuns {
  const runs = new Runs()
  const n = values.length
  for (let i = 0; i < n; ) {
    const same = sameFrom(i, BYTE_RUN_MAX, n, (a, b) => values[a] === values[b])
    runs.begin(i)
    if (same >= BYTE_RUN_MIN) {
      runs.sink.push(same - BYTE_RUN_MIN)
      runs.sink.push(values[i]!)
      i += same
      continue
    }
    const begin = i
    while (
      i < n &&
      i - begin < LITERALS_MAX &&
      sameFrom(i, BYTE_RUN_MIN, n, (a, b) => values[a] === values[b]) < BYTE_RUN_MIN
    )
      i++
    runs.sink.push(256 - (i - begin))
    runs.sink.add(values.subarray(begin, i))
  }
  return runs.done(n)
}

function sameFrom(i: number, max: number, n: number, isSame: (a: number, b: number) => boolean): number {
  const end = Math.min(n, i + max)
  let j = i + 1
  while (j < end && isSame(i, j)) j++
  return j - i
}

/** Bits, given as 0 and 1. `placeOf` is of bytes. */
export function writeBitRuns(bits: Uint8Array): WrittenRuns {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (let i = 0; i < bits.length; i++) bytes[i >> 3]! |= bits[i]! << (7 - (i & 7))
  return writeByteRuns(bytes)
}

// ---------------------------------------------------------------- integers, version 2

const [REPEAT_MIN, REPEAT_MAX, RUN_MAX] = [3, 10, 512]
/** Share of values that are narrow where the wide ones are written apart, and values of a run that it is looked at for. */
const NARROW = 0.9
const PATCHES_MAX = 31
const PATCHED_MIN = 32

/** Integers of 64 bits; `isSigned` as the reader will be told. */
export function writeIntRuns(values: BigInt64Array, isSigned: boolean): WrittenRuns {
  const runs = new Runs()
  const n = values.length
  const isSame = (a: number, b: number) => values[a] === values[b]
  for (let i = 0; i < n; ) {
    const same = sameFrom(i, RUN_MAX, n, isSame)
    runs.begin(i)
    if (same >= REPEAT_MIN) {
      if (same <= REPEAT_MAX) writeRepeat(runs.sink, values[i]!, same, isSigned)
      else writeDelta(runs.sink, values.subarray(i, i + same), isSigned, 0)
      i += same
      continue
    }
    const begin = i
    while (i < n && i - begin < RUN_MAX && sameFrom(i, REPEAT_MIN, n, isSame) < REPEAT_MIN) i++
    writeLiterals(runs.sink, values.subarray(begin, i), isSigned)
  }
  return runs.done(n)
}

const bitsOf = (value: bigint): number => (value === 0n ? 1 : value.toString(2).length)

/** The narrowest width that there is for so many bits, and its code. */
function widthOf(bits: number): { width: number; code: number } {
  const code = BITS.findIndex((width) => width >= bits)
  return { width: BITS[code]!, code }
}

function writeRepeat(sink: ByteSink, value: bigint, length: number, isSigned: boolean): void {
  const plain = isSigned ? zigzag(value) : BigInt.asUintN(64, value)
  const bytes = Math.ceil(bitsOf(plain) / 8)
  sink.push(((bytes - 1) << 3) | (length - REPEAT_MIN))
  bigEndian(sink, plain, bytes)
}

function bigEndian(sink: ByteSink, value: bigint, bytes: number): void {
  for (let i = bytes - 1; i >= 0; i--) sink.push(Number((value >> BigInt(8 * i)) & 255n))
}

function header(sink: ByteSink, kind: number, code: number, length: number): void {
  sink.push((kind << 6) | (code << 1) | ((length - 1) >> 8))
  sink.push((length - 1) & 255)
}

/** Whichever takes fewest bits: by differences where these all go one way, all of one width, or the wide ones apart. */
function writeLiterals(sink: ByteSink, values: BigInt64Array, isSigned: boolean): void {
  const plain = Array.from(values, (value) => (isSigned ? zigzag(value) : BigInt.asUintN(64, value)))
  const most = plain.reduce((a, b) => (a > b ? a : b))
  const direct = widthOf(bitsOf(most))
  const step = stepWidth(values)
  const isStepped = step !== undefined && (step === 0 || BITS[step]! < direct.width)
  const patched = isStepped || values.length < PATCHED_MIN ? undefined : patchedOf(values, direct.width)
  if (isStepped) writeDelta(sink, values, isSigned, step)
  else if (patched) writePatched(sink, values.length, patched)
  else {
    header(sink, 1, direct.code, values.length)
    packBits(sink, plain, direct.width)
  }
}

/** Code of the width of the differences after the first; 0 where they are all as the first, undefined where they go both ways or too far. */
function stepWidth(values: BigInt64Array): number | undefined {
  if (values.length < 2) return undefined
  const first = values[1]! - values[0]!
  const isFalling = first < 0n
  let isFixed = true
  let most = 0n
  for (let i = 2; i < values.length; i++) {
    const step = values[i]! - values[i - 1]!
    if (step < 0n !== isFalling && step !== 0n) return undefined
    isFixed &&= step === first
    const size = step < 0n ? -step : step
    if (size > most) most = size
  }
  if (first >= LARGE || first < -LARGE || most >= LARGE) return undefined
  // one bit has the code that says that all differences are the same
  return isFixed ? 0 : Math.max(1, widthOf(bitsOf(most)).code)
}

const LARGE = 2n ** 62n

function writeDelta(sink: ByteSink, values: BigInt64Array, isSigned: boolean, code: number): void {
  header(sink, 3, code, values.length)
  sink.add(varintBytes(isSigned ? zigzag(values[0]!) : values[0]!))
  sink.add(varintBytes(zigzag(values.length > 1 ? values[1]! - values[0]! : 0n)))
  if (code === 0) return
  const steps = Array.from({ length: values.length - 2 }, (_, i) => {
    const step = values[i + 2]! - values[i + 1]!
    return step < 0n ? -step : step
  })
  packBits(sink, steps, BITS[code]!)
}

interface Patched {
  base: bigint
  /** Above the base, without what is patched. */
  low: bigint[]
  width: number
  patchWidth: number
  gapWidth: number
  patches: { gap: number; high: bigint }[]
}

/** Undefined where nothing would be gained, or where the form has no room for it. */
function patchedOf(values: BigInt64Array, directWidth: number): Patched | undefined {
  const base = values.reduce((a, b) => (a < b ? a : b))
  const above = Array.from(values, (value) => value - base)
  const sorted = above.map(bitsOf).sort((a, b) => a - b)
  const { width } = widthOf(sorted[Math.min(sorted.length - 1, Math.floor(NARROW * sorted.length))]!)
  const most = sorted.at(-1)!
  if (most <= width || most > 62 || bitsOf(base < 0n ? -base : base) > 55) return undefined
  const patchWidth = widthOf(most - width).width
  const low = above.map((value) => value & ((1n << BigInt(width)) - 1n))
  const patches: Patched['patches'] = []
  let last = 0
  for (const [i, value] of above.entries()) {
    const high = value >> BigInt(width)
    if (high === 0n) continue
    for (; i - last > 255; last += 255) patches.push({ gap: 255, high: 0n })
    patches.push({ gap: i - last, high })
    last = i
  }
  const gapWidth = Math.max(1, ...patches.map(({ gap }) => bitsOf(BigInt(gap))))
  const entry = patchWidth + gapWidth
  if (patches.length > PATCHES_MAX || entry > 64) return undefined
  const bits = values.length * width + patches.length * entry + 80
  return bits < values.length * directWidth ? { base, low, width, patchWidth, gapWidth, patches } : undefined
}

function writePatched(sink: ByteSink, length: number, patched: Patched): void {
  const { base, low, width, patchWidth, gapWidth, patches } = patched
  const size = base < 0n ? -base : base
  const baseBytes = Math.ceil((bitsOf(size) + 1) / 8)
  header(sink, 2, widthOf(width).code, length)
  sink.push(((baseBytes - 1) << 5) | widthOf(patchWidth).code)
  sink.push(((gapWidth - 1) << 5) | patches.length)
  bigEndian(sink, size | (base < 0n ? 1n << BigInt(8 * baseBytes - 1) : 0n), baseBytes)
  packBits(sink, low, width)
  const entries = patches.map(({ gap, high }) => (BigInt(gap) << BigInt(patchWidth)) | high)
  packBits(sink, entries, widthOf(patchWidth + gapWidth).width)
}

/** Numbers of a width in bits, the highest bit first, filled up to a byte. */
function packBits(sink: ByteSink, values: readonly bigint[], width: number): void {
  let byte = 0
  let left = 8
  for (const value of values) {
    const [high, low] = [Number(value >> 32n), Number(value & 0xffff_ffffn)]
    for (let need = width; need > 0; ) {
      const n = Math.min(need, left)
      const from = need - n
      const bits =
        from >= 32
          ? high >>> (from - 32)
          : from === 0
            ? low
            : (low >>> from) | (from + n > 32 ? high << (32 - from) : 0)
      byte = (byte << n) | (bits & ((1 << n) - 1))
      left -= n
      need -= n
      if (left > 0) continue
      sink.push(byte & 255)
      byte = 0
      left = 8
    }
  }
  if (left < 8) sink.push((byte << left) & 255)
}
