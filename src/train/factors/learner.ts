import type { TrainerDef } from '../../define/types.ts'
import { LOSS_OF, metricOf } from '../../model/measure.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainFactors } from './train.ts'

export const factorLearner: Learner<Extract<TrainerDef, { kind: 'factors' }>> = {
  kind: 'factors',
  tasks: ['binary', 'regression'],
  learn(input, { kind: _, ...params }) {
    const metric = metricOf(LOSS_OF[input.task], input.task)
    const model = trainFactors(
      { ...keptRows(input), features: input.features },
      { ...params, loss: input.task === 'binary' ? 'logloss' : 'l2', seed: input.seed },
      {
        validate: input.validate,
        lossOf: (outputs, target) => metric.of(outputs, target).value,
        signal: input.signal,
        onProgress: (done) => input.progress(done, 'passes over the rows'),
      },
    )
    return { model }
  },
}
