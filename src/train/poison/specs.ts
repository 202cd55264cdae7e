/** The RunSpec of looking for poison. Pure. */
import type { Digest, RunSpec } from '../../core/records.ts'
import type { DatasetDef, ModelDef } from '../../define/types.ts'
import { asJson, type Prepared, type PrepareParams, prepareSpec } from '../specs.ts'
import { planPool, type SplitPlan } from '../split.ts'

export const POISON_CODE = 'poison-4'

export interface PoisonParams {
  /** Rows that train, read as they are to prepare a matrix. */
  pool: PrepareParams
  /** Tensor of an ONNX network, or the number of a hidden layer from 1; null: the last before the answer. */
  layer: string | null
  /** Chance that any clean class is called poisoned. */
  alpha: number
  /** Steps of the search for a trigger of a class; 0: none is looked for. */
  triggerSteps: number
  /** Columns that name a row, written beside what is found of it. */
  key: string[]
}

export interface PoisonAsked {
  model: ModelDef
  dataset: DatasetDef
  /** Dataset version that the model learned from. */
  version: Digest
  /** The ModelVersion whose layers are read. */
  modelVersion: Digest
  split: SplitPlan
  layer?: string
  alpha: number
  triggerSteps: number
}

export function poisonSpec(asked: PoisonAsked, whole: Prepared): RunSpec {
  const { model, dataset, version, modelVersion, split, layer, alpha, triggerSteps } = asked
  const params: PoisonParams = {
    pool: prepareSpec(model, dataset, version, planPool(split)).params as unknown as PrepareParams,
    layer: layer ?? null,
    alpha,
    triggerSteps,
    key: dataset.key,
  }
  const inputs = {
    version,
    plan: whole.plan,
    matrix: whole.matrix,
    features: whole.features,
    model: modelVersion,
  }
  return {
    kind: 'RunSpec',
    task: 'train.poison',
    code: POISON_CODE,
    inputs,
    params: asJson(params),
    seed: model.seed,
  }
}
