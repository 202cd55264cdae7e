/** Which training rows are unlike the newest: prepared as the model is, judged once, and kept as its newest report. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { type LikenessReport, likenessSpec } from '../train/likeness/task.ts'
import { asJson, type Prepared, type PrepareParams, prepareSpec } from '../train/specs.ts'
import { planPool, planSplit } from '../train/split.ts'
import { makeNewest } from './newest-report.ts'
import { stagesOf } from './run-stages.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { dataFor, historyOf } from './training-data.ts'

export interface LikenessRequest {
  model: string
  /** Default: the dataset's newest version. */
  version?: Digest
  reason: string
  actor: string
  signal?: AbortSignal
  onProgress?: (progress: { done: number; note: string }) => void
}

/** Share of the whole that preparing takes, roughly. */
const PREPARED = 0.4

/** Judges how like the newest rows each training row is. Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA, MR_TRAIN_WORTH_TASK for models that rank, and those of preparing. */
export async function likenessOfRows(
  rt: Runtime,
  request: LikenessRequest,
): Promise<{ found: LikenessReport; report: Digest; known: boolean }> {
  const asked = modelDef(rt, request.model)
  if (asked.task === 'ranking')
    throw new MillraceError('MR_TRAIN_WORTH_TASK', { model: asked.name, task: asked.task })
  const model = { ...asked, each: undefined }
  const dataset = datasetDef(rt, model.from)
  const { digest, version } = await dataFor(rt, model, request.version)
  const split = planSplit(model.split, dataset.time, historyOf(model, version, dataset.time))
  const run = stagesOf(rt, request)
  const [prepared] = await run([prepareSpec(model, dataset, digest, split)], 0, PREPARED)
  const pool = prepareSpec(model, dataset, digest, planPool(split)).params as unknown as PrepareParams
  const spec = likenessSpec(digest, prepared!.record.outputs as unknown as Prepared, {
    pool,
    key: dataset.key,
  })
  const [judged] = await run([spec], PREPARED, 1)
  const { record, cached } = judged!
  const report = record.outputs.report!
  const found = await rt.store.getRecord<LikenessReport>(report, 'LikenessReport')
  await recordLikeness(rt, found, report, request)
  return { found, report, known: cached }
}

async function recordLikeness(
  rt: Pick<Runtime, 'store'>,
  { model, sentence, findings, dataset, stale }: LikenessReport,
  report: Digest,
  { actor, reason }: LikenessRequest,
): Promise<void> {
  const newest = { name: refs.likeness(model), report, model, type: 'likeness.finished', actor }
  await makeNewest(rt, newest, () => ({
    reason: `${sentence}: ${reason}`,
    data: asJson({ report, findings, dataset, stale }),
  }))
}
