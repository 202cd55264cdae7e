import { readdir, readFile, writeFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Digest } from '../../src/core/records.ts'
import { createServer } from '../../src/serve/server.ts'
import type { Store } from '../../src/store/ports.ts'
import {
  CLOCK,
  type Fixture,
  loadConstant,
  logged,
  putBundle,
  putConstant,
  release,
  route,
  serving,
  withStore,
} from './fixture.ts'

const ROW = { hour: 9, distance: 500, origin: 'BOS' }

async function late(store: Store): Promise<void> {
  const parent = await putConstant(store, 'late', 0.25)
  await release(store, 'late', [route(await putBundle(store, 'late', 1, parent), 1)])
}

describe('bodies and names', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(late, { limits: { bodyBytesMax: 10_000, requestRowsMax: 20 } })
  })
  afterAll(() => f.close())

  const cases: [string, string, unknown, number, string, RegExp][] = [
    ['text that is not JSON', '/predict/late', '{"row": {', 400, 'MR_SERVE_JSON', /JSON/],
    ['NaN, which JSON does not have', '/predict/late', '{"row": {"hour": NaN}}', 400, 'MR_SERVE_JSON', /NaN/],
    ['an empty body', '/predict/late', '', 400, 'MR_SERVE_JSON', /empty/],
    [
      'bytes that are not UTF-8',
      '/predict/late',
      Buffer.from([0x7b, 0xff, 0x7d]),
      400,
      'MR_SERVE_JSON',
      /UTF-8/,
    ],
    ['a number', '/predict/late', '5', 400, 'MR_SERVE_BODY', /number 5/],
    ['rows that are not objects', '/predict/late', { rows: [ROW, 7] }, 400, 'MR_SERVE_BODY', /row 1/],
    ['no rows', '/predict/late', { rows: [] }, 400, 'MR_SERVE_BODY', /at least one/],
    ['fewer ids than rows', '/predict/late', { rows: [ROW, ROW], ids: ['a'] }, 400, 'MR_SERVE_BODY', /2 ids/],
    ['an id twice', '/predict/late', { rows: [ROW, ROW], ids: ['a', 'a'] }, 400, 'MR_SERVE_BODY', /id 1/],
    [
      'nesting beyond the limit',
      '/predict/late',
      `${'['.repeat(40)}${']'.repeat(40)}`,
      413,
      'MR_LIMIT',
      /jsonDepthMax/,
    ],
    [
      'a body beyond the limit',
      '/predict/late',
      { row: { origin: 'x'.repeat(20_000) } },
      413,
      'MR_LIMIT',
      /bodyBytesMax/,
    ],
    [
      'rows beyond the limit',
      '/predict/late',
      { rows: Array(21).fill(ROW) },
      413,
      'MR_LIMIT',
      /requestRowsMax/,
    ],
    ['an unknown model', '/predict/later', ROW, 404, 'MR_SERVE_MODEL_UNKNOWN', /"later"/],
    [
      'an unknown model of the protocol',
      '/v2/models/later/infer',
      { inputs: [] },
      404,
      'MR_SERVE_MODEL_UNKNOWN',
      /"later"/,
    ],
    ['a member of a model without any', '/predict/late%2FATL', ROW, 404, 'MR_SERVE_MEMBER_UNKNOWN', /ATL/],
    ['a name that climbs', '/predict/..%2F..%2Fetc%2Fpasswd', ROW, 404, 'MR_SERVE_MODEL_UNKNOWN', /"\.\."/],
    ['a name of a prototype', '/predict/__proto__', ROW, 404, 'MR_SERVE_MODEL_UNKNOWN', /__proto__/],
    [
      'a member of a prototype',
      '/predict/late%2Fconstructor',
      ROW,
      404,
      'MR_SERVE_MEMBER_UNKNOWN',
      /constructor/,
    ],
    ['a path that is none', '/predict', ROW, 404, 'MR_SERVE_PATH', /POST \/predict/],
    [
      'feedback without a value',
      '/v2/models/late/feedback',
      { id: 'a' },
      400,
      'MR_SERVE_BODY',
      /value of outcome 0/,
    ],
    [
      'feedback beyond the numbers',
      '/v2/models/late/feedback',
      '{"id":"a","value":1e999}',
      400,
      'MR_SERVE_BODY',
      /finite/,
    ],
    [
      'feedback to an unknown model',
      '/v2/models/later/feedback',
      { id: 'a', value: 1 },
      404,
      'MR_SERVE_MODEL_UNKNOWN',
      /later/,
    ],
  ]
  test.each(cases)('refuses %s', async (_, path, body, status, code, detail) => {
    const answer = await f.post(path, body)
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(answer.body).toMatchObject({
      status,
      code,
      title: code,
      detail: expect.stringMatching(detail),
      fix: expect.any(String),
    })
    expect(answer.status).toBe(status)
  })

  test('refuses a form, and says which header is wanted', async () => {
    const answer = await f.post('/predict/late', 'a=1', {
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(answer.body).toMatchObject({
      status: 415,
      code: 'MR_SERVE_MEDIA_TYPE',
      fix: expect.stringContaining('application/json'),
    })
  })

  test('a refused request leaves nothing in the log', async () => {
    const before = (await logged(f.store, 'predictions')).length
    await f.post('/predict/late', { rows: [ROW, 7] })
    expect((await logged(f.store, 'predictions')).length).toBe(before)
  })

  test('beyond the requests in flight it refuses at once, says when to come back, and recovers', async () => {
    const { metrics } = f.server.station
    metrics.requestsInFlight += 4096
    const refused = await f.post('/predict/late', ROW)
    metrics.requestsInFlight -= 4096
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([
      429,
      'MR_SERVE_BUSY',
      '1',
    ])
    expect((await f.post('/predict/late', ROW)).status).toBe(200)
  })

  test('a client that goes away in the middle of its body harms nobody', async () => {
    const { port } = new URL(f.url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      'POST /predict/late HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"row"',
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    expect((await f.post('/predict/late', ROW)).status).toBe(200)
  })
})

/** Flips one byte of an object's file, wherever the store keeps it. */
async function damage(dir: string, digest: Digest): Promise<() => Promise<void>> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true })
  const hex = digest.slice('sha256:'.length)
  const file = files.find(
    (entry) =>
      entry.isFile() && join(entry.parentPath, entry.name).replaceAll('/', '').includes(hex.slice(4)),
  )
  if (!file) throw new Error(`no file holds ${digest}`)
  const path = join(file.parentPath, file.name)
  const bytes = await readFile(path)
  const { chmod } = await import('node:fs/promises')
  await chmod(path, 0o644)
  const broken = Buffer.from(bytes)
  broken[Math.floor(broken.length / 2)] ^= 1
  await writeFile(path, broken)
  return () => writeFile(path, bytes)
}

