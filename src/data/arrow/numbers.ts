/** Numbers that JavaScript has no view for. */
import { decimalText } from '../orc/values.ts'

/** IEEE 754 binary16. */
export function readHalf(word: number): number {
  const sign = word & 0x8000 ? -1 : 1
  const exponent = (word >> 10) & 31
  const fraction = word & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** A decimal of 32 to 256 bits in two's complement, as text with all its digits. */
export function readDecimal(view: DataView, row: number, bits: number, scale: number): string {
  let value = 0n
  for (let word = bits / 32 - 1; word >= 0; word--)
    value = (value << 32n) | BigInt(view.getUint32((row * bits) / 8 + 4 * word, true))
  return decimalText(BigInt.asIntN(bits, value), scale)
}

/** As an ISO 8601 duration. */
export function readInterval(
  view: DataView,
  at: number,
  unit: 'months' | 'day-time' | 'month-day-nano',
): string {
  if (unit === 'months') return isoDuration(view.getInt32(at, true), 0, 0n)
  if (unit === 'day-time')
    return isoDuration(0, view.getInt32(at, true), BigInt(view.getInt32(at + 4, true)) * 1_000n)
  const nanos = view.getBigInt64(at + 8, true)
  return isoDuration(view.getInt32(at, true), view.getInt32(at + 4, true), nanos / 1_000n)
}

/** `P1M2DT3.5S`. */
export function isoDuration(months: number, days: number, micros: bigint): string {
  const date = `${months ? `${months}M` : ''}${days ? `${days}D` : ''}`
  const size = micros < 0n ? -micros : micros
  const fraction = String(size % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const seconds = `${micros < 0n ? '-' : ''}${size / 1_000_000n}${fraction ? `.${fraction}` : ''}S`
  return `P${date}${micros === 0n && date !== '' ? '' : `T${seconds}`}`
}
