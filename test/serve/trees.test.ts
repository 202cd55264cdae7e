import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { type Fixture, logged, putBundle, release, route, serving } from './fixture.ts'
import { lateFamily, putTrees, stumps } from './real-models.ts'

const sigmoid = (raw: number) => 1 / (1 + Math.exp(-raw))
const AFTERNOON = { date: '2001-04-01T15:20:00Z', distance: 1200, origin: 'ORD' }

let f: Fixture
beforeAll(async () => {
  f = await serving(lateFamily, { load: undefined })
})
afterAll(() => f.close())

test('raw columns become features and a calibrated probability', async () => {
  const rows = [
    AFTERNOON,
    { ...AFTERNOON, date: '2001-04-01T05:00:00Z' },
    { ...AFTERNOON, date: Date.parse('2001-04-01T15:20:00Z'), distance: 10 },
    { ...AFTERNOON, distance: null },
    { date: AFTERNOON.date },
  ]
  const { body } = await f.post('/predict/late', rows)
  const want = [0, -1, -0.5, -0.5, -0.5].map(sigmoid)
  body.predictions.forEach((p: { probability: number }, i: number) => {
    expect(p.probability).toBeCloseTo(want[i], 14)
  })
})

test('a member adds its own trees to those of its parent', async () => {
  const { body } = await f.post('/predict/late', { row: { ...AFTERNOON, origin: 'ATL' } })
  expect(body).toMatchObject({ member: 'ATL', label: true })
  expect(body.probability).toBeCloseTo(sigmoid(0.25), 14)
})

test('an explanation adds up to the raw score, and its output is the one that was answered', async () => {
  const row = { ...AFTERNOON, origin: 'ATL' }
  const answered = (await f.post('/predict/late', { row })).body.output
  const { explanation } = (await f.post('/predict/late/explain', { row })).body
  const sum = explanation.contributions.reduce(
    (s: number, c: { contribution: number }) => s + c.contribution,
    explanation.base,
  )
  expect(sum + explanation.residual).toBe(explanation.raw)
  expect(explanation).toMatchObject({ method: 'tree-path', exact: true })
  expect(Math.abs(explanation.residual)).toBeLessThan(1e-12)
  expect(explanation.raw).toBeCloseTo(0.25, 14)
  expect(explanation.output).toBe(answered)
  expect(explanation.scale).toBe('log-odds')
  // Covers are halves, so each stump's base is the mean of its leaves and its feature gets the rest.
  expect(explanation.base).toBeCloseTo(-1.5 + 0.5 + 0.25 + 0.125, 12)
  expect(
    explanation.contributions.map((c: { feature: string; value: number; contribution: number }) => [
      c.feature,
      c.value,
    ]),
  ).toEqual([
    ['hour', 15],
    ['distance', 1200],
    ['origin', 0.3],
  ])
  expect(explanation.contributions.map((c: { contribution: number }) => c.contribution)).toEqual([
    expect.closeTo(0.5, 12),
    expect.closeTo(0.25, 12),
    expect.closeTo(0.125, 12),
  ])
})

test('the log holds the inputs as they were scored', async () => {
  await f.post('/predict/late', { row: AFTERNOON, id: 'times' })
  const block = (await logged<PredictionBlock>(f.store, 'predictions')).at(-1)
  expect(block?.inputs).toEqual({
    date: [Date.parse('2001-04-01T15:20:00Z')],
    distance: [1200],
    origin: ['ORD'],
  })
})

const wrong: [string, object, string, RegExp][] = [
  ['a text for a number', { ...AFTERNOON, distance: '12' }, 'distance', /number/],
  ['a list for a text', { ...AFTERNOON, origin: ['ATL'] }, 'origin', /list/],
  ['a time that is none', { ...AFTERNOON, date: 'yesterday' }, 'date', /ISO 8601/],
  ['nothing for a column that is never missing', { distance: 1 }, 'date', /present/],
  ['null for a column that is never missing', { ...AFTERNOON, date: null }, 'date', /present/],
]
test.each(wrong)('refuses %s and names row and field', async (_, row, field, detail) => {
  const { body } = await f.post('/predict/late', { rows: [AFTERNOON, row] })
  expect(body).toMatchObject({ status: 400, code: 'MR_SERVE_FIELD', detail: expect.stringMatching(detail) })
  expect(body.detail).toContain(`row 1, field "${field}"`)
})

test('refuses a number beyond the doubles', async () => {
  const { body } = await f.post('/predict/late', '{"row":{"date":0,"distance":1e999}}')
  expect(body).toMatchObject({ code: 'MR_SERVE_FIELD', detail: expect.stringContaining('finite') })
})

test('extra fields are ignored and counted', async () => {
  const before = f.server.station.metrics.ignoredFields
  expect((await f.post('/predict/late', { row: { ...AFTERNOON, gate: 'B7', seat: 1 } })).status).toBe(200)
  expect(f.server.station.metrics.ignoredFields - before).toBe(2)
})

test('sixty models live in a budget of a few, and each still answers with its own numbers', async () => {
  const g = await serving(
    async (store) => {
      for (let m = 0; m < 60; m++) {
        const { version } = await putTrees(store, `m${m}`, stumps([[0, 12, 0, m / 100]], 0))
        await release(store, `m${m}`, [route(await putBundle(store, `m${m}`, 1, version), 1)])
      }
    },
    { load: undefined, limits: { modelCacheBytesMax: 200_000 } },
  )
  const ask = async (m: number) => (await g.post(`/predict/m${m}`, AFTERNOON)).body.output
  for (const m of [0, 59, 7, 0, 30]) expect(await ask(m)).toBeCloseTo(sigmoid(m / 100), 14)
  const outputs = await Promise.all(Array.from({ length: 60 }, (_, m) => ask(m)))
  outputs.forEach((output, m) => {
    expect(output).toBeCloseTo(sigmoid(m / 100), 14)
  })
  const numbers = g.server.station.cache.numbers()
  expect(numbers.bytes).toBeLessThanOrEqual(200_000)
  expect(numbers.evictions).toBeGreaterThan(20)
  await g.close()
})
