import { type FeatureRows, readRow, sliceRows } from './feature-rows.ts'
import type { Explainer, Explanation, RowsBehind } from './form.ts'
import { formOf, type Model } from './forms/registry.ts'

export type { Explainer, Explanation } from './form.ts'

/**
 * Exact Shapley values of one row's raw score; `output` (0) is the one explained.
 *
 * Trees: path-dependent conditional expectations, as `shap.TreeExplainer(feature_perturbation='tree_path_dependent')` and LightGBM's
 * `pred_contrib` give: a feature that is not known follows both children by their covers. Linear models: `w (x - missing)`, the
 * closed form for independent features around the training means.
 * Shapes: `x` `[nFeatures]`, NaN where missing. Errors: MR_MODEL_SHAPE. Tables are kept with the model.
 * Cost: O(nodes * features on the longest path / 2). Source: Lundberg et al. 2020 for the game; Shapley weights as integrals over [0, 1]
 * (Owen 1972), taken exactly by Gauss-Legendre quadrature, so that nothing cancels in deep trees; one pass down and one up a tree as in
 * Linear TreeSHAP (Yu et al. 2022).
 */
export function explainRow(model: Model, x: Float64Array, output = 0): Explanation {
  return explainerOf(model).explain(x, output)
}

const explainers = new WeakMap<Model, Explainer>()

/** The explainer of a model, made at first use. */
export function explainerOf(model: Model): Explainer {
  let explainer = explainers.get(model)
  if (!explainer) {
    explainer = formOf(model).explainer(model)
    explainers.set(model, explainer)
  }
  return explainer
}

/** Rows whose contributions are held at once. */
const IMPORTANCE_ROWS = 4096

/** Mean absolute contribution of each feature over rows and outputs: global importance. NaN without rows. Errors: MR_MODEL_SHAPE. */
export function meanAbsContributions(model: Model, rows: FeatureRows, n: number): Float64Array {
  const sums = new Float64Array(model.nFeatures)
  for (let from = 0; from < n; from += IMPORTANCE_ROWS) {
    const size = Math.min(IMPORTANCE_ROWS, n - from)
    contributionsOf(model, sliceRows(rows, model.nFeatures, from, size), size).forEach((c, at) => {
      sums[at % model.nFeatures] += Math.abs(c)
    })
  }
  return sums.map((sum) => sum / (n * model.nOutputs))
}

/** Rows that what an explainer keeps with the model is faster for than tables made for them. */
const FEW_ROWS = 8

/**
 * Exact contributions of rows `[n, nOutputs, nFeatures]`, row-major; against background rows where the form of the model can. Errors: MR_MODEL_SHAPE.
 */
export function contributionsOf(
  model: Model,
  rows: FeatureRows,
  n: number,
  background?: RowsBehind,
): Float64Array {
  const { nFeatures, nOutputs } = model
  const form = formOf(model)
  if (form.contributions && (background || n > FEW_ROWS))
    return form.contributions(model, rows, n, background)
  const explainer = explainerOf(model)
  const out = new Float64Array(n * nOutputs * nFeatures)
  const x = new Float64Array(nFeatures)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    for (let k = 0; k < nOutputs; k++)
      out.set(explainer.explain(x, k).contributions, (i * nOutputs + k) * nFeatures)
  }
  return out
}
