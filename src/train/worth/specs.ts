/** The RunSpec of judging training rows. Pure. */
import type { Digest, RunSpec } from '../../core/records.ts'
import type { DatasetDef, ModelDef } from '../../define/types.ts'
import { asJson, type Prepared, type PrepareParams, prepareSpec } from '../specs.ts'
import { planPool, type SplitPlan } from '../split.ts'

export const WORTH_CODE = 'worth-3'

export interface WorthParams {
  /** Rows that train, read as they are to prepare a matrix. */
  pool: PrepareParams
  folds: number
  /** Instants at which the folds after the first begin, where folds are periods. */
  borders?: number[]
  /** The rows that train and those that validate, where distances are taken on a vector of theirs. */
  whole?: PrepareParams
  space?: WorthSpace
  /** Members of a family that were left to their parent, being too many to fit in each fold. */
  membersLeft?: number
  /** Neighbours that vote. */
  k: number
  /** Column that says where a row is from. */
  source?: string
  /** Columns that name a row, written beside what is found of it. */
  key: string[]
}

/** What distances are taken on, where it is not the features: a column of vectors, or a hidden layer of the network that the model is of. */
export type WorthSpace = { kind: 'column'; column: string } | { kind: 'layer'; layer: number | string }

/** A fold: the matrix whose test rows it answers, and the model that did not learn from them. */
export interface WorthFold {
  prepared: Prepared
  model: Digest
  /** Models of members by key. */
  members: Record<string, Digest>
}

export interface WorthAsked {
  model: ModelDef
  dataset: DatasetDef
  version: Digest
  split: SplitPlan
  borders?: number[]
  k: number
  source?: string
  space?: WorthSpace
}

export function worthSpec(
  { model, dataset, version, split, borders, k, source, space }: WorthAsked,
  whole: Prepared,
  folds: readonly WorthFold[],
  membersLeft = 0,
): RunSpec {
  const paramsOf = (plan: SplitPlan) =>
    prepareSpec(model, dataset, version, plan).params as unknown as PrepareParams
  const params: WorthParams = {
    pool: paramsOf(planPool(split)),
    folds: folds.length,
    ...(borders && { borders }),
    ...(space && { space, whole: paramsOf(split) }),
    ...(membersLeft > 0 && { membersLeft }),
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
    for (const [key, member] of Object.entries(fold.members)) inputs[`fold${i}:member:${key}`] = member
  })
  Object.assign(inputs, networkInput(model, space))
  return { kind: 'RunSpec', task: 'train.worth', code: WORTH_CODE, inputs, params: asJson(params), seed: 0 }
}

/** The file of the network whose layer is the space. */
function networkInput({ trainer }: ModelDef, space: WorthSpace | undefined): Record<string, Digest> {
  if (space?.kind !== 'layer') return {}
  if (trainer.kind === 'head' && trainer.contents) return { network: Object.values(trainer.contents)[0] }
  return trainer.kind === 'imported' && trainer.digest ? { network: trainer.digest as Digest } : {}
}
