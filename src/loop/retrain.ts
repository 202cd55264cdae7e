/** The policy, carried out: what the rules ask for, trained, gated and released. */
import { refs } from '../core/names.ts'
import type { ModelBundle } from '../core/records.ts'
import { currentRelease } from '../release/record.ts'
import { openAlerts } from '../watch/record.ts'
import { importData } from './data.ts'
import { planRetrain, type RetrainState } from './policy.ts'
import { type ReleaseResult, releaseLatest } from './release.ts'
import { modelDef, type Runtime } from './runtime.ts'
import { type Trained, type TrainProgress, trainModel } from './train.ts'

/** What the policy looks at. */
export async function retrainState(rt: Runtime, model: string): Promise<RetrainState> {
  const latest = await rt.store.meta.ref(refs.latest(model))
  const bundle = latest && (await rt.store.getRecord<ModelBundle>(latest.digest, 'ModelBundle'))
  return {
    alerts: (await openAlerts(rt.store, model)).map((open) => open.alert),
    release: (await currentRelease(rt.store, model))?.release,
    trainedAt: bundle?.createdAt,
  }
}

export interface RetrainOptions {
  signal?: AbortSignal
  onProgress?: (progress: TrainProgress) => void
}

export interface Retrained {
  why: string
  trained: Trained
  /** Absent when the gates stayed closed. */
  release?: ReleaseResult
}

/** Trains again if the policy says so: newest deliveries first, then train, gate and release. Undefined when nothing is due. */
export async function retrainIfDue(
  rt: Runtime,
  name: string,
  options: RetrainOptions = {},
): Promise<Retrained | undefined> {
  const model = modelDef(rt, name)
  const why = planRetrain(await retrainState(rt, name), model.watch, rt.clock.now())
  if (!why) return undefined
  await importData(rt, {
    dataset: model.from,
    actor: 'millrace',
    signal: options.signal,
    message: `before retraining: ${why}`,
  })
  const trained = await trainModel(rt, { model: name, reason: why, actor: 'millrace', ...options })
  if (!trained.passed) return { why, trained }
  return { why, trained, release: await releaseLatest(rt, { model: name, actor: 'millrace' }) }
}