test('a damaged model fails with the code of the store, for that model only, until it is repaired', async () => {
  const f = await serving(late)
  const other = await putConstant(f.store, 'other', 0.5)
  await release(f.store, 'other', [route(await putBundle(f.store, 'other', 1, other), 1)])
  const { graph } = await f.store.getRecord<{ kind: 'ModelVersion'; graph: Digest }>(other, 'ModelVersion')
  const repair = await damage(f.dir, graph)
  await f.server.refresh()
  const answer = await f.post('/predict/other', ROW)
  expect(answer.body).toMatchObject({ code: 'MR_OBJECT_CORRUPT', fix: expect.any(String) })
  expect((await f.get('/v2/models/other/ready')).status).not.toBe(200)
  expect((await f.post('/predict/late', ROW)).status).toBe(200)
  const waits = await f.post('/predict/other', ROW)
  expect(waits.body).toMatchObject({
    code: 'MR_SERVE_LOAD_FAILED',
    detail: expect.stringMatching(/MR_OBJECT_CORRUPT/),
  })
  expect(Number(waits.headers.get('retry-after'))).toBeGreaterThan(0)
  await repair()
  await expect.poll(async () => (await f.post('/predict/other', ROW)).status, { timeout: 8_000 }).toBe(200)
  await f.close()
})

test('a damaged release leaves the last good one answering, and readiness says so', async () => {
  const f = await serving(late)
  await f.post('/predict/late', ROW)
  const bundle = await putBundle(f.store, 'late', 2, await putConstant(f.store, 'late', 0.75))
  await damage(f.dir, bundle)
  await release(f.store, 'late', [route(bundle, 2)])
  await f.server.refresh()
  expect((await f.post('/predict/late', ROW)).body.version).toBe(1)
  const ready = await f.get('/readyz')
  expect(ready.status).toBe(503)
  expect(ready.body).toMatchObject({ ready: false, models: { late: 'MR_OBJECT_CORRUPT' } })
  await f.close()
})

test('a release without an answering route is 503 and names the way out', async () => {
  const f = await serving(async (store) => {
    const bundle = await putBundle(store, 'late', 1, await putConstant(store, 'late', 0.1))
    await release(store, 'late', [route(bundle, 1, 'shadow', 0)], { state: 'paused' })
  })
  expect((await f.post('/predict/late', ROW)).body).toMatchObject({
    status: 503,
    code: 'MR_SERVE_NO_ROUTE',
    fix: expect.stringContaining('rollback'),
  })
  await f.close()
})

test('readiness names a declared model that has no release', async () => {
  const f = await serving(late, { declared: () => ['late', 'fare'] })
  const { status, body } = await f.get('/readyz')
  expect([status, body.models, body.modelsReady]).toEqual([503, { fare: 'no release' }, 1])
  expect((await f.get('/livez')).status).toBe(200)
  await f.close()
})

test('a dead worker makes the server not ready', async () => {
  const workers = { alive: 2, wanted: 2 }
  const f = await serving(late, { workers: () => workers })
  expect((await f.get('/v2/health/ready')).status).toBe(200)
  workers.alive = 1
  expect((await f.get('/v2/health/ready')).status).toBe(503)
  await f.close()
})

