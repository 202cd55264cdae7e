import { type FlatBoostObjective, takeObjective } from './boost-objectives.ts'
import type { ReleaseDef, TrainerDef } from './types.ts'

type Gbdt = Extract<TrainerDef, { kind: 'gbdt' }>

/** Settings of `gbdt`, and what it minimises: `{ objective: 'quantile', alpha: 0.9 }`, or `{ objective: { name: 'quantile', alpha: 0.9 } }`. */
export type GbdtOptions = Partial<Omit<Gbdt, 'kind' | 'objective'>> & FlatBoostObjective<'maxDeltaStep'>

/**
 * Gradient-boosted decision trees on histograms.
 * `trees` (200): at most so many; `leaves` (31) a tree; `learningRate` (0.1); `minRowsInLeaf` (20); `bins` (255) a feature; `l2` (1) on leaf values;
 * `earlyStoppingRounds` (20): stop when the validation rows have not improved for so long, 0 never; `memberTrees` (at most 100): for members of a family.
 * What holds the trees (`monotone`, `interactions`, `bagging`, `maxDepth` …) is in `TreeSettings`.
 * `objective` (by task: `logloss`, `softmax`, `l2`, `lambdarank`) with its parameters: what is minimised; `stopBy` ('objective'): what validation rows are
 * judged by.
 */
export function gbdt(options: GbdtOptions = {}): Gbdt {
  const { objective, rest } = takeObjective({ ...options }, ['maxDeltaStep'], 'gbdt')
  const settings: Partial<Gbdt> = rest
  const { trees = 200 } = settings
  return {
    kind: 'gbdt',
    trees,
    leaves: 31,
    learningRate: 0.1,
    minRowsInLeaf: 20,
    bins: 255,
    l2: 1,
    earlyStoppingRounds: 20,
    memberTrees: Math.min(trees, 100),
    ...settings,
    ...(objective && { objective }),
  }
}

type Forest = Extract<TrainerDef, { kind: 'forest' }>

/**
 * A forest: trees that know nothing of one another, averaged.
 * `trees` (200); `leaves` (2048) a tree at most; `minRowsInLeaf` (5); `maxDepth` (64); `features` ('sqrt', 'third', or a share): those each node may use;
 * `bootstrap` (true): each tree has its own draw of the rows; `randomBorders` (false): borders at random, which with `bootstrap: false` gives extremely
 * randomised trees; `bins` (255) a feature; `classWeights` (none), or by label, or 'balanced': what the rows of each class weigh.
 */
export function forest(options: Partial<Omit<Forest, 'kind'>> = {}): Forest {
  return {
    kind: 'forest',
    trees: 200,
    leaves: 2048,
    minRowsInLeaf: 5,
    maxDepth: 64,
    features: 'sqrt',
    bootstrap: true,
    randomBorders: false,
    bins: 255,
    ...options,
  }
}

type Linear = Extract<TrainerDef, { kind: 'linear' }>

/**
 * Linear, logistic or multinomial regression with an elastic net on standardised weights.
 * `l2` (1), `l1` (0): penalties `l1 |w| + l2 / 2 |w|²` beside the sum of losses; `path` (0): how many strengths of the penalty to try instead, from the least at which all
 * weights are 0, by their loss on the validation rows, with the share `l1Share` (0.5) of `l1` in each; `loss` ('auto'): 'poisson' for counts; `categories` ('rates'): the
 * smoothed rate of the target, or a weight for each value by 'oneHot'.
 */
export function linear(options: Partial<Omit<Linear, 'kind'>> = {}): Linear {
  return {
    kind: 'linear',
    l1: 0,
    l2: 1,
    loss: 'auto',
    categories: 'rates',
    path: 0,
    l1Share: 0.5,
    ...options,
  }
}

type Factors = Extract<TrainerDef, { kind: 'factors' }>

/**
 * A factorisation machine: a weight for each value, and of each two values the product of their vectors, for clicks and ratings, where most pairs are met once or never.
 * `factors` (8): length of the vectors; `learningRate` (0.1); `l2` (0.01) on weights and `l2Vectors` (0.1) on vectors: penalties, each
 * time a row has the value (fewer rows want more); `bits` (16): 2^bits weights and vectors; `numbers` ('bins'):
 * numbers as bins of equal counts, or as 'values'; `passes` (50) over the rows at most; `patience` (3): passes without a lower loss on the validation rows, 0 never ends early.
 */
export function factors(options: Partial<Omit<Factors, 'kind'>> = {}): Factors {
  return {
    kind: 'factors',
    factors: 8,
    learningRate: 0.1,
    l2: 0.01,
    l2Vectors: 0.1,
    bits: 16,
    numbers: 'bins',
    passes: 50,
    patience: 3,
    ...options,
  }
}

type Neighbours = Extract<TrainerDef, { kind: 'neighbours' }>

/**
 * The mean of the nearest training rows, which the model ships: whoever has its file has them.
 * `k` (15): rows that are asked; `weights` ('uniform'), or by 1 / 'distance'; `mismatch` (2): what another value of a category adds to the squared distance of standardised
 * numbers; `rowsMax` (100,000): rows kept, spread evenly over those there are.
 */
export function neighbours(options: Partial<Omit<Neighbours, 'kind'>> = {}): Neighbours {
  return { kind: 'neighbours', k: 15, weights: 'uniform', mismatch: 2, rowsMax: 100_000, ...options }
}

type Ftrl = Extract<TrainerDef, { kind: 'ftrl' }>

