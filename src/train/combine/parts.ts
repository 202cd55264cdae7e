/** Models that are parts of another: how each is trained, and that their raw scores can be added. */
import { MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import type { ModelBase } from '../../model/form.ts'
import type { Model } from '../../model/score.ts'
import type { Learner, LearnInput } from '../learner.ts'

/** Finds the learner of a trainer. */
export type LearnerOf = (kind: TrainerDef['kind']) => Learner

const LINKS = {
  binary: 'sigmoid',
  regression: 'identity',
  multiclass: 'softmax',
  ranking: 'identity',
} as const

export interface PartPlan {
  /** What the whole is called, for errors. */
  whole: string
  learnerOf: LearnerOf
  /** Trainings done before and in all, for progress. */
  done: number
  total: number
}

/** One part's model. Errors: MR_TRAIN_PARTS when it does not fit the task or answers on another scale, and the learner's own. */
export async function learnPart(input: LearnInput, trainer: TrainerDef, plan: PartPlan): Promise<Model> {
  const { whole, learnerOf, done, total } = plan
  const learner = learnerOf(trainer.kind)
  const fail = (expected: string, got: string) =>
    new MillraceError('MR_TRAIN_PARTS', { trainer: whole, part: trainer.kind, expected, got })
  if (!learner.tasks.includes(input.task)) throw fail(`able to learn ${input.task}`, learner.tasks.join(', '))
  const { model } = await learner.learn(
    {
      ...input,
      progress: (share, note) => input.progress((done + share) / total, `${trainer.kind}: ${note}`),
    },
    trainer,
  )
  const link = LINKS[input.task]
  if (model.link !== link) throw fail(`of raw scores whose link is ${link}`, model.link)
  return model
}

/** The mean of models of one scale. */
export function equalWeights(models: readonly ModelBase[]): Float64Array {
  return new Float64Array(models.length).fill(1 / models.length)
}
