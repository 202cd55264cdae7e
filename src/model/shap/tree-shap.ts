/** Contributions of many rows to the scores of a tree ensemble, by tables. */

import { type FeatureRows, readRow } from '../feature-rows.ts'
import { treeExplainer } from '../forms/tree-explainer.ts'
import { plainOf, rowsOfSource } from '../tree/source-rules.ts'
import type { TreeEnsemble } from '../trees.ts'
import { BLOCK_ROWS, openShapMachine, type ShapMachine } from './apply.ts'
import { pairwiseContributions } from './pairwise.ts'
import { type LeafChoice, planPairs, planPaths } from './paths.ts'
import { planTree, type TreePlan } from './plan.ts'
import { groupsOf, planRanks, RANK_NODES_MAX, type RankPlan, rankRows } from './ranks.ts'
import { fillBackgroundTables, fillPathTables } from './tables.ts'

export interface ShapOptions {
  /** Rows that stand for what is not known; without them, unknown splits follow both children by their covers. */
  background?: { rows: FeatureRows; n: number }
  kernels?: 'wasm' | 'js'
}

/** Rows explained in one pass over the trees: tables are made again for each pass. */
const PASS_ROWS = 8192
const PASS_BYTES_MAX = 64 * 1024 * 1024
/** What a leaf without a table costs a row, in nanoseconds, about; and each pair of a row and a background row. */
const LEAF_NS = 50
const PAIR_LEAF_NS = 3

/**
 * Exact Shapley values of the raw scores of rows: `[n, nOutputs, nFeatures]`, row-major.
 *
 * Path dependent: as `shap.TreeExplainer(feature_perturbation='tree_path_dependent')` and LightGBM's `pred_contrib`. Against a background:
 * as `feature_perturbation='interventional'`, the mean over background rows; what a row costs does not depend on their number. The model's
 * own comparison, missing and category rules hold in both. Features that no tree uses get 0 exactly.
 * Cost: for each tree, tables once a pass (leaves 2^k k^2 for k features on a path), then one look-up a feature and cluster of leaves.
 * Source: Lundberg et al. 2020 for both games; tables by pattern as in Yang 2021 (FastTreeSHAP v2) and counts of background patterns as in
 * Nadel and Wettenstein 2025 (WOODELF), with clusters of leaves and Gauss-Legendre quadrature in place of sums over subsets.
 */
export function treeContributions(
  model: TreeEnsemble,
  rows: FeatureRows,
  n: number,
  { background, kernels = 'wasm' }: ShapOptions = {},
): Float64Array {
  if (model.rules)
    return treeContributions(plainOf(model), rowsOfSource(model, rows), n, {
      background: background && { ...background, rows: rowsOfSource(model, background.rows) },
      kernels,
    })
  const { nFeatures, nOutputs } = model
  const width = nFeatures * nOutputs
  const out = new Float64Array(n * width)
  if (n === 0 || nFeatures === 0) return out
  const passRows = Math.min(n, PASS_ROWS, Math.max(BLOCK_ROWS, Math.floor(PASS_BYTES_MAX / (width * 8))))
  const machine = openShapMachine({ nFeatures, nOutputs, nRows: passRows }, kernels)
  const left = new Set<number>()
  try {
    for (let from = 0; from < n; from += passRows) {
      const size = Math.min(passRows, n - from)
      for (const group of groupsOf(model))
        runGroup(model, machine, group, { rows, from, n: size }, background, left)
      spreadSums(machine.takeSums(), size, width, out, from * width)
    }
  } finally {
    machine.close()
  }
  if (left.size > 0) addOthers(model, [...left], rows, n, background, out)
  return out
}

type Background = ShapOptions['background']

function runGroup(
  model: TreeEnsemble,
  machine: ShapMachine,
  { first, end }: { first: number; end: number },
  { rows, from, n }: { rows: FeatureRows; from: number; n: number },
  background: Background,
  left: Set<number>,
): void {
  const { nFeatures, roots, feature } = model
  const ranks = planRanks(model, roots[first], roots[end] ?? feature.length)
  const ranked = machine.openRows(ranks.columns.length, n)
  rankRows(ranks, { rows, nFeatures, from, n }, ranked.ranks, ranked.stride)
  if (background) {
    const behind = machine.openBackground(ranks.columns.length, background.n)
    rankRows(
      ranks,
      { rows: background.rows, nFeatures, from: 0, n: background.n },
      behind.ranks,
      behind.stride,
    )
  }
  for (let t = first; t < end; t++) {
    const nNodes = (roots[t + 1] ?? feature.length) - roots[t]
    if (nNodes > RANK_NODES_MAX) left.add(t)
    else if (background) runAgainst(model, machine, ranks, t, n, background.n)
    else runByPath(model, machine, ranks, t, n)
  }
}

