import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OutcomeBlock, PredictionBlock } from '../../src/core/log-blocks.ts'
import { type Fixture, logged, putBundle, putConstant, release, route, serving } from './fixture.ts'

let f: Fixture
const ROW = { hour: 9, distance: 500, origin: 'BOS' }

beforeAll(async () => {
  f = await serving(async (store) => {
    const parent = await putConstant(store, 'late', 0.25)
    const atl = await putConstant(store, 'late/ATL', 0.75)
    await release(store, 'late', [
      route(await putBundle(store, 'late', 3, parent, { ATL: atl }, { XNA: 'too few rows' }), 3),
    ])
  })
})
afterAll(() => f.close())

test('answers one row with id, model, version, route and probability', async () => {
  const { status, body } = await f.post('/predict/late', { row: ROW })
  expect(status).toBe(200)
  expect(body).toEqual({
    id: expect.stringMatching(/^[0-9A-Z]{26}$/),
    model: 'late',
    version: 3,
    route: 'live',
    member: '',
    output: 0.25,
    probability: 0.25,
    label: false,
    threshold: 0.5,
  })
})

test('a bare row is a row too', async () => {
  expect((await f.post('/predict/late', ROW)).body.output).toBe(0.25)
})

test('answers rows in order, each by its member or the parent', async () => {
  const rows = [ROW, { ...ROW, origin: 'ATL' }, { ...ROW, origin: 'XNA' }, { ...ROW, origin: 'ATL' }]
  const { body } = await f.post('/predict/late', { rows, ids: ['a', 'b', 'c', 'd'] })
  expect(
    body.predictions.map((p: { id: string; member: string; output: number }) => [p.id, p.member, p.output]),
  ).toEqual([
    ['a', '', 0.25],
    ['b', 'ATL', 0.75],
    ['c', '', 0.25],
    ['d', 'ATL', 0.75],
  ])
})

test('an array of rows is answered with ids of its own', async () => {
  const { body } = await f.post('/predict/late', [ROW, ROW, ROW])
  expect(new Set(body.predictions.map((p: { id: string }) => p.id)).size).toBe(3)
})

test('a member is asked directly by its encoded name, a held one is answered by the parent', async () => {
  expect((await f.post('/predict/late%2FATL', { row: ROW })).body).toMatchObject({
    member: 'ATL',
    output: 0.75,
  })
  expect((await f.post('/predict/late%2FXNA', { row: ROW })).body).toMatchObject({ member: '', output: 0.25 })
})

test('logs a prediction durably before it is answered', async () => {
  await f.post(
    '/predict/late',
    { rows: [ROW, { ...ROW, origin: 'ATL', extra: 1 }], ids: ['log-1', 'log-2'] },
    {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
  )
  const block = (await logged<PredictionBlock>(f.store, 'predictions')).at(-1) as PredictionBlock
  expect(block).toMatchObject({
    kind: 'predictions',
    model: 'late',
    trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ids: ['log-1', 'log-2'],
    members: ['', 'ATL'],
    versions: [3, 3],
    routes: ['live', 'live'],
    inputs: { hour: [9, 9], distance: [500, 500], origin: ['BOS', 'ATL'] },
    outputs: [0.25, 0.75],
  })
  expect(block.modelVersion.map((i) => block.modelVersions[i])).toHaveLength(2)
})

test('takes outcomes as one, many and columns, and counts those it does not know', async () => {
  await f.post('/predict/late', { row: ROW, id: 'known-1' })
  expect((await f.post('/v2/models/late/feedback', { id: 'known-1', value: true })).body).toEqual({
    accepted: 1,
    unknown: 0,
  })
  expect(
    (
      await f.post('/v2/models/late/feedback', [
        { id: 'x1', value: 1, at: 5 },
        { id: 'known-1', value: 0 },
      ])
    ).body,
  ).toEqual({
    accepted: 2,
    unknown: 1,
  })
  await f.post('/predict/late/feedback', { ids: ['x2', 'x3'], values: [0.5, 2] })
  const blocks = await logged<OutcomeBlock>(f.store, 'outcomes')
  expect(blocks.map((b) => [b.model, b.ids, b.values])).toEqual([
    ['late', ['known-1'], [1]],
    ['late', ['x1', 'known-1'], [1, 0]],
    ['late', ['x2', 'x3'], [0.5, 2]],
  ])
  expect(blocks[1].ats?.[0]).toBe(5)
})

test('tells listeners of this process about each block', async () => {
  const seen: string[][] = []
  const off = f.server.station.log.onPredictions((block) => seen.push(block.ids))
  await f.post('/predict/late', { row: ROW, id: 'heard' })
  off()
  await f.post('/predict/late', { row: ROW, id: 'not heard' })
  expect(seen).toEqual([['heard']])
})

test('metrics, health and live numbers say what happened', async () => {
  await f.post('/predict/nothing', { row: ROW })
  const { body } = await f.get('/metrics')
  expect(body).toMatch(/millrace_predictions_total\{model="late",version="3",route="live"\} \d+/)
  expect(body).toMatch(
    /millrace_request_duration_seconds_bucket\{model="late",version="3",route="live",code="OK",le="\+Inf"\} \d+/,
  )
  expect(body).toContain('millrace_errors_total{model="",code="MR_SERVE_MODEL_UNKNOWN"}')
  expect((await f.get('/livez')).body).toEqual({ live: true })
  expect((await f.get('/readyz')).body).toMatchObject({
    ready: true,
    store: 'ok',
    models: {},
    modelsReady: 1,
  })
  expect(f.server.station.stats.of('late', 3).latencyMsP50).toBeGreaterThan(0)
})

test('the OpenAPI document names the columns of a model', async () => {
  const { body } = await f.get('/openapi.json?model=late')
  expect(body.components.schemas['late.Row']).toMatchObject({
    required: ['origin'],
    properties: { origin: { type: 'string' } },
  })
  expect(Object.keys(body.paths)).toContain('/predict/late')
})
