/**
 * The loop's own figures: import, training, prediction over HTTP, and freshness (rows appended → retrained, gated, live).
 *
 *   npm run bench -- loop [--json]
 *
 * Runs on the flights of examples/01-flights in a temporary folder. Wall times are those of this machine; compare ratios and CPU times.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import {
  importData,
  loadProject,
  openRuntime,
  type ProjectDef,
  type Running,
  type RunRecord,
  type Runtime,
  refs,
  releaseLatest,
  trainModel,
  up,
} from 'millrace/runtime'
import { quantile, report } from './report.ts'

const BENCH = 'loop'
const DAY = 86_400_000
const [JAN, APR] = [Date.parse('2001-01-01'), Date.parse('2001-04-01')]
const MODEL = 'late'
const FRESH_ROUNDS = 3
const ROW = { date: '2001-04-02T17:30:00Z', origin: 'ORD', destination: 'SFO', distance: 1846 }

/** The project of the example, with releases that go live when the gates pass: a canary waits for traffic, not for us. */
function straightToLive(def: ProjectDef): ProjectDef {
  return { ...def, models: def.models.map((m) => ({ ...m, release: { ...m.release, steps: [] } })) }
}

async function benchImport(rt: Runtime): Promise<void> {
  const begun = performance.now()
  const { version } = await importData(rt, {
    dataset: 'flights',
    select: { fromAt: JAN, toAt: APR },
    period: { fromAt: JAN, toAt: APR },
    actor: BENCH,
  })
  const seconds = (performance.now() - begun) / 1000
  report({
    bench: BENCH,
    metric: 'import: rows read, checked, profiled, versioned',
    value: version.rows / seconds,
    unit: 'rows/s',
    note: `${version.rows} rows × 5 in ${seconds.toFixed(1)} s`,
  })
}

async function benchTraining(rt: Runtime): Promise<void> {
  const begun = performance.now()
  const trained = await trainModel(rt, { model: MODEL, reason: 'benchmark', actor: BENCH })
  const seconds = (performance.now() - begun) / 1000
  await releaseLatest(rt, { model: MODEL, actor: BENCH })
  const parent = await runOf(rt, trained.bundle.parent)
  const trees = (rt.project.models[0].trainer as { trees: number }).trees
  const cpuS = (parent.cpuMs ?? parent.endedAt - parent.startedAt) / 1000
  report({
    bench: BENCH,
    metric: 'training: parent, with card and calibration',
    value: (trained.plan.rows.train * trees) / cpuS,
    unit: 'rows·trees/s of CPU',
    note: `${trained.plan.rows.train} rows, ${trees} trees of 63 leaves`,
  })
  report({
    bench: BENCH,
    metric: 'training: family, prepared, trained and gated',
    value: seconds,
    unit: 's',
    note: `${trained.plan.members.length} members`,
  })
}

async function runOf(rt: Runtime, model: string): Promise<RunRecord> {
  for (const ref of await rt.store.meta.refs('runs/')) {
    const record = await rt.store.getRecord<RunRecord>(ref.digest, 'RunRecord')
    if (record.outputs.model === model) return record
  }
  throw new Error(`no run made ${model}`)
}

/** A client in a thread of its own, so that its work is not counted as the server's. */
const CLIENT = `
const { parentPort, workerData: { url, body, connections, requests, everyMs } } = require('node:worker_threads')
const http = require('node:http')
const { hostname, port, pathname } = new URL(url)
const agent = new http.Agent({ keepAlive: true, maxSockets: connections })
const times = []
let left = requests
function one(done) {
  if (left-- <= 0) return done()
  const begun = performance.now()
  const call = http.request({ hostname, port, path: pathname, method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (answer) => {
    answer.resume().on('end', () => { times.push(performance.now() - begun); if (answer.statusCode !== 200) throw new Error('status ' + answer.statusCode); if (everyMs) setTimeout(one, everyMs, done); else one(done) })
  })
  call.end(body)
}
const begun = performance.now()
let lanes = connections
parentPort.once('message', () => { left = 0 })
for (let i = 0; i < connections; i++) one(() => { if (--lanes === 0) { agent.destroy(); parentPort.postMessage({ times, seconds: (performance.now() - begun) / 1000 }) } })
`

