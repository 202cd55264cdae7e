/** The policy, carried out: what the rules ask for, trained, gated and released. */
import { isMillraceError, toError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, ModelBundle } from '../core/records.ts'
import { opens } from '../core/verdicts.ts'
import type { ModelDef } from '../define/types.ts'
import { currentRelease, releaseHistory } from '../release/record.ts'
import { openAlerts } from '../watch/record.ts'
import { importData } from './data.ts'
import { mustWait, planRetrain, type RetrainState } from './policy.ts'
import { gateReport, type ReleaseResult, releaseLatest } from './release.ts'
import { modelDef, type Runtime } from './runtime.ts'
import { type Trained, type TrainProgress, trainModel } from './train.ts'

const ACTOR = 'millrace'

/** What the policy looks at. */
export async function retrainState(rt: Runtime, model: string): Promise<RetrainState> {
  const latest = await latestBundle(rt, model)
  const [tried] = await rt.store.meta.events({
    subject: subjects.model(model),
    types: ['retrain.unchanged', 'retrain.failed'],
    newest: true,
    limit: 1,
  })
  const triedAt = (tried?.data as { at?: number } | undefined)?.at
  const madeAt = latest && ((await trainedAt(rt, model)) ?? latest.bundle.createdAt)
  const isNews = triedAt !== undefined && (madeAt === undefined || triedAt > madeAt)
  return {
    alerts: (await openAlerts(rt.store, model)).map((open) => open.alert),
    release: (await currentRelease(rt.store, model))?.release,
    trainedAt: isNews && tried.type === 'retrain.unchanged' ? triedAt : madeAt,
    ...(isNews && tried.type === 'retrain.failed' && { failedAt: triedAt }),
  }
}

/** When a training from the dataset last made something new: what a model learns online is no training. */
async function trainedAt(rt: Runtime, model: string): Promise<number | undefined> {
  const [trained] = await rt.store.meta.events({
    subject: subjects.model(model),
    types: ['train.finished'],
    newest: true,
    limit: 1,
  })
  return (trained?.data as { at?: number } | undefined)?.at
}

export interface RetrainOptions {
  /** Brings the newest rows in before training. Default: imports what is new in the dataset's source. */
  deliver?: (why: string) => Promise<void>
  signal?: AbortSignal
  onProgress?: (progress: TrainProgress) => void
}

export interface Retrained {
  why: string
  trained: Trained
  /** Absent when the gates stayed closed, and when what came out was released before. */
  release?: ReleaseResult
}

/**
 * Trains again if the policy says so: newest deliveries first, then train, gate and release; or releases what it trained before it was interrupted.
 * Undefined when nothing is due. A try that fails or comes to nothing new is noted in the journal, so that it is not repeated at once.
 */
export async function retrainIfDue(
  rt: Runtime,
  name: string,
  options: RetrainOptions = {},
): Promise<Retrained | undefined> {
  const model = modelDef(rt, name)
  const state = await retrainState(rt, model.name)
  const now = rt.clock.now()
  if (mustWait(state, now)) return undefined
  const why = planRetrain(state, model.watch, now)
  try {
    if (why) return await retrain(rt, model, why, options)
    const left = await leftUnreleased(rt, model.name)
    return left && (await finish(rt, model, left, options))
  } catch (thrown) {
    if (!options.signal?.aborted) await note(rt, model.name, 'retrain.failed', toError(thrown))
    throw thrown
  }
}

async function retrain(
  rt: Runtime,
  model: ModelDef,
  why: string,
  options: RetrainOptions,
): Promise<Retrained> {
  const { deliver = (reason) => importNew(rt, model, reason, options.signal) } = options
  await deliver(why)
  const trained = await trainModel(rt, { model: model.name, reason: why, actor: ACTOR, ...options })
  if (trained.known)
    await note(rt, model.name, 'retrain.unchanged', new Error(`nothing new came of it: ${why}`))
  return await releaseNew(rt, model, why, trained)
}

async function importNew(rt: Runtime, model: ModelDef, why: string, signal?: AbortSignal): Promise<void> {
  await importData(rt, { dataset: model.from, actor: ACTOR, signal, message: `before retraining: ${why}` })
}

/** What is left of a training that was interrupted: its runs are done, so that training again only finds them. */
async function finish(
  rt: Runtime,
  model: ModelDef,
  left: { version: Digest; why: string },
  options: RetrainOptions,
): Promise<Retrained> {
  const { version, why } = left
  const trained = await trainModel(rt, { model: model.name, version, reason: why, actor: ACTOR, ...options })
  return await releaseNew(rt, model, why, trained)
}

/** What was released before has had its verdict; the policy does not ask for another. */
async function releaseNew(rt: Runtime, model: ModelDef, why: string, trained: Trained): Promise<Retrained> {
  if (!trained.passed || (await wasReleased(rt, model.name, trained.digest))) return { why, trained }
  return { why, trained, release: await releaseLatest(rt, { model: model.name, actor: ACTOR }) }
}

/** The newest bundle, if the policy made it, its gates are open and it never came to a release. */
async function leftUnreleased(
  rt: Runtime,
  model: string,
): Promise<{ version: Digest; why: string } | undefined> {
  const latest = await latestBundle(rt, model)
  if (!latest || (await wasReleased(rt, model, latest.digest))) return undefined
  const [trained] = await rt.store.meta.events({
    subject: subjects.model(model),
    types: ['train.finished'],
    newest: true,
    limit: 1,
  })
  const data = trained?.data as { bundle?: string; dataset?: Digest } | undefined
  if (trained?.actor !== ACTOR || data?.bundle !== latest.digest || !data.dataset) return undefined
  const { findings } = await gateReport(rt, latest.bundle)
  return opens(findings) ? { version: data.dataset, why: latest.bundle.reason } : undefined
}

async function latestBundle(
  rt: Runtime,
  model: string,
): Promise<{ digest: Digest; bundle: ModelBundle } | undefined> {
  const ref = await rt.store.meta.ref(refs.latest(model))
  return (
    ref && { digest: ref.digest, bundle: await rt.store.getRecord<ModelBundle>(ref.digest, 'ModelBundle') }
  )
}

async function wasReleased(rt: Runtime, model: string, bundle: Digest): Promise<boolean> {
  const history = await releaseHistory(rt.store, model)
  return history.some(({ release }) => release.routes.some((route) => route.bundle === bundle))
}

async function note(
  rt: Runtime,
  model: string,
  type: 'retrain.unchanged' | 'retrain.failed',
  what: Error,
): Promise<void> {
  await rt.store.meta.commit({
    event: {
      type,
      subject: subjects.model(model),
      actor: ACTOR,
      reason: what.message.slice(0, 1000),
      data: { at: rt.clock.now(), ...(isMillraceError(what) && { code: what.code }) },
    },
  })
}
