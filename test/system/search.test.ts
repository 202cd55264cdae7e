/** A search on the command line that is killed in its middle: begun again, it makes only the trials that were not made. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { RunRecord, RunSpec } from '../../src/core/records.ts'
import { openStore } from '../../src/store/open.ts'
import { waveRows } from '../fixtures/wave-rows.ts'

const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'millrace-search-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const CONFIG = `
import { col, dataset, gbdt, model, project, range, search } from 'millrace'
const rows = dataset('rows', { source: 'rows.csv', time: 'at' })
const m = model('m', {
  from: rows,
  target: col('y').eq(1),
  features: { x: col('x'), z: col('z') },
  trainer: search({
    over: gbdt({ trees: 40, earlyStoppingRounds: 0 }),
    space: { leaves: range(4, 63, 'log'), learningRate: range(0.02, 0.5, 'log') },
    trials: 12,
  }),
})
export default project('p', { datasets: [rows], models: [m] })
`

interface Ran {
  code: number | null
  said: Record<string, unknown>[]
}

function millrace(args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  return new Promise((done) =>
    child.on('close', (code) => {
      const said = out.split('\n').filter((line) => line.startsWith('{'))
      done({ code, said: said.map((line) => JSON.parse(line)) })
    }),
  )
}

/** When each trial that is recorded was made. */
async function trialsMade(): Promise<Map<string, number>> {
  const store = await openStore({ dir: join(folder, '.millrace') }, { clock: { now: () => 1 } })
  const made = new Map<string, number>()
  for (const ref of await store.meta.refs('runs/')) {
    const record = await store.getRecord<RunRecord>(ref.digest, 'RunRecord')
    const spec = await store.getRecord<RunSpec>(record.spec, 'RunSpec')
    if (spec.task === 'train.trial') made.set(record.spec, record.startedAt)
  }
  await store.close()
  return made
}

/** Kills the process the moment a few trials are recorded. */
async function killedAfterSome(): Promise<number> {
  const child = spawn(process.execPath, [bin, 'search', 'm'], { cwd: folder, stdio: 'ignore' })
  const ended = new Promise((done) => child.once('close', done))
  let made = 0
  while (made < 4 && child.exitCode === null) {
    await new Promise((done) => setTimeout(done, 50))
    made = (await trialsMade()).size
  }
  child.kill('SIGKILL')
  await ended
  return made
}

test('a search that was killed makes no trial twice, and chooses what an unbroken one chooses', async () => {
  writeFileSync(join(folder, 'millrace.config.ts'), CONFIG)
  writeFileSync(join(folder, 'rows.csv'), waveRows({ nRows: 30_000, everyMs: 300_000 }))
  expect((await millrace(['data', 'import', 'rows'])).code).toBe(0)
  expect(await killedAfterSome()).toBeGreaterThanOrEqual(4)
  const before = await trialsMade()

  const again = await millrace(['search', 'm', '--json'])
  expect(again.code).toBe(0)
  const report = again.said.at(-1) as {
    event: string
    looks: number
    trials: { params: object }[]
    best: number
  }
  expect(report.event).toBe('done')
  const after = await trialsMade()
  expect(after.size).toBe(report.looks)
  expect(after.size).toBeGreaterThan(before.size)
  for (const [spec, startedAt] of before) expect(after.get(spec)).toBe(startedAt)

  const once = await millrace(['search', 'm', '--json'])
  expect(once.said.at(-1)).toEqual(again.said.at(-1))
  expect(await trialsMade()).toEqual(after)

  const trained = await millrace(['train', 'm', '--json'])
  expect(trained.said.map((line) => line.event)).not.toContain('searched')
  expect(await trialsMade()).toEqual(after)
})
