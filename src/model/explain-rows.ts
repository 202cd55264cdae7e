/** Rows explained together: how their scores came about, by which method, and whether it is exact. */
import { sha256Hex } from '../core/sha256.ts'
import { shapeError } from './checks.ts'
import { contributionsOf, explainerOf } from './explain.ts'
import { type FeatureRows, readRow } from './feature-rows.ts'
import type { ExplanationWay, RowsBehind } from './form.ts'
import { formOf, type Model } from './forms/registry.ts'
import { compileScorer } from './score.ts'

export type Background = RowsBehind

/** What made contributions, and against what. */
export interface ExplanationMethod extends ExplanationWay {
  /** Digest of the background's values; absent where none was used. */
  background?: string
}

/** The way of explainers that do not say. */
export const CLOSED_FORM: ExplanationWay = { method: 'closed-form', exact: true }

/** Of `n` rows: `raw[i, k] = bases[k] + sum over j of contributions[i, k, j]`, up to `residual`. */
export interface RowsExplanation extends ExplanationMethod {
  nFeatures: number
  nOutputs: number
  bases: Float64Array
  /** `[n, nOutputs, nFeatures]`, row-major. */
  contributions: Float64Array
  /** `[n, nOutputs]`. */
  raw: Float64Array
  /** The largest absolute difference between a raw score and its base and contributions. */
  residual: number
}

/**
 * Contributions of rows to their raw scores, with what proves them: the residual of their sum; exact where the form of the model is. With a background,
 * those of trees are interventional and do not lean on the covers of training; other forms keep to their own way. Errors: MR_MODEL_SHAPE.
 */
export function explainRows(
  model: Model,
  rows: FeatureRows,
  n: number,
  background?: Background,
): RowsExplanation {
  const form = formOf(model)
  const { nFeatures, nOutputs } = model
  const raw = new Float64Array(n * nOutputs)
  compileScorer(model).rawBatch(rows, n, raw)
  if (background && background.n < 1) throw shapeError('background rows', 1, background.n)
  const against = background && form.contributions ? background : undefined
  const contributions = contributionsOf(model, rows, n, against)
  const bases = against ? meanScores(model, against) : explainerOf(model).bases
  return {
    ...(against
      ? { method: 'interventional' as const, exact: true }
      : (explainerOf(model).how ?? CLOSED_FORM)),
    ...(against ? { background: backgroundDigest(against, nFeatures) } : {}),
    nFeatures,
    nOutputs,
    bases,
    contributions,
    raw,
    residual: residualOf({ bases, contributions, raw, nFeatures, nOutputs }),
  }
}

/** Mean raw score of each output over rows. */
function meanScores(model: Model, { rows, n }: Background): Float64Array {
  const scores = new Float64Array(n * model.nOutputs)
  compileScorer(model).rawBatch(rows, n, scores)
  const means = new Float64Array(model.nOutputs)
  scores.forEach((score, at) => {
    means[at % model.nOutputs] += score / n
  })
  return means
}

/** Digest of background rows, so that two explanations against different ones can be told apart. */
export function backgroundDigest({ rows, n }: Background, nFeatures: number): string {
  const values = new Float64Array(n * nFeatures)
  const x = new Float64Array(nFeatures)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    values.set(x, i * nFeatures)
  }
  return `sha256:${sha256Hex(new Uint8Array(values.buffer))}`
}

/** The largest absolute difference between a score and its explanation. */
function residualOf({
  bases,
  contributions,
  raw,
  nFeatures,
  nOutputs,
}: Pick<RowsExplanation, 'bases' | 'contributions' | 'raw' | 'nFeatures' | 'nOutputs'>): number {
  let worst = 0
  for (let at = 0; at < raw.length; at++) {
    let sum = bases[at % nOutputs]
    for (let j = 0; j < nFeatures; j++) sum += contributions[at * nFeatures + j]
    worst = Math.max(worst, Math.abs(raw[at] - sum))
  }
  return worst
}
