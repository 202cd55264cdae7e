/** What serving needs of a model that is ready: rows of raw columns in, calibrated outputs and exact explanations out. */
import type { Json } from '../core/canonical.ts'
import type { Digest, ModelTask, ModelVersion, SignatureField } from '../core/records.ts'
import type { ExplanationWay } from '../model/form.ts'
import type { Held } from './model-cache.ts'

/** A row as a client sends it: a JSON object by column. */
export type RawRow = Record<string, Json | undefined>

export interface Contribution {
  feature: string
  /** The feature's value; null when missing. A category is its code. */
  value: number | null
  contribution: number
  /** Of a sampled contribution. */
  standardError?: number
}

/** On the raw scale: base + sum of contributions + residual = raw, and output = calibrated link(raw). */
export interface Explanation {
  base: number
  contributions: Contribution[]
  raw: number
  output: number
  residual: number
  /** What made the contributions, and whether they are exact. */
  method: ExplanationWay['method']
  exact: boolean
  /** Digest of the rows that stood for what is not known, where rows did. */
  background?: string
  /** What the budget of time did not allow, in a sentence. */
  fallback?: string
  /** Unit of base, contributions and raw: `log-odds`, `log`, or `output`. */
  scale: string
  /** The class that is explained, where the model tells several apart; `output` is its probability. */
  class?: string
}

export interface Predictor extends Held {
  digest: Digest
  task: ModelTask
  /** Labels in the order of the outputs, where the model tells several classes apart. */
  classes?: readonly string[]
  /** Input that names the group of a row, where the model ranks. */
  group?: string
  /** Share from which a yes or no is a yes, where the version states one. */
  threshold?: number
  format: ModelVersion['format']
  inputs: readonly SignatureField[]
  /** Names of `inputs`. */
  inputNames: ReadonlySet<string>
  featureNames: readonly string[]
  /** A client's row as the expressions take it, by the signature: this is what is scored and what is logged. Errors name row and field. */
  coerce(row: RawRow, rowNumber: number): RawRow
  /**
   * Calibrated outputs of coerced rows, one a row or one a class, row by row in order: at once when the model is cheap, later when it runs in a worker. `rowNumbers` are
   * what errors call the rows. Errors: MR_SERVE_OUTPUT when an output is no number.
   */
  score(rows: readonly RawRow[], rowNumbers: readonly number[]): Float64Array | Promise<Float64Array>
  /**
   * Explanations of coerced rows whose outputs are known; of several classes, of the one that `code` gives for a row. Errors: MR_SERVE_EXPLAIN when the
   * format has no exact explanation.
   */
  explain(
    rows: readonly RawRow[],
    outputs: Float64Array,
    code: (row: number) => number,
  ): Promise<Explanation[]>
}

/** A value of a row, null when the row does not have the column itself (what objects inherit is not a value). */
export function fieldOf(row: RawRow, column: string): Json {
  const value = row[column]
  return value === undefined || typeof value === 'function' ? null : value
}

/** Fields of a row that neither the signature names nor the family is divided by. They are ignored, and counted. */
export function countUnknown(row: RawRow, known: ReadonlySet<string>, each?: string): number {
  let unknown = 0
  for (const name in row) if (!known.has(name) && name !== each) unknown++
  return unknown
}
