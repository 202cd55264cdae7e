/** More models than there is memory for: measured sizes, one load however many ask, memory given back. In a process of its own, since what others hold of the arena is counted too. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { seededRng } from '../../src/core/rng.ts'
import { exportLightGbmText } from '../../src/model/export/lightgbm-text.ts'
import { ARENA_LIMITS, arenaUse } from '../../src/model/tree/arena.ts'
import { ServeMetrics } from '../../src/serve/metrics.ts'
import { ModelsBackend, type ModelsOptions } from '../../src/serve/models/models-backend.ts'
import { trainGbdt } from '../../src/train/gbdt/train.ts'

const N = 96
const FEATURES = 6
const MB = 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'millrace-fleet-'))

/** Eight trained models, each in twelve cuts of its trees, so that sizes and answers differ. */
beforeAll(async () => {
  for (let seed = 0; seed < 8; seed++) {
    const rng = seededRng(seed)
    const columns = Array.from({ length: FEATURES }, () =>
      Float64Array.from({ length: 400 }, () => rng.normal()),
    )
    const target = Float64Array.from({ length: 400 }, (_, i) => columns[0][i] * columns[1][i] + rng.normal())
    const data = { nRows: 400, columns, categorical: columns.map(() => false), target }
    const settings = { trees: 60, leaves: 31, minRowsInLeaf: 2, objective: 'l2' as const }
    const { model } = await trainGbdt(data, settings)
    for (let cut = 0; cut < 12; cut++) {
      const nTrees = 5 * (cut + 1)
      const nNodes = model.roots[nTrees] ?? model.feature.length
      const part = {
        ...model,
        roots: model.roots.slice(0, nTrees),
        outputOf: model.outputOf.slice(0, nTrees),
      }
      for (const name of [
        'feature',
        'threshold',
        'left',
        'right',
        'missingLeft',
        'value',
        'cover',
        'categorySet',
      ] as const)
        Object.assign(part, { [name]: model[name].slice(0, nNodes) })
      writeFileSync(join(folder, `t${cut % 3}.m${seed}-${cut}.txt`), exportLightGbmText(part))
    }
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What training left in the arena is given back when the collector has been. */
async function untilEmpty(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  while (arenaUse().blocks > 0) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const row = Array.from({ length: FEATURES }, (_, j) => j / 3)
const inputs = [{ name: 'input', datatype: 'FP64', shape: [1, FEATURES], values: row }]

function backendOf(bytesMax: number, more: Partial<ModelsOptions> = {}): ModelsBackend {
  return new ModelsBackend({
    path: folder,
    infer: () => Promise.reject(new Error('no runtime is needed')),
    limits: { ...LIMITS, modelCacheBytesMax: bytesMax },
    metrics: new ServeMetrics(),
    clock: { now: () => 0 },
    newId: () => 'id',
    threads: 2,
    ...more,
  })
}
const ask = (backend: ModelsBackend, model: string) =>
  backend.infer({ model, inputs }).then(({ outputs }) => outputs[0].data[0])

test('what models are counted to take is what they take, and each answers as it does alone', async () => {
  const roomy = backendOf(512 * MB)
  const names = roomy.names()
  expect(names).toHaveLength(N)
  expect(roomy.shelf.isLazy).toBe(true)
  await untilEmpty()
  const answers = new Map(
    await Promise.all(names.map(async (name) => [name, await ask(roomy, name)] as const)),
  )
  const { bytes, held, loads } = roomy.shelf.numbers()
  expect([held, loads]).toEqual([N, N])
  const grown = arenaUse().bytes - ARENA_LIMITS.scratchBytes
  // what is counted beside the arena: 14 kB a model of objects
  expect(Math.abs((bytes - N * 14_000) / grown - 1)).toBeLessThan(0.15)
  roomy.shelf.close()
  expect(arenaUse().blocks).toBe(0)

  const tight = backendOf(1 * MB)
  const rng = seededRng(1)
  for (let round = 0; round < 40; round++) {
    const asked = Array.from({ length: 16 }, () => names[Math.floor(N * rng.next() ** 3)])
    const got = await Promise.all(asked.map((name) => ask(tight, name)))
    expect(got).toEqual(asked.map((name) => answers.get(name)))
    expect(tight.shelf.numbers().bytes).toBeLessThanOrEqual(1 * MB)
  }
  expect(tight.shelf.numbers().evictions).toBeGreaterThan(50)
  tight.shelf.close()
})

test('many cold requests to one model load it once', async () => {
  const backend = backendOf(512 * MB)
  await Promise.all(Array.from({ length: 50 }, () => ask(backend, 't0.m0-0')))
  expect(backend.shelf.numbers()).toMatchObject({ loads: 1, misses: 50, held: 1 })
  backend.shelf.close()
})

test('a flood of cold models leaves those in use where they are, and takes from its own tenant', async () => {
  const backend = backendOf(1 * MB, { tenantOf: (model) => model.slice(0, 2) })
  const names = backend.names()
  const hot = names.filter((name) => name.startsWith('t0')).slice(0, 4)
  for (let i = 0; i < 20; i++) for (const name of hot) await ask(backend, name)
  const { misses } = backend.shelf.numbers()
  for (const name of names.filter((one) => !one.startsWith('t0'))) await ask(backend, name)
  const cold = backend.shelf.numbers().misses - misses
  for (const name of hot) await ask(backend, name)
  expect(backend.shelf.numbers().misses - misses).toBe(cold)
  backend.shelf.close()
})

test('of thousands, one that is loaded by name is looked for alone, and found where it is new or changed', async () => {
  const backend = backendOf(512 * MB)
  const answer = await ask(backend, 't0.m0-0')
  writeFileSync(join(folder, 'new.txt'), readFileSync(join(folder, 't0.m0-0.txt')))
  writeFileSync(join(folder, 'newer.txt'), readFileSync(join(folder, 't0.m0-0.txt')))
  await backend.repository.load('new')
  expect(await ask(backend, 'new')).toBe(answer)
  expect(backend.shelf.has('newer')).toBe(false)
  writeFileSync(join(folder, 'new.txt'), readFileSync(join(folder, 't1.m3-7.txt')))
  await backend.repository.load('new')
  expect(await ask(backend, 'new')).toBe(await ask(backend, 't1.m3-7'))
  rmSync(join(folder, 'new.txt'))
  await expect(backend.repository.load('new')).rejects.toMatchObject({ code: 'MR_SERVE_MODEL_UNKNOWN' })
  backend.shelf.close()
})

test('models that nobody asked for in some days are told of, and nothing is done with them', async () => {
  const backend = backendOf(512 * MB)
  await ask(backend, 't0.m0-0')
  expect(backend.shelf.unused()).toEqual([])
  const all = backend.shelf.unused(-1)
  expect(all).toHaveLength(backend.names().length)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const sinceMs = performance.now()
  await ask(backend, 't0.m0-3')
  const now = backend.shelf.unused((performance.now() - sinceMs) / 86_400_000)
  expect(now).not.toContain('t0.m0-3')
  expect(now).toHaveLength(all.length - 1)
  expect(backend.repository?.index(true)).toHaveLength(all.length)
  backend.shelf.close()
})
