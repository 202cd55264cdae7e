import {
  civilOf,
  dayNumber,
  dayOf,
  isoWeekOf,
  MS,
  mod,
  type TruncateUnit,
  truncate,
  weekdayOf,
} from '../calendar.ts'
import { zoneOf } from '../zones.ts'
import { arg, at, type FnSpec, literal } from './spec.ts'

const part = (doc: string, sql: string, js: (ms: number) => number): FnSpec => ({
  doc,
  args: [at],
  result: 'number',
  sql: `CAST(${sql} AS DOUBLE)`,
  js: js as FnSpec['js'],
})

const dayOfYear = (ms: number): number => {
  const day = dayNumber(ms)
  return day - dayOf(civilOf(day).year, 1, 1) + 1
}

/** Microseconds; exact while below 2^53 (years 1684 to 2255). */
const micros = (ms: number): number => Math.round(ms * 1000)

const DIFF_UNITS = { ms: 1, ...MS } as const

const zone = literal('zone', { kind: 'zone' })

/** Parts of instants, read in UTC; `inZone` first for a place's clock. */
export const times = {
  year: part('Year; 0 is 1 BC.', 'year({0})', (ms) => civilOf(dayNumber(ms)).year),
  quarter: part('Quarter, 1 to 4.', 'quarter({0})', (ms) => Math.ceil(civilOf(dayNumber(ms)).month / 3)),
  month: part('Month, 1 to 12.', 'month({0})', (ms) => civilOf(dayNumber(ms)).month),
  day: part('Day of the month, 1 to 31.', 'day({0})', (ms) => civilOf(dayNumber(ms)).day),
  hour: part('Hour, 0 to 23.', 'hour({0})', (ms) => mod(Math.floor(ms / MS.hour), 24)),
  minute: part('Minute, 0 to 59.', 'minute({0})', (ms) => mod(Math.floor(ms / MS.minute), 60)),
  second: part('Whole second, 0 to 59.', 'second({0})', (ms) => mod(Math.floor(ms / MS.second), 60)),
  weekday: part('ISO weekday: Monday 1 to Sunday 7.', 'isodow({0})', (ms) => weekdayOf(dayNumber(ms))),
  dayOfYear: part('Day of the year, 1 to 366.', 'dayofyear({0})', dayOfYear),
  week: part('ISO week, 1 to 53.', 'week({0})', (ms) => isoWeekOf(dayNumber(ms)).week),
  isoYear: part('Year that the ISO week belongs to.', 'isoyear({0})', (ms) => isoWeekOf(dayNumber(ms)).year),
  epoch: part(
    'Seconds since 1970-01-01 UTC, with microseconds.',
    'epoch_us({0}) / 1e6',
    (ms) => micros(ms) / 1e6,
  ),
  truncate: {
    doc: 'The start of the unit that holds the time; weeks start on Monday.',
    args: [
      at,
      literal('unit', {
        kind: 'oneOf',
        values: ['year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second'],
      }),
    ],
    result: 'time',
    sql: (_, [unit]) => `date_trunc('${unit}', {0})`,
    bind: ((unit: TruncateUnit) => truncate(unit)) as FnSpec['bind'],
  },
  diff: {
    doc: 'Time from the second to the first in units of elapsed time, with fractions.',
    args: [at, arg('since', 'time'), literal('unit', { kind: 'oneOf', values: Object.keys(DIFF_UNITS) })],
    result: 'number',
    sql: (_, [unit]) =>
      `(CAST(epoch_us({0}) - epoch_us({1}) AS DOUBLE) / ${DIFF_UNITS[unit as keyof typeof DIFF_UNITS] * 1000}.0::DOUBLE)`,
    bind: ((unit: keyof typeof DIFF_UNITS) => {
      const unitMicros = DIFF_UNITS[unit] * 1000
      return (ms: number, since: number) => (micros(ms) - micros(since)) / unitMicros
    }) as FnSpec['bind'],
  },
  inZone: {
    doc: "A place's wall clock at an instant, daylight saving included; the result reads as if it were UTC.",
    args: [at, zone],
    result: 'time',
    sql: "timezone({1}, timezone('UTC', {0}))",
    bind: ((name: string) => zoneOf(name).toWall) as FnSpec['bind'],
  },
  fromZone: {
    doc: "The instant at which a place's wall clock shows a time. Repeated hours: the later; skipped hours: read with the offset before.",
    args: [at, zone],
    result: 'time',
    sql: "timezone('UTC', timezone({1}, {0}))",
    bind: ((name: string) => zoneOf(name).fromWall) as FnSpec['bind'],
  },
} satisfies Record<string, FnSpec>
