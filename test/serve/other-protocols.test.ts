/** The protocols before V2 against released models: KServe V1, MLflow, SageMaker. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { type Fixture, logged, serving } from './fixture.ts'
import { lateFamily } from './real-models.ts'
import { rowModels } from './row-models.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

let f: Fixture
beforeAll(async () => {
  f = await serving(rowModels, { load: undefined })
})
afterAll(() => f.close())

const ROWS = [
  { hour: 15, distance: 1200, weekend: true, origin: 'ORD', date: '2001-12-24T00:00:00Z' },
  { hour: null, distance: 10, weekend: false, origin: 'ATL', date: null },
]
const NAMES = ['hour', 'distance', 'weekend', 'origin', 'date']
const data = ROWS.map((row) => NAMES.map((name) => row[name as keyof (typeof ROWS)[0]]))
const column = (name: string) => ROWS.map((row) => row[name as keyof (typeof ROWS)[0]])
const WANT = [sigmoid(-1.5 + 1 + 0.5 + 0.25 + 2 + 4), sigmoid(-1.5)]

const BODIES: [string, object][] = [
  ['instances as objects', { instances: ROWS }],
  ['instances as values in the order of the columns', { instances: data }],
  ['inputs by column', { inputs: Object.fromEntries(NAMES.map((name) => [name, column(name)])) }],
  [
    'a split frame',
    { dataframe_split: { columns: [...NAMES].reverse(), data: data.map((row) => [...row].reverse()) } },
  ],
  ['a frame of records', { dataframe_records: ROWS }],
]

describe.each(BODIES)('%s', (_, body) => {
  test.each(['/v1/models/late:predict', '/invocations'])('%s', async (path) => {
    const target = path === '/invocations' ? { 'x-amzn-sagemaker-target-model': 'late.tar.gz' } : undefined
    const { status, body: answer } = await f.post(path, body, { 'x-request-id': 'asked', ...target })
    expect(status, JSON.stringify(answer)).toBe(200)
    answer.predictions.forEach((said: { probability: number; label: boolean }, i: number) => {
      expect(said.probability).toBeCloseTo(WANT[i], 14)
      expect(said.label).toBe(WANT[i] >= 0.5)
    })
    const block = (await logged<PredictionBlock>(f.store, 'predictions')).at(-1)
    expect(block).toMatchObject({ model: 'late', ids: ['asked:0', 'asked:1'], inputs: { hour: [15, null] } })
  })
})

test('one output is numbers alone, several classes are probabilities and a label', async () => {
  expect((await f.post('/v1/models/delay:predict', { instances: ROWS })).body).toEqual({
    predictions: [15, 10],
  })
  const { predictions } = (await f.post('/v1/models/kinds:predict', { instances: ROWS })).body
  expect(predictions[0].label).toBe('a')
  expect(predictions[0].probabilities).toHaveLength(3)
})

test('an explanation of each instance adds up to what is answered', async () => {
  const { status, body } = await f.post('/v1/models/late:explain', { instances: ROWS })
  expect(status).toBe(200)
  expect(body.explanations).toHaveLength(2)
  body.explanations.forEach(({ probability, explanation }: never, i: number) => {
    const { base, contributions } = explanation as { base: number; contributions: { contribution: number }[] }
    expect(probability).toBeCloseTo(WANT[i], 14)
    expect(sigmoid(contributions.reduce((sum, c) => sum + c.contribution, base))).toBeCloseTo(WANT[i], 12)
  })
  const classes = await f.post('/v1/models/kinds:explain?class=c', { instances: ROWS })
  expect(classes.body.explanations[0].explanation.class).toBe('c')
})

test('a family is divided by its column, and its members are models of their own', async () => {
  const family = await serving(lateFamily, { load: undefined })
  const rows = ['ATL', 'ORD'].map((origin) => ({ date: '2001-04-01T15:20:00Z', distance: 1200, origin }))
  const { body } = await family.post('/v1/models/late:predict', { instances: rows })
  expect(body.predictions.map((p: { probability: number }) => p.probability)).toEqual([
    expect.closeTo(sigmoid(0.25), 14),
    expect.closeTo(sigmoid(0), 14),
  ])
  const [only] = (await family.post('/invocations', { dataframe_records: rows.slice(0, 1) })).body.predictions
  expect(only.probability).toBeCloseTo(sigmoid(0.25), 14)
  await family.close()
})

test('models are listed, readiness is by name, and the server pings', async () => {
  expect((await f.get('/v1/models')).body).toEqual({ models: ['delay', 'kinds', 'late', 'order'] })
  expect((await f.get('/v1/models/late')).body).toEqual({ name: 'late', ready: true })
  expect((await f.get('/v1/models/none')).status).toBe(404)
  expect((await f.get('/ping')).status).toBe(200)
})

test.each([
  ['several models and no name', '/invocations', { instances: ROWS }, 400, 'MR_SERVE_BODY'],
  ['rows of other lengths', '/v1/models/late:predict', { instances: [[1, 2]] }, 400, 'MR_SERVE_BODY'],
  [
    'a column of another type',
    '/v1/models/late:predict',
    { instances: [{ hour: 'noon' }] },
    400,
    'MR_SERVE_FIELD',
  ],
  ['no body', '/v1/models/late:predict', {}, 400, 'MR_SERVE_BODY'],
  [
    'a model that is not there',
    '/v1/models/none:predict',
    { instances: ROWS },
    404,
    'MR_SERVE_MODEL_UNKNOWN',
  ],
  ['a verb that is not there', '/v1/models/late:fly', { instances: ROWS }, 404, 'MR_SERVE_PATH'],
  [
    'columns of other lengths',
    '/v1/models/late:predict',
    { inputs: { hour: [1, 2], distance: [1] } },
    400,
    'MR_SERVE_TENSOR',
  ],
])('refused: %s', async (_, path, body, status, code) => {
  expect(await f.post(path, body)).toMatchObject({ status, body: { code } })
})
