/** Answers of models of others that are kept. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TensorCache } from '../../../src/serve/models/tensor-cache.ts'
import type { Tensors } from '../../../src/serve/models/tensor-model.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { type ModelsFixture, serveModels } from './fixture.ts'

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels({ responseCache: { entriesMax: 3 } })
})
afterAll(() => f.close())

const ask = async (x: number[], model = 'kept') => {
  const inputs = [{ name: 'x', shape: [x.length / 3, 3], datatype: 'FP32', data: x }]
  const { status, body } = await f.post(`/v2/models/${model}/infer`, { inputs })
  expect(status).toBe(200)
  return [body.parameters.cache, body.outputs[0].data[0]]
}
const sigmoid = (x: number) => expect.closeTo(1 / (1 + Math.exp(-x)), 6)
const counts = async () => {
  const { inference_stats, inference_count, execution_count } = (await f.get('/v2/models/kept/stats')).body
    .model_stats[0]
  const { cache_hit, cache_miss, success } = inference_stats
  return [cache_hit.count, cache_miss.count, success.count, inference_count, execution_count]
}
const load = () => f.post('/v2/repository/models/kept/load', {})

test('what comes again is not computed again, and statistics and metrics say so', async () => {
  f.put('kept.onnx', logistic([1, 0, 0], 0))
  await load()
  expect(await ask([2, 3, 5])).toEqual(['miss', sigmoid(2)])
  expect(await ask([2, 3, 5])).toEqual(['hit', sigmoid(2)])
  expect(await ask([-2, 3, 5])).toEqual(['miss', sigmoid(-2)])
  expect(await ask([2, 3, 5])).toEqual(['hit', sigmoid(2)])
  expect(await counts()).toEqual([2, 2, 4, 4, 2])
  const text = await (await fetch(`${f.url}/metrics`)).text()
  expect(text).toMatch(/millrace_response_cache_hits_total 2\n/)
})

test('a model that is loaded again, or another of the same bytes, answers for itself', async () => {
  await ask([2, 3, 5])
  f.put('twin.onnx', logistic([1, 0, 0], 0))
  await f.post('/v2/repository/models/twin/load', {})
  expect((await ask([2, 3, 5], 'twin'))[0]).toBe('miss')
  f.put('kept.onnx', logistic([0, 1, 0], 0))
  await load()
  expect(await ask([2, 3, 5])).toEqual(['miss', sigmoid(3)])
})

test('what was asked longest ago is let go', async () => {
  for (const x of [11, 12, 13, 11, 14]) await ask([x, 0, 0])
  const again = []
  for (const x of [11, 14, 12]) again.push((await ask([x, 0, 0]))[0])
  expect(again).toEqual(['hit', 'hit', 'miss'])
})

test('tensors that differ in anything have keys of their own, whatever order they come in', () => {
  const cache = new TensorCache({})
  const model = {}
  const of = (type: string, dims: number[], data: Float32Array | string[], name = 'x'): Tensors => ({
    [name]: { type, dims, data },
  })
  const one = Float32Array.of(1, 0)
  const different = [
    of('float32', [2], one),
    of('float32', [1, 2], one),
    of('float32', [2], one, 'z'),
    of('int32', [2], one),
    of('float32', [2], Float32Array.of(1, -0)),
    of('float32', [1], Float32Array.of(1)),
    of('string', [2], ['a', 'b']),
    of('string', [2], ['ab', '']),
    { ...of('float32', [2], one), ...of('float32', [2], one, 'z') },
  ]
  expect(new Set(different.map((feeds) => cache.keyOf(model, feeds))).size).toBe(different.length)
  expect(cache.keyOf({}, different[0])).not.toBe(cache.keyOf(model, different[0]))
  const turned = { ...of('float32', [2], one, 'z'), ...of('float32', [2], one) }
  expect(cache.keyOf(model, turned)).toBe(cache.keyOf(model, different[8]))
})
