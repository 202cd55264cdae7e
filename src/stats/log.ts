/** Logarithms by plain arithmetic: engines differ in the last bits of `Math.log`, and what is learned must have the same bytes from each of them. */

/** ln 2 in two parts; the high one has so few bits that its product with an exponent is exact. */
const LN2_HIGH = 0.6931471803691238
const LN2_LOW = 1.9082149292705877e-10
const word = new DataView(new ArrayBuffer(8))

/**
 * Natural logarithm by the series of artanh; relative error below 1e-15 but next to 1, absolute there. 0 gives -Infinity, what is negative NaN.
 * Subnormal numbers are taken as they are. Cost: about 20 multiplications.
 */
export function logFast(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN
  if (x === Number.POSITIVE_INFINITY) return x
  if (x < 2 ** -1000) return logFast(x * 2 ** 60) - 60 * LN2_LOW - 60 * LN2_HIGH
  word.setFloat64(0, x)
  const high = word.getUint32(0)
  word.setUint32(0, (high & 0xfffff) | 0x3ff00000)
  let mantissa = word.getFloat64(0)
  let exponent = (high >>> 20) - 1023
  if (mantissa > Math.SQRT2) {
    mantissa /= 2
    exponent++
  }
  const s = (mantissa - 1) / (mantissa + 1)
  const z = s * s
  let tail = 0
  for (let k = 21; k >= 3; k -= 2) tail = z * (tail + 1 / k)
  return exponent * LN2_HIGH + (2 * s + (2 * s * tail + exponent * LN2_LOW))
}

/** ln(1 + x) for x > -1: as `logFast`, with the digits that 1 + x loses put back (Kahan's way). */
export function log1pFast(x: number): number {
  const u = 1 + x
  return u === 1 ? x : (logFast(u) * x) / (u - 1)
}
