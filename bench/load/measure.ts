/** One server beside another: answers compared first, then windows of load in the order A B B A, with the CPU time of all processes of each. */
import { createServer } from 'node:net'
import type { BenchModel } from './models.ts'
import { busySeconds, type RunningServer, startServer } from './processes.ts'
import { type Asked, type Place, type Setting, type Side, TOKEN } from './sides.ts'
import { type Load, type Window, WrkTarget } from './wrk.ts'

const CORES = 2
/** Largest difference of an answer from what ONNX Runtime gives alone. */
const TOLERANCE = 1e-5

export interface Measured extends Window {
  /** CPU microseconds of a request, of the whole process tree. */
  cpuUs: number
  requestsPerS: number
  /** What the core would answer were it all the server's own. */
  perCore: number
  /** Share of the machine that neither the server nor what asks it had. */
  otherLoad: number
}

export interface Up {
  side: Side
  server: RunningServer
  port: number
  base: string
}

/** Below those that the system gives to connections; a server takes the two behind it as well, for gRPC and for metrics. */
const PORTS = { from: 20_000, to: 30_000, each: 3 }
let next = PORTS.from + PORTS.each * (process.pid % 3_000)

async function freePort(): Promise<number> {
  for (;;) {
    const port = next
    next += PORTS.each
    if (next > PORTS.to) next = PORTS.from
    const free = await Promise.all([port, port + 1, port + 2].map(isFree))
    if (free.every(Boolean)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** Starts a side on a port of its own. */
export async function rise(side: Side, setting: Setting, place: Omit<Place, 'port'>): Promise<Up> {
  const port = await freePort()
  const server = await startServer(setting.start({ ...place, port }))
  return { side, server, port, base: `http://127.0.0.1:${port}` }
}

const withToken = (asked: Asked): Asked => ({
  ...asked,
  headers: { ...asked.headers, authorization: `Bearer ${TOKEN}` },
})

/** Throws where an answer is not what ONNX Runtime gives. Gives the largest difference. */
export async function compareAnswers({ side, base }: Up, model: BenchModel): Promise<number> {
  const { path, headers, bodies } = withToken(side.ask(model))
  const wants = model.answers[model.outputs.at(-1) as string]
  let largest = 0
  for (const [i, body] of bodies.entries()) {
    const answer = await fetch(base + path, { method: 'POST', headers, body: new Uint8Array(body) })
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (!answer.ok)
      throw new Error(`${side.name} answered ${answer.status}: ${bytes.toString().slice(0, 500)}`)
    const got = side.read(bytes, answer.headers)
    const apart = Math.max(...wants[i].map((want, k) => Math.abs(want - (got[k] ?? Number.NaN))))
    if (!(got.length === wants[i].length && apart <= TOLERANCE))
      throw new Error(
        `${side.name} answers row ${i} of ${model.name} by [${got}], ONNX Runtime by [${wants[i]}]`,
      )
    largest = Math.max(largest, apart)
  }
  return largest
}

export function targetOf({ side, base }: Up, model: BenchModel): WrkTarget {
  return new WrkTarget(base, withToken(side.ask(model)))
}

export async function measure(server: RunningServer, target: WrkTarget, load: Load): Promise<Measured> {
  const began = { cpu: server.cpuS(), busy: busySeconds(), ms: performance.now() }
  const window = await target.ask(load)
  const cpu = server.cpuS() - began.cpu
  const busy = busySeconds() - began.busy
  const seconds = (performance.now() - began.ms) / 1000
  const cpuUs = (cpu / window.requests) * 1e6
  return {
    ...window,
    cpuUs,
    requestsPerS: window.requests / window.seconds,
    perCore: 1e6 / cpuUs,
    otherLoad: Math.max(0, busy - cpu - seconds) / (CORES * seconds),
  }
}

const WARM = { connections: 32, seconds: 1 }
/**
 * A compiler that compiles what is called often has done so after some thousand answers. A server is given four windows, or as many more as it takes for the least of answers that it would
 * have given long ago where it is used: one that answers ten times a second is not timed while its code is interpreted.
 */
const WARM_ANSWERS = { enough: 15_000, least: 4_000 }
const WARM_WINDOWS = { usual: 4, most: 60 }

/** Asks until a server is warm. */
export async function warm(target: WrkTarget, connections: number): Promise<void> {
  let answers = 0
  const isWarm = (windows: number) =>
    answers >= (windows < WARM_WINDOWS.usual ? WARM_ANSWERS.enough : WARM_ANSWERS.least)
  for (let windows = 0; windows < WARM_WINDOWS.most && !isWarm(windows); windows++)
    answers += (await target.ask({ ...WARM, connections })).requests
}

/** Windows of both sides, `pairs` times A B B A, once both are warm. */
export async function alternate(
  sides: { ours: [RunningServer, WrkTarget]; theirs: [RunningServer, WrkTarget] },
  load: Load,
  pairs: number,
): Promise<{ ours: Measured[]; theirs: Measured[] }> {
  const ask = ([server, target]: [RunningServer, WrkTarget]) => measure(server, target, load)
  const results: { ours: Measured[]; theirs: Measured[] } = { ours: [], theirs: [] }
  await warm(sides.ours[1], load.connections)
  await warm(sides.theirs[1], load.connections)
  for (let pair = 0; pair < pairs; pair++) {
    results.ours.push(await ask(sides.ours))
    results.theirs.push(await ask(sides.theirs), await ask(sides.theirs))
    results.ours.push(await ask(sides.ours))
  }
  return results
}

/** The window with the least CPU time a request: what a noisy machine adds, it adds to all the others. */
export function best(windows: readonly Measured[]): Measured {
  return windows.reduce((least, one) => (one.cpuUs < least.cpuUs ? one : least))
}
