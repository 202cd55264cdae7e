/** What each parameter of a trainer must keep, by the trainer's kind. A new trainer is a line here, a type in `types.ts` and a function in `trainers.ts`. */
import { boostObjective, CLASS_WEIGHTS, objectiveFor, STOP_BY } from './boost-objectives.ts'
import { checkValue, count, notNegative, positive, type Rule } from './rules.ts'
import { traitsOf } from './trainer-traits.ts'
import type { ModelDef, TrainerDef } from './types.ts'

const flag: Rule = { kind: 'oneOf', values: [true, false] }
const whole: Rule = { kind: 'number', min: 0, max: 1, exclusiveMin: true }

/** Rules of what is given; absent settings are not looked at. */
const TREE_RULES: Readonly<Record<string, Rule>> = {
  featureFraction: whole,
  featureFractionByNode: whole,
  bagging: whole,
  replacement: flag,
  l1: notNegative,
  minGain: notNegative,
  minHessian: notNegative,
  maxDepth: count(1, 512),
  maxDeltaStep: notNegative,
  pathSmooth: notNegative,
  'monotone.*': { kind: 'oneOf', values: [1, -1] },
  'categorical.smooth': notNegative,
  'categorical.l2': notNegative,
  'categorical.setMax': count(1, 65_535),
  'categorical.groupRows': count(1),
  'categorical.oneHotMax': count(0, 65_535),
}

export const TRAINER_RULES: Record<TrainerDef['kind'], Readonly<Record<string, Rule>>> = {
  gbdt: {
    trees: count(1, 100_000),
    leaves: count(2, 4096),
    learningRate: { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
    minRowsInLeaf: count(1),
    bins: count(2, 65_535),
    l2: notNegative,
    earlyStoppingRounds: count(0),
    memberTrees: count(1, 100_000),
    ...TREE_RULES,
    stopBy: { kind: 'oneOf', values: STOP_BY },
  },
  imported: {
    file: { kind: 'text', nonEmpty: true },
    output: { kind: 'text', nonEmpty: true },
    gives: { kind: 'oneOf', values: ['probabilities', 'scores'] },
    runtime: { kind: 'oneOf', values: ['onnx'] },
  },
  linear: {
    classWeights: CLASS_WEIGHTS,
    l1: notNegative,
    l2: notNegative,
    loss: { kind: 'oneOf', values: ['auto', 'poisson'] },
    categories: { kind: 'oneOf', values: ['rates', 'oneHot'] },
    path: count(0, 1_000),
    l1Share: { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
  },
  factors: {
    classWeights: CLASS_WEIGHTS,
    factors: count(1, 256),
    learningRate: positive,
    l2: notNegative,
    l2Vectors: notNegative,
    bits: count(8, 24),
    numbers: { kind: 'oneOf', values: ['bins', 'values'] },
    passes: count(1, 100_000),
    patience: count(0, 100_000),
  },
  neighbours: {
    k: count(1, 1_024),
    weights: { kind: 'oneOf', values: ['uniform', 'distance'] },
    mismatch: notNegative,
    rowsMax: count(1, 1_000_000),
  },
  forest: {
    classWeights: CLASS_WEIGHTS,
    trees: count(1, 10_000),
    leaves: count(2, 4096),
    minRowsInLeaf: count(1),
    maxDepth: count(1, 512),
    features: { kind: 'either', rules: [{ kind: 'oneOf', values: ['sqrt', 'third'] }, whole] },
    bootstrap: flag,
    randomBorders: flag,
    bins: count(2, 65_535),
  },
  ftrl: {
    alpha: positive,
    beta: positive,
    l1: notNegative,
    l2: notNegative,
    bits: count(8, 24),
    numbers: { kind: 'oneOf', values: ['bins', 'values'] },
    passes: count(1, 1000),
  },
  mlp: {
    classWeights: CLASS_WEIGHTS,
    'hidden.*': count(1, 16_384),
    activation: { kind: 'oneOf', values: ['relu', 'gelu'] },
    epochs: count(1, 100_000),
    batchRows: count(1, 65_536),
    optimizer: { kind: 'oneOf', values: ['adam', 'sgd'] },
    learningRate: { kind: 'number', min: 0, exclusiveMin: true, max: 10 },
    weightDecay: { kind: 'number', min: 0, max: 10 },
    dropout: { kind: 'number', min: 0, max: 1, exclusiveMax: true },
    patience: count(0),
  },
  command: {
    'run.*': { kind: 'text', nonEmpty: true },
    'files.*': { kind: 'text', nonEmpty: true },
    'env.*': { kind: 'text', nonEmpty: true },
    timeMsMax: positive,
    memoryMbMax: count(16),
  },
  ebm: {
    classWeights: CLASS_WEIGHTS,
    interactions: count(0, 1000),
    bags: count(1, 100),
    rounds: count(1, 100_000),
    learningRate: { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
    leaves: count(2, 16),
    minRowsInLeaf: count(1),
    bins: count(2, 255),
    'monotone.*': { kind: 'oneOf', values: [1, -1] },
  },
  average: { seeds: count(2, 100) },
  stack: { folds: count(2, 50), order: { kind: 'oneOf', values: ['blocks', 'random'] } },
  head: { network: { kind: 'text', nonEmpty: true }, l2: notNegative },
}

type Checks = {
  [K in TrainerDef['kind']]?: (
    trainer: Extract<TrainerDef, { kind: K }>,
    task: ModelDef['task'],
    place: string,
  ) => void
}

/** What a trainer's parameters must keep together, or with the model's task. */
const TRAINER_CHECKS: Checks = {
  gbdt: ({ objective }, task, place) => {
    if (objective === undefined) return
    if (task === 'auto') boostObjective(objective, `${place}.objective`)
    else objectiveFor(task, objective, `${place}.objective`)
  },
  average: ({ of }, _, place) => checkParts(of, 1, place),
  stack: ({ of }, _, place) => checkParts(of, 2, place),
}

/** Parts share one preparation of the features: all take categories as codes. */
function checkParts(of: readonly TrainerDef[], partsMin: number, place: string): void {
  checkValue(`${place}.of: trainers`, count(partsMin, 20), of.length)
  const kinds = Object.keys(TRAINER_RULES) as TrainerDef['kind'][]
  const values = kinds.filter((kind) => kind === 'linear' || traitsOf(kind).categories === 'codes')
  of.forEach((part, i) => {
    checkValue(`${place}.of.${i}.kind`, { kind: 'oneOf', values }, part.kind)
  })
}

/** Errors: MR_DEFINE_OBJECTIVE, MR_DEFINE_UNKNOWN, MR_DEFINE_VALUE at the place. */
export function checkTrainer(trainer: TrainerDef, task: ModelDef['task'], place: string): void {
  const check = TRAINER_CHECKS[trainer.kind] as
    | ((trainer: TrainerDef, task: ModelDef['task'], place: string) => void)
    | undefined
  check?.(trainer, task, place)
}
