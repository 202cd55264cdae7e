/** Several processes that are one host of those that join a store: the primary follows the list, and its workers place models on it. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type ServedByWorkers, serveByWorkers } from '../../../src/api/serve-models.ts'
import { openStore } from '../../../src/store/open.ts'
import { lightgbm } from '../../serve/models/fixture.ts'
import { Client, newFolder } from './fixture.ts'

const folder = newFolder()
let served: ServedByWorkers | undefined
afterEach(async () => {
  await served?.close()
  folder.drop()
})

test('place models on the hosts that the primary sees, and are replaced where the store cannot be opened any more', async () => {
  const names = Array.from({ length: 8 }, (_, i) => `m${i}`)
  for (const name of names) folder.put(`models/${name}.txt`, lightgbm.text)
  const at = join(folder.root, 'store')
  const store = await openStore(at, { clock: { now: Date.now } })
  // heavier than any other: it owns nearly all, and nobody listens there
  await store.meta.hosts.beat({ address: '127.0.0.1:9', weight: 1_000_000, memoryMb: 64 })
  await store.close()
  const own = { path: join(folder.root, 'models'), host: '127.0.0.1', port: 0, memoryMb: 64, threads: 1 }
  const faults: Error[] = []
  const onFault = (error: Error) => faults.push(error)
  served = await serveByWorkers({ ...own, workers: 1, join: at, owners: 1, onFault })
  const client = new Client(served.address)
  const [input] = (await client.ask('/v2/models/m0')).body.inputs
  const row = { ...input, shape: [1, input.shape[1]], data: new Array(input.shape[1]).fill(0.5) }
  const askAll = async () => {
    const one = new Client(served!.address)
    const answers = await Promise.all(
      names.map((name) => one.ask(`/v2/models/${name}/infer`, { inputs: [row] })),
    )
    one.close()
    return answers.map(({ status }) => status)
  }
  const count = async (name: string) =>
    Number(
      new RegExp(`^${name} (.*)$`, 'm').exec((await client.ask('/metrics')).body as string)?.[1] ??
        Number.NaN,
    )
  expect(await count('millrace_hosts')).toBe(2)
  const failed = async () => {
    expect(await askAll()).toEqual(names.map(() => 200))
    return await count('millrace_forwards_failed_total')
  }
  await expect.poll(failed, { timeout: 3_000 }).toBeGreaterThan(0)

  for (const end of ['', '-shm', '-wal']) rmSync(join(at, `meta.sqlite${end}`), { force: true })
  writeFileSync(join(at, 'meta.sqlite'), 'no database')
  const [pid] = served.pids()
  process.kill(pid, 'SIGKILL')
  await expect.poll(() => served?.pids().includes(pid)).toBe(false)
  client.close()
  await expect.poll(() => served?.ready(), { timeout: 10_000 }).toBe(true)
  expect(await askAll()).toEqual(names.map(() => 200))
  expect(faults.length).toBeLessThanOrEqual(1)
}, 60_000)
