/** What a person should know of rows that were just read, in sentences: facts of the data that are probably no facts of the world. */

export type RemarkKind =
  /** A text such as `?` that stands for nothing and is read as a value. */
  | 'missing-code'
  /** Rows that are there more than once. */
  | 'duplicate-rows'
  /** One value spelt in several ways. */
  | 'spelling'
  /** A few rows of another period than all others. */
  | 'stray-rows'
  /** A few numbers that lie far from all others. */
  | 'far-values'
  /** One number at the end of the range, far from all others and frequent. */
  | 'code-value'
  /** A column with one value, or nearly so. */
  | 'constant'
  /** A column that names or numbers the rows. */
  | 'identifier'
  /** Two columns that say the same. */
  | 'same-columns'

export interface Remark {
  kind: RemarkKind
  columns: string[]
  /** Rows that it is about; of columns as a whole, all rows. */
  rows: number
  text: string
  /** What can be done. */
  fix?: string
}

/** Beyond these a remark is not looked for, so that reading stays one pass and a little: rows for copies, values of a column for spellings, columns for pairs. */
export const REMARK_LIMITS = { duplicateRows: 5_000_000, spellings: 5_000, pairColumns: 100, shown: 5 }

/** `a`, `b` and `c`. */
export function inWords(items: readonly string[]): string {
  return items.length < 2
    ? (items[0] ?? '')
    : `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`
}

const TEXT_CHARS = 64

/** A value as it may be shown. */
export function shownText(text: string): string {
  return JSON.stringify(text.length > TEXT_CHARS ? `${text.slice(0, TEXT_CHARS - 1)}…` : text)
}
