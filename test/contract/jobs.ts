/** What every Jobs must do. Run by each adapter's test over its own `open`; tasks are those of test/engine/jobs/tasks.mjs. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { RunRecord, RunSpec } from '../../src/core/records.ts'
import type { Jobs, RunOutcome, RunProgress } from '../../src/engine/ports.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { fails } from './query.ts'

export interface JobsBench {
  store: Store
  storeUrl: string
  /** Lines that tasks wrote: one a try. */
  tries(): string[]
  spec(task: string, n: number, params?: Record<string, unknown>): RunSpec
  value(outcome: RunOutcome | undefined): Promise<unknown>
  /** Opens a pool that is closed after the test. */
  open(workers: number): Jobs
  folder: string
}

export type OpenJobs = (options: {
  store: Store
  storeUrl: string
  workers: number
  memoryMb: number
}) => Jobs

const clock = { now: Date.now }

/** A store in a folder of its own for each test of the suite that calls this. */
export function jobsBench(openJobs: OpenJobs): JobsBench {
  const bench = {} as JobsBench
  let pools: Jobs[] = []
  beforeEach(async () => {
    bench.folder = mkdtempSync(join(tmpdir(), 'jobs-'))
    bench.storeUrl = join(bench.folder, 'store')
    bench.store = await openStore(bench.storeUrl, { clock })
  })
  afterEach(async () => {
    await Promise.all(pools.map((pool) => pool.close()))
    pools = []
    await bench.store.close()
    rmSync(bench.folder, { recursive: true, force: true })
  })
  const trace = () => join(bench.folder, 'trace')
  bench.tries = () => (existsSync(trace()) ? readFileSync(trace(), 'utf8').trim().split('\n') : [])
  bench.spec = (task, n, params = {}) => ({
    kind: 'RunSpec',
    task,
    code: '1',
    inputs: {},
    params: { n, trace: trace(), ...(params as object) },
    seed: 1,
  })
  bench.value = async (outcome) =>
    JSON.parse(new TextDecoder().decode(await bench.store.objects.get(outcome!.record.outputs.value!)))
  bench.open = (workers) => {
    const pool = openJobs({
      store: bench.store,
      storeUrl: bench.storeUrl,
      workers,
      memoryMb: 96 * 2 * workers,
    })
    pools.push(pool)
    return pool
  }
  return bench
}

