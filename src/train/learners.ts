/** All learners, by the kind of trainer. */
import { assert } from '../core/errors.ts'
import type { ClassWeights } from '../define/boost-objectives.ts'
import type { TrainerDef } from '../define/types.ts'
import { weighClasses } from './class-weights.ts'
import { averageLearner } from './combine/average.ts'
import { stackLearner } from './combine/stack.ts'
import { commandLearner } from './command/learner.ts'
import { ebmLearner } from './ebm/learner.ts'
import { factorLearner } from './factors/learner.ts'
import { forestLearner } from './forest/learner.ts'
import { ftrlLearner } from './ftrl/learner.ts'
import { gbdtLearner } from './gbdt/learner.ts'
import { headLearner } from './head/learner.ts'
import { importedLearner } from './imported/learner.ts'
import type { Learner } from './learner.ts'
import { linearLearner } from './linear/learner.ts'
import { mlpLearner } from './mlp/learner.ts'
import { neighbourLearner } from './neighbours/learner.ts'

const ALL = [
  gbdtLearner,
  forestLearner,
  linearLearner,
  ftrlLearner,
  factorLearner,
  neighbourLearner,
  mlpLearner,
  ebmLearner,
  averageLearner((kind) => learnerOf(kind)),
  stackLearner((kind) => learnerOf(kind)),
  commandLearner,
  headLearner,
  importedLearner,
] as unknown as Learner[]

const LEARNERS: ReadonlyMap<string, Learner> = new Map(
  ALL.map((learner) => [learner.kind, weighing(learner)]),
)

/** A learner whose rows weigh what the trainer says of their classes. */
function weighing(learner: Learner): Learner {
  return {
    ...learner,
    learn(input, trainer) {
      const { classWeights: _, ...rest } = trainer as TrainerDef & { classWeights?: ClassWeights }
      return learner.learn(weighClasses(input, trainer), rest as TrainerDef)
    },
  }
}

export function learnerOf(kind: TrainerDef['kind']): Learner {
  const learner = LEARNERS.get(kind)
  assert(learner, `trainer "${kind}" is known; known: ${[...LEARNERS.keys()].join(', ')}`)
  return learner
}
