import type { ModelTask } from '../../core/records.ts'
import type { TrainerDef } from '../../define/types.ts'
import type { TargetKind } from '../checks.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainNeighbours } from './train.ts'

const TARGETS: Partial<Record<ModelTask, TargetKind>> = { binary: 'probability', multiclass: 'class' }

export const neighbourLearner: Learner<Extract<TrainerDef, { kind: 'neighbours' }>> = {
  kind: 'neighbours',
  tasks: ['binary', 'regression', 'multiclass'],
  calibrates: (_, task) => task === 'binary',
  learn(input, { kind: _, ...params }) {
    const rows = keptRows(input)
    const model = trainNeighbours(
      { ...rows, features: input.features },
      TARGETS[input.task] ?? 'number',
      input.nClasses,
      params,
    )
    const kept = model.targets.length
    if (kept < rows.nRows) input.note(`${kept} of ${rows.nRows} training rows are kept, spread evenly`)
    input.note(`the model holds ${kept} training rows as they are: whoever has its file has them`)
    return { model }
  },
}
