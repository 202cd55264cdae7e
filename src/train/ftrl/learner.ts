import { assert } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { keptRows, type Learner } from '../learner.ts'
import { continueFtrl, trainFtrl } from './train.ts'

export const ftrlLearner: Learner<Extract<TrainerDef, { kind: 'ftrl' }>> = {
  kind: 'ftrl',
  tasks: ['binary', 'regression'],
  calibrates: () => false,
  learnOn(model, rows) {
    assert(model.kind === 'FtrlModel', 'FTRL learns on from what it learned')
    return continueFtrl(model, rows)
  },
  learn: (input, { kind: _, ...params }) => ({
    model: trainFtrl(
      { ...keptRows(input), features: input.features },
      { ...params, loss: input.task === 'binary' ? 'logloss' : 'l2', seed: input.seed },
      { signal: input.signal, onProgress: (done) => input.progress(done, 'learning row by row') },
    ),
  }),
}