function runByPath(model: TreeEnsemble, machine: ShapMachine, ranks: RankPlan, t: number, n: number): void {
  const plan = planTree(model, ranks, t, n, LEAF_NS)
  if (plan.clusters.length > 0) {
    fillPathTables(plan.clusters, machine.openTables(plan))
    machine.apply(plan, model.outputOf[t])
  }
  const others = planPaths(choiceOf(model, ranks, t, plan))
  if (others) machine.addPaths(others, model.outputOf[t])
}

function runAgainst(
  model: TreeEnsemble,
  machine: ShapMachine,
  ranks: RankPlan,
  t: number,
  n: number,
  nBackground: number,
): void {
  const plan = planTree(model, ranks, t, n, nBackground * PAIR_LEAF_NS)
  if (plan.clusters.length > 0) {
    const counts = machine.count(plan)
    fillBackgroundTables(plan.clusters, counts, nBackground, machine.openTables(plan))
    machine.apply(plan, model.outputOf[t])
  }
  const others = planPairs(choiceOf(model, ranks, t, plan), nBackground)
  if (others) machine.addPairs(others, model.outputOf[t])
}

function choiceOf(model: TreeEnsemble, ranks: RankPlan, t: number, { others }: TreePlan): LeafChoice {
  return { model, ranks, root: model.roots[t], wanted: (leaf) => others.has(leaf) }
}

/** From block, column, row to row, column. */
function spreadSums(sums: Float64Array, n: number, width: number, out: Float64Array, at: number): void {
  for (let i = 0; i < n; i++) {
    const block = Math.floor(i / BLOCK_ROWS)
    const from = block * width * BLOCK_ROWS + (i % BLOCK_ROWS)
    for (let c = 0; c < width; c++) out[at + i * width + c] = sums[from + c * BLOCK_ROWS]
  }
}

/** Trees with more nodes than ranks: path-dependent ones by quadrature down and up the tree, others pair by pair of rows. */
function addOthers(
  model: TreeEnsemble,
  trees: number[],
  rows: FeatureRows,
  n: number,
  background: Background,
  out: Float64Array,
): void {
  const some = subset(model, trees)
  const { nFeatures, nOutputs } = model
  const x = new Float64Array(nFeatures)
  const explainer = background ? pairwiseContributions(some, background) : null
  const byCover = background ? null : treeExplainer(some)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    for (let output = 0; output < nOutputs; output++) {
      const contributions = byCover ? byCover.explain(x, output).contributions : explainer!(x, output)
      const at = (i * nOutputs + output) * nFeatures
      for (let j = 0; j < nFeatures; j++) out[at + j] += contributions[j]
    }
  }
}

/** Some trees of an ensemble as one of their own. */
function subset(model: TreeEnsemble, trees: readonly number[]): TreeEnsemble {
  const nodes = trees.flatMap((t) => {
    const root = model.roots[t]
    return Array.from({ length: (model.roots[t + 1] ?? model.feature.length) - root }, (_, k) => root + k)
  })
  const placeOf = new Map(nodes.map((node, at) => [node, at]))
  const child = (node: number) => (node < 0 ? -1 : placeOf.get(node)!)
  return {
    ...model,
    roots: Int32Array.from(trees, (t) => placeOf.get(model.roots[t])!),
    outputOf: Int32Array.from(trees, (t) => model.outputOf[t]),
    feature: Int32Array.from(nodes, (i) => model.feature[i]),
    threshold: Float64Array.from(nodes, (i) => model.threshold[i]),
    left: Int32Array.from(nodes, (i) => child(model.left[i])),
    right: Int32Array.from(nodes, (i) => child(model.right[i])),
    missingLeft: Uint8Array.from(nodes, (i) => model.missingLeft[i]),
    value: Float64Array.from(nodes, (i) => model.value[i]),
    cover: Float64Array.from(nodes, (i) => model.cover[i]),
    categorySet: Int32Array.from(nodes, (i) => model.categorySet[i]),
    baseScores: new Float64Array(model.nOutputs),
  }
}
