/** A long training on the command line that is killed in its middle: begun again, it goes on from its last checkpoint to the bytes of one that was never killed. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { ModelVersion, RunRecord, RunSpec } from '../../src/core/records.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { waveRows } from '../fixtures/wave-rows.ts'

const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'millrace-checkpoint-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const CONFIG = `
import { col, dataset, gbdt, model, project } from 'millrace'
const rows = dataset('rows', { source: 'rows.csv', time: 'at' })
const m = model('m', {
  from: rows,
  target: col('y').eq(1),
  features: { x: col('x'), z: col('z') },
  trainer: gbdt({ trees: 200, leaves: 63, bagging: 0.7, earlyStoppingRounds: 0 }),
})
export default project('p', { datasets: [rows], models: [m] })
`

/** Enough rows that those of training pass the number from which checkpoints are kept. */
const TEXT = waveRows({ nRows: 180_000, everyMs: 60_000 })

function place(name: string): string {
  const cwd = join(folder, name)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'millrace.config.ts'), CONFIG)
  writeFileSync(join(cwd, 'rows.csv'), TEXT)
  return cwd
}

function begin(cwd: string, args: string[]) {
  const child = spawn(process.execPath, [bin, ...args], { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  return { child, ended: new Promise<number | null>((done) => child.once('close', done)) }
}

async function look<T>(cwd: string, read: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ dir: join(cwd, '.millrace') }, { clock: { now: () => 1 } })
  try {
    return await read(store)
  } finally {
    await store.close()
  }
}

const checkpoints = (cwd: string) =>
  look(cwd, async ({ meta }) => (await meta.events({ types: ['train.checkpointed'] })).length)

/** Digest of the trained model's bytes. */
const graphOf = (cwd: string) =>
  look(cwd, async (store) => {
    for (const ref of await store.meta.refs('runs/')) {
      const record = await store.getRecord<RunRecord>(ref.digest, 'RunRecord')
      const spec = await store.getRecord<RunSpec>(record.spec, 'RunSpec')
      if (spec.task !== 'train.fit') continue
      return (await store.getRecord<ModelVersion>(record.outputs.model, 'ModelVersion')).graph
    }
    return null
  })

async function trained(cwd: string): Promise<void> {
  expect(await begin(cwd, ['train', 'm']).ended).toBe(0)
}

test('a training that was killed goes on from its checkpoint to the bytes of one that was not', async () => {
  const whole = place('whole')
  expect(await begin(whole, ['data', 'import', 'rows']).ended).toBe(0)
  await trained(whole)

  const broken = place('broken')
  expect(await begin(broken, ['data', 'import', 'rows']).ended).toBe(0)
  const { child, ended } = begin(broken, ['train', 'm'])
  while ((await checkpoints(broken)) < 3 && child.exitCode === null)
    await new Promise((done) => setTimeout(done, 20))
  child.kill('SIGKILL')
  expect(await ended).toBeNull()
  const before = await checkpoints(broken)
  expect(before).toBeGreaterThanOrEqual(3)
  expect(await graphOf(broken)).toBeNull()

  await trained(broken)
  expect(await graphOf(broken)).toBe(await graphOf(whole))
  /** Each round's checkpoint was kept once: what was done before the kill was not done again. */
  expect(await checkpoints(broken)).toBe(await checkpoints(whole))
}, 240_000)
