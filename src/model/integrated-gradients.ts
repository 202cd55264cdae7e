/** Integrated gradients of a smooth scoring function, with gradients by differences. */
import type { ScoreRows } from './sampled-shapley.ts'

export interface IntegratedOptions {
  /** Where the path begins, `[nFeatures]`: a row of means, or zeros where that is what absent means. */
  baseline: Float64Array
  /** Points of the path. Default 50. */
  steps?: number
  /** Half the width of a difference, as a share of the feature's way (and at least of its size). Default 1e-4. */
  reach?: number
}

export interface IntegratedGradients {
  base: number
  contributions: Float64Array
  raw: number
  /** `raw - base - sum(contributions)`: what completeness misses. Beyond some percent of `raw - base`, take more steps. */
  residual: number
}

/**
 * `(x_j - baseline_j)` times the mean partial derivative on the straight way from the baseline to `x`: midpoint rule, central differences.
 *
 * For networks that give no gradient; of models with steps (trees) derivatives are 0 almost everywhere and the residual says so. Shapes: `x`
 * `[nFeatures]`, finite; a feature that is NaN in either end gets 0. Cost: 2 steps rows a feature that differs, in batches of one step.
 * Source: Sundararajan, Taly and Yan 2017, section 3.
 */
export async function integratedGradients(
  score: ScoreRows,
  x: Float64Array,
  { baseline, steps = 50, reach = 1e-4 }: IntegratedOptions,
): Promise<IntegratedGradients> {
  const width = x.length
  const ways = x.map((v, j) => v - baseline[j])
  const moving = Array.from(ways.keys()).filter((j) => ways[j] !== 0 && Number.isFinite(ways[j]))
  const ends = await score(Float64Array.of(...baseline, ...x), 2)
  const contributions = new Float64Array(width)
  const half = (j: number) => reach * Math.max(Math.abs(ways[j]), 1e-3 * Math.abs(x[j]))
  for (let step = 0; step < steps && moving.length > 0; step++) {
    const share = (step + 0.5) / steps
    const point = x.map((v, j) => (Number.isFinite(ways[j]) ? baseline[j] + share * ways[j] : v))
    const rows = new Float64Array(2 * moving.length * width)
    moving.forEach((j, k) => {
      for (const [side, sign] of [-1, 1].entries()) {
        rows.set(point, (2 * k + side) * width)
        rows[(2 * k + side) * width + j] += sign * half(j)
      }
    })
    const scores = await score(rows, 2 * moving.length)
    moving.forEach((j, k) => {
      contributions[j] += (ways[j] * (scores[2 * k + 1] - scores[2 * k])) / (2 * half(j)) / steps
    })
  }
  const [base, raw] = ends
  const residual = raw - contributions.reduce((sum, c) => sum + c, base)
  return { base, contributions, raw, residual }
}
