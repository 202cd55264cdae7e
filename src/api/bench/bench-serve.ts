/** How a served model answers: what requests of each size cost, and how long answers take the more is asked. Works against any server of the Open Inference Protocol V2. */
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../../core/errors.ts'
import { seededRng } from '../../core/rng.ts'
import { isObject } from '../../serve/http/body.ts'
import type { BatchingReport } from '../../serve/models/batch-report.ts'
import { CostCurve, type CostPoint } from '../../serve/models/cost-curve.ts'
import { type Load, openLoop } from './load.ts'
import { payloadOf, Target } from './target.ts'

export interface BenchServeOptions {
  /** Address of the server. */
  url: string
  token?: string
  /** Needed where the server has several. */
  model?: string
  /** Time within which an answer is of use. Default: what the server says of itself, else 20. */
  latencyMs?: number
  /** Seconds of each rate that is driven. Default 3. */
  seconds?: number
  onStep?: (step: { what: string; done: number; total: number }) => void
  signal?: AbortSignal
}

/** One rate that was driven. */
export interface DrivenRate extends Load {
  /** Of what the server answered at most with many connections that wait for their answers. */
  share: number
}

export interface BenchServeReport {
  url: string
  model: string
  /** Name and version as the server has them. */
  server: { name: string; version: string } | null
  latencyMs: number
  /** One request of so many rows alone, with the way there and back: median. */
  cost: { isLine: boolean; fixedMs: number; perRowMs: number; sizes: CostPoint[] }
  /** Requests a second of one row that were answered at most. */
  capacity: number
  rates: DrivenRate[]
  /** The highest rate of which 99 of 100 were answered in time and none refused. */
  best: DrivenRate | null
  /** Load that was there before this came, where the server says it. */
  here: BatchingReport['here'] | null
  /** What the server says of its batches afterwards. */
  batching: BatchingReport | null
  recommended: Recommended
  words: string[]
}

/** What to set where a server has to be told: rows of a batch, and how long to wait for them. */
export interface Recommended {
  batchRows: number
  /** For servers that call with what there is when a thread is free. */
  delayMs: number
  /** For servers that only put together what comes within their delay. */
  ifDelayed: { batchRows: number; delayMs: number }
}

const LATENCY_MS = 20
const SECONDS = 3
const SHARES = [0.1, 0.25, 0.5, 0.7, 0.85, 1, 1.3, 2]
const ROWS_MAX = 256
/** Part of a rate's time that requests of one size are sent for, and what one of them may take before larger ones are left out. */
const SIZE_SHARE = 0.1
const SIZE_CALLS_MIN = 5
const CALL_MS_MAX = 1_000
const WARM_CALLS = 20
/** Connections that ask again as soon as they are answered, and for which part of a rate's time: what can be answered at most. One that is refused asks again after a while. */
const BUSY_CONNECTIONS = 64
const BUSY_SHARE = 0.7
const REFUSED_MS = 10
const IN_TIME = 0.99
/** Calls of the objective that a request sees on one thread, as the batcher has it. */
const CALLS = 1.6
const SEED = 1

/** Errors: MR_SERVE_TARGET, and MR_SERVE_TARGET_MODEL where a model has to be named. */
export async function benchServe(options: BenchServeOptions): Promise<BenchServeReport> {
  const { url, seconds = SECONDS, onStep = () => undefined, signal } = options
  const target = new Target(options)
  const total = SHARES.length + 2
  try {
    const model = options.model ?? (await onlyModel(target, url))
    const server = await target.json('/v2')
    const before = await batchingOf(target, model)
    const latencyMs = options.latencyMs ?? before?.objectiveMs ?? LATENCY_MS
    onStep({ what: 'what requests of each size cost', done: 0, total })
    const curve = await costBySize(target, model, seconds * 1000 * SIZE_SHARE, signal)
    onStep({ what: 'what is answered at most', done: 1, total })
    const capacity = await busyRate(target, model, seconds * 1000 * BUSY_SHARE, signal)
    const rates: DrivenRate[] = []
    const payload = payloadOf(await target.inputs(model), 1, SEED)
    const send = async () => (await target.infer(model, payload)).status
    const rng = seededRng(SEED)
    for (const share of SHARES) {
      if (signal?.aborted) break
      const rate = capacity * share
      onStep({ what: `${Math.round(rate)} requests a second`, done: 2 + rates.length, total })
      rates.push({ share, ...(await openLoop({ rate, seconds, send, rng, signal, latencyMs })) })
    }
    const report = {
      url,
      model,
      server: isObject(server) ? { name: String(server.name), version: String(server.version) } : null,
      latencyMs,
      cost: { isLine: curve.isLine, ...curve.line(), sizes: [...curve.points()] },
      capacity,
      rates,
      best: bestOf(rates),
      here: before?.here.latencyMsP99 ? before.here : null,
      batching: (await batchingOf(target, model)) ?? null,
      recommended: recommendedOf(curve, latencyMs),
    }
    return { ...report, words: wordsOf(report, curve) }
  } finally {
    target.close()
  }
}

