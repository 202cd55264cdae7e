import type { TrainerDef } from '../../define/types.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainLinear } from './train.ts'

export const linearLearner: Learner<Extract<TrainerDef, { kind: 'linear' }>> = {
  kind: 'linear',
  tasks: ['binary', 'regression'],
  learn: (input, { l2 }) => ({
    model: trainLinear(keptRows(input), { loss: input.task === 'binary' ? 'logloss' : 'l2', l2 }).model,
  }),
}
