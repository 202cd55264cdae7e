/** "Train on 5, 2 and 1 months ago, test on now": the same model on windows of different age, each trained once. */
import type { Json } from '../core/canonical.ts'
import { digestOf } from '../core/digest.ts'
import { assert, MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, Measured, ModelVersion, TimeWindow } from '../core/records.ts'
import type { RunProgress } from '../engine/ports.ts'
import { LEAD_OF, LOSS_OF, metricOf } from '../model/measure.ts'
import { fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planBacktestSplit } from '../train/split.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'

export interface BacktestRequest {
  model: string
  test: TimeWindow
  /** Windows to train on, with a label each. */
  windows: { label: string; window: TimeWindow; ageMonths: number | null }[]
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface BacktestRow {
  label: string
  window: TimeWindow
  ageMonths: number | null
  rowsTrained: number
  modelVersion: Digest
  lead: Measured
  loss: Measured
  meanPredicted: number
  meanActual: number
}

export interface BacktestReport {
  kind: 'BacktestReport'
  model: string
  dataset: Digest
  test: TimeWindow
  leadMetric: string
  lossMetric: string
  rows: BacktestRow[]
  lesson: string
}

/** Runs a backtest on the dataset's newest version. The parent alone is trained: families would tell the same story more slowly. */
export async function backtest(
  rt: Runtime,
  request: BacktestRequest,
): Promise<{ digest: Digest; report: BacktestReport }> {
  assert(request.windows.length > 0, 'a backtest trains on one window at least')
  const model = { ...modelDef(rt, request.model), each: undefined }
  const dataset = datasetDef(rt, model.from)
  if (!dataset.time) throw new MillraceError('MR_TRAIN_NO_TIME', {})
  const version = (await rt.store.meta.ref(refs.dataset(dataset.name)))?.digest
  if (!version) throw new MillraceError('MR_LOOP_NO_DATA', { dataset: dataset.name })
  const splits = request.windows.map(({ window }) =>
    planBacktestSplit(dataset.time as string, window, request.test),
  )
  const finished = new Set<Digest>()
  const options = (note: string) => ({
    signal: request.signal,
    onProgress: ({ spec, done }: RunProgress) => {
      if (done >= 1) finished.add(spec)
      request.onProgress?.(finished.size / (2 * splits.length), note)
    },
  })
  const prepared = await rt.jobs.run(
    splits.map((split) => prepareSpec(model, dataset, version, split)),
    options('preparing windows'),
  )
  const fitted = await rt.jobs.run(
    prepared.map((run) => fitSpec(model, version, run.record.outputs as unknown as Prepared)),
    options('training windows'),
  )
  const rows: BacktestRow[] = []
  for (const [i, { label, window, ageMonths }] of request.windows.entries()) {
    const digest = fitted[i].record.outputs.model
    const { card, trainedOn, task } = await rt.store.getRecord<ModelVersion>(digest, 'ModelVersion')
    const n = card.calibration.reduce((sum, row) => sum + row.n, 0)
    const mean = (pick: 'meanPredicted' | 'meanActual') =>
      card.calibration.reduce((sum, row) => sum + row[pick] * row.n, 0) / Math.max(n, 1)
    rows.push({
      label,
      window,
      ageMonths,
      rowsTrained: trainedOn.rows,
      modelVersion: digest,
      lead: card.metrics[LEAD_OF[task]],
      loss: card.metrics[LOSS_OF[task]],
      meanPredicted: mean('meanPredicted'),
      meanActual: mean('meanActual'),
    })
  }
  const { task } = await rt.store.getRecord<ModelVersion>(rows[0].modelVersion, 'ModelVersion')
  const report: BacktestReport = {
    kind: 'BacktestReport',
    model: model.name,
    dataset: version,
    test: request.test,
    leadMetric: LEAD_OF[task],
    lossMetric: LOSS_OF[task],
    rows,
    lesson: lessonOf(rows, LEAD_OF[task]),
  }
  return { digest: await recordBacktest(rt, report, request.actor), report }
}

/** What the table says, whichever way it came out. `metric` is what leads: of an error the smallest is best. */
export function lessonOf(rows: BacktestRow[], metric = 'auc'): string {
  const { higherIsBetter } = metricOf(metric)
  /** How much better a is than b. */
  const gain = (a: BacktestRow, b: BacktestRow) => (a.lead.value - b.lead.value) * (higherIsBetter ? 1 : -1)
  const told = ({ lead }: BacktestRow) =>
    metric === 'auc' ? lead.value.toFixed(3) : `${+lead.value.toPrecision(3)}`
  const best = rows.reduce((a, b) => (gain(b, a) > 0 ? b : a))
  const sentences = [`Best ${higherIsBetter ? 'ranking' : 'error'}: ${best.label} (${told(best)}).`]
  const single = rows
    .filter((r) => r.ageMonths !== null)
    .sort((a, b) => (a.ageMonths as number) - (b.ageMonths as number))
  if (single.length >= 2) sentences.push(...freshnessOf(rows, single, gain, told))
  return sentences.join(' ')
}

function freshnessOf(
  rows: BacktestRow[],
  single: BacktestRow[],
  gain: (a: BacktestRow, b: BacktestRow) => number,
  told: (row: BacktestRow) => string,
): string[] {
  const [freshest, oldest] = [single[0], single[single.length - 1]]
  const verb = gain(freshest, oldest) > 0 ? 'do better' : 'do not do better'
  const sentences = [
    `Fresh data ${verb} than old: ${freshest.label} ${told(freshest)}, ${oldest.label} ${told(oldest)}.`,
  ]
  const widest = rows.reduce((a, b) => (b.rowsTrained > a.rowsTrained ? b : a))
  if (widest !== freshest) {
    const beat = gain(widest, freshest) > 0 ? 'beat' : 'did not beat'
    sentences.push(`More data ${beat} fresher data here: ${widest.label} ${told(widest)}.`)
  }
  const { meanPredicted, meanActual } = freshest
  const calibrated = Math.abs(meanPredicted - meanActual) <= 0.1 * Math.max(Math.abs(meanActual), 1e-9)
  sentences.push(
    `The freshest window predicts ${meanPredicted.toFixed(3)} on average where ${meanActual.toFixed(3)} happened: ${calibrated ? 'well calibrated' : 'miscalibrated, because its own level was not the level of what came next'}.`,
  )
  return sentences
}

async function recordBacktest(rt: Runtime, report: BacktestReport, actor: string): Promise<Digest> {
  const digest = await rt.store.putRecord(report)
  const ref = await rt.store.meta.ref(refs.backtest(report.model))
  if (ref?.digest === digest) return digest
  await rt.store.meta.commit({
    moves: [{ name: refs.backtest(report.model), to: digest }],
    event: {
      type: 'backtest.finished',
      subject: subjects.model(report.model),
      actor,
      reason: report.lesson,
      data: { report: digest, spec: digestOf(report.rows.map((r) => r.modelVersion)) } as Json,
    },
  })
  return digest
}
