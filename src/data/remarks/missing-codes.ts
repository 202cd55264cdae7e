/** Texts that exporters write for "nothing". */
import { grouped } from '../../core/grouped.ts'
import { quoteText } from '../../expr/source-text.ts'
import { type Duck, literal, quote } from '../duck.ts'
import { inWords, type Remark, shownText } from './remark.ts'

/** Words that can be a category of their own (`unknown`, `none`) are not guessed. */
const CODES = ['?', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'NULL', 'null', '\\N']
/** Those that count only in a column whose other values are numbers. */
const WEAK_CODES = ['-', '--', '.', 'None', 'none', 'unknown', '*']

export interface MissingCode {
  column: string
  code: string
  rows: number
}

/** Codes in the text columns of a table, by column in their order. */
export async function missingCodesOf(
  duck: Duck,
  from: string,
  columns: readonly { name: string; type: string }[],
): Promise<MissingCode[]> {
  const found: MissingCode[] = []
  for (const { name, type } of columns)
    if (type === 'string') found.push(...(await codesOf(duck, from, name)))
  return found
}

async function codesOf(duck: Duck, from: string, column: string): Promise<MissingCode[]> {
  const value = quote(column)
  const all = [...CODES, ...WEAK_CODES].map(literal).join(', ')
  const rows = await duck.rows<{ v: string; n: number }>(
    `SELECT ${value} AS v, count(*) AS n FROM ${from} WHERE ${value} IN (${all}) GROUP BY 1 ORDER BY 1`,
  )
  if (rows.length === 0) return []
  const { words, n } = await duck.one<{ words: number; n: number }>(
    `SELECT count(*) FILTER (TRY_CAST(${value} AS DOUBLE) IS NULL) AS words, count(*) AS n FROM ${from} WHERE ${value} NOT IN (${all})`,
  )
  const numeric = n > 0 && words === 0
  return rows
    .filter(({ v }) => numeric || CODES.includes(v))
    .map(({ v, n: count }) => ({ column, code: v, rows: count }))
}

/** One remark a code; `isRead` says that it is read as nothing already. */
export function codeRemarks(codes: readonly MissingCode[], isRead: boolean): Remark[] {
  return [...new Set(codes.map(({ code }) => code))].map((code) => {
    const of = codes.filter((found) => found.code === code)
    const places = of.map(({ column, rows }) => `${column} (${grouped(rows)})`)
    return {
      kind: 'missing-code',
      columns: of.map(({ column }) => column),
      rows: Math.max(...of.map(({ rows }) => rows)),
      ...(isRead
        ? { text: `${shownText(code)} stands for a missing value in ${inWords(places)}` }
        : {
            text: `${shownText(code)} in ${inWords(places)} is read as a value; it usually stands for a missing one`,
            fix: `read: { missing: [${quoteText(code)}] }`,
          }),
    }
  })
}
