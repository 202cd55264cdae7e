/** Values that the engine sorts as fast. */
const ENGINE_SORTS_MAX = 1000

const DIGIT_BITS = 11
const DIGITS = 1 << DIGIT_BITS
/** Bit at which each digit of a 32-bit half begins. */
const SHIFTS = [0, 11, 22]

/**
 * Sorts doubles in place, ascending, as `values.sort()` does: `-0` before `0`, NaN last.
 *
 * Cost: O(n) time, one pass for each digit of 11 bits in which the values differ (32-bit floats and whole numbers differ in few), and memory for a copy: a third
 * of the engine's time for 200,000 values.
 */
export function sortNumbers(values: Float64Array): Float64Array {
  if (values.length <= ENGINE_SORTS_MAX) return values.sort()
  const n = nanLast(values)
  sortByBits(values.subarray(0, n))
  negativesFirst(values.subarray(0, n))
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
  let from = values
  let to: Float64Array = new Float64Array(values.length)
  for (const half of [0, 1]) {
    for (const [digit, counts] of countDigits(from, half).entries()) {
      if (counts.includes(values.length)) continue
      scatter(from, to, { half, shift: SHIFTS[digit], next: startsOf(counts) })
      const done = from
      from = to
      to = done
    }
  }
  if (from !== values) values.set(from)
}

/** Low halves of doubles, or high ones. */
function halvesOf({ buffer, byteOffset, length }: Float64Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length * 2)
}

/** How often each digit occurs, by its place in a half. */
function countDigits(values: Float64Array, half: number): Uint32Array[] {
  const halves = halvesOf(values)
  const [low, middle, high] = SHIFTS.map(() => new Uint32Array(DIGITS))
  for (let i = half; i < halves.length; i += 2) {
    const bits = halves[i]
    low[bits & (DIGITS - 1)]++
    middle[(bits >>> SHIFTS[1]) & (DIGITS - 1)]++
    high[bits >>> SHIFTS[2]]++
  }
  return [low, middle, high]
}

function startsOf(counts: Uint32Array): Uint32Array {
  let at = 0
  return counts.map((count) => {
    at += count
    return at - count
  })
}

function scatter(
  from: Float64Array,
  to: Float64Array,
  { half, shift, next }: { half: number; shift: number; next: Uint32Array },
): void {
  const halves = halvesOf(from)
  for (let i = 0; i < from.length; i++) {
    const digit = (halves[2 * i + half] >>> shift) & (DIGITS - 1)
    to[next[digit]++] = from[i]
  }
}

function negativesFirst(values: Float64Array): void {
  let positives = values.length
  while (positives > 0 && (values[positives - 1] < 0 || Object.is(values[positives - 1], -0))) positives--
  const negatives = values.slice(positives).reverse()
  values.copyWithin(negatives.length, 0, positives)
  values.set(negatives)
}
