/** What a merge is made of, as plain data: planned and digested in a RunSpec. */
import type { Column, DatasetVersion, Digest } from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import type { ExprNode } from '../expr/ast.ts'
import type { CheckedRule } from './check-types.ts'
import type { DatasetImport } from './types.ts'

export const MERGE_SIDES = ['ours', 'theirs', 'base'] as const
/** Whose value is taken: of the branch that is merged into, of the one that is merged, or of the version that both came from. */
export type MergeSide = (typeof MERGE_SIDES)[number]

/** How conflicts are decided, the closest first: by hand, by an expression for a column, by a side for all others. */
export interface MergeRules {
  /** Columns that the sides contradict one another in: whose is taken. */
  schema?: Record<string, 'ours' | 'theirs'>
  /** By hand: the values of a row's key as texts, and the column of the cell, or none for the whole row. */
  picks?: MergePick[]
  /** New values of columns, from `ours`, `theirs` and `base`. */
  columns?: Record<string, ExprNode>
  rest?: MergeSide
}

/** A side, or for a cell a value as text; null is missing. A cell that is picked is taken so whether or not it is in conflict. */
export type MergePick = { key: string[]; column?: string; take: MergeSide } | ValuePick
export interface ValuePick {
  key: string[]
  column: string
  take: 'value'
  value: string | null
}

/** `params` of a `data.merge` RunSpec: everything but the versions. */
export interface MergeParams {
  dataset: string
  time: string | null
  key: string[]
  /** Those that merged rows have to keep one by one. */
  checks: CheckDef[]
  /** All declared ones, which the merged version as a whole is judged by; absent where there are none. */
  judged?: CheckDef[]
  parts: DatasetDef['parts']
  rules: MergeRules
}

/** The versions that a merge is of. */
export interface MergeSides {
  base: DatasetVersion
  ours: DatasetVersion
  theirs: DatasetVersion
}

export type ConflictKind =
  /** A column that both sides have changed in ways that contradict one another. */
  | 'schema'
  /** One cell has two new values. */
  | 'cell'
  /** A row that one side changed was deleted by the other. */
  | 'deleted'
  /** A row that came of both sides does not keep a check. */
  | 'check'

/** What a merge came to; `recordMerge` makes the version of it when nothing is in conflict. */
export interface DatasetMerge {
  kind: 'DatasetMerge'
  dataset: string
  base: Digest | null
  ours: Digest
  theirs: Digest
  /** What the other side changed and ours takes over. */
  taken: { inserted: number; updated: number; deleted: number }
  /** Conflicts that rules have decided. */
  decided: number
  /** Conflicts that are open, by kind; none are where the merge can be recorded. */
  open: Record<ConflictKind, number>
  /** Some of the open ones. */
  sample: MergeConflict[]
  /** Parquet object with all open conflicts, where there are any. */
  conflicts?: Digest
  /**
   * Parquet object with the rows of those that are of rows of both sides: `keys`, `ours` and `theirs` (what each did to the row), `places` of the columns in conflict, `checks` that are
   * not kept, and the values of the column at place i before (`b<i>`), of ours (`o<i>`) and of theirs (`t<i>`).
   */
  rows?: Digest
  /** Columns of those rows; of the merged version those that it has. */
  columns?: Column[]
  /** The merged rows as they were written; absent where conflicts are open. */
  result?: DatasetImport
  /** What declared checks came to over all rows; absent where conflicts are open or nothing is declared. */
  judgement?: MergeJudgement
}

/** Whether conflicts are open. */
export const hasOpen = ({ open }: Pick<DatasetMerge, 'open'>): boolean =>
  Object.values(open).some((n) => n > 0)

/** What checks came to over all rows of a version. */
export interface VersionFigures {
  rows: number
  rules: CheckedRule[]
}

/** The versions of a merge, as checks are judged over them. */
export type JudgedSide = MergeSide | 'merged'

/** Of the merged version what every check came to; of the others, those checks whose verdict needs them. */
export type MergeJudgement = Partial<Record<MergeSide, VersionFigures>> & { merged: VersionFigures }

export interface MergeConflict {
  kind: ConflictKind
  /** Values of the key as texts. */
  key: string[]
  column: string | null
  base: string | null
  ours: string | null
  theirs: string | null
  /** The check that is not kept. */
  check: string | null
}
