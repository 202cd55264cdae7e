/**
 * Task `train.fit`: one model from a prepared matrix, with its card.
 *
 * A parent (or a single model) learns from the training rows and stops early on the validation rows. A member starts from its parent's scores and adds a few
 * trees of its own rows: shrinkage to the parent, so that thin members cannot run away. Calibration is learned on a tenth of the training rows that the trees
 * did not see, and kept only where it lowers the loss on the validation rows.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { assert } from '../core/errors.ts'
import type {
  DatasetVersion,
  Digest,
  FeatureInfo,
  ModelCard,
  ModelTask,
  ModelVersion,
} from '../core/records.ts'
import { rowsWhere } from '../core/rows-where.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { decodeModel } from '../model/format.ts'
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
import type { Calibration } from '../model/trees.ts'
import { fitIsotonic } from '../stats/isotonic.ts'
import { logFast } from '../stats/log.ts'
import { fitBeta, fitPlatt } from '../stats/sigmoid-calibration.ts'
import { fitTemperature } from '../stats/temperature.ts'
import { fitVectorScaling, VECTOR_CLASSES_MAX } from '../stats/vector-scaling.ts'
import { cardOf, referenceOf } from './card.ts'
import { checkpointsOf, dropCheckpoint } from './checkpoints.ts'
import { concat } from './columns.ts'
import { type Learner, type LearnRows, placeOf, takeRows } from './learner.ts'
import { learnerOf } from './learners.ts'
import { type Made, madeGraph, madeModel } from './made.ts'
import { FIT_CODE, type FitParams } from './specs.ts'

interface Work {
  context: TaskContext
  params: FitParams
  plan: PreparedPlan
  matrix: MatrixFile
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
        notes: [...plan.notes, ...(params.notes ?? [])],
      }
      const parent = inputs.parent ? await readParent(context, inputs.parent) : undefined
      if (parent) {
        const graph = await fitMember(work, parent.graph, await context.store.objects.path(inputs.scores))
        const made = madeModel(memberGraph(parent.graph.model, graph), graph)
        return { outputs: { model: await writeModel(work, made, parent.graphDigest) } }
      }
      const { made, scores, close } = await fitParent(work)
      await dropCheckpoint(context)
      const outputs: Record<string, Digest> = {}
      try {
        outputs.model = await writeModel(work, made, undefined)
      } finally {
        close?.()
      }
      if (plan.members.length > 0 && scores) outputs.scores = await context.store.objects.put(bytesOf(scores))
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
async function fitParent(work: Work): Promise<{ made: Made; scores?: Float32Array; close?: () => void }> {
  const train = work.matrix.slice('train')
  const validate = work.matrix.slice('validate')
  const { trainer } = work.params
  const learner = learnerOf(trainer.kind)
  const calibrator = await calibratorFor(work, learner)
  const calibrate = calibrator !== undefined && train.nRows >= calibrator.rowsMin
  const kept = calibrate ? rowsWhere(train.nRows, (i) => i % 10 !== 9) : undefined
  const learn = learner.learnAny ?? learner.learn
  const learned = await learn(
    {
      ...(await inputOf(work)),
      train,
      validate,
      kept,
      checkpoints: checkpointsOf(work.context, train.nRows),
    },
    trainer,
  )
  if ('graph' in learned) return { made: madeGraph(learned), close: learned.close }
  const { model, scores } = learned
  if (!calibrate) return { made: madeModel({ model, calibration: null }), scores }
  const held = rowsWhere(train.nRows, (i) => i % 10 === 9)
  const heldOut = takeRows(train, held)
  if (scores)
    scoreRows(scores, held, rawColumns({ model, calibration: null }, heldOut.columns, heldOut.nRows))
  const fits = calibrator.fits?.(model) ?? true
  const calibration = fits ? calibrateOn(work, calibrator, model, heldOut, validate) : null
  return { made: madeModel({ model, calibration }), scores }
}

/** Nothing where no map is asked for, or none of what is asked for can be learned: then all rows teach the model. */
async function calibratorFor(work: Work, learner: Learner): Promise<Calibrator | undefined> {
  const { context, params, plan } = work
  const { calibrate = 'auto', trainer } = params
  const calibrator = CALIBRATORS[plan.task]
  if (!calibrator) return undefined
  const canLearn = (await learner.calibrates?.(trainer, plan.task, placeOf(context))) ?? true
  if (!canLearn) return undefined
  return calibrate === 'auto' || calibrate in calibrator.kinds ? calibrator : undefined
}

