/** Rows explained by the exact explainers of one model's graphs. */
import { CLOSED_FORM } from '../model/explain-rows.ts'
import type { Explainer, ExplanationWay } from '../model/form.ts'
import type { Explanation } from './predictor.ts'

/** The way of the first that is not exact, else that of the first. */
function waysTogether(explainers: readonly Explainer[]): ExplanationWay {
  const ways = explainers.map(({ how }) => how ?? CLOSED_FORM)
  return ways.find(({ exact }) => !exact) ?? ways[0]
}

/** Shapley values of a sum are the sum of Shapley values, so parent and member are explained one by one and added. */
export function explainTogether(
  explainers: readonly Explainer[],
  featureNames: readonly string[],
  scale: string,
  matrix: Float64Array,
  nRows: number,
  codes: readonly number[],
): Omit<Explanation, 'output'>[] {
  const width = featureNames.length
  const how = waysTogether(explainers)
  return Array.from({ length: nRows }, (_, i) => {
    const x = matrix.slice(i * width, (i + 1) * width)
    const parts = explainers.map((explainer) => explainer.explain(x, codes[i]))
    const base = parts.reduce((sum, part) => sum + part.base, 0)
    const raw = parts.reduce((sum, part) => sum + part.raw, 0)
    const contributions = featureNames.map((feature, j) => ({
      feature,
      value: Number.isNaN(x[j]) ? null : x[j],
      contribution: parts.reduce((sum, part) => sum + part.contributions[j], 0),
    }))
    const explained = contributions.reduce((sum, { contribution }) => sum + contribution, base)
    return { base, contributions, raw, residual: raw - explained, ...how, scale }
  })
}
