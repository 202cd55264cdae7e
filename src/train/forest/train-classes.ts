/** Forests of several classes: trees by Gini impurity over all classes, each leaf with the share of each. */
import { MillraceError } from '../../core/errors.ts'
import { mix32 } from '../../core/rng.ts'
import { MODEL_LIMITS } from '../../model/validate.ts'
import { bagOf, weighBag } from '../gbdt/bags.ts'
import { type BinnedData, binAt } from '../gbdt/binning.ts'
import { ensembleOf, type OutputTree } from '../gbdt/ensemble.ts'
import { leafOfRow } from '../gbdt/grown-tree.ts'
import { classTotals, countClasses, requireTwoClasses } from '../gbdt/objectives/classes.ts'
import { checkCodes } from '../gbdt/objectives/targets.ts'
import { openLabels } from '../gbdt/rows.ts'
import type { GbdtOptions } from '../gbdt/train.ts'
import { type ClassTree, growClassTree } from './grow-classes.ts'
import type { ForestParams, ForestResult } from './params.ts'
import type { ClassGround } from './sweep.ts'

interface ClassForestParams extends Omit<ForestParams, 'features'> {
  nClasses: number
  /** Share of the features that each node may use. */
  featureShare: number
}

interface ClassForestRows {
  binned: BinnedData
  /** Codes of classes. */
  target: Float64Array
  weights?: Float64Array
}

/** `trainForest` for codes of classes. A tree has only so many leaves that all fit into a model. */
export function trainClassForest(
  rows: ClassForestRows,
  params: ClassForestParams,
  options: Pick<GbdtOptions, 'onProgress' | 'signal'> = {},
): ForestResult {
  const { binned } = rows
  const { nClasses, trees: nTrees } = params
  const { target, weights } = checkedLabels(rows, params)
  const ground = openGround(binned, target, { ...params, leaves: leavesOf(params) })
  const { chances } = bagOf({ bagging: 1, replacement: params.bootstrap })
  const outside = openOutside(binned.nRows, nClasses)
  const finished: OutputTree[] = []
  const gains = new Float64Array(binned.nFeatures)
  for (let round = 0; round < nTrees; round++) {
    if (options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
    const salt = mix32((params.seed | 0) + Math.imul(round + 1, 0x9e3779b9))
    if (chances) weighBag(ground.weights, weights, chances, salt)
    else if (weights) ground.weights.set(weights)
    else ground.weights.fill(1)
    const grown = growClassTree(ground, salt)
    if (chances) addOutsideOf(outside, ground, grown)
    for (const split of grown.tree.splits) if (split) gains[split.feature] += split.gain
    finished.push(...outputTrees(grown, nClasses, nTrees))
    options.onProgress?.({ tree: round + 1, trees: nTrees })
  }
  const model = ensembleOf(finished, binned.features, new Float64Array(nClasses), 'shares')
  return {
    model,
    trees: finished.length,
    gains,
    ranOn: { kernels: 'js', threads: 1 },
    outOfBag: meansOf(outside),
  }
}

function checkedLabels({ binned, target, weights }: ClassForestRows, { nClasses }: ClassForestParams) {
  const labels = openLabels({ binned, target, weights })
  countClasses(labels, nClasses)
  checkCodes(labels, nClasses)
  requireTwoClasses(classTotals(target, labels.weights, nClasses), target.length)
  return labels
}

/** Each class has its own copy of a tree. Errors: MR_MODEL_PARAM when there is no room for trees of two leaves. */
function leavesOf({ leaves, trees, nClasses }: ClassForestParams): number {
  const { nodesMax, treesMax } = MODEL_LIMITS
  const treesFit = Math.floor(Math.min(treesMax, nodesMax / 3) / nClasses)
  if (trees > treesFit) {
    const expected = `at most ${treesFit} with ${nClasses} classes, each of which has its leaves`
    throw new MillraceError('MR_MODEL_PARAM', { param: 'trees', expected, got: String(trees) })
  }
  return Math.min(leaves, Math.floor((nodesMax / (trees * nClasses) + 1) / 2))
}

function openGround(data: BinnedData, target: Float64Array, params: ClassForestParams): ClassGround {
  const bins = data.features.map((_, j) =>
    Uint16Array.from({ length: data.nRows }, (_row, row) => binAt(data, row, j)),
  )
  return { data, bins, codes: Int32Array.from(target), weights: new Float64Array(data.nRows), params }
}

/** The same tree for each class, with the share of that class over the number of trees in its leaves. */
function outputTrees({ tree, totals }: ClassTree, nClasses: number, nTrees: number): OutputTree[] {
  const nLeaves = tree.leafNodes.length
  const covers = Float64Array.from({ length: nLeaves }, (_, leaf) => sumOf(totals, leaf * nClasses, nClasses))
  return Array.from({ length: nClasses }, (_, output) => ({
    tree,
    covers,
    output,
    values: covers.map((cover, leaf) => totals[leaf * nClasses + output] / cover / nTrees),
  }))
}

function sumOf(values: Float64Array, at: number, n: number): number {
  let sum = 0
  for (let i = at; i < at + n; i++) sum += values[i]
  return sum
}

// ---------------------------------------------------------------- out of bag

interface Outside {
  /** `[nRows * nClasses]` */
  shares: Float64Array
  trees: Int32Array
}

function openOutside(nRows: number, nClasses: number): Outside {
  return { shares: new Float64Array(nRows * nClasses), trees: new Int32Array(nRows) }
}

function addOutsideOf({ shares, trees }: Outside, ground: ClassGround, { tree, totals }: ClassTree): void {
  const { nClasses } = ground.params
  for (let row = 0; row < trees.length; row++) {
    if (ground.weights[row] > 0) continue
    const at = leafOfRow(tree, ground.data, row) * nClasses
    const total = sumOf(totals, at, nClasses)
    for (let k = 0; k < nClasses; k++) shares[row * nClasses + k] += totals[at + k] / total
    trees[row]++
  }
}

function meansOf({ shares, trees }: Outside): Float64Array {
  const nClasses = shares.length / trees.length
  return shares.map((sum, at) => {
    const n = trees[Math.floor(at / nClasses)]
    return n > 0 ? sum / n : Number.NaN
  })
}
