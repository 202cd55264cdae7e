/** From a dataset version to a bundle with a verdict: prepare, fit the parent, fit the members, gate. Each step is a run that is never done twice. */
import { digestOf } from '../core/digest.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, Finding, ModelBundle } from '../core/records.ts'
import { opens } from '../core/verdicts.ts'
import type { ModelDef, TrainerDef } from '../define/types.ts'
import type { RunProgress } from '../engine/ports.ts'
import { type GateReport, gateSpec } from '../gate/task.ts'
import type { PreparedPlan } from '../model/matrix.ts'
import { liveRoute } from '../release/machine.ts'
import { currentRelease } from '../release/record.ts'
import { fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planSplit } from '../train/split.ts'
import { withModelFile } from './model-file.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { cardNoteOf, chosenParams, searchModel } from './search.ts'
import { withTrainerFiles } from './trainer-files.ts'
import { dataFor, historyOf } from './training-data.ts'

export interface TrainRequest {
  model: string
  /** Default: the dataset's newest version. */
  version?: Digest
  /** The version is that of this lock file: the journal says so. */
  lockedBy?: string
  /** Trainer instead of the config's, for this version. */
  trainer?: TrainerDef
  reason: string
  actor: string
  /** Searches parameters anew, where the model has a search. Default: what was chosen last stays. */
  search?: boolean
  signal?: AbortSignal
  onProgress?: (progress: TrainProgress) => void
}

export interface TrainProgress {
  stage: 'prepare' | 'parent' | 'members' | 'gate'
  /** 0 to 1 of the stage. */
  done: number
  note: string
}

export interface Trained {
  digest: Digest
  bundle: ModelBundle
  report: GateReport
  /** Whether every gate is open. */
  passed: boolean
  plan: PreparedPlan
  /** True when nothing had to be trained. */
  known: boolean
}

/** Trains a model (a family with `each`) on a dataset version, gates it against what is live, and records it as the newest bundle. */
export async function trainModel(rt: Runtime, request: TrainRequest): Promise<Trained> {
  const asked = modelDef(rt, request.model)
  const { digest: data, version } = await dataFor(rt, asked, request.version)
  const { model: chosen, notes } = request.trainer
    ? { model: { ...asked, trainer: request.trainer }, notes: undefined }
    : await withChosen(rt, asked, data, request)
  const model = await withModelFile(rt, await withTrainerFiles(rt, chosen))
  const tell = (stage: TrainProgress['stage']) => (p: RunProgress) =>
    request.onProgress?.({ stage, done: p.done, note: p.note })
  const run = async (stage: TrainProgress['stage'], spec: Parameters<typeof rt.jobs.run>[0][number]) => {
    const [outcome] = await rt.jobs.run([spec], { signal: request.signal, onProgress: tell(stage) })
    return outcome
  }
  const dataset = datasetDef(rt, model.from)
  const prepareRun = await run(
    'prepare',
    prepareSpec(
      model,
      dataset,
      data,
      planSplit(model.split, dataset.time, historyOf(model, version, dataset.time)),
    ),
  )
  const prepared = prepareRun.record.outputs as unknown as Prepared
  const plan = await rt.store.getRecord<PreparedPlan>(prepared.plan, 'PreparedPlan')
  const parentRun = await run('parent', fitSpec(model, data, prepared, undefined, { notes }))
  const { model: parent, scores } = parentRun.record.outputs
  const members = await fitMembers(rt, model, data, prepared, plan, { parent, scores }, request)
  const live = await liveBundle(rt, model.name)
  const gateRun = await run(
    'gate',
    gateSpec(model, { ...prepared, parent, members }, live, version.createdAt),
  )
  const report = await rt.store.getRecord<GateReport>(gateRun.record.outputs.report, 'GateReport')
  const recorded = await recordBundle(rt, {
    model,
    parent,
    members,
    report,
    reportDigest: gateRun.record.outputs.report,
    request,
    data,
  })
  return { ...recorded, report, passed: opens(report.findings), plan }
}

/** The model with the parameters that its search has chosen, and what the card says of that. A model without a search is as it is. */
async function withChosen(
  rt: Runtime,
  model: ModelDef,
  data: Digest,
  request: TrainRequest,
): Promise<{ model: ModelDef; notes?: string[] }> {
  if (!model.search) return { model }
  const known = request.search ? undefined : await chosenParams(rt, model)
  const { report } = known
    ? { report: known }
    : await searchModel(rt, {
        model: model.name,
        version: data,
        reason: request.reason,
        actor: request.actor,
        signal: request.signal,
        onProgress: ({ note }) => request.onProgress?.({ stage: 'prepare', done: 0, note }),
      })
  return { model: { ...model, trainer: report.trainer }, notes: [cardNoteOf(report)] }
}

