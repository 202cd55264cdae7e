/** Options as commander gives them, as the values that a command needs. */
import { resolve } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { TimeWindow } from '../core/records.ts'
import type { Span } from '../loop/spans.ts'
import type { Options } from './handler.ts'

export function textOption(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}

/** Files of `--tls-cert`, `--tls-key` and `--tls-ca`. Errors: MR_TLS_PAIR where only one of the first two is given. */
export function tlsOption(options: Options): { cert: string; key: string; ca?: string } | undefined {
  const [cert, key, ca] = ['tlsCert', 'tlsKey', 'tlsCa'].map((name) => fileOption(options, name))
  if (cert !== undefined && key !== undefined) return { cert, key, ...(ca !== undefined && { ca }) }
  if (cert === undefined && key === undefined && ca === undefined) return undefined
  const got = cert !== undefined ? '--tls-cert' : key !== undefined ? '--tls-key' : '--tls-ca'
  throw new MillraceError('MR_TLS_PAIR', { got })
}

/** Words of an option with commas, each one of a few; undefined without the option. Errors: MR_CLI_VALUE. */
export function wordsOption<T extends string>(
  options: Options,
  name: string,
  flag: string,
  known: readonly T[],
): T[] | undefined {
  const words = textOption(options, name)?.split(',')
  return words?.map((word) => oneOf(flag, word.trim(), known) as T)
}

/** The whole path of a file. */
export function fileOption(options: Options, name: string): string | undefined {
  const file = textOption(options, name)
  return file === undefined ? undefined : resolve(file)
}

/** A whole number from `min`. Errors: MR_CLI_VALUE. */
export function countOption(
  options: Options,
  name: string,
  fallback: number,
  min = 1,
  max = 1_000_000,
): number {
  const text = textOption(options, name)
  if (text === undefined) return fallback
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new MillraceError('MR_CLI_VALUE', {
    option: `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    expected: `a whole number from ${min} to ${max}`,
    got: text,
  })
}

/** One of a few words. Errors: MR_CLI_VALUE. */
export function oneOf<T extends string>(
  option: string,
  value: string | undefined,
  known: readonly T[],
): T | undefined {
  if (value === undefined || known.includes(value as T)) return value as T | undefined
  throw new MillraceError('MR_CLI_VALUE', { option, expected: `one of ${known.join(', ')}`, got: value })
}

const EXPECTED = 'a year, month or day (2001, 2001-06, 2001-06-15), or two of them with ".." between'

/** A window of time, half-open in UTC: `2001-06` is the month, `2001-06-15` the day, `2001-01..2001-04` January to March. Errors: MR_CLI_VALUE. */
export function windowOf(option: string, text: string): TimeWindow {
  const [from, to, more] = text.split('..')
  const first = periodOf(from)
  const window = to === undefined ? first : first && endedBy(first, periodOf(to))
  if (window === undefined || more !== undefined || window.fromAt >= window.toAt)
    throw new MillraceError('MR_CLI_VALUE', { option, expected: EXPECTED, got: text })
  return window
}

/** The end of a span is the beginning of what is named, so that spans join without overlap. */
function endedBy(first: TimeWindow, last: TimeWindow | undefined): TimeWindow | undefined {
  return last && { fromAt: first.fromAt, toAt: last.fromAt }
}

/** A length of time: `6mo`, `2w`, `10d`. Errors: MR_CLI_VALUE. */
export function spanText(option: string, text: string): Span {
  const [, digits, unit] = /^(\d{1,4})(mo|y|w|d|h)$/.exec(text.trim()) ?? []
  const n = Number(digits)
  if (unit === undefined || n < 1)
    throw new MillraceError('MR_CLI_VALUE', {
      option,
      expected: 'a length of time such as 6mo, 2w or 10d',
      got: text,
    })
  if (unit === 'mo' || unit === 'y') return { months: unit === 'y' ? 12 * n : n }
  return { ms: n * UNIT_MS[unit as keyof typeof UNIT_MS] }
}

const UNIT_MS = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 }

function periodOf(text: string): TimeWindow | undefined {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(text.trim())
  if (!match) return undefined
  const [year, month, date] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)))
  const fromAt = Date.UTC(year as number, (month ?? 1) - 1, date ?? 1)
  const begin = new Date(fromAt)
  if (month !== undefined && begin.getUTCMonth() !== month - 1) return undefined
  if (date !== undefined && begin.getUTCDate() !== date) return undefined
  const end = new Date(fromAt)
  if (date !== undefined) end.setUTCDate(date + 1)
  else if (month !== undefined) end.setUTCMonth(month)
  else end.setUTCFullYear((year as number) + 1)
  return { fromAt, toAt: end.getTime() }
}

/** Numbers of rows, with commas; `5..9` are those from 5 up to 8. Errors: MR_CLI_VALUE. */
export function rowNumbers(option: string, text: string): number[] {
  const numbers = text.split(',').flatMap((piece) => {
    const [, from, to] = /^\s*(\d{1,12})(?:\.\.(\d{1,12}))?\s*$/.exec(piece) ?? []
    const end = to === undefined ? Number(from) + 1 : Number(to)
    if (from === undefined || end <= Number(from) || end - Number(from) > ROWS_MAX)
      throw notRows(option, text)
    return Array.from({ length: end - Number(from) }, (_, i) => Number(from) + i)
  })
  return [...new Set(numbers)]
}

const ROWS_MAX = 1_000_000

function notRows(option: string, got: string): MillraceError {
  const expected = 'numbers of rows with commas, such as 3,17 or 3,10..20'
  return new MillraceError('MR_CLI_VALUE', { option, expected, got })
}
