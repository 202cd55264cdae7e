/** What training rows are worth: models for answers out of sample, one a fold, then one judgement of all rows. Each is a run that is never done twice. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { Digest, Part, TimeWindow } from '../core/records.ts'
import type { DatasetDef, ModelDef } from '../define/types.ts'
import type { PreparedPlan } from '../model/matrix.ts'
import { KNN_SHAPLEY_K } from '../stats/knn-shapley.ts'
import { asJson, fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planCrossSplits, planPeriodSplits, planSplit, type SplitPlan } from '../train/split.ts'
import type { WorthReport } from '../train/worth/report.ts'
import { type WorthSpace, worthSpec } from '../train/worth/specs.ts'
import { withModelFile } from './model-file.ts'
import { makeNewest } from './newest-report.ts'
import { type StageOptions, stagesOf } from './run-stages.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { chosenParams } from './search.ts'
import { withTrainerFiles } from './trainer-files.ts'
import { dataFor, historyOf } from './training-data.ts'

export interface WorthRequest {
  model: string
  /** Default: the dataset's newest version. */
  version?: Digest
  /** Parts of the rows, each judged by a model that learned from the others. Default: 5. */
  folds?: number
  /** Neighbours that vote on what a row is worth. Default: 10. */
  k?: number
  /** Column that says where a row is from; each of its values is judged as a whole. */
  source?: string
  /** What rows are compared by: the model's features when left out. */
  space?: WorthSpace
  /** Folds are periods of time, or spread over the rows. Default: periods where the model is tested by time. */
  foldsBy?: 'time' | 'spread'
  reason: string
  actor: string
  signal?: AbortSignal
  onProgress?: (progress: WorthProgress) => void
}

export interface WorthProgress {
  /** 0 to 1. */
  done: number
  note: string
}

/** All that judging rows does, before it is done. */
export interface WorthPlan {
  model: ModelDef
  dataset: DatasetDef
  version: Digest
  /** How the model itself is trained; rows of its training part are judged by its validation part. */
  split: SplitPlan
  /** One a fold. */
  folds: SplitPlan[]
  /** Instants at which folds after the first begin, where they are periods. */
  borders?: number[]
  k: number
  source?: string
  space?: WorthSpace
}

export const WORTH_FOLDS = 5
/** Fits of members that judging rows may take: of a family with more, all rows are answered by the parents. */
export const WORTH_MEMBER_FITS_MAX = 1_000

/** Pure. Rows of a family are answered by the members that have a model of their own; neighbours are of the whole family, since a row of a member also teaches the parent. */
export function planWorth(
  model: ModelDef,
  dataset: DatasetDef,
  { version, split, parts = [] }: { version: Digest; split: SplitPlan; parts?: readonly Part[] },
  {
    folds = WORTH_FOLDS,
    k = KNN_SHAPLEY_K,
    source,
    space,
    foldsBy,
  }: Pick<WorthRequest, 'folds' | 'k' | 'source' | 'space' | 'foldsBy'> = {},
): WorthPlan {
  const { time, train } = split
  const byTime = (foldsBy ?? 'time') === 'time' && time !== undefined && train !== null
  const borders = byTime ? evenBorders(parts, time, train, folds) : undefined
  return {
    model,
    dataset,
    version,
    split,
    folds: borders ? planPeriodSplits(split, borders) : planCrossSplits(split, folds),
    ...(borders && { borders }),
    k,
    source,
    space,
  }
}

/** Instants that divide a window into periods of about as many rows, as far as parts and their ends tell; each part's rows are taken as spread evenly over its time. */
function evenBorders(
  parts: readonly Part[],
  time: string,
  { fromAt, toAt }: TimeWindow,
  folds: number,
): number[] {
  const spans = parts.flatMap(({ stats, rows }) => {
    const { min, max } = stats[time] ?? {}
    return typeof min === 'number' && typeof max === 'number' ? [{ min, max: max + 1, rows }] : []
  })
  const below = (at: number) =>
    spans.reduce(
      (sum, { min, max, rows }) => sum + rows * Math.max(0, Math.min(1, (at - min) / (max - min))),
      0,
    )
  const [first, all] = [below(fromAt), below(toAt)]
  return Array.from({ length: folds - 1 }, (_, k) => {
    const share = (k + 1) / folds
    if (!(all > first)) return Math.floor(fromAt + (toAt - fromAt) * share)
    let [low, high] = [fromAt, toAt]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (below(middle) - first < share * (all - first)) low = middle
      else high = middle
    }
    return high
  })
}

