/**
 * Task `train.fit`: one model from a prepared matrix, with its card.
 *
 * A parent (or a single model) learns from the training rows and stops early on the validation rows. A member starts from its parent's scores and adds a few
 * trees of its own rows: shrinkage to the parent, so that thin members cannot run away. Calibration is learned on a tenth of the training rows that the trees
 * did not see, and kept only where it lowers the loss on the validation rows.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { assert } from '../core/errors.ts'
import type { DatasetVersion, Digest, FeatureInfo, ModelVersion } from '../core/records.ts'
import type { TrainerDef } from '../define/types.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { decodeModel, encodeModel } from '../model/format.ts'
import {
  type MatrixFile,
  type MatrixSlice,
  openMatrix,
  type PreparedPlan,
  type RowRange,
  rangeOf,
} from '../model/matrix.ts'
import { LOSS_OF, metricOf } from '../model/measure.ts'
import { type Graph, memberGraph, predictColumns, rawColumns } from '../model/predict.ts'
import { fitIsotonic } from '../stats/isotonic.ts'
import { cardOf, referenceOf } from './card.ts'
import { binColumns, binWith } from './gbdt/binning.ts'
import { trainOnBins } from './gbdt/train.ts'
import { trainLinear } from './linear/train.ts'
import { FIT_CODE, type FitParams } from './specs.ts'

/** Rows below which a calibration map would be noise. */
const CALIBRATION_ROWS_MIN = 5_000

interface Work {
  context: TaskContext
  params: FitParams
  plan: PreparedPlan
  matrix: MatrixFile
  categorical: boolean[]
  notes: string[]
}

export const fitTask: Task = {
  name: 'train.fit',
  code: FIT_CODE,
  async run(context) {
    const { inputs } = context.spec
    const params = context.spec.params as unknown as FitParams
    const plan = await context.store.getRecord<PreparedPlan>(inputs.plan, 'PreparedPlan')
    const matrix = openMatrix(await context.store.objects.path(inputs.matrix))
    try {
      const work: Work = {
        context,
        params,
        plan,
        matrix,
        categorical: matrix.header.features.map((f) => f.type === 'category'),
        notes: [...plan.notes],
      }
      const parent = inputs.parent ? await readParent(context, inputs.parent) : undefined
      if (parent) {
        const graph = fitMember(work, parent.graph, await context.store.objects.path(inputs.scores))
        return { outputs: { model: await writeModel(work, graph, parent) } }
      }
      const { graph, scores } = fitParent(work)
      const outputs: Record<string, Digest> = { model: await writeModel(work, graph, undefined) }
      if (plan.members.length > 0) outputs.scores = await context.store.objects.put(bytesOf(scores))
      return { outputs }
    } finally {
      matrix.close()
    }
  },
}

async function readParent(
  context: TaskContext,
  digest: Digest,
): Promise<{ graph: Graph; graphDigest: Digest }> {
  const version = await context.store.getRecord<ModelVersion>(digest, 'ModelVersion')
  return { graph: decodeModel(await context.store.objects.get(version.graph)), graphDigest: version.graph }
}

/** The parent, or a model without a family; and its raw score of every training row, which members start from. */
function fitParent(work: Work): { graph: Graph; scores: Float32Array } {
  const train = work.matrix.slice('train')
  const validate = work.matrix.slice('validate')
  const calibrate = work.plan.task === 'binary' && train.nRows >= CALIBRATION_ROWS_MIN
  const kept = rowsWhere(train.nRows, (i) => !calibrate || i % 10 !== 9)
  const { model, scores } = learn(work, train, validate, kept)
  if (!calibrate) return { graph: { model, calibration: null }, scores }
  const held = rowsWhere(train.nRows, (i) => i % 10 === 9)
  const heldOut = takeRows(train, held)
  const raw = rawColumns({ model, calibration: null }, heldOut.columns, heldOut.nRows)
  for (let i = 0; i < held.length; i++) scores[held[i]] = raw[i]
  return { graph: { model, calibration: calibrateOn(work, model, heldOut, validate) }, scores }
}

/** A model from the rows kept, and its raw scores of them by row of the slice. */
function learn(
  work: Work,
  train: MatrixSlice,
  validate: MatrixSlice,
  kept: Int32Array,
): { model: Graph['model']; scores: Float32Array } {
  const { trainer } = work.params
  if (trainer.kind === 'linear') {
    const { columns, target, nRows } = takeRows(train, kept)
    const loss = work.plan.task === 'binary' ? 'logloss' : 'l2'
    const { model } = trainLinear({ nRows, columns, target }, { loss, l2: trainer.l2 })
    return { model, scores: new Float32Array(0) }
  }
  const binned = binColumns(train.columns, work.categorical, trainer.bins)
  const valid = { ...validate, binned: binWith(validate.columns, validate.nRows, binned.features) }
  const result = trainOnBins(
    { binned: { ...binned, nRows: train.nRows }, rowIndexes: kept, target: train.target },
    {
      ...gbdtParamsOf(trainer, work),
      trees: trainer.trees,
      earlyStoppingRounds: trainer.earlyStoppingRounds,
    },
    {
      valid,
      onProgress: (p) => work.context.progress(p.tree / p.trees, `tree ${p.tree} of ${p.trees}`),
      signal: work.context.signal,
    },
  )
  if (result.stopped === 'early')
    work.notes.push(`training ended early with ${result.trees} trees: the validation loss no longer fell`)
  return { model: result.model, scores: Float32Array.from(result.trainScores) }
}

