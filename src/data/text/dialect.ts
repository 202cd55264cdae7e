/** How a delimited text is divided: delimiter, quotes, lines above the names, names, and how many cells rows have. */
import { MillraceError } from '../../core/errors.ts'
import type { Guess, Sureness } from './guess.ts'
import { recordsOf, type TextRecord } from './records.ts'
import { isTypedText } from './typed-text.ts'

export interface Dialect {
  delimiter: string
  quote: string
  /** Whether rows have names above them. */
  header: boolean
  /** Lines above the names, or above the first row where there are no names. */
  skip: number
  names: string[]
  /** Whether the line of names has other numbers of cells than rows. */
  isUneven: boolean
  /** Cells of a row. */
  width: number
  guesses: Guess[]
}

export interface Pinned {
  delimiter?: string
  quote?: string
  /** Line of the names, from 1; false for none. */
  header?: number | false
}

const DELIMITERS = [',', ';', '\t', '|']
const NAMES: Record<string, string> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'bar' }
/** Records that are looked at for names. */
const BODY_ROWS = 500

/** Errors: MR_DATA_HEADER_ROWS where names stand on several lines, MR_DATA_EMPTY_FILE where nothing does. */
export function sniffDialect(text: string, isCut: boolean, pinned: Pinned, file: string): Dialect {
  const quote = pinned.quote ?? '"'
  const divided = division(text, isCut, quote, pinned.delimiter)
  const { delimiter, width, records } = divided
  const head = headOf(records, width, pinned.header, file)
  return {
    delimiter,
    quote,
    header: head.names !== undefined,
    skip: head.line - 1,
    names: namesOf(head.names ?? [], width),
    isUneven: head.names !== undefined && head.names.length !== width,
    width,
    guesses: [...divided.guesses, ...head.guesses],
  }
}

/** Names and rows of records that are divided already, as the cells of a sheet are. Errors: MR_DATA_HEADER_ROWS. */
export function sniffRecords(
  records: TextRecord[],
  width: number,
  given: Pinned['header'],
  file: string,
): Pick<Dialect, 'header' | 'skip' | 'names' | 'guesses'> {
  const head = headOf(records, width, given, file)
  return {
    header: head.names !== undefined,
    skip: head.line - 1,
    names: namesOf(head.names ?? [], width),
    guesses: head.guesses,
  }
}

interface Division {
  delimiter: string
  width: number
  records: TextRecord[]
  guesses: Guess[]
}

function division(text: string, isCut: boolean, quote: string, given: string | undefined): Division {
  const tried = (given === undefined ? DELIMITERS : [given]).map((delimiter) => {
    const all = recordsOf(text, delimiter, quote, isCut)
    const records = (all.length > 0 ? all : recordsOf(text, delimiter, quote)).filter(({ cells }) =>
      cells.some((cell) => cell.trim() !== ''),
    )
    const { width, share } = usualWidth(records)
    return { delimiter, records, width, share, score: share * (1 - 1 / width) }
  })
  const [best, next] = tried.sort((a, b) => b.score - a.score) as [
    (typeof tried)[0],
    (typeof tried)[0] | undefined,
  ]
  if (given !== undefined) return { ...best, guesses: [] }
  // Few rows agree on more than one cell: the delimiter only occurs in texts.
  if (best.width === 1 || best.share < 0.4) {
    const single = tried.find(({ delimiter }) => delimiter === ',')!
    const isOne = single.records.every(({ cells }) => cells.length === 1)
    const why = 'no delimiter divides the lines alike'
    return {
      ...single,
      width: isOne ? 1 : single.width,
      guesses: [guessOf(single.delimiter, isOne ? 'likely' : 'guess', why)],
    }
  }
  const sure: Sureness =
    best.share > 0.98 && (next === undefined || next.score < 0.5 * best.score)
      ? 'sure'
      : best.share > 0.8
        ? 'likely'
        : 'guess'
  const why = `${Math.floor(100 * best.share)} % of the lines have ${best.width} cells by it`
  return { ...best, guesses: [guessOf(best.delimiter, sure, why)] }
}

const guessOf = (delimiter: string, sure: Sureness, why: string): Guess => ({
  what: 'delimiter',
  value: NAMES[delimiter] ?? JSON.stringify(delimiter),
  sure,
  why,
  pin: `delimiter: ${JSON.stringify(delimiter).replaceAll('"', "'")}`,
})

/** The number of cells that most records have, more of them counting more, and the share of records that have it. */
function usualWidth(records: readonly TextRecord[]): { width: number; share: number } {
  const counts = new Map<number, number>()
  for (const { cells } of records) counts.set(cells.length, (counts.get(cells.length) ?? 0) + 1)
  let width = 1
  let most = 0
  for (const [one, n] of counts)
    if (n * (1 - 1 / (one + 1)) > most) [width, most] = [one, n * (1 - 1 / (one + 1))]
  return { width, share: (counts.get(width) ?? 0) / Math.max(1, records.length) }
}

interface Head {
  /** Of the names, or of the first row. */
  line: number
  names?: string[]
  guesses: Guess[]
}

