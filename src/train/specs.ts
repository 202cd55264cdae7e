/** RunSpecs of training: what a model is made from, completely, so that the same model is never trained twice. Pure. */
import type { Json } from '../core/canonical.ts'
import type { DatasetVersion, Digest, RunSpec, TimeWindow } from '../core/records.ts'
import { type TrainerTraits, trainerTraits } from '../define/trainer-traits.ts'
import type { DatasetDef, EachDef, FeatureDef, ModelDef, TrainerDef } from '../define/types.ts'
import type { ExprNode } from '../expr/ast.ts'
import type { SplitPlan } from './split.ts'

export const PREPARE_CODE = 'prepare-5'
export const FIT_CODE = 'fit-10'

export interface PrepareParams {
  model: string
  task: ModelDef['task']
  target: ExprNode
  features: FeatureDef[]
  /** Columns that may decide the target alone. */
  leaksAllowed?: string[]
  each?: EachDef
  /** Column of the query, of models that rank. */
  group?: string
  split: SplitPlan
  trainer: TrainerDef['kind']
  categories: TrainerTraits['categories']
  /** Columns that must not become features when features are inferred. */
  exclude: string[]
  /** What of the rows is taken from the version `branch` among the inputs; absent: nothing. */
  branch?: BranchRows
}

/** Rows of a version with the edits of a branch of it. The split is that of the version: rows that both have stay where they are. */
export interface BranchRows {
  /** Rows that train and validate are those of the branch. */
  train: boolean
  /** Rows that the branch has lost do not test; what it has gained never does. */
  test: boolean
}

/** Reads the dataset, learns the fitted features and writes the training matrix; with a branch, from the rows that it has. */
export function prepareSpec(
  model: ModelDef,
  dataset: DatasetDef,
  version: Digest,
  split: SplitPlan,
  edited?: { branch: Digest; rows: BranchRows },
): RunSpec {
  const params: PrepareParams = {
    model: model.name,
    task: model.task,
    target: model.target,
    features: model.features,
    leaksAllowed: model.leaksAllowed,
    each: model.each,
    group: model.group,
    split,
    trainer: model.trainer.kind,
    categories: trainerTraits(model.trainer).categories,
    exclude: [...dataset.exclude, ...dataset.key, ...(model.group === undefined ? [] : [model.group])],
    branch: edited?.rows,
  }
  return {
    kind: 'RunSpec',
    task: 'train.prepare',
    code: PREPARE_CODE,
    inputs: { version, ...(edited && { branch: edited.branch }) },
    params: asJson(params),
    seed: model.seed,
  }
}

export interface FitParams {
  model: string
  /** Member key, '' for the parent or a single model. */
  member: string
  trainer: TrainerDef
  /** How probabilities are calibrated; absent: whatever is best on the validation rows. */
  calibrate?: ModelDef['calibrate']
  description: string
  /** Sentences for the model's card, e.g. how its parameters were chosen. */
  notes?: string[]
  /** Whether another run measures the model on the test rows: then its card says only what training tells. */
  untested?: true
}

/** Outputs of `train.prepare`, by name. */
export interface Prepared {
  plan: Digest
  features: Digest
  matrix: Digest
  rows: Digest
}

export const TRIAL_CODE = 'trial-1'

export interface TrialParams {
  trainer: TrainerDef
  /** Share of the training rows to learn from. */
  share: number
  /** `auto` is the task's loss. */
  metric: string
}

/** Measures parameters of a trainer on one prepared part of the training window. */
export function trialSpec(prepared: Prepared, params: TrialParams, seed: number): RunSpec {
  const { plan, matrix } = prepared
  return {
    kind: 'RunSpec',
    task: 'train.trial',
    code: TRIAL_CODE,
    inputs: { plan, matrix, ...trainerInputs(params.trainer) },
    params: asJson(params),
    seed,
  }
}

/** Trains one model: the parent from all rows, or a member from its own with the parent's scores of them as the starting point. */
export function fitSpec(
  model: ModelDef,
  version: Digest,
  prepared: Prepared,
  member?: { key: string; parent: Digest; scores: Digest },
  { notes, untested }: Pick<FitParams, 'notes' | 'untested'> = {},
): RunSpec {
  const params: FitParams = {
    model: model.name,
    member: member?.key ?? '',
    trainer: model.trainer,
    calibrate: model.calibrate,
    description: model.description,
    notes,
    untested,
  }
  const inputs: Record<string, Digest> = { version, ...pick(prepared), ...trainerInputs(model.trainer) }
  if (member) Object.assign(inputs, { parent: member.parent, scores: member.scores })
  if ('digest' in model.trainer && model.trainer.digest) inputs.file = model.trainer.digest as Digest
  return {
    kind: 'RunSpec',
    task: 'train.fit',
    code: FIT_CODE,
    inputs,
    params: asJson(params),
    seed: model.seed,
  }
}

/** Files that a trainer is made of, by their paths. */
function trainerInputs(trainer: TrainerDef): Record<string, Digest> {
  if (!('contents' in trainer)) return {}
  return Object.fromEntries(
    Object.entries(trainer.contents ?? {}).map(([path, digest]) => [`file:${path}`, digest]),
  )
}

function pick({ plan, features, matrix, rows }: Prepared): Record<string, Digest> {
  return { plan, features, matrix, rows }
}

/** Span of a version's time column, half-open; undefined when it has none. */
export function spanOf(version: DatasetVersion, time: string | undefined): TimeWindow | undefined {
  if (time === undefined) return undefined
  let fromAt = Number.POSITIVE_INFINITY
  let toAt = Number.NEGATIVE_INFINITY
  for (const part of version.parts) {
    const { min, max } = part.stats[time] ?? {}
    if (typeof min === 'number') fromAt = Math.min(fromAt, min)
    if (typeof max === 'number') toAt = Math.max(toAt, max + 1)
  }
  return fromAt < toAt ? { fromAt, toAt } : undefined
}

/** Drops what is undefined, so that the record has one text. */
export function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}
