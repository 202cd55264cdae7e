/** A server in a process of its own, pinned to a core, with the CPU time of all that it started. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** The server is on one core and what asks it on the other. */
export const SERVER_CORE = 0
export const CLIENT_CORE = 1

const START_MS = 180_000
const STOP_MS = 8_000
const TICKS_PER_S = 100
/** In the environment of a server and so of all its processes, also of those that it let go. */
const MARK = 'MILLRACE_BENCH_SERVER'
const LAST_CHARS = 3_000

export interface ServerCommand {
  command: string
  args: string[]
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Answers 2xx when the server can answer. */
  readyUrl: string
  /** One, or several with commas. Default: that of servers. */
  core?: number | string
}

export interface RunningServer {
  pids(): number[]
  /** Seconds of CPU that all its processes have had. */
  cpuS(): number
  memoryMb(): number
  stop(): Promise<void>
}

/** What ends the servers that still run when this process ends, however it does. */
const stopsAtEnd = new Set<() => void>()
process.once('exit', () => {
  for (const stop of stopsAtEnd) stop()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** Throws with the end of its output when it does not come up. */
export async function startServer({
  command,
  args,
  env,
  cwd,
  readyUrl,
  core = SERVER_CORE,
}: ServerCommand): Promise<RunningServer> {
  const mark = randomUUID()
  const child = spawn('taskset', ['-c', String(core), command, ...args], {
    env: { ...process.env, ...env, [MARK]: mark },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = tailOf(child)
  const pids = () => processesMarked(mark)
  const stopNow = () => killAll(pids(), 'SIGKILL')
  stopsAtEnd.add(stopNow)
  const stop = async () => {
    await stopAll(child, pids)
    stopsAtEnd.delete(stopNow)
  }
  try {
    await untilReady(child, readyUrl)
  } catch (error) {
    await stop()
    throw new Error(`${command} ${args[0]} did not come up: ${(error as Error).message}\n${said()}`)
  }
  return {
    pids,
    cpuS: () => sum(pids().map(cpuSecondsOf)),
    memoryMb: () => sum(pids().map(memoryMbOf)),
    stop,
  }
}

function tailOf(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text = (text + more).slice(-LAST_CHARS)
    })
  return () => text
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const endMs = Date.now() + START_MS
  while (Date.now() < endMs) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    const answer = await fetch(url).catch(() => undefined)
    if (answer?.ok) return
    await sleep(100)
  }
  throw new Error(`${url} did not answer within ${START_MS / 1000} s`)
}

async function stopAll(child: ChildProcess, pids: () => number[]): Promise<void> {
  child.kill('SIGTERM')
  const endMs = Date.now() + STOP_MS
  while (pids().length > 0 && Date.now() < endMs) await sleep(50)
  killAll(pids(), 'SIGKILL')
}

function killAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, signal)
    } catch {
      // it ended by itself
    }
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)

function processesMarked(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => read(`/proc/${name}/environ`).includes(`${MARK}=${mark}`))
    .map(Number)
}

/** Empty for a process that has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** User and system time of a process and of its children that ended, from fields 14 to 17 of its `stat`. */
function cpuSecondsOf(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []
  return sum(fields.slice(11, 15).map(Number)) / TICKS_PER_S
}

function memoryMbOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024
}

/** Seconds that all cores were busy, or given to other machines, since this one was started. */
export function busySeconds(): number {
  const [, user, nice, system, , , irq, soft, steal] = read('/proc/stat')
    .split('\n')[0]
    .split(/\s+/)
    .map(Number)
  return (user + nice + system + irq + soft + steal) / TICKS_PER_S
}
