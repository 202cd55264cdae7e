import type { Explainer, Explanation } from './form.ts'
import { formOf, type Model } from './forms/registry.ts'
import type { FeatureRows } from './score.ts'

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

/** Mean absolute contribution of each feature over rows and outputs: global importance. NaN without rows. Errors: MR_MODEL_SHAPE. */
export function meanAbsContributions(model: Model, rows: FeatureRows, n: number): Float64Array {
  const explainer = explainerOf(model)
  const sums = new Float64Array(model.nFeatures)
  const x = new Float64Array(model.nFeatures)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < x.length; j++)
      x[j] = rows instanceof Float64Array ? rows[i * x.length + j] : rows[j][i]
    for (let k = 0; k < model.nOutputs; k++)
      explainer.explain(x, k).contributions.forEach((c, j) => {
        sums[j] += Math.abs(c)
      })
  }
  return sums.map((sum) => sum / (n * model.nOutputs))
}
