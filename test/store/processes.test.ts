import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Digest } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { openStore } from '../../src/store/open.ts'
import { compileStore } from './compiled.ts'
import { all, digestNo, temporaryFolder, tickingClock } from './fixture.ts'

const childScript = fileURLToPath(new URL('./child.mjs', import.meta.url))
const clock = tickingClock()
let open: string
let folder: ReturnType<typeof temporaryFolder>

beforeAll(() => {
  open = compileStore()
  folder = temporaryFolder()
})
afterAll(() => folder.remove())

interface Said {
  n?: number
  job?: string
  record?: string
  object?: Digest
}

interface Child {
  process: ChildProcess
  said: Said[]
  /** Resolves with the first line. */
  begun: Promise<void>
  /** Resolves when it has ended and all it said was read. */
  ended: Promise<void>
  problems: () => string
}

function start(dir: string, work: string, name: string): Child {
  const process_ = spawn(process.execPath, [childScript, open, dir, work, name], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  let problems = ''
  process_.stderr.on('data', (text) => {
    problems += text
  })
  const lines = createInterface({ input: process_.stdout })
  const exited = new Promise<void>((resolve) => process_.once('close', () => resolve()))
  const read = new Promise<void>((resolve) => lines.once('close', resolve))
  const begun = new Promise<void>((resolve) => lines.once('line', () => resolve()))
  lines.on('line', (line) => said.push(JSON.parse(line)))
  const ended = Promise.all([exited, read]).then(() => undefined)
  return { process: process_, said, begun: Promise.race([begun, ended]), ended, problems: () => problems }
}

describe('several processes on one store', () => {
  it('lose no increment by compare-and-set', async () => {
    const dir = join(folder.dir, 'count')
    const children = ['a', 'b', 'c'].map((name) => start(dir, 'count', name))
    await Promise.all(children.map(({ ended }) => ended))
    expect(children.map(({ problems }) => problems())).toEqual(['', '', ''])
    const store = await openStore({ dir }, { clock })
    expect((await store.meta.ref('counter'))?.digest).toBe(digestNo(150))
    const said = children.flatMap((child) => child.said.map(({ n }) => n!)).toSorted((x, y) => x - y)
    expect(said).toEqual(Array.from({ length: 150 }, (_, i) => i + 1))
    expect(await store.meta.verifyJournal()).toBeUndefined()
    expect(store.repaired).toEqual([])
    await store.close()
  })

  it('do each job once', async () => {
    const dir = join(folder.dir, 'jobs')
    const store = await openStore({ dir }, { clock })
    const ids = Array.from({ length: 120 }, (_, i) => digestNo(i + 1))
    await store.meta.jobs.enqueue(
      ids.map((id, i) => ({ id, task: 't', needs: i % 4 ? [ids[i - 1]] : [] })),
      clock.now(),
    )
    const children = ['a', 'b', 'c'].map((name) => start(dir, 'jobs', name))
    await Promise.all(children.map(({ ended }) => ended))
    expect(children.map(({ problems }) => problems())).toEqual(['', '', ''])
    const rest = []
    for (let job = await store.meta.jobs.claim('w', clock.now(), 60_000); job; ) {
      rest.push(job.id)
      await store.meta.jobs.finish(job.id, job.fence, { state: 'done' }, clock.now(), 3)
      job = await store.meta.jobs.claim('w', clock.now(), 60_000)
    }
    const done = [...children.flatMap((child) => child.said.map(({ job }) => job)), ...rest]
    expect(done.toSorted()).toEqual(ids.toSorted())
    expect(await store.meta.jobs.list({ state: 'done' })).toHaveLength(120)
    await store.close()
  })
})

describe('kill -9 at any moment', () => {
  it('loses nothing that was acknowledged, ten times over', async () => {
    const dir = join(folder.dir, 'killed')
    const random = seededRng(20261123)
    const acknowledged: Said[] = []
    for (let round = 0; round < 10; round++) {
      const child = start(dir, 'everything', `round${round}`)
      await child.begun
      await delay(30 + random.nextInt(170))
      child.process.kill('SIGKILL')
      await child.ended
      expect(child.problems()).toBe('')
      acknowledged.push(...child.said)
    }
    const store = await openStore({ dir }, { clock })
    const records = new Set((await all(store.log.read('s'))).flatMap((batch) => batch.records))
    const lost = acknowledged.filter(({ record }) => record !== undefined && !records.has(record))
    expect(lost).toEqual([])
    for (const { object } of acknowledged)
      if (object !== undefined) expect(await store.objects.verify(object)).toBe('ok')
    for await (const { digest } of store.objects.list()) expect(await store.objects.verify(digest)).toBe('ok')
    const counted = Number.parseInt((await store.meta.ref('counter'))!.digest.slice(-8), 16)
    expect(counted).toBeGreaterThanOrEqual(Math.max(...acknowledged.map(({ n }) => n ?? 0)))
    expect(await store.meta.verifyJournal()).toBeUndefined()
    expect(await store.meta.history('counter', 1_000_000)).toHaveLength(counted)
    expect(readdirSync(join(dir, 'scratch')).filter((name) => /^\d+-[0-9a-f]+$/.test(name))).toHaveLength(1)
    const count = (key: keyof Said) => acknowledged.filter((said) => said[key] !== undefined).length
    expect(Math.min(count('record'), count('n'), count('object'))).toBeGreaterThan(20)
    await store.close()
  })
})
