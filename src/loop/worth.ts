/** What training rows are worth: models for answers out of sample, one a fold, then one judgement of all rows. Each is a run that is never done twice. */
import { MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, RunSpec } from '../core/records.ts'
import type { DatasetDef, ModelDef } from '../define/types.ts'
import { KNN_SHAPLEY_K } from '../stats/knn-shapley.ts'
import { asJson, fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planCrossSplits, planSplit, type SplitPlan } from '../train/split.ts'
import type { WorthReport } from '../train/worth/report.ts'
import { worthSpec } from '../train/worth/specs.ts'
import { withModelFile } from './model-file.ts'
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
  k: number
  source?: string
}

export const WORTH_FOLDS = 5

/** Pure. A family is judged as one model, since a row of a member also teaches the parent. */
export function planWorth(
  model: ModelDef,
  dataset: DatasetDef,
  { version, split }: { version: Digest; split: SplitPlan },
  { folds = WORTH_FOLDS, k = KNN_SHAPLEY_K, source }: Pick<WorthRequest, 'folds' | 'k' | 'source'> = {},
): WorthPlan {
  const alone = { ...model, each: undefined }
  return { model: alone, dataset, version, split, folds: planCrossSplits(split, folds), k, source }
}

/** Errors: MR_LOOP_UNKNOWN for a source that the dataset has not, MR_LOOP_NO_DATA, and those of reading a trainer's files. */
export async function worthPlanOf(
  rt: Runtime,
  request: Pick<WorthRequest, 'model' | 'version' | 'folds' | 'k' | 'source'>,
): Promise<WorthPlan> {
  const asked = modelDef(rt, request.model)
  const dataset = datasetDef(rt, asked.from)
  const { digest, version } = await dataFor(rt, asked, request.version)
  checkSource(request.source, version.schema.columns)
  const chosen = asked.search && (await chosenParams(rt, asked))
  const model = await withModelFile(
    rt,
    await withTrainerFiles(rt, chosen ? { ...asked, trainer: chosen.trainer } : asked),
  )
  const split = planSplit(model.split, dataset.time, historyOf(model, version, dataset.time))
  return planWorth(model, dataset, { version: digest, split }, request)
}

function checkSource(source: string | undefined, columns: readonly { name: string }[]): void {
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

/** Prepares and fits each fold and judges the rows; decides nothing. Errors: MR_TRAIN_WORTH_TASK, MR_TRAIN_WORTH_SOURCES, and those of training. */
export async function runWorth(
  { jobs }: Pick<Runtime, 'jobs'>,
  plan: WorthPlan,
  { signal, onProgress }: Pick<WorthRequest, 'signal' | 'onProgress'> = {},
): Promise<WorthOutcome> {
  const { model, dataset, version } = plan
  const run = async (specs: RunSpec[], from: number, to: number) => {
    const shares = new Map<Digest, number>()
    return await jobs.run(specs, {
      signal,
      onProgress: ({ spec, done, note }) => {
        shares.set(spec, done)
        const share = [...shares.values()].reduce((sum, x) => sum + x, 0) / specs.length
        onProgress?.({ done: from + (to - from) * share, note })
      },
    })
  }
  const prepares = [plan.split, ...plan.folds].map((split) => prepareSpec(model, dataset, version, split))
  const [whole, ...folds] = (await run(prepares, 0, PREPARED)).map(
    ({ record }) => record.outputs as unknown as Prepared,
  )
  const fits = await run(
    folds.map((prepared) => fitSpec(model, version, prepared)),
    PREPARED,
    FITTED,
  )
  const judged = folds.map((prepared, i) => ({ prepared, model: fits[i].record.outputs.model }))
  const [{ record, cached }] = await run([worthSpec(plan, whole, judged)], FITTED, 1)
  return { report: record.outputs.report, known: cached }
}

/** Makes the report the newest of its model, with an event, unless it is that already. */
export async function recordWorth(
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
  { model }: WorthPlan,
  { report }: WorthOutcome,
  { actor, reason }: Pick<WorthRequest, 'actor' | 'reason'>,
): Promise<void> {
  const name = refs.worth(model.name)
  if ((await store.meta.ref(name))?.digest === report) return
  const found = await store.getRecord<WorthReport>(report, 'WorthReport')
  await store.meta.commit({
    moves: [{ name, to: report }],
    event: {
      type: 'worth.finished',
      subject: subjects.model(model.name),
      actor,
      reason: `${sentenceOf(found)}: ${reason}`,
      data: asJson({
        report,
        findings: found.findings,
        dataset: found.dataset,
        issues: found.labels.issues,
        at: clock.now(),
      }),
    },
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