/** Errors: MR_LOOP_UNKNOWN for a source that the dataset has not, MR_LOOP_NO_DATA, and those of reading a trainer's files. */
export async function worthPlanOf(
  rt: Runtime,
  request: Pick<WorthRequest, 'model' | 'version' | 'folds' | 'k' | 'source' | 'space' | 'foldsBy'>,
): Promise<WorthPlan> {
  const asked = modelDef(rt, request.model)
  // Said before anything is fitted; a task that only the data tell is refused by the run.
  if (asked.task === 'ranking')
    throw new MillraceError('MR_TRAIN_WORTH_TASK', { model: asked.name, task: asked.task })
  const dataset = datasetDef(rt, asked.from)
  const { digest, version } = await dataFor(rt, asked, request.version)
  checkColumn(request.source, version.schema.columns)
  checkColumn(request.space?.kind === 'column' ? request.space.column : undefined, version.schema.columns)
  const chosen = asked.search && (await chosenParams(rt, asked))
  const model = await withModelFile(
    rt,
    await withTrainerFiles(rt, chosen ? { ...asked, trainer: chosen.trainer } : asked),
  )
  const split = planSplit(model.split, dataset.time, historyOf(model, version, dataset.time))
  return planWorth(model, dataset, { version: digest, split, parts: version.parts }, request)
}

function checkColumn(source: string | undefined, columns: readonly { name: string }[]): void {
  const known = columns.map(({ name }) => name)
  if (source !== undefined && !known.includes(source))
    throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'column', name: source, known })
}

export interface WorthOutcome {
  /** Digest of the WorthReport. */
  report: Digest
  /** True when nothing had to be done. */
  known: boolean
}

/** Shares of the whole that preparing and fitting take, roughly. */
const PREPARED = 0.2
const FITTED = 0.6
const PARENTS_FITTED = 0.4

/** Prepares and fits each fold and judges the rows; decides nothing. Errors: MR_TRAIN_WORTH_TASK, MR_TRAIN_WORTH_SOURCES, and those of training. */
export async function runWorth(
  { jobs, store }: Pick<Runtime, 'jobs' | 'store'>,
  plan: WorthPlan,
  options: StageOptions = {},
): Promise<WorthOutcome> {
  const { model, dataset, version } = plan
  const run = stagesOf({ jobs }, options)
  const prepares = [plan.split, ...plan.folds].map((split) => prepareSpec(model, dataset, version, split))
  const [whole, ...folds] = (await run(prepares, 0, PREPARED)).map(
    ({ record }) => record.outputs as unknown as Prepared,
  )
  const fits = await run(
    folds.map((prepared) => fitSpec(model, version, prepared)),
    PREPARED,
    model.each ? PARENTS_FITTED : FITTED,
  )
  const parents = fits.map(({ record }) => record.outputs)
  const wanted = await membersOf(store, folds)
  const fitted = wanted.length <= WORTH_MEMBER_FITS_MAX ? wanted : []
  const members = await run(
    fitted.map(({ key, fold }) =>
      fitSpec(model, version, folds[fold], {
        key,
        parent: parents[fold].model,
        scores: parents[fold].scores,
      }),
    ),
    PARENTS_FITTED,
    FITTED,
  )
  const judged = folds.map((prepared, i) => ({
    prepared,
    model: parents[i].model,
    members: Object.fromEntries(
      fitted.flatMap(({ key, fold }, at) => (fold === i ? [[key, members[at].record.outputs.model]] : [])),
    ),
  }))
  const left = fitted.length < wanted.length ? new Set(wanted.map(({ key }) => key)).size : 0
  const [{ record, cached }] = await run([worthSpec(plan, whole, judged, left)], FITTED, 1)
  return { report: record.outputs.report, known: cached }
}

/** Members that have rows enough for a model of their own, in each fold. */
async function membersOf(
  store: Runtime['store'],
  folds: readonly Prepared[],
): Promise<{ key: string; fold: number }[]> {
  const plans = await Promise.all(
    folds.map(({ plan }) => store.getRecord<PreparedPlan>(plan, 'PreparedPlan')),
  )
  return plans.flatMap(({ members }, fold) => members.map(({ key }) => ({ key, fold })))
}

/** Makes the report the newest of its model, with an event, unless it is that already. */
export async function recordWorth(
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
  { model: { name: model } }: WorthPlan,
  { report }: WorthOutcome,
  { actor, reason }: Pick<WorthRequest, 'actor' | 'reason'>,
): Promise<void> {
  const newest = { name: refs.worth(model), report, model, type: 'worth.finished', actor }
  await makeNewest({ store }, newest, async () => {
    const found = await store.getRecord<WorthReport>(report, 'WorthReport')
    const { findings, dataset, labels } = found
    return {
      reason: `${sentenceOf(found)}: ${reason}`,
      data: asJson({ report, findings, dataset, issues: labels.issues, at: clock.now() }),
    }
  })
}

/** What was found, in one sentence. */
function sentenceOf({ rows, labels, duplicates, outliers }: WorthReport): string {
  return `${rows} rows judged, ${labels.issues} labels probably wrong, ${duplicates.near.rows} copies, ${outliers.rows} outliers`
}

/** Plans, runs and records. Errors: as `worthPlanOf` and `runWorth`. */
export async function worthOfRows(
  rt: Runtime,
  request: WorthRequest,
): Promise<WorthOutcome & { found: WorthReport }> {
  const plan = await worthPlanOf(rt, request)
  const outcome = await runWorth(rt, plan, request)
  await recordWorth(rt, plan, outcome, request)
  return { ...outcome, found: await rt.store.getRecord<WorthReport>(outcome.report, 'WorthReport') }
}
