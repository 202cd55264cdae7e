/** Each limit of a request: what is at it passes, what is one beyond is refused by its name. What exhaustion each stops is said in `core/limits.ts` and `serve/limits.ts`. */

import { Agent, request as httpRequest } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { LIMITS } from '../../../src/core/limits.ts'
import { SERVE_LIMITS } from '../../../src/serve/limits.ts'
import { TensorBatcher } from '../../../src/serve/models/tensor-batcher.ts'
import { type Fixture, putBundle, putConstant, release, route, serving } from '../fixture.ts'
import { type ModelsFixture, serveModels } from '../models/fixture.ts'

const ROW = { hour: 9, distance: 500, origin: 'BOS' }
const late = async (store: Fixture['store']) => {
  const parent = await putConstant(store, 'late', 0.25)
  await release(store, 'late', [route(await putBundle(store, 'late', 1, parent), 1)])
}
const column = (n: number, name = 'hour') => ({
  name,
  shape: [n],
  datatype: 'FP64',
  data: new Array(n).fill(1),
})

describe('a request over HTTP', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(late, {
      limits: {
        bodyBytesMax: 4_000,
        jsonDepthMax: 6,
        requestRowsMax: 5,
        requestTensorsMax: 3,
        tensorElementsMax: 4,
        inFlightBytesMax: 6_000,
      },
    })
  })
  afterAll(() => f.close())

  const infer = (inputs: unknown[]) => f.post('/v2/models/late/infer', { inputs })
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const padded = (bytes: number) => {
    const text = JSON.stringify({ ...ROW, origin: '' })
    return text.replace('"origin":""', `"origin":"${'x'.repeat(bytes - text.length)}"`)
  }

  test.each<[string, () => ReturnType<Fixture['post']>, () => ReturnType<Fixture['post']>]>([
    [
      'bodyBytesMax',
      () => f.post('/predict/late', padded(4_000)),
      () => f.post('/predict/late', padded(4_001)),
    ],
    [
      'requestRowsMax',
      () => f.post('/predict/late', new Array(5).fill(ROW)),
      () => f.post('/predict/late', new Array(6).fill(ROW)),
    ],
    [
      'requestTensorsMax',
      () => infer([column(1), column(1, 'distance'), column(1, 'more')]),
      () => infer([column(1), column(1, 'distance'), column(1, 'a'), column(1, 'b')]),
    ],
    ['tensorElementsMax', () => infer([column(4)]), () => infer([column(5)])],
  ])('%s', async (limit, at, beyond) => {
    expect((await at()).body.code).toBeUndefined()
    expect((await beyond()).body).toMatchObject({
      status: 413,
      code: 'MR_LIMIT',
      detail: expect.stringContaining(limit),
    })
  })

  test('jsonDepthMax', async () => {
    expect((await f.post('/predict/late', nested(6))).body.code).toBe('MR_SERVE_BODY')
    expect((await f.post('/predict/late', nested(7))).body).toMatchObject({ status: 413, code: 'MR_LIMIT' })
  })

  test('inFlightBytesMax: bodies that are under way together', async () => {
    const { port } = new URL(f.url)
    const slow = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/predict/late',
      headers: { 'content-type': 'application/json', 'content-length': 3_000 },
    })
    slow.on('error', () => undefined)
    slow.write('{')
    await sleep(50)
    expect((await f.post('/predict/late', padded(3_000))).status).toBe(200)
    const refused = await f.post('/predict/late', padded(3_001))
    expect(refused.body).toMatchObject({
      status: 429,
      code: 'MR_SERVE_BUSY',
      detail: expect.stringContaining('6000'),
    })
    slow.destroy()
    await sleep(50)
    expect((await f.post('/predict/late', padded(3_001))).status).toBe(200)
  })

  test('headerBytesMax', async () => {
    const ask = (bytes: number): Promise<{ status?: number; text: string }> =>
      new Promise((resolve, reject) => {
        const headers = { 'x-filler': 'x'.repeat(bytes) }
        httpRequest(`${f.url}/v2`, { headers, agent: new Agent() }, (answer) => {
          let text = ''
          answer.on('data', (chunk) => {
            text += chunk
          })
          answer.on('end', () => resolve({ status: answer.statusCode, text }))
        })
          .on('error', reject)
          .end()
      })
    expect((await ask(SERVE_LIMITS.headerBytesMax - 1_000)).status).toBe(200)
    const beyond = await ask(SERVE_LIMITS.headerBytesMax)
    expect(beyond).toMatchObject({ status: 431, text: expect.stringContaining('MR_SERVE_HEADERS') })
  })

  test('what is no HTTP is told so', async () => {
    const { port } = new URL(f.url)
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('HELLO\r\n\r\n'))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
    })
    expect(said).toMatch(/^HTTP\/1\.1 400 /)
    expect(said).toContain('MR_SERVE_HTTP')
  })
})

