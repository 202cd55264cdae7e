/** An open project over a real store that is filled by hand: a family `late` with two live members, windows, alerts and a log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { type LiveSource, notServing } from '../../src/api/index.ts'
import { canonicalJson } from '../../src/core/canonical.ts'
import type { OutcomeBlock, PredictionBlock } from '../../src/core/log-blocks.ts'
import { refs } from '../../src/core/names.ts'
import type {
  Alert,
  DatasetVersion,
  Digest,
  Finding,
  Measured,
  ModelBundle,
  ModelCard,
  ModelVersion,
  Release,
  Route,
} from '../../src/core/records.ts'
import type { ModelDef, ProjectDef } from '../../src/define/types.ts'
import { openQuery } from '../../src/engine/open.ts'
import type { Query } from '../../src/engine/ports.ts'
import type { GateReport } from '../../src/gate/task.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { encodeModel } from '../../src/model/format.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { emptyWatch, summaryOf } from '../../src/watch/record.ts'
import type { WatchState, WindowReport } from '../../src/watch/records.ts'
import { FLIGHT_INPUTS, flightFeatures, NO_MAP, stumps } from '../serve/real-models.ts'

export const NONE = `sha256:${'0'.repeat(64)}` as Digest
export const DAY = 86_400_000
/** What the project's clock says. */
export const NOW = Date.UTC(2001, 5, 20, 12)
export const WEEK = 7 * DAY

const flights = dataset('flights', { source: 'data/*.parquet', time: 'date' })

export const late = model('late', {
  from: flights,
  target: col('delay').gt(15),
  features: { hour: col('date').hour(), distance: col('distance'), origin: col('origin').rate() },
  each: 'origin',
  trainer: gbdt({ trees: 3 }),
  gates: [gates.noWorseThanLive()],
  release: canary({ steps: [0.1] }),
  watch: { owner: 'oncall@example.com' },
})

export function projectOf(models: ModelDef[] = [late as unknown as ModelDef]): ProjectDef {
  return { ...project('flights', { datasets: [flights], models: [late] }), models }
}

export interface ApiFixture {
  rt: Pick<Runtime, 'project' | 'store' | 'clock' | 'query'>
  store: Store
  live: LiveSource
  drop: () => Promise<void>
}

