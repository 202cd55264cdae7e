/** Values of Arrow as JSON has them. */
import { isoDuration } from './numbers.ts'
import type { ArrowType } from './schema.ts'

/**
 * As columns read them: whole numbers of 64 bits are bigint, decimals and intervals text, days count from the epoch, instants and times of day are microseconds as bigint; what is nested has plain values.
 */
export type ArrowValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | ArrowValue[]
  | { [name: string]: ArrowValue }

/** A value as rows have it: days, instants and times as text, whole numbers that a double holds as numbers, bytes as hexadecimal. */
export function plainOf(type: ArrowType, value: ArrowValue): ArrowValue {
  if (value === null) return null
  const plain = PLAIN[type.kind]
  return plain ? plain(value as never) : value
}

const PLAIN: Partial<Record<ArrowType['kind'], (value: never) => ArrowValue>> = {
  int: (value: number | bigint) => narrow(value),
  date: (days: number) => instant(BigInt(days) * 86_400_000_000n)?.slice(0, 10) ?? null,
  timestamp: (micros: bigint) => instant(micros) ?? null,
  time: (micros: bigint) => instant(micros)?.slice(11) ?? null,
  duration: (micros: bigint) => isoDuration(0, 0, micros),
  decimal: (text: string) => Number(text),
  bytes: (bytes: Uint8Array) => Buffer.from(bytes).toString('hex'),
  'fixed-bytes': (bytes: Uint8Array) => Buffer.from(bytes).toString('hex'),
}

const narrow = (value: number | bigint): number | bigint =>
  typeof value === 'bigint' && value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
    ? Number(value)
    : value

/** `2001-03-31 22:15:00.000000`; undefined beyond the years that JavaScript counts. */
function instant(micros: bigint): string | undefined {
  const rest = ((micros % 1_000n) + 1_000n) % 1_000n
  const date = new Date(Number((micros - rest) / 1_000n))
  if (Number.isNaN(date.getTime())) return undefined
  return `${date.toISOString().replace('T', ' ').replace('Z', '')}${String(rest).padStart(3, '0')}`
}