async function load(
  url: string,
  body: string,
  connections: number,
  requests: number,
): Promise<{ times: number[]; seconds: number; cpuUs: number }> {
  const worker = new Worker(CLIENT, { eval: true, workerData: { url, body, connections, requests } })
  return await new Promise((resolve, reject) => {
    const before = performance.eventLoopUtilization()
    worker.once('message', ({ times, seconds }) => {
      const busy = performance.eventLoopUtilization(before)
      resolve({ times, seconds, cpuUs: (busy.active * 1000) / requests })
    })
    worker.once('error', reject)
  })
}

async function benchServing({ address }: Running): Promise<void> {
  const url = `${address}/predict/${MODEL}`
  const body = JSON.stringify(ROW)
  await load(url, body, 8, 2_000)
  for (const [connections, requests] of [
    [1, 3_000],
    [32, 20_000],
  ]) {
    const { times, seconds, cpuUs } = await load(url, body, connections, requests)
    const metric = (name: string) =>
      `HTTP JSON, durable log, ${connections} connection${connections > 1 ? 's' : ''}: ${name}`
    report({ bench: BENCH, metric: metric('predictions'), value: requests / seconds, unit: '1/s' })
    report({ bench: BENCH, metric: metric('p50'), value: quantile(times, 0.5), unit: 'ms' })
    report({ bench: BENCH, metric: metric('p99'), value: quantile(times, 0.99), unit: 'ms' })
    report({ bench: BENCH, metric: metric('busy time of the event loop'), value: cpuUs, unit: 'µs/request' })
  }
  const rows = JSON.stringify({ rows: Array.from({ length: 1000 }, () => ROW) })
  const { seconds } = await load(url, rows, 4, 100)
  report({
    bench: BENCH,
    metric: 'HTTP JSON, durable log, 1,000 rows a request',
    value: 100_000 / seconds,
    unit: 'rows/s',
  })
}

/** Asks one row every 10 ms while `work` goes on, and gives what each took. */
async function whileAsked(address: string, work: () => Promise<void>): Promise<number[]> {
  const asked = { url: `${address}/predict/${MODEL}`, body: JSON.stringify(ROW), connections: 1 }
  const worker = new Worker(CLIENT, {
    eval: true,
    workerData: { ...asked, requests: Number.POSITIVE_INFINITY, everyMs: 10 },
  })
  const told = new Promise<{ times: number[] }>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  )
  await work()
  worker.postMessage('enough')
  return (await told).times
}

/** Appends about 100,000 rows (six days of April) and waits until a prediction is answered by the version trained with them. */
async function benchFreshness(rt: Runtime, running: Running): Promise<void> {
  const seconds: number[] = []
  let rows = 0
  for (let round = 0; round < FRESH_ROUNDS; round++) {
    const fromAt = APR + round * 6 * DAY
    const before = await rt.store.meta.ref(refs.live(MODEL))
    const begun = performance.now()
    const { version } = await importData(rt, {
      dataset: 'flights',
      select: { fromAt, toAt: fromAt + 6 * DAY },
      actor: BENCH,
    })
    rows = version.rows
    const trained = await trainModel(rt, { model: MODEL, reason: 'fresh rows', actor: BENCH })
    if (trained.passed) await releaseLatest(rt, { model: MODEL, actor: BENCH })
    await running.refresh()
    if (trained.passed && (await rt.store.meta.ref(refs.live(MODEL)))?.digest === before?.digest)
      throw new Error('the release did not move')
    seconds.push((performance.now() - begun) / 1000)
  }
  const p50 = quantile(seconds, 0.5)
  report({
    bench: BENCH,
    metric: 'freshness: 100,000 rows appended → live, p50',
    value: p50,
    unit: 's',
    goal: 30,
    met: p50 <= 30,
    note: `whole family retrained on ${rows} rows; ${seconds.map((s) => s.toFixed(1)).join(', ')} s`,
  })
}

const stateDir = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
const { project, folder } = await loadProject(
  fileURLToPath(new URL('../examples/01-flights', import.meta.url)),
)
const rt = await openRuntime({ project: straightToLive(project), folder, stateDir })
try {
  await benchImport(rt)
  await benchTraining(rt)
  const running = await up(rt, { port: 0, follow: 'by-hand' })
  await benchServing(running)
  const times = await whileAsked(running.address, () => benchFreshness(rt, running))
  for (const [name, q] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const)
    report({
      bench: BENCH,
      metric: `HTTP JSON, durable log, while it retrains: ${name}`,
      value: quantile(times, q),
      unit: 'ms',
    })
  await running.close()
} finally {
  await rt.close()
  rmSync(stateDir, { recursive: true, force: true })
}
process.exit(0)
