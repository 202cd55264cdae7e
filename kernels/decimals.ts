/**
 * Numbers as text, read to the nearest double: the twin of `Number(text)`, bit for bit, for decimal numbers of up to nineteen digits. What is none of these is left to the caller.
 *
 * A number is `w * 10^q` with a whole `w` below 2^64. Where both are small, one multiplication or division of doubles is exact but for its own rounding. Else `w` is multiplied by the
 * 128 leading bits of `5^q`: these nearly always tell the nearest double, and it is known when they do not.
 *
 * Source: Clinger 1990, How to read floating point numbers accurately; Lemire 2021, Number parsing at a gigabyte per second, sections 4 to 6.
 */

const SPACE: u32 = 0x20
const PLUS: u32 = 0x2b
const MINUS: u32 = 0x2d
const POINT: u32 = 0x2e
const SMALL_E: u32 = 0x65
const CASE: u32 = 0x20 // what a small letter has more

const DIGITS_MAX: u32 = 19
const EXACT_MAX: u64 = 1 << 53
const EXACT_POWER: i32 = 22
const POWER_MIN: i32 = -342
const POWER_MAX: i32 = 308
const EXPONENT_MAX: i32 = 10000

/** Where the 128 bits of powers of five lie, low half first, from `POWER_MIN` on; and the doubles 10^0 to 10^22. */
let powers: usize = 0
let tens: usize = 0

/** Numbers that the last call read. */
let read: u32 = 0

let low: u64 = 0

export function configure(powersAt: usize, tensAt: usize): void {
  powers = powersAt
  tens = tensAt
}

export function count(): u32 {
  return read
}

function digitAt(at: usize): u32 {
  return <u32>load<u8>(at) - 0x30
}

function isDigit(at: usize): bool {
  return digitAt(at) < 10
}

/** The high half of a product; the low one goes to `low`. */
function product(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff
  const aHigh = a >> 32
  const bLow = b & 0xffffffff
  const bHigh = b >> 32
  const first = aLow * bLow
  const middle = aHigh * bLow + (first >> 32)
  const other = aLow * bHigh + (middle & 0xffffffff)
  low = (other << 32) | (first & 0xffffffff)
  return aHigh * bHigh + (middle >> 32) + (other >> 32)
}

/** Bits of the double nearest to `w * 10^q`, not negative; all ones where this does not tell. */
function nearest(w: u64, q: i32): u64 {
  if (q < POWER_MIN || q > POWER_MAX) return u64.MAX_VALUE
  const zeros = clz(w)
  const shifted = w << zeros
  const power = powers + ((<usize>(q - POWER_MIN)) << 4)
  let high = product(shifted, load<u64>(power, 8))
  let rest = low
  if ((high & 0x1ff) === 0x1ff) {
    const more = product(shifted, load<u64>(power))
    rest += more
    if (rest < more) high++
  }
  if (rest === u64.MAX_VALUE && (q < -27 || q > 55)) return u64.MAX_VALUE
  const top = high >> 63
  let digits = high >> (top + 9)
  let exponent = (((152170 + 65536) * q) >> 16) + 63 + <i32>top - <i32>zeros + 1023
  if (exponent <= 0) return u64.MAX_VALUE
  // halfway between two doubles: to the even one
  if (rest <= 1 && q >= -4 && q <= 23 && (digits & 3) === 1 && digits << (top + 9) === high) digits &= ~1
  digits = (digits + (digits & 1)) >> 1
  if (digits === EXACT_MAX) {
    digits = 0
    exponent++
  }
  if (exponent >= 2047) return u64.MAX_VALUE
  return (digits & (EXACT_MAX / 2 - 1)) | ((<u64>exponent) << 52)
}

/**
 * Reads numbers between blanks from `at` to before `end`, into doubles at `out`. Gives where it stopped: `end`, or the first byte of a number that it leaves to the caller. How many it read says
 * `count`.
 */
export function numbers(at: usize, end: usize, out: usize): usize {
  read = 0
  let to = out
  while (at < end) {
    if (load<u8>(at) === SPACE) {
      at++
      continue
    }
    const begin = at
    let byte: u32 = load<u8>(at)
    const isNegative = byte === MINUS
    if (isNegative) at++
    let w: u64 = 0
    let q: i32 = 0
    const first = at
    for (; at < end && isDigit(at); at++) w = w * 10 + digitAt(at)
    let digits = <u32>(at - first)
    if (at < end && load<u8>(at) === POINT) {
      const point = ++at
      for (; at < end && isDigit(at); at++) w = w * 10 + digitAt(at)
      q = <i32>(point - at)
      digits += <u32>(at - point)
    }
    // zeros in front are no digits
    if (digits > DIGITS_MAX) {
      let zero = first
      while (zero < at && (load<u8>(zero) === 0x30 || load<u8>(zero) === POINT)) {
        if (load<u8>(zero) === 0x30) digits--
        zero++
      }
    }
    if (digits === 0 || digits > DIGITS_MAX) {
      if (digits !== 0 || w !== 0 || at === first) return begin
      const last: u32 = load<u8>(at - 1)
      if (last === POINT && at - first === 1) return begin
    }
    if (at < end && (<u32>load<u8>(at) | CASE) === SMALL_E) {
      at++
      byte = at < end ? load<u8>(at) : 0
      const isBelow = byte === MINUS
      if (isBelow || byte === PLUS) at++
      let exponent: i32 = 0
      const from = at
      for (; at < end && isDigit(at); at++)
        if (exponent < EXPONENT_MAX) exponent = exponent * 10 + <i32>digitAt(at)
      if (at === from) return begin
      q += isBelow ? -exponent : exponent
    }
    if (at < end && load<u8>(at) !== SPACE) return begin
    let value: f64
    if (w === 0) value = 0
    else if (w <= EXACT_MAX && q >= -EXACT_POWER && q <= EXACT_POWER) {
      value = <f64>w
      if (q < 0) value /= load<f64>(tens + ((<usize>-q) << 3))
      else value *= load<f64>(tens + ((<usize>q) << 3))
    } else {
      const bits = nearest(w, q)
      if (bits === u64.MAX_VALUE) return begin
      value = reinterpret<f64>(bits)
    }
    store<f64>(to, isNegative ? -value : value)
    to += 8
    read++
  }
  return at
}
