/**
 * Hostile bytes on the connections of a server of models and of a server of releases: each is answered with a code, or its connection ends, and neither a fault of the server, nor a request under way,
 * nor a descriptor, nor memory stays behind. MILLRACE_FUZZ_CASES says how many; a case that fails says its seed, which is then kept.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MillraceError } from '../../../src/core/errors.ts'
import { WireWriter } from '../../../src/model/import/protobuf.ts'
import { type Fixture, serving } from '../fixture.ts'
import { type ModelsFixture, serveModels } from '../models/fixture.ts'
import { rowModels } from '../row-models.ts'
import { broken, casesOf, overSeeds, pick, type Rng } from './hostile.ts'
import { type Asked, frameCase, httpCase, type WireCase } from './wire-cases.ts'

/** Seeds that once failed. */
const KEPT: readonly number[] = Array.from({ length: 16 }, (_, i) => 8672 + i)
const CASES = casesOf(100)
const AT_ONCE = 16
/** A connection that has said all it will say is ended by then. */
const ENDED_MS_MAX = 10_000
/** What a first request compiles and loads; a kilobyte kept of each of 100,000 cases would be more. */
const HEAP_GROWTH_MAX = 24 * 1024 * 1024
/** A thread and a log that the first half did not need. */
const FILES_GROWTH_MAX = 12

const faults: MillraceError[] = []
const onFault = (error: MillraceError) => faults.push(error)

/** Sends a case and gives all that came back until the connection ended. */
function send(port: number, { parts, end }: WireCase): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const chunks: Buffer[] = []
    const late = setTimeout(() => {
      socket.destroy()
      reject(
        new Error(
          `no end after ${ENDED_MS_MAX} ms; so far ${Buffer.concat(chunks).toString('latin1', 0, 300)}`,
        ),
      )
    }, ENDED_MS_MAX)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      clearTimeout(late)
      resolve(Buffer.concat(chunks))
    })
    const write = async () => {
      for (const part of parts) {
        socket.write(part)
        if (parts.length > 1) await sleep(1)
      }
      if (end === 'fin') socket.end()
      else socket.resetAndDestroy()
    }
    void write()
  })
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) /
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** What came back over HTTP/1.1 is no fault, and where it is a refusal it has a code. */
function checkAnswer(bytes: Buffer): void {
  let text = bytes.toString('utf8')
  while (text.startsWith(CONTINUE)) text = text.slice(CONTINUE.length)
  if (text === '') return
  const status = Number(STATUS_LINE.exec(text)?.[1])
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  if (!(status >= 200 && status < 600) || status === 500) throw new Error(`answered ${text.slice(0, 400)}`)
  if (status >= 400 && !/"code":"MR_(?!SERVE_INTERNAL)/.test(body) && !text.includes('ping'))
    throw new Error(`a refusal without a code: ${text.slice(0, 400)}`)
}

const collect = () => {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}
/** Open files, and sockets among them: threads and logs that a first request opens are files, too. */
function descriptors(): { files: number; sockets: number } {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return { files: links.length, sockets: links.filter((link) => link.startsWith('socket:')).length }
}

interface Target {
  port: number
  grpcPort: number
  requestsInFlight(): number
  connections(): Promise<number>
  asked(rng: Rng): Asked
  message(rng: Rng): Uint8Array
}

async function untilZero(what: string, of: () => Promise<number> | number): Promise<void> {
  for (let tries = 0; tries < 200 && (await of()) > 0; tries++) await sleep(25)
  expect(await of(), what).toBe(0)
}

/** Runs half of the cases to warm up, looks at what is held, runs the other half and looks again. */
async function fuzz(target: Target, cases: number): Promise<void> {
  const held = async () => {
    await untilZero('requests in flight', target.requestsInFlight)
    await untilZero('connections', target.connections)
    await sleep(50)
    collect()
    return { heap: process.memoryUsage().heapUsed, ...descriptors() }
  }
  const run = async (rng: Rng) => {
    const before = faults.length
    const isFrames = rng.next() < 0.3
    const sent = isFrames ? frameCase(rng, target.message(rng)) : httpCase(rng, target.asked(rng))
    try {
      const answer = await send(isFrames ? target.grpcPort : target.port, sent)
      if (!isFrames && sent.end === 'fin') checkAnswer(answer)
    } catch (error) {
      throw new Error(`${sent.what}: ${(error as Error).message}`)
    }
    if (faults.length > before)
      throw new Error(
        `${sent.what}: ${faults.at(-1)?.message} ${String((faults.at(-1)?.cause as Error)?.stack)}`,
      )
  }
  await overSeeds(Math.ceil(cases / 2), { kept: KEPT, atOnce: AT_ONCE }, run)
  const before = await held()
  await overSeeds(cases, { kept: [], atOnce: AT_ONCE }, async (rng, seed) => {
    if (seed >= cases / 2) await run(rng)
  })
  const after = await held()
  await untilZero('sockets left', () => Math.max(0, descriptors().sockets - before.sockets))
  expect(after.files - before.files).toBeLessThanOrEqual(FILES_GROWTH_MAX)
  expect(after.heap - before.heap).toBeLessThan(HEAP_GROWTH_MAX)
  expect(faults).toEqual([])
  if (cases > 1_000) console.log(`fuzz of ${cases} cases:`, before, after)
}

const portOf = (url: string): number => Number(url.slice(url.lastIndexOf(':') + 1))

const connectionsOf =
  (server: { getConnections(done: (error: Error | null, n: number) => void): void }) => () =>
    new Promise<number>((resolve, reject) =>
      server.getConnections((error, n) => (error ? reject(error) : resolve(n))),
    )

function inferMessage(rng: Rng, model: string, input: string): Uint8Array {
  const tensor = new WireWriter()
    .text(1, input)
    .text(2, pick(rng, ['FP32', 'INT64', 'BYTES', 'nope']))
    .int(3, 1)
    .int(3, pick(rng, [3, 0, -1, 2 ** 40]))
  const whole = new WireWriter().text(1, model).message(5, tensor).bytes(7, Buffer.alloc(12)).done()
  return rng.next() < 0.5 ? whole : broken(rng, whole)
}

describe('a server of models of others', () => {
  let f: ModelsFixture
  beforeAll(async () => {
    f = await serveModels({ onFault, pingEveryMs: 25 })
  }, 60_000)
  afterAll(() => f.close())

  const PATHS = [
    '/v2/models/late/infer',
    '/v2/models/trees/infer',
    '/v1/models/late:predict',
    '/invocations',
    '/v2/repository/index',
  ]
  const READS = [
    '/v2',
    '/v2/models/late',
    '/v2/models/late/config',
    '/v2/models/stats',
    '/livez',
    '/metrics',
    '/none',
  ]

  test(`answers ${CASES} hostile connections with a code or ends them, and keeps nothing of them`, async () => {
    await fuzz(
      {
        port: portOf(f.url),
        grpcPort: portOf(f.grpcUrl),
        requestsInFlight: () => f.server.metrics.requestsInFlight,
        connections: connectionsOf(f.server.fastify.server),
        asked: (rng) =>
          rng.next() < 0.2
            ? { method: 'GET', path: pick(rng, READS), body: undefined }
            : {
                method: 'POST',
                path: pick(rng, PATHS),
                body: {
                  inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }],
                  instances: [[1, 2, 3]],
                },
              },
        message: (rng) => inferMessage(rng, 'late', 'x'),
      },
      CASES,
    )
    const { body } = await f.post('/v2/models/late/infer', {
      inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }],
    })
    expect(body.outputs[0].data).toEqual([0.5])
  }, 3_600_000)
})

