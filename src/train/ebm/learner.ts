import { MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { keptRows, type Learner, type LearnInput } from '../learner.ts'
import { trainEbm } from './train.ts'

type Ebm = Extract<TrainerDef, { kind: 'ebm' }>

const LOSS = { binary: 'logloss', regression: 'l2', multiclass: 'softmax', ranking: 'l2' } as const

export const ebmLearner: Learner<Ebm> = {
  kind: 'ebm',
  tasks: ['binary', 'regression', 'multiclass'],
  learn(input, trainer) {
    const { kind: _, monotone, ...params } = trainer
    const { model, rounds } = trainEbm(
      {
        ...keptRows(input),
        categorical: input.features.map((feature) => feature.type === 'category'),
        directions: directionsOf(input, monotone),
      },
      { ...params, loss: LOSS[input.task], nClasses: input.nClasses, seed: input.seed },
      { onProgress: (done, note) => input.progress(done, note), signal: input.signal },
    )
    if (Math.max(...rounds.features) >= trainer.rounds)
      input.note(
        `a bag still gained after ${trainer.rounds} rounds: more rounds or a larger learningRate may help`,
      )
    return { model }
  },
}

function directionsOf({ features }: Pick<LearnInput, 'features'>, monotone: Ebm['monotone']): number[] {
  for (const name of Object.keys(monotone)) {
    if (features.some((feature) => feature.name === name)) continue
    const known = features.map((feature) => feature.name)
    throw new MillraceError('MR_DEFINE_UNKNOWN', { place: 'trainer.monotone', kind: 'feature', name, known })
  }
  return features.map(({ name }) => monotone[name] ?? 0)
}
