/** What an import is made of, as plain data: it is planned here, digested in a RunSpec, and sent to the child process as JSON. */

import type {
  Column,
  ColumnStats,
  ColumnType,
  DatasetVersion,
  Digest,
  Finding,
  Part,
  Schema,
  TimeWindow,
} from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import type { PartFile } from '../engine/parts.ts'
import type { DeliveryValues } from './delivery-metrics.ts'
import type { Remark } from './remarks/remark.ts'
import type { Guess } from './text/guess.ts'

export type FileFormat = 'parquet' | 'orc' | 'arrow' | 'csv' | 'json' | 'sheet' | 'sqlite' | 'postgres'

/** A file whose bytes are in the store. */
export interface SourceFile {
  /** As a person names it: relative to the config's folder. */
  name: string
  digest: Digest
  bytes: number
  format: FileFormat
  gzip: boolean
  /** Whether its bytes were not in the store before. */
  isNew?: boolean
  /** Its columns as the rows have them; all as they are when absent. */
  view?: FileView
}

/** Columns of rows, each one of a file's, or of one value for all of its rows; as the type that is said, or as it is. */
export type FileView = { name: string; column?: string; value?: string; type?: ColumnType }[]

/**
 * What a delivery is to the rows before: more of them, new values by key (`upsert`), or the whole table as it is now (`replace`), by key or, without one, row by row.
 */
export type DeliveryMode = (typeof DELIVERY_MODES)[number]

export const DELIVERY_MODES = ['append', 'upsert', 'replace'] as const satisfies readonly DatasetDef['mode'][]

/** `params` of a `data.import` RunSpec: everything but the bytes. */
export interface ImportParams {
  dataset: string
  time: string | null
  key: string[]
  checks: CheckDef[]
  read: DatasetDef['read']
  parts: DatasetDef['parts']
  /** Source files in the order of their digests; `input` names an entry of the spec's inputs. */
  files: { input: string; name: string; format: FileFormat; gzip: boolean; view?: FileView }[]
  /** Rows of the source that are taken, by the time column. */
  select: TimeWindow | null
  /** Period that the delivery claims to hold. */
  period: TimeWindow | null
  /** Absent where rows are added. */
  mode?: Exclude<DeliveryMode, 'append'>
  message: string
  /** What becomes of rows that are equal in every column to one of their key; they are judged as any others when absent. */
  repeats?: 'drop'
}

/** What an import found and wrote; `recordImport` makes the version of it. A refused one has no parts of its own. */
export interface DatasetImport {
  kind: 'DatasetImport'
  dataset: string
  parent: Digest | null
  schema: Schema
  parts: Part[]
  quarantine: Part[]
  rows: number
  rowsQuarantined: number
  /** Of this delivery: rows selected, accepted, put aside. */
  delivered: { rows: number; added: number; quarantined: number; updated?: number; deleted?: number }
  /** Rows of this delivery that failed, by check. */
  byCheck: Record<string, number>
  /** `at` is 0 until it is recorded. */
  findings: Finding[]
  /** Newest value by column, for the checks of freshness, which are judged when the import is recorded. */
  newest: Record<string, number | null>
  /** Numbers of the delivered rows, and their first instant where the dataset has a time; absent from imports of older versions. */
  metrics?: { at: number | null; values: DeliveryValues }
  /** Statistics of the delivered rows on the bins of the version before, where a check compares them. */
  deliveredStats?: Record<string, ColumnStats>
  /** Names of `stop` checks that refuse the delivery. */
  refusedBy: string[]
  window: TimeWindow | null
  source: string
  message: string
  notes: string[]
  /** What is odd about the rows of this delivery. */
  remarks: Remark[]
}

/** What drift and profiles compare with: fixed by the first version that had the column. */
export type Reference = { kind: 'numeric'; edges: number[] } | { kind: 'category'; categories: string[] }

export interface ChildFile {
  path: string
  /** File that lists the rows which are left out, where it is a part of a version. */
  gonePath?: string
  name: string
  format: FileFormat
  gzip: boolean
  view?: FileView
}

export interface ImportJob {
  op: 'import'
  files: ChildFile[]
  params: ImportParams
  parent: { schema: Schema; parts: PartFile[]; quarantineParts: number } | null
  /** Versions of other datasets that checks look keys up in, by name. */
  others?: Record<string, OtherRows>
  /** File of rows that leave the version: their keys, or the rows where there is no key. */
  removals?: string
  folder: string
  memoryMb: number
}

/** Rows of a dataset that checks of another one refer to. */
export interface OtherRows {
  schema: Schema
  parts: PartFile[]
}

export interface InspectJob {
  op: 'inspect'
  files: ChildFile[]
  read: Partial<DatasetDef['read']>
  previewRows: number
  folder: string
  memoryMb: number
}

export interface SketchJob {
  op: 'sketch'
  files: ChildFile[]
  /** Columns of the part and the rows it holds. */
  columns: Pick<Column, 'name' | 'type'>[]
  folder: string
  memoryMb: number
}

export interface SketchResult {
  /** File with the sketches. */
  path: string
}

/** A part as the child wrote it: a file that the store has yet to take over. */
export interface WrittenPart extends Omit<Part, 'digest' | 'bytes' | 'sketches'> {
  path: string
  /** File with the sketches of its columns; those of rows put aside are not kept. */
  sketchPath?: string
}

/** What is left of a part when rows are gone. */
export interface ReducedPart extends Pick<Part, 'key' | 'rows' | 'stats'> {
  /** File that lists all rows that are gone of it, `goneRows` in number. */
  gonePath: string
  goneRows: number
}

export interface ImportResult {
  schema: Schema
  written: WrittenPart[]
  /** Parts that stay with fewer rows. */
  reduced: ReducedPart[]
  /** Keys of parent parts that the written ones replace. */
  replaced: string[]
  quarantine: WrittenPart | null
  delivered: DatasetImport['delivered']
  byCheck: Record<string, number>
  findings: Finding[]
  newest: Record<string, number | null>
  metrics: { at: number | null; values: DeliveryValues }
  deliveredStats?: Record<string, ColumnStats>
  refusedBy: string[]
  notes: string[]
  remarks: Remark[]
}

/** One column as `millrace init` shows it. */
export interface InspectedColumn {
  name: string
  type: ColumnType
  nulls: number
  distinct: number
  min: string | number | null
  max: string | number | null
  /** Most frequent values first. */
  examples: (string | number | boolean | null)[]
  /** Texts that stand for a missing value, such as `?`. */
  missingCodes: string[]
  /** Values with blanks around them; they are trimmed on import. */
  padded: number
}

export interface Inspection {
  format: FileFormat
  files: {
    name: string
    bytes: number
    gzip: boolean
    encoding?: string
    delimiter?: string
    header?: boolean
    /** What was guessed of a text file, how sure that is, and how it is pinned. */
    guesses?: Guess[]
  }[]
  rows: number
  schema: Schema
  columns: InspectedColumn[]
  preview: Record<string, string | number | boolean | null>[]
  /** What to write under `read` of the dataset so that it is read this way. */
  read: DatasetDef['read']
  /** Columns that could order the rows in time. */
  timeColumns: string[]
  /** What a person should know, in sentences: how the files are written, then the remarks. */
  notes: string[]
  /** What is odd about the rows. */
  remarks: Remark[]
}

export type { ColumnStats, DatasetVersion }
