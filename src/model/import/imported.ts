/** What importers of others' models have in common: what they give, what they refuse, and how much they read. */
import type { ModelTask } from '../../core/records.ts'
import type { Model } from '../score.ts'
import type { Link } from '../trees.ts'

export { checkFileBytes, IMPORT_LIMITS, type Refuse, refuseAs } from './refusal.ts'

/** One input of a model, in the order of its columns. */
export interface ImportedFeature {
  /** The file's name, or the source's default (`f0`, `Column_0`, `x0`) where it names none. */
  name: string
  /** Whether the file itself names it, so that it can be looked up by name. */
  named: boolean
  type: 'number' | 'category'
  /** Values of the categories by code, where the file keeps them. */
  categories?: (string | number | boolean)[]
}

export interface ImportedModel {
  /** Format and version in words: `LightGBM text v4`. */
  source: string
  /** The source's own name of what it was trained for. */
  objective: string
  task: ModelTask
  model: Model
  features: ImportedFeature[]
  /** Labels in the order of the outputs, for several classes, where the file has them. */
  classes?: string[]
  /** The model with its explanations starting from the means of some columns, where the file itself does not say from where. */
  withBase?(columns: readonly Float64Array[]): Model
  /** What a reader should know: rules that were folded in, what was left out. */
  notes: string[]
}

/** The task that an ensemble of some outputs and link does, where the source does not say. */
export function taskOf(link: Link, nOutputs: number): ModelTask {
  if (link === 'softmax' || (link === 'sigmoid' && nOutputs > 1)) return 'multiclass'
  return link === 'sigmoid' ? 'binary' : 'regression'
}