async function fitMembers(
  rt: Runtime,
  model: ModelDef,
  data: Digest,
  prepared: Prepared,
  plan: PreparedPlan,
  base: { parent: Digest; scores: Digest },
  request: TrainRequest,
): Promise<Record<string, Digest>> {
  const specs = plan.members.map(({ key }) => fitSpec(model, data, prepared, { key, ...base }))
  const done = new Set<Digest>()
  const outcomes = await rt.jobs.run(specs, {
    signal: request.signal,
    onProgress: ({ spec, done: share }) => {
      if (share >= 1) done.add(spec)
      request.onProgress?.({
        stage: 'members',
        done: done.size / specs.length,
        note: `${done.size} of ${specs.length} members`,
      })
    },
  })
  return Object.fromEntries(plan.members.map(({ key }, i) => [key, outcomes[i].record.outputs.model]))
}

async function liveBundle(rt: Runtime, model: string): Promise<{ bundle: Digest } | undefined> {
  const current = await currentRelease(rt.store, model)
  const route = current && liveRoute(current.release)
  return route && { bundle: route.bundle }
}

interface BundleParts {
  model: ModelDef
  parent: Digest
  members: Record<string, Digest>
  report: GateReport
  reportDigest: Digest
  request: TrainRequest
  data: Digest
}

/** Makes the bundle the newest of its model, unless an equal one is that already. */
async function recordBundle(
  rt: Runtime,
  parts: BundleParts,
): Promise<{ digest: Digest; bundle: ModelBundle; known: boolean }> {
  const { model, parent, members, report } = parts
  for (;;) {
    const ref = await rt.store.meta.ref(refs.latest(model.name))
    const latest = ref && (await rt.store.getRecord<ModelBundle>(ref.digest, 'ModelBundle'))
    const used = Object.fromEntries(report.used.map((key) => [key, members[key]]))
    if (ref && latest && sameModels(latest, parent, used)) {
      await recordGates(rt, parts, ref.digest, latest)
      return { digest: ref.digest, bundle: latest, known: true }
    }
    const bundle: ModelBundle = {
      kind: 'ModelBundle',
      model: model.name,
      parent,
      each: model.each?.column,
      members: used,
      held: report.held,
      version: (latest?.version ?? 0) + 1,
      createdAt: rt.clock.now(),
      reason: parts.request.reason,
    }
    const digest = await rt.store.putRecord(bundle)
    if (await commitBundle(rt, parts, digest, bundle, ref?.digest)) return { digest, bundle, known: false }
  }
}

/** Gates that were changed judge a bundle anew; once it is in release, what they said when it began stands. */
async function recordGates(
  rt: Runtime,
  parts: BundleParts,
  digest: Digest,
  bundle: ModelBundle,
): Promise<void> {
  const name = refs.gates(bundle.model, bundle.version)
  const known = await rt.store.meta.ref(name)
  const current = (await currentRelease(rt.store, bundle.model))?.release
  if (known?.digest === parts.reportDigest || current?.routes.some((r) => r.bundle === digest)) return
  const failed = failedGates(parts.report.findings)
  await rt.store.meta.commit({
    moves: [{ name, to: parts.reportDigest }],
    event: {
      type: 'gate.finished',
      subject: subjects.model(bundle.model),
      actor: parts.request.actor,
      reason: `v${bundle.version} judged again: ${failed.length === 0 ? 'all gates passed' : `closed gates: ${failed.join('; ')}`}`,
      data: { bundle: digest, version: bundle.version, report: parts.reportDigest, at: rt.clock.now() },
    },
  })
}

function sameModels(latest: ModelBundle, parent: Digest, used: Record<string, Digest>): boolean {
  return latest.parent === parent && digestOf(latest.members) === digestOf(used)
}

async function commitBundle(
  rt: Runtime,
  parts: BundleParts,
  digest: Digest,
  bundle: ModelBundle,
  from: Digest | undefined,
): Promise<boolean> {
  const { report, request } = parts
  const failed = failedGates(report.findings)
  const count = Object.keys(bundle.members).length
  const family = bundle.each
    ? ` with ${count} members of its own and ${Object.keys(bundle.held).length} that share the parent`
    : ''
  const result = await rt.store.meta.commit({
    moves: [
      { name: refs.latest(bundle.model), from: from ?? null, to: digest },
      { name: refs.gates(bundle.model, bundle.version), to: parts.reportDigest },
    ],
    event: {
      type: 'train.finished',
      subject: subjects.model(bundle.model),
      actor: request.actor,
      reason: `v${bundle.version}${family}: ${request.reason}; ${failed.length === 0 ? 'all gates passed' : `closed gates: ${failed.join('; ')}`}`,
      data: {
        bundle: digest,
        version: bundle.version,
        dataset: parts.data,
        ...(request.lockedBy !== undefined && { lockedBy: request.lockedBy }),
        members: count,
        report: parts.reportDigest,
        at: bundle.createdAt,
      },
    },
  })
  return result.ok
}

/** Messages of the gates that are not open. */
export function failedGates(findings: Finding[]): string[] {
  return findings
    .filter((f) => f.slice === undefined && f.verdict !== 'pass')
    .map((f) => `${f.check} ${f.verdict}: ${f.message}`)
}
