/** Which column orders the rows in time, and how its span is divided into rows that teach, choose and judge. */
import { MillraceError } from '../../core/errors.ts'
import type { ColumnFacts } from './target.ts'
import { columnNamed } from './target.ts'

export interface TimeGuess {
  column: string
  fromAt: number
  toAt: number
  why: string
}

export type SplitGuess =
  | { by: 'time'; validate: string; test: string }
  | { by: 'random'; validate: number; test: number }

/** Times that something was born or ends say little of when the row was written. */
const OTHER_TIMES = /birth|born|dob|expir|end|until|due/i
const ROW_TIMES =
  /^(date|time|timestamp|datetime|ts|at|day|when)$|(_|^)(date|time|timestamp|at|ts)$|created|occurred|event/i
/** Days of a time column below which it does not order anything. */
const DAYS_MIN = 4

const DAY = 86_400_000

/** Undefined when the rows have no time. Errors: MR_CLI_TARGET_UNKNOWN, MR_CLI_TIME. */
export function guessTime(
  columns: readonly ColumnFacts[],
  timeColumns: readonly string[],
  wish?: string,
): TimeGuess | undefined {
  if (wish === 'none') return undefined
  if (wish !== undefined) {
    const column = columnNamed(columns, wish, '--time')
    if (!timeColumns.includes(wish))
      throw new MillraceError('MR_CLI_TIME', { column: wish, known: [...timeColumns] })
    return { ...spanOf(column), why: 'it was asked for' }
  }
  const usable = columns.filter((c) => timeColumns.includes(c.name) && !OTHER_TIMES.test(c.name) && isLong(c))
  const named = usable.find((c) => ROW_TIMES.test(c.name))
  const best = named ?? usable[0]
  return (
    best && {
      ...spanOf(best),
      why: named ? 'its name and values say so' : 'it is the first time without gaps',
    }
  )
}

function isLong(column: ColumnFacts): boolean {
  const { fromAt, toAt } = spanOf(column)
  return toAt - fromAt >= DAYS_MIN * DAY && column.distinct >= DAYS_MIN
}

function spanOf({ name, min, max }: ColumnFacts): { column: string; fromAt: number; toAt: number } {
  return { column: name, fromAt: Date.parse(String(min)), toAt: Date.parse(String(max)) }
}

/** By time where there is one: the newest 15 % judge and the 15 % before choose, in whole days; else a fifth each at random. */
export function guessSplit(time: TimeGuess | undefined): SplitGuess {
  if (time === undefined) return { by: 'random', validate: 0.2, test: 0.2 }
  const days = Math.max(1, Math.round((0.15 * (time.toAt - time.fromAt)) / DAY))
  return { by: 'time', validate: `${days}d`, test: `${days}d` }
}
