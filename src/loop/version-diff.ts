/** What two versions of a model are made of, side by side: settings, features, data, size, and what lies inside. */
import { digestOf } from '../core/digest.ts'
import type { Digest, ModelVersion, RunSpec } from '../core/records.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { format } from '../expr/format.ts'
import { diffTensors, type TensorSide } from '../model/checkpoint/compare.ts'
import { tensorMapOf } from '../model/checkpoint/tensor-map.ts'
import { compareModels, type InsideDiff, type NamedModel } from '../model/compare-models.ts'
import { loadModel } from '../model/load.ts'
import type { Store } from '../store/ports.ts'
import { type OpenedVersion, openedVersions } from './behaviour.ts'
import type { Runtime } from './runtime.ts'

export interface VersionDiff {
  before: VersionFacts
  after: VersionFacts
  /** Settings of the training that differ, by their names in the config; null where one side has none. */
  settings: { name: string; before: string | null; after: string | null }[]
  settingsSame: number
  features: {
    added: FeatureText[]
    removed: FeatureText[]
    changed: { name: string; before: string; after: string }[]
    /** Written the same, though what was learned from the data differs. */
    relearned: string[]
    same: number
  }
  /** Members that answer for themselves in one version alone, and those in both whose own model is another. */
  members: { added: string[]; removed: string[]; changed: number; same: number }
  /** Of the parents. */
  inside: InsideDiff
}

export interface FeatureText {
  name: string
  expression: string
}

export interface VersionFacts {
  model: string
  version: number
  bundle: Digest
  /** The parent of a family, or the model itself. */
  parent: Digest
  format: ModelVersion['format']
  bytes: number
  members: number
  createdAt: number
  reason: string
  trainedOn: ModelVersion['trainedOn']
}

/** Nothing is scored or trained. Cost: reads both models. Errors: those of `namedVersion`, and of reading a model. */
export async function versionsBetween(
  rt: Pick<Runtime, 'project' | 'store'>,
  named: { before: string; after: string },
): Promise<VersionDiff> {
  const { store } = rt
  const [before, after] = await openedVersions(rt, named)
  const [old, now] = [await pipelineOf(store, before), await pipelineOf(store, after)]
  return {
    before: factsOf(before),
    after: factsOf(after),
    ...settingsBetween(await settingsOf(store, before), await settingsOf(store, after)),
    features: featuresBetween(old, now),
    members: membersBetween(before, after),
    inside: await insideBetween(store, [before, old], [after, now]),
  }
}

const factsOf = ({ digest, bundle, parent }: OpenedVersion): VersionFacts => ({
  model: bundle.model,
  version: bundle.version,
  bundle: digest,
  parent: bundle.parent,
  format: parent.format,
  bytes: parent.card.bytes,
  members: Object.keys(bundle.members).length,
  createdAt: bundle.createdAt,
  reason: bundle.reason,
  trainedOn: parent.trainedOn,
})

// ---------------------------------------------------------------- settings

/** What names the model instead of shaping it. */
const NAMES = new Set(['model', 'member', 'description', 'notes'])

async function settingsOf(store: Store, { parent }: OpenedVersion): Promise<Map<string, string>> {
  const settings = new Map<string, string>()
  if (parent.threshold !== undefined) settings.set('threshold', String(parent.threshold))
  if (!(await store.objects.has(parent.run))) return settings
  const { task, code, params, seed } = await store.getRecord<RunSpec>(parent.run, 'RunSpec')
  for (const [name, value] of Object.entries((params ?? {}) as Record<string, unknown>))
    if (!NAMES.has(name)) addSetting(settings, name, value)
  settings.set('seed', String(seed))
  settings.set('algorithm', `${task} ${code}`)
  return settings
}

function addSetting(settings: Map<string, string>, name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    settings.set(name, typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
  else for (const [key, inner] of Object.entries(value)) addSetting(settings, `${name}.${key}`, inner)
}

function settingsBetween(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Pick<VersionDiff, 'settings' | 'settingsSame'> {
  const names = [...new Set([...after.keys(), ...before.keys()])]
  const differ = names.filter((name) => before.get(name) !== after.get(name))
  return {
    settings: differ.map((name) => ({
      name,
      before: before.get(name) ?? null,
      after: after.get(name) ?? null,
    })),
    settingsSame: names.length - differ.length,
  }
}

// ---------------------------------------------------------------- features and members

const pipelineOf = (store: Store, { parent }: OpenedVersion): Promise<FittedFeatures> =>
  store.getRecord<FittedFeatures>(parent.features, 'FittedFeatures')

function featuresBetween(before: FittedFeatures, after: FittedFeatures): VersionDiff['features'] {
  const was = new Map(before.features.map((feature) => [feature.name, feature]))
  const now = new Set(after.features.map(({ name }) => name))
  const text = ({ name, expr }: FittedFeatures['features'][number]) => ({ name, expression: format(expr) })
  const found: VersionDiff['features'] = {
    added: [],
    removed: before.features.filter(({ name }) => !now.has(name)).map(text),
    changed: [],
    relearned: [],
    same: 0,
  }
  for (const feature of after.features) {
    const old = was.get(feature.name)
    const { name, expression } = text(feature)
    if (!old) found.added.push({ name, expression })
    else if (text(old).expression !== expression || old.type !== feature.type)
      found.changed.push({ name, before: text(old).expression, after: expression })
    else if (digestOf(old) !== digestOf(feature)) found.relearned.push(name)
    else found.same++
  }
  return found
}

function membersBetween({ bundle: old }: OpenedVersion, { bundle: now }: OpenedVersion) {
  const both = Object.keys(now.members).filter((key) => Object.hasOwn(old.members, key))
  const changed = both.filter((key) => old.members[key] !== now.members[key]).length
  const only = (a: typeof old, b: typeof old) =>
    Object.keys(a.members).filter((key) => !Object.hasOwn(b.members, key))
  return { added: only(now, old), removed: only(old, now), changed, same: both.length - changed }
}

// ---------------------------------------------------------------- inside

type Side = readonly [OpenedVersion, FittedFeatures]

async function insideBetween(store: Store, before: Side, after: Side): Promise<InsideDiff> {
  const [old, now] = [before[0].parent.format, after[0].parent.format]
  if (old !== now) return { kind: 'forms' }
  if (now === 'onnx')
    return {
      kind: 'tensors',
      ...(await diffTensors(await tensorsOf(store, before), await tensorsOf(store, after))),
    }
  return compareModels(await modelOf(store, before), await modelOf(store, after))
}

async function tensorsOf(store: Store, [{ parent }]: Side): Promise<TensorSide> {
  const bytes = await store.objects.get(parent.graph)
  const source = {
    bytes: bytes.length,
    read: async (at: number, length: number) => bytes.subarray(at, at + length),
  }
  return { map: await tensorMapOf('graph.onnx', source), source: async () => source }
}

async function modelOf(store: Store, [{ bundle }, { features }]: Side): Promise<NamedModel> {
  const { graph } = await loadModel(store, bundle.parent)
  return {
    model: graph.model,
    names: features.map(({ name }) => name),
    keys: features.map((feature) => (feature.state ? `${feature.name} ${digestOf(feature)}` : feature.name)),
  }
}