async function onlyModel(target: Target, url: string): Promise<string> {
  const { status, body } = await target.send('POST', '/v2/repository/index', Buffer.from('{}'), {
    'content-type': 'application/json',
  })
  const index = status === 200 ? (JSON.parse(body.toString()) as { name: string }[]) : []
  const names = [...new Set(index.map(({ name }) => name))]
  if (names.length === 1) return names[0]
  throw new MillraceError('MR_SERVE_TARGET_MODEL', { url, models: names.slice(0, 10) })
}

async function batchingOf(target: Target, model: string): Promise<BatchingReport | undefined> {
  const report = await target.json(`/v2/models/${encodeURIComponent(model)}/batching`)
  return isObject(report) ? (report as unknown as BatchingReport) : undefined
}

/** Requests of one row, two, four and so on, one after the other: the median of each. */
async function costBySize(
  target: Target,
  model: string,
  sizeMs: number,
  signal?: AbortSignal,
): Promise<CostCurve> {
  const inputs = await target.inputs(model)
  const hasRows = inputs.every(({ shape }) => shape[0] === -1)
  const curve = new CostCurve()
  for (let rows = 1; rows <= (hasRows ? ROWS_MAX : 1) && !signal?.aborted; rows *= 2) {
    const payload = payloadOf(inputs, rows, SEED)
    const one = async () => {
      const beganMs = performance.now()
      const { status } = await target.infer(model, payload)
      return status === 200 ? performance.now() - beganMs : undefined
    }
    for (let i = 0; rows === 1 && i < WARM_CALLS; i++) await one()
    const took = await repeated(one, sizeMs)
    if (!took) break
    curve.add(rows, took)
    if (took > CALL_MS_MAX) break
  }
  return curve
}

async function repeated(one: () => Promise<number | undefined>, sizeMs: number): Promise<number | undefined> {
  const took: number[] = []
  const untilMs = performance.now() + sizeMs
  while (took.length < SIZE_CALLS_MIN || performance.now() < untilMs) {
    const ms = await one()
    if (ms === undefined) return undefined
    took.push(ms)
    if (ms > CALL_MS_MAX) break
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)]
}

/** Errors: MR_SERVE_TARGET where nothing is answered at all. */
async function busyRate(
  target: Target,
  model: string,
  busyMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const payload = payloadOf(await target.inputs(model), 1, SEED)
  const fromMs = performance.now()
  let answered = 0
  let last = 0
  const connection = async () => {
    while (performance.now() - fromMs < busyMs && !signal?.aborted) {
      last = (await target.infer(model, payload)).status
      if (last === 200) answered++
      else await sleep(REFUSED_MS)
    }
  }
  await Promise.all(Array.from({ length: BUSY_CONNECTIONS }, connection))
  if (answered > 0) return (1000 * answered) / (performance.now() - fromMs)
  throw new MillraceError('MR_SERVE_TARGET', {
    url: model,
    need: 'answers to requests of one row',
    got: `HTTP ${last}`,
  })
}

function bestOf(rates: readonly DrivenRate[]): DrivenRate | null {
  const kept = rates.filter(({ goodput, offered }) => goodput >= IN_TIME * offered)
  return kept.reduce<DrivenRate | null>((a, b) => (a === null || b.goodput > a.goodput ? b : a), null)
}

function recommendedOf(curve: CostCurve, latencyMs: number): Recommended {
  const third = latencyMs / 3
  return {
    batchRows: curve.bestRows(latencyMs / CALLS, ROWS_MAX),
    delayMs: 0,
    ifDelayed: { batchRows: curve.bestRows(third, ROWS_MAX), delayMs: Math.floor(third) },
  }
}

function wordsOf(report: Omit<BenchServeReport, 'words'>, curve: CostCurve): string[] {
  const { latencyMs, recommended, best } = report
  const rows = recommended.batchRows
  const [one, many] = [curve.costMs(1), curve.costMs(rows)]
  const count = (x: number) => (x < 10 ? x.toFixed(1) : Math.round(x).toLocaleString('en'))
  const ms = (x: number) => `${x < 10 ? Number(x.toFixed(2)) : Math.round(x)} ms`
  const together =
    rows > 1
      ? ` ${rows} at a time take ${ms(many)}: ${count((1000 * rows) / many)} rows a second, each of which waits longer.`
      : ` More at a time do not fit into ${latencyMs} ms, or bring nothing.`
  return [
    `One request of one row at a time takes ${ms(one)}: ${count(1000 / one)} a second.${together}`,
    best
      ? `Of the rates that were driven, ${count(best.offered)} a second is the highest of which 99 of 100 were answered within ${latencyMs} ms.`
      : `At no rate that was driven 99 of 100 were answered within ${latencyMs} ms.`,
  ]
}
