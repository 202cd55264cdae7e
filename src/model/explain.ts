import { MillraceError } from '../core/errors.ts'
import { compileScorer, type FeatureRows, type Model, type Scorer } from './score.ts'
import { inSet } from './tree-walk.ts'
import type { LinearModel, TreeEnsemble } from './trees.ts'

/** How a raw score came about: `raw = base + sum(contributions) + residual`. */
export interface Explanation {
  /** Expected raw score over the training rows. */
  base: number
  /** `[nFeatures]`, on the raw score (log-odds for `sigmoid`). */
  contributions: Float64Array
  raw: number
  /** What rounding leaves; about 1e-15 of the score's size. */
  residual: number
}

/** Explains rows of one model. Owns scratch memory: not to be shared between threads. */
export interface Explainer {
  readonly base: number
  explain(x: Float64Array): Explanation
}

/**
 * Exact Shapley values of one row's raw score.
 *
 * Trees: path-dependent conditional expectations, as `shap.TreeExplainer(feature_perturbation='tree_path_dependent')` and LightGBM's
 * `pred_contrib` give: a feature that is not known follows both children by their covers. Linear models: `w (x - missing)`, the
 * closed form for independent features around the training means.
 * Shapes: `x` `[nFeatures]`, NaN where missing. Errors: MR_MODEL_SHAPE. Tables are kept with the model.
 * Cost: O(leaves * features on the path^2 / 2). Source: Lundberg et al. 2020 for the game; Shapley weights as integrals over [0, 1]
 * (Owen 1972), taken exactly by Gauss-Legendre quadrature, so that nothing cancels in deep trees.
 */
export function explainRow(model: Model, x: Float64Array): Explanation {
  return explainerOf(model).explain(x)
}

const explainers = new WeakMap<Model, Explainer>()

/** The explainer of a model, made at first use. */
export function explainerOf(model: Model): Explainer {
  let explainer = explainers.get(model)
  if (!explainer) {
    explainer = model.kind === 'TreeEnsemble' ? treeExplainer(model) : linearExplainer(model)
    explainers.set(model, explainer)
  }
  return explainer
}

/** Mean absolute contribution of each feature over rows: global importance. NaN without rows. Errors: MR_MODEL_SHAPE. */
export function meanAbsContributions(model: Model, rows: FeatureRows, n: number): Float64Array {
  const explainer = explainerOf(model)
  const sums = new Float64Array(model.nFeatures)
  const x = new Float64Array(model.nFeatures)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < x.length; j++)
      x[j] = rows instanceof Float64Array ? rows[i * x.length + j] : rows[j][i]
    explainer.explain(x).contributions.forEach((c, j) => {
      sums[j] += Math.abs(c)
    })
  }
  return sums.map((sum) => sum / n)
}

function explanation(base: number, contributions: Float64Array, raw: number): Explanation {
  let sum = base
  for (const c of contributions) sum += c
  return { base, contributions, raw, residual: raw - sum }
}

function checkRow(x: Float64Array, nFeatures: number): void {
  if (x.length < nFeatures)
    throw new MillraceError('MR_MODEL_SHAPE', { what: 'row', expected: nFeatures, got: x.length })
}

function linearExplainer(model: LinearModel): Explainer {
  const scorer = compileScorer(model)
  const base = model.intercept + model.weights.reduce((sum, w, j) => sum + w * model.missing[j], 0)
  const explain = (x: Float64Array) => {
    checkRow(x, model.nFeatures)
    const contributions = model.weights.map((w, j) =>
      Number.isNaN(x[j]) ? 0 : w * (x[j] - model.missing[j]),
    )
    return explanation(base, contributions, scorer.rawRow(x))
  }
  return { base, explain }
}

// ---------------------------------------------------------------- trees

/**
 * What is known of an ensemble before any row. A path visits a feature once or more; the last node it enters by a split of that feature
 * stands for all of them: `share` is the product of cover ratios over those splits, and whether a row satisfies them all is one bit
 * that the previous such node (`earlier`) passes on.
 */
