import type { TrainerDef } from '../../define/types.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainFtrl } from './train.ts'

export const ftrlLearner: Learner<Extract<TrainerDef, { kind: 'ftrl' }>> = {
  kind: 'ftrl',
  tasks: ['binary', 'regression'],
  learn: (input, { kind: _, ...params }) => ({
    model: trainFtrl(
      { ...keptRows(input), features: input.features },
      { ...params, loss: input.task === 'binary' ? 'logloss' : 'l2', seed: input.seed },
      { signal: input.signal, onProgress: (done) => input.progress(done, 'learning row by row') },
    ),
  }),
}
