/** What an edit of a version is made of, as plain data: planned, digested in a RunSpec, and sent to the child process as JSON. */

import type { Digest, Part, Schema, TimeWindow } from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import type { PartFile } from '../engine/parts.ts'
import type { ExprNode } from '../expr/ast.ts'
import type { ChildFile, OtherRows, WrittenPart } from './types.ts'

/** What happens to rows that were chosen of a version, or of what was put aside of it. */
export type EditAct =
  /** Rows of the version are put aside, with their reasons. */
  | { kind: 'quarantine' }
  /** Rows that were put aside are taken as they are. */
  | { kind: 'release' }
  /** Columns of rows that were put aside get new values; those that keep the checks are taken, the others stay aside with the reasons that are left. */
  | { kind: 'fix'; set: ColumnFix[] }
  /** Rows that were put aside are given up. */
  | { kind: 'drop' }

export interface ColumnFix {
  column: string
  value: ExprNode
}

/** `params` of a `data.edit` RunSpec: everything but the version and the rows. */
export interface EditParams {
  dataset: string
  time: string | null
  key: string[]
  /** Checks of rows that changed ones have to keep. */
  checks: CheckDef[]
  parts: DatasetDef['parts']
  act: EditAct
}

/** Rows by number, from 0 in the order of the parts, ascending; of the rows of a version, or of those that were put aside. */
export interface RowSelection {
  kind: 'RowSelection'
  rows: number[]
  /** Lists of reasons, and which of them each row has. Empty where reasons are those that the rows have already. */
  reasons: string[][]
  reasonOf: number[]
}

/** What an edit wrote; `recordEdit` makes the version of it. */
export interface DatasetEdit {
  kind: 'DatasetEdit'
  dataset: string
  parent: Digest
  schema: Schema
  parts: Part[]
  quarantine: Part[]
  rows: number
  rowsQuarantined: number
  window: TimeWindow | null
  outcome: EditOutcome
}

export interface EditOutcome {
  /** Rows that were chosen. */
  chosen: number
  /** Rows that came into the version, and that left it. */
  added: number
  removed: number
  /** Rows aside afterwards less those before. */
  aside: number
  /** Chosen rows by the reason they have afterwards (of an edit that puts aside or fixes) or had (of others). */
  byReason: Record<string, number>
}

export interface EditJob {
  op: 'edit'
  /** Parts that are read, by name. */
  files: ChildFile[]
  params: EditParams
  schema: Schema
  parts: PartFile[]
  quarantine: PartFile[]
  quarantineParts: number
  others: Record<string, OtherRows>
  selection: Pick<RowSelection, 'rows' | 'reasons' | 'reasonOf'>
  folder: string
  memoryMb: number
}

export interface EditResult {
  schema: Schema
  written: WrittenPart[]
  /** Keys of parts that the written ones replace, or that are gone. */
  replaced: string[]
  quarantine: WrittenPart[]
  /** Keys of quarantine parts that are replaced or gone. */
  quarantineReplaced: string[]
  outcome: EditOutcome
}
