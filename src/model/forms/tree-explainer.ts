/** Exact Shapley values of tree ensembles, path dependent. */
import { shapeError } from '../checks.ts'
import type { Explainer } from '../form.ts'
import { coverRatio } from '../shap/plan.ts'
import { gaussLegendre, type Quadrature } from '../shap/quadrature.ts'
import { openRowShap } from '../shap/row-shap.ts'
import { compileTrees, inSet, rawOfRows } from '../tree-walk.ts'
import type { TreeEnsemble } from '../trees.ts'

/**
 * What is known of an ensemble before any row. A path visits a feature once or more; each node entered by a split of it stands for all of
 * its splits so far: `share` is the product of their cover ratios, and whether a row satisfies them all is one bit that the previous such
 * node (`earlier`) passes on.
 */
interface TreeTables {
  model: TreeEnsemble
  /** By node: the feature it was entered by (-1 for roots), and the nearest node above entered by the same one (-1 for none). */
  entered: Int32Array
  earlier: Int32Array
  parent: Int32Array
  share: Float64Array
  /** Quadrature of each tree, exact for its longest path. */
  rules: Quadrature[]
  /** `1 / (share + (1 - share) u)` by node and point; a node's begin at `inverseAt`. */
  inverse: Float64Array
  inverseAt: Int32Array
}

/** Adds contributions of a row to the raw score of an output. */
type AddRow = (x: Float64Array, output: number, contributions: Float64Array) => void

/** In WebAssembly where it has room for the model's tables, else by plain loops; the two differ by rounding. */
export function treeExplainer(model: TreeEnsemble, kernels: 'wasm' | 'js' = 'wasm'): Explainer {
  const addRow = (kernels === 'wasm' ? openRowShap(model) : null) ?? plainRows(model)
  const bases = expectedScores(model)
  const trees = compileTrees(model)
  const raws = new Float64Array(model.nOutputs)
  const explain = (x: Float64Array, output = 0) => {
    if (x.length < model.nFeatures) throw shapeError('row', model.nFeatures, x.length)
    const contributions = new Float64Array(model.nFeatures)
    addRow(x, output, contributions)
    rawOfRows(trees, x, 1, raws)
    const base = bases[output]
    const explained = contributions.reduce((sum, c) => sum + c, base)
    return { base, contributions, raw: raws[output], residual: raws[output] - explained }
  }
  return { how: { method: 'tree-path', exact: true }, bases, explain }
}

function plainRows(model: TreeEnsemble): AddRow {
  const tables = buildTables(model)
  const satisfied = new Uint8Array(model.feature.length)
  const scratch = openScratch(tables)
  return (x, output, contributions) => {
    markSatisfied(tables, x, satisfied)
    for (let t = 0; t < model.roots.length; t++)
      if (model.outputOf[t] === output) addTree(tables, t, satisfied, scratch, contributions)
  }
}

/** Expected raw score of each output, by the covers of leaves. */
function expectedScores(model: TreeEnsemble): Float64Array {
  const bases = model.baseScores.slice()
  const reach = new Float64Array(model.feature.length).fill(1)
  let t = 0
  for (let node = 0; node < reach.length; node++) {
    if (node === model.roots[t + 1]) t++
    if (model.left[node] < 0) bases[model.outputOf[t]] += model.value[node] * reach[node]
    else
      for (const child of [model.left[node], model.right[node]])
        reach[child] = reach[node] * coverRatio(model, node, child)
  }
  return bases
}

function buildTables(model: TreeEnsemble): TreeTables {
  const n = model.feature.length
  const parent = new Int32Array(n).fill(-1)
  const entered = new Int32Array(n).fill(-1)
  const earlier = new Int32Array(n).fill(-1)
  const share = new Float64Array(n).fill(1)
  const distinct = new Int32Array(n)
  for (let node = 0; node < n; node++) {
    if (model.left[node] < 0) continue
    for (const child of [model.left[node], model.right[node]]) {
      const ratio = coverRatio(model, node, child)
      parent[child] = node
      entered[child] = model.feature[node]
      earlier[child] = lastEntered(entered, parent, node, model.feature[node])
      share[child] = ratio * (earlier[child] < 0 ? 1 : share[earlier[child]])
      distinct[child] = distinct[node] + (earlier[child] < 0 ? 1 : 0)
    }
  }
  const rules = rulesOf(model, distinct)
  return { model, entered, earlier, parent, share, rules, ...inversesOf(model, share, rules) }
}

/** A rule for each tree: k distinct features on a path make an integrand of degree k - 1. */
function rulesOf({ roots }: TreeEnsemble, distinct: Int32Array): Quadrature[] {
  const made = new Map<number, Quadrature>()
  return Array.from(roots, (root, t) => {
    const most = distinct.subarray(root, roots[t + 1]).reduce((max, k) => Math.max(max, k), 1)
    const nPoints = Math.ceil(most / 2)
    const rule = made.get(nPoints) ?? gaussLegendre(nPoints)
    made.set(nPoints, rule)
    return rule
  })
}

