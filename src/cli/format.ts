/** Numbers, times and names as the command line prints them. */

import { count, figure, percent } from '../api/views/words.ts'
import type { Finding, Measured } from '../core/records.ts'
import type { Gain } from '../model/measures/gain.ts'
import type { Paint } from './paint.ts'
import { wrapped } from './table.ts'

export { count, figure, listed, metricWords, percent, plural } from '../api/views/words.ts'
export { duration, remaining } from './durations.ts'

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** `812 bytes`, `1.4 MB`. */
export function bytes(n: number): string {
  let value = n
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : +value.toPrecision(3)} ${UNITS[unit]}`
}

/** `2001-04-02` in UTC. */
export function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

/** `2001-04-02 17:30` in UTC. */
export function minute(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ')
}

/** First digits of a digest, enough to name it: `3fa9c1d2`. */
export function short(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 8)
}

/** `1.2.3`-like value or a dash. */
export function orDash(value: number | null | undefined, show: (n: number) => string = figure): string {
  return value === null || value === undefined ? '–' : show(value)
}

/** `0.843 (0.81 to 0.87)`. */
export function measured(value: Measured | undefined): string {
  if (!value) return '–'
  const { interval } = value
  return interval
    ? `${figure(value.value)} (${figure(interval[0])} to ${figure(interval[1])})`
    : figure(value.value)
}

/** `+0.02 (+0.01 to +0.03)`. */
export function gainText({ gain, isShare }: Gain): string {
  if (!gain) return '–'
  const text = (x: number) => `${x > 0 ? '+' : ''}${isShare ? percent(x) : figure(x)}`
  return `${text(gain.value)} (${text(gain.interval[0])} to ${text(gain.interval[1])})`
}

const SIGNS: Record<Finding['verdict'], string> = { pass: '✓', fail: '✗', inconclusive: '·', error: '!' }

/** The sign of a verdict, coloured. */
export function sign(verdict: Finding['verdict'], paint: Paint): string {
  const dye = { pass: paint.good, fail: paint.bad, inconclusive: paint.dim, error: paint.warn }[verdict]
  return dye(SIGNS[verdict])
}

/** A finding: sign and sentence, so many blanks in. */
export function findingLines(to: { paint: Paint; width: number }, finding: Finding, indent = 2): string[] {
  const slice = finding.slice === undefined ? '' : ` (${finding.slice})`
  return wrapped(
    `${' '.repeat(indent)}${sign(finding.verdict, to.paint)} `,
    finding.message + slice,
    to.width,
  )
}

/** Rows as `1,234 rows`. */
export function rowsText(n: number): string {
  return `${count(n)} ${n === 1 ? 'row' : 'rows'}`
}

/** `1 %` of the whole as people read shares of data: one decimal below ten. */
export function share(x: number): string {
  const percent = x * 100
  return `${percent < 10 ? +percent.toFixed(1) : Math.round(percent)} %`
}