interface TreeTables {
  model: TreeEnsemble
  base: number
  /** By node. */
  parent: Int32Array
  earlier: Int32Array
  share: Float64Array
  /** By leaf with features: node, and its features' nodes in `pathNodes[pathStarts[i], pathStarts[i + 1])`. */
  leaves: Int32Array
  pathStarts: Int32Array
  pathNodes: Int32Array
  /** Most distinct features on a path. */
  kMax: number
  /** Quadrature for k features on the path, by k. */
  rules: Quadrature[]
}

function treeExplainer(model: TreeEnsemble): Explainer {
  const tables = buildTables(model)
  const scorer: Scorer = compileScorer(model)
  const scratch = {
    satisfied: new Uint8Array(model.feature.length),
    factors: new Float64Array(tables.kMax * Math.max(1, Math.ceil(tables.kMax / 2))),
    products: new Float64Array(Math.max(1, Math.ceil(tables.kMax / 2))),
  }
  const explain = (x: Float64Array) => {
    checkRow(x, model.nFeatures)
    const contributions = new Float64Array(model.nFeatures)
    markSatisfied(tables, x, scratch.satisfied)
    addLeaves(tables, scratch.satisfied, scratch.factors, scratch.products, contributions)
    return explanation(tables.base, contributions, scorer.rawRow(x))
  }
  return { base: tables.base, explain }
}

function buildTables(model: TreeEnsemble): TreeTables {
  const n = model.feature.length
  const parent = new Int32Array(n).fill(-1)
  const earlier = new Int32Array(n).fill(-1)
  const share = new Float64Array(n).fill(1)
  const reach = new Float64Array(n).fill(1)
  const leaves: number[] = []
  const pathStarts = [0]
  const pathNodes: number[] = []
  let base = model.baseScore
  let kMax = 0
  for (let node = 0; node < n; node++) {
    if (model.left[node] < 0) {
      base += model.value[node] * reach[node]
      const path = pathOf(model, parent, node)
      if (path.length === 0) continue
      kMax = Math.max(kMax, path.length)
      leaves.push(node)
      pathNodes.push(...path)
      pathStarts.push(pathNodes.length)
      continue
    }
    for (const child of [model.left[node], model.right[node]]) {
      const ratio = coverRatio(model, node, child)
      parent[child] = node
      earlier[child] = lastEntered(model, parent, node, model.feature[node])
      share[child] = ratio * (earlier[child] < 0 ? 1 : share[earlier[child]])
      reach[child] = reach[node] * ratio
    }
  }
  const rules = Array.from({ length: kMax + 1 }, (_, k) => gaussLegendre(Math.max(1, Math.ceil(k / 2))))
  const table = {
    leaves: Int32Array.from(leaves),
    pathStarts: Int32Array.from(pathStarts),
    pathNodes: Int32Array.from(pathNodes),
  }
  return { model, base, parent, earlier, share, ...table, kMax, rules }
}

/** Share of a node's rows that a child has; halves where the cover is not known. */
function coverRatio({ cover, left, right }: TreeEnsemble, node: number, child: number): number {
  const total = cover[left[node]] + cover[right[node]]
  return total > 0 ? cover[child] / total : 0.5
}

/** The nearest node, from `node` up, that was entered by a split of `feature`; -1 when none was. */
function lastEntered(model: TreeEnsemble, parent: Int32Array, node: number, feature: number): number {
  for (let at = node; parent[at] >= 0; at = parent[at]) if (model.feature[parent[at]] === feature) return at
  return -1
}

/** The last node of each feature on the path to a leaf. */
function pathOf(model: TreeEnsemble, parent: Int32Array, leaf: number): number[] {
  const seen = new Set<number>()
  const nodes: number[] = []
  for (let at = leaf; parent[at] >= 0; at = parent[at]) {
    const feature = model.feature[parent[at]]
    if (seen.has(feature)) continue
    seen.add(feature)
    nodes.push(at)
  }
  return nodes
}

