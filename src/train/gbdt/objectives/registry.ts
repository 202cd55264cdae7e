import type { BoostObjective, BoostObjectiveName } from '../../../define/boost-objectives.ts'
import { fair } from './fair.ts'
import { gamma } from './gamma.ts'
import { huber } from './huber.ts'
import { l1 } from './l1.ts'
import { l2 } from './l2.ts'
import { lambdarank } from './lambdarank.ts'
import { logloss } from './logloss.ts'
import { mape } from './mape.ts'
import type { Objective, OpenObjective, ParamsOf, TrainingLabels } from './objective.ts'
import { oneVsAll } from './one-vs-all.ts'
import { poisson } from './poisson.ts'
import { quantile } from './quantile.ts'
import { softmax } from './softmax.ts'
import { tweedie } from './tweedie.ts'
import { xendcg } from './xendcg.ts'

/** All objectives by name. A new one is a file of its own and a line here. */
export const OBJECTIVES: { readonly [N in BoostObjectiveName]: OpenObjective<ParamsOf<N>> } = {
  logloss,
  softmax,
  oneVsAll,
  l2,
  l1,
  quantile,
  huber,
  fair,
  mape,
  poisson,
  gamma,
  tweedie,
  lambdarank,
  xendcg,
}

/** Opens the objective that parameters name on training labels. Errors as `ObjectiveKind.open`. */
export function openObjective(labels: TrainingLabels, params: BoostObjective): Objective {
  return (OBJECTIVES[params.name] as OpenObjective<BoostObjective>)(labels, params)
}