/** A member's own trees, on top of the parent's raw score. */
function fitMember(work: Work, parent: Graph, scoresPath: string): Graph {
  const { trainer, member } = work.params
  assert(trainer.kind === 'gbdt', 'only trees have members of their own')
  const train = work.matrix.slice('train', member)
  const init = readScores(scoresPath, rangeOf(work.matrix.header, 'train', member))
  const binned = binColumns(train.columns, work.categorical, trainer.bins)
  const { model } = trainOnBins(
    { binned: { ...binned, nRows: train.nRows }, target: train.target, init },
    {
      ...gbdtParamsOf(trainer, work),
      trees: trainer.memberTrees,
      leaves: Math.min(trainer.leaves, 8),
      minRowsInLeaf: Math.max(trainer.minRowsInLeaf, 50),
    },
    { signal: work.context.signal },
  )
  return { model, calibration: parent.calibration }
}

/** The parent's raw scores of a member's training rows. */
function readScores(path: string, { rowStart, rowEnd }: RowRange): Float64Array {
  const bytes = Buffer.alloc((rowEnd - rowStart) * Float32Array.BYTES_PER_ELEMENT)
  const file = openSync(path, 'r')
  try {
    readSync(file, bytes, 0, bytes.length, rowStart * Float32Array.BYTES_PER_ELEMENT)
  } finally {
    closeSync(file)
  }
  return Float64Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, rowEnd - rowStart))
}

function bytesOf(scores: Float32Array): Uint8Array {
  return new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength)
}

function gbdtParamsOf(trainer: Extract<TrainerDef, { kind: 'gbdt' }>, work: Work) {
  const { leaves, learningRate, minRowsInLeaf, bins, l2 } = trainer
  return {
    leaves,
    learningRate,
    minRowsInLeaf,
    bins,
    l2,
    loss: work.plan.task === 'binary' ? ('logloss' as const) : ('l2' as const),
    seed: work.context.spec.seed,
  }
}

function calibrateOn(
  work: Work,
  model: Graph['model'],
  heldOut: MatrixSlice,
  validate: MatrixSlice,
): Graph['calibration'] {
  const plain: Graph = { model, calibration: null }
  const calibration = fitIsotonic(predictColumns(plain, heldOut.columns, heldOut.nRows), heldOut.target)
  const loss = metricOf(LOSS_OF.binary)
  const before = loss.of(predictColumns(plain, validate.columns, validate.nRows), validate.target).value
  const after = loss.of(
    predictColumns({ model, calibration }, validate.columns, validate.nRows),
    validate.target,
  ).value
  if (after < before) return calibration
  work.notes.push(
    `calibration was learned and not kept: log loss on the validation rows ${after.toFixed(5)} with it, ${before.toFixed(5)} without`,
  )
  return null
}

async function writeModel(
  work: Work,
  graph: Graph,
  parent: { graph: Graph; graphDigest: Digest } | undefined,
): Promise<Digest> {
  const { context, params, plan, matrix } = work
  const bytes = encodeModel(graph.model, graph.calibration)
  const graphDigest = await context.store.objects.put(bytes)
  const features = await context.store.getRecord<FittedFeatures>(
    context.spec.inputs.features,
    'FittedFeatures',
  )
  const version = await context.store.getRecord<DatasetVersion>(context.spec.inputs.version, 'DatasetVersion')
  const whole = parent ? memberGraph(parent.graph.model, graph) : graph
  const train = matrix.slice('train', params.member)
  const test = matrix.slice('test', params.member)
  const later = [matrix.slice('validate', params.member), test]
  const featureInfo: FeatureInfo[] = matrix.header.features.map((f, i) => ({
    ...f,
    reference: referenceOf(features, f.name, {
      train: train.columns[i],
      later: concat(later.map((slice) => slice.columns[i])),
    }),
  }))
  const model: ModelVersion = {
    kind: 'ModelVersion',
    model: params.member === '' ? params.model : `${params.model}/${params.member}`,
    task: plan.task,
    graph: graphDigest,
    format: graph.model.kind === 'TreeEnsemble' ? 'trees' : 'linear',
    base: parent?.graphDigest,
    features: context.spec.inputs.features,
    featureInfo,
    signature: plan.signature,
    trainedOn: {
      dataset: version.dataset,
      version: context.spec.inputs.version,
      window: plan.window,
      rows: train.nRows,
    },
    run: context.specDigest,
    card: cardOf({
      graph: whole,
      task: plan.task,
      train,
      test,
      features: matrix.header.features,
      bytes: bytes.length,
      notes: work.notes,
      explain: !parent,
    }),
    createdAt: version.createdAt,
  }
  return context.store.putRecord(model)
}

function rowsWhere(nRows: number, keep: (i: number) => boolean): Int32Array {
  const rows = new Int32Array(nRows)
  let n = 0
  for (let i = 0; i < nRows; i++) if (keep(i)) rows[n++] = i
  return rows.subarray(0, n)
}

function takeRows(slice: MatrixSlice, rows: Int32Array): MatrixSlice {
  const take = (values: Float64Array) => Float64Array.from(rows, (i) => values[i])
  return { nRows: rows.length, columns: slice.columns.map(take), target: take(slice.target) }
}

function concat(columns: Float64Array[]): Float64Array {
  const out = new Float64Array(columns.reduce((n, column) => n + column.length, 0))
  let at = 0
  for (const column of columns) {
    out.set(column, at)
    at += column.length
  }
  return out
}
