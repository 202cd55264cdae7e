import { MillraceError } from '../../core/errors.ts'
import { mix32 } from '../../core/rng.ts'
import type { TreeEnsemble } from '../../model/trees.ts'
import { MODEL_LIMITS } from '../../model/validate.ts'
import { addOutside, bagOf, type OutOfBag, openOutOfBag, rowsOutside, weighBag } from './bags.ts'
import { binColumns, binWith } from './binning.ts'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { ensembleOf, type OutputTree } from './ensemble.ts'
import { drawFeatures, type Ground, growTree, openGround } from './grow.ts'
import { type GrownTree, settleLeaves } from './grown-tree.ts'
import { packing } from './kernels.ts'
import type { LeafSums, Machine, RanOn, Rows, Scale } from './machine.ts'
import type { Labels, Objective, OpenObjective } from './objectives/objective.ts'
import { openObjective } from './objectives/registry.ts'
import { type Measure, measureOf } from './objectives/stop-by.ts'
import { type MachineOptions, openMachine } from './open-machine.ts'
import { checkFeatureParams, type GbdtParams, type GivenParams, gbdtParams } from './params.ts'
import { renewedValues } from './renewal.ts'
import {
  type BinnedRows,
  checkLength,
  type GivenLabels,
  openLabels,
  openRows,
  rowMajor,
  scatterScores,
} from './rows.ts'
import { NO_LEAF } from './sizes.ts'
import type { FeatureColumn } from './sparse.ts'
import { addToCourse, type Course, isStale, keptOf, openCourse } from './stopping.ts'

/** Rows to train on: one column a feature, dense or sparse, NaN where missing; category features hold codes. */
export interface TrainData<C extends FeatureColumn = Float64Array> extends GivenLabels {
  nRows: number
  columns: C[]
  categorical: boolean[]
  valid?: GivenLabels & { nRows: number; columns: C[] }
}

export interface GbdtOptions extends MachineOptions {
  /** Bytes that `Boosting.save` gave, for the same data and parameters. */
  checkpoint?: Uint8Array
  /** Whether to keep what trees say of rows that they were not grown on. */
  outOfBag?: boolean
  /** Called after each round: one tree for each output. */
  onProgress?: (progress: { tree: number; trees: number; validLoss?: number }) => void
  /** Looked at before each round. */
  signal?: { readonly aborted: boolean }
  /** An objective of the caller's own, in place of the one that parameters name. */
  objective?: OpenObjective
}

export interface GbdtResult {
  model: TreeEnsemble
  /** Trees in the model, over all outputs; 0 when no split gains anything, e.g. with constant features or a constant target. */
  trees: number
  /** Rounds that the model keeps. */
  rounds: number
  /** Mean validation loss of the objective after each round that grew a tree; empty without validation rows. `l2` is the mean squared error. */
  validLoss: number[]
  /** What rounds were compared by after each of them, lower is better: `validLoss`, or by `stopBy` one less the AUC, accuracy or NDCG, the RMSE or MAE. */
  judged: number[]
  /** Why training ended: all rounds made, validation no better, or no split left to gain from. */
  stopped: 'trees' | 'early' | 'no-split'
  /** Total gain of each feature's splits. */
  gains: Float64Array
  /**
   * Raw scores of each training row by the model, its `init` included: what members of a family start from. Row-major `[nRows * nOutputs]` by row of
   * `binned`; NaN for rows that `rowIndexes` leaves out.
   */
  trainScores: Float64Array
  /** With `outOfBag`, of one output: by training row the sum of the values of trees that did not see it, and how many they are. */
  outOfBag: OutOfBag | null
  /** What did the work, after any fall-back; the model is the same in any case. */
  ranOn: RanOn
}