export async function until(holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('waited too long')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function jobsContract(name: string, openJobs: OpenJobs): void {
  describe(name, () => {
    const bench = jobsBench(openJobs)

    it('does each spec once, however often it is asked for, and answers in the order asked', async () => {
      const jobs = bench.open(4)
      const specs = Array.from({ length: 24 }, (_, i) => bench.spec('square', i % 8))
      const [first, second] = await Promise.all([jobs.run(specs), jobs.run(specs.slice(0, 5))])
      expect(await Promise.all(first.map(bench.value))).toEqual(specs.map((_, i) => (i % 8) ** 2))
      expect(second.map((one) => one.spec)).toEqual(first.slice(0, 5).map((one) => one.spec))
      const again = await jobs.run(specs)
      expect(again.every((one) => one.cached)).toBe(true)
      expect(first.every((one) => !one.cached)).toBe(true)
      expect(bench.tries().toSorted()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    })

    it('keeps the record under its ref with the reason in the journal', async () => {
      const [outcome] = await bench.open(1).run([bench.spec('square', 3)])
      const ref = await bench.store.meta.ref(refs.run(outcome!.spec))
      const record = await bench.store.getRecord<RunRecord>(ref!.digest, 'RunRecord')
      expect(record).toEqual(outcome!.record)
      expect(record).toMatchObject({ outcome: 'done', cpuMs: expect.any(Number) })
      const [event] = await bench.store.meta.events({ types: ['run.done'] })
      expect(event).toMatchObject({ subject: refs.run(outcome!.spec), actor: 'jobs' })
      expect(event!.reason).toMatch(/^square is done after \d+\.\d s$/)
      expect(event!.data).toMatchObject({ runs: [{ spec: outcome!.spec, note: { of: outcome!.spec } }] })
      expect(await bench.store.meta.jobs.get([outcome!.spec])).toMatchObject([{ state: 'done', tries: 1 }])
    })

    it('writes many small runs down together', async () => {
      const jobs = bench.open(2)
      await jobs.run(Array.from({ length: 60 }, (_, i) => bench.spec('square', i)))
      const events = await bench.store.meta.events({ types: ['run.done'] })
      expect(events.length).toBeLessThan(30)
      const named = events.flatMap(({ data }) => (data as { runs: unknown[] }).runs)
      expect(named.length).toBe(60)
    })

    it('tells progress, and who works on what', async () => {
      const jobs = bench.open(1)
      const seen: RunProgress[] = []
      const running = jobs.run([bench.spec('square', 2, { ms: 50 })], { onProgress: (p) => seen.push(p) })
      await until(() => seen.length > 0)
      expect(seen[0]).toMatchObject({ task: 'square', done: 0.5, note: 'half of it' })
      expect(jobs.workers()).toMatchObject([{ task: 'square', since: expect.any(Number) }])
      await running
      expect(jobs.workers()).toEqual([{ name: expect.any(String) }])
    })

    it('runs what is more urgent first', async () => {
      const jobs = bench.open(1)
      const go = join(bench.folder, 'go')
      const block = jobs.run([bench.spec('until-told', 0, { go })])
      await until(() => bench.tries().length === 1)
      const later = jobs.run([bench.spec('square', 1)], { priority: 1 })
      const sooner = jobs.run([bench.spec('square', 2)], { priority: 2 })
      await until(async () => (await bench.store.meta.jobs.list({ state: 'queued' })).length === 2)
      writeFileSync(go, '')
      await Promise.all([block, later, sooner])
      expect(bench.tries()).toEqual(['0', '2', '1'])
    })

    it('gives each job a query engine without what other jobs left in it', async () => {
      const outcomes = await bench.open(1).run([bench.spec('asks', 10), bench.spec('asks', 100)])
      expect(await Promise.all(outcomes.map(bench.value))).toEqual([
        { tablesBefore: 0, sum: 45 },
        { tablesBefore: 0, sum: 4950 },
      ])
    })

    it('ends the others before it throws a failure, and keeps what they did', async () => {
      const jobs = bench.open(2)
      const error = await fails(
        jobs.run([bench.spec('fails', 1), bench.spec('square', 2), bench.spec('square', 3)]),
        'MR_RUN_FAILED',
      )
      expect(error.message).toContain('the reason in words')
      const kept = await jobs.run([bench.spec('square', 2), bench.spec('square', 3)])
      expect(kept.map((one) => one.cached)).toEqual([true, true])
      const [event] = await bench.store.meta.events({ types: ['run.failed'] })
      expect(event!.reason).toContain('the reason in words')
      const record = (await bench.store.meta.ref(event!.subject))!.digest
      expect(await bench.store.getRecord<RunRecord>(record, 'RunRecord')).toMatchObject({
        outcome: 'failed',
        error: { code: 'Error', message: 'the reason in words' },
      })
    })

    it('throws the coded error of a task, and tries failed work again when it is asked for again', async () => {
      const jobs = bench.open(1)
      const spec = bench.spec('fails', 1, { coded: true, times: 1 })
      const error = await fails(jobs.run([spec]), 'MR_NO_SPACE')
      expect(error.data).toEqual({ path: '/full' })
      expect(await bench.value((await jobs.run([spec]))[0])).toBe('well')
      expect(bench.tries().length).toBe(2)
    })

    it('does work again whose outputs are gone', async () => {
      const jobs = bench.open(1)
      const [outcome] = await jobs.run([bench.spec('square', 4)])
      await bench.store.objects.remove(outcome!.record.outputs.value!)
      const [again] = await jobs.run([bench.spec('square', 4)])
      expect(again!.cached).toBe(false)
      expect(await bench.value(again)).toBe(16)
    })

    it('refuses a task or a version of it that the program does not have', async () => {
      const jobs = bench.open(1)
      await fails(jobs.run([bench.spec('nope', 1)]), 'MR_TASK_UNKNOWN')
      await fails(jobs.run([{ ...bench.spec('square', 1), code: '0' }]), 'MR_TASK_CODE')
      expect(await bench.store.meta.events({ types: ['run.failed'] })).toEqual([])
    })

    it('tries again when a worker dies in the middle, and gives up after enough tries', async () => {
      const jobs = bench.open(1)
      const [outcome] = await jobs.run([bench.spec('dies', 1, { times: 2 })])
      expect(await bench.value(outcome)).toBe('alive')
      expect(bench.tries()).toEqual(['1', '1', '1'])
      const error = await fails(jobs.run([bench.spec('dies', 2, { times: 9 })]), 'MR_WORKER_DIED')
      expect(error.data.tries).toBe(3)
      expect(await bench.value((await jobs.run([bench.spec('square', 5)]))[0])).toBe(25)
    })

    it('survives a task that eats all memory', async () => {
      const error = await fails(bench.open(1).run([bench.spec('eats', 1)]), 'MR_WORKER_DIED')
      expect(error.message).toMatch(/memory/)
    })

    it('cancels by signal and keeps finished work', async () => {
      const jobs = bench.open(2)
      const abort = new AbortController()
      const specs = [
        bench.spec('square', 1),
        bench.spec('until-told', 2),
        ...[3, 4, 5].map((n) => bench.spec('until-told', n)),
      ]
      const running = fails(jobs.run(specs, { signal: abort.signal }), 'MR_CANCELLED')
      await until(() => bench.tries().length === 3)
      abort.abort()
      await running
      await until(() => jobs.workers().every(({ task }) => task === undefined))
      expect((await jobs.run([specs[0]!]))[0]!.cached).toBe(true)
      expect(bench.tries().length).toBe(3)
      await until(async () => (await bench.store.meta.jobs.list({ state: 'cancelled' })).length === 4)
      await fails(jobs.run(specs, { signal: AbortSignal.abort() }), 'MR_CANCELLED')
    })

    it('does not cancel what somebody else waits for', async () => {
      const jobs = bench.open(1)
      const abort = new AbortController()
      const go = join(bench.folder, 'go')
      const spec = bench.spec('until-told', 1, { go })
      const one = fails(jobs.run([spec], { signal: abort.signal }), 'MR_CANCELLED')
      const other = jobs.run([spec])
      await until(() => bench.tries().length === 1)
      abort.abort()
      await one
      writeFileSync(go, '')
      expect(await bench.value((await other)[0])).toBe('told')
      expect(bench.tries().length).toBe(1)
    })

    it('ends a task that does not listen, and its place works on', async () => {
      const jobs = bench.open(1)
      const abort = new AbortController()
      const deaf = fails(jobs.run([bench.spec('deaf', 1)], { signal: abort.signal }), 'MR_CANCELLED')
      await until(() => bench.tries().length === 1)
      abort.abort()
      await deaf
      expect(await bench.value((await jobs.run([bench.spec('square', 6)]))[0])).toBe(36)
    })

    it('stops a long query of a task that does not listen', async () => {
      const jobs = bench.open(1)
      const abort = new AbortController()
      const running = fails(jobs.run([bench.spec('queries', 1)], { signal: abort.signal }), 'MR_CANCELLED')
      await until(() => bench.tries().length === 1)
      abort.abort()
      await running
      const [outcome] = await jobs.run([bench.spec('asks', 10)])
      expect(await bench.value(outcome)).toEqual({ tablesBefore: 0, sum: 45 })
    })

    it('closes while a task is in the middle of a query', async () => {
      const jobs = bench.open(1)
      const running = fails(jobs.run([bench.spec('queries', 1)]), 'MR_JOBS_CLOSED')
      await until(() => bench.tries().length === 1)
      await jobs.close()
      await running
    })

    it('is taken up by the next pool on the same store after it was closed', async () => {
      const first = bench.open(1)
      const go = join(bench.folder, 'go')
      const specs = [bench.spec('square', 1), bench.spec('until-told', 2, { go }), bench.spec('square', 3)]
      const stopped = fails(first.run(specs), 'MR_JOBS_CLOSED')
      await until(() => bench.tries().length === 2)
      await first.close()
      await stopped
      await fails(first.run(specs), 'MR_JOBS_CLOSED')
      writeFileSync(go, '')
      const outcomes = await bench.open(2).run(specs)
      expect(outcomes.map((one) => one.cached)).toEqual([true, false, false])
      expect(bench.tries().toSorted()).toEqual(['1', '2', '2', '3'])
    })

    it('shares work between two pools on one store', async () => {
      const [a, b] = [bench.open(1), bench.open(1)]
      const specs = Array.from({ length: 12 }, (_, i) => bench.spec('square', i, { ms: 10 }))
      const [fromA, fromB] = await Promise.all([a.run(specs), b.run(specs.toReversed())])
      expect(bench.tries().length).toBe(12)
      expect(fromA.map((one) => one.record)).toEqual(fromB.toReversed().map((one) => one.record))
    })
  })
}
