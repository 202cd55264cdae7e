/**
 * A learner: what turns rows of a prepared matrix into a model. `fit.ts` asks the learner of the config's trainer and knows no kind of trainer.
 * A new one is a folder of this room, a line in `learners.ts`, and its parameters in `define`.
 */
import { resolve } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Digest, GraphReading, ModelTask } from '../core/records.ts'
import type { Infer } from '../core/tensors.ts'
import type { TrainerDef } from '../define/types.ts'
import type { TaskContext } from '../engine/ports.ts'
import type { FeatureRows } from '../model/feature-rows.ts'
import type { Model } from '../model/score.ts'

/** Rows to learn from or to choose by: one column a feature, NaN where missing; category features hold codes. */
export interface LearnRows {
  nRows: number
  columns: Float64Array[]
  /** 0 or 1, a number, or a code of a class. */
  target: Float64Array
  weights?: Float64Array
  /** Row at which each query begins, ascending from 0, for `ranking`. */
  groups?: Int32Array
}

/** Bytes of a training that is under way: the last that were saved for the same work, or nothing. */
export interface Checkpoints {
  load(): Promise<Uint8Array | undefined>
  /** Durable when it resolves. */
  save(bytes: Uint8Array): Promise<void>
}

export interface LearnInput {
  task: ModelTask
  /** Classes of the target; 1 unless the task is `multiclass`. */
  nClasses: number
  /** `values` are those of a category, by code. */
  features: readonly { name: string; type: 'number' | 'category'; values?: readonly string[] }[]
  /** Labels in the order of the outputs, for `multiclass`. */
  classes?: readonly string[]
  /** Bytes of the file that the trainer names, where it names one. */
  file?: Uint8Array
  train: LearnRows
  /**
   * Rows of `train` to learn from, ascending; the others are held out for calibration. All rows when absent. Columns are not copied, so that a learner
   * which bins can take a subset without a copy.
   */
  kept?: Int32Array
  validate: LearnRows
  seed: number
  signal: AbortSignal
  /** Share done, 0 to 1, and what is being done. */
  progress(done: number, note: string): void
  /** Where a long training may keep what it has done, so that it goes on from there when it was killed. Absent for small ones. */
  checkpoints?: Checkpoints
  /** A sentence for the model's card. */
  note(text: string): void
  /** Where learners that leave this process find and put files. Workers give it. */
  place?: LearnPlace
}

export interface LearnPlace {
  /** Names the run: the same for the same work, whoever does it. */
  id: string
  /** A folder for files that may go when the run has ended. */
  scratch: string
  /** A folder of this run alone that is there again when it is tried again; the learner removes it once it has its model. */
  checkpoints: string
  /** Where the bytes of a digest lie. Not to be written. */
  path(digest: Digest): Promise<string>
  /** What runs ONNX. Errors: MR_ONNX_ABSENT. */
  infer(): Promise<Infer>
}

/** The place of a run of a task. */
export function placeOf({
  store,
  specDigest,
  infer,
}: Pick<TaskContext, 'store' | 'specDigest' | 'infer'>): LearnPlace {
  const id = specDigest.slice('sha256:'.length, 'sha256:'.length + 24)
  return {
    id,
    scratch: store.scratch,
    // Beside the folders of processes, which go with their processes.
    checkpoints: resolve(store.scratch, '../../checkpoints', id),
    path: (digest) => store.objects.path(digest),
    infer,
  }
}

export interface Learned {
  model: Model
  /** Raw scores of the rows learned from, by row of `train`, `[nRows * nOutputs]`; what members of a family start from. Absent when the learner has no members. */
  scores?: Float32Array
}

/** A network of others, which ONNX Runtime scores: nothing of this package has its form. To be closed. */
export interface LearnedGraph {
  graph: Uint8Array
  reading: GraphReading
  nOutputs: number
  /** Outputs `[n * nOutputs]`. */
  outputs(rows: FeatureRows, n: number): Promise<Float64Array>
  close(): void
}

/** What was learned, where a model of this package is needed. Errors: MR_TRAIN_GRAPH for a network that ONNX Runtime scores. */
export async function ownModel(learning: Promise<Learned | LearnedGraph>, trainer: string): Promise<Learned> {
  const learned = await learning
  if ('model' in learned) return learned
  learned.close()
  throw new MillraceError('MR_TRAIN_GRAPH', { trainer })
}

/** What a member of a family learns from: its own rows, and the parent's raw scores of them, `[nRows * nOutputs]`. */
export interface MemberInput extends Omit<LearnInput, 'validate' | 'kept'> {
  parent: Model
  init: Float64Array
}

export interface Learner<D extends TrainerDef = TrainerDef> {
  kind: D['kind']
  tasks: readonly ModelTask[]
  learn(input: LearnInput, trainer: D): Learned | Promise<Learned>
  /** As `learn`, where what is learned may be a network for ONNX Runtime; `learn` refuses those. */
  learnAny?(input: LearnInput, trainer: D): Promise<Learned | LearnedGraph>
  /**
   * Whether a map of its probabilities can be learned once, so that rows are held out for it. Absent: always. Not of what goes on learning, which a map would not follow, of
   * what ONNX Runtime scores, and of classes whose answers come from no softmax.
   */
  calibrates?(trainer: D, task: ModelTask, place?: LearnPlace): boolean | Promise<boolean>
  /** The model after more rows, each learned from once and in order, and the raw scores it gave them before. Absent when a model cannot learn on. */
  learnOn?(model: Model, rows: LearnRows): { model: Model; raws: Float64Array }
  /** A model that is added to the parent's raw scores. Absent when members of a family cannot be learned this way. */
  learnMember?(input: MemberInput, trainer: D): Model | Promise<Model>
}

/** The rows of `kept`, copied. */
export function keptRows({ train, kept }: Pick<LearnInput, 'train' | 'kept'>): LearnRows {
  return kept ? takeRows(train, kept) : train
}

/** Some rows of a slice, copied. Queries are not kept. */
export function takeRows(rows: LearnRows, indexes: Int32Array): LearnRows {
  const take = (values: Float64Array) => Float64Array.from(indexes, (i) => values[i])
  return {
    nRows: indexes.length,
    columns: rows.columns.map(take),
    target: take(rows.target),
    ...(rows.weights ? { weights: take(rows.weights) } : {}),
  }
}
