/** Whether training rows are poisoned: one layer of a trained model read for each of them, and classes judged one by one. A run that is never done twice. */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { refs } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import type { PoisonReport } from '../train/poison/report.ts'
import { type PoisonAsked, poisonSpec } from '../train/poison/specs.ts'
import { asJson, type Prepared, prepareSpec } from '../train/specs.ts'
import { planSplit } from '../train/split.ts'
import { locate } from './explain-opened.ts'
import { makeNewest } from './newest-report.ts'
import { type StageOptions, stagesOf } from './run-stages.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { dataFor, historyOf } from './training-data.ts'

export interface PoisonRequest {
  model: string
  /** Tensor of an ONNX network, or the number of a hidden layer from 1. Default: the last before the answer. */
  layer?: string
  /** Chance that any clean class is called poisoned. Default: 0.05. */
  alpha?: number
  /** Steps of the search for what turns other rows into a class, for each class; 0 for none. Default: 150. */
  triggerSteps?: number
  reason: string
  actor: string
  signal?: AbortSignal
  onProgress?: (progress: PoisonProgress) => void
}

export interface PoisonProgress {
  /** 0 to 1. */
  done: number
  note: string
}

/** All that looking for poison does, before it is done. */
export type PoisonPlan = PoisonAsked

export const POISON_ALPHA = 0.05
export const TRIGGER_STEPS = 150

/** The version that answers now, else the latest, and the rows that taught it. Errors: MR_LOOP_NO_RELEASE for a model without a version, MR_LOOP_UNKNOWN. */
export async function poisonPlanOf(
  rt: Runtime,
  request: Pick<PoisonRequest, 'model' | 'layer' | 'alpha' | 'triggerSteps'>,
): Promise<PoisonPlan> {
  const { layer, alpha = POISON_ALPHA, triggerSteps = TRIGGER_STEPS } = request
  const asked = modelDef(rt, request.model)
  if (!(alpha > 0 && alpha < 1))
    throw new MillraceError('MR_STATS_RANGE', { what: 'alpha', need: 'between 0 and 1', got: alpha })
  const dataset = datasetDef(rt, asked.from)
  const found = await locate(rt, { model: asked.name })
  const { digest, version } = await dataFor(rt, asked, found.version.trainedOn.version)
  // Rows of a member teach its parent too, so that a family is looked at as one model.
  const model = { ...asked, each: undefined }
  const split = planSplit(model.split, dataset.time, historyOf(model, version, dataset.time))
  return { model, dataset, version: digest, modelVersion: found.digest, split, layer, alpha, triggerSteps }
}

export interface PoisonOutcome {
  /** Digest of the PoisonReport. */
  report: Digest
  /** True when nothing had to be done. */
  known: boolean
}

/** Share of the whole that preparing takes, roughly. */
const PREPARED = 0.2

/** Prepares the rows, as training has done already, and judges them; decides nothing. Errors: MR_TRAIN_POISON_TASK, MR_TRAIN_POISON_LAYER, MR_TRAIN_POISON_FEATURES. */
export async function runPoison(
  { jobs }: Pick<Runtime, 'jobs'>,
  plan: PoisonPlan,
  options: StageOptions = {},
): Promise<PoisonOutcome> {
  const run = stagesOf({ jobs }, options)
  const { model, dataset, version, split } = plan
  const [{ record: prepared }] = await run([prepareSpec(model, dataset, version, split)], 0, PREPARED)
  const spec = poisonSpec(plan, prepared.outputs as unknown as Prepared)
  const [{ record, cached }] = await run([spec], PREPARED, 1)
  return { report: record.outputs.report, known: cached }
}

/** Makes the report the newest of its model, with an event, unless it is that already. */
export async function recordPoison(
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
  { model: { name: model } }: PoisonPlan,
  { report }: PoisonOutcome,
  { actor, reason }: Pick<PoisonRequest, 'actor' | 'reason'>,
): Promise<void> {
  const newest = { name: refs.poison(model), report, model, type: 'poison.finished', actor }
  await makeNewest({ store }, newest, async () => {
    const found = await store.getRecord<PoisonReport>(report, 'PoisonReport')
    const { findings, dataset, version, poisoned } = found
    const classes = poisonedClasses(found)
    return {
      reason: `${sentenceOf(found)}: ${reason}`,
      data: asJson({ report, findings, dataset, version, poisoned, classes, at: clock.now() }),
    }
  })
}

function poisonedClasses({ classes }: PoisonReport): string[] {
  return classes.filter(({ verdict }) => verdict === 'poisoned').map(({ label }) => label)
}

/** What was found, in one sentence. */
export function sentenceOf(found: PoisonReport): string {
  const classes = poisonedClasses(found)
  return classes.length === 0
    ? `no class of ${found.classes.length} is poisoned`
    : `${grouped(found.poisoned)} of ${grouped(found.rows)} rows are poison, in class ${classes.join(', ')}`
}

/** Plans, runs and records. Errors: as `poisonPlanOf` and `runPoison`. */
export async function lookForPoison(
  rt: Runtime,
  request: PoisonRequest,
): Promise<PoisonOutcome & { found: PoisonReport }> {
  const plan = await poisonPlanOf(rt, request)
  const outcome = await runPoison(rt, plan, request)
  await recordPoison(rt, plan, outcome, request)
  return { ...outcome, found: await rt.store.getRecord<PoisonReport>(outcome.report, 'PoisonReport') }
}
