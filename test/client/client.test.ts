/** The client against servers that fail in every way, and against the real one. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { client, MillraceClientError } from '../../src/client/index.ts'
import { decodeInfer, encodeInfer } from '../../src/client/tensors.ts'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { type Fixture, logged, serving } from '../serve/fixture.ts'
import { type ModelsFixture, serveModels } from '../serve/models/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const errorOf = async (work: Promise<unknown>): Promise<MillraceClientError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(MillraceClientError)
  return error as MillraceClientError
}

describe('against a server that fails', () => {
  type Answer = (request: IncomingMessage, response: ServerResponse) => void
  let server: Server
  let url: string
  let script: Answer[] = []
  let seen: { headers: IncomingMessage['headers']; atMs: number }[] = []
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push({ headers: request.headers, atMs: performance.now() })
      request.resume()
      request.on('end', () => (script.shift() ?? ok)(request, response))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => {
    script = []
    seen = []
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const ok: Answer = (_, response) =>
    response.setHeader('content-type', 'application/json').end('{"id":"a","output":1}')
  const status =
    (code: number, body: object | string = '', headers: Record<string, string> = {}): Answer =>
    (_, response) => {
      response.writeHead(code, { 'content-type': 'application/problem+json', ...headers })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
  const problem = (code: string, retryable: boolean) => ({ code, detail: 'what', fix: 'do this', retryable })
  const cut: Answer = (request) => request.socket.destroy()
  const half: Answer = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"id":')
    setTimeout(() => request.socket.destroy(), 10)
  }
  const silent: Answer = () => undefined
  const asking = (more: object = {}) =>
    client({ url: `${url}/`, retry: { delayMs: 5 }, tryTimeoutMs: 5_000, timeoutMs: 20_000, ...more })

  test('what may pass is tried again, under one id, with the number of tries before', async () => {
    script = [
      cut,
      status(503, problem('MR_SERVE_CLOSING', true)),
      half,
      status(502, '<html>bad gateway</html>'),
      ok,
    ]
    expect(await asking().predict('late', { hour: 1 })).toMatchObject({ output: 1 })
    expect(seen.map(({ headers }) => headers['x-millrace-attempt'])).toEqual([undefined, '1', '2', '3', '4'])
    expect(new Set(seen.map(({ headers }) => headers['x-request-id'])).size).toBe(1)
  })

  test('what will not pass is told at once, with its code and its fix', async () => {
    script = [status(400, problem('MR_SERVE_FIELD', false))]
    const error = await errorOf(asking().predict('late', {}, { requestId: 'mine' }))
    expect(error).toMatchObject({
      code: 'MR_SERVE_FIELD',
      status: 400,
      fix: 'do this',
      retryable: false,
      tries: 1,
      requestId: 'mine',
    })
    expect(error.message).toBe('MR_SERVE_FIELD: what')
    expect(seen).toHaveLength(1)
    script = [status(500, 'oops'), ok]
    expect(await errorOf(asking().predict('late', {}))).toMatchObject({
      code: 'MR_CLIENT_ANSWER',
      status: 500,
      tries: 1,
    })
  })

  test('tries are bounded, and the last error is thrown', async () => {
    script = [cut, cut, cut, ok]
    const error = await errorOf(asking({ retry: { tries: 3, delayMs: 1 } }).predict('late', {}))
    expect(error).toMatchObject({ code: 'MR_CLIENT_NETWORK', tries: 3, retryable: true })
    expect(error.message).toMatch(/after 3 tries: .*(ECONNRESET|UND_ERR_SOCKET)/)
  })

  test('a pause is never less than Retry-After, in seconds or as a date', async () => {
    script = [status(429, problem('MR_SERVE_BUSY', true), { 'retry-after': '1' }), ok]
    await asking().predict('late', {})
    expect(seen[1].atMs - seen[0].atMs).toBeGreaterThanOrEqual(1_000)
    const soon = new Date(Date.now() + 2_000).toUTCString()
    seen = []
    script = [status(503, '', { 'retry-after': soon }), ok]
    await asking().predict('late', {})
    expect(seen[1].atMs - seen[0].atMs).toBeGreaterThan(500)
  })

  test('where the pause would outlast the deadline, the error comes at once', async () => {
    script = [status(429, problem('MR_SERVE_BUSY', true), { 'retry-after': '60' })]
    const began = performance.now()
    expect(await errorOf(asking().predict('late', {}))).toMatchObject({
      code: 'MR_SERVE_BUSY',
      status: 429,
      retryAfterMs: 60_000,
    })
    expect(performance.now() - began).toBeLessThan(1_000)
  })

  test('a silent server costs the time of a try, all together the deadline', async () => {
    script = [silent, ok]
    expect(await asking({ tryTimeoutMs: 1_000 }).predict('late', {})).toMatchObject({ output: 1 })
    script = [silent, silent, silent, silent, silent]
    const began = performance.now()
    const error = await errorOf(asking({ tryTimeoutMs: 300 }).predict('late', {}, { timeoutMs: 700 }))
    expect(error).toMatchObject({ code: 'MR_CLIENT_TIMEOUT', status: 504 })
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  test('a signal ends a try and a pause, and nothing is asked after it', async () => {
    script = [silent]
    const one = new AbortController()
    setTimeout(() => one.abort(), 50)
    expect(await errorOf(asking().predict('late', {}, { signal: one.signal }))).toMatchObject({
      code: 'MR_CLIENT_CANCELLED',
    })
    seen = []
    script = [status(503, problem('MR_SERVE_CLOSING', true), { 'retry-after': '3' })]
    const two = new AbortController()
    setTimeout(() => two.abort(), 100)
    const began = performance.now()
    expect((await errorOf(asking().predict('late', {}, { signal: two.signal }))).code).toBe(
      'MR_CLIENT_CANCELLED',
    )
    expect(performance.now() - began).toBeLessThan(1_500)
    expect(seen).toHaveLength(1)
    seen = []
    expect((await errorOf(asking().predict('late', {}, { signal: AbortSignal.abort() }))).code).toBe(
      'MR_CLIENT_CANCELLED',
    )
    expect(seen).toHaveLength(0)
  })

  test('pauses are spread: of many clients turned away at once, few come back at the same moment', async () => {
    script = Array.from({ length: 40 }, () => status(503, problem('MR_SERVE_CLOSING', true)))
    await Promise.all(
      Array.from({ length: 40 }, () => asking({ retry: { delayMs: 400 } }).predict('late', {})),
    )
    const again = seen.filter(({ headers }) => headers['x-millrace-attempt'] === '1').map(({ atMs }) => atMs)
    expect(Math.max(...again) - Math.min(...again)).toBeGreaterThan(200)
  })

  test('an address without a server, and an answer of something else, say what to do', async () => {
    const none = client({ url: 'http://127.0.0.1:9', retry: { tries: 2, delayMs: 1 } })
    expect(await errorOf(none.predict('late', {}))).toMatchObject({
      code: 'MR_CLIENT_NETWORK',
      tries: 2,
      fix: expect.stringContaining('server'),
    })
    expect(await none.ready()).toBe(false)
    script = [(_, response) => response.end('<html>')]
    expect(await errorOf(asking().predict('late', {}))).toMatchObject({ code: 'MR_CLIENT_ANSWER' })
  })
})

describe('against the real server', () => {
  let f: Fixture
  interface Models {
    late: {
      request: { hour?: number | null; distance?: number | null; origin?: string | null }
      answer: { id: string; probability: number; label: boolean; threshold: number }
    }
    order: {
      request: { distance?: number; origin?: string }
      answer: { id: string; score: number; rank: number }
    }
    [more: string]: { request: object; answer: object }
  }
  const token = 'a-token-of-this-test'
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined, token })
  })
  afterAll(() => f.close())
  const asking = () => client<Models>({ url: f.url, token })

  test('one row is one answer, several are several in their order, none is none', async () => {
    const late = await asking().predict('late', { hour: 15 })
    expect(late.probability).toBeCloseTo(sigmoid(-0.5), 14)
    const many = await asking().predict('late', [{ hour: 15 }, { hour: 1 }], { threshold: 0.3 })
    expect(many.map(({ label, threshold }) => [label, threshold])).toEqual([
      [true, 0.3],
      [false, 0.3],
    ])
    expect(await asking().predict('late', [])).toEqual([])
  })

  test('ranks, explains, and tells what came of it', async () => {
    const ranking = await asking().rank('order', [{ distance: 5000 }, { distance: 1 }])
    expect(ranking.map(({ row, rank }) => [row, rank])).toEqual([
      [1, 1],
      [0, 2],
    ])
    const { explanation } = await asking().explain('late', { hour: 15 })
    const sum = explanation.contributions.reduce(
      (total, { contribution }) => total + contribution,
      explanation.base,
    )
    expect(sigmoid(sum)).toBeCloseTo(sigmoid(-0.5), 12)
    const { id, explanation: beside } = await asking().predict('late', { hour: 15 }, { explain: true })
    expect(beside).toEqual(explanation)
    expect(await asking().feedback('late', { id, value: true })).toEqual({ accepted: 1, unknown: 0 })
    expect(
      await asking().feedback('late', [
        { id, value: true },
        { id: 'none', value: 0, at: '2026-01-01T00:00:00Z' },
      ]),
    ).toEqual({ accepted: 2, unknown: 1 })
  })

  test('tensors go and come in bytes', async () => {
    const { outputs, version, id } = await asking().infer(
      'kinds',
      {
        inputs: {
          hour: { data: BigInt64Array.of(15n, 1n) },
          origin: { data: ['ATL', 'Zürich'] },
          weekend: { data: [true, false] },
        },
        outputs: ['probabilities', 'label'],
      },
      { requestId: 'bytes', version: '3' },
    )
    expect({ version, id }).toEqual({ version: '3', id: 'bytes' })
    expect(outputs.probabilities).toMatchObject({ datatype: 'FP64', shape: [2, 3] })
    expect(outputs.probabilities.data).toBeInstanceOf(Float64Array)
    expect(outputs.label.data).toEqual(['a', 'c'])
    const { outputs: late } = await asking().infer('late', {
      inputs: { distance: { data: [1, 2000] } },
      parameters: { threshold: 0.2 },
    })
    expect(late.label.data).toEqual([false, true])
  })

  test('refusals are those of the server', async () => {
    expect(await errorOf(asking().predict('late', { hour: 'noon' } as never))).toMatchObject({
      code: 'MR_SERVE_FIELD',
      status: 400,
      tries: 1,
    })
    expect(await errorOf(asking().predict('none', {}))).toMatchObject({
      code: 'MR_SERVE_MODEL_UNKNOWN',
      status: 404,
    })
    expect(await errorOf(client({ url: f.url }).predict('late', {}))).toMatchObject({
      code: 'MR_SERVE_TOKEN',
      status: 401,
    })
    expect(
      await errorOf(asking().infer('late', { inputs: { hour: { data: Float32Array.of(1.5) } } })),
    ).toMatchObject({ code: 'MR_SERVE_FIELD' })
    expect([await asking().ready(), await asking().ready('late'), await asking().ready('none')]).toEqual([
      true,
      true,
      false,
    ])
  })

  test('an answer that was lost on its way is asked for again, and is one prediction of the log', async () => {
    let lost = 0
    const lossy: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (lost++ % 2 === 0) {
        await response.arrayBuffer()
        throw new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } })
      }
      return response
    }
    const losing = client<Models>({ url: f.url, token, fetch: lossy, retry: { delayMs: 1 } })
    const one = await losing.predict('late', { hour: 3 })
    const many = await losing.predict('late', [{ hour: 4 }, { hour: 5 }])
    await losing.infer(
      'late',
      { inputs: { hour: { data: BigInt64Array.of(7n) } } },
      { requestId: 'tensors-once' },
    )
    expect(lost).toBe(6)
    const ids = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
    for (const id of [one.id, ...many.map((answer) => answer.id), 'tensors-once'])
      expect(ids.filter((logged) => logged === id)).toHaveLength(1)
  })

  test('the same id without saying that it is asked again is a prediction of its own, as before', async () => {
    for (let i = 0; i < 2; i++) await asking().predict('late', { hour: i }, { requestId: 'twice' })
    const ids = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
    expect(ids.filter((id) => id === 'twice')).toHaveLength(2)
  })
})

describe('models of others', () => {
  let f: ModelsFixture
  beforeAll(async () => {
    f = await serveModels()
  })
  afterAll(() => f.close())

  test('tensors of several types', async () => {
    const asking = client({ url: f.url })
    const { outputs } = await asking.infer('addsub', {
      inputs: {
        INPUT0: { shape: [2, 2], data: Int32Array.of(1, 2, 3, 4) },
        INPUT1: { shape: [2, 2], data: Int32Array.of(1, 1, 1, 1) },
      },
    })
    expect([...(outputs.OUTPUT0.data as Int32Array)]).toEqual([2, 3, 4, 5])
    const halves = await asking.infer('halves', {
      inputs: { s: { datatype: 'FP16', data: Uint16Array.of(0x3c00, 0xc000) } },
    })
    expect([...(halves.outputs.t.data as Uint16Array)]).toEqual([0x3c00, 0xc000])
    const texts = await asking.infer('texts', { inputs: { s: { data: ['Zürich', ''] } } })
    expect(texts.outputs.t.data).toEqual(['Zürich', ''])
  })
})

test('tensors that do not say what they are, or say something else, are refused before they are sent', () => {
  const encode = (tensor: never) => () => encodeInfer({ inputs: { x: tensor } }, 'a')
  expect(encode({ data: [] } as never)).toThrow(/MR_CLIENT_TENSOR/)
  expect(encode({ datatype: 'FP99', data: [1] } as never)).toThrow(/MR_CLIENT_TENSOR/)
  expect(encode({ datatype: 'FP64', data: Float32Array.of(1) } as never)).toThrow(/MR_CLIENT_TENSOR/)
})

test('answers without bytes are read too, missing numbers as NaN', () => {
  const answer = {
    model_name: 'm',
    model_version: '1',
    id: 'a',
    outputs: [{ name: 'y', datatype: 'FP32', shape: [2], data: [1, null] }],
  }
  const { outputs } = decodeInfer(new TextEncoder().encode(JSON.stringify(answer)))
  expect(outputs.y.data).toEqual(Float32Array.of(1, Number.NaN))
})
