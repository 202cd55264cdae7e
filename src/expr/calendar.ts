/** Proleptic Gregorian calendar on epoch milliseconds. All functions take UTC instants (or wall-clock times written as if UTC); fractions are kept. */

export const MS = {
  second: 1_000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
} as const

export interface CivilDate {
  /** Astronomical: 0 is 1 BC. */
  year: number
  /** 1 to 12. */
  month: number
  /** 1 to 31. */
  day: number
}

export const dayNumber = (ms: number): number => Math.floor(ms / MS.day)

/** Floored remainder: in [0, n). */
export const mod = (a: number, n: number): number => a - n * Math.floor(a / n)

/** Date of a day number since 1970-01-01. Source: Hinnant, "chrono-compatible low-level date algorithms", civil_from_days. */
export function civilOf(day: number): CivilDate {
  const z = day + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1,
  }
}

/** Day number of a date; the inverse of `civilOf`. Source: Hinnant, days_from_civil. */
export function dayOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return (
    era * 146_097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719_468
  )
}

/** ISO 8601 weekday of a day number: Monday 1 to Sunday 7. */
export const weekdayOf = (day: number): number => mod(day + 3, 7) + 1

/** ISO 8601 week: the week belongs to the year that holds its Thursday. */
export function isoWeekOf(day: number): { year: number; week: number } {
  const thursday = day - weekdayOf(day) + 4
  const { year } = civilOf(thursday)
  return { year, week: Math.floor((thursday - dayOf(year, 1, 1)) / 7) + 1 }
}

export type TruncateUnit = 'year' | 'quarter' | 'month' | 'week' | 'day' | 'hour' | 'minute' | 'second'

/** The start of the unit that holds `ms`; weeks begin on Monday. */
export function truncate(unit: TruncateUnit): (ms: number) => number {
  switch (unit) {
    case 'second':
    case 'minute':
    case 'hour':
    case 'day':
      return (ms) => Math.floor(ms / MS[unit]) * MS[unit]
    case 'week':
      return (ms) => (dayNumber(ms) - weekdayOf(dayNumber(ms)) + 1) * MS.day
    case 'month':
      return ofDate((date) => dayOf(date.year, date.month, 1))
    case 'quarter':
      return ofDate((date) => dayOf(date.year, date.month - ((date.month - 1) % 3), 1))
    case 'year':
      return ofDate((date) => dayOf(date.year, 1, 1))
  }
}

const ofDate = (first: (date: CivilDate) => number) => (ms: number) => first(civilOf(dayNumber(ms))) * MS.day

/** `yyyy-mm-dd`, an optional time after `T` or a blank with up to microseconds, and an optional zone offset; UTC without one. */
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?(Z|[+-]\d{2}(?::?\d{2})?))?)?$/

/** Epoch milliseconds of an ISO 8601 text (cut to microseconds), or null when it is none or names no real date. */
export function parseIso(text: string): number | null {
  const m = ISO.exec(text)
  if (m === null) return null
  const [year, month, day] = [Number(m[1]), Number(m[2]), Number(m[3])]
  const [hour, minute, second] = [Number(m[4] ?? 0), Number(m[5] ?? 0), Number(m[6] ?? 0)]
  if (hour > 23 || minute > 59 || second > 59 || !isDate(year, month, day)) return null
  const micros = Number((m[7] ?? '').slice(0, 6).padEnd(6, '0'))
  const wall = dayOf(year, month, day) * MS.day + hour * MS.hour + minute * MS.minute + second * MS.second
  return wall - offsetOf(m[8]) + micros / 1000
}

function isDate(year: number, month: number, day: number): boolean {
  if (month < 1 || month > 12 || day < 1 || day > 31) return false
  return civilOf(dayOf(year, month, day)).day === day
}

function offsetOf(zone: string | undefined): number {
  if (zone === undefined || zone === 'Z') return 0
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0')
  const size = Number(digits.slice(0, 2)) * MS.hour + Number(digits.slice(2)) * MS.minute
  return zone[0] === '-' ? -size : size
}
