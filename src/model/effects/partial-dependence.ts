/** How the score depends on one feature: averaged over rows, row by row, or by the covers of trees. */
import { MillraceError } from '../../core/errors.ts'
import { quantileEdges } from '../../stats/histogram.ts'
import { type FeatureRows, readRow } from '../feature-rows.ts'
import { rowGoesLeft } from '../forms/tree-explainer.ts'
import { coverRatio } from '../shap/plan.ts'
import { plainOf, rowsOfSource } from '../tree/source-rules.ts'
import type { TreeEnsemble } from '../trees.ts'

/** One number a row: a raw score, an output, the score of a class. */
export type ScoreMany = (rows: Float64Array, n: number) => Float64Array

export interface Dependence {
  /** Values that the feature is set to. */
  grid: Float64Array
  /** Mean score over rows by grid value. */
  mean: Float64Array
  /** Score of each row by grid value, `[nRows, nGrid]`: individual conditional expectation. */
  lines: Float64Array
}

/**
 * Partial dependence and individual lines of a feature: each row is scored with the feature set to each value of the grid.
 * Convention: scikit-learn's `partial_dependence(method='brute', kind='both')`. NaN is a grid value like any other. Where features are
 * correlated, rows are scored that no data hold: prefer `localEffects`. Cost: rows * grid scores. Errors: MR_MODEL_SHAPE.
 */
export function partialDependence(
  score: ScoreMany,
  rows: FeatureRows,
  n: number,
  { feature, nFeatures, grid }: { feature: number; nFeatures: number; grid: Float64Array },
): Dependence {
  if (n < 1) throw new MillraceError('MR_MODEL_SHAPE', { what: 'rows', expected: 1, got: n })
  const all = new Float64Array(n * nFeatures)
  const x = new Float64Array(nFeatures)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    all.set(x, i * nFeatures)
  }
  const mean = new Float64Array(grid.length)
  const lines = new Float64Array(n * grid.length)
  grid.forEach((value, g) => {
    for (let i = 0; i < n; i++) all[i * nFeatures + feature] = value
    const scores = score(all, n)
    for (let i = 0; i < n; i++) {
      lines[i * grid.length + g] = scores[i]
      mean[g] += scores[i] / n
    }
  })
  return { grid, mean, lines }
}

/** A grid over what a column holds: every value when there are few, else quantiles; missing values are left out. At most `points` values. */
export function gridOf(column: Float64Array, points = 20): Float64Array {
  const known = column.filter((x) => !Number.isNaN(x))
  const distinct = Float64Array.from(new Set(known)).sort()
  if (distinct.length <= points) return distinct
  return Float64Array.from(new Set(quantileEdges(known, points - 1)))
}

/**
 * Partial dependence of a tree ensemble's raw score by one weighted walk of its trees: splits on other features follow both children by their covers.
 * Exact for the training rows where features are independent, and needs no rows. Convention: scikit-learn's `method='recursion'`.
 * Returns `[grid.length]` for `output`. Cost: grid * nodes.
 */
export function treeDependence(
  given: TreeEnsemble,
  { feature, grid, output = 0 }: { feature: number; grid: Float64Array; output?: number },
): Float64Array {
  const model = plainOf(given)
  const x = new Float64Array(model.nFeatures)
  const below = (node: number): number => {
    const { left, right } = model
    if (left[node] < 0) return model.value[node]
    if (model.feature[node] === feature) return below(rowGoesLeft(model, node, x) ? left[node] : right[node])
    const share = coverRatio(model, node, left[node])
    return (share > 0 ? share * below(left[node]) : 0) + (share < 1 ? (1 - share) * below(right[node]) : 0)
  }
  return grid.map((value) => {
    x[feature] = value
    const [seen] = [(rowsOfSource(given, x) as Float64Array)[feature]]
    x[feature] = seen
    return model.roots.reduce(
      (sum, root, t) => (model.outputOf[t] === output ? sum + below(root) : sum),
      model.baseScores[output],
    )
  })
}