/**
 * A linear model over hashed features, learned row by row (FTRL-proximal); with `watch: { retrain: ['online'] }` it goes on learning while it is served.
 * `alpha` (0.1): step; `beta` (1): how slowly steps shrink at first; `l1` (1), `l2` (1): penalties, `l1` keeps weights at 0; `bits` (18): 2^bits weights;
 * `numbers` ('bins'): numbers as bins of equal counts, or as 'values'; `interactions` (none): pairs of features that have weights together, or 'all';
 * `signed` (false): hashes give values a sign; `passes` (1) over the training rows.
 */
export function ftrl(options: Partial<Omit<Ftrl, 'kind'>> = {}): Ftrl {
  return {
    kind: 'ftrl',
    alpha: 0.1,
    beta: 1,
    l1: 1,
    l2: 1,
    bits: 18,
    signed: false,
    numbers: 'bins',
    interactions: [],
    passes: 1,
    ...options,
  }
}

type Imported = Extract<TrainerDef, { kind: 'imported' }>

/**
 * A model that was trained elsewhere, read from a file: LightGBM text, XGBoost JSON or UBJSON, or ONNX. Trees, linear models and plain feed-forward networks are scored by
 * Millrace itself; other ONNX graphs by ONNX Runtime (package onnxruntime-node), as all are with `runtime: 'onnx'`.
 * Its features are found by their names among the model's features; `features`: names of its columns in order, for a file that names none. `classes`: labels of its
 * outputs in order, for a file that names none. Of networks: `output`, the name of the one that is the answer (the one of probabilities, else the last of
 * floats); `gives`, `'probabilities'` or `'scores'` that a sigmoid or softmax makes them of (told from the file and from rows).
 */
export function imported(file: string, options: Omit<Imported, 'kind' | 'file' | 'digest'> = {}): Imported {
  return { kind: 'imported', file, ...options }
}

type Mlp = Extract<TrainerDef, { kind: 'mlp' }>

/**
 * A small multilayer perceptron: smooth answers, many classes, features that add and multiply.
 * `hidden` ([64, 64]): units of each hidden layer; `activation` (relu, or gelu); `epochs` (40) at most; `batchRows` (256) a step; `optimizer` (adam, or sgd
 * with momentum); `learningRate` (0.001); `weightDecay` (0.01); `dropout` (0): share of units left out in a step; `patience` (5): epochs
 * without a better validation loss before training ends, 0 never.
 */
export function mlp(options: Partial<Omit<Mlp, 'kind'>> = {}): Mlp {
  return {
    kind: 'mlp',
    hidden: [64, 64],
    activation: 'relu',
    epochs: 40,
    batchRows: 256,
    optimizer: 'adam',
    learningRate: options.optimizer === 'sgd' ? 0.05 : 0.001,
    weightDecay: 0.01,
    dropout: 0,
    patience: 5,
    ...options,
  }
}

type Ebm = Extract<TrainerDef, { kind: 'ebm' }>

/**
 * An explainable boosting machine: one table a feature and one for each of the strongest pairs, added up; nearly as sharp as trees, and every table can be read.
 * `interactions` (10): pairs of features with a table; `bags` (8): trainings that are averaged; `rounds` (1000) at most; `learningRate` (0.05); `leaves` (3)
 * of a step; `minRowsInLeaf` (5); `bins` (255) a feature; `monotone` (none): features that may only rise (1) or fall (-1) the answer.
 */
export function ebm(options: Partial<Omit<Ebm, 'kind'>> = {}): Ebm {
  return {
    kind: 'ebm',
    interactions: 10,
    bags: 8,
    rounds: 1000,
    learningRate: 0.05,
    leaves: 3,
    minRowsInLeaf: 5,
    bins: 255,
    monotone: {},
    ...options,
  }
}

/** Trainers whose models can be parts of another: they take categories as codes and answer on the scale of their task. */
function parts(of: TrainerDef | readonly TrainerDef[]): TrainerDef[] {
  return [of].flat().map((part) => (part.kind === 'linear' ? { ...part, categories: 'oneHot' } : part))
}

/**
 * The mean of several trainings of one trainer that differ in their seed: what hangs on chance averages out.
 * `of`: the trainer; `seeds` (5): how many trainings.
 */
export function average(options: {
  of: TrainerDef
  seeds?: number
}): Extract<TrainerDef, { kind: 'average' }> {
  return { kind: 'average', of: parts(options.of), seeds: options.seeds ?? 5 }
}

/**
 * Several trainers, added up with weights of at least 0 that are learned on rows which none of them saw.
 * `of`: the trainers, at least two; `folds` (5); `order` ('blocks'): each block of rows is predicted from the blocks before it, so that nothing is learned from what
 * came later; 'random' spreads rows over folds, for rows without an order.
 */
export function stack(options: {
  of: readonly TrainerDef[]
  folds?: number
  order?: 'blocks' | 'random'
}): Extract<TrainerDef, { kind: 'stack' }> {
  return { kind: 'stack', of: parts(options.of), folds: options.folds ?? 5, order: options.order ?? 'blocks' }
}

/**
 * Release by growing shares of traffic.
 * `steps` (1 %, 10 %, 50 %): shares before all of it, ascending; `rowsMin` (500): answers with outcomes each step needs; `tolerance` (0.002): loss
 * difference that counts as worse; `alpha` (0.05): chance of a wrong verdict over the whole release, however often it is looked at.
 */
export function canary(options: Partial<ReleaseDef> = {}): ReleaseDef {
  return { steps: [0.01, 0.1, 0.5], rowsMin: 500, tolerance: 0.002, alpha: 0.05, ...options }
}

/** Straight to live when the gates pass. */
export function immediate(): ReleaseDef {
  return canary({ steps: [] })
}
