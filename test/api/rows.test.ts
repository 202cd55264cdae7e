/** `POST /data/<dataset>/rows` over HTTP: what is taken, with what status, and by whom. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rowsRoutes } from '../../src/api/rows-routes.ts'
import { ROWS_LIMITS, RowStreams } from '../../src/data/index.ts'
import { Access } from '../../src/serve/access/access.ts'
import { hashOf } from '../../src/serve/access/grant.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { datasetDef, openPlace, type Place } from '../data/fixture.ts'

const clock = { now: () => 1_000 }
let place: Place
let server: Server
let streams: RowStreams
let address: string

beforeAll(async () => {
  place = await openPlace()
  const stream = { sealRows: 1_000, sealEveryMs: 60_000, newColumns: 'refuse' } as const
  streams = new RowStreams({ ...place, clock }, [datasetDef({ stream }), datasetDef({ name: 'still' })])
  const grants = [
    { name: 'feeder', hash: hashOf('feed'), scopes: ['data'] },
    { name: 'reader', hash: hashOf('read'), scopes: ['read'] },
  ] as const
  server = createServer({ store: place.store, clock, port: 0, access: new Access({ grants }) })
  rowsRoutes(server.fastify, streams, 100_000)
  address = await server.listen()
})
afterAll(async () => {
  await server.close()
  await streams.close()
})

async function ask(
  body: BodyInit | undefined,
  headers: Record<string, string> = {},
  path = '/data/d/rows',
  token = 'feed',
) {
  const response = await fetch(address + path, {
    method: body === undefined ? 'GET' : 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  })
  const answer = (await response.json()) as Record<string, unknown>
  return { status: response.status, headers: response.headers, answer }
}

const JSON_TYPE = { 'content-type': 'application/json' }

test('rows are taken as JSON, as JSON Lines and packed, and counted', async () => {
  const taken = await ask('[{"a":1},{"a":2}]', { ...JSON_TYPE, 'idempotency-key': 'one' })
  expect([taken.status, taken.answer]).toEqual([
    202,
    { dataset: 'd', rows: 2, batch: 'one', repeated: false },
  ])
  const again = await ask('[{"a":1},{"a":2}]', { ...JSON_TYPE, 'idempotency-key': 'one' })
  expect([again.status, again.answer.repeated]).toEqual([200, true])
  const lines = await ask('{"a":3}\n{"a":4}\n', { 'content-type': 'application/x-ndjson; charset=utf-8' })
  expect([lines.status, lines.answer.rows]).toEqual([202, 2])
  const packed = await ask(gzipSync('{"a":5}'), {
    'content-type': 'application/jsonl',
    'content-encoding': 'gzip',
  })
  expect(packed.answer.rows).toBe(1)
  const { answer } = await ask(undefined, {}, '/data/d/rows', 'read')
  expect(answer).toEqual({
    dataset: 'd',
    waiting: { rows: 5, bytes: 35, since: 1_000 },
    sealed: { rows: 0, at: null },
    held: [],
  })
})

test.each([
  ['a field of another type', '[{"a":6},{"a":"x"}]', JSON_TYPE, '/data/d/rows', 422, 'MR_ROWS_FIELD'],
  ['what is no JSON', '[{"a":6},', JSON_TYPE, '/data/d/rows', 400, 'MR_ROWS_BODY'],
  ['no body', '', JSON_TYPE, '/data/d/rows', 400, 'MR_ROWS_BODY'],
  ['another type', 'a,b', { 'content-type': 'text/csv' }, '/data/d/rows', 415, 'MR_SERVE_MEDIA_TYPE'],
  ['a parameter', '[]', JSON_TYPE, '/data/d/rows?x=1', 400, 'MR_API_QUERY'],
  ['a dataset without a stream', '[]', JSON_TYPE, '/data/still/rows', 404, 'MR_ROWS_OFF'],
  ['too much', `[{"a":"${'x'.repeat(100_000)}"}]`, JSON_TYPE, '/data/d/rows', 413, 'MR_LIMIT'],
])('%s is refused with a code, and nothing is added', async (_, body, headers, path, status, code) => {
  const refused = await ask(body, headers, path)
  expect([refused.status, refused.answer.code]).toEqual([status, code])
  expect((await streams.status('d')).waiting.rows).toBe(5)
})

test('a token needs the scope data to add rows, and read to see how many wait', async () => {
  expect((await ask('[{"a":7}]', JSON_TYPE, '/data/d/rows', 'read')).answer.code).toBe('MR_ACCESS_SCOPE')
  expect((await ask(undefined, {}, '/data/d/rows')).answer.code).toBe('MR_ACCESS_SCOPE')
})

test('too much that waits is 429 with the time to wait', async () => {
  const limits = ROWS_LIMITS as { backlogRowsMax: number }
  const before = limits.backlogRowsMax
  limits.backlogRowsMax = 5
  const { status, headers, answer } = await ask('[{"a":8}]', JSON_TYPE)
  limits.backlogRowsMax = before
  expect([status, headers.get('retry-after'), answer.code]).toEqual([429, '5', 'MR_ROWS_BACKLOG'])
})
