/** The RunSpec of judging training rows. Pure. */
import type { Digest, RunSpec } from '../../core/records.ts'
import type { DatasetDef, ModelDef } from '../../define/types.ts'
import { asJson, type Prepared, type PrepareParams, prepareSpec } from '../specs.ts'
import { planPool, type SplitPlan } from '../split.ts'

export const WORTH_CODE = 'worth-1'

export interface WorthParams {
  /** Rows that train, read as they are to prepare a matrix. */
  pool: PrepareParams
  folds: number
  /** Neighbours that vote. */
  k: number
  /** Column that says where a row is from. */
  source?: string
  /** Columns that name a row, written beside what is found of it. */
  key: string[]
}

/** A fold: the matrix whose test rows it answers, and the model that did not learn from them. */
export interface WorthFold {
  prepared: Prepared
  model: Digest
}

export interface WorthAsked {
  model: ModelDef
  dataset: DatasetDef
  version: Digest
  split: SplitPlan
  k: number
  source?: string
}

export function worthSpec(
  { model, dataset, version, split, k, source }: WorthAsked,
  whole: Prepared,
  folds: readonly WorthFold[],
): RunSpec {
  const params: WorthParams = {
    pool: prepareSpec(model, dataset, version, planPool(split)).params as unknown as PrepareParams,
    folds: folds.length,
    k,
    source,
    key: dataset.key,
  }
  const inputs: Record<string, Digest> = {
    version,
    plan: whole.plan,
    matrix: whole.matrix,
    features: whole.features,
  }
  folds.forEach((fold, i) => {
    Object.assign(inputs, {
      [`fold${i}:plan`]: fold.prepared.plan,
      [`fold${i}:matrix`]: fold.prepared.matrix,
      [`fold${i}:model`]: fold.model,
    })
  })
  return { kind: 'RunSpec', task: 'train.worth', code: WORTH_CODE, inputs, params: asJson(params), seed: 0 }
}
