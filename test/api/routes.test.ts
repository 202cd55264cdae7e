import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Actions, API_LIMITS, apiRoutes } from '../../src/api/index.ts'
import { MillraceError } from '../../src/core/errors.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { acknowledgeAlert } from '../../src/watch/record.ts'
import {
  type ApiFixture,
  NONE,
  openProject,
  putAlert,
  putDataset,
  putFamily,
  putRelease,
  putWindows,
  routeTo,
  windowReport,
} from './fixture.ts'

let f: ApiFixture
let server: Server
let asked: unknown[]

beforeEach(async () => {
  f = await openProject()
  asked = []
  const act =
    (verb: string): Actions['rollback'] =>
    async (model, ask) => {
      asked.push([verb, model, ask])
      if (model === 'nope') throw new MillraceError('MR_LOOP_NO_RELEASE', { model })
      return {
        done: !ask.dryRun,
        dryRun: ask.dryRun,
        command: `millrace ${verb} ${model}`,
        effects: ['traffic moves'],
      }
    }
  const actions: Actions = {
    rollback: act('rollback'),
    promote: act('promote'),
    acknowledge: (id, { actor }) => acknowledgeAlert(f.store, id, actor),
  }
  server = createServer({ store: f.store, clock: f.rt.clock, onFault: () => undefined })
  apiRoutes(server.fastify, { rt: f.rt, live: f.live, actions })
})

afterEach(async () => {
  await server.close()
  await f.drop()
})

const get = async (url: string) => {
  const answer = await server.fastify.inject({ url })
  return { status: answer.statusCode, headers: answer.headers, body: answer.json() }
}

const post = async (url: string, payload?: string | object, headers: Record<string, string> = {}) => {
  const type: Record<string, string> = payload === undefined ? {} : { 'content-type': 'application/json' }
  const answer = await server.fastify.inject({
    method: 'POST',
    url,
    payload,
    headers: { ...type, ...headers },
  })
  return { status: answer.statusCode, body: answer.json() }
}

async function fill(): Promise<string> {
  const { bundle, parent } = await putFamily(f.store)
  await putRelease(f.store, { routes: [routeTo(bundle, 1)] })
  await putWindows(f.store, [windowReport(0)])
  await putAlert(f.store)
  const data = await putDataset(f.store)
  return [bundle, parent, data].join(' ')
}

test('every question of the contract is answered as JSON that no cache keeps', async () => {
  const [bundle, parent, data] = (await fill()).split(' ')
  const member = encodeURIComponent('late/K00000')
  for (const path of [
    'fleet',
    'models/late',
    `models/${member}`,
    'models/late/members?search=k&sort=-metric&limit=10&offset=0',
    'models/late/playground',
    `bundles/${encodeURIComponent(bundle)}`,
    `versions/${parent}`,
    'datasets',
    'datasets/flights',
    `datasets/flights/versions/${encodeURIComponent(data)}`,
    `datasets/flights/versions/${data}/quarantine?limit=5`,
    `datasets/flights/diff?from=${data}&to=${data}`,
    'alerts',
    'runs?limit=5',
    'events?limit=5&subjectPrefix=models/&before=100',
    'backtest/late',
    'models/late/search',
    'models/late/shapes',
    'status',
  ]) {
    const answer = await get(`/api/${path}`)
    expect([path, answer.status]).toEqual([path, 200])
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.headers['cache-control']).toBe('no-store')
  }
  expect((await get('/api/backtest/late')).body).toBeNull()
  expect((await get(`/api/models/${member}`)).body.parent).toBe('late')
})

