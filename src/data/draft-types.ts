/** A merge that waits to be decided: what it is of, and every decision as a step that nobody can lose. */
import type { Digest } from '../core/records.ts'
import type { MergeSide } from './merge-types.ts'

/** Which conflicts a decision is about; what is given has to hold together. */
export interface DraftChoice {
  /** Rows by their number with the place of a column, or -1 for the row as a whole. */
  cells?: [row: number, place: number][]
  /** Cells of one column. */
  column?: string
  /** Rows for which this holds: of columns as they are here, and of `ours_`, `theirs_` and `base_` with their names. */
  where?: string
  /** Also those that are decided already. Default: the open ones; named cells always. */
  all?: boolean
}

/** What becomes of them. `nobody` takes a decision back. */
export type DraftTake =
  | { take: MergeSide | 'nobody' }
  /** A value as text; null is missing. */
  | { take: 'value'; value: string | null }
  /** An expression of `ours`, `theirs` and `base`. */
  | { take: 'expression'; expression: string }

export type DraftAct =
  | { type: 'begin' }
  | ({ type: 'decide' } & DraftChoice & DraftTake)
  /** A column that both sides changed in ways that contradict one another. */
  | { type: 'schema'; column: string; take: 'ours' | 'theirs' | 'nobody' }
  | { type: 'undo'; step: number }
  /** Decisions of the same merge when it was of other versions: those of cells that are as they were. */
  | { type: 'carry'; decisions: Digest }

/**
 * A step of a merge that waits. Each names the one before; the ref names the newest. A step is never taken away: taking a decision back is a step, too.
 */
export interface MergeDraft {
  kind: 'MergeDraft'
  dataset: string
  /** Branch that is merged, and the one that takes it. */
  branch: string
  into: string
  keep: boolean
  base: Digest | null
  ours: Digest
  theirs: Digest
  /** The DatasetMerge that found the conflicts. */
  merge: Digest
  /** 0 is the beginning. */
  step: number
  before: Digest | null
  act: DraftAct
  /** How many conflicts the act decided. */
  n: number
  by: string
  /** When the merge was begun, and when this step was taken; epoch milliseconds. */
  began: number
  at: number
}