/** Puts raw scores `[rows.length * nOutputs]` at their rows. */
function scoreRows(scores: Float32Array, rows: Int32Array, raw: Float64Array): void {
  const nOutputs = raw.length / rows.length
  for (let i = 0; i < rows.length; i++)
    scores.set(raw.subarray(i * nOutputs, (i + 1) * nOutputs), rows[i] * nOutputs)
}

/** What every learner is told. */
async function inputOf({ context, plan, matrix, notes }: Work) {
  const { features, file } = context.spec.inputs
  const fitted = await context.store.getRecord<FittedFeatures>(features, 'FittedFeatures')
  const values = new Map(fitted.features.map(({ name, state }) => [name, state]))
  return {
    task: plan.task,
    nClasses: plan.classes?.length ?? 1,
    features: matrix.header.features.map((feature) => {
      const state = values.get(feature.name)
      return state?.kind === 'category' ? { ...feature, values: state.values } : feature
    }),
    classes: plan.classes,
    ...(file ? { file: await context.store.objects.get(file) } : {}),
    seed: context.spec.seed,
    signal: context.signal,
    progress: (done: number, note: string) => context.progress(done, note),
    note: (text: string) => notes.push(text),
    place: placeOf(context),
  }
}

/** A member's own model, on top of the parent's raw score. */
async function fitMember(work: Work, parent: Graph, scoresPath: string): Promise<Graph> {
  const { trainer, member } = work.params
  const learner = learnerOf(trainer.kind)
  assert(learner.learnMember, `trainer "${trainer.kind}" has members of their own`)
  const train = work.matrix.slice('train', member)
  const init = readScores(scoresPath, rangeOf(work.matrix.header, 'train', member), parent.model.nOutputs)
  const model = await learner.learnMember(
    { ...(await inputOf(work)), train, init, parent: parent.model },
    trainer,
  )
  return { model, calibration: parent.calibration }
}

/** The parent's raw scores of a member's training rows. */
function readScores(path: string, { rowStart, rowEnd }: RowRange, nOutputs: number): Float64Array {
  const rowBytes = nOutputs * Float32Array.BYTES_PER_ELEMENT
  const bytes = Buffer.alloc((rowEnd - rowStart) * rowBytes)
  const file = openSync(path, 'r')
  try {
    readSync(file, bytes, 0, bytes.length, rowStart * rowBytes)
  } finally {
    closeSync(file)
  }
  return Float64Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, (rowEnd - rowStart) * nOutputs))
}

function bytesOf(scores: Float32Array): Uint8Array {
  return new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength)
}

interface Calibrator {
  /** Training rows below which what is learned would be noise. */
  rowsMin: number
  /** Whether the maps can act on what a model says; absent: on anything. */
  fits?(model: Graph['model']): boolean
  /** Maps to choose from, by what a config calls them. */
  kinds: Readonly<Record<string, (model: Graph['model'], rows: LearnRows) => Calibration | undefined>>
}

/** How probabilities of a task are calibrated on rows that the model did not learn from; nothing where answers are no probabilities. */
const CALIBRATORS: Record<ModelTask, Calibrator | undefined> = {
  binary: {
    rowsMin: 5_000,
    kinds: {
      isotonic: (model, { columns, nRows, target }) =>
        fitIsotonic(predictColumns({ model, calibration: null }, columns, nRows), target),
      beta: (model, { columns, nRows, target }) =>
        fitBeta(predictColumns({ model, calibration: null }, columns, nRows), target),
      platt: (model, { columns, nRows, target }) =>
        fitPlatt(logOdds(predictColumns({ model, calibration: null }, columns, nRows)), target),
    },
  },
  regression: undefined,
  multiclass: {
    rowsMin: 1_000,
    fits: ({ link }) => link === 'softmax',
    kinds: {
      temperature: (model, { columns, nRows, target }) => ({
        kind: 'temperature',
        temperature: fitTemperature(rawColumns({ model, calibration: null }, columns, nRows), target),
      }),
      vector: (model, { columns, nRows, target }) =>
        model.nOutputs > VECTOR_CLASSES_MAX
          ? undefined
          : {
              kind: 'vector',
              ...fitVectorScaling(rawColumns({ model, calibration: null }, columns, nRows), target),
            },
    },
  },
  ranking: undefined,
}

