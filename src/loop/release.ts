/** Releasing, rolling back and promoting: what a person or the policy asks for, done by the release station's state machine. */
import { MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, JournalEvent, ModelBundle, Release } from '../core/records.ts'
import { opens } from '../core/verdicts.ts'
import type { GateReport } from '../gate/task.ts'
import { beginRelease, candidateRoute, liveRoute, promote, rollBack } from '../release/machine.ts'
import { type CurrentRelease, currentRelease, recordRelease, releaseBefore } from '../release/record.ts'
import { modelDef, type Runtime } from './runtime.ts'
import { failedGates } from './train.ts'

export interface ReleaseRequest {
  model: string
  reason?: string
  actor: string
  /** Plans and says what would happen, without doing it. */
  dryRun?: boolean
}

export interface ReleaseResult {
  done: boolean
  release: Release
  /** Digest of the recorded release; absent on a dry run. */
  digest?: Digest
  event?: JournalEvent
  /** What it does, in sentences. */
  effects: string[]
}

/** Begins the release of the newest bundle. Errors: MR_LOOP_NO_RELEASE when nothing was trained, MR_LOOP_GATES_CLOSED, MR_LOOP_MOVED. */
export async function releaseLatest(rt: Runtime, request: ReleaseRequest): Promise<ReleaseResult> {
  const model = modelDef(rt, request.model)
  const latest = await rt.store.meta.ref(refs.latest(model.name))
  if (!latest) throw new MillraceError('MR_LOOP_NO_RELEASE', { model: model.name })
  const bundle = await rt.store.getRecord<ModelBundle>(latest.digest, 'ModelBundle')
  const report = await gateReport(rt, bundle)
  if (!opens(report.findings)) {
    const failed = failedGates(report.findings)
    if (!request.dryRun) await recordRefusal(rt, bundle, latest.digest, failed, request.actor)
    throw new MillraceError('MR_LOOP_GATES_CLOSED', { model: model.name, version: bundle.version, failed })
  }
  const current = await currentRelease(rt.store, model.name)
  if (current && routesOf(current.release).includes(latest.digest)) {
    return {
      done: false,
      release: current.release,
      digest: current.digest,
      effects: [`v${bundle.version} is in release already: ${current.release.state}`],
    }
  }
  const release = beginRelease(
    model.name,
    model.release,
    { bundle: latest.digest, version: bundle.version },
    current,
    report.findings,
    rt.clock.now(),
  )
  return await apply(rt, release, current, request)
}

/** Back to the split before, in one call. Errors: MR_LOOP_NO_RELEASE, MR_LOOP_NOTHING_BEFORE, MR_LOOP_MOVED. */
export async function rollBackModel(rt: Runtime, request: ReleaseRequest): Promise<ReleaseResult> {
  const current = await requireRelease(rt, request.model)
  const previous = await releaseBefore(rt.store, current.release)
  const version = liveRoute(current.release)?.version ?? 0
  const release = rollBack(current.release, previous, request.reason ?? 'rolled back by hand', rt.clock.now())
  if (!release) throw new MillraceError('MR_LOOP_NOTHING_BEFORE', { model: current.release.model, version })
  return await apply(rt, release, current, request)
}

/** Gives the candidate all traffic now, by a person's decision. */
export async function promoteModel(rt: Runtime, request: ReleaseRequest): Promise<ReleaseResult> {
  const current = await requireRelease(rt, request.model)
  const release = promote(current.release, request.reason ?? 'promoted by hand', rt.clock.now())
  if (!release)
    return {
      done: false,
      release: current.release,
      effects: ['no release is under way, so there is nothing to promote'],
    }
  return await apply(rt, release, current, request)
}

async function apply(
  rt: Runtime,
  release: Release,
  current: CurrentRelease | undefined,
  request: ReleaseRequest,
): Promise<ReleaseResult> {
  const effects = effectsOf(release, current?.release)
  if (request.dryRun) return { done: false, release, effects }
  const reason = request.reason ? `${release.reason} (${request.reason})` : release.reason
  const stated = release.reason === request.reason ? release : { ...release, reason }
  const recorded = await recordRelease(rt.store, stated, current?.digest, request.actor)
  if (!recorded) throw new MillraceError('MR_LOOP_MOVED', { model: release.model })
  return { done: true, release: stated, digest: recorded.digest, event: recorded.event, effects }
}

/** What changes for traffic, in sentences. */
function effectsOf(next: Release, before: Release | undefined): string[] {
  const share = (release: Release) =>
    release.routes
      .filter((r) => r.weight > 0)
      .map((r) => `v${r.version} ${+(r.weight * 100).toPrecision(3)} %`)
      .join(', ')
  const effects = [
    before ? `traffic goes from ${share(before)} to ${share(next)}` : `all traffic goes to ${share(next)}`,
  ]
  const candidate = candidateRoute(next)
  if (next.state === 'shadow' && candidate)
    effects.push(`v${candidate.version} scores every request in the shadow and answers none`)
  effects.push(next.reason)
  return effects
}

async function requireRelease(rt: Runtime, name: string): Promise<CurrentRelease> {
  const { name: model } = modelDef(rt, name)
  const current = await currentRelease(rt.store, model)
  if (!current) throw new MillraceError('MR_LOOP_NO_RELEASE', { model })
  return current
}

function routesOf(release: Release): Digest[] {
  return release.routes.map((r) => r.bundle)
}

/** Findings of a bundle's gate run. */
export async function gateReport(rt: Pick<Runtime, 'store'>, bundle: ModelBundle): Promise<GateReport> {
  const ref = await rt.store.meta.ref(refs.gates(bundle.model, bundle.version))
  if (!ref) throw new MillraceError('MR_LOOP_NO_RELEASE', { model: bundle.model })
  return await rt.store.getRecord<GateReport>(ref.digest, 'GateReport')
}

async function recordRefusal(
  rt: Runtime,
  bundle: ModelBundle,
  digest: Digest,
  failed: string[],
  actor: string,
): Promise<void> {
  const known = await rt.store.meta.events({
    subject: subjects.model(bundle.model),
    types: ['release.refused'],
    newest: true,
    limit: 1,
  })
  const data = known[0]?.data as { bundle?: string } | undefined
  if (data?.bundle === digest) return
  await rt.store.meta.commit({
    event: {
      type: 'release.refused',
      subject: subjects.model(bundle.model),
      actor,
      reason: `v${bundle.version} is not released: ${failed.join('; ')}`,
      data: { bundle: digest, version: bundle.version, at: rt.clock.now() },
    },
  })
}