/** Marks each node whose parent, and all earlier splits of the same feature on the path, would send the row to it. */
function markSatisfied({ model, earlier }: TreeTables, x: Float64Array, satisfied: Uint8Array): void {
  const { left, right } = model
  for (let node = 0; node < left.length; node++) {
    const l = left[node]
    if (l < 0) continue
    const r = right[node]
    const goesLeft = rowGoesLeft(model, node, x) ? 1 : 0
    satisfied[l] = goesLeft & (earlier[l] < 0 ? 1 : satisfied[earlier[l]])
    satisfied[r] = (1 - goesLeft) & (earlier[r] < 0 ? 1 : satisfied[earlier[r]])
  }
}

/** Whether a row goes left at a split: the one plain statement of an ensemble's rule. */
export function rowGoesLeft(model: TreeEnsemble, node: number, row: Float64Array): boolean {
  const given = row[model.feature[node]]
  const x = model.compare === 'le' ? given : Math.fround(given)
  const set = model.categorySet[node]
  const missingLeft = model.missingLeft[node] === 1
  if (set >= 0) return inSet(model.categorySets[set], x, missingLeft)
  if (Number.isNaN(x)) return missingLeft
  return model.compare === 'le'
    ? x <= model.threshold[node]
    : Math.fround(x) < Math.fround(model.threshold[node])
}

/**
 * Adds each leaf's share to the features on its path. With share r and satisfied bit o, feature i gets
 * `v (o_i - r_i) * integral over u in [0, 1] of prod_{j != i} (r_j (1 - u) + o_j u)`.
 */
function addLeaves(
  { model, leaves, pathStarts, pathNodes, share, parent, rules }: TreeTables,
  satisfied: Uint8Array,
  factors: Float64Array,
  products: Float64Array,
  contributions: Float64Array,
): void {
  for (let leaf = 0; leaf < leaves.length; leaf++) {
    const begin = pathStarts[leaf]
    const end = pathStarts[leaf + 1]
    const { points, weights } = rules[end - begin]
    const nPoints = points.length
    let unmet = 0
    let scale = model.value[leaves[leaf]]
    for (let i = begin; i < end; i++) {
      if (satisfied[pathNodes[i]]) continue
      unmet++
      scale *= share[pathNodes[i]]
    }
    if (scale === 0) continue
    for (let q = 0; q < nPoints; q++) products[q] = weights[q] * scale
    for (let step = 1; step < unmet; step++) for (let q = 0; q < nPoints; q++) products[q] *= 1 - points[q]
    for (let i = begin, at = 0; i < end; i++) {
      const node = pathNodes[i]
      if (!satisfied[node]) continue
      const r = share[node]
      for (let q = 0; q < nPoints; q++, at++) {
        const factor = r + (1 - r) * points[q]
        factors[at] = factor
        products[q] *= factor
      }
    }
    let unmetSum = 0
    for (let q = 0; q < nPoints; q++) {
      unmetSum += products[q]
      if (unmet > 0) products[q] *= 1 - points[q]
    }
    for (let i = begin, at = 0; i < end; i++) {
      const node = pathNodes[i]
      const feature = model.feature[parent[node]]
      if (!satisfied[node]) {
        contributions[feature] -= unmetSum
        continue
      }
      let sum = 0
      for (let q = 0; q < nPoints; q++, at++) sum += products[q] / factors[at]
      contributions[feature] += sum * (1 - share[node])
    }
  }
}

// ---------------------------------------------------------------- quadrature

interface Quadrature {
  points: Float64Array
  weights: Float64Array
}

/**
 * Gauss-Legendre rule of `n` points on [0, 1]: exact for polynomials of degree 2n - 1.
 * Roots of the Legendre polynomial by Newton's method from Tricomi's estimate. Accuracy: 1e-15.
 */
export function gaussLegendre(n: number): Quadrature {
  const points = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 100; step++) {
      const at = legendre(n, x)
      slope = at.slope
      const change = at.value / slope
      x -= change
      if (Math.abs(change) < 1e-16) break
    }
    points[n - 1 - i] = (1 + x) / 2
    weights[n - 1 - i] = 1 / ((1 - x * x) * slope * slope)
  }
  return { points, weights }
}

function legendre(n: number, x: number): { value: number; slope: number } {
  let before = 1
  let value = x
  for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
  return { value, slope: (n * (x * value - before)) / (x * x - 1) }
}