/**
 * Gradient boosting of histogram trees, grown leaf by leaf. Pure, synchronous and reproducible: the same data, parameters and seed give
 * the same bytes of model on each machine. What is minimised is the objective; one with K outputs grows K trees a round.
 *
 * Missing: NaN features have a bin of their own and go the way that gains more; where a split saw none in training, they follow the
 * larger side. With `earlyStoppingRounds` and `valid`, trees behind the best validation loss are cut off.
 * Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_PARAM, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_CLASSES, MR_MODEL_GROUPS,
 * MR_MODEL_WEIGHT, MR_MODEL_CATEGORY, MR_MODEL_SPARSE, MR_MODEL_ROWS_MAX, MR_CANCELLED. Cost: about 1.5 ns a row, feature and level of a tree.
 * Source: Friedman 2001; leaf-wise growth, categorical splits and quantised gradients after LightGBM (Ke et al. 2017, Shi et al. 2022).
 */
export function trainGbdt(
  data: TrainData<FeatureColumn>,
  params: GivenParams = {},
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
  params: GivenParams = {},
  options: GbdtOptions & { valid?: BinnedRows } = {},
): GbdtResult {
  const boosting = openBoosting(rows, params, options)
  try {
    while (boosting.step());
    return boosting.finish()
  } finally {
    boosting.close()
  }
}

/** A training that is done round by round, so that its caller can do other things between two of them, e.g. keep a checkpoint. */
export interface Boosting {
  /** Rounds done. */
  readonly round: number
  /** Does one more round; false when there is nothing left to do. Errors: MR_CANCELLED. */
  step(): boolean
  /** The rounds done so far, as bytes that `options.checkpoint` takes: a training that goes on from them gives the bytes of one that was never broken off. */
  save(): Uint8Array
  finish(): GbdtResult
  /** Frees memory and threads. To be called in any case. */
  close(): void
}

/** Opens a training. Errors: those of `trainGbdt`; MR_MODEL_PARAM for a checkpoint of other data or parameters. */
export function openBoosting(
  rows: BinnedRows,
  params: GivenParams = {},
  options: GbdtOptions & { valid?: BinnedRows } = {},
): Boosting {
  const checked = gbdtParams(params)
  const labels = { ...openLabels(rows), nClasses: checked.classes }
  const objective = options.objective?.(labels, {}) ?? openObjective(labels, checked.objective)
  checkTrees(checked, objective)
  const base = rows.init ? new Float64Array(objective.nOutputs) : objective.baseScores.map((b) => b + 0)
  checkFeatureParams(checked, rows.binned.features)
  const train = openRows(rows, bagLabels(objective.training ?? labels, checked), base)
  const valid = options.valid && openValid(options.valid, objective, base)
  const machine = openMachine({ rows: train, valid, params: checked, objective }, options)
  try {
    const training = openTraining(train, valid, {
      machine,
      objective,
      base,
      params: checked,
      outOfBag: options.outOfBag,
    })
    if (options.checkpoint) resume(training, readCheckpoint(options.checkpoint, train, checked))
    return {
      get round() {
        return training.round
      },
      step: () => step(training, options),
      save: () => writeCheckpoint(training, train, checked),
      finish: () => {
        const boosted = result(training)
        const scores = rowMajor(boosted.trainScores, objective.nOutputs)
        return { ...boosted, trainScores: scatterScores(scores, rows, objective.nOutputs) }
      },
      close: () => machine.close(),
    }
  } catch (error) {
    machine.close()
    throw error
  }
}

/** A bag with replacement weighs rows by how often they are drawn. */
function bagLabels(labels: Labels, { replacement }: GbdtParams): Labels {
  if (!replacement || labels.weights) return labels
  return { ...labels, weights: new Float64Array(labels.target.length).fill(1) }
}

function openValid(given: BinnedRows, objective: Objective, base: Float64Array): Rows {
  const labels = openLabels(given)
  objective.check(labels)
  return openRows(given, labels, base)
}

/** A model holds only so many trees; better told now than when it is written. */
function checkTrees({ trees }: GbdtParams, { nOutputs }: Objective): void {
  const max = Math.floor(MODEL_LIMITS.treesMax / nOutputs)
  if (trees <= max) return
  const expected = `at most ${max} with ${nOutputs} outputs, each of which grows a tree a round`
  throw new MillraceError('MR_MODEL_PARAM', { param: 'trees', expected, got: String(trees) })
}

