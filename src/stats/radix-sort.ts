/** Values that the engine sorts as fast. */
const ENGINE_SORTS_MAX = 500
/** Values that are moved through memory of this module. */
const SPARE = 4096

const DIGITS = 2048
/** Where each digit of eleven bits (ten, of the highest) begins, in the low half of a double and in the high one. */
const SHIFTS = [0, 11, 22]
const spare = new Float64Array(SPARE)
const starts = new Uint32Array(2 * SHIFTS.length * DIGITS)

/**
 * Sorts doubles in place, ascending, as `values.sort()` does: `-0` before `0`, NaN last.
 *
 * A pass for each digit of their bits in which the values differ; 32-bit floats and whole numbers differ in few. Cost: 15 to 45 ns a value, a third to two thirds of
 * the engine's time, and memory for a copy beyond 4,096 values.
 */
export function sortNumbers(values: Float64Array): Float64Array {
  if (values.length <= ENGINE_SORTS_MAX) return values.sort()
  const numbers = values.subarray(0, nanLast(values))
  sortByBits(numbers)
  negativesFirst(numbers)
  return values
}

/** Moves NaN behind the others, whose number it returns. */
function nanLast(values: Float64Array): number {
  let n = 0
  for (let i = 0; i < values.length; i++) if (!Number.isNaN(values[i])) values[n++] = values[i]
  values.fill(Number.NaN, n)
  return n
}

/** Sorts by the bits of values as unsigned integers: negative ones come last, those farthest from 0 at the end. */
function sortByBits(values: Float64Array): void {
  countDigits(values)
  let from = values
  let to: Float64Array =
    values.length <= SPARE ? spare.subarray(0, values.length) : new Float64Array(values.length)
  for (let pass = 0; pass < 2 * SHIFTS.length; pass++) {
    if (!addUp(pass * DIGITS, values.length)) continue
    scatter(from, to, pass)
    const done = from
    from = to
    to = done
  }
  if (from !== values) values.set(from)
}

/** Halves of doubles, low ones first. */
function halvesOf({ buffer, byteOffset, length }: Float64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length * 2)
}

/** How often each digit occurs, by its pass. */
function countDigits(values: Float64Array): void {
  const halves = halvesOf(values)
  starts.fill(0)
  for (let i = 0; i < halves.length; i += 2) {
    const low = halves[i]
    const high = halves[i + 1]
    starts[low & 2047]++
    starts[DIGITS + ((low >>> 11) & 2047)]++
    starts[2 * DIGITS + (low >>> 22)]++
    starts[3 * DIGITS + (high & 2047)]++
    starts[4 * DIGITS + ((high >>> 11) & 2047)]++
    starts[5 * DIGITS + (high >>> 22)]++
  }
}

/** Counts become places; false where one digit has all. */
function addUp(base: number, n: number): boolean {
  let sum = 0
  for (let at = base; at < base + DIGITS; at++) {
    const count = starts[at]
    if (count === n) return false
    starts[at] = sum
    sum += count
  }
  return true
}

function scatter(from: Float64Array, to: Float64Array, pass: number): void {
  const halves = halvesOf(from)
  const base = pass * DIGITS
  const half = pass < SHIFTS.length ? 0 : 1
  const shift = SHIFTS[pass % SHIFTS.length]
  for (let i = 0; i < from.length; i++)
    to[starts[base + ((halves[2 * i + half] >>> shift) & 2047)]++] = from[i]
}

function negativesFirst(values: Float64Array): void {
  let positives = values.length
  while (positives > 0 && (values[positives - 1] < 0 || Object.is(values[positives - 1], -0))) positives--
  const negatives = values.slice(positives).reverse()
  values.copyWithin(negatives.length, 0, positives)
  values.set(negatives)
}