function inversesOf({ roots, feature }: TreeEnsemble, share: Float64Array, rules: Quadrature[]) {
  const inverseAt = new Int32Array(feature.length + 1)
  rules.forEach(({ points }, t) => {
    for (let node = roots[t]; node < (roots[t + 1] ?? feature.length); node++)
      inverseAt[node + 1] = inverseAt[node] + points.length
  })
  const inverse = new Float64Array(inverseAt[feature.length])
  rules.forEach(({ points }, t) => {
    for (let node = roots[t]; node < (roots[t + 1] ?? feature.length); node++) {
      for (let q = 0; q < points.length; q++)
        inverse[inverseAt[node] + q] = 1 / (share[node] + (1 - share[node]) * points[q])
    }
  })
  return { inverse, inverseAt }
}

/** One tree's products, inverses of factors and sums, by node and point. */
interface Scratch {
  products: Float64Array
  inverses: Float64Array
  sums: Float64Array
}

function openScratch({ model, rules }: TreeTables): Scratch {
  const size = rules.reduce((max, { points }, t) => {
    const nNodes = (model.roots[t + 1] ?? model.feature.length) - model.roots[t]
    return Math.max(max, nNodes * points.length)
  }, 0)
  return { products: new Float64Array(size), inverses: new Float64Array(size), sums: new Float64Array(size) }
}

/** The nearest node, from `node` up, that was entered by a split of `feature`; -1 when none was. */
function lastEntered(entered: Int32Array, parent: Int32Array, node: number, feature: number): number {
  for (let at = node; at >= 0; at = parent[at]) if (entered[at] === feature) return at
  return -1
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
 * Adds one tree's contributions. With share r and satisfied bit o of each feature on a leaf's path, feature i gets
 * `v (o_i - r_i) * integral over u in [0, 1] of prod_{j != i} (r_j (1 - u) + o_j u)`. Down the tree the products grow, up the tree they are
 * summed over leaves; at each node its own factor is divided out, and what a later split of the same feature replaces is taken off.
 */
function addTree(
  tables: TreeTables,
  t: number,
  satisfied: Uint8Array,
  scratch: Scratch,
  contributions: Float64Array,
): void {
  const { roots, feature } = tables.model
  const end = roots[t + 1] ?? feature.length
  multiplyDown(tables, t, roots[t], end, satisfied, scratch)
  sumUp(tables, t, roots[t], end, satisfied, scratch, contributions)
}

/** Products of factors on the way to each node, and the inverse of each node's factor; both 0 where a row can never count. */
function multiplyDown(
  { parent, earlier, share, rules, inverse, inverseAt }: TreeTables,
  t: number,
  root: number,
  end: number,
  satisfied: Uint8Array,
  { products, inverses, sums }: Scratch,
): void {
  const { points, weights, inverseRest } = rules[t]
  const nPoints = points.length
  for (let q = 0; q < nPoints; q++) products[q] = weights[q]
  sums.fill(0, 0, (end - root) * nPoints)
  for (let node = root + 1; node < end; node++) {
    const at = (node - root) * nPoints
    const above = (parent[node] - root) * nPoints
    const before = earlier[node] < 0 ? -1 : (earlier[node] - root) * nPoints
    const r = share[node]
    const met = satisfied[node] === 1
    const perShare = r > 0 ? 1 / r : 0
    for (let q = 0; q < nPoints; q++) {
      const factor = met ? r + (1 - r) * points[q] : r * (1 - points[q])
      inverses[at + q] = met ? inverse[inverseAt[node] + q] : perShare * inverseRest[q]
      products[at + q] = products[above + q] * factor * (before < 0 ? 1 : inverses[before + q])
    }
  }
}

function sumUp(
  { model, entered, parent, earlier, share, rules }: TreeTables,
  t: number,
  root: number,
  end: number,
  satisfied: Uint8Array,
  { products, inverses, sums }: Scratch,
  contributions: Float64Array,
): void {
  const nPoints = rules[t].points.length
  for (let node = end - 1; node > root; node--) {
    const at = (node - root) * nPoints
    const above = (parent[node] - root) * nPoints
    const before = earlier[node] < 0 ? -1 : (earlier[node] - root) * nPoints
    const value = model.value[node]
    const isLeaf = model.left[node] < 0
    let own = 0
    let replaced = 0
    for (let q = 0; q < nPoints; q++) {
      const sum = isLeaf ? value * products[at + q] : sums[at + q]
      sums[above + q] += sum
      own += sum * inverses[at + q]
      if (before >= 0) replaced += sum * inverses[before + q]
    }
    let gain = (satisfied[node] - share[node]) * own
    if (before >= 0) gain -= (satisfied[earlier[node]] - share[earlier[node]]) * replaced
    contributions[entered[node]] += gain
  }
}
