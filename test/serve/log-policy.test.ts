import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { OutcomeBlock, PredictionBlock } from '../../src/core/log-blocks.ts'
import { isKept } from '../../src/core/log-sample.ts'
import type { LogPolicy } from '../../src/serve/log-policy.ts'
import { type Fixture, logged, putBundle, putConstant, release, route, serving } from './fixture.ts'

const open: Fixture[] = []
afterEach(async () => {
  for (const f of open.splice(0)) await f.close()
})

async function late(policy: Partial<LogPolicy>): Promise<Fixture> {
  const f = await serving(
    async (store) => {
      const parent = await putConstant(store, 'late', 0.25)
      await release(store, 'late', [route(await putBundle(store, 'late', 1, parent), 1)])
    },
    { logPolicy: () => policy, logHashKey: Buffer.from('a key of this test') },
  )
  open.push(f)
  return f
}

const rowsOf = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ hour: i % 24, distance: 500 + i, origin: 'SECRET' }))
const idsOf = (n: number) => Array.from({ length: n }, (_, i) => `id-${i}`)

/** Everything that the log wrote, as text. */
async function textOf({ dir }: Fixture): Promise<string> {
  const root = join(dir, 'state', 'log')
  const files = (await readdir(root, { recursive: true })).filter((file) => file.endsWith('.ndjson'))
  return (await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))).join('')
}

describe('a sampled log', () => {
  test('keeps the answers of a share of the ids and the outcomes of just these, and every answer leaves as before', async () => {
    const f = await late({ sample: 0.2 })
    const ids = idsOf(500)
    const { body } = await f.post('/predict/late', { rows: rowsOf(500), ids })
    expect(body.predictions).toHaveLength(500)
    expect((await f.post('/predict/late/feedback', { ids, values: ids.map(() => 1) })).body).toEqual({
      accepted: 500,
      unknown: 0,
    })
    const kept = ids.filter((id) => isKept(id, 0.2))
    const [block, ...others] = await logged<PredictionBlock>(f.store, 'predictions')
    expect(others).toEqual([])
    expect([block.sample, block.ids]).toEqual([0.2, kept])
    expect(block.inputs.distance).toEqual(kept.map((id) => 500 + Number(id.slice(3))))
    const outcomes = await logged<OutcomeBlock>(f.store, 'outcomes')
    expect(outcomes.flatMap((outcome) => outcome.ids)).toEqual(kept)
  })

  test('writes nothing of a request that it does not keep', async () => {
    const f = await late({ sample: 0.2 })
    const away = idsOf(100).filter((id) => !isKept(id, 0.2))
    for (const id of away.slice(0, 5)) {
      expect((await f.post('/predict/late', { row: rowsOf(1)[0], id })).status).toBe(200)
      expect((await f.post('/predict/late/feedback', { id, value: 1 })).status).toBe(200)
    }
    expect(await logged(f.store, 'predictions')).toEqual([])
    expect(await logged(f.store, 'outcomes')).toEqual([])
  })
})

describe('inputs that are not to be kept', () => {
  test('never reach the disk; those that are hashed are one text a value, which needs the key', async () => {
    const f = await late({ redact: ['origin', 'no such input'], hash: ['distance'] })
    const { body } = await f.post('/predict/late', {
      rows: [
        { hour: 1, distance: 77_123, origin: 'SECRET' },
        { hour: 2, distance: 77_123, origin: 'SECRET' },
        { hour: 3, distance: null, origin: 'SECRET' },
      ],
    })
    expect(body.predictions).toHaveLength(3)
    const text = await textOf(f)
    expect(text).not.toContain('SECRET')
    expect(text).not.toContain('77123')
    const [block] = await logged<PredictionBlock>(f.store, 'predictions')
    expect(block).toMatchObject({ redacted: ['origin'], hashed: ['distance'] })
    expect(Object.keys(block.inputs).sort()).toEqual(['distance', 'hour'])
    const [first, second, missing] = block.inputs.distance
    expect(first).toMatch(/^hmac:[\w-]{22}$/)
    expect([second, missing]).toEqual([first, null])
    expect(block.inputs.hour).toEqual([1, 2, 3])
  })
})

test('a log that is not durable answers before the disk does, and has it all once it is drained', async () => {
  const f = await late({ durable: false })
  await f.post('/predict/late', { rows: rowsOf(3), ids: idsOf(3) })
  await f.server.station.settled()
  expect((await logged<PredictionBlock>(f.store, 'predictions')).flatMap(({ ids }) => ids)).toEqual(idsOf(3))
})
