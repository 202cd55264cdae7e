import { MillraceError } from '../core/errors.ts'
import { civilOf, dayNumber, dayOf, MS } from './calendar.ts'

/** Offsets of one time zone, as this system's ICU data know them. Offset = wall clock − UTC, in milliseconds. */
export interface Zone {
  /** Wall-clock time of an instant, written as epoch milliseconds as if it were UTC. */
  toWall(ms: number): number
  /** Instant of a wall-clock time. In an overlap the later instant; a time in a gap is read with the offset from before it (as ICU's last wall time). */
  fromWall(wall: number): number
}

const zones = new Map<string, Zone>()

/** The zone of an IANA name. Errors: MR_EXPR_ZONE. Cost: each year of each zone is learned once, 0.3 ms; then O(transitions of the year). */
export function zoneOf(name: string): Zone {
  let zone = zones.get(name)
  if (zone === undefined) {
    zone = openZone(formatterOf(name))
    zones.set(name, zone)
  }
  return zone
}

function formatterOf(name: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'iso8601',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (cause) {
    throw new MillraceError('MR_EXPR_ZONE', { zone: name }, { cause })
  }
}

/** Offsets within one UTC year: `offsets[i]` holds from `starts[i]`, the first from the year's start. */
interface YearOffsets {
  starts: number[]
  offsets: number[]
}

const YEARS_MAX = 1024

function openZone(formatter: Intl.DateTimeFormat): Zone {
  const years = new Map<number, YearOffsets>()
  const yearOffsets = (year: number): YearOffsets => {
    let found = years.get(year)
    if (found === undefined) {
      if (years.size >= YEARS_MAX) years.clear()
      found = learnYear(formatter, year)
      years.set(year, found)
    }
    return found
  }
  let recent: { from: number; end: number; offset: number } = { from: 0, end: 0, offset: 0 }
  const offsetAt = (ms: number): number => {
    if (ms >= recent.from && ms < recent.end) return recent.offset
    const { year } = civilOf(dayNumber(ms))
    const { starts, offsets } = yearOffsets(year)
    let i = starts.length - 1
    while (i > 0 && starts[i]! > ms) i--
    recent = { from: starts[i]!, end: starts[i + 1] ?? dayOf(year + 1, 1, 1) * MS.day, offset: offsets[i]! }
    return recent.offset
  }
  return {
    toWall: (ms) => wholeMicros(ms + offsetAt(ms)),
    fromWall: (wall) => wholeMicros(instantOf(wall, offsetAt)),
  }
}

/** Adding to a time with a fraction may leave its last bit off. */
const wholeMicros = (ms: number): number => (Number.isInteger(ms) ? ms : Math.round(ms * 1000) / 1000)

/** No offset is beyond a day, so the offsets a day around hold every reading of the wall time. */
function instantOf(wall: number, offsetAt: (ms: number) => number): number {
  const before = offsetAt(wall - MS.day)
  const after = offsetAt(wall + MS.day)
  if (before === after) return wall - before
  const isReal = (offset: number): boolean => offsetAt(wall - offset) === offset
  if (isReal(before) && isReal(after)) return wall - Math.min(before, after)
  return wall - (isReal(after) ? after : before)
}

/** Probes the year week by week and bisects where the offset changes: no zone has changed twice within a week. */
function learnYear(formatter: Intl.DateTimeFormat, year: number): YearOffsets {
  const start = dayOf(year, 1, 1) * MS.day
  const end = dayOf(year + 1, 1, 1) * MS.day
  const starts = [start]
  const offsets = [readOffset(formatter, start)]
  for (let from = start; from < end; from += MS.week) {
    const to = Math.min(from + MS.week, end - MS.second)
    if (readOffset(formatter, to) !== offsets.at(-1)) {
      const at = bisect(formatter, from, to, offsets.at(-1)!)
      starts.push(at)
      offsets.push(readOffset(formatter, at))
    }
  }
  return { starts, offsets }
}

/** First whole second in `(from, to]` whose offset is not `before`. */
function bisect(formatter: Intl.DateTimeFormat, from: number, to: number, before: number): number {
  let low = from
  let high = to
  while (high - low > MS.second) {
    const middle = Math.floor((low + high) / 2 / MS.second) * MS.second
    if (readOffset(formatter, middle) === before) low = middle
    else high = middle
  }
  return high
}

function readOffset(formatter: Intl.DateTimeFormat, ms: number): number {
  const part: Record<string, string> = {}
  for (const { type, value } of formatter.formatToParts(ms)) part[type] = value
  const year = part.era?.startsWith('B') ? 1 - Number(part.year) : Number(part.year)
  const wall =
    dayOf(year, Number(part.month), Number(part.day)) * MS.day +
    Number(part.hour) * MS.hour +
    Number(part.minute) * MS.minute +
    Number(part.second) * MS.second
  return wall - Math.floor(ms / MS.second) * MS.second
}
