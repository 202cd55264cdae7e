import type { ModelBase } from './form.ts'

/** A model that is kept within another, and what its raw scores weigh. */
export interface CompositeMember {
  model: ModelBase
  weight: number
}

/**
 * A weighted sum of the raw scores of several models: `raw = intercept + sum of weight * raw of member`, output by output. All members have the link of the whole, so that
 * raw scores are of one scale, and explanations of members add up to explanations of the whole. Members are no composites themselves.
 */
export interface CompositeModel extends ModelBase {
  kind: 'CompositeModel'
  /** `[nOutputs]` */
  intercepts: Float64Array
  members: CompositeMember[]
}

/** The members of a model as parts of a composite, `weight` of it in all: composites are taken apart, so that none lies within another. */
function partsOf(model: ModelBase, weight: number): { intercepts: Float64Array; members: CompositeMember[] } {
  if (model.kind !== 'CompositeModel')
    return { intercepts: new Float64Array(model.nOutputs), members: [{ model, weight }] }
  const { intercepts, members } = model as CompositeModel
  return {
    intercepts: intercepts.map((x) => weight * x),
    members: members.map((member) => ({ model: member.model, weight: weight * member.weight })),
  }
}

/** The composite of models and their weights. Links and outputs must agree; `composite.ts` of the forms checks it. */
export function compose(
  models: readonly ModelBase[],
  weights: ArrayLike<number>,
  intercepts: Float64Array,
): CompositeModel {
  const parts = models.map((model, m) => partsOf(model, weights[m]))
  return {
    kind: 'CompositeModel',
    nFeatures: models[0].nFeatures,
    nOutputs: models[0].nOutputs,
    link: models[0].link,
    intercepts: intercepts.map((x, k) => parts.reduce((sum, part) => sum + part.intercepts[k], x)),
    members: parts.flatMap(({ members }) => members).filter(({ weight }) => weight !== 0),
  }
}