// ---------------------------------------------------------------- boosting

interface Training {
  rows: Rows
  valid: Rows | undefined
  params: GbdtParams
  objective: Objective
  base: Float64Array
  ground: Ground
  trees: OutputTree[]
  course: Course
  /** What rounds are compared by, when it is not the loss. */
  judge: Measure | null
  outOfBag: OutOfBag | null
  /** Rounds done. */
  round: number
  /** Why there is nothing left to do before all rounds are done. */
  stopped: 'early' | 'no-split' | null
}

function openTraining(
  rows: Rows,
  valid: Rows | undefined,
  given: {
    machine: Machine
    params: GbdtParams
    objective: Objective
    base: Float64Array
    outOfBag?: boolean
  },
): Training {
  const { machine, params, objective, base } = given
  const ground = openGround(machine, rows.data, params)
  const stopped = rows.data.nFeatures > 0 ? null : ('no-split' as const)
  const outOfBag = given.outOfBag ? openOutOfBag(rows.data.nRows) : null
  const judge = params.stopBy === 'objective' ? null : measureOf(params.stopBy, objective)
  const course = openCourse(params, valid !== undefined, rows.score)
  return {
    rows,
    valid,
    params,
    objective,
    base,
    ground,
    trees: [],
    course,
    judge,
    outOfBag,
    round: 0,
    stopped,
  }
}

