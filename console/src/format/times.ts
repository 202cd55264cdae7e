/** Times and durations in words. Windows of data are UTC, as the data are; moments of this machine are local. */

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

const dayUtc = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
})
const dayMonthUtc = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Two units at most, the second only below ten of the first: 4 m 12 s, 18 m, 3 h 5 m. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–'
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  const units: [number, string][] = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'm'],
    [SECOND, 's'],
  ]
  const first = units.findIndex(([size]) => ms >= size)
  const [size, name] = units[first] ?? [SECOND, 's']
  const next = units[first + 1]
  const whole = Math.floor(ms / size)
  if (next === undefined || whole >= 10) return `${Math.round(ms / size)} ${name}`
  const rest = Math.floor((ms - whole * size) / next[0])
  return rest === 0 ? `${whole} ${name}` : `${whole} ${name} ${rest} ${next[1]}`
}

/** `now`, `12 s ago`, `in 3 m`; above a month the date itself. */
export function relative(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined) return '–'
  const gap = now - at
  const size = Math.abs(gap)
  if (size < 5 * SECOND) return 'now'
  if (size > 30 * DAY) return day(at)
  const text = coarse(size)
  return gap > 0 ? `${text} ago` : `in ${text}`
}

/** One unit, rounded down. */
function coarse(ms: number): string {
  const units: [number, string][] = [
    [DAY, 'd'],
    [HOUR, 'h'],
    [MINUTE, 'm'],
    [SECOND, 's'],
  ]
  const [size, name] = units.find(([unit]) => ms >= unit) ?? [SECOND, 's']
  return `${Math.floor(ms / size)} ${name}`
}

export const day = (at: number | null | undefined): string =>
  at === null || at === undefined ? '–' : dayUtc.format(at)
export const dayMonth = (at: number): string => dayMonthUtc.format(at)

/** Half-open window as the days it covers: `1 to 31 Mar 2001`. */
export function windowDays(fromAt: number | null | undefined, toAt: number | null | undefined): string {
  if (fromAt === null || fromAt === undefined || toAt === null || toAt === undefined) return '–'
  const last = Math.max(fromAt, toAt - 1)
  if (day(fromAt) === day(last)) return day(fromAt)
  const sameYear = new Date(fromAt).getUTCFullYear() === new Date(last).getUTCFullYear()
  return `${sameYear ? dayMonth(fromAt) : day(fromAt)} to ${day(last)}`
}

/** The exact moment in UTC, to the second: `2001-04-03 14:22:05 UTC`. */
export function exact(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Local clock time, `14:22:05`. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB', { hour12: false })
}