function calibrateOn(
  work: Work,
  calibrator: Calibrator,
  model: Graph['model'],
  heldOut: LearnRows,
  validate: MatrixSlice,
): Graph['calibration'] {
  const { task } = work.plan
  const lossOf = (calibration: Graph['calibration']) =>
    metricOf(LOSS_OF[task], task).of(
      predictColumns({ model, calibration }, validate.columns, validate.nRows),
      validate.target,
    ).value
  const asked = work.params.calibrate ?? 'auto'
  const found = Object.entries(calibrator.kinds).flatMap(([kind, learn]) => {
    if (asked !== 'auto' && asked !== kind) return []
    const calibration = learn(model, heldOut)
    return calibration ? [{ calibration, loss: lossOf(calibration) }] : []
  })
  if (found.length === 0) return null
  const best = found.reduce((a, b) => (b.loss < a.loss ? b : a))
  if (asked !== 'auto') return best.calibration
  const plain = lossOf(null)
  if (best.loss < plain) return best.calibration
  work.notes.push(
    `calibration was learned and not kept: log loss on the validation rows ${best.loss.toFixed(5)} with it, ${plain.toFixed(5)} without`,
  )
  return null
}

/** Log-odds of probabilities, those of 0 and 1 held to 1e-12 from them. */
function logOdds(chances: Float64Array): Float64Array {
  return chances.map((p) => {
    const held = Math.max(1e-12, Math.min(1 - 1e-12, p))
    return logFast(held) - logFast(1 - held)
  })
}

/** `base`: of a member, the graph that its scores are added to. */
async function writeModel(work: Work, made: Made, base: Digest | undefined): Promise<Digest> {
  const { context, params, plan, matrix } = work
  const { bytes, format, reading } = made
  const graphDigest = await context.store.objects.put(bytes)
  const features = await context.store.getRecord<FittedFeatures>(
    context.spec.inputs.features,
    'FittedFeatures',
  )
  const version = await context.store.getRecord<DatasetVersion>(context.spec.inputs.version, 'DatasetVersion')
  const train = matrix.slice('train', params.member)
  const tested = matrix.slice('test', params.member)
  const test = params.untested ? noRowsOf(tested) : tested
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
    classes: plan.classes,
    group: plan.group,
    graph: graphDigest,
    format,
    reading,
    base,
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
      outputs: await made.outputs(test.columns, test.nRows),
      importance: base === undefined ? await importanceOf(work, made, test) : [],
      task: plan.task,
      classes: plan.classes,
      train,
      test,
      features: matrix.header.features,
      bytes: bytes.length,
      notes: work.notes,
      explain: base === undefined && !params.untested,
    }),
    createdAt: version.createdAt,
  }
  return context.store.putRecord(model)
}

function noRowsOf(slice: MatrixSlice): MatrixSlice {
  const { groups } = slice
  return {
    ...slice,
    nRows: 0,
    columns: slice.columns.map((column) => column.subarray(0, 0)),
    target: slice.target.subarray(0, 0),
    ...(groups && { groups: groups.subarray(0, 0) }),
  }
}

/** Mean absolute contribution of each feature over test rows, the largest first. */
async function importanceOf(
  { matrix, notes }: Work,
  made: Made,
  test: MatrixSlice,
): Promise<ModelCard['importance']> {
  if (test.nRows === 0) return []
  const { means, note } = await made.importance(test)
  if (note) notes.push(note)
  if (!means) return []
  return matrix.header.features
    .map(({ name }, j) => ({ feature: name, meanAbs: means[j] }))
    .sort((a, b) => b.meanAbs - a.meanAbs)
}
