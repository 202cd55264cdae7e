/** What a server says of its batches, and what it refuses before it has read it. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { MillraceError } from '../../../src/core/errors.ts'
import { type ModelsFixture, serveModels } from './fixture.ts'

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels({ latencyMs: 50 })
})
afterAll(() => f.close())

const row = { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }] }

test('what batches are made and why is said in numbers and in words, before the first call and after it', async () => {
  const before = await f.get('/v2/models/late/batching')
  expect(before.body).toMatchObject({
    model: 'late',
    version: '2',
    objectiveMs: 50,
    isStatic: false,
    cost: null,
  })
  expect(before.body.words).toEqual(['No call was seen yet: the first is made with one request.'])
  for (let i = 0; i < 5; i++) expect((await f.post('/v2/models/late/infer', row)).status).toBe(200)
  const { body } = await f.get('/v2/models/late/versions/2/batching')
  expect(body.requests).toEqual({ answered: 5, over: expect.any(Number), refused: 0 })
  expect(body.rowsMax).toBe(4)
  expect(body.sizes.map(({ rows }: { rows: number }) => rows)).toEqual([1, 2, 4])
  for (const { rows, callMs, rowsPerSecond, latencyMs } of body.sizes) {
    expect(rowsPerSecond).toBeCloseTo((1000 * rows) / callMs, 6)
    expect(latencyMs).toBeCloseTo(2 * callMs, 6)
  }
  expect(body.words[0]).toMatch(/^One row at a time takes .+ ms: [\d,]+ rows a second\./)
  expect(body.here.latencyMsP99).toBeGreaterThan(0)
  const metrics = await (await fetch(`${f.url}/metrics`)).text()
  expect(metrics).toMatch(/millrace_batch_rows\{model="late",version="2"\} [1-4]\n/)
  expect(metrics).toContain('millrace_batch_refused_total{model="late",version="2"} 0\n')
  expect((await f.get('/v2/models/nobody/batching')).status).toBe(404)
})

test('what could not be answered in time is refused before its body is read, with when to come again', async () => {
  const { ready } = f.server.backend.shelf.slot('late')
  const { batcher } = ready as NonNullable<typeof ready>
  for (let i = 0; i < 200; i++) batcher.control.cost.add(1, 2_400, performance.now())
  const data = Float32Array.of(1, 2, 3)
  const pending = Array.from({ length: 3 }, () => {
    try {
      return batcher.infer({ feeds: { x: { type: 'float32', dims: [1, 3], data } }, rows: 1 })
    } catch (error) {
      return error
    }
  })
  expect(pending.map((one) => (one instanceof Promise ? 'taken' : (one as { code: string }).code))).toEqual([
    'taken',
    'MR_SERVE_LATENCY',
    'MR_SERVE_LATENCY',
  ])
  expect(() => f.server.backend.admit('late')).toThrow('MR_SERVE_LATENCY')
  await pending[0]
  const asks = Array.from({ length: 30 }, () =>
    fetch(`${f.url}/v2/models/late/infer`, {
      method: 'POST',
      body: JSON.stringify(row),
      headers: { 'content-type': 'application/json' },
    }),
  )
  const statuses = await Promise.all(asks)
  const refused = statuses.filter(({ status }) => status === 429)
  expect(refused.length).toBeGreaterThan(0)
  expect(refused[0].headers.get('retry-after')).toMatch(/^[2-9]$/)
  const body = await refused[0].json()
  expect(body).toMatchObject({ code: 'MR_SERVE_LATENCY', retryable: true })
  expect(statuses.filter(({ status }) => status === 200).length).toBe(30 - refused.length)
})

test('a body that is refused is not looked at', async () => {
  const data = { model: 'late', latencyMs: 50, expectedMs: 90, waitMs: 40 }
  const admit = vi.spyOn(f.server.backend, 'admit').mockImplementation(() => {
    throw new MillraceError('MR_SERVE_LATENCY', data)
  })
  const answer = await f.post('/v2/models/late/infer', Buffer.from('{'))
  admit.mockRestore()
  expect(answer.body).toMatchObject({ status: 429, code: 'MR_SERVE_LATENCY' })
})
