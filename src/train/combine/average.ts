import { mix32 } from '../../core/rng.ts'
import type { TrainerDef } from '../../define/types.ts'
import { compose } from '../../model/composite.ts'
import type { Model } from '../../model/score.ts'
import type { Learner } from '../learner.ts'
import { equalWeights, type LearnerOf, learnPart } from './parts.ts'

/** The mean raw score of trainings with different seeds. Cost: `seeds` trainings, and as much to score. */
export function averageLearner(learnerOf: LearnerOf): Learner<Extract<TrainerDef, { kind: 'average' }>> {
  return {
    kind: 'average',
    tasks: ['binary', 'regression', 'multiclass'],
    async calibrates({ of }, task, place) {
      for (const part of of)
        if (!((await learnerOf(part.kind).calibrates?.(part, task, place)) ?? true)) return false
      return true
    },
    async learn(input, { of, seeds }) {
      const total = of.length * seeds
      const models: Model[] = []
      for (const part of of)
        for (let s = 0; s < seeds; s++) {
          const seed = mix32(input.seed + s * 0x9e3779b9)
          const plan = { whole: 'average', learnerOf, done: models.length, total }
          models.push(await learnPart({ ...input, seed }, part, plan))
        }
      return { model: compose(models, equalWeights(models), new Float64Array(models[0].nOutputs)) }
    },
  }
}