test('an answer whose log cannot be written is refused with the error of the store', async () => {
  const f = await serving(late, { limits: { logRecordBytesMax: 2_000 } })
  expect((await f.post('/predict/late', { row: { ...ROW, origin: 'x'.repeat(4_000) } })).body).toMatchObject({
    code: 'MR_LIMIT',
    detail: expect.stringContaining('logRecordBytesMax'),
  })
  const many = await f.post('/predict/late', { rows: Array.from({ length: 200 }, () => ROW) })
  expect(many.body.predictions).toHaveLength(200)
  const blocks = await logged<{ ids: string[] }>(f.store, 'predictions')
  expect(blocks.length).toBeGreaterThan(5)
  expect(blocks.flatMap((b) => b.ids)).toEqual(many.body.predictions.map((p: { id: string }) => p.id))
  await f.close()
})

describe('who may ask', () => {
  const open = async (options: object) => serving(late, options)

  test('off loopback the server refuses to start without a token', async () => {
    const { store, drop } = await withStore()
    expect(() => createServer({ store, clock: CLOCK, host: '0.0.0.0' })).toThrow(/MR_SERVE_TOKEN_NEEDED/)
    expect(() => createServer({ store, clock: CLOCK, host: '0.0.0.0', token: '' })).toThrow(
      /MR_SERVE_TOKEN_NEEDED/,
    )
    await drop()
  })

  test('with a token all but health needs it', async () => {
    const f = await open({ token: 'correct horse'.replace(' ', '-') })
    expect((await f.post('/predict/late', ROW)).body).toMatchObject({ status: 401, code: 'MR_SERVE_TOKEN' })
    expect((await f.post('/predict/late', ROW)).headers.get('www-authenticate')).toContain('Bearer')
    expect((await f.post('/predict/late', ROW, { authorization: 'Bearer wrong' })).status).toBe(401)
    expect((await f.post('/predict/late', ROW, { authorization: 'Bearer correct-horse' })).status).toBe(200)
    expect((await f.get('/metrics')).status).toBe(401)
    expect((await f.get('/readyz')).status).toBe(200)
    await f.close()
  })

  test('without a token a foreign host name and a page of another site are refused', async () => {
    const f = await open({})
    const { port } = new URL(f.url)
    const status = await new Promise((resolve) => {
      httpRequest({ port, host: '127.0.0.1', path: '/v2', headers: { host: 'evil.example' } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      }).end()
    })
    expect(status).toBe(421)
    expect(
      (await f.post('/predict/late', ROW, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }))
        .status,
    ).toBe(403)
    await f.close()
  })

  test('a port that is taken is named with what to do', async () => {
    const f = await open({})
    const port = Number(new URL(f.url).port)
    const second = createServer({ store: f.store, clock: CLOCK, port, load: loadConstant(f.store) })
    await expect(second.listen()).rejects.toMatchObject({
      code: 'MR_PORT_TAKEN',
      fix: expect.stringContaining(`${port + 1}`),
    })
    await second.close()
    await f.close()
  })
})

test('closing answers what is under way and refuses what comes after', async () => {
  const f = await serving(late)
  const under = Array.from({ length: 20 }, () => f.post('/predict/late', ROW))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const closing = f.server.close()
  const answers = await Promise.allSettled(under)
  await closing
  const answered = answers.filter((a) => a.status === 'fulfilled' && a.value.status === 200)
  const rows = (await logged<{ ids: string[] }>(f.store, 'predictions')).flatMap((b) => b.ids)
  expect(rows.length).toBe(answered.length)
  await expect(fetch(`${f.url}/livez`)).rejects.toThrow()
  await f.close()
})

test('routes that others add share the server, its guard and its errors', async () => {
  const { store, drop } = await withStore()
  await late(store)
  const faults: string[] = []
  const onFault = (error: Error) => faults.push(String((error.cause as Error).message))
  const server = createServer({ store, clock: CLOCK, port: 0, load: loadConstant(store), onFault })
  server.fastify.get('/api/x', async () => ({ x: 1 }))
  server.fastify.post('/api/echo', async (request) => request.body)
  server.onNotFound((_, reply) => reply.code(200).send('page'))
  server.fastify.get('/api/fault', async () => {
    throw new Error('secret detail')
  })
  const url = await server.listen()
  expect(await (await fetch(`${url}/api/x`)).json()).toEqual({ x: 1 })
  const echo = { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } }
  expect(await (await fetch(`${url}/api/echo`, echo)).json()).toEqual({ a: 1 })
  expect(await (await fetch(`${url}/console/page`)).text()).toBe('page')
  const answer = await (await fetch(`${url}/api/fault`)).text()
  expect(answer).toContain('MR_SERVE_INTERNAL')
  expect(answer).not.toContain('secret')
  expect(faults).toEqual(['secret detail'])
  await server.close()
  await drop()
})
