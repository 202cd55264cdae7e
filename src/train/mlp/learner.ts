import type { TrainerDef } from '../../define/types.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainMlp } from './train.ts'

const LOSS = { binary: 'logloss', regression: 'l2', multiclass: 'softmax', ranking: 'l2' } as const

export const mlpLearner: Learner<Extract<TrainerDef, { kind: 'mlp' }>> = {
  kind: 'mlp',
  tasks: ['binary', 'regression', 'multiclass'],
  learn(input, trainer) {
    const { kind: _, ...params } = trainer
    const result = trainMlp(
      {
        ...keptRows(input),
        categorical: input.features.map((feature) => feature.type === 'category'),
        valid: input.validate,
      },
      { ...params, loss: LOSS[input.task], nClasses: input.nClasses, seed: input.seed },
      {
        onProgress: (p) => input.progress(p.epoch / p.epochs, `epoch ${p.epoch} of ${p.epochs}`),
        signal: input.signal,
      },
    )
    if (result.stopped === 'early')
      input.note(`training ended early; the best of its epochs is ${result.epochs}, by the validation loss`)
    return { model: result.model }
  },
}
