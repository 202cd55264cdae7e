import { expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import type { Route } from '../../src/core/records.ts'
import { pickRoute, splitPoint } from '../../src/serve/split.ts'
import { logged, putBundle, putConstant, release, route, serving } from './fixture.ts'

const ROW = { hour: 9, distance: 500, origin: 'BOS' }
const NONE = `sha256:${'0'.repeat(64)}` as const

/** Bound of a binomial count that a right split exceeds once in about 10^7: 5.3 standard deviations. */
const slack = (n: number, p: number) => 5.3 * Math.sqrt(n * p * (1 - p))

test('a share of keys within the binomial bound goes to each route, for keys of every shape', () => {
  const routes: Route[] = [route(NONE, 1, 'live', 0.9), route(NONE, 2, 'canary', 0.1)]
  const n = 20_000
  const shapes: ((i: number) => string)[] = [
    (i) => `${i}`,
    (i) => `user-${i}@example.com`,
    (i) => `01JD${'0'.repeat(18)}${i}`,
  ]
  for (const shape of shapes) {
    let canary = 0
    for (let i = 0; i < n; i++) if (pickRoute({ salt: 's' }, routes, shape(i))?.version === 2) canary++
    expect(Math.abs(canary - n * 0.1)).toBeLessThan(slack(n, 0.1))
  }
})

test('two salts divide the same keys independently', () => {
  const n = 20_000
  let both = 0
  for (let i = 0; i < n; i++) if (splitPoint('a', `k${i}`) < 0.5 && splitPoint('b', `k${i}`) < 0.5) both++
  expect(Math.abs(both - n / 4)).toBeLessThan(slack(n, 0.25))
})

test('weights at the ends: all to the last, none to a weightless one, nothing without routes', () => {
  expect(
    pickRoute({ salt: '' }, [route(NONE, 1, 'live', 0), route(NONE, 2, 'canary', 1)], 'k')?.version,
  ).toBe(2)
  expect(pickRoute({ salt: '' }, [route(NONE, 1, 'shadow', 0)], 'k')).toBeUndefined()
  expect(pickRoute({ salt: '' }, [], 'k')).toBeUndefined()
})

test('a sticky key stays on its route, and requests without one divide by weight', async () => {
  const f = await serving(async (store) => {
    const [a, b] = [await putConstant(store, 'late', 0.1), await putConstant(store, 'late', 0.2)]
    await release(store, 'late', [
      route(await putBundle(store, 'late', 1, a), 1, 'live', 0.5),
      route(await putBundle(store, 'late', 2, b), 2, 'canary', 0.5),
    ])
  })
  const versionOf = async (headers: Record<string, string>) =>
    (await f.post('/predict/late', ROW, headers)).body.version
  for (const key of ['ann', 'ben', 'cat']) {
    const versions = await Promise.all([1, 2, 3, 4].map(() => versionOf({ 'x-millrace-key': key })))
    expect(new Set(versions).size).toBe(1)
  }
  const n = 300
  const versions = await Promise.all(Array.from({ length: n }, () => versionOf({})))
  const canary = versions.filter((version) => version === 2).length
  expect(Math.abs(canary - n / 2)).toBeLessThan(slack(n, 0.5))
  await f.close()
})

test('a shadow is asked after the answer, logged under the same ids, and never answers', async () => {
  const f = await serving(async (store) => {
    const [a, b] = [await putConstant(store, 'late', 0.1), await putConstant(store, 'late', 0.9)]
    const [one, two] = [await putBundle(store, 'late', 1, a), await putBundle(store, 'late', 2, b)]
    await release(store, 'late', [route(one, 1), route(one, 1, 'shadow', 0), route(two, 2, 'shadow', 0)], {
      state: 'shadow',
    })
  })
  const { body } = await f.post('/predict/late', { rows: [ROW, ROW], ids: ['a', 'b'] })
  expect(body.predictions.map((p: { version: number }) => p.version)).toEqual([1, 1])
  await f.server.station.settled()
  const blocks = await logged<PredictionBlock>(f.store, 'predictions')
  expect(blocks.map((b) => [b.routes[0], b.versions[0], b.ids, b.outputs])).toEqual([
    ['live', 1, ['a', 'b'], [0.1, 0.1]],
    ['shadow', 2, ['a', 'b'], [0.9, 0.9]],
  ])
  await f.close()
})

test('a shadow that fails is counted and the answer stands', async () => {
  const f = await serving(async (store) => {
    const a = await putConstant(store, 'late', 0.1)
    const one = await putBundle(store, 'late', 1, a)
    await release(store, 'late', [
      route(one, 1),
      route(await putBundle(store, 'late', 2, NONE), 2, 'shadow', 0),
    ])
  })
  expect((await f.post('/predict/late', ROW)).status).toBe(200)
  await f.server.station.settled()
  expect(f.server.station.metrics.shadowErrors).toBe(1)
  await f.close()
})

test('during switches under load every request is answered exactly once, by one version', async () => {
  const f = await serving(async (store) => {
    const bundles = await Promise.all(
      [1, 2].map(async (v) => await putBundle(store, 'late', v, await putConstant(store, 'late', v / 10))),
    )
    await release(store, 'late', [route(bundles[0], 1)])
  })
  const releases = await Promise.all(
    [1, 2].map(async (v) => [
      route(await putBundle(f.store, 'late', v, await putConstant(f.store, 'late', v / 10)), v),
    ]),
  )
  let switching = true
  const asked: Promise<void>[] = []
  const seen = new Map<string, number>()
  const ask = async (i: number) => {
    const ids = [`${i}-a`, `${i}-b`, `${i}-c`]
    const { status, body } = await f.post('/predict/late', { rows: [ROW, ROW, ROW], ids })
    expect(status).toBe(200)
    expect(new Set(body.predictions.map((p: { version: number }) => p.version)).size).toBe(1)
    for (const p of body.predictions) {
      expect(p.output).toBe(p.version / 10)
      seen.set(p.id, (seen.get(p.id) ?? 0) + 1)
    }
  }
  const client = async (c: number) => {
    for (let i = 0; switching; i++) await ask(c * 100_000 + i)
  }
  for (let c = 0; c < 8; c++) asked.push(client(c))
  const versions: number[] = []
  for (let s = 0; s < 12; s++) {
    await release(f.store, 'late', releases[(s + 1) % 2])
    await f.server.refresh()
    versions.push((await f.post('/predict/late', ROW)).body.version)
  }
  switching = false
  await Promise.all(asked)
  expect(versions).toEqual(versions.map((_, s) => ((s + 1) % 2) + 1))
  expect([...seen.values()].every((times) => times === 1)).toBe(true)
  const rows = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
  expect(rows.filter((id) => seen.has(id))).toHaveLength(seen.size)
  await f.close()
})

test('a move of the live ref by another process is seen within two seconds', async () => {
  const f = await serving(async (store) => {
    await release(store, 'late', [
      route(await putBundle(store, 'late', 1, await putConstant(store, 'late', 0.1)), 1),
    ])
  })
  expect((await f.post('/predict/late', ROW)).body.version).toBe(1)
  await release(f.store, 'late', [
    route(await putBundle(f.store, 'late', 2, await putConstant(f.store, 'late', 0.2)), 2),
  ])
  await expect
    .poll(async () => (await f.post('/predict/late', ROW)).body.version, { timeout: 4000, interval: 100 })
    .toBe(2)
  await f.close()
})

test('a version is pinned in the path of the protocol, and one that is not released is refused by name', async () => {
  const f = await serving(async (store) => {
    const bundles = await Promise.all(
      [1, 2].map(async (v) => await putBundle(store, 'late', v, await putConstant(store, 'late', v / 10))),
    )
    await release(store, 'late', [route(bundles[0], 1, 'live', 0.99), route(bundles[1], 2, 'canary', 0.01)])
  })
  const inputs = [{ name: 'origin', datatype: 'BYTES', shape: [1], data: ['BOS'] }]
  const pinned = await f.post('/v2/models/late/versions/2/infer', { inputs })
  expect(pinned.body).toMatchObject({
    model_version: '2',
    outputs: [{ name: 'probability', data: [0.2] }, { name: 'label' }],
  })
  const absent = await f.post('/v2/models/late/versions/7/infer', { inputs })
  expect(absent.body).toMatchObject({
    code: 'MR_SERVE_VERSION_UNKNOWN',
    status: 404,
    fix: expect.stringContaining('1, 2'),
  })
  await f.close()
})
