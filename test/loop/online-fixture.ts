/** A model that learns online over a real store: its base is trained here, answers and outcomes are written to the log by hand, and jobs run in this process. */
import { digestOf } from '../../src/core/digest.ts'
import {
  OUTCOMES_STREAM,
  type OutcomeBlock,
  PREDICTIONS_STREAM,
  type PredictionBlock,
} from '../../src/core/log-blocks.ts'
import { refs } from '../../src/core/names.ts'
import type { Digest, ModelBundle, ModelVersion, RunRecord, RunSpec } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { ftrl } from '../../src/define/index.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { FITTED_VERSION, type FittedFeatures } from '../../src/expr/features.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import type { FtrlModel } from '../../src/model/ftrl.ts'
import { liveRoute } from '../../src/release/machine.ts'
import { currentRelease } from '../../src/release/record.ts'
import { trainFtrl } from '../../src/train/ftrl/train.ts'
import { onlineTask } from '../../src/train/online.ts'
import { DAY, MODEL, openSmall, putVersion, type Small } from './fixture.ts'

export const HOUR = 3_600_000
export const BEGIN = 100 * DAY
export const FEATURES = [
  { name: 'ad', type: 'category' as const },
  { name: 'age', type: 'number' as const },
]

/** One answered request and what came of it. */
export interface Click {
  id: string
  ad: number
  age: number
  clicked: 0 | 1
}

/** Ads draw clicks or do not; which, changes once half of the clicks are over. */
export function drift(n: number, seed = 1, changes = true): Click[] {
  const rng = seededRng(seed)
  return Array.from({ length: n }, (_, i) => {
    const ad = rng.nextInt(12)
    const age = 20 + rng.nextInt(50)
    const good = changes && i >= n / 2 ? ad < 6 : ad >= 6
    const chance = (good ? 0.7 : 0.15) + (age > 45 ? 0.1 : 0)
    return { id: `c${i}`, ad, age, clicked: rng.next() < chance ? 1 : 0 }
  })
}

export interface OnlinePlace extends Small {
  /** Specs that were really run, each once. */
  ran: RunSpec[]
  answer(clicks: readonly Click[], more?: Partial<PredictionBlock>): Promise<void>
  happen(clicks: readonly Click[]): Promise<void>
  live(): Promise<{ version: number; parent: Digest; record: ModelVersion; model: FtrlModel }>
}

export interface OnlineOptions {
  rows?: number
  everyMs?: number
  trainer?: Parameters<typeof ftrl>[0]
  retrain?: ModelDef['watch']['retrain']
  base?: Click[]
}

const TRAINER = { alpha: 0.3, l1: 0.1, bits: 10 }

export async function openOnline(options: OnlineOptions = {}): Promise<OnlinePlace> {
  const {
    rows = 500,
    everyMs = HOUR,
    trainer = TRAINER,
    retrain = ['online'],
    base = drift(2000, 7, false),
  } = options
  const small = await openSmall({
    startAt: BEGIN,
    watch: { retrain, checkpoint: { rows, everyMs } },
    release: { steps: [] },
  })
  small.model.trainer = ftrl(trainer)
  const { store, clock } = small
  const { ran, jobs } = jobsHere(store)
  const rt: Runtime = { ...small.rt, jobs }
  await putVersion(store, 1, { createdAt: BEGIN })
  await putBase(store, trainFtrl(dataOf(base), { ...TRAINER, ...trainer, loss: 'logloss' }))
  await releaseLatest(rt, { model: MODEL, actor: 'test' })
  return {
    ...small,
    rt,
    ran,
    async answer(clicks, more = {}) {
      const { version, parent } = await liveOf(store)
      const block: PredictionBlock = {
        kind: 'predictions',
        model: MODEL,
        at: clock.now(),
        ids: clicks.map(({ id }) => id),
        members: clicks.map(() => ''),
        versions: clicks.map(() => version),
        modelVersions: [parent],
        modelVersion: clicks.map(() => 0),
        routes: clicks.map(() => 'live'),
        inputs: { ad: clicks.map(({ ad }) => ad), age: clicks.map(({ age }) => age) },
        outputs: clicks.map(() => 0.5),
        ...more,
      }
      await store.log.append(PREDICTIONS_STREAM, [JSON.stringify(block)])
    },
    async happen(clicks) {
      const block: OutcomeBlock = {
        kind: 'outcomes',
        model: MODEL,
        at: clock.now(),
        ids: clicks.map(({ id }) => id),
        values: clicks.map(({ clicked }) => clicked),
      }
      await store.log.append(OUTCOMES_STREAM, [JSON.stringify(block)])
    },
    live: () => liveOf(store),
  }
}

