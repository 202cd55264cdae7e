/** Numbers and days that are not spelt as the engine spells them: which convention a column keeps is decided from all its rows, and said. */
import type { DatasetDef } from '../../define/types.ts'
import { type Duck, literal, quote } from '../duck.ts'
import type { Guess } from './guess.ts'

/** A column that may be numbers or days in another spelling. */
export interface Candidate {
  name: string
  kind: 'numbers' | 'dates'
}

/** How a column's texts become values of the engine. */
export interface Conversion {
  column: string
  duckType: string
  sql: string
}

type Read = Pick<DatasetDef['read'], 'decimal' | 'dates' | 'missing'>

const NUMBER_LIKE = /^[-+]?\d{1,3}(?:[,.' \u00a0\u202f]\d{3})+(?:[.,]\d+)?$|^[-+]?\d*,\d+$/
const DATE_LIKE = /^\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d{2})(?:[ T]\d{1,2}:\d{2}.*)?$/
const PLAIN_NUMBER = /^[-+]?\d*\.?\d+$/

/** Judges a column by some of its texts: all are numbers or days, and one at least is in another spelling. */
export function candidateOf(
  name: string,
  duckType: string,
  values: readonly string[],
): Candidate | undefined {
  if (values.length === 0) return undefined
  if (/^(VARCHAR|DATE|TIMESTAMP)/.test(duckType) && values.every((value) => DATE_LIKE.test(value)))
    return { name, kind: 'dates' }
  const isNumbers = values.every((value) => NUMBER_LIKE.test(value) || PLAIN_NUMBER.test(value))
  const isOther = values.some((value) => NUMBER_LIKE.test(value) && !PLAIN_NUMBER.test(value))
  return duckType === 'VARCHAR' && isNumbers && isOther ? { name, kind: 'numbers' } : undefined
}

/** `1,234.5` */
const POINT = '[-+]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)?([.][0-9]+)?'
/** `1.234,5` */
const COMMA = '[-+]?([0-9]{1,3}([.][0-9]{3})+|[0-9]+)?(,[0-9]+)?'
/** `1 234,5` and `1'234.5` */
const BLANK = "[-+]?[0-9]{1,3}([ ''\u00a0\u202f][0-9]{3})*([.,][0-9]+)?"

const SEPARATORS = ['/', '.', '-']
const CLOCKS = ['', ' %H:%M', ' %H:%M:%S', ' %H:%M:%S.%g', ' %I:%M %p', ' %I:%M:%S %p']
const formats = (order: readonly string[], year: string): string =>
  `[${SEPARATORS.flatMap((s) => CLOCKS.map((clock) => literal([...order, year].join(s) + clock))).join(', ')}]`
const DAY_FIRST = ['%d', '%m']
const MONTH_FIRST = ['%m', '%d']
const FOUR_DIGITS = '[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{4}([ T].*)?'

/**
 * Looks at all rows of the candidates' columns in one scan and gives how each is converted; those that keep no convention stay texts. What rows do not settle is a guess where only digits are at stake, and
 * left as text where days and months would be mixed up. Cost: one scan of those columns.
 */
export async function settleConventions(
  duck: Duck,
  scan: string,
  candidates: readonly Candidate[],
  read: Read,
  delimiter: string,
): Promise<{ conversions: Conversion[]; guesses: Guess[] }> {
  if (candidates.length === 0) return { conversions: [], guesses: [] }
  const asked = candidates.flatMap(({ name, kind }, i) =>
    ASKED[kind](bareValue(name, read.missing)).map((sql, j) => `${sql} AS q${i}_${j}`),
  )
  const row = await duck.one<Record<string, number>>(`SELECT ${asked.join(', ')} FROM ${scan}`)
  const answers = candidates.map((candidate, i) => ({
    candidate,
    counts: ASKED[candidate.kind]('').map((_, j) => row[`q${i}_${j}`]!),
  }))
  const numbers = settleNumbers(
    answers.filter(({ candidate }) => candidate.kind === 'numbers'),
    read,
    delimiter,
  )
  const dates = settleDates(
    answers.filter(({ candidate }) => candidate.kind === 'dates'),
    read,
  )
  return {
    conversions: [...numbers.conversions, ...dates.conversions],
    guesses: together([...numbers.guesses, ...dates.guesses]),
  }
}

/** Columns of which the same is guessed share one guess. */
function together(guesses: readonly Guess[]): Guess[] {
  const found = new Map<string, Guess>()
  for (const guess of guesses) {
    const like = `${guess.what} ${guess.value} ${guess.why}`
    const before = found.get(like)
    found.set(like, { ...guess, columns: [...(before?.columns ?? []), ...(guess.columns ?? [])] })
  }
  return [...found.values()]
}

interface Answer {
  candidate: Candidate
  counts: number[]
}

interface Settled {
  conversions: Conversion[]
  guesses: Guess[]
}

/** A text without blanks around it; null where it stands for nothing. */
function bareValue(name: string, missing: readonly string[]): string {
  const text = `trim(CAST(${quote(name)} AS VARCHAR), ' ' || chr(9) || chr(13) || chr(160))`
  return `CASE WHEN ${text} NOT IN (${['', ...missing].map(literal).join(', ')}) THEN ${text} END`
}

const failing = (value: string, pattern: string): string =>
  `count(*) FILTER (NOT regexp_full_match(${value}, '${pattern}'))`
const notRead = (value: string, order: readonly string[], year: string): string =>
  `count(${value}) - count(try_strptime(${value}, ${formats(order, year)}))`

const ASKED: Record<Candidate['kind'], (value: string) => string[]> = {
  numbers: (value) => [
    failing(value, POINT),
    failing(value, COMMA),
    failing(value, BLANK),
    `count(*) FILTER (regexp_matches(${value}, '[.,][0-9]+$') AND NOT regexp_full_match(${value}, '[-+]?[0-9]{1,3}([.,][0-9]{3})+'))`,
  ],
  dates: (value) => [
    notRead(value, DAY_FIRST, '%Y'),
    notRead(value, MONTH_FIRST, '%Y'),
    notRead(value, DAY_FIRST, '%y'),
    notRead(value, MONTH_FIRST, '%y'),
    failing(value, FOUR_DIGITS),
    `count(*) FILTER (contains(${value}, ':'))`,
    `count(*) FILTER (contains(${value}, '/') OR contains(${value}, '-'))`,
  ],
}

type Decimal = '.' | ','

function settleNumbers(answers: readonly Answer[], read: Read, delimiter: string): Settled {
  const settled: Settled = { conversions: [], guesses: [] }
  const byRows = new Map(answers.map((answer) => [answer, byAllRows(answer)]))
  const others = new Set([...byRows.values()].filter((decimal) => decimal !== undefined))
  const usual: Decimal = others.size === 1 ? [...others][0]! : delimiter === ';' ? ',' : '.'
  for (const [{ candidate, counts }, decided] of byRows) {
    const [point, comma, blank, fractions] = counts as [number, number, number, number]
    if (point > 0 && comma > 0 && blank > 0) continue
    const decimal = read.decimal ?? decided ?? usual
    const duckType = fractions > 0 || (decimal === ',' && point > 0) ? 'DOUBLE' : 'BIGINT'
    const isWhole = duckType === 'BIGINT' && !(decided === undefined && read.decimal === ',')
    settled.conversions.push({
      column: candidate.name,
      duckType: isWhole ? 'BIGINT' : 'DOUBLE',
      sql: numberSql(candidate.name, decimal, isWhole ? 'BIGINT' : 'DOUBLE', read.missing),
    })
    settled.guesses.push({
      what: 'numbers',
      columns: [candidate.name],
      value: decimal === ',' ? 'decimal comma' : 'decimal point, commas between thousands',
      sure: read.decimal ? 'sure' : decided ? 'likely' : 'guess',
      why: read.decimal
        ? 'the dataset says so'
        : decided
          ? 'no other reading fits all rows'
          : 'every value could be read either way',
      pin: `decimal: '${decimal}'`,
    })
  }
  return settled
}

/** What rows leave no doubt about; undefined where both readings fit. */
function byAllRows({ counts }: Answer): Decimal | undefined {
  const [point, comma] = counts as [number, number]
  if (point === 0 && comma > 0) return '.'
  return comma === 0 && point > 0 ? ',' : undefined
}

function numberSql(name: string, decimal: Decimal, duckType: string, missing: readonly string[]): string {
  const bare = `regexp_replace(${bareValue(name, missing)}, '${decimal === ',' ? "[. ''\u00a0\u202f]" : "[, ''\u00a0\u202f]"}', '', 'g')`
  return `CAST(${decimal === ',' ? `replace(${bare}, ',', '.')` : bare} AS ${duckType})`
}

function settleDates(answers: readonly Answer[], read: Read): Settled {
  const settled: Settled = { conversions: [], guesses: [] }
  for (const { candidate, counts } of answers) {
    const isLong = counts[4] === 0
    const [day, month] = (isLong ? counts.slice(0, 2) : counts.slice(2, 4)) as [number, number]
    if (day > 0 && month > 0) continue
    const byRows = day > 0 ? 'month-first' : month > 0 ? 'day-first' : undefined
    // With points between them, days come first wherever that is written.
    const bySign = counts[6] === 0 ? ('day-first' as const) : undefined
    const order = byRows ?? read.dates ?? bySign
    const columns = [candidate.name]
    if (order === undefined) {
      settled.guesses.push({
        what: 'dates',
        columns,
        value: 'left as text',
        sure: 'guess',
        why: 'no row says whether the day or the month comes first',
        pin: "dates: 'day-first'",
      })
      continue
    }
    const duckType = counts[5]! > 0 ? 'TIMESTAMP' : 'DATE'
    const list = formats(order === 'day-first' ? DAY_FIRST : MONTH_FIRST, isLong ? '%Y' : '%y')
    settled.conversions.push({
      column: candidate.name,
      duckType,
      sql: `CAST(strptime(${bareValue(candidate.name, read.missing)}, ${list}) AS ${duckType})`,
    })
    const why = byRows
      ? 'only so are all rows days that exist'
      : read.dates
        ? 'the dataset says so'
        : 'there are points between them'
    settled.guesses.push({
      what: 'dates',
      columns,
      value: order,
      sure: byRows || read.dates ? 'sure' : 'likely',
      why,
      pin: `dates: '${order}'`,
    })
  }
  return settled
}
