/** A server of its own process on a folder of models, and what the system says of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))

export interface Served {
  port: number
  pid: number
  /** From the start of the process to its first words, in milliseconds. */
  startMs: number
  /** Bytes that the process has in memory now, and had at most. */
  rss(): { now: number; peak: number }
  descriptors(): number
  /** CPU seconds of all its threads. */
  cpuS(): number
  /** A number of /metrics. */
  metric(name: string): Promise<number>
  /** Ends it, and gives its exit code. */
  stop(): Promise<number | null>
}

/** `options` as on the command line. */
export async function served(
  folder: string,
  options: readonly string[],
  env: Record<string, string> = {},
): Promise<Served> {
  const begun = performance.now()
  const child = spawn(process.execPath, [BIN, 'serve', folder, '--port', '0', '--json', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const address = await addressOf(child, ended)
  const port = Number(new URL(address).port)
  const pid = child.pid as number
  const status = (key: string) =>
    Number(new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  return {
    port,
    pid,
    startMs: performance.now() - begun,
    rss: () => ({ now: status('VmRSS'), peak: status('VmHWM') }),
    descriptors: () => readdirSync(`/proc/${pid}/fd`).length,
    cpuS: () => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    metric: async (name) => {
      const text = await (await fetch(`${address}/metrics`)).text()
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
    },
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
  }
}

async function addressOf(child: ChildProcess, ended: Promise<number | null>): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const found = new Promise<string>((resolve) => {
    lines.on('line', (line) => {
      const said = line.startsWith('{') ? JSON.parse(line) : {}
      if (said.event === 'serving') resolve(said.address)
    })
  })
  return await Promise.race([
    found,
    ended.then((code) => Promise.reject(new Error(`the server ended with ${code}`))),
  ])
}