function headOf(records: TextRecord[], width: number, given: number | false | undefined, file: string): Head {
  if (given === false) return { line: records[0]?.line ?? 1, guesses: [] }
  if (given !== undefined) {
    const found = records.find(({ line }) => line >= given)
    return { line: given, names: found?.cells ?? [], guesses: [] }
  }
  const first = firstFull(records, width)
  const row = records[first]
  if (!row) return { line: 1, guesses: [] }
  const above = row.line - 1
  const body = records.slice(first + 1, first + 1 + BODY_ROWS).filter(({ cells }) => cells.length === width)
  const { isHeader, sure, why } = judgeHeader(row, body, first > 0)
  if (!isHeader) return { line: row.line, guesses: [headerGuess('none', sure, why, 'header: false')] }
  refuseSeveral(records.slice(first), width, file)
  const place = above === 0 ? 'line 1' : `line ${row.line}, below ${above} lines that are no rows`
  return { line: row.line, names: row.cells, guesses: [headerGuess(place, sure, why, `header: ${row.line}`)] }
}

const headerGuess = (value: string, sure: Sureness, why: string, pin: string): Guess => ({
  what: 'header',
  value,
  sure,
  why,
  pin,
})

/** The first record that is as full as rows are: titles and notes above have fewer cells, or leave most of them empty. */
function firstFull(records: readonly TextRecord[], width: number): number {
  const fill = ({ cells }: TextRecord) => cells.filter((cell) => cell.trim() !== '').length
  const fills = records
    .filter(({ cells }) => cells.length === width)
    .map(fill)
    .sort((a, b) => a - b)
  const usual = fills[fills.length >> 1] ?? 1
  const need = width === 1 ? 1 : Math.max(2, Math.ceil(0.6 * usual))
  // A line of names may lack the last delimiter, or have one more.
  const found = records.findIndex(
    (one) => Math.abs(one.cells.length - width) <= (width > 2 ? 1 : 0) && fill(one) >= Math.min(need, width),
  )
  return Math.max(0, found)
}

function judgeHeader(
  row: TextRecord,
  body: readonly TextRecord[],
  isBelow: boolean,
): { isHeader: boolean; sure: Sureness; why: string } {
  const { cells } = row
  let named = 0
  let alike = 0
  let repeated = 0
  for (const [i, cell] of cells.entries()) {
    const values = body.map((one) => one.cells[i]?.trim() ?? '').filter((value) => value !== '')
    const typed = values.filter(isTypedText).length
    if (values.length > 0 && typed > 0.7 * values.length) {
      if (isTypedText(cell) || cell.trim() === '') alike++
      else named++
    } else if (cell.trim() !== '' && values.filter((value) => value === cell.trim()).length > 0) repeated++
  }
  if (named > 0 && named >= alike)
    return {
      isHeader: true,
      sure: alike === 0 ? 'sure' : 'likely',
      why: 'its cells are words above columns of numbers or dates',
    }
  if (areYears(cells))
    return { isHeader: true, sure: 'likely', why: 'its cells are a word and years in order' }
  if (alike > 0)
    return {
      isHeader: false,
      sure: named === 0 ? 'sure' : 'likely',
      why: 'the first line has numbers or dates as the others have',
    }
  if (body.length === 0)
    return { isHeader: cells.length > 1 || isBelow, sure: 'guess', why: 'there is one line' }
  if (repeated > 0)
    return { isHeader: false, sure: 'guess', why: 'the first line has texts that other lines have too' }
  const areNames =
    cells.every((cell) => cell.trim() !== '') &&
    new Set(cells.map((cell) => cell.trim())).size === cells.length
  return { isHeader: true, sure: areNames ? 'likely' : 'guess', why: 'its texts occur nowhere below' }
}

/** `Year, 2000, 2001, 2002`: numbers that are names. */
function areYears([first, ...rest]: readonly string[]): boolean {
  const years = rest.map((cell) => cell.trim()).filter((cell) => cell !== '')
  if (years.length < 2 || first === undefined || isTypedText(first)) return false
  return years.every(
    (cell, i) => /^(1[5-9]|20)\d\d$/.test(cell) && (i === 0 || Number(cell) === Number(years[i - 1]) + 1),
  )
}

/** Names over several lines: below the first there are more words above columns of numbers. */
function refuseSeveral(records: readonly TextRecord[], width: number, file: string): void {
  const typedIn = (record: TextRecord) => record.cells.filter((cell) => isTypedText(cell)).length
  const later = records.slice(1).filter(({ cells }) => cells.length === width)
  const usual = later.map(typedIn).sort((a, b) => a - b)[later.length >> 1] ?? 0
  if (usual < 2) return
  const end = records.findIndex(
    (record, i) => i > 0 && record.cells.length === width && typedIn(record) >= usual / 2,
  )
  const between = records
    .slice(1, end)
    .filter(({ cells }) => cells.filter((cell) => cell.trim() !== '').length > 1)
  if (end < 2 || between.length === 0) return
  throw new MillraceError('MR_DATA_HEADER_ROWS', {
    file,
    from: records[0]!.line,
    to: records[end - 1]!.line,
  })
}

/** Names as the engine needs them: each there, and each once. */
function namesOf(cells: readonly string[], width: number): string[] {
  const seen = new Set<string>()
  return Array.from({ length: width }, (_, i) => {
    const given = cells[i]?.trim() || `column${i}`
    let name = given
    for (let n = 1; seen.has(name.toLowerCase()); n++) name = `${given}_${n}`
    seen.add(name.toLowerCase())
    return name
  })
}
