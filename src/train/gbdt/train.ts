import { MillraceError } from '../../core/errors.ts'
import { mix32 } from '../../core/rng.ts'
import type { TreeEnsemble } from '../../model/trees.ts'
import { type BinnedData, binColumns, binWith, takeRows } from './binning.ts'
import { ensembleOf, type FinishedTree } from './ensemble.ts'
import { type Ground, growTree, type Scale } from './grow.ts'
import type { GrownTree } from './grown-tree.ts'
import { packing } from './kernels.ts'
import { checkFinite, LOSSES, type Loss, meanLoss, weightedMedian } from './loss.ts'
import type { LeafSums, Machine, RanOn, Rows } from './machine.ts'
import { type MachineOptions, openMachine } from './open-machine.ts'
import { type GbdtParams, gbdtParams } from './params.ts'
import { NO_LEAF } from './sizes.ts'

/** Rows to train on: one column a feature, NaN where missing; category features hold codes. */
export interface TrainData {
  nRows: number
  columns: Float64Array[]
  categorical: boolean[]
  target: Float64Array
  /** Not negative, with a positive sum. Default: 1 each. */
  weights?: Float64Array
  /** Raw score each row starts from, e.g. that of a parent model; the trained ensemble is then what is added to it. */
  init?: Float64Array
  valid?: {
    nRows: number
    columns: Float64Array[]
    target: Float64Array
    weights?: Float64Array
    init?: Float64Array
  }
}

/** Rows that are binned already, all of them or those of `rowIndexes`. Labels lie by row of `binned`. */
export interface BinnedRows {
  binned: BinnedData
  rowIndexes?: ArrayLike<number>
  target: Float64Array
  weights?: Float64Array
  init?: Float64Array
}

export interface GbdtOptions extends MachineOptions {
  /** Called after each tree. */
  onProgress?: (progress: { tree: number; trees: number; validLoss?: number }) => void
  /** Looked at before each tree. */
  signal?: { readonly aborted: boolean }
}

export interface GbdtResult {
  model: TreeEnsemble
  /** Trees in the model; 0 when no split gains anything, e.g. with constant features or a constant target. */
  trees: number
  /** Mean validation loss after each tree that was grown; empty without validation rows. `l2` is the mean squared error. */
  validLoss: number[]
  /** Why training ended: all trees grown, validation loss no better, or no split left to gain from. */
  stopped: 'trees' | 'early' | 'no-split'
  /** Total gain of each feature's splits. */
  gains: Float64Array
  /**
   * Raw score of each training row by the model, its `init` included: what members of a family start from. By row of `binned`; NaN for rows that
   * `rowIndexes` leaves out.
   */
  trainScores: Float64Array
  /** What did the work, after any fall-back; the model is the same in any case. */
  ranOn: RanOn
}

/**
 * Gradient boosting of histogram trees, grown leaf by leaf. Pure, synchronous and reproducible: the same data, parameters and seed give
 * the same bytes of model on each machine.
 *
 * Missing: NaN features have a bin of their own and go the way that gains more; where a split saw none in training, they follow the
 * larger side. With `earlyStoppingRounds` and `valid`, trees behind the best validation loss are cut off.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT, MR_MODEL_CATEGORY,
 * MR_MODEL_ROWS_MAX, MR_CANCELLED. Cost: about 1.5 ns a row, feature and level of a tree.
 * Source: Friedman 2001; leaf-wise growth, categorical splits and quantised gradients after LightGBM (Ke et al. 2017, Shi et al. 2022).
 */
export function trainGbdt(
  data: TrainData,
  params: Parameters<typeof gbdtParams>[0] = {},
  options: GbdtOptions = {},
): GbdtResult {
  const checked = gbdtParams(params)
  checkLength('columns of features', data.categorical.length, data.columns.length)
  const binned = binColumns(data.columns, data.categorical, checked.bins)
  checkLength('target', data.nRows, data.target.length)
  if (data.columns.length > 0) checkLength('columns', data.nRows, binned.nRows)
  const { valid } = data
  const validRows = valid && { ...valid, binned: binWith(valid.columns, valid.nRows, binned.features) }
  return trainOnBins({ ...data, binned: { ...binned, nRows: data.nRows } }, checked, {
    ...options,
    valid: validRows,
  })
}

