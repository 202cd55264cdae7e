/** What the store says of a model now: newest bundle, release, watch. Each view of a model starts from here. */
import { refs } from '../../core/names.ts'
import type {
  Digest,
  ModelBundle,
  ModelCard,
  ModelTask,
  ModelVersion,
  TimeWindow,
} from '../../core/records.ts'
import type { ModelDef } from '../../define/types.ts'
import type { GateReport } from '../../gate/task.ts'
import { modelDef, type Runtime } from '../../loop/runtime.ts'
import { liveRoute } from '../../release/machine.ts'
import { type CurrentRelease, currentRelease, releaseHistory } from '../../release/record.ts'
import type { Store } from '../../store/ports.ts'
import { type CurrentWatch, readWatch } from '../../watch/record.ts'
import type { VersionRow } from '../contract.ts'
import { remember } from './remember.ts'

/** What views need of an open project. */
export type Project = Pick<Runtime, 'project' | 'store' | 'clock'>

export interface NamedBundle {
  digest: Digest
  bundle: ModelBundle
}

export interface ModelState {
  def: ModelDef
  /** The newest bundle, whether or not it is released. */
  latest?: NamedBundle
  current?: CurrentRelease
  /** What answers most requests; the newest bundle when nothing is live. */
  shown?: NamedBundle
  liveVersion: number | null
  /** When the live version began to answer most requests. */
  liveSince: number | null
  /** Parent of `shown`. */
  parent?: ModelVersion
  /** The parent's card with the metrics of the bundle as a whole: what windows are held against. */
  card?: ModelCard
  watch?: CurrentWatch
}

export async function modelState(rt: Project, name: string): Promise<ModelState> {
  const def = modelDef(rt, name)
  const { store } = rt
  const [latest, current, watch] = await Promise.all([
    store.meta.ref(refs.latest(def.name)),
    currentRelease(store, def.name),
    readWatch(store, def.name),
  ])
  const route = current && liveRoute(current.release)
  const digest = route?.bundle ?? latest?.digest
  const shown = digest && (await namedBundle(store, digest))
  const parent = shown && (await modelVersion(store, shown.bundle.parent))
  return {
    def,
    latest: latest && (await namedBundle(store, latest.digest)),
    current,
    shown,
    liveVersion: route?.version ?? null,
    liveSince: current && route ? await liveSince(store, def.name, current) : null,
    parent,
    card: shown && parent && { ...parent.card, metrics: await metricsOf(store, shown.bundle, parent) },
    watch,
  }
}

async function namedBundle(store: Store, digest: Digest): Promise<NamedBundle> {
  return { digest, bundle: await store.getRecord<ModelBundle>(digest, 'ModelBundle') }
}

export function modelVersion(store: Store, digest: Digest): Promise<ModelVersion> {
  return store.getRecord<ModelVersion>(digest, 'ModelVersion')
}

/** Releases that are looked through for the begin of what is live. */
const HISTORY_MAX = 100

function liveSince(store: Store, model: string, current: CurrentRelease): Promise<number> {
  return remember(store, 'liveSince', current.digest, async () => {
    const version = liveRoute(current.release)?.version
    let since = current.release.at
    for (const { release } of await releaseHistory(store, model, HISTORY_MAX)) {
      if (liveRoute(release)?.version !== version) break
      since = release.at
    }
    return since
  })
}

/** Gate report of a version, or undefined when it was never gated. */
export async function gatesOf(store: Store, model: string, version: number): Promise<GateReport | undefined> {
  const ref = await store.meta.ref(refs.gates(model, version))
  return ref && (await store.getRecord<GateReport>(ref.digest, 'GateReport'))
}

/** Metrics of a bundle on the test rows, members and parent together; those of the parent alone where no gate measured it. */
export async function metricsOf(
  store: Store,
  { model, version }: ModelBundle,
  parent: ModelVersion,
): Promise<ModelCard['metrics']> {
  const measured = (await gatesOf(store, model, version))?.promise.metrics ?? {}
  return Object.keys(measured).length > 0 ? measured : parent.card.metrics
}

export function trainedOn({ trainedOn }: ModelVersion): VersionRow['trainedOn'] {
  const { dataset, version, rows } = trainedOn
  const window: Partial<TimeWindow> = trainedOn.window ?? {}
  return { dataset, version, rows, fromAt: window.fromAt ?? null, toAt: window.toAt ?? null }
}

/** The task as it was trained; before that, as it is declared (`auto` reads as binary until the data say otherwise). */
export function taskOf({ parent, def }: Pick<ModelState, 'parent' | 'def'>): ModelTask {
  return parent?.task ?? (def.task === 'auto' ? 'binary' : def.task)
}
