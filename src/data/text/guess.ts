/** What was guessed of a file, and how sure it is. */

/** `sure`: nothing else reads the bytes; `likely`: all rows looked at agree; `guess`: rows allow more than one reading. */
export type Sureness = 'sure' | 'likely' | 'guess'

export interface Guess {
  what:
    | 'encoding'
    | 'lines'
    | 'delimiter'
    | 'quote'
    | 'header'
    | 'numbers'
    | 'dates'
    | 'sheet'
    | 'merged cells'
  value: string
  sure: Sureness
  /** One clause that says what it was seen by. */
  why: string
  /** Columns that it is about; all without. */
  columns?: string[]
  /** What to write under `read` of the dataset so that it is no guess. */
  pin?: string
}
