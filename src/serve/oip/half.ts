/** IEEE 754 half-precision numbers as their 16 bits. */

const scratch = new DataView(new ArrayBuffer(4))

/** Nearest half, ties to even; beyond the largest is infinity. */
export function toHalf(x: number): number {
  scratch.setFloat32(0, x)
  const bits = scratch.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  if (Number.isNaN(x)) return sign | 0x7e00
  const size = Math.abs(x)
  if (size >= 65520) return sign | 0x7c00
  if (size < 2 ** -14) return sign | roundedToEven(size * 2 ** 24)
  const exponent = Math.max(-14, Math.floor(Math.log2(size)))
  const power = size >= 2 ** (exponent + 1) ? exponent + 1 : size < 2 ** exponent ? exponent - 1 : exponent
  return sign | (((power + 15) << 10) + roundedToEven((size / 2 ** power - 1) * 1024))
}

function roundedToEven(x: number): number {
  const below = Math.floor(x)
  const rest = x - below
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
}

export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
