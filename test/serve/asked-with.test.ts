/** What a request may ask beside its answer: an explanation, another threshold; and answers that are kept. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import type { Digest, ModelVersion } from '../../src/core/records.ts'
import type { Predictor, RawRow } from '../../src/serve/predictor.ts'
import { ResponseCache } from '../../src/serve/response-cache.ts'
import { type Fixture, logged, putBundle, release, route, serving } from './fixture.ts'
import { NO_MAP, putTrees, stumps } from './real-models.ts'
import { rowModels } from './row-models.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const tensors = (over: object = {}, hours: (number | null)[] = [15, 9]) => ({
  inputs: [{ name: 'hour', datatype: 'INT64', shape: [hours.length], data: hours }],
  ...over,
})
type Output = { name: string; shape: number[]; data: never[] }
const named = (body: { outputs: Output[] }, name: string) =>
  body.outputs.find((output) => output.name === name)

describe('explanations and thresholds', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined })
  })
  afterAll(() => f.close())

  test('over V2 an explanation is one more output, whose contributions add up to what is answered', async () => {
    for (const body of [
      tensors({ parameters: { explain: true } }),
      tensors({ outputs: [{ name: 'probability' }, { name: 'explanation' }] }),
    ]) {
      const answer = (await f.post('/v2/models/late/infer', body)).body
      const explanations = named(answer, 'explanation') as Output
      expect(explanations.shape).toEqual([2])
      explanations.data.forEach((text, i) => {
        const { base, contributions, output } = JSON.parse(text)
        const raw = contributions.reduce(
          (sum: number, c: { contribution: number }) => sum + c.contribution,
          base,
        )
        expect(sigmoid(raw)).toBeCloseTo([sigmoid(-0.5), sigmoid(-1.5)][i], 12)
        expect(output).toBe(named(answer, 'probability')?.data[i])
      })
    }
    const plain = (await f.post('/v2/models/late/infer', tensors())).body
    expect(named(plain, 'explanation')).toBeUndefined()
  })

  test('the class that is explained can be named, and one that is not there is refused', async () => {
    const ask = (label: string) =>
      f.post('/v2/models/kinds/infer', tensors({ parameters: { explain: true, class: label } }))
    const { body } = await ask('c')
    expect(JSON.parse(named(body, 'explanation')?.data[0] as never).class).toBe('c')
    expect(await ask('z')).toMatchObject({ status: 400, body: { code: 'MR_SERVE_CLASS' } })
  })

  test('the threshold is said, and a request may set its own', async () => {
    const row = { hour: 15 }
    expect((await f.post('/predict/late', { row })).body).toMatchObject({ threshold: 0.5, label: false })
    expect((await f.post('/predict/late', { row, threshold: 0.3 })).body).toMatchObject({
      threshold: 0.3,
      label: true,
    })
    const { body } = await f.post('/v2/models/late/infer', tensors({ parameters: { threshold: 0.3 } }))
    expect(named(body, 'label')?.data).toEqual([true, false])
    expect(body.parameters).toMatchObject({ threshold: 0.3, version: 3 })
    expect(await f.post('/predict/late', { row, threshold: 3 })).toMatchObject({
      status: 400,
      body: { code: 'MR_SERVE_BODY' },
    })
    expect((await f.post('/predict/delay', { row })).body).not.toHaveProperty('threshold')
  })

  test('without being asked for, nothing is kept and nothing says so', async () => {
    const answer = await f.post('/predict/late', { row: { hour: 1 } })
    expect(answer.headers.get('x-millrace-cache')).toBeNull()
    expect(f.server.station.metrics.text()).not.toContain('response_cache')
  })
})

test('a version may state where a yes begins', async () => {
  const f = await serving(
    async (store) => {
      const { version } = await putTrees(store, 'eager', stumps([[1, 1000, 0, 0]], -1), {
        calibration: NO_MAP,
      })
      const record = await store.getRecord<ModelVersion>(version, 'ModelVersion')
      const eager = await store.putRecord({ ...record, threshold: 0.25 })
      await release(store, 'eager', [route(await putBundle(store, 'eager', 1, eager), 1)])
    },
    { load: undefined },
  )
  const { body } = await f.post('/predict/eager', { row: { date: '2001-04-01T15:20:00Z' } })
  expect(body).toMatchObject({ label: true, threshold: 0.25, probability: expect.closeTo(sigmoid(-1), 12) })
  await f.close()
})

describe('answers that are kept', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined, responseCache: {} })
  })
  afterAll(() => f.close())

  const cache = async (path: string, body: unknown) =>
    (await f.post(path, body)).headers.get('x-millrace-cache')

  test('what comes again is marked, the same, and logged under an id of its own', async () => {
    const row = { hour: 15, distance: 5, origin: 'ATL' }
    const first = await f.post('/predict/late', { row, id: 'first' })
    const second = await f.post('/predict/late', { row: { ...row, weekend: null }, id: 'second' })
    expect(first.headers.get('x-millrace-cache')).toBe('miss')
    expect(second.headers.get('x-millrace-cache')).toBe('hit')
    expect({ ...second.body, id: '' }).toEqual({ ...first.body, id: '' })
    const ids = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
    expect(ids).toEqual(expect.arrayContaining(['first', 'second']))
    const { body } = await f.post('/v2/models/delay/infer', tensors({}, [7, 8]))
    expect(body.parameters.cache).toBe('miss')
    const half = await f.post('/v2/models/delay/infer', tensors({}, [8, 20]))
    expect(half.body.parameters.cache).toBe('hit=1, miss=1')
    expect(half.body.outputs[0].data).toEqual([10, 15])
    expect(f.server.station.metrics.text()).toMatch(/millrace_response_cache_hits_total 2\n/)
  })

  test('explanations are kept apart from answers, and by class', async () => {
    const row = { hour: 3, distance: 4 }
    expect(await cache('/predict/kinds/explain?class=a', { row })).toBe('miss')
    expect(await cache('/predict/kinds/explain?class=b', { row })).toBe('hit=1, miss=1')
    const [a, b] = await Promise.all(
      ['a', 'b'].map((label) => f.post(`/predict/kinds/explain?class=${label}`, { row })),
    )
    expect([a, b].map((x) => x.headers.get('x-millrace-cache'))).toEqual(['hit', 'hit'])
    expect([a, b].map((x) => x.body.explanation.class)).toEqual(['a', 'b'])
  })

  test('another version never answers from what one before it was asked', async () => {
    const row = { date: '2001-04-01T15:20:00Z' }
    for (const [version, score] of [
      [1, -2],
      [2, 2],
    ]) {
      const { version: digest } = await putTrees(f.store, 'moved', stumps([[1, 1000, 0, 0]], score))
      await release(f.store, 'moved', [route(await putBundle(f.store, 'moved', version, digest), version)])
      await f.server.refresh()
      const answer = await f.post('/predict/moved', { row })
      expect(answer.headers.get('x-millrace-cache')).toBe('miss')
      expect(answer.body.probability).toBeCloseTo(sigmoid(score), 12)
    }
  })
})

describe('the cache itself', () => {
  let asked: number
  const predictor = (digest: string): Predictor =>
    ({
      digest: digest as Digest,
      inputs: [{ name: 'x', type: 'float', nullable: true }],
      score: (rows: RawRow[]) => {
        asked += rows.length
        return Float64Array.from(rows, ({ x }) => 1 / Number(x))
      },
    }) as unknown as Predictor
  const score = async (cache: ResponseCache, xs: number[], digest = 'a') => {
    asked = 0
    const tally = { hits: 0, misses: 0 }
    const rows = xs.map((x) => ({ x }))
    const outputs = await cache.over(predictor(digest), tally).score(
      rows,
      xs.map((_, i) => i),
    )
    return { outputs: [...outputs], asked, ...tally }
  }

  test('0 and -0 are different rows, numbers keep every digit, versions are kept apart', async () => {
    const cache = new ResponseCache()
    expect(await score(cache, [0, -0, 0.1, 0.1 + Number.EPSILON / 8])).toMatchObject({ asked: 4, misses: 4 })
    expect(await score(cache, [-0, 0])).toMatchObject({ asked: 0, hits: 2, outputs: [-Infinity, Infinity] })
    expect(await score(cache, [0], 'b')).toMatchObject({ asked: 1 })
  })

  test('it stays within its bytes and its entries, letting go what was used longest ago', async () => {
    for (const limits of [{ bytesMax: 2_500 }, { entriesMax: 10 }]) {
      const cache = new ResponseCache(limits)
      for (let x = 1; x <= 50; x++) {
        await score(cache, [x])
        await score(cache, [1])
      }
      expect(cache.kept.bytes).toBeLessThanOrEqual(2_500)
      expect(cache.kept.entries).toBeLessThanOrEqual(10)
      expect(await score(cache, [1])).toMatchObject({ hits: 1 })
      expect(await score(cache, [2])).toMatchObject({ misses: 1 })
      expect(cache.kept.evictions).toBeGreaterThan(30)
    }
  })

  test('what is older than its time is computed again', async () => {
    let now = 0
    const cache = new ResponseCache({ ttlMs: 100 }, () => now)
    await score(cache, [1])
    now = 99
    expect(await score(cache, [1])).toMatchObject({ hits: 1 })
    now = 100
    expect(await score(cache, [1])).toMatchObject({ misses: 1 })
    expect(cache.kept.entries).toBe(1)
  })
})
