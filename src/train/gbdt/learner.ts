import { objectiveFor } from '../../define/boost-objectives.ts'
import type { TrainerDef } from '../../define/types.ts'
import { byOrder } from '../class-weights.ts'
import type { Learner, LearnInput } from '../learner.ts'
import { binColumns, binWith } from './binning.ts'
import { threadsFor } from './open-machine.ts'
import { type Boosting, type GbdtResult, openBoosting, trainOnBins } from './train.ts'
import { treeParamsOf } from './tree-settings.ts'

type Gbdt = Extract<TrainerDef, { kind: 'gbdt' }>

export const gbdtLearner: Learner<Gbdt> = {
  kind: 'gbdt',
  tasks: ['binary', 'regression', 'multiclass', 'ranking'],
  calibrates: ({ objective }, task) => objectiveFor(task, objective, 'trainer.objective').name !== 'oneVsAll',
  async learn(input, trainer) {
    const { train, validate, kept, signal } = input
    const binned = binColumns(train.columns, categoricalOf(input), trainer.bins)
    const valid = { ...validate, binned: binWith(validate.columns, validate.nRows, binned.features) }
    const boosting = openBoosting(
      {
        binned: { ...binned, nRows: train.nRows },
        rowIndexes: kept,
        target: train.target,
        weights: train.weights,
        groups: train.groups,
      },
      {
        ...paramsOf(trainer, input),
        trees: trainer.trees,
        earlyStoppingRounds: trainer.earlyStoppingRounds,
        stopBy: trainer.stopBy,
      },
      {
        valid,
        onProgress: (p) => input.progress(p.tree / p.trees, `tree ${p.tree} of ${p.trees}`),
        signal,
        threads: threadsFor(train.nRows),
        checkpoint: await input.checkpoints?.load(),
      },
    )
    const result = await boostWithCheckpoints(boosting, input, trainer.trees)
    if (result.stopped === 'early')
      input.note(
        `training ended early with ${result.rounds} rounds of trees: the validation loss no longer fell`,
      )
    return { model: result.model, scores: Float32Array.from(result.trainScores) }
  },
  /** Few and small trees of its own rows: shrinkage to the parent, so that thin members cannot run away. */
  learnMember(input, trainer) {
    const { train, init, signal } = input
    const binned = binColumns(train.columns, categoricalOf(input), trainer.bins)
    const { model } = trainOnBins(
      { ...train, binned: { ...binned, nRows: train.nRows }, init },
      {
        ...paramsOf(trainer, input),
        trees: trainer.memberTrees,
        leaves: Math.min(trainer.leaves, 8),
        minRowsInLeaf: Math.max(trainer.minRowsInLeaf, 50),
      },
      { signal },
    )
    return model
  },
}

/** Checkpoints of one training at most. */
const CHECKPOINTS = 10

async function boostWithCheckpoints(
  boosting: Boosting,
  { checkpoints }: LearnInput,
  trees: number,
): Promise<GbdtResult> {
  const every = Math.ceil(trees / CHECKPOINTS)
  try {
    while (boosting.step()) {
      if (checkpoints && boosting.round % every === 0) await checkpoints.save(boosting.save())
    }
    return boosting.finish()
  } finally {
    boosting.close()
  }
}

function categoricalOf({ features }: Pick<LearnInput, 'features'>): boolean[] {
  return features.map((feature) => feature.type === 'category')
}

function paramsOf(
  trainer: Gbdt,
  input: Pick<LearnInput, 'task' | 'seed' | 'nClasses' | 'classes' | 'features'>,
) {
  const { task, seed, nClasses, features } = input
  const { leaves, learningRate, minRowsInLeaf, bins, l2 } = trainer
  const objective = objectiveFor(task, trainer.objective, 'trainer.objective')
  return {
    ...treeParamsOf(trainer, features),
    leaves,
    learningRate,
    minRowsInLeaf,
    bins,
    l2,
    objective:
      'classWeights' in objective
        ? { ...objective, classWeights: byOrder(objective.classWeights, input) }
        : objective,
    classes: nClasses,
    seed,
  }
}
