/** What judging rows without importing them is made of, as plain data that goes to the child process and comes back. */
import type { Schema, TimeWindow } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import type { ChildFile, ImportParams, OtherRows } from './types.ts'

/** Rows that are judged and left alone: files as they are read for an import, or the parts of a version. */
export type CheckedRows =
  | { kind: 'files'; files: ChildFile[]; params: ImportParams; schema: Schema | null }
  | ({ kind: 'parts' } & OtherRows)

export interface CheckJob {
  op: 'check'
  /** What is read, by name. */
  files: Pick<ChildFile, 'name'>[]
  dataset: string
  checks: CheckDef[]
  period: TimeWindow | null
  rows: CheckedRows
  others: Record<string, OtherRows>
  /** Failing rows shown of each check. */
  examples: number
  /** File that the failing rows are written to, with their numbers and these columns. */
  failing: { path: string; key: string[] } | null
  threads: number
  folder: string
  memoryMb: number
}

/** What a check came to, as plain data. */
export interface CheckedRule {
  check: string
  tally?: { judged: number; failed: number }
  measured?: { value: number | null; infinite?: 1 | -1; n: number; isNear?: true }
  newestAt?: number | null
  error?: string
  examples?: { row: number; values: Record<string, unknown> }[]
}

export interface CheckedResult {
  rows: number
  columns: Pick<Schema['columns'][number], 'name' | 'type'>[]
  rules: CheckedRule[]
  /** Passes over the rows: how many checks each answered, and how long it took. */
  passes: { checks: number; ms: number }[]
  /** Failing rows that were written. */
  failingRows: number | null
}
