import type { BoostObjective, BoostObjectiveName } from '../../../define/boost-objectives.ts'
import { l1 } from './l1.ts'
import { l2 } from './l2.ts'
import { logloss } from './logloss.ts'
import type { Objective, OpenObjective, ParamsOf, TrainingLabels } from './objective.ts'
import { softmax } from './softmax.ts'

/** All objectives by name. A new one is a file of its own and a line here. */
export const OBJECTIVES: { readonly [N in BoostObjectiveName]: OpenObjective<ParamsOf<N>> } = {
  logloss,
  softmax,
  l2,
  l1,
}

/** Opens the objective that parameters name on training labels. Errors as `ObjectiveKind.open`. */
export function openObjective(labels: TrainingLabels, params: BoostObjective): Objective {
  return (OBJECTIVES[params.name] as OpenObjective<BoostObjective>)(labels, params)
}