function step(training: Training, options: GbdtOptions): boolean {
  const { params, course, round } = training
  if (training.stopped || round >= params.trees) return false
  if (options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
  const added = addRound(training, round)
  training.round++
  if (added) noteRound(training)
  if (!added && !drawsAnew(params)) training.stopped = 'no-split'
  else if (isStale(course)) training.stopped = 'early'
  options.onProgress?.({ tree: round + 1, trees: params.trees, validLoss: course.validLoss.at(-1) })
  return training.stopped === null
}

/** Adds the trees of a checkpoint to all scores, in the order in which they were grown, and takes note of the rounds as they were. */
function resume(training: Training, { round, trees, nTrees }: Checkpoint): void {
  const { machine } = training.ground
  for (const tree of trees) {
    machine.leafOf.fill(NO_LEAF)
    machine.openOutput(tree.output)
    machine.markOthers(tree.tree)
    machine.addTree(tree.tree, tree.values)
    training.trees.push(tree)
    if (nTrees.includes(training.trees.length)) noteRound(training)
  }
  training.round = round
  if (isStale(training.course)) training.stopped = 'early'
}

/** Whether another tree may find what this one did not. */
function drawsAnew(params: GbdtParams): boolean {
  const { bagging, replacement, featureFraction, featureFractionByNode, randomBorders } = params
  return bagging < 1 || replacement || featureFraction < 1 || featureFractionByNode < 1 || randomBorders
}

/** One tree for each output, all from the gradients at the round's beginning; false when none has a split. */
function addRound(training: Training, round: number): boolean {
  const { ground, objective, params } = training
  const salt = mix32((params.seed | 0) + Math.imul(round + 1, 0x9e3779b9))
  const { chances } = bagOf(params)
  if (chances) weighBag(ground.machine.weights!, training.rows.labels.weights, chances, salt)
  ground.machine.gradients(round)
  let added = false
  for (let output = 0; output < objective.nOutputs; output++) {
    if (addTree(training, output, salt)) added = true
  }
  return added
}

/** Grows one tree and adds it to the scores of its output; false when it would be a leaf alone. The rows of a bag are the same for all of a round. */
function addTree(training: Training, output: number, roundSalt: number): boolean {
  const { rows, params, ground } = training
  const salt = output === 0 ? roundSalt : mix32(roundSalt ^ Math.imul(output, 0x85ebca6b))
  const scale = quantiseGradients(training, output, salt)
  if (scale === null) return false
  const drawn = ground.machine.drawRows(bagOf(params).share, roundSalt)
  const features = drawFeatures(everyFeature(rows.data.nFeatures), params.featureFraction, salt)
  const tree = growTree(ground, { rows: drawn, scale, features, salt })
  if (tree.leafNodes.length === 1) return false
  const finished = finishTree(training, tree, output)
  if (drawn.nRows < rows.data.nRows) {
    const outside = training.outOfBag && rowsOutside(ground.machine.leafOf)
    ground.machine.markOthers(tree)
    if (outside) addOutside(training.outOfBag!, outside, ground.machine.leafOf, finished.values)
  }
  ground.machine.addTree(tree, finished.values)
  training.trees.push(finished)
  return true
}

function quantiseGradients(
  { rows, objective, ground }: Training,
  output: number,
  salt: number,
): Scale | null {
  const constant = objective.constantHessian && rows.labels.weights === null
  const pack = packing(rows.data.nRows, constant)
  const { gradTop, hessTop } = ground.machine.openOutput(output)
  if (!(gradTop > 1e-200 && hessTop > 0)) return null
  const hessScale = constant ? 0 : pack.hessMax / hessTop
  ground.machine.quantise(pack.gradMax / gradTop, hessScale, pack, salt)
  return { packing: pack, gradStep: gradTop / pack.gradMax, hessStep: constant ? 1 : hessTop / pack.hessMax }
}

function everyFeature(nFeatures: number): Int32Array {
  return Int32Array.from({ length: nFeatures }, (_, j) => j)
}

/** Leaf values from the true gradients, and covers: rows, or their weight. */
function finishTree(training: Training, tree: GrownTree, output: number): OutputTree {
  const { rows, params, objective, ground } = training
  const nLeaves = tree.leafNodes.length
  const sums = ground.machine.sumLeaves(nLeaves)
  const values = objective.leafValue
    ? renewedValues(rows, ground.machine, objective, { nLeaves, output })
    : newtonValues(sums, params)
  const covers = rows.labels.weights ? sums.weight : Float64Array.from(tree.leafRows)
  settleLeaves(tree, values, params)
  for (let leaf = 0; leaf < nLeaves; leaf++) values[leaf] *= params.learningRate
  return { tree, values, covers, output }
}

function newtonValues({ grad, hess }: LeafSums, params: GbdtParams): Float64Array {
  return grad.map((g, leaf) => newtonStep(g, hess[leaf], params))
}

function newtonStep(grad: number, hess: number, { l1, l2 }: GbdtParams): number {
  const pull = Math.sign(grad) * Math.max(0, Math.abs(grad) - l1)
  return hess + l2 > 0 ? -pull / (hess + l2) : 0
}

function noteRound(training: Training): void {
  const { valid, objective, ground, trees, course } = training
  const { validScore, score } = ground.machine
  const loss = valid && objective.meanLoss(validScore!, valid.labels)
  const judged = valid && training.judge?.(validScore!, valid.labels)
  addToCourse(course, { loss, judged, nTrees: trees.length, score })
}

function result(training: Training): GbdtResult {
  const stopped = training.stopped ?? 'trees'
  const { course, rows, base, objective, ground } = training
  const { nTrees, rounds } = keptOf(course)
  const kept = training.trees.slice(0, nTrees)
  const gains = new Float64Array(rows.data.nFeatures)
  for (const { tree } of kept) {
    for (const split of tree.splits) if (split) gains[split.feature] += split.gain
  }
  const model = ensembleOf(kept, rows.data.features, base, objective.link)
  const trainScores = course.bestScore ?? ground.machine.score.slice()
  const { ranOn } = ground.machine
  return {
    model,
    trees: nTrees,
    rounds,
    validLoss: course.validLoss,
    judged: course.judged,
    stopped,
    gains,
    trainScores,
    outOfBag: training.outOfBag,
    ranOn,
  }
}
