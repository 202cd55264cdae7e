/** Models while they come and go: versions that cannot be loaded, loads that meet unloads, more models than there is room for, folders that lie. */
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../../src/core/limits.ts'
import type { Infer, OnnxTensor } from '../../../src/core/tensors.ts'
import { ServeMetrics } from '../../../src/serve/metrics.ts'
import { ModelsBackend, type ModelsOptions } from '../../../src/serve/models/models-backend.ts'
import { readModel } from '../../../src/serve/models/read-model.ts'
import { openTensorModel } from '../../../src/serve/models/tensor-model.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { lightgbm, type ModelsFixture, serveModels } from './fixture.ts'

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels()
  f.put('news/1/model.onnx', logistic([1, 0, 0], 0))
  await f.post('/v2/repository/models/news/load', {})
})
afterAll(() => f.close())

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const ask = { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [2, 3, 5] }] }
const answer = async (name: string) => {
  const { status, body } = await f.post(`/v2/models/${name}/infer`, ask)
  return { status, version: body.model_version, y: body.outputs?.[0].data[0] }
}
describe('versions', () => {
  test('a new version that cannot be loaded leaves the one before to answer', async () => {
    expect(await answer('news')).toMatchObject({ status: 200, version: '1' })
    f.put('news/2/model.onnx', 'broken')
    expect((await f.post('/v2/repository/models/news/load', {})).status).toBeGreaterThanOrEqual(400)
    expect(await answer('news')).toMatchObject({
      status: 200,
      version: '1',
      y: expect.closeTo(sigmoid(2), 6),
    })
    f.put('news/2/model.onnx', logistic([0, 1, 0], 0))
    expect((await f.post('/v2/repository/models/news/load', {})).status).toBe(200)
    expect(await answer('news')).toMatchObject({
      status: 200,
      version: '2',
      y: expect.closeTo(sigmoid(3), 6),
    })
  })

  test('loading one model by name leaves the versions of the others as they are', async () => {
    f.put('news/3/model.onnx', 'broken')
    await f.post('/v2/repository/models/texts/load', {})
    expect(await answer('news')).toMatchObject({ status: 200, version: '2' })
  })

  test('models that are loaded twice at once, or unloaded while they are loaded, are let go of', async () => {
    const held = async () =>
      [...((await f.pool()) as unknown as { models: Map<string, unknown> }).models.keys()].filter((id) =>
        id.startsWith('addsub#'),
      ).length
    await f.get('/v2/models/addsub/ready')
    expect(await held()).toBe(1)
    const load = () => f.post('/v2/repository/models/addsub/load', {})
    await Promise.all([load(), load(), load(), load()])
    expect(await held()).toBe(1)
    await f.post('/v2/repository/models/addsub/unload', {})
    expect(await held()).toBe(0)
    const loading = load()
    const unloading = f.post('/v2/repository/models/addsub/unload', {})
    await Promise.all([loading, unloading])
    const states = (await f.post('/v2/repository/index', {})).body as { name: string; state: string }[]
    const isReady = states.find(({ name }) => name === 'addsub')?.state === 'READY'
    expect(await held()).toBe(isReady ? 1 : 0)
    expect((await f.get('/v2/models/addsub/ready')).status).toBe(isReady ? 200 : 503)
    await load()
  })

  test('statistics of a version that is not there are refused', async () => {
    expect((await f.get('/v2/models/late/versions/9/stats')).status).toBe(404)
  })
})

test('folders that cannot be looked into, and links to nothing, do not keep the others from being served', async () => {
  symlinkSync(join(f.root, 'nowhere'), join(f.root, 'late', '7'))
  f.put('dangling/readme.md', 'x')
  symlinkSync(join(f.root, 'nowhere'), join(f.root, 'dangling', '1'))
  expect((await f.post('/v2/repository/models/texts/load', {})).status).toBe(200)
})

