/** One row explained within a budget of time: exactly where the model can, else by sampling, else by its leading features alone. */

import { backgroundDigest, type ExplanationMethod } from './explain-rows.ts'
import type { RowsBehind } from './form.ts'
import { type ScoreRows, sampledShapley } from './sampled-shapley.ts'

export interface BudgetedExplanation extends ExplanationMethod {
  base: number
  contributions: Float64Array
  /** Of sampled contributions; absent where the method is exact. */
  standardErrors?: Float64Array
  raw: number
  residual: number
  /** What the budget did not allow, in a sentence; absent when nothing was left out. */
  fallback?: string
}

export interface AnyOptions {
  background: RowsBehind
  /** Features from the most important on, for when only the leading ones can be afforded. */
  ranked: readonly number[]
  seed?: number
  /** Scored rows that the budget allows, about: from a measured speed and the time that is left. */
  rowsMax: number
  /** Asked while sampling; `false` ends it. */
  goOn?: () => boolean
}

/** Players of the last rung: leading features, each alone, and all others together. */
const LEADING = 8
/** Pairs of orders that a standard error asks for at least. */
const PAIRS_MIN = 8

/**
 * Contributions for a model that gives none itself. With room for eight pairs of orders over all features, these are sampled; with less, the
 * leading features are told apart and the others share what they do together. Never longer than one pair of orders beyond the budget.
 */
export async function explainWithin(
  score: ScoreRows,
  x: Float64Array,
  options: AnyOptions,
): Promise<BudgetedExplanation> {
  const { background, ranked, rowsMax, seed, goOn } = options
  const perPair = 2 * x.length
  const affords = rowsMax >= perPair * PAIRS_MIN
  const groups = affords ? undefined : leadingGroups(x.length, ranked)
  const players = groups ? new Set(groups).size : x.length
  const pairs = Math.max(1, Math.floor(rowsMax / (2 * players)))
  const backgroundMax = Math.min(background.n, 100, pairs)
  const found = await sampledShapley(score, x, {
    background,
    backgroundMax,
    rounds: Math.max(1, Math.min(8, Math.floor(pairs / backgroundMax))),
    seed,
    groups,
    goOn,
  })
  const { base, contributions, standardErrors, raw, residual } = found
  const said = [
    ...(groups ? [`only the leading ${LEADING} of ${x.length} features were told apart`] : []),
    ...(found.finished ? [] : [`sampling ended after ${found.pairs} pairs of orders`]),
  ]
  return {
    method: 'permutation',
    exact: false,
    background: backgroundDigest(background, x.length),
    base,
    contributions,
    standardErrors,
    raw,
    residual,
    ...(said.length > 0 ? { fallback: `the time budget: ${said.join('; ')}` } : {}),
  }
}

function leadingGroups(nFeatures: number, ranked: readonly number[]): Int32Array {
  const groups = new Int32Array(nFeatures).fill(LEADING)
  ranked.slice(0, LEADING).forEach((feature, k) => {
    groups[feature] = k
  })
  return groups
}
