/** What serving needs of a model that is ready: rows of raw columns in, calibrated outputs and exact explanations out. */
import type { Json } from '../core/canonical.ts'
import type { Digest, ModelTask, ModelVersion, SignatureField } from '../core/records.ts'
import type { Held } from './model-cache.ts'

/** A row as a client sends it: a JSON object by column. */
export type RawRow = Record<string, Json | undefined>

export interface Contribution {
  feature: string
  /** The feature's value; null when missing. A category is its code. */
  value: number | null
  contribution: number
}

/** On the raw scale: base + sum of contributions + residual = raw, and output = calibrated link(raw). */
export interface Explanation {
  base: number
  contributions: Contribution[]
  raw: number
  output: number
  residual: number
  /** Unit of base, contributions and raw: `log-odds`, `log`, or `output`. */
  scale: string
}

export interface Predictor extends Held {
  digest: Digest
  task: ModelTask
  format: ModelVersion['format']
  inputs: readonly SignatureField[]
  /** Names of `inputs`. */
  inputNames: ReadonlySet<string>
  featureNames: readonly string[]
  /** A client's row as the expressions take it, by the signature: this is what is scored and what is logged. Errors name row and field. */
  coerce(row: RawRow, rowNumber: number): RawRow
  /**
   * Calibrated outputs of coerced rows, one a row, in order: at once when the model is cheap, later when it runs in a worker. `rowNumbers` are
   * what errors call the rows. Errors: MR_SERVE_OUTPUT when an output is no number.
   */
  score(rows: readonly RawRow[], rowNumbers: readonly number[]): Float64Array | Promise<Float64Array>
  /** Explanations of coerced rows. Errors: MR_SERVE_EXPLAIN when the format has no exact explanation. */
  explain(rows: readonly RawRow[]): Promise<Explanation[]>
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

/** Share above which a binary model's label is true. */
export const LABEL_THRESHOLD = 0.5

export function labelOf(task: ModelTask, output: number): boolean | undefined {
  return task === 'binary' ? output >= LABEL_THRESHOLD : undefined
}

/** Name of a model's main output: what the plain route and the tensors call it. */
export function outputName(task: ModelTask): 'probability' | 'value' {
  return task === 'binary' ? 'probability' : 'value'
}
