/** What is kept of rows that are added as they happen: the log has the rows, a chain of records says how far they are versions. */
import type { Digest } from '../../core/records.ts'
import type { LogPosition } from '../../store/ports.ts'
import type { SourceFile } from '../types.ts'

/** First line of each batch in the log; so many lines of rows follow. */
export interface BatchHead {
  at: number
  rows: number
  /** Name that the sender gave it, and SHA-256 of what was sent: a repetition is known by them. */
  batch?: string
  digest?: string
}

/** Rows that were acknowledged and that the import refused: they wait for somebody. */
export interface HeldRows {
  file: SourceFile
  rows: number
  code: string
  why: string
  at: number
}

/** Record under `rows/<dataset>`: up to where the stream is part of the dataset. It moves in the commit that moves the dataset. */
export interface RowSeal {
  kind: 'RowSeal'
  dataset: string
  previous: Digest | null
  /** Rows after this place are sealed by the next one. */
  to: LogPosition | null
  /** Rows that this one sealed, and all before it with them. */
  rows: number
  rowsTotal: number
  /** Object with the batches that it sealed, a JSON array `[name, digest, rows, at]` a line; null without any. */
  batches: Digest | null
  held: HeldRows[]
  at: number
}

/** What became of one request. */
export interface RowsTaken {
  dataset: string
  rows: number
  /** Name of the batch, where the sender gave one. */
  batch?: string
  /** True when the batch had been taken before and nothing was added. */
  repeated: boolean
}

/** How a stream is. Times are epoch milliseconds. */
export interface RowsStatus {
  dataset: string
  /** Rows in the log that are no version yet. */
  waiting: { rows: number; bytes: number; since: number | null }
  sealed: { rows: number; at: number | null }
  held: HeldRows[]
}
