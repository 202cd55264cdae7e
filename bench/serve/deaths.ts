/**
 * Processes of `millrace serve --workers` ended by SIGKILL one after another while they are asked: how soon readiness says so, how soon all are there again, and what became of the
 * requests. A request whose connection was cut is asked again, as any client would.
 *
 *   DEATHS=30 WORKERS=2 (defaults; 1,000 are asked for)
 */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { FLEET_BODY, fleetModels, fleetName } from '../data/fleet-models.ts'
import type { Section } from '../measure/sections.ts'
import { type Served, served } from '../measure/served.ts'
import { quantile, report } from '../report.ts'

export const isLong = true

const DEATHS = Number(process.env.DEATHS ?? 30)
const WORKERS = Number(process.env.WORKERS ?? 2)
const MODELS = 4
const CLIENTS = 6
/** Between one death and the next, once all are there: in it there is a spare again, unless the machine is busy. */
const PAUSE_MS = 1_500
const LOST_MS = 20_000
const REPLACED = 'millrace_workers_replaced_total'
const GOALS = { saidMs: 1_000, recoveredMs: 3_000, requestMs: 1_000 }

const section: Section = async () => {
  const server = await served(await fleetModels(MODELS), ['--workers', String(WORKERS)])
  try {
    while (!(await isReady(server))) await sleep(20)
    await sleep(PAUSE_MS)
    await deaths(server)
  } finally {
    await server.stop()
  }
}
export default section

async function deaths(server: Served): Promise<void> {
  const asking = clients(server)
  const said: number[] = []
  const recovered: number[] = []
  for (let i = 0; i < DEATHS; i++) {
    const pids = await takers(server)
    const { saidMs, readyMs } = await death(server, pids[i % pids.length], i)
    if (saidMs !== undefined) said.push(saidMs)
    recovered.push(readyMs)
    await sleep(PAUSE_MS)
  }
  const { answers, cut, slowestMs, failed } = await asking.stop()
  const note = `${DEATHS} deaths, ${answers} answers, ${failed} of them not 200, ${cut} connections cut`
  const unseen = `${DEATHS - said.length} were replaced before readiness was asked`
  tell('deaths: until readiness says so, slowest', Math.max(0, ...said), GOALS.saidMs, unseen)
  tell('deaths: until all are there, p50', quantile(recovered, 0.5))
  tell('deaths: until all are there, p99', quantile(recovered, 0.99))
  const late = recovered.filter((ms) => ms > GOALS.recoveredMs).length
  tell('deaths: that took longer than asked', late, 0, undefined, 'of all')
  tell('deaths: until all are there, slowest', Math.max(...recovered), GOALS.recoveredMs)
  tell('deaths: slowest request', slowestMs, GOALS.requestMs, note)
}

function tell(metric: string, value: number, goal?: number, note?: string, unit = 'ms'): void {
  const held = goal === undefined ? {} : { goal, met: value <= goal }
  report({ bench: 'serve', metric, value, unit, note, ...held })
}

/** Processes that have a place, and do not wait for one. */
async function takers({ port }: Served): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return [...text.matchAll(/^millrace_worker_info\{worker="\d+",pid="(\d+)"\}/gm)].map(([, pid]) =>
    Number(pid),
  )
}

/** Until readiness was heard to be false, where it was, and until the one that ended was replaced and all are ready. */
async function death(
  server: Served,
  pid: number,
  before: number,
): Promise<{ saidMs?: number; readyMs: number }> {
  const begunMs = performance.now()
  const tookMs = () => performance.now() - begunMs
  let saidMs: number | undefined
  process.kill(pid, 'SIGKILL')
  while (tookMs() < LOST_MS) {
    const ready = await isReady(server)
    if (ready === false) saidMs ??= tookMs()
    const readyMs = tookMs()
    const isReplaced = saidMs !== undefined || (await server.metric(REPLACED).catch(() => 0)) > before
    if (ready && isReplaced) return { saidMs, readyMs }
    await sleep(5)
  }
  throw new Error(`the processes were not ready again within ${LOST_MS} ms`)
}

/** Over a connection of its own each time, so that one that was cut is not waited for; undefined when there is no answer. */
async function isReady({ port }: Served): Promise<boolean | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(1_000),
    })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return undefined
  }
}

function clients({ port }: Served) {
  const seen = { answers: 0, failed: 0, cut: 0, slowestMs: 0 }
  let isOver = false
  const run = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; !isOver; i++) {
      const begunMs = performance.now()
      let status = await ask(port, agent, fleetName(i % MODELS))
      for (; status === undefined; status = await ask(port, agent, fleetName(i % MODELS))) seen.cut++
      seen.answers++
      if (status !== 200) seen.failed++
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - begunMs)
      await sleep(5)
    }
    agent.destroy()
  }
  const running = Array.from({ length: CLIENTS }, run)
  return {
    stop: async () => {
      isOver = true
      await Promise.all(running)
      return seen
    },
  }
}

/** The status of one answer; undefined where the connection was cut. */
function ask(port: number, agent: Agent, model: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const path = `/v2/models/${model}/infer`
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(FLEET_BODY) }
    const sent = request({ port, path, method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      answer.once('end', () => resolve(answer.statusCode))
      answer.once('error', () => resolve(undefined))
    })
    sent.once('error', () => resolve(undefined))
    sent.setTimeout(LOST_MS, () => sent.destroy())
    sent.end(FLEET_BODY)
  })
}
