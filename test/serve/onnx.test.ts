import { afterAll, beforeAll, expect, test } from 'vitest'
import { canonicalJson } from '../../src/core/canonical.ts'
import { type Onnx, openOnnx } from '../../src/engine/infer/onnx.ts'
import { onnxGraphs } from '../../src/serve/load-predictor.ts'
import type { Store } from '../../src/store/ports.ts'
import { logistic } from '../engine/infer/onnx-bytes.ts'
import { type Fixture, putBundle, release, route, serving, versionRecord } from './fixture.ts'
import { FLIGHT_INPUTS, flightFeatures } from './real-models.ts'

const W = [0.1, -0.001, 2]
const B = -1
const ROW = { date: '2001-04-01T15:20:00Z', distance: 1200, origin: 'ORD' }
const want = (hour: number, distance: number, rate: number) =>
  1 / (1 + Math.exp(-(W[0] * hour + W[1] * distance + W[2] * rate + B)))

async function putLogistic(store: Store): Promise<void> {
  const graph = await store.objects.put(logistic(W, B))
  const features = await store.putRecord(JSON.parse(canonicalJson(flightFeatures())))
  const signature = {
    inputs: FLIGHT_INPUTS,
    outputs: [{ name: 'probability', type: 'float' as const, description: '' }],
  }
  const version = await store.putRecord(versionRecord('late', graph, { format: 'onnx', features, signature }))
  await release(store, 'late', [route(await putBundle(store, 'late', 1, version), 1)])
}

let pool: Onnx
let f: Fixture
beforeAll(async () => {
  pool = await openOnnx({ workers: 1 })
  f = await serving(putLogistic, { load: undefined, onnx: onnxGraphs(pool) })
})
afterAll(async () => {
  await f.close()
  await pool.close()
})

test('an ONNX model answers through the workers, each concurrent request with its own rows', async () => {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => f.post('/predict/late', { row: { ...ROW, distance: i * 100 } })),
  )
  answers.forEach(({ body }, i) => {
    expect(body.probability).toBeCloseTo(want(15, i * 100, 0.4), 6)
  })
})

test('an ONNX model is explained by samples against rows that were asked about, with errors, and says so', async () => {
  const { body } = await f.post('/predict/late/explain', ROW)
  const { explanation } = body
  expect(explanation).toMatchObject({ method: 'permutation', exact: false, scale: 'output' })
  expect(explanation.background).toMatch(/^sha256:[0-9a-f]{64}$/)
  const sum = explanation.contributions.reduce(
    (total: number, { contribution }: { contribution: number }) => total + contribution,
    explanation.base,
  )
  expect(sum + explanation.residual).toBeCloseTo(explanation.raw, 12)
  expect(Math.abs(explanation.residual)).toBeLessThan(1e-9)
  expect(explanation.raw).toBeCloseTo(want(15, 1200, 0.4), 6)
  // the rows before it differ in distance alone, so all of the answer is its distance
  const [hour, distance, rate] = explanation.contributions
  expect([hour.contribution, rate.contribution]).toEqual([0, 0])
  expect(distance.contribution).toBeCloseTo(explanation.raw - explanation.base, 9)
  expect(distance.standardError).toBeGreaterThanOrEqual(0)
})

test('an answer that is no number is refused, not given', async () => {
  const { body } = await f.post('/predict/late', { rows: [ROW, { ...ROW, distance: null }] })
  expect(body).toMatchObject({
    status: 500,
    code: 'MR_SERVE_OUTPUT',
    detail: expect.stringContaining('row 1'),
  })
})

test('an ONNX model that nobody has asked yet has nothing to sample against, and says so', async () => {
  const g = await serving(putLogistic, { load: undefined, onnx: onnxGraphs(pool) })
  expect((await g.post('/predict/late/explain', ROW)).body).toMatchObject({
    status: 422,
    code: 'MR_SERVE_EXPLAIN',
  })
  await g.close()
})

test('without workers an ONNX model is refused with what to install', async () => {
  const g = await serving(putLogistic, { load: undefined })
  expect((await g.post('/predict/late', ROW)).body).toMatchObject({
    status: 501,
    code: 'MR_SERVE_NO_RUNTIME',
  })
  await g.close()
})
