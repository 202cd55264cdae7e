/** What importers of others' models have in common: what they give, what they refuse, and how much they read. */
import { excerpt, MillraceError } from '../../core/errors.ts'
import type { ModelTask } from '../../core/records.ts'
import type { Model } from '../score.ts'
import type { Link } from '../trees.ts'

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
  /** What a reader should know: rules that were folded in, what was left out. */
  notes: string[]
}

/** How much of a file is read before it is refused; each guards memory or time against a hostile file. */
export const IMPORT_LIMITS = {
  fileBytesMax: 2 ** 29,
  /** Nodes after splits were rewritten and trees with several outputs were taken apart. */
  nodesMax: 2 ** 22,
  /** Deepest nesting of objects and lists in a file. */
  nestingMax: 64,
  /** Classes or targets of one model. */
  outputsMax: 4_096,
  featuresMax: 65_536,
  treesMax: 100_000,
}

/** Refusals of one source, each with its place. */
export type Refuse = (place: string, expected: string, got: string) => MillraceError

export function refuseAs(source: string): Refuse {
  return (place, expected, got) =>
    new MillraceError('MR_MODEL_IMPORT', { source, place, expected, got: excerpt(got) })
}

/** Errors: MR_MODEL_IMPORT when a file is larger than is read. */
export function checkFileBytes(source: string, bytes: number): void {
  if (bytes <= IMPORT_LIMITS.fileBytesMax) return
  throw refuseAs(source)('the file', `at most ${IMPORT_LIMITS.fileBytesMax} bytes`, `${bytes}`)
}

/** The task that an ensemble of some outputs and link does, where the source does not say. */
export function taskOf(link: Link, nOutputs: number): ModelTask {
  if (link === 'softmax' || (link === 'sigmoid' && nOutputs > 1)) return 'multiclass'
  return link === 'sigmoid' ? 'binary' : 'regression'
}
