/** What `train.worth` finds: counts and names of columns and classes, never values of rows. Findings of single rows are in the Parquet beside it. */
import type { Digest, ModelTask } from '../../core/records.ts'
import type { Shortcut } from './shortcuts.ts'

export interface WorthReport {
  kind: 'WorthReport'
  model: string
  dataset: Digest
  /** Parquet with what was found of each row. */
  findings: Digest
  task: ModelTask
  /** Labels in the order of their codes; of a yes or no `0` and `1`, of a regression none. */
  classes: string[]
  /** What distances are taken on: the model's features, or a vector of each row. */
  space: SpaceReport
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
  /** Of a family: its keys, most rows first; at most 200. */
  members?: { column: string; values: MemberReport[] }
  /** Features that tell the label in some places and not in others, by evidence. */
  shortcuts: Shortcut[]
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
  /** Of classes, most frequent first; at most 50. */
  pairs: { given: string; suggested: string; rows: number }[]
  /** Estimated shares of all rows by given label (first) and true one, summing to 1; of at most 50 classes. */
  joint?: number[][]
  /** Of labels that are numbers: median absolute error out of sample, degrees of freedom of its shape (null: normal), share of the variance that is explained. */
  numbers?: { typicalError: number; degrees: number | null; explained: number }
}

export type SpaceReport =
  | { kind: 'features'; width: number }
  | { kind: 'column'; column: string; width: number }
  | { kind: 'layer'; layer: string; width: number }

export interface MemberReport {
  key: string
  /** Whether answers are by a model of its own, in at least one fold. */
  own: boolean
  rows: number
  issues: number
  worth: number
}

export interface NeighbourReport {
  k: number
  /** Validation rows that decide what a training row is worth. */
  tests: number
  /** What all worth sums to: of classes the mean share of a test row's k nearest training rows that have its class, of numbers the share of the squared error that their mean saves. */
  utility: number
  /** Rows that do more harm than good. */
  negative: number
}

export interface DuplicateReport {
  /** Rows whose features are all those of another row, and groups of them. */
  exact: { rows: number; groups: number }
  /** The same with those that lie nearer than chance allows; `radius` is the median of what is near, in deviations a number. */
  near: { rows: number; groups: number; radius: number }
  /** Rows in a group whose labels contradict one another. */
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
  /** Out of sample: share of the slice's rows whose likeliest class is another than the given one; of numbers, the mean absolute error. */
  loss: number
  /** Expected rise of the utility if the slice had twice as many rows, and its interval, which holds for all slices together. */
  gain: number
  interval: [number, number]
  /** The gain for each 1,000 rows collected. */
  gainPer1000: number
}
