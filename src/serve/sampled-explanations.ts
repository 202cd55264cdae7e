/** Explanations of graphs that give none themselves: sampled against rows that were asked about lately, within a budget of time. */
import { performance } from 'node:perf_hooks'
import { explainWithin } from '../model/explain-any.ts'
import { type ScoreRows, sampledShapley } from '../model/sampled-shapley.ts'
import { SERVE_LIMITS } from './limits.ts'
import type { Explanation } from './predictor.ts'

/** Rows that a predictor was asked about last, the oldest replaced first. */
export class RecentRows {
  readonly #rows: Float64Array
  readonly #nFeatures: number
  #seen = 0

  constructor(nFeatures: number) {
    this.#nFeatures = nFeatures
    this.#rows = new Float64Array(SERVE_LIMITS.recentRowsMax * nFeatures)
  }

  /** Rows that had numbers as outputs, `width` of them each. */
  keep(matrix: Float64Array, outputs: Float64Array, width: number): void {
    for (let i = 0; i * width < outputs.length; i++) {
      if (!outputs.subarray(i * width, (i + 1) * width).every(Number.isFinite)) continue
      const row = matrix.subarray(i * this.#nFeatures, (i + 1) * this.#nFeatures)
      this.#rows.set(row, (this.#seen++ % SERVE_LIMITS.recentRowsMax) * this.#nFeatures)
    }
  }

  /** Undefined while there are too few to stand for what is not known. */
  background(): { rows: Float64Array; n: number } | undefined {
    const n = Math.min(this.#seen, SERVE_LIMITS.recentRowsMax)
    if (n < SERVE_LIMITS.recentRowsMin) return undefined
    return { rows: this.#rows.slice(0, n * this.#nFeatures), n }
  }
}

export interface SampledRequest {
  /** Outputs of rows, `[n * width]`, row by row. */
  score: (matrix: Float64Array, nRows: number) => Promise<Float64Array>
  /** Outputs a row. */
  width: number
  /** Output that is explained. */
  output: number
  featureNames: readonly string[]
  background: { rows: Float64Array; n: number }
  budgetMs: number
}

/**
 * One row explained against recent ones. How many rows the budget allows is learned from a first, short sample, which also ranks the features for the case that
 * only the leading ones can be told apart; the answer's `fallback` says when that was so.
 */
export async function explainSampled(
  x: Float64Array,
  request: SampledRequest,
): Promise<Omit<Explanation, 'output'>> {
  const { width, output, featureNames, background, budgetMs } = request
  const begun = performance.now()
  const score: ScoreRows = async (matrix, n) => {
    const all = await request.score(matrix, n)
    return width === 1 ? all : Float64Array.from({ length: n }, (_, i) => all[i * width + output])
  }
  const first = await sampledShapley(score, x, { background, backgroundMax: 2, rounds: 1 })
  const spentMs = performance.now() - begun
  const sizes = first.contributions.map(Math.abs)
  const found = await explainWithin(score, x, {
    background,
    ranked: [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a]),
    rowsMax: Math.floor((4 * x.length * Math.max(0, budgetMs - spentMs)) / Math.max(spentMs, 0.01)),
    goOn: () => performance.now() - begun < budgetMs,
  })
  const { base, raw, residual, method, exact, fallback } = found
  return {
    ...{ base, raw, residual, method, exact, scale: 'output', background: found.background },
    contributions: featureNames.map((feature, j) => ({
      feature,
      value: Number.isNaN(x[j]) ? null : x[j],
      contribution: found.contributions[j],
      standardError:
        found.standardErrors && Number.isFinite(found.standardErrors[j])
          ? found.standardErrors[j]
          : undefined,
    })),
    ...(fallback === undefined ? {} : { fallback }),
  }
}