test('models that take more than the memory together leave by use, instead of keeping one another out', async () => {
  const g = await serveModels({ limits: { modelCacheBytesMax: 64 * 1024 * 1024 } }, 1)
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  try {
    for (const name of names) g.put(`${name}.onnx`, logistic([1, 0, 0], 0))
    for (const name of [...names, ...names]) {
      const { status } = await g.post(`/v2/repository/models/${name}/load`, {})
      expect({ name, status }).toEqual({ name, status: 200 })
    }
    expect((await g.get('/readyz')).body.models).not.toHaveProperty('g')
  } finally {
    await g.close()
  }
})

test('trees over many rows let others be answered between, and answer as they do row by row', async () => {
  const { nFeatures } = lightgbm.answers as { nFeatures: number }
  const root = mkdtempSync(join(tmpdir(), 'millrace-trees-'))
  writeFileSync(join(root, 'trees.txt'), lightgbm.text)
  const none = () => Promise.reject(new Error('no runtime is needed'))
  const trees = await openTensorModel(
    { name: 'trees', from: 'file', versions: [], notes: [] },
    join(root, 'trees.txt'),
    { infer: none, replicas: () => 1, admit: async () => undefined, read: async (path) => readModel(path) },
  )
  rmSync(root, { recursive: true })
  const rows = 5_000
  const data = Float64Array.from({ length: rows * nFeatures }, (_, i) => Math.sin(i))
  let turns = 0
  let turning = true
  const turn = () => {
    turns++
    if (turning) setImmediate(turn)
  }
  setImmediate(turn)
  const many = await trees.run({ input: { type: 'float64', dims: [rows, nFeatures], data } })
  turning = false
  expect(turns).toBeGreaterThan(0)
  for (const row of [0, 1_023, 1_024, 4_999]) {
    const own = data.slice(row * nFeatures, (row + 1) * nFeatures)
    const one = await trees.run({ input: { type: 'float64', dims: [1, nFeatures], data: own } })
    expect(many.predict.data[row]).toBe(one.predict.data[0])
  }
})