test('connectionsMax: what is asked over a connection beyond it is refused, those that are open go on', async () => {
  const f = await serving(late, { connectionsMax: 2 })
  const ask = (agent: Agent): Promise<number> =>
    new Promise((resolve, reject) => {
      httpRequest(`${f.url}/v2`, { agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
        .on('error', reject)
        .end()
    })
  const agents = [1, 2, 3].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
  const statuses: number[] = []
  for (const agent of agents) statuses.push(await ask(agent))
  expect(statuses).toEqual([200, 200, 429])
  expect(await ask(agents[0])).toBe(200)
  for (const agent of agents) agent.destroy()
  await f.close()
})

describe('a call over gRPC', () => {
  let f: ModelsFixture
  beforeAll(async () => {
    f = await serveModels({ limits: { bodyBytesMax: 2_000 }, connectionsMax: 2 })
  })
  afterAll(() => f.close())
  const named = (name: string) => Buffer.concat([Buffer.of(0x0a, name.length), Buffer.from(name)])
  /** A field that nobody knows, which makes a message as long as it is to be. */
  const filled = (bytes: number) => {
    const head = Buffer.concat([named('late'), Buffer.of(0xfa, 0x01)])
    const rest = bytes - head.length - 2
    return Buffer.concat([head, Buffer.of((rest & 0x7f) | 0x80, rest >> 7), Buffer.alloc(rest, 0x61)])
  }

  test('bodyBytesMax of a message', async () => {
    expect((await f.call('ModelMetadata', filled(2_000))).status).toBe(0)
    expect(await f.call('ModelMetadata', filled(2_001))).toMatchObject({
      status: 8,
      text: expect.stringContaining('bodyBytesMax'),
    })
  })

  test('headerBytesMax of its metadata: a call beyond it is refused, the connection goes on', async () => {
    expect(
      (
        await f.call('ServerLive', new Uint8Array(0), {
          'x-filler': 'x'.repeat(SERVE_LIMITS.headerBytesMax - 2_000),
        })
      ).status,
    ).toBe(0)
    const beyond = f.call('ServerLive', new Uint8Array(0), {
      'x-filler': 'x'.repeat(SERVE_LIMITS.headerBytesMax),
    })
    await expect(beyond).rejects.toThrow('NGHTTP2_ENHANCE_YOUR_CALM')
    expect((await f.call('ServerLive', new Uint8Array(0))).status).toBe(0)
  })

  test('connectionsMax', async () => {
    const clients = [connectHttp2(`http://${f.grpcUrl}`), connectHttp2(`http://${f.grpcUrl}`)]
    const ask = (client: (typeof clients)[0]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const stream = client.request({
          ':method': 'POST',
          ':path': '/inference.GRPCInferenceService/ServerLive',
          'content-type': 'application/grpc',
          te: 'trailers',
        })
        stream.on('response', (headers) => resolve(headers['millrace-code']))
        stream.on('error', reject)
        stream.resume().end(Buffer.alloc(5))
      })
    await f.call('ServerLive', new Uint8Array(0))
    const codes: unknown[] = []
    for (const client of clients) codes.push(await ask(client))
    expect(codes).toEqual([undefined, 'MR_SERVE_BUSY'])
    for (const client of clients) client.close()
  })
})

test('batchQueueBytesMax: what waits for a model is bounded by bytes as well as by rows', async () => {
  let free: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    free = resolve
  })
  const batcher = new TensorBatcher({
    ...{ model: 'm', hasRows: false, rowsMax: 1, queueRowsMax: 1_000, queueBytesMax: 80, concurrency: 1 },
    run: async (feeds) => {
      await held
      return feeds
    },
  })
  const ask = (floats: number) => ({
    feeds: { x: { type: 'float32' as const, dims: [1, floats], data: new Float32Array(floats) } },
    rows: 1,
  })
  const first = batcher.infer(ask(1))
  await sleep(5)
  const waiting = [batcher.infer(ask(10)), batcher.infer(ask(10))]
  const refused = await (async () => batcher.infer(ask(1)))().catch((error: unknown) => error)
  expect(isMillraceError(refused, 'MR_SERVE_BUSY') && refused.message).toContain('(bytes)')
  free()
  await Promise.all([first, ...waiting])
  await batcher.infer(ask(20))
})

test('the limits of a request are those that the documentation names', () => {
  expect(LIMITS.requestTensorsMax).toBe(256)
  expect(LIMITS.tensorElementsMax).toBe(LIMITS.bodyBytesMax)
})
