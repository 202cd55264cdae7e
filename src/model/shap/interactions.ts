/** Interaction values of trees, path dependent, exact at any depth. */
import { rowGoesLeft } from '../forms/tree-explainer.ts'
import { plainOf, rowsOfSource } from '../tree/source-rules.ts'
import type { TreeEnsemble } from '../trees.ts'
import { coverRatio } from './plan.ts'
import { gaussLegendre, type Quadrature } from './quadrature.ts'

/** A leaf's path: distinct features with the shares of their splits, and the splits with the side that leads on. */
interface LeafPath {
  output: number
  value: number
  features: number[]
  shares: number[]
  splits: { node: number; left: boolean; at: number }[]
  rule: Quadrature
}

/**
 * Shapley interaction values of one row's raw score of `output`: symmetric `[nFeatures, nFeatures]`, row-major. Rows sum to the contributions
 * of their features: what two features do together is shared in halves between (i, j) and (j, i), what one does alone is on the diagonal.
 * As `shap.TreeExplainer.shap_interaction_values` (path dependent) and XGBoost's `pred_interactions`. Shapes: `x` `[nFeatures]`.
 * Cost: O(leaves * k^3 / 2) for k features on a path. Source: Lundberg et al. 2020, equation 6; Fujimoto et al. 2006; as integrals over [0, 1].
 */
export function treeInteractions(given: TreeEnsemble): (x: Float64Array, output?: number) => Float64Array {
  const model = plainOf(given)
  const leaves = pathsOf(model)
  const goesLeft = new Uint8Array(model.feature.length)
  return (row, output = 0) => {
    const x = rowsOfSource(given, row) as Float64Array
    for (let node = 0; node < goesLeft.length; node++)
      if (model.left[node] >= 0) goesLeft[node] = Number(rowGoesLeft(model, node, x))
    const out = new Float64Array(model.nFeatures ** 2)
    for (const leaf of leaves) if (leaf.output === output) addLeaf(leaf, goesLeft, model.nFeatures, out)
    return out
  }
}

function pathsOf(model: TreeEnsemble): LeafPath[] {
  const found: LeafPath[] = []
  const rules = new Map<number, Quadrature>()
  const visit = (node: number, path: Omit<LeafPath, 'rule' | 'value'>) => {
    if (model.left[node] < 0) {
      const nPoints = Math.max(1, Math.ceil(path.features.length / 2))
      const rule = rules.get(nPoints) ?? gaussLegendre(nPoints)
      rules.set(nPoints, rule)
      if (path.features.length > 0) found.push({ ...path, rule, value: model.value[node] })
      return
    }
    const known = path.features.indexOf(model.feature[node])
    const at = known < 0 ? path.features.length : known
    const features = known < 0 ? [...path.features, model.feature[node]] : path.features
    for (const child of [model.left[node], model.right[node]]) {
      const shares = path.shares.slice()
      shares[at] = (shares[at] ?? 1) * coverRatio(model, node, child)
      const splits = [...path.splits, { node, left: child === model.left[node], at }]
      visit(child, { output: path.output, features, shares, splits })
    }
  }
  model.roots.forEach((root, t) => {
    visit(root, { output: model.outputOf[t], features: [], shares: [], splits: [] })
  })
  return found
}

function addLeaf(leaf: LeafPath, goesLeft: Uint8Array, width: number, out: Float64Array): void {
  const { features, shares, splits, value, rule } = leaf
  const k = features.length
  const met = new Float64Array(k).fill(1)
  for (const { node, left, at } of splits) if ((goesLeft[node] === 1) !== left) met[at] = 0
  const { points, weights } = rule
  for (let q = 0; q < points.length; q++) {
    const factors = shares.map((r, j) => r * (1 - points[q]) + met[j] * points[q])
    addPoint(features, shares, met, factors, value * weights[q], width, out)
  }
}

/** One point's part of all pairs, and of the diagonal: what a feature adds less half of what it does with each other one. */
function addPoint(
  features: number[],
  shares: number[],
  met: Float64Array,
  factors: number[],
  scale: number,
  width: number,
  out: Float64Array,
): void {
  const k = features.length
  for (let i = 0; i < k; i++) {
    const alone = scale * (met[i] - shares[i])
    if (alone === 0) continue
    let own = alone
    for (let j = 0; j < k; j++) if (j !== i) own *= factors[j]
    for (let j = 0; j < k; j++) {
      if (j === i) continue
      let both = (alone * (met[j] - shares[j])) / 2
      for (let l = 0; l < k && both !== 0; l++) if (l !== i && l !== j) both *= factors[l]
      out[features[i] * width + features[j]] += both
      own -= both
    }
    out[features[i] * width + features[i]] += own
  }
}
