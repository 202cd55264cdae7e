/** Days and instants as rows have them, in one spelling: what the engine then reads is one type in every line. */

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/
const INSTANT =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([Zz]|[+-]\d\d(?::?\d\d)?))?$/

/** `2001-03-31`, if that day exists; else undefined. */
export function dayText(text: string): string | undefined {
  const [, year, month, day] = DAY.exec(text) ?? []
  return year !== undefined && isDay(Number(year), Number(month), Number(day)) ? text : undefined
}

/**
 * An instant as `2001-03-31 22:15:00.000000` in UTC, of a text in ISO 8601 (without a zone it is UTC; digits beyond microseconds are cut) or of epoch milliseconds; undefined for what is none. A day alone is its
 * first instant.
 */
export function instantText(value: string | number): string | undefined {
  if (typeof value === 'number') return fromEpochMs(value)
  const day = dayText(value)
  if (day !== undefined) return `${day} 00:00:00.000000`
  const parts = INSTANT.exec(value)
  if (!parts) return undefined
  const [year, month, date, hour, minute, second] = parts.slice(1, 7).map((n) => Number(n ?? 0))
  if (!isDay(year!, month!, date!) || hour! > 23 || minute! > 59 || second! > 59) return undefined
  const micros = (parts[7] ?? '').padEnd(6, '0').slice(0, 6)
  const offset = offsetMs(parts[8] ?? 'Z')
  if (offset === undefined) return undefined
  const clock = `${parts[4]}:${parts[5]}:${parts[6] ?? '00'}`
  const days = `${parts[1]}-${parts[2]}-${parts[3]}`
  if (offset === 0) return `${days} ${clock}.${micros}`
  const moved = fromEpochMs(Date.parse(`${days}T${clock}Z`) - offset)
  return moved && `${moved.slice(0, 19)}.${micros}`
}

function fromEpochMs(ms: number): string | undefined {
  if (!Number.isFinite(ms) || ms < MS_MIN || ms > MS_MAX) return undefined
  const whole = Math.floor(ms)
  const micros = String(Math.round((ms - whole) * 1_000)).padStart(3, '0')
  return micros === '1000' ? fromEpochMs(whole + 1) : plainText(whole) + micros
}

/** From the year 1 to the end of 9999, which four digits write. */
const MS_MIN = -62_135_596_800_000
const MS_MAX = 253_402_300_799_999

const plainText = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '')

function offsetMs(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || 0)
  if (hours > 18 || minutes > 59) return undefined
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}

const LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function isDay(year: number, month: number, day: number): boolean {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const length = month === 2 && isLeap ? 29 : (LENGTHS[month - 1] ?? 0)
  return year > 0 && day >= 1 && day <= length
}
