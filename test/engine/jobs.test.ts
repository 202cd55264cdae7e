import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { RunSpec } from '../../src/core/records.ts'
import { createJobs } from '../../src/engine/jobs/jobs.ts'
import { workerUrl } from '../../src/engine/worker-url.ts'
import { jobsBench, jobsContract, type OpenJobs, until } from '../contract/jobs.ts'

const built = existsSync(new URL('../../dist/engine/jobs/worker.js', import.meta.url))
const tasksModule = new URL('./jobs/tasks.mjs', import.meta.url)
const open: OpenJobs = (options) =>
  createJobs({ ...options, tasksModule, clock: { now: Date.now }, queryThreads: 1 })

it('is tested on the compiled workers', () => {
  expect(built, 'dist/ is missing: run npm run build').toBe(true)
})

if (built) jobsContract('Jobs on worker threads', open)

describe.runIf(built)('Jobs of several processes', () => {
  const bench = jobsBench(open)
  const another = (specs: RunSpec[], workers = 1) =>
    spawn(
      process.execPath,
      [
        new URL('./jobs/process.mjs', import.meta.url).pathname,
        JSON.stringify({ storeUrl: bench.storeUrl, specs, workers }),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )

  it('redo after kill -9 only what was not written down', async () => {
    const go = `${bench.folder}/go`
    const specs = [bench.spec('square', 1), bench.spec('until-told', 2, { go }), bench.spec('square', 3)]
    const child = another(specs)
    await until(
      async () =>
        (await bench.store.meta.events({ types: ['run.done'] })).length > 0 && bench.tries().length === 2,
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { writeFileSync } = await import('node:fs')
    writeFileSync(go, '')
    const from = performance.now()
    const outcomes = await bench.open(1).run(specs)
    expect(performance.now() - from).toBeLessThan(5_000)
    expect(outcomes.map((one) => one.cached)).toEqual([true, false, false])
    expect(bench.tries().toSorted()).toEqual(['1', '2', '2', '3'])
  })

  it('do each spec once between them', async () => {
    const specs = Array.from({ length: 30 }, (_, i) => bench.spec('square', i, { ms: 15 }))
    const child = another(specs)
    const said = once(child.stdout, 'data').then(([bytes]) => JSON.parse(String(bytes)) as { ran: number })
    await until(() => bench.tries().length > 2)
    const outcomes = await bench.open(1).run(specs)
    const here = outcomes.filter((one) => !one.cached).length
    expect(here + (await said).ran).toBe(30)
    expect(here).toBeGreaterThan(0)
    expect(bench.tries().length).toBe(30)
    if (child.exitCode === null) await once(child, 'exit')
  })
})

it('says what to run when the compiled worker is missing', () => {
  expect(() => workerUrl(new URL('file:///nowhere/src/engine/jobs/worker.ts'))).toThrow(/MR_DIST_MISSING/)
})
