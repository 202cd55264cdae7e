/**
 * Task `train.online`: a checkpoint of a model that learns while it is served. From the checkpoint before and the rows that came since, in the order of the log, to the
 * next one, with what the model thought of each row before it learned from it, held against what the checkpoint before thinks of the same rows.
 */
import { assert } from '../core/errors.ts'
import type {
  Digest,
  Finding,
  Histogram,
  Measured,
  ModelVersion,
  OnlineMark,
  RunSpec,
} from '../core/records.ts'
import type { ModelDef, TrainerDef } from '../define/types.ts'
import type { Task } from '../engine/ports.ts'
import { decodeModel, encodeModel } from '../model/format.ts'
import { finishRows } from '../model/links.ts'
import { openMatrix } from '../model/matrix.ts'
import { LOSS_OF, measureAll, metricOf, scoreHistogram } from '../model/measure.ts'
import { predictColumns } from '../model/predict.ts'
import { pairedDelta } from '../stats/paired.ts'
import { learnerOf } from './learners.ts'
import { asJson } from './specs.ts'

export const ONLINE_CODE = 'online-1'

interface OnlineParams {
  model: string
  trainer: TrainerDef['kind']
  mark: OnlineMark
  /** Loss difference that counts as worse. */
  tolerance: number
  at: number
}

/** What came of the rows of a checkpoint. */
export interface OnlineReport {
  kind: 'OnlineReport'
  model: string
  findings: Finding[]
  /** Mean loss of the rows: by the model that learned on, before it learned from each, and by the checkpoint before. */
  loss: { progressive: number; frozen: number; n: number }
  metrics: Record<string, Measured>
  scores: Histogram
}

/** `rows` is a matrix of features and outcomes, all in its training split. */
export function onlineSpec(model: ModelDef, mark: OnlineMark, rows: Digest, at: number): RunSpec {
  const { name, trainer, release, seed } = model
  const params: OnlineParams = { model: name, trainer: trainer.kind, mark, tolerance: release.tolerance, at }
  return {
    kind: 'RunSpec',
    task: 'train.online',
    code: ONLINE_CODE,
    inputs: { previous: mark.previous, rows },
    params: asJson(params),
    seed,
  }
}

export const onlineTask: Task = {
  name: 'train.online',
  code: ONLINE_CODE,
  async run({ store, spec, specDigest }) {
    const params = spec.params as unknown as OnlineParams
    const previous = await store.getRecord<ModelVersion>(spec.inputs.previous, 'ModelVersion')
    const matrix = openMatrix(await store.objects.path(spec.inputs.rows))
    try {
      const rows = matrix.slice('train')
      const before = decodeModel(await store.objects.get(previous.graph))
      const learner = learnerOf(params.trainer)
      assert(learner.learnOn, `trainer "${params.trainer}" can learn on`)
      const { model, raws } = learner.learnOn(before.model, rows)
      finishRows(raws, rows.nRows, 1, { link: before.model.link, calibration: before.calibration })
      const frozen = predictColumns(before, rows.columns, rows.nRows)
      const bytes = encodeModel(model, before.calibration)
      const report = reportOf(params, previous, { progressive: raws, frozen, target: rows.target })
      const version: ModelVersion = {
        ...previous,
        graph: await store.objects.put(bytes),
        online: params.mark,
        trainedOn: { ...previous.trainedOn, rows: previous.trainedOn.rows + rows.nRows },
        run: specDigest,
        card: {
          ...previous.card,
          metrics: report.metrics,
          scores: report.scores,
          baseRate: rows.target.reduce((sum, y) => sum + y, 0) / rows.nRows,
          bytes: bytes.length,
        },
        createdAt: params.at,
      }
      const [digest, reported] = await store.putRecords([version, report])
      return { outputs: { model: digest, report: reported } }
    } finally {
      matrix.close()
    }
  },
}

interface Judged {
  progressive: Float64Array
  frozen: Float64Array
  target: Float64Array
}

function reportOf(params: OnlineParams, { task }: ModelVersion, judged: Judged): OnlineReport {
  const { progressive, frozen, target } = judged
  const lossesOf = metricOf(LOSS_OF[task], task).losses
  assert(lossesOf, `${LOSS_OF[task]} is a mean over rows`)
  const [own, base] = [lossesOf(progressive, target), lossesOf(frozen, target)]
  const loss = { progressive: mean(own), frozen: mean(base), n: target.length }
  return {
    kind: 'OnlineReport',
    model: params.model,
    findings: [finite(params, progressive), notWorse(params, own, base)],
    loss,
    metrics: measureAll(task, progressive, target),
    scores: scoreHistogram(task, progressive),
  }
}

function mean(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function finite({ model, at }: OnlineParams, outputs: Float64Array): Finding {
  const bad = outputs.reduce((n, output) => n + (Number.isFinite(output) ? 0 : 1), 0)
  return {
    kind: 'Finding',
    check: 'online.finite',
    subject: `models/${model}`,
    value: bad,
    limit: 'rows without a finite output = 0',
    n: outputs.length,
    verdict: bad === 0 ? 'pass' : 'fail',
    message: bad === 0 ? `all ${outputs.length} outputs are finite` : `${bad} outputs are not finite`,
    at,
  }
}

/** Fails only when learning on was surely worse than standing still: few rows must not hold a stream up, and the next ones judge again. */
function notWorse({ model, at, tolerance }: OnlineParams, own: Float64Array, base: Float64Array): Finding {
  const common = {
    kind: 'Finding' as const,
    check: 'online.not-worse',
    subject: `models/${model}`,
    limit: `loss difference not surely above ${tolerance}`,
    n: own.length,
    at,
  }
  if (own.length < 2 || !own.every(Number.isFinite))
    return { ...common, value: null, verdict: 'pass', message: 'too few rows to compare' }
  const { value, interval } = pairedDelta(base, own)
  return {
    ...common,
    value,
    interval,
    verdict: interval[0] > tolerance ? 'fail' : 'pass',
    message: `loss ${mean(own).toFixed(4)} on rows before they were learned from, ${mean(base).toFixed(4)} by the checkpoint before`,
  }
}