/** `trainGbdt` on rows binned before: one binning serves a whole family of models. */
export function trainOnBins(
  rows: BinnedRows,
  params: Parameters<typeof gbdtParams>[0] = {},
  options: GbdtOptions & { valid?: BinnedRows } = {},
): GbdtResult {
  const checked = gbdtParams(params)
  const loss = LOSSES[checked.loss]
  const train = openRows(rows, loss, true)
  const valid = options.valid && openRows(options.valid, loss, false)
  const base = rows.init ? 0 : loss.baseScore(train.target, train.weights) + 0
  if (!rows.init) train.score.fill(base)
  if (valid && !options.valid!.init) valid.score.fill(base)
  const machine = openMachine({ rows: train, valid, params: checked }, options)
  try {
    const boosted = boost(openTraining(train, valid, { machine, loss, base, params: checked }), options)
    return { ...boosted, trainScores: scatterScores(boosted.trainScores, rows) }
  } finally {
    machine.close()
  }
}

function scatterScores(scores: Float64Array, { binned, rowIndexes }: BinnedRows): Float64Array {
  if (!rowIndexes) return scores
  const out = new Float64Array(binned.nRows).fill(Number.NaN)
  for (let i = 0; i < scores.length; i++) out[rowIndexes[i]] = scores[i]
  return out
}

function openRows(given: BinnedRows, loss: Loss, forTraining: boolean): Rows {
  const { binned, rowIndexes } = given
  const pick = (name: string, values: Float64Array) => {
    checkLength(name, binned.nRows, values.length)
    return rowIndexes ? Float64Array.from(rowIndexes, (row) => values[row]) : values
  }
  const data = rowIndexes ? takeRows(binned, rowIndexes) : binned
  if (data.nRows < 1) throw new MillraceError('MR_MODEL_NO_ROWS', { need: 1, got: 0 })
  const target = pick('target', given.target)
  const weights = given.weights ? pick('weights', given.weights) : null
  if (weights) checkWeights(weights)
  if (forTraining) loss.checkTarget(target, weights)
  else checkFinite(target)
  const score = given.init ? pick('init', given.init).slice() : new Float64Array(data.nRows)
  return { data, target, weights, score }
}

function checkLength(what: string, expected: number, got: number): void {
  if (expected !== got) throw new MillraceError('MR_MODEL_SHAPE', { what, expected, got })
}

function checkWeights(weights: Float64Array): void {
  const row = weights.findIndex((w) => !(w >= 0 && w < Number.POSITIVE_INFINITY))
  if (row >= 0) throw new MillraceError('MR_MODEL_WEIGHT', { row, got: String(weights[row]) })
  if (!weights.some((w) => w > 0))
    throw new MillraceError('MR_MODEL_WEIGHT', { row: 0, got: 'all weights 0' })
}

// ---------------------------------------------------------------- boosting

interface Training {
  rows: Rows
  valid: Rows | undefined
  params: GbdtParams
  loss: Loss
  base: number
  ground: Ground
  trees: FinishedTree[]
  validLoss: number[]
  /** Scores after the trees with the best validation loss, while early stopping may cut off those behind. */
  bestScore: Float64Array | null
}

function openTraining(
  rows: Rows,
  valid: Rows | undefined,
  { machine, params, loss, base }: { machine: Machine; params: GbdtParams; loss: Loss; base: number },
): Training {
  const ground = { machine, features: rows.data.features, params }
  const stopsEarly = params.earlyStoppingRounds > 0 && valid !== undefined
  const bestScore = stopsEarly ? rows.score.slice() : null
  return { rows, valid, params, loss, base, ground, trees: [], validLoss: [], bestScore }
}