export function dataOf(clicks: readonly Click[]) {
  return {
    nRows: clicks.length,
    columns: [Float64Array.from(clicks, ({ ad }) => ad), Float64Array.from(clicks, ({ age }) => age)],
    target: Float64Array.from(clicks, ({ clicked }) => clicked),
    features: FEATURES,
  }
}

/** Puts an FTRL model in the place of the fixture's stump in version 1. */
async function putBase(store: Small['store'], model: FtrlModel): Promise<void> {
  const latest = await store.meta.ref(refs.latest(MODEL))
  const bundle = await store.getRecord<ModelBundle>((latest as { digest: Digest }).digest, 'ModelBundle')
  const stump = await store.getRecord<ModelVersion>(bundle.parent, 'ModelVersion')
  const column = (name: string) => ({ name, type: 'float' as const, nullable: true })
  const fitted: FittedFeatures = {
    kind: 'FittedFeatures',
    version: FITTED_VERSION,
    columns: FEATURES.map(({ name }) => column(name)),
    features: FEATURES.map((feature) => ({ ...feature, expr: { op: 'col', name: feature.name } })),
  }
  const version: ModelVersion = {
    ...stump,
    format: 'hashed',
    graph: await store.objects.put(encodeModel(model)),
    features: await store.putRecord(fitted),
    featureInfo: FEATURES.map((feature) => ({ ...feature, reference: stump.featureInfo[0].reference })),
    signature: { ...stump.signature, inputs: FEATURES.map(({ name }) => column(name)) },
  }
  const own = await store.putRecord({ ...bundle, parent: await store.putRecord(version) })
  await store.meta.commit({
    moves: [{ name: refs.latest(MODEL), to: own }],
    event: {
      type: 'train.finished',
      subject: `models/${MODEL}`,
      actor: 'test',
      reason: 'base',
      data: { at: BEGIN },
    },
  })
}

async function liveOf(store: Small['store']) {
  const current = await currentRelease(store, MODEL)
  const route = current && liveRoute(current.release)
  if (!route) throw new Error('nothing is live')
  const { parent } = await store.getRecord<ModelBundle>(route.bundle, 'ModelBundle')
  const record = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
  const { model } = decodeModel(await store.objects.get(record.graph))
  return { version: route.version, parent, record, model: model as FtrlModel }
}

/** Jobs that run here, and each spec once. */
function jobsHere(store: Small['store']): { ran: RunSpec[]; jobs: Runtime['jobs'] } {
  const ran: RunSpec[] = []
  const known = new Map<Digest, RunRecord>()
  const run = async (spec: RunSpec) => {
    const digest = digestOf(spec)
    const found = known.get(digest)
    if (found) return { spec: digest, record: found, cached: true }
    ran.push(spec)
    const { outputs } = await onlineTask.run({
      store,
      spec,
      specDigest: digest,
      query: () => Promise.reject(new Error('nothing is queried here')),
      infer: () => Promise.reject(new Error('nothing runs ONNX here')),
      progress: () => undefined,
      signal: new AbortController().signal,
    })
    const record: RunRecord = {
      kind: 'RunRecord',
      spec: digest,
      outputs,
      outcome: 'done',
      startedAt: 0,
      endedAt: 0,
    }
    known.set(digest, record)
    return { spec: digest, record, cached: false }
  }
  return {
    ran,
    jobs: { run: (specs) => Promise.all(specs.map(run)), workers: () => [], close: async () => undefined },
  }
}