describe('a server of releases', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined, grpcPort: 0, onFault, pingEveryMs: 25 })
  }, 60_000)
  afterAll(() => f.close())

  const ROW = { hour: 15, distance: 1200.5, weekend: true, origin: 'ATL', date: '2026-07-01' }
  const POSTS = (['late', 'delay', 'kinds', 'none', '__proto__'] as const).flatMap((model) => [
    `/predict/${model}`,
    `/predict/${model}/explain`,
    `/predict/${model}/rank`,
    `/predict/${model}/feedback`,
    `/v2/models/${model}/infer`,
    `/v2/models/${model}/explain`,
    `/v1/models/${model}:predict`,
  ])
  const READS = [
    '/v2',
    '/v2/models/late',
    '/v2/models/late/config',
    '/v1/models/late',
    '/openapi.json',
    '/metrics',
    '/readyz',
  ]
  const BODIES: unknown[] = [
    ROW,
    { row: ROW, id: 'a' },
    { rows: [ROW, { ...ROW, hour: null }], ids: ['b', 'c'], key: 'k', threshold: 0.5 },
    { id: 'b', value: true },
    { ids: ['b', 'c'], values: [1, 0], ats: [1, '2026-01-01'] },
    { inputs: [{ name: 'hour', shape: [1], datatype: 'INT64', data: [15] }], parameters: { explain: true } },
    { instances: [ROW] },
    { dataframe_split: { columns: Object.keys(ROW), data: [Object.values(ROW)] } },
  ]

  test(`answers ${CASES} hostile connections with a code or ends them, and keeps nothing of them`, async () => {
    await fuzz(
      {
        port: portOf(f.url),
        grpcPort: portOf(f.server.grpcAddress() as string),
        requestsInFlight: () => f.server.station.metrics.requestsInFlight,
        connections: connectionsOf(f.server.fastify.server),
        asked: (rng) =>
          rng.next() < 0.1
            ? { method: 'GET', path: pick(rng, READS), body: undefined }
            : { method: 'POST', path: pick(rng, [...POSTS, '/invocations']), body: pick(rng, BODIES) },
        message: (rng) => inferMessage(rng, 'delay', 'hour'),
      },
      CASES,
    )
    expect(await f.post('/predict/delay', { row: ROW })).toMatchObject({ status: 200 })
  }, 3_600_000)
})