describe('on a runtime that loads when it is told to', () => {
  const tensor = (): OnnxTensor => ({ type: 'float32', dims: [1, 1], data: Float32Array.of(1) })
  const value = (name: string) => ({ name, type: 'float32', shape: ['rows', 1] })
  const row = [{ name: 'x', datatype: 'FP32', shape: [1, 1], values: [1] }]

  /** What is loaded, and what waits to be. */
  function manual() {
    const loaded = new Map<string, number>()
    const waiting: (() => void)[] = []
    const infer: Infer = {
      load: async (_, { id, replicas = 1 }) => {
        await new Promise<void>((resolve) => waiting.push(resolve))
        loaded.set(id, replicas)
        return { inputs: [value('x')], outputs: [value('y')] }
      },
      run: async (id) => {
        if (!loaded.has(id)) throw new Error('asked after it was unloaded')
        return { y: tensor() }
      },
      unload: async (id) => {
        loaded.delete(id)
      },
    }
    const go = async () => {
      await expect.poll(() => waiting.length).toBeGreaterThan(0)
      waiting.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    return { infer, loaded, waiting, go }
  }

  const roots: string[] = []
  afterAll(() => {
    for (const root of roots) rmSync(root, { recursive: true })
  })
  function backendOf(names: string[], infer: Infer, more: Partial<ModelsOptions> = {}) {
    const root = mkdtempSync(join(tmpdir(), 'millrace-lifecycle-'))
    roots.push(root)
    for (const name of names) writeFileSync(join(root, `${name}.onnx`), logistic([1, 0, 0], 0))
    const backend = new ModelsBackend({
      path: root,
      infer: async () => infer,
      limits: { ...LIMITS },
      metrics: new ServeMetrics(),
      clock: { now: () => 0 },
      newId: () => 'id',
      threads: 4,
      ...more,
    })
    return { root, backend }
  }

  test('a model that is unloaded while it is loaded is closed when it is there, and stays unloaded', async () => {
    const { infer, loaded, go } = manual()
    const { backend } = backendOf(['a'], infer)
    const asked = backend.infer({ model: 'a', inputs: row })
    asked.catch(() => undefined)
    await expect.poll(() => backend.repository.index(false)[0].state).toBe('LOADING')
    await backend.repository.unload('a')
    await go()
    await expect(asked).rejects.toMatchObject({ code: 'MR_SERVE_UNLOADED' })
    expect(loaded.size).toBe(0)
    expect(backend.repository.index(false)[0].state).toBe('UNAVAILABLE')
  })

  test('two loads at once leave one model, and what was swapped is closed', async () => {
    const { infer, loaded, go } = manual()
    const { backend } = backendOf(['a'], infer)
    const first = backend.modelReady('a')
    await go()
    await first
    const loads = [backend.repository.load('a'), backend.repository.load('a')]
    await go()
    await go()
    await Promise.all(loads)
    expect(loaded.size).toBe(1)
  })

  test('models that press one another out while they are asked for are each answered', async () => {
    const { infer, waiting } = manual()
    const names = Array.from({ length: 6 }, (_, i) => `m${i}`)
    const { backend } = backendOf(names, infer, { limits: { ...LIMITS, modelCacheBytesMax: 300_000 } })
    const asks = names.flatMap((model) => [1, 2].map(() => backend.infer({ model, inputs: row })))
    let answered = false
    const all = Promise.all(asks).finally(() => {
      answered = true
    })
    while (!answered) {
      waiting.shift()?.()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect((await all).map(({ model }) => model)).toEqual(names.flatMap((name) => [name, name]))
  })

  test('loading all ends where one would leave for another, and where the server closes', async () => {
    const { infer, waiting } = manual()
    const names = Array.from({ length: 8 }, (_, i) => `m${i}`)
    const { backend } = backendOf(names, infer, { limits: { ...LIMITS, modelCacheBytesMax: 650_000 } })
    const said: string[] = []
    let ended = false
    const all = backend.shelf
      .loadAll((name) => said.push(name))
      .finally(() => {
        ended = true
      })
    while (!ended) {
      waiting.shift()?.()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await all
    expect(said).toEqual(['m0', 'm1', 'm2', 'm3'])
  })

  test('a large graph is held by one thread, a small one by as many as the memory allows', async () => {
    const { infer, loaded, go } = manual()
    const { root, backend } = backendOf(['small'], infer, {
      limits: { ...LIMITS, modelCacheBytesMax: 700_000 },
    })
    const small = backend.modelReady('small')
    await go()
    await small
    expect([...loaded.values()]).toEqual([3])
    writeFileSync(join(root, 'large.onnx'), Uint8Array.of(8, 8))
    truncateSync(join(root, 'large.onnx'), 3 * 1024 ** 3)
    await expect(backend.repository.load('large')).rejects.toMatchObject({ code: 'MR_SERVE_MODEL_TOO_LARGE' })
    const roomy = backendOf(['small'], infer, { limits: { ...LIMITS, modelCacheBytesMax: 8 * 1024 ** 3 } })
    writeFileSync(join(roomy.root, 'large.onnx'), Uint8Array.of(8, 8))
    truncateSync(join(roomy.root, 'large.onnx'), 3 * 1024 ** 3)
    const large = roomy.backend.repository.load('large')
    await go()
    await large
    expect([...loaded.values()]).toEqual([3, 1])
  })

  test('requests under way are counted while they are', async () => {
    const { infer, go } = manual()
    const metrics = new ServeMetrics()
    const { backend } = backendOf(['a'], infer, { metrics })
    const asked = backend.infer({ model: 'a', inputs: row })
    expect(metrics.requestsInFlight).toBe(1)
    await go()
    await asked
    expect(metrics.requestsInFlight).toBe(0)
  })
})
