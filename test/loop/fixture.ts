/** A project with one small model over a real store: bundles, gates and releases are made by hand, so nothing is trained. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { canonicalJson } from '../../src/core/canonical.ts'
import { refs } from '../../src/core/names.ts'
import type {
  Digest,
  Finding,
  Histogram,
  ModelBundle,
  ModelVersion,
  Verdict,
} from '../../src/core/records.ts'
import type { ModelDef, WatchDef } from '../../src/define/types.ts'
import { FITTED_VERSION, type FittedFeatures } from '../../src/expr/features.ts'
import type { GateReport } from '../../src/gate/task.ts'
import { type Runtime, steppedClock } from '../../src/loop/runtime.ts'
import { encodeModel } from '../../src/model/format.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'

export const DAY = 86_400_000
export const MODEL = 'm'
const NONE = `sha256:${'0'.repeat(64)}` as Digest

export interface Small {
  rt: Runtime
  store: Store
  clock: ReturnType<typeof steppedClock>
  model: ModelDef
  drop(): Promise<void>
}

export interface SmallOptions {
  startAt?: number
  watch?: Partial<WatchDef>
  release?: Partial<ModelDef['release']>
}

export async function openSmall({
  startAt = 0,
  watch = {},
  release = {},
}: SmallOptions = {}): Promise<Small> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-loop-'))
  const store = await openStore({ dir }, { clock: { now: () => 1 } })
  const data = dataset('d', { source: 'none.parquet', time: 'at' })
  const made = model(MODEL, {
    from: data,
    target: col('y'),
    features: { x: col('x') },
    trainer: gbdt({ trees: 1 }),
    gates: [gates.beatsBaseline()],
    release: canary({ steps: [0.1, 0.5] }),
    watch: { owner: 'oncall@example.com' },
  }) as unknown as ModelDef
  const def: ModelDef = {
    ...made,
    release: { ...made.release, ...release },
    watch: { ...made.watch, ...watch },
  }
  const clock = steppedClock(startAt)
  const none = () => Promise.reject(new Error('nothing is queried or trained here'))
  const rt: Runtime = {
    project: { ...project('p', { datasets: [data], models: [made as never] }), models: [def] },
    folder: dir,
    stateDir: dir,
    store,
    jobs: { run: none, workers: () => [], close: async () => undefined },
    clock,
    query: none,
    close: async () => undefined,
  }
  const drop = async () => {
    await store.close()
    await rm(dir, { recursive: true, force: true })
  }
  return { rt, store, clock, model: def, drop }
}

export interface BundleOptions {
  verdict?: Verdict
  createdAt?: number
  /** Who trained it. */
  actor?: string
  x?: Histogram
  scores?: Histogram
  logLoss?: number
  baseRate?: number
  auc?: number
}

const FLAT: Histogram = { kind: 'numeric', edges: [0, 0.5, 1], counts: [500, 500], nulls: 0 }

/** Makes a bundle the newest of the model, with its gate report. */
export async function putVersion(
  store: Store,
  version: number,
  options: BundleOptions = {},
): Promise<Digest> {
  const {
    verdict = 'pass',
    createdAt = version,
    actor = 'test',
    x = FLAT,
    scores = FLAT,
    baseRate = 0.3,
  } = options
  const metrics = { auc: { value: options.auc ?? 0.7, interval: [0.68, 0.72] as [number, number], n: 5000 } }
  const parent = await putModel(store, { createdAt, x, scores, baseRate, metrics })
  const bundle: ModelBundle = {
    kind: 'ModelBundle',
    model: MODEL,
    parent,
    members: {},
    held: {},
    version,
    createdAt,
    reason: `made for v${version}`,
  }
  const digest = await store.putRecord(bundle)
  const report: GateReport = {
    kind: 'GateReport',
    model: MODEL,
    findings: [gateFinding(verdict)],
    used: [],
    held: {},
    promise: { metrics, scores },
  }
  await store.meta.commit({
    moves: [
      { name: refs.latest(MODEL), to: digest },
      { name: refs.gates(MODEL, version), to: await store.putRecord(report) },
    ],
    event: {
      type: 'train.finished',
      subject: `models/${MODEL}`,
      actor,
      reason: 'made by hand',
      data: { bundle: digest, version, dataset: NONE },
    },
  })
  return digest
}

function gateFinding(verdict: Verdict): Finding {
  return {
    kind: 'Finding',
    check: 'gate.beats-baseline',
    subject: `models/${MODEL}`,
    value: 0.1,
    limit: '> 0',
    n: 1000,
    verdict,
    message: 'better than the constant',
    at: 0,
  }
}

async function putModel(
  store: Store,
  card: { createdAt: number; x: Histogram; scores: Histogram; baseRate: number; metrics: object },
): Promise<Digest> {
  const { createdAt, x, scores, baseRate, metrics } = card
  const fitted: FittedFeatures = {
    kind: 'FittedFeatures',
    version: FITTED_VERSION,
    columns: [{ name: 'x', type: 'float', nullable: true }],
    features: [{ name: 'x', type: 'number', expr: { op: 'col', name: 'x' } }],
  }
  const stump = {
    kind: 'TreeEnsemble' as const,
    nFeatures: 1,
    nOutputs: 1,
    outputOf: new Int32Array(1),
    roots: Int32Array.of(0),
    feature: Int32Array.of(0, 0, 0),
    threshold: Float64Array.of(0.5, 0, 0),
    left: Int32Array.of(1, -1, -1),
    right: Int32Array.of(2, -1, -1),
    missingLeft: Uint8Array.of(1, 0, 0),
    value: Float64Array.of(0, -1, 1),
    cover: Float64Array.of(2, 1, 1),
    categorySet: Int32Array.of(-1, -1, -1),
    categorySets: [],
    compare: 'le' as const,
    baseScores: Float64Array.of(createdAt / 1e15),
    link: 'sigmoid' as const,
  }
  const record: ModelVersion = {
    kind: 'ModelVersion',
    model: MODEL,
    task: 'binary',
    graph: await store.objects.put(encodeModel(stump, { kind: 'none', x: [], y: [] })),
    format: 'trees',
    features: await store.putRecord(fitted),
    featureInfo: [{ name: 'x', type: 'number', reference: x }],
    signature: {
      inputs: [{ name: 'x', type: 'float', nullable: true }],
      outputs: [{ name: 'probability', type: 'float', description: '' }],
    },
    trainedOn: { dataset: 'd', version: NONE, rows: 5000 },
    run: NONE,
    card: {
      metrics: metrics as ModelVersion['card']['metrics'],
      baseline: {},
      importance: [],
      featureAuc: {},
      scores,
      calibration: [],
      baseRate,
      bytes: 100,
      notes: [],
    },
    createdAt,
  }
  return await store.putRecord(JSON.parse(canonicalJson(record)))
}
