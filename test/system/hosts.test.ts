/**
 * Real hosts behind a real HAProxy, by the configuration that the documentation gives. MILLRACE_HOST_DEATHS says how many times a host is ended by SIGKILL under load;
 * no request may be lost.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../api/workers/fixture.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const DEATHS = Number(process.env.MILLRACE_HOST_DEATHS ?? 1)
const HOSTS = 3
const WEIGHTS = [100, 100, 50]
/** Hosts that have just begun take unlike times for their first requests: shares of some hundred were once half as large again as they should be. */
const ANSWERS = 3_000
const MODEL = 'sklearn-regression'

function haproxyPath(): string | undefined {
  for (const path of ['haproxy', '/usr/sbin/haproxy'])
    try {
      execFileSync(path, ['-v'], { stdio: 'ignore' })
      return path
    } catch {
      // not there
    }
  return undefined
}

const haproxy = haproxyPath()
if (!haproxy) console.log('SKIP hosts behind HAProxy: there is no haproxy here (CI installs it)')

/** Waits until something holds, at most a minute. */
async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const from = performance.now()
  while (!(await holds())) {
    if (performance.now() - from > 60_000) throw new Error(`waited a minute for ${what}`)
    await sleep(20)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

interface Host {
  port: number
  child: ChildProcess
}

/** A host that can answer for its model. */
async function startHost(port: number): Promise<Host> {
  const graph = join(root, `test/reference/networks/${MODEL}.onnx`)
  const args = [
    join(root, 'bin/millrace.cjs'),
    'serve',
    graph,
    '--port',
    String(port),
    '--threads',
    '1',
    '--json',
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout?.on('data', (chunk) => {
    said += chunk
  })
  await until(() => said.includes('"event":"ready"'), 'a host')
  return { port, child }
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.once('exit', resolve))

describe.skipIf(!haproxy)('hosts behind HAProxy', () => {
  let dir: string
  let hosts: Host[] = []
  let proxy: ChildProcess
  let url: string
  let ask: unknown
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-hosts-'))
    const ports = await Promise.all(Array.from({ length: HOSTS + 1 }, freePort))
    hosts = await Promise.all(ports.slice(1).map(startHost))
    const config = readFileSync(join(root, 'docs/operating/haproxy.cfg'), 'utf8')
      .replace('bind :8000', `bind 127.0.0.1:${ports[0]}`)
      .replace(
        /server ([abc]) [\d.]+:8080/g,
        (_, name: string) => `server ${name} 127.0.0.1:${ports['abc'.indexOf(name) + 1]}`,
      )
    writeFileSync(join(dir, 'haproxy.cfg'), config)
    proxy = spawn(haproxy as string, ['-db', '-f', join(dir, 'haproxy.cfg')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    url = `http://127.0.0.1:${ports[0]}`
    const client = new Client(url)
    const up = async () => (await client.ask('/readyz').catch(() => ({ status: 0 }))).status === 200
    await until(up, 'the proxy')
    const { inputs } = (await client.ask(`/v2/models/${MODEL}`)).body
    const [{ name, shape, datatype }] = inputs
    const dims = (shape as number[]).map((size) => (size < 0 ? 1 : size))
    const data = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i / 10)
    ask = { inputs: [{ name, shape: dims, datatype, data }] }
    client.close()
  }, 120_000)
  afterAll(async () => {
    proxy?.kill('SIGKILL')
    await Promise.all(
      hosts.map(({ child }) => {
        child.kill('SIGTERM')
        return child.exitCode === null && child.signalCode === null ? ended(child) : undefined
      }),
    )
    rmSync(dir, { recursive: true, force: true })
  })

  /** Clients that ask through the proxy until they are stopped. */
  function load(n: number) {
    let stop = false
    const seen = { answers: new Map<number, number>(), lost: 0, wrong: 0, slowestMs: 0 }
    let right: string | undefined
    const run = async () => {
      const client = new Client(url)
      while (!stop) {
        const from = performance.now()
        const answer = await client.ask(`/v2/models/${MODEL}/infer`, ask).catch(() => undefined)
        seen.slowestMs = Math.max(seen.slowestMs, performance.now() - from)
        if (!answer) seen.lost++
        else seen.answers.set(answer.status, (seen.answers.get(answer.status) ?? 0) + 1)
        const outputs = JSON.stringify(answer?.body.outputs)
        right ??= outputs
        if (answer?.status === 200 && outputs !== right) seen.wrong++
        await sleep(2)
      }
      client.close()
    }
    const running = Array.from({ length: n }, run)
    return async () => {
      stop = true
      await Promise.all(running)
      return seen
    }
  }

  const answered = async ({ port }: Host) => {
    const client = new Client(`http://127.0.0.1:${port}`)
    const { body } = await client.ask('/metrics')
    client.close()
    return Number(/millrace_predictions_total\{[^}]*\} (\d+)/.exec(body as string)?.[1] ?? 0)
  }

  test('get requests in proportion to their weights', async () => {
    const before = await Promise.all(hosts.map(answered))
    const stop = load(10)
    let shares: number[] = []
    const sum = () => shares.reduce((a, b) => a + b, 0)
    await until(async () => {
      shares = (await Promise.all(hosts.map(answered))).map((n, i) => n - before[i])
      return sum() > ANSWERS
    }, `${ANSWERS} answers`)
    await stop()
    shares.forEach((n, i) => {
      expect(n / sum()).toBeGreaterThan((WEIGHTS[i] / 250) * 0.6)
      expect(n / sum()).toBeLessThan((WEIGHTS[i] / 250) * 1.5)
    })
  }, 60_000)

  test(
    `${DEATHS} hosts ended by SIGKILL under load lose no request`,
    async () => {
      const stop = load(8)
      await sleep(300)
      for (let i = 0; i < DEATHS; i++) {
        const host = hosts[i % HOSTS]
        const gone = ended(host.child)
        host.child.kill('SIGKILL')
        await gone
        await sleep(300)
        hosts[i % HOSTS] = await startHost(host.port)
        await sleep(700)
      }
      const { answers, lost, wrong, slowestMs } = await stop()
      console.log(
        `  ${DEATHS} hosts killed: answers by status ${JSON.stringify([...answers])}, ${lost} lost, ${wrong} wrong, slowest ${Math.round(slowestMs)} ms`,
      )
      expect({ statuses: [...answers.keys()], lost, wrong }).toEqual({ statuses: [200], lost: 0, wrong: 0 })
    },
    60_000 + DEATHS * 20_000,
  )

  test('a host that is told to stop loses none either', async () => {
    const stop = load(8)
    await sleep(300)
    const [host] = hosts
    const gone = ended(host.child)
    host.child.kill('SIGTERM')
    await gone
    await sleep(300)
    const { answers, lost } = await stop()
    expect({ statuses: [...answers.keys()], lost }).toEqual({ statuses: [200], lost: 0 })
  }, 60_000)
})
