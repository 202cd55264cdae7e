import type { ModelTask } from '../../core/records.ts'
import type { TrainerDef } from '../../define/types.ts'
import { LOSS_OF, metricOf } from '../../model/measure.ts'
import { predictColumns } from '../../model/predict.ts'
import { keptRows, type Learner, type LearnInput } from '../learner.ts'
import { type LinearData, type LinearParams, type LinearResult, linearPath, trainLinear } from './train.ts'

type Linear = Extract<TrainerDef, { kind: 'linear' }>

export const linearLearner: Learner<Linear> = {
  kind: 'linear',
  tasks: ['binary', 'regression', 'multiclass'],
  learn(input, trainer) {
    const rows = keptRows(input)
    const data = { ...rows, levels: levelsOf(input, rows.columns) }
    const loss = lossOf(input.task, trainer)
    const common = { loss, nClasses: input.nClasses }
    const fit =
      trainer.path > 0
        ? bestOfPath(input, data, trainer, common)
        : trainLinear(data, { ...common, l1: trainer.l1, l2: trainer.l2 })
    if (!fit.converged)
      input.note(`weights still moved after ${fit.iterations} steps: a larger penalty would settle them`)
    return { model: fit.model }
  },
}

function lossOf(task: ModelTask, { loss }: Linear): LinearParams['loss'] {
  if (task === 'multiclass') return 'softmax'
  if (task === 'binary') return 'logloss'
  return loss === 'poisson' ? 'poisson' : 'l2'
}

/** Codes that the training rows have, for features that are categories. */
function levelsOf({ features }: LearnInput, columns: Float64Array[]): Int32Array {
  return Int32Array.from(features, ({ type }, j) =>
    type === 'category' ? 1 + columns[j].reduce((most, x) => (x > most ? x : most), -1) : 0,
  )
}

/** The strength whose model has the least loss on the validation rows. */
function bestOfPath(
  { task, validate, progress, note, signal }: LearnInput,
  data: LinearData,
  { path, l1Share }: Linear,
  common: Pick<LinearParams, 'loss' | 'nClasses'>,
): LinearResult {
  const metric = metricOf(LOSS_OF[task], task)
  let best: { fit: LinearResult; loss: number; at: number } | undefined
  let at = 0
  for (const fit of linearPath(data, { ...common, l1Share, steps: path })) {
    signal.throwIfAborted()
    const { value } = metric.of(
      predictColumns({ model: fit.model, calibration: null }, validate.columns, validate.nRows),
      validate.target,
    )
    if (!best || value < best.loss) best = { fit, loss: value, at }
    progress(++at / path, `strength ${at} of ${path}`)
    if (best.fit === fit)
      note(
        `penalty of strength ${(fit.l1 + fit.l2).toPrecision(4)}: loss ${value.toPrecision(5)} on the validation rows`,
      )
  }
  return (best as { fit: LinearResult }).fit
}
