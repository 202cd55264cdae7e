/**
 * Serves `dist/console` with a made-up project, for working on the console: `npx jiti console/dev/server.ts [port]`.
 * A cookie `fixture` chooses what it answers: `data` (default), `empty`, `error`, `big`, `slow`, `story`, `offline`.
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as T from '../src/api/types.ts'
import * as fixture from './fixture.ts'

const ROOT = fileURLToPath(new URL('../../dist/console', import.meta.url))
const PORT = Number(process.argv[2] ?? 4173)
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

type Mode = 'data' | 'empty' | 'error' | 'big' | 'slow' | 'story' | 'offline'

const world = fixture.world(198)
const big = fixture.world(9_000)
big.fleet.models = [big.fleet.models[0]!, ...fixture.manyModels(big, 10_000)]

const EMPTY: Record<string, unknown> = {
  fleet: {
    project: 'flights',
    sentence: 'Nothing is here yet.',
    health: 'good',
    attention: [],
    models: [],
    events: [],
    datasets: [],
  } satisfies T.Fleet,
  datasets: [],
  alerts: [],
  runs: [],
  events: [],
  backtest: null,
  status: {
    project: 'flights',
    version: '0.1.0',
    startedAt: Date.now(),
    storeBytes: 4096,
    rssBytes: 91_000_000,
    workers: [],
    engines: { query: 'duckdb:' },
    address: 'http://127.0.0.1:4173',
  } satisfies T.Status,
}

const routes: [RegExp, (match: string[], url: URL, mode: Mode, body: Record<string, unknown>) => unknown][] =
  [
    [/^\/api\/fleet$/, (_m, _u, mode) => (mode === 'big' ? big : world).fleet],
    [/^\/api\/models\/([^/]+)\/members$/, (m, url, mode) => members(m[1]!, url, mode)],
    [/^\/api\/models\/([^/]+)\/playground$/, (m, _u, mode) => playground(m[1]!, mode)],
    [/^\/api\/models\/([^/]+)\/(rollback|promote)$/, (m, _u, _mode, body) => action(m[1]!, m[2]!, body)],
    [/^\/api\/models\/([^/]+)\/search$/, (m) => fixture.search(m[1]!)],
    [
      /^\/api\/models\/([^/]+)\/effects$/,
      (m, url) => fixture.effects(m[1]!, url.searchParams.get('feature')),
    ],
    [/^\/api\/models\/([^/]+)\/shapes$/, (m, url) => fixture.shapes(m[1]!, url.searchParams.get('class'))],
    [/^\/api\/models\/([^/]+)$/, (m, _u, mode) => model(m[1]!, mode)],
    [/^\/api\/bundles\/([^/]+)$/, (m) => fixture.bundle(m[1]!)],
    [/^\/api\/versions\/([^/]+)$/, (m) => fixture.versionDetail(m[1]!)],
    [/^\/api\/datasets$/, () => world.fleet.datasets],
    [
      /^\/api\/datasets\/([^/]+)\/versions\/([^/]+)\/quarantine$/,
      (_m, url) => fixture.quarantine(Number(url.searchParams.get('limit'))),
    ],
    [/^\/api\/datasets\/([^/]+)\/versions\/([^/]+)$/, (m) => fixture.versionPage(m[1]!, m[2]!)],
    [
      /^\/api\/datasets\/([^/]+)\/diff$/,
      (_m, url) => fixture.diff(url.searchParams.get('from')!, url.searchParams.get('to')!),
    ],
    [
      /^\/api\/datasets\/([^/]+)$/,
      (m, _u, mode) =>
        mode === 'empty'
          ? { ...fixture.datasetPage(m[1]!), log: [], version: null }
          : fixture.datasetPage(m[1]!),
    ],
    [/^\/api\/alerts\/([^/]+)\/acknowledge$/, (m) => acknowledge(m[1]!)],
    [/^\/api\/alerts$/, () => world.alerts],
    [/^\/api\/runs$/, () => world.runs],
    [/^\/api\/events$/, (_m, url) => events(url)],
    [/^\/api\/predictions\/([^/]+)$/, (m) => fixture.why(m[1]!)],
    [/^\/api\/backtest\/([^/]+)$/, (m) => fixture.backtest(m[1]!)],
    [/^\/api\/status$/, () => status()],
    [/^\/v2\/models\/([^/]+)\/predict$/, (m, _u, _mode, body) => predict(m[1]!, body)],
    [
      /^\/v2\/models\/([^/]+)\/explain$/,
      (_m, _u, _mode, body) => ({ explanation: fixture.contributions(JSON.stringify(body)), output: 0.312 }),
    ],
    [/^\/v2\/models\/([^/]+)\/feedback$/, () => ({ accepted: 1 })],
  ]

function model(name: string, mode: Mode): T.ModelPage | undefined {
  const source = name.startsWith('late/')
    ? {
        ...world.models.get('late')!,
        model: name,
        parent: 'late',
        release: null,
        releases: [],
        sentence: `${name} answers for itself at v12; quality is within its band.`,
      }
    : (world.models.get(name) ?? world.models.get('late')!)
  if (mode !== 'empty') return { ...source, model: name }
  const metrics = source.quality.metrics.map((m) => ({ ...m, points: [], expected: null }))
  return {
    ...source,
    model: name,
    sentence: `${name} is described but was never trained.`,
    release: null,
    releases: [],
    versions: [],
    gates: [],
    quality: { metrics },
    drift: [],
    importance: [],
    calibration: [],
    alerts: [],
    speed: { latencyMs: null, requestsPerSecond: 0, rowsPerSecond: 0, modelBytes: 0, scoring: null },
  }
}

function members(name: string, url: URL, mode: Mode): T.MemberList {
  if (mode === 'empty' || name !== 'late') return { total: 0, members: [] }
  const q = url.searchParams
  const sort = q.get('sort') ?? 'key'
  const key = sort.replace(/^-/, '')
  const value = (m: T.MemberRow): number | string => {
    const v = m[key as keyof T.MemberRow]
    if (v === null || v === undefined) return Number.NEGATIVE_INFINITY
    return typeof v === 'object' ? v.value : v
  }
  const kept = (mode === 'big' ? big : world).members.filter((m) =>
    m.key.toLowerCase().includes((q.get('search') ?? '').toLowerCase()),
  )
  kept.sort((a, b) => {
    const [x, y] = [value(a), value(b)]
    return (x < y ? -1 : x > y ? 1 : 0) * (sort.startsWith('-') ? -1 : 1)
  })
  const offset = Number(q.get('offset') ?? 0)
  return { total: kept.length, members: kept.slice(offset, offset + Number(q.get('limit') ?? 50)) }
}

function playground(name: string, mode: Mode): T.Playground {
  const path = `/v2/models/${encodeURIComponent(name)}`
  const none = mode === 'empty'
  return {
    model: name,
    signature: none ? { inputs: [], outputs: [] } : fixture.SIGNATURE,
    examples: none ? [] : fixture.EXAMPLES,
    choices: { origin: fixture.airports(222), destination: fixture.airports(222) },
    predictPath: `${path}/predict`,
    explainPath: `${path}/explain`,
    feedbackPath: `${path}/feedback`,
    curl: `curl -s http://127.0.0.1:${PORT}${path}/predict -H 'content-type: application/json' -d '${JSON.stringify({ inputs: fixture.EXAMPLES[0] })}'`,
  }
}

let asked = 0
function predict(name: string, body: Record<string, unknown>) {
  asked += 1
  const explanation = fixture.contributions(JSON.stringify(body))
  return {
    id: `01j${asked}x7k2f9m3`,
    model: name,
    member: 'late/ORD',
    version: 12,
    route: 'live',
    output: 1 / (1 + Math.exp(-explanation.raw)),
  }
}

function action(name: string, verb: string, body: Record<string, unknown>): T.ActionResult {
  const dryRun = body.dryRun === true
  const effects =
    verb === 'rollback'
      ? [
          `v12 of ${name} answers all traffic again, from 90 %`,
          'v13 stops taking new requests; its answers stay in the log',
          'the canary’s test is closed as rolled back by a person',
        ]
      : [`v13 of ${name} takes 100 % at once, from 10 %`, 'the test is closed before it had a verdict']
  return {
    done: !dryRun,
    dryRun,
    command: verb === 'rollback' ? `millrace rollback ${name}` : `millrace release promote ${name}@v13`,
    effects,
  }
}

function acknowledge(id: string): T.Alert | undefined {
  const alert = world.alerts.find((a) => a.id === id)
  if (alert) alert.state = 'acknowledged'
  return alert
}

function events(url: URL): T.JournalEvent[] {
  const before = Number(url.searchParams.get('before') ?? Number.POSITIVE_INFINITY)
  const prefix = url.searchParams.get('subjectPrefix') ?? ''
  return world.events
    .filter((e) => e.seq < before && e.subject.startsWith(prefix))
    .slice(0, Number(url.searchParams.get('limit') ?? 100))
}

function status(): T.Status {
  return {
    project: 'flights',
    version: '0.1.0',
    startedAt: Date.now() - 4_210_000,
    storeBytes: 812_300_112,
    rssBytes: 412_000_000,
    workers: [
      { name: 'worker-1', task: 'watch.window', since: Date.now() - 36_000 },
      { name: 'worker-2', task: null, since: null },
    ],
    engines: {
      query: 'duckdb:',
      meta: 'sqlite:.millrace/meta.sqlite',
      objects: 'file:.millrace/objects',
      log: 'file:.millrace/log',
      infer: 'in process, 2 threads',
    },
    address: `http://127.0.0.1:${PORT}`,
  }
}

function modeOf(request: IncomingMessage): Mode {
  return (/fixture=(\w+)/.exec(request.headers.cookie ?? '')?.[1] as Mode | undefined) ?? 'data'
}

createServer((request, response) => {
  void answer(request, response).catch((thrown) =>
    send(response, 500, { code: 'MR_FIXTURE', detail: String(thrown), fix: 'look at console/dev' }),
  )
}).listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}`))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const mode = modeOf(request)
  if (url.pathname === '/api/stream') return stream(request, response, mode)
  if (!/^\/(api|v2)\//.test(url.pathname)) return file(url.pathname, response)
  if (mode === 'slow') await new Promise((done) => setTimeout(done, 4000))
  if (mode === 'offline') return void response.destroy()
  if (mode === 'error')
    return send(response, 500, {
      title: 'Corrupted object',
      code: 'MR_STORE_CORRUPT',
      detail: 'object sha256:4be1… has other bytes than its name says',
      fix: 'run millrace store repair, which fetches it again from where it came',
    })
  const body = await json(request)
  const name = url.pathname.split('/')[2] ?? ''
  if (mode === 'empty' && url.pathname.split('/').length <= (name === 'backtest' ? 4 : 3) && name in EMPTY)
    return send(response, 200, EMPTY[name])
  for (const [pattern, act] of routes) {
    const match = pattern.exec(url.pathname)
    if (!match) continue
    const value = act([...match].map(decodeURIComponent), url, mode, body)
    if (value !== undefined) return send(response, 200, value)
  }
  send(response, 404, {
    title: 'Not found',
    code: 'MR_NOT_FOUND',
    detail: `nothing at ${url.pathname}`,
    fix: 'check the name: millrace status lists them',
  })
}

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return parts.length === 0 ? {} : (JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>)
}

function send(response: ServerResponse, code: number, value: unknown): void {
  response
    .writeHead(code, { 'content-type': code === 200 ? 'application/json' : 'application/problem+json' })
    .end(JSON.stringify(value))
}

async function file(path: string, response: ServerResponse): Promise<void> {
  const name = extname(path) === '' ? '/index.html' : normalize(path)
  const bytes = await readFile(join(ROOT, name)).catch(() => null)
  if (bytes === null) response.writeHead(404).end()
  else
    response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' }).end(bytes)
}

function stream(request: IncomingMessage, response: ServerResponse, mode: Mode): void {
  if (mode === 'offline' || mode === 'error') return void response.destroy()
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
  let beat = 0
  const say = (event: string, data: unknown) =>
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  const tick = () => {
    beat += 1
    const rate = 410 + 60 * Math.sin(beat / 4) + (beat % 7) * 4
    say('pulse', {
      at: Date.now(),
      requestsPerSecond: rate,
      predictionsPerSecond: rate * 31,
      latencyMsP50: 0.4,
      latencyMsP99: 0.8 + rate / 2400 + (beat % 5) * 0.03,
      routes: {
        late: [
          { version: 12, role: 'live', weight: 0.9 },
          { version: 13, role: 'canary', weight: 0.1 },
        ],
      },
    } satisfies T.Pulse)
    if (mode === 'story')
      say('progress', {
        step: 3,
        steps: 8,
        title: 'Train the family late',
        note: `${Math.min(198, 60 + beat * 3)} of 198 airports`,
        done: Math.min(1, 0.3 + beat / 70),
        etaMs: Math.max(0, 40_000 - beat * 600),
      } satisfies T.StoryProgress)
    if (beat % 20 === 0) {
      const last = world.events[0]!
      const event = {
        ...last,
        seq: last.seq + 1,
        at: Date.now(),
        type: 'watch.window',
        reason: `window ${last.seq + 1}: 6 columns, none moved`,
        previous: last.hash,
        hash: fixture.digestOf(`e${last.seq + 1}`),
      }
      world.events.unshift(event)
      say('journal', event)
    }
  }
  tick()
  const timer = setInterval(tick, 1000)
  request.on('close', () => clearInterval(timer))
}
