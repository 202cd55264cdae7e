/** Which host answers for a model: how many move when hosts come and go, and that requests sent on are the ones that came. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readHosts, selfAmong } from '../../../src/serve/placement/hosts.ts'
import { Placement } from '../../../src/serve/placement/placement.ts'
import { type Host, ownersOf } from '../../../src/serve/placement/rendezvous.ts'
import { lightgbm } from '../models/fixture.ts'

const hostsOf = (n: number): Host[] =>
  Array.from({ length: n }, (_, i) => ({ address: `host${i}:8080`, weight: 1 }))
const models = Array.from({ length: 4_000 }, (_, i) => `model-${i}`)
const first = (hosts: Host[]) => models.map((model) => ownersOf(model, hosts, 1)[0].address)

describe('owners', () => {
  test('a host that comes takes its share, and nothing moves between the others', () => {
    const [before, after] = [first(hostsOf(9)), first(hostsOf(10))]
    const moved = models.filter((_, i) => before[i] !== after[i])
    expect(moved.length / models.length).toBeGreaterThan(0.075)
    expect(moved.length / models.length).toBeLessThan(0.125)
    expect(models.every((_, i) => after[i] === before[i] || after[i] === 'host9:8080')).toBe(true)
  })

  test('a host of twice the weight owns twice as much', () => {
    const hosts = readHosts('a:1,b:1=2,c:1')
    const owned = first(hosts)
    const share = (address: string) => owned.filter((one) => one === address).length / owned.length
    // five standard deviations of a binomial share
    for (const [address, weight] of [
      ['a:1', 0.25],
      ['b:1', 0.5],
      ['c:1', 0.25],
    ] as const)
      expect(Math.abs(share(address) - weight)).toBeLessThan(
        5 * Math.sqrt((weight * (1 - weight)) / owned.length),
      )
  })

  test('when a host goes, the second owner is the first, and the order of the list says nothing', () => {
    const hosts = hostsOf(7)
    for (const model of models.slice(0, 500)) {
      const [gone, next] = ownersOf(model, hosts, 2)
      const left = hosts.filter((host) => host !== gone)
      expect(ownersOf(model, left.reverse(), 1)).toEqual([next])
    }
  })
})

test('lists of hosts are read, and what is none is refused with what it must be', () => {
  expect(readHosts('a:80, b.example.com:8080=2.5,[::1]:9')).toEqual([
    { address: 'a:80', weight: 1 },
    { address: 'b.example.com:8080', weight: 2.5 },
    { address: '[::1]:9', weight: 1 },
  ])
  for (const wrong of ['', 'a', 'a:80,a:80', 'a:80=0', 'http://a:80', 'a:80=x'])
    expect(() => readHosts(wrong)).toThrow('MR_SERVE_HOSTS')
  expect(() => selfAmong(readHosts('a:80'), 'b:80')).toThrow('this host among a:80')
})

test('an owner that cannot be reached is left out for a moment, then asked again', () => {
  let now = 0
  const hosts = hostsOf(4)
  const model = models.find(
    (one) => !ownersOf(one, hosts, 2).some(({ address }) => address === 'host0:8080'),
  ) as string
  const [a, b] = ownersOf(model, hosts, 2).map(({ address }) => address)
  const placement = new Placement({ hosts, self: 'host0:8080', owners: 2, ticks: () => now })
  expect(placement.askFor(model)).toBe(a)
  const ended = placement.sent(a)
  expect(placement.askFor(model)).toBe(b)
  ended()
  placement.unreachable(a)
  expect(placement.askFor(model)).toBe(b)
  placement.unreachable(b)
  expect(placement.askFor(model)).toBeUndefined()
  now = 2_001
  expect(placement.askFor(model)).toBe(a)
})

describe('three servers', () => {
  const BIN = fileURLToPath(new URL('../../../bin/millrace.cjs', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'millrace-hosts-'))
  const names = Array.from({ length: 30 }, (_, i) => `m${i}`)
  let ports: number[] = []
  let hosts: Host[] = []
  let processes: ReturnType<typeof spawn>[] = []

  beforeAll(async () => {
    for (const name of names) writeFileSync(join(folder, `${name}.txt`), lightgbm.text)
    ports = await Promise.all([freePort(), freePort(), freePort()])
    const list = ports.map((port) => `127.0.0.1:${port}`).join(',')
    hosts = readHosts(list)
    processes = ports.map((port) =>
      spawn(
        process.execPath,
        [
          BIN,
          'serve',
          folder,
          '--port',
          `${port}`,
          '--hosts',
          list,
          '--as',
          `127.0.0.1:${port}`,
          '--owners',
          '1',
          '--json',
        ],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      ),
    )
    await Promise.all(ports.map(untilLive))
  }, 180_000)
  afterAll(() => {
    for (const one of processes) one.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  const { nFeatures } = lightgbm.answers as { nFeatures: number }
  const body = JSON.stringify({
    id: 'mine',
    inputs: [
      {
        name: 'input',
        datatype: 'FP64',
        shape: [1, nFeatures],
        data: Array.from({ length: nFeatures }, (_, j) => j),
      },
    ],
  })
  const ask = async (port: number, name: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/models/${name}/infer`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    })
    return { status: answer.status, body: (await answer.json()) as { id: string; outputs: unknown[] } }
  }
  const counted = async (port: number, name: string) => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  }

  test('each request is answered alike wherever it comes in, by the one that owns its model, and never goes on twice', async () => {
    const answers = await Promise.all(names.flatMap((name) => ports.map((port) => ask(port, name))))
    expect(
      new Set(answers.map(({ status, body: got }) => JSON.stringify([status, got.id, got.outputs]))).size,
    ).toBe(1)
    expect(answers[0]).toMatchObject({ status: 200, body: { id: 'mine' } })
    let asked = 0
    for (const [i, port] of ports.entries()) {
      const others = names.filter((name) => ownersOf(name, hosts, 1)[0] !== hosts[i]).length
      const forwarded = await counted(port, 'millrace_requests_forwarded_total')
      const failed = await counted(port, 'millrace_forwards_failed_total')
      // on a machine that is so busy that connections take half a second it answers itself
      if (failed === 0) expect(forwarded).toBe(others)
      asked += await counted(port, 'millrace_models_hits_total')
      asked += await counted(port, 'millrace_models_misses_total')
    }
    expect(asked).toBe(3 * names.length)
  })

  test('a request that was sent on is answered where it arrives, and errors come back as they are', async () => {
    const other = names.find((name) => ownersOf(name, hosts, 1)[0] !== hosts[0]) as string
    const before = await counted(ports[0], 'millrace_requests_forwarded_total')
    expect((await ask(ports[0], other, { 'x-millrace-forwarded': 'somewhere' })).status).toBe(200)
    expect(await counted(ports[0], 'millrace_requests_forwarded_total')).toBe(before)
    expect((await ask(ports[0], 'none')).status).toBe(404)
  })

  test('when a host is killed its models are answered by whoever is asked', async () => {
    processes[2].kill('SIGKILL')
    const answers = await Promise.all(names.flatMap((name) => [ask(ports[0], name), ask(ports[1], name)]))
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
  })
})

async function untilLive(port: number): Promise<void> {
  for (;;) {
    const live = await fetch(`http://127.0.0.1:${port}/livez`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (live) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