export async function openProject(def: ProjectDef = projectOf()): Promise<ApiFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-api-'))
  const store = await openStore({ dir: join(dir, 'state') }, { clock: { now: () => Date.now() } })
  let query: Promise<Query> | undefined
  return {
    store,
    rt: {
      project: def,
      store,
      clock: { now: () => NOW },
      query: () => {
        query ??= openQuery('duckdb:', { memoryMb: 256, threads: 1, tempDir: store.scratch })
        return query
      },
    },
    live: notServing(() => [{ name: 'w:0', task: 'train.fit', since: 5 }], 1, 'http://127.0.0.1:8080'),
    drop: async () => {
      if (query) await (await query).close()
      await store.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export const plain = <T>(value: T): T => JSON.parse(canonicalJson(value)) as T

// ---------------------------------------------------------------- models

export const measured = (value: number, half = 0.01, n = 1000): Measured => ({
  value,
  interval: [value - half, value + half],
  n,
})

export function cardOf(over: Partial<ModelCard> = {}): ModelCard {
  return {
    metrics: { auc: measured(0.66), logLoss: measured(0.45) },
    baseline: { auc: measured(0.5), logLoss: measured(0.5) },
    importance: [
      { feature: 'hour', meanAbs: 0.3 },
      { feature: 'distance', meanAbs: 0.1 },
      { feature: 'origin', meanAbs: 0.05 },
    ],
    featureAuc: {},
    scores: { kind: 'numeric', edges: [0, 0.5, 1], counts: [8, 2], nulls: 0 },
    calibration: [{ meanPredicted: 0.2, meanActual: 0.21, n: 1000 }],
    baseRate: 0.2,
    bytes: 1000,
    notes: [],
    ...over,
  }
}

/** A model of stumps: hour > 12 adds 1 to -1.5 (or what `trees` says). */
export async function putModel(
  store: Store,
  name: string,
  over: Partial<ModelVersion> = {},
  trees = stumps([[0, 12, 0, 1]], -1.5),
): Promise<Digest> {
  const graph = await store.objects.put(encodeModel(trees, NO_MAP))
  const features = await store.putRecord(plain(flightFeatures()))
  const record: ModelVersion = {
    kind: 'ModelVersion',
    model: name,
    task: 'binary',
    graph,
    format: 'trees',
    features,
    featureInfo: ['hour', 'distance', 'origin'].map((feature) => ({
      name: feature,
      type: 'number',
      reference: { kind: 'numeric', edges: [0, 1, 2], counts: [5, 5], nulls: 0 },
    })),
    signature: {
      inputs: FLIGHT_INPUTS,
      outputs: [{ name: 'probability', type: 'float', description: 'P(late)' }],
    },
    trainedOn: {
      dataset: 'flights',
      version: NONE,
      window: { fromAt: Date.UTC(2001, 0, 1), toAt: Date.UTC(2001, 3, 1) },
      rows: 5000,
    },
    run: NONE,
    card: cardOf(),
    createdAt: 1,
    ...over,
  }
  return await store.putRecord(plain(record))
}

export interface FamilyOptions {
  version?: number
  members?: number
  held?: Record<string, string>
  findings?: Finding[]
}

export const key = (i: number) => `K${String(i).padStart(5, '0')}`

/** A bundle of `late` as the newest, with its gate report. */
export async function putFamily(
  store: Store,
  { version = 1, members = 2, held = { ZZZ: 'not better than its parent' }, findings }: FamilyOptions = {},
): Promise<{ bundle: Digest; parent: Digest }> {
  const parent = await putModel(store, 'late', { createdAt: version })
  const own: Record<string, Digest> = {}
  const records = await Promise.all(
    Array.from({ length: members }, (_, i) =>
      putModel(store, `late/${key(i)}`, {
        trainedOn: { dataset: 'flights', version: NONE, rows: 2000 + i },
        card: cardOf({ metrics: { auc: measured(0.6 + i / 100_000) }, importance: [], bytes: 10 }),
      }),
    ),
  )
  records.forEach((digest, i) => {
    own[key(i)] = digest
  })
  const record: ModelBundle = {
    kind: 'ModelBundle',
    model: 'late',
    parent,
    each: 'origin',
    members: own,
    held,
    version,
    createdAt: NOW - 30 * DAY,
    reason: `made for test ${version}`,
  }
  const bundle = await store.putRecord(plain(record))
  const report: GateReport = {
    kind: 'GateReport',
    model: 'late',
    findings: findings ?? [finding({ check: 'gate.noWorseThanLive', verdict: 'pass' })],
    used: Object.keys(own),
    held,
    promise: { metrics: { auc: measured(0.67), logLoss: measured(0.45) }, scores: cardOf().scores },
  }
  const digest = await store.putRecord(plain(report))
  await move(store, 'train.finished', 'models/late', {
    [refs.latest('late')]: bundle,
    [refs.gates('late', version)]: digest,
  })
  return { bundle, parent }
}

export function finding(over: Partial<Finding> = {}): Finding {
  return {
    kind: 'Finding',
    check: 'watch.quality',
    subject: 'models/late',
    value: 0.6,
    limit: '>= 0.6',
    n: 1000,
    verdict: 'pass',
    message: 'as it should be',
    at: NOW,
    ...over,
  }
}

export async function move(
  store: Store,
  type: string,
  subject: string,
  to: Record<string, Digest>,
  reason = 'test',
): Promise<number> {
  const result = await store.meta.commit({
    moves: Object.entries(to).map(([name, digest]) => ({ name, to: digest })),
    event: { type, subject, actor: 'test', reason, data: {} },
  })
  if (!result.ok) throw new Error('a move without condition cannot lose')
  return result.event.seq
}

export const routeTo = (
  bundle: Digest,
  version: number,
  role: Route['role'] = 'live',
  weight = 1,
): Route => ({
  bundle,
  version,
  role,
  weight,
})

export async function putRelease(
  store: Store,
  over: Partial<Release> & Pick<Release, 'routes'>,
): Promise<Digest> {
  const record: Release = {
    kind: 'Release',
    model: 'late',
    state: 'live',
    step: 0,
    steps: [0.1],
    salt: 'salt',
    findings: [],
    reason: 'its gates passed',
    at: Date.UTC(2001, 3, 3, 9),
    ...over,
  }
  const digest = await store.putRecord(plain(record))
  await move(store, `release.${record.state}`, 'models/late', { [refs.live(record.model)]: digest })
  return digest
}

// ---------------------------------------------------------------- watching

export interface WindowOptions {
  auc?: number
  verdict?: Finding['verdict']
  biased?: boolean
  members?: string[]
}

export function windowReport(
  i: number,
  { auc = 0.655, verdict = 'pass', biased, members = [] }: WindowOptions = {},
): WindowReport {
  const fromAt = Date.UTC(2001, 3, 2) + i * WEEK
  const findings = [
    finding({ verdict, value: auc }),
    finding({ check: 'watch.calibration', verdict: biased ? 'fail' : 'pass' }),
    ...members.map((name) => finding({ check: 'watch.calibration', subject: `models/late/${name}` })),
  ]
  return {
    kind: 'WindowReport',
    model: 'late',
    window: { fromAt, toAt: fromAt + WEEK },
    version: 1,
    predictions: 1200,
    joined: 1000,
    refused: 0,
    byVersion: { 1: 1200 },
    metrics: { auc: measured(auc), logLoss: measured(0.46) },
    meanPredicted: 0.182,
    meanActual: biased ? 0.215 : 0.184,
    expected: { metric: 'auc', value: 0.66, low: 0.646, high: 0.674 },
    calibration: [{ meanPredicted: 0.18, meanActual: 0.2, n: 1000 }],
    members: Object.fromEntries(
      members.map((name, m) => [
        name,
        { joined: 10 + m, meanPredicted: 0.2, meanActual: 0.25, lead: measured(0.61 + i / 1000) },
      ]),
    ),
    drift: [
      {
        column: 'hour',
        psi: 0.25,
        pValue: 0.001,
        n: 1200,
        verdict: 'fail',
        current: { kind: 'numeric', edges: [0, 1, 2], counts: [9, 1], nulls: 0 },
      },
      {
        column: 'distance',
        psi: 0.01,
        pValue: 0.6,
        n: 1200,
        verdict: 'pass',
        current: { kind: 'numeric', edges: [0, 1, 2], counts: [5, 5], nulls: 0 },
      },
    ],
    findings,
  }
}

export async function putWindows(store: Store, reports: WindowReport[]): Promise<void> {
  const digests = await store.putRecords(reports.map(plain))
  const state: WatchState = {
    ...emptyWatch('late', 0.05),
    windows: reports.map((report, i) => summaryOf(report, digests[i])),
  }
  await move(store, 'watch.window', 'models/late', {
    [refs.watch('late')]: await store.putRecord(plain(state)),
  })
}

export function alert(over: Partial<Alert> = {}): Alert {
  const id = over.id ?? 'late-drift-2001-06-11'
  return {
    kind: 'Alert',
    id,
    finding: finding({ check: 'watch.drift', verdict: 'fail', slice: 'hour', message: 'hour: moved' }),
    owner: 'oncall@example.com',
    runbook: 'docs/operating/drift.md',
    dedupeKey: `late/${id}`,
    state: 'raised',
    raisedAt: NOW - DAY,
    affected: ['hour'],
    ...over,
  }
}

export async function putAlert(store: Store, over: Partial<Alert> = {}): Promise<Alert> {
  const record = alert(over)
  await move(store, 'alert.raised', 'models/late', {
    [refs.alert(record.id)]: await store.putRecord(plain(record)),
  })
  return record
}

// ---------------------------------------------------------------- data and log

export async function putDataset(store: Store, over: Partial<DatasetVersion> = {}): Promise<Digest> {
  const record: DatasetVersion = {
    kind: 'DatasetVersion',
    dataset: 'flights',
    parents: [],
    schema: { columns: FLIGHT_INPUTS },
    parts: [],
    quarantine: [],
    rows: 0,
    rowsQuarantined: 0,
    findings: [finding({ check: 'notNull(delay)', subject: 'datasets/flights' })],
    window: { fromAt: Date.UTC(2001, 0, 1), toAt: Date.UTC(2001, 3, 1) },
    source: 'data/*.parquet',
    createdAt: NOW,
    message: 'first',
    ...over,
  }
  const digest = await store.putRecord(plain(record))
  await move(store, 'data.imported', `datasets/${record.dataset}`, { [refs.dataset(record.dataset)]: digest })
  return digest
}

export function predictions(
  over: Partial<PredictionBlock> & Pick<PredictionBlock, 'ids' | 'modelVersions'>,
): string {
  const n = over.ids.length
  const block: PredictionBlock = {
    kind: 'predictions',
    model: 'late',
    at: NOW,
    members: Array(n).fill(''),
    versions: Array(n).fill(1),
    modelVersion: Array(n).fill(0),
    routes: Array(n).fill('live'),
    inputs: {
      date: Array(n).fill(Date.UTC(2001, 5, 1, 18, 30)),
      distance: Array(n).fill(500),
      origin: Array(n).fill('ATL'),
    },
    outputs: Array(n).fill(0.3775406687981454),
    ...over,
  }
  return JSON.stringify(block)
}

export function outcomes(over: Partial<OutcomeBlock> & Pick<OutcomeBlock, 'ids' | 'values'>): string {
  return JSON.stringify({ kind: 'outcomes', model: 'late', at: NOW, ...over })
}
