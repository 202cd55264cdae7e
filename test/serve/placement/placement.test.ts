/** Which host answers for a model: how many move when hosts come and go, and that requests sent on are the ones that came. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HostBoard } from '../../../src/serve/placement/host-board.ts'
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

describe('hosts that beat', () => {
  const host = (address: string, beat: number) => ({ address, weight: 1, beat })
  const names = (hosts: Host[]) => hosts.map(({ address }) => address)

  test('are there while their beat moves, whatever their clocks say, and are stale long after', () => {
    const board = new HostBoard(4_000)
    expect(names(board.seen([host('a', 7), host('b', 1)], 0).live)).toEqual(['a', 'b'])
    expect(names(board.seen([host('a', 8), host('b', 1)], 3_999).live)).toEqual(['a', 'b'])
    expect(names(board.seen([host('a', 9), host('b', 1)], 4_000).live)).toEqual(['a'])
    expect(names(board.seen([host('a', 10), host('b', 2)], 5_000).live)).toEqual(['a', 'b'])
    expect(board.seen([host('a', 11), host('b', 2)], 64_000)).toEqual({
      live: [{ address: 'a', weight: 1 }],
      stale: [],
    })
    expect(board.seen([host('a', 12), host('b', 2)], 65_000).stale).toEqual([host('b', 2)])
  })

  test('one that was gone when it was first seen counts for one lease, and one that came back is new', () => {
    const board = new HostBoard(4_000)
    board.seen([host('a', 3)], 100_000)
    expect(board.seen([host('a', 3)], 104_000).live).toEqual([])
    expect(board.seen([], 105_000)).toEqual({ live: [], stale: [] })
    expect(names(board.seen([host('a', 1)], 300_000).live)).toEqual(['a'])
  })

  test('move what the one that came or went owns, and nothing else', () => {
    const placement = new Placement({ hosts: hostsOf(3), self: 'host0:8080', owners: 1 })
    const owner = () => models.map((model) => placement.owners(model)[0].address)
    const before = owner()
    placement.replace(hostsOf(4))
    const more = owner()
    expect(more.every((address, i) => address === before[i] || address === 'host3:8080')).toBe(true)
    placement.replace(hostsOf(3).slice(0, 2))
    expect(owner().every((address, i) => address === before[i] || before[i] === 'host2:8080')).toBe(true)
  })
})

describe('three servers that join one store', () => {
  const BIN = fileURLToPath(new URL('../../../bin/millrace.cjs', import.meta.url))
  const folder = mkdtempSync(join(tmpdir(), 'millrace-joined-'))
  const store = join(folder, 'store')
  const names = Array.from({ length: 24 }, (_, i) => `m${i}`)
  const processes = new Map<number, ReturnType<typeof spawn>>()
  const start = async (port: number) => {
    const options = ['--port', `${port}`, '--join', store, '--owners', '1', '--memory', '64', '--json']
    const child = spawn(process.execPath, [BIN, 'serve', join(folder, 'models'), ...options], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    processes.set(port, child)
    await untilLive(port)
  }
  beforeAll(() => {
    mkdirSync(join(folder, 'models'))
    for (const name of names) writeFileSync(join(folder, 'models', `${name}.txt`), lightgbm.text)
  })
  afterAll(() => {
    for (const one of processes.values()) one.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })

  const { nFeatures } = lightgbm.answers as { nFeatures: number }
  const data = new Array(nFeatures).fill(0.5)
  const body = JSON.stringify({ inputs: [{ name: 'input', datatype: 'FP64', shape: [1, nFeatures], data }] })
  const ask = async (port: number, name: string) => {
    const headers = { 'content-type': 'application/json' }
    const path = `http://127.0.0.1:${port}/v2/models/${name}/infer`
    const answer = await fetch(path, { method: 'POST', body, headers })
    const { outputs } = (await answer.json()) as { outputs: unknown }
    return JSON.stringify([answer.status, outputs])
  }
  const metric = async (port: number, name: string) => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  }
  const askAll = async (ports: readonly number[]) =>
    (await Promise.all(names.flatMap((name) => ports.map((port) => ask(port, name))))).map(String)
  const untilHosts = async (ports: readonly number[], n: number) => {
    for (const port of ports)
      await expect.poll(() => metric(port, 'millrace_hosts'), { timeout: 30_000, interval: 100 }).toBe(n)
  }
  /** Models that a host is asked for alone, by what others sent on in one round over all models. */
  const sentOn = async (port: number) => {
    const before = await metric(port, 'millrace_requests_forwarded_total')
    const failedBefore = await metric(port, 'millrace_forwards_failed_total')
    await askAll([port])
    const failed = (await metric(port, 'millrace_forwards_failed_total')) - failedBefore
    return { failed, n: (await metric(port, 'millrace_requests_forwarded_total')) - before }
  }

  test('place models on whoever is there: one comes, one is killed, one leaves, and no request is lost', async () => {
    const [a, b, c] = await Promise.all([freePort(), freePort(), freePort()])
    const hosts = (ports: readonly number[]): Host[] =>
      ports.map((port) => ({ address: `127.0.0.1:${port}`, weight: 1 }))
    const owned = (ports: readonly number[], port: number) =>
      names.filter((name) => ownersOf(name, hosts(ports), 1)[0].address === `127.0.0.1:${port}`).length
    const expectOthers = async (ports: readonly number[], port: number) => {
      const { failed, n } = await sentOn(port)
      // on a machine that is so busy that connections take half a second it answers itself
      if (failed === 0) expect(n).toBe(names.length - owned(ports, port))
    }
    await Promise.all([start(a), start(b)])
    await untilHosts([a, b], 2)
    const [right] = await askAll([a])
    expect(right).toMatch(/^\[200,/)
    await expectOthers([a, b], a)
    await start(c)
    await untilHosts([a, b, c], 3)
    await expectOthers([a, b, c], b)

    processes.get(c)?.kill('SIGKILL')
    const answers: string[] = []
    const killedMs = performance.now()
    while (performance.now() - killedMs < 2_000) answers.push(...(await askAll([a, b])))
    await untilHosts([a, b], 2)
    answers.push(...(await askAll([a, b])))
    expect(new Set(answers)).toEqual(new Set([right]))
    await expectOthers([a, b], a)

    processes.get(b)?.kill('SIGTERM')
    await untilHosts([a], 1)
    expect(new Set(await askAll([a]))).toEqual(new Set([right]))
    expect((await sentOn(a)).n).toBe(0)
  }, 120_000)
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
