import { addEnsembles } from '../../model/combine.ts'
import { compileScorer } from '../../model/score.ts'
import type { TreeEnsemble } from '../../model/trees.ts'
import type { GivenParams } from './params.ts'
import { denseOf, type FeatureColumn } from './sparse.ts'
import { type GbdtOptions, type GbdtResult, type TrainData, trainGbdt } from './train.ts'

/**
 * Trains on from an ensemble, on any rows and with bins of their own: the trees of `trainGbdt` with the ensemble's raw scores as `init`, added to the ensemble. With
 * `earlyStoppingRounds` only new trees are cut off. `trees` and `gains` are those of the new trees.
 * Errors: those of `trainGbdt` and `addEnsembles`; MR_MODEL_INVALID when the objective's link is not the ensemble's.
 */
export function continueGbdt(
  ensemble: TreeEnsemble,
  data: Omit<TrainData<FeatureColumn>, 'init'>,
  params: GivenParams = {},
  options: GbdtOptions = {},
): GbdtResult {
  const scorer = compileScorer(ensemble)
  const raw = ({ columns, nRows }: Pick<TrainData<FeatureColumn>, 'columns' | 'nRows'>) => {
    const out = new Float64Array(nRows * ensemble.nOutputs)
    scorer.rawBatch(columns.map(denseOf), nRows, out)
    return out
  }
  const valid = data.valid && { ...data.valid, init: raw(data.valid) }
  const result = trainGbdt({ ...data, init: raw(data), valid }, params, options)
  return { ...result, model: addEnsembles(ensemble, result.model) }
}
