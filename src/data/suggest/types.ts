/** What a suggestion of checks is made of, as plain data: it is sent from the child process as JSON. */
import type { ColumnType } from '../../core/records.ts'
import type { CheckDef, DatasetDef } from '../../define/types.ts'
import type { ChildFile } from '../types.ts'

export type SuggestionKind =
  | 'complete'
  | 'range'
  | 'set'
  | 'pattern'
  | 'unique'
  | 'determines'
  | 'order'
  | 'fresh'

/** Rows that a check judged and that failed. */
export interface Judged {
  rows: number
  failing: number
}

/** A check that the data bear out. */
export interface Suggestion {
  kind: SuggestionKind
  check: CheckDef
  /** Columns it is about; of a dependency, the determined one last. */
  columns: string[]
  /** What in the data speaks for it, in one sentence. */
  why: string
  /** On the rows that it was learned from. */
  fitted: Judged
  /** On rows that it was not learned from. */
  heldOut: Judged
  /** Share of sound rows that it will fail: as on the held-out rows, and at most (95 %). */
  falseAlarms: { share: number; atMost: number }
  /** Whether it was given room because it did not hold everywhere. */
  loosened: boolean
}

/** A check that was tried and is not suggested. */
export interface Dropped {
  check: string
  why: string
}

export interface SuggestReport {
  rows: number
  columns: { name: string; type: ColumnType }[]
  /** How rows were divided: the newest are held out by this column of time, or some at random. */
  split:
    | { by: 'time'; column: string; fitted: number; heldOut: number }
    | { by: 'random'; fitted: number; heldOut: number }
  suggestions: Suggestion[]
  dropped: Dropped[]
  notes: string[]
}

export interface SuggestJob {
  op: 'suggest'
  files: ChildFile[]
  read: Partial<DatasetDef['read']>
  time: string | null
  key: string[]
  /** Epoch milliseconds; what freshness is measured against. */
  now: number
  folder: string
  memoryMb: number
}

/** What the rows that are learned from say of one column. */
export interface ColumnFacts {
  name: string
  type: ColumnType
  rows: number
  nulls: number
  distinct: number
  /** Values with their counts, most frequent first; cut after `valuesMax`. */
  values: { value: string | number; rows: number }[]
  /** Finite values in ascending order, drawn from all; of numbers only. */
  numbers?: Float64Array
}
