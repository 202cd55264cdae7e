/**
 * "Train on 6, 2 and 1 months ago, test on now": the same model on windows of different age. Each window is trained once and scored on every period that
 * comes after it.
 */
import type { Json } from '../core/canonical.ts'
import { digestOf } from '../core/digest.ts'
import { assert, MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, Measured, ModelVersion, TimeWindow } from '../core/records.ts'
import type { RunProgress } from '../engine/ports.ts'
import { LEAD_OF, LOSS_OF, metricOf } from '../model/measure.ts'
import { type Decay, retainedSkill, type SkillCell, skillDecay } from '../stats/decay.ts'
import { type PeriodScore, type PeriodScores, scoreSpec } from '../train/score-periods.ts'
import { fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planBacktestSplit } from '../train/split.ts'
import { type BacktestPlan, type BacktestWindow, staleMonths } from './backtest-plan.ts'
import { withModelFile } from './model-file.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { withTrainerFiles } from './trainer-files.ts'

export interface BacktestRequest extends BacktestPlan {
  model: string
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/** One window on one period. */
export interface BacktestRow {
  label: string
  window: TimeWindow
  ageMonths: number | null
  /** Period tested on. */
  test: TimeWindow
  /** Months between the end of training and the test. */
  staleMonths: number
  rowsTrained: number
  modelVersion: Digest
  lead: Measured
  loss: Measured
  /** 0 is chance, 1 is perfect; absent where it is not defined. */
  skill?: number
  meanPredicted: number
  meanActual: number
}

export interface BacktestReport {
  kind: 'BacktestReport'
  model: string
  dataset: Digest
  tests: TimeWindow[]
  leadMetric: string
  lossMetric: string
  rows: BacktestRow[]
  /** How fast skill fades, in months; absent where no two windows of one length can be compared. */
  decay?: BacktestDecay
  lesson: string
}

/** `Decay` in months, with null for never, as JSON knows no infinity. */
export interface BacktestDecay {
  halvingsPerMonth: number
  interval: [number, number]
  halfLifeMonths: number | null
  halfLifeInterval: [number | null, number | null]
  n: number
  /** Share of the freshest models' skill that is left, by whole months between training and test. */
  curve: { months: number; share: number; interval: [number, number]; n: number }[]
}

/** Runs a backtest on the dataset's newest version. The parent alone is trained: families would tell the same story more slowly. */
export async function backtest(
  rt: Runtime,
  request: BacktestRequest,
): Promise<{ digest: Digest; report: BacktestReport }> {
  assert(
    request.windows.length > 0 && request.tests.length > 0,
    'a backtest has a window and a test at least',
  )
  const asked = { ...modelDef(rt, request.model), each: undefined }
  const model = await withModelFile(rt, await withTrainerFiles(rt, asked))
  const { time } = datasetDef(rt, model.from)
  if (!time) throw new MillraceError('MR_TRAIN_NO_TIME', {})
  const version = (await rt.store.meta.ref(refs.dataset(model.from)))?.digest
  if (!version) throw new MillraceError('MR_LOOP_NO_DATA', { dataset: model.from })
  const trained = await trainWindows(rt, request, { model, time, version })
  const tested = trained.flatMap(({ scores, ...of }, i) =>
    scores.periods.map((score) => ({ row: rowOf(request.windows[i], of, score), score })),
  )
  const rows = tested.map(({ row }) => row)
  const { task } = trained[0].version
  const report: BacktestReport = {
    kind: 'BacktestReport',
    model: model.name,
    dataset: version,
    tests: request.tests,
    leadMetric: LEAD_OF[task],
    lossMetric: LOSS_OF[task],
    rows,
    decay: decayOf(tested, request.tests),
    lesson: '',
  }
  report.lesson = lessonOf(report)
  return { digest: await recordBacktest(rt, report, request.actor), report }
}

/** Periods that a window is tested on: those that begin when it is over, or later. */
function testsOf({ window }: BacktestWindow, tests: readonly TimeWindow[]): TimeWindow[] {
  return tests.filter((test) => test.fromAt >= window.toAt)
}

interface TrainedWindow {
  digest: Digest
  version: ModelVersion
  scores: PeriodScores
}

/** Prepares, trains and scores every window; each step is a run that is never done twice. */
async function trainWindows(
  rt: Runtime,
  { windows, tests, signal, onProgress }: BacktestRequest,
  { model, time, version }: { model: ReturnType<typeof modelDef>; time: string; version: Digest },
): Promise<TrainedWindow[]> {
  const finished = new Set<Digest>()
  const options = (note: string) => ({
    signal,
    onProgress: ({ spec, done }: RunProgress) => {
      if (done >= 1) finished.add(spec)
      onProgress?.(finished.size / (3 * windows.length), note)
    },
  })
  const dataset = datasetDef(rt, model.from)
  const prepared = await rt.jobs.run(
    windows.map((w) => {
      const later = testsOf(w, tests)
      assert(later.length > 0, 'each window is over before some test begins')
      const test = { fromAt: later[0].fromAt, toAt: later[later.length - 1].toAt }
      return prepareSpec(model, dataset, version, planBacktestSplit(time, w.window, test))
    }),
    options('preparing windows'),
  )
  const outputs = prepared.map((run) => run.record.outputs as unknown as Prepared)
  const fitted = await rt.jobs.run(
    outputs.map((p) => fitSpec(model, version, p, undefined, { untested: true })),
    options('training windows'),
  )
  const digests = fitted.map((run) => run.record.outputs.model)
  const scored = await rt.jobs.run(
    outputs.map((p, i) => scoreSpec(digests[i], p, time, testsOf(windows[i], tests))),
    options('testing windows'),
  )
  return await Promise.all(
    digests.map(async (digest, i) => ({
      digest,
      version: await rt.store.getRecord<ModelVersion>(digest, 'ModelVersion'),
      scores: await rt.store.getRecord<PeriodScores>(scored[i].record.outputs.scores, 'PeriodScores'),
    })),
  )
}

function rowOf(
  { label, window, ageMonths }: BacktestWindow,
  { digest, version }: Pick<TrainedWindow, 'digest' | 'version'>,
  { period, lead, loss, skill, meanPredicted, meanActual }: PeriodScore,
): BacktestRow {
  return {
    label,
    window,
    ageMonths,
    test: period,
    staleMonths: staleMonths(window, period),
    rowsTrained: version.trainedOn.rows,
    modelVersion: digest,
    lead,
    loss,
    skill,
    meanPredicted,
    meanActual,
  }
}

/** Only windows of about one length are compared: a longer one is better for another reason than its age. */
function decayOf(
  tested: readonly { row: BacktestRow; score: PeriodScore }[],
  tests: readonly TimeWindow[],
): BacktestDecay | undefined {
  const lengthOf = ({ window }: BacktestRow) => window.toAt - window.fromAt
  const lengths = tested.map(({ row }) => lengthOf(row)).sort((a, b) => a - b)
  const usual = lengths[Math.floor(lengths.length / 2)]
  const cells = tested.flatMap(({ row, score }): SkillCell[] =>
    score.skill !== undefined && Math.abs(lengthOf(row) / usual - 1) < 0.25
      ? [
          {
            period: tests.findIndex((test) => test.fromAt === row.test.fromAt),
            age: row.staleMonths,
            skill: score.skill,
            without: score.skillWithout!,
          },
        ]
      : [],
  )
  const decay = cells.length > 1 ? skillDecay(cells) : undefined
  if (!decay) return undefined
  const curve = retainedSkill(cells, Math.round).map(({ age, ...rest }) => ({ months: age, ...rest }))
  return { ...inMonths(decay), curve }
}

function inMonths({
  rate,
  interval,
  halfLife,
  halfLifeInterval: [low, high],
  n,
}: Decay): Omit<BacktestDecay, 'curve'> {
  const orNever = (months: number) => (Number.isFinite(months) ? months : null)
  return {
    halvingsPerMonth: rate,
    interval,
    halfLifeMonths: orNever(halfLife),
    halfLifeInterval: [orNever(low), orNever(high)],
    n,
  }
}

/** What the tables say, whichever way they came out. */
export function lessonOf({
  rows,
  leadMetric,
  decay,
}: Pick<BacktestReport, 'rows' | 'leadMetric' | 'decay'>): string {
  const newest = rows.reduce((at, { test }) => Math.max(at, test.fromAt), Number.NEGATIVE_INFINITY)
  const sentences = periodLesson(
    rows.filter(({ test }) => test.fromAt === newest),
    leadMetric,
  )
  return [...sentences, ...(decay ? [decayLesson(decay)] : [])].join(' ')
}

/** `Half the skill is gone after 7 months (4 to 20).` */
export function decayLesson({
  halfLifeMonths,
  halfLifeInterval: [low, high],
  interval,
}: Omit<BacktestDecay, 'curve'>): string {
  const told = (months: number | null) => (months === null ? 'never' : `${+months.toPrecision(2)}`)
  if (interval[0] <= 0 && interval[1] >= 0)
    return `No decay with age can be told from chance: half the skill would be gone after ${told(low)} months at the earliest.`
  if (halfLifeMonths === null)
    return 'Older windows did better than newer ones: age is not what costs skill here.'
  return `Half the skill is gone after ${told(halfLifeMonths)} months (95 % interval ${told(low)} to ${told(high)}).`
}

/** What a metric that leads is a measure of, in a word. */
const QUALITIES: Record<string, string> = { auc: 'ranking', accuracy: 'accuracy', ndcg: 'order' }

/** One period's table. `metric` is what leads: of an error the smallest is best. */
function periodLesson(rows: BacktestRow[], metric: string): string[] {
  const { higherIsBetter } = metricOf(metric)
  /** How much better a is than b. */
  const gain = (a: BacktestRow, b: BacktestRow) => (a.lead.value - b.lead.value) * (higherIsBetter ? 1 : -1)
  const told = ({ lead }: BacktestRow) =>
    higherIsBetter ? lead.value.toFixed(3) : `${+lead.value.toPrecision(3)}`
  const best = rows.reduce((a, b) => (gain(b, a) > 0 ? b : a))
  const sentences = [`Best ${QUALITIES[metric] ?? 'error'}: ${best.label} (${told(best)}).`]
  const single = rows
    .filter((r) => r.ageMonths !== null)
    .sort((a, b) => (a.ageMonths as number) - (b.ageMonths as number))
  if (single.length >= 2) sentences.push(...freshnessOf(rows, single, gain, told, metric))
  return sentences
}

function freshnessOf(
  rows: BacktestRow[],
  single: BacktestRow[],
  gain: (a: BacktestRow, b: BacktestRow) => number,
  told: (row: BacktestRow) => string,
  metric: string,
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
  if (meanPredicted === 0 && meanActual === 0) return sentences
  const calibrated = Math.abs(meanPredicted - meanActual) <= 0.1 * Math.max(Math.abs(meanActual), 1e-9)
  sentences.push(
    (metric === 'accuracy' ? surenessLesson : levelLesson)(meanPredicted, meanActual, calibrated),
  )
  return sentences
}

function levelLesson(predicted: number, actual: number, calibrated: boolean): string {
  const verdict = calibrated
    ? 'well calibrated'
    : 'miscalibrated, because its own level was not the level of what came next'
  return `The freshest window predicts ${predicted.toFixed(3)} on average where ${actual.toFixed(3)} happened: ${verdict}.`
}

/** Of several classes: how sure of the likeliest one, and how often it was that. */
function surenessLesson(sure: number, right: number, calibrated: boolean): string {
  const verdict = calibrated ? 'well calibrated' : sure > right ? 'too sure' : 'not sure enough'
  return `The freshest window is sure of ${sure.toFixed(3)} on average and right in ${right.toFixed(3)}: ${verdict}.`
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
      data: { report: digest, spec: digestOf([...new Set(report.rows.map((r) => r.modelVersion))]) } as Json,
    },
  })
  return digest
}
