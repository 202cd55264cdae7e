/** What `train.worth` finds: counts and names of columns and classes, never values of rows. Findings of single rows are in the Parquet beside it. */
import type { Digest } from '../../core/records.ts'

export interface WorthReport {
  kind: 'WorthReport'
  model: string
  dataset: Digest
  /** Parquet with what was found of each row. */
  findings: Digest
  /** Labels in the order of their codes; of a yes or no `0` and `1`. */
  classes: string[]
  /** Training rows that were judged. */
  rows: number
  folds: number
  labels: LabelReport
  neighbours: NeighbourReport
  duplicates: DuplicateReport
  outliers: { rows: number; limit: number }
  /** How well each feature alone tells the target on rows out of sample, 0.5 to 1, where it is 0.95 or more. */
  leaks: { feature: string; auc: number }[]
  /** Columns of the features in which nearly every row has a value of its own. */
  identifiers: { column: string; distinct: number }[]
  sources?: { column: string; values: SourceReport[] }
  /** What to collect, most to be gained first. */
  slices: SliceReport[]
  notes: string[]
}

export interface LabelReport {
  /** Rows with probabilities out of sample. */
  judged: number
  issues: number
  /** Estimated share of labels that are wrong. */
  noise: number
  /** Most frequent first; at most 50. */
  pairs: { given: string; suggested: string; rows: number }[]
}

export interface NeighbourReport {
  k: number
  /** Validation rows that decide what a training row is worth. */
  tests: number
  /** Mean share of a test row's k nearest training rows that have its class: what all worth sums to. */
  utility: number
  /** Rows that do more harm than good. */
  negative: number
}

export interface DuplicateReport {
  /** Rows whose features are all those of another row, and groups of them. */
  exact: { rows: number; groups: number }
  /** The same with those that are as good as equal. */
  near: { rows: number; groups: number; radius: number }
  /** Rows in a group with more than one label. */
  conflicting: number
}

export interface SourceReport {
  /** Cut at 64 characters; `null` for rows without one. */
  value: string | null
  rows: number
  /** Sum of what its rows are worth. */
  worth: number
  /** Utility with the source less utility without it, and its interval; below 0 the model would be better without. */
  gain: number
  interval: [number, number]
}

export interface SliceReport {
  feature: string
  /** A category, or a range of numbers. */
  slice: string
  rows: number
  tests: number
  /** Share of the slice's rows out of sample whose likeliest class is another than the given one. */
  wrong: number
  /** Expected rise of the right votes over all test rows if the slice had twice as many rows, and its interval, which holds for all slices together. */
  gain: number
  interval: [number, number]
  /** The gain for each 1,000 rows collected. */
  gainPer1000: number
}
