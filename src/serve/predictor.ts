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
  featureNames: readonly string[]
  /**
   * Calibrated outputs, one a row, in order. `rowNumbers` are what errors call the rows. At once when the model is cheap, later when it
   * runs in a worker. Errors: MR_SERVE_FIELD names row and field; MR_SERVE_OUTPUT when an output is no number.
   */
  score(rows: readonly RawRow[], rowNumbers: readonly number[]): Float64Array | Promise<Float64Array>
  /** Errors: as `score`; MR_SERVE_EXPLAIN when the format has no exact explanation. */
  explain(rows: readonly RawRow[], rowNumbers: readonly number[]): Explanation[]
}

/** A value of a row, null when the row does not have the column itself (what objects inherit is not a value). */
export function fieldOf(row: RawRow, column: string): Json {
  const value = row[column]
  return value === undefined || typeof value === 'function' ? null : value
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