test.each([
  ['models/nope', 404, 'MR_LOOP_UNKNOWN'],
  ['models/late%2Fnope', 404, 'MR_API_MEMBER_UNKNOWN'],
  ['models/nope/members', 404, 'MR_LOOP_UNKNOWN'],
  ['models/late/playground', 409, 'MR_API_NOT_TRAINED'],
  ['backtest/nope', 404, 'MR_LOOP_UNKNOWN'],
  ['models/nope/search', 404, 'MR_LOOP_UNKNOWN'],
  ['models/late/shapes?classes=a', 400, 'MR_API_QUERY'],
  [`bundles/${NONE}`, 404, 'MR_API_RECORD_UNKNOWN'],
  ['versions/..%2F..%2Fetc%2Fpasswd', 404, 'MR_API_RECORD_UNKNOWN'],
  ['datasets/nope', 404, 'MR_DATA_VERSION'],
  ['datasets/flights/versions/abc', 404, 'MR_DATA_VERSION'],
  ['datasets/flights/diff?from=main', 400, 'MR_API_QUERY'],
  ['predictions/nope', 404, 'MR_LOOP_PREDICTION_UNKNOWN'],
  ['runs?limit=0', 400, 'MR_API_QUERY'],
  ['runs?limit=1e3', 400, 'MR_API_QUERY'],
  ['runs?limit=5&limit=6', 400, 'MR_API_QUERY'],
  ['runs?limits=5', 400, 'MR_API_QUERY'],
  ['events?before=-1', 400, 'MR_API_QUERY'],
  ['models/late/members?limit=1001', 400, 'MR_API_QUERY'],
  [`models/late/members?search=${'x'.repeat(501)}`, 400, 'MR_API_QUERY'],
  ['nothing', 404, 'MR_SERVE_PATH'],
])('GET /api/%s is refused with %i %s and what to do', async (path, status, code) => {
  const { body, headers, ...answer } = await get(`/api/${path}`)
  expect([answer.status, body.code]).toEqual([status, code])
  expect(headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(body.detail.length).toBeGreaterThan(5)
  expect(body.fix.length).toBeGreaterThan(5)
})

test('an action is planned, then done, with command, effects and who asked', async () => {
  const plan = await post('/api/models/late/rollback', { dryRun: true })
  expect(plan).toEqual({
    status: 200,
    body: { done: false, dryRun: true, command: 'millrace rollback late', effects: ['traffic moves'] },
  })
  await post('/api/models/late%2FATL/promote', { reason: ' it is better ' })
  await post('/api/models/late/rollback')
  expect(asked).toEqual([
    ['rollback', 'late', { dryRun: true, reason: '', actor: 'console' }],
    ['promote', 'late/ATL', { dryRun: false, reason: 'it is better', actor: 'console' }],
    ['rollback', 'late', { dryRun: false, reason: '', actor: 'console' }],
  ])
  expect((await post('/api/models/nope/rollback', {})).body.code).toBe('MR_LOOP_NO_RELEASE')
})

test.each([
  ['{"dryRun":"yes"}', 400, 'MR_API_QUERY'],
  ['{"dry_run":true}', 400, 'MR_API_QUERY'],
  [`{"reason":"${'x'.repeat(501)}"}`, 400, 'MR_API_QUERY'],
  ['[]', 400, 'MR_API_QUERY'],
  ['null', 400, 'MR_API_QUERY'],
  ['{"dryRun"', 400, 'MR_SERVE_JSON'],
  ['['.repeat(20) + ']'.repeat(20), 413, 'MR_LIMIT'],
])('a body %s is refused and nothing is done', async (body, status, code) => {
  const answer = await post('/api/models/late/rollback', body)
  expect([answer.status, answer.body.code]).toEqual([status, code])
  expect(asked).toEqual([])
})

test('a body that is too large, or no JSON by its type, is refused', async () => {
  const large = await post('/api/models/late/rollback', `{"reason":"${'x'.repeat(API_LIMITS.bodyBytesMax)}"}`)
  expect([large.status, large.body.code]).toEqual([413, 'MR_LIMIT'])
  const form = await post('/api/models/late/rollback', 'dryRun=false', {
    'content-type': 'application/x-www-form-urlencoded',
  })
  expect([form.status, form.body.code]).toEqual([415, 'MR_SERVE_MEDIA_TYPE'])
  expect(asked).toEqual([])
})

test('an alert is acknowledged once, and again without harm; an unknown one is a coded 404', async () => {
  await putAlert(f.store)
  const path = '/api/alerts/late-drift-2001-06-11/acknowledge'
  expect((await post(path, {})).body.state).toBe('acknowledged')
  expect((await post(path)).body.state).toBe('acknowledged')
  expect(await post('/api/alerts/nope/acknowledge', {})).toMatchObject({
    status: 404,
    body: { code: 'MR_WATCH_ALERT_UNKNOWN' },
  })
})

test('serving still takes its bodies as bytes beside these routes', async () => {
  expect((await post('/predict/late', { row: {} })).body.code).toBe('MR_SERVE_MODEL_UNKNOWN')
})