function boost(training: Training, options: GbdtOptions): GbdtResult {
  const { params, validLoss } = training
  let stopped: GbdtResult['stopped'] = training.rows.data.nFeatures > 0 ? 'trees' : 'no-split'
  for (let t = 0; stopped === 'trees' && t < params.trees; t++) {
    if (options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
    const added = addTree(training, t)
    if (added && training.valid) noteValidLoss(training)
    if (!added && params.bagging === 1 && params.featureFraction === 1) stopped = 'no-split'
    else if (isStale(training)) stopped = 'early'
    options.onProgress?.({ tree: t + 1, trees: params.trees, validLoss: validLoss.at(-1) })
  }
  return result(training, stopped)
}

/** Grows one tree and adds it to the scores; false when it would be a leaf alone. */
function addTree(training: Training, t: number): boolean {
  const { rows, params, ground } = training
  const salt = mix32((params.seed | 0) + Math.imul(t + 1, 0x9e3779b9))
  const scale = quantiseGradients(training, salt)
  if (scale === null) return false
  const drawn = ground.machine.drawRows(params.bagging, salt)
  const tree = growTree(ground, drawn, scale, drawFeatures(rows.data.nFeatures, params.featureFraction, salt))
  if (tree.leafNodes.length === 1) return false
  const finished = finishTree(training, tree)
  if (drawn.nRows < rows.data.nRows) ground.machine.markOthers(tree)
  ground.machine.addTree(tree, finished.values)
  training.trees.push(finished)
  return true
}

function quantiseGradients({ rows, loss, ground }: Training, salt: number): Scale | null {
  const constant = loss.constantHessian && rows.weights === null
  const pack = packing(rows.data.nRows, constant)
  const { gradTop, hessTop } = ground.machine.gradients()
  if (!(gradTop > 1e-200 && hessTop > 0)) return null
  const hessScale = constant ? 0 : pack.hessMax / hessTop
  ground.machine.quantise(pack.gradMax / gradTop, hessScale, pack, salt)
  return { packing: pack, gradStep: gradTop / pack.gradMax, hessStep: constant ? 1 : hessTop / pack.hessMax }
}

/** The features with the smallest hashes, in rising order; at least one. */
function drawFeatures(nFeatures: number, share: number, salt: number): Int32Array {
  const all = Int32Array.from({ length: nFeatures }, (_, j) => j)
  if (share === 1) return all
  const hash = all.map((j) => mix32(Math.imul(j + 1, 0xc2b2ae35) ^ salt) | 0)
  return all
    .sort((a, b) => hash[a] - hash[b] || a - b)
    .slice(0, Math.max(1, Math.round(share * nFeatures)))
    .sort()
}

/** Leaf values from the true gradients, and covers: rows, or their weight. */
function finishTree(training: Training, tree: GrownTree): FinishedTree {
  const { rows, params, loss, ground } = training
  const nLeaves = tree.leafNodes.length
  const sums = ground.machine.sumLeaves(nLeaves)
  const values = loss.medianLeaves ? medianValues(training, nLeaves) : newtonValues(sums, params)
  const covers = rows.weights ? sums.weight : Float64Array.from(tree.leafRows)
  for (let leaf = 0; leaf < nLeaves; leaf++) values[leaf] *= params.learningRate
  return { tree, values, covers }
}

function newtonValues({ grad, hess }: LeafSums, params: GbdtParams): Float64Array {
  return grad.map((g, leaf) => newtonStep(g, hess[leaf], params))
}

function newtonStep(grad: number, hess: number, { l1, l2 }: GbdtParams): number {
  const pull = Math.sign(grad) * Math.max(0, Math.abs(grad) - l1)
  return hess + l2 > 0 ? -pull / (hess + l2) : 0
}

function medianValues({ rows, ground }: Training, nLeaves: number): Float64Array {
  const { leafOf, score } = ground.machine
  const members: number[][] = Array.from({ length: nLeaves }, () => [])
  for (let row = 0; row < rows.data.nRows; row++) if (leafOf[row] !== NO_LEAF) members[leafOf[row]].push(row)
  return Float64Array.from(members, (leafRows) =>
    weightedMedian(
      Float64Array.from(leafRows, (row) => rows.target[row] - score[row]),
      rows.weights && Float64Array.from(leafRows, (row) => rows.weights![row]),
    ),
  )
}

function noteValidLoss(training: Training): void {
  const { valid, loss, ground, validLoss, bestScore } = training
  validLoss.push(meanLoss(loss, ground.machine.validScore!, valid!.target, valid!.weights))
  if (bestScore && bestRound(validLoss) === validLoss.length) bestScore.set(ground.machine.score)
}

function isStale({ validLoss, params }: Training): boolean {
  return (
    params.earlyStoppingRounds > 0 && validLoss.length - bestRound(validLoss) >= params.earlyStoppingRounds
  )
}

/** Number of trees with the lowest validation loss, the fewest of equals; 0 when there is none. */
function bestRound(validLoss: readonly number[]): number {
  let best = 0
  for (let i = 1; i < validLoss.length; i++) if (validLoss[i] < validLoss[best]) best = i
  return validLoss.length === 0 ? 0 : best + 1
}

function result(training: Training, stopped: GbdtResult['stopped']): GbdtResult {
  const { trees, validLoss, params, rows, base, loss, bestScore, ground } = training
  const cut = params.earlyStoppingRounds > 0 && validLoss.length > 0
  const kept = cut ? trees.slice(0, bestRound(validLoss)) : trees
  const gains = new Float64Array(rows.data.nFeatures)
  for (const { tree } of kept) {
    for (const split of tree.splits) if (split) gains[split.feature] += split.gain
  }
  const model = ensembleOf(kept, rows.data.features, Float64Array.of(base), loss.link)
  const trainScores = cut && bestScore ? bestScore : ground.machine.score.slice()
  return { model, trees: kept.length, validLoss, stopped, gains, trainScores, ranOn: ground.machine.ranOn }
}
