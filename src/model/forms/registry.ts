/** All forms of model, by kind. */

import type { CompositeModel } from '../composite.ts'
import type { EncodedLinearModel } from '../encoded-linear.ts'
import type { FactorModel } from '../factors.ts'
import type { ModelBase, ModelForm } from '../form.ts'
import type { FtrlModel } from '../ftrl.ts'
import type { NeighbourModel } from '../neighbours.ts'
import type { DenseNetwork } from '../network/network.ts'
import type { AdditiveTables } from '../tables/tables.ts'
import type { LinearModel, TreeEnsemble } from '../trees.ts'
import { compositeForm } from './composite.ts'
import { encodedLinearForm } from './encoded-linear.ts'
import { factorForm } from './factors.ts'
import { ftrlForm } from './ftrl.ts'
import { linearForm } from './linear.ts'
import { neighbourForm } from './neighbours.ts'
import { networkForm } from './network.ts'
import { tableForm } from './tables.ts'
import { treeForm } from './trees.ts'

/** A model that this package scores by itself. */
export type Model =
  | TreeEnsemble
  | LinearModel
  | FtrlModel
  | DenseNetwork
  | AdditiveTables
  | CompositeModel
  | EncodedLinearModel
  | FactorModel
  | NeighbourModel

const ALL = [
  treeForm,
  linearForm,
  encodedLinearForm,
  ftrlForm,
  factorForm,
  neighbourForm,
  networkForm,
  tableForm,
  compositeForm((kind) => FORMS.get(kind)),
] as unknown as ModelForm<ModelBase>[]

const FORMS: ReadonlyMap<string, ModelForm<ModelBase>> = new Map(ALL.map((form) => [form.kind, form]))

/** Kinds of model that are known. */
export const MODEL_KINDS: readonly string[] = [...FORMS.keys()]

/** The form of a kind that is known; undefined for others, as a file may name them. */
export function formOf<M extends ModelBase>(model: M): ModelForm<M>
export function formOf(kind: string): ModelForm<ModelBase> | undefined
export function formOf(of: string | ModelBase): ModelForm<ModelBase> | undefined {
  return FORMS.get(typeof of === 'string' ? of : of.kind)
}
