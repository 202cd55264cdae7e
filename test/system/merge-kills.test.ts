/**
 * `kill -9` of merges, of a dataset and of a set of files, by the command itself. `MILLRACE_KILLS=200` for as many of each; few by default. The state that a merge begins
 * from is made once and copied for every kill.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DatasetVersion, Digest, FileSetVersion } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { verifyStore } from '../../src/store/reach/verify.ts'

const CLI = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
const KILLS = Number(process.env.MILLRACE_KILLS ?? 1)
const dir = mkdtempSync(join(tmpdir(), 'millrace-merge-kills-'))
const project = join(dir, 'project')
const made = join(dir, 'made')
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function run(args: string[], state = made): string {
  const ended = spawnSync(
    process.execPath,
    [CLI, ...args, '--project', project, '--state', state, '--json'],
    {
      encoding: 'utf8',
    },
  )
  if (ended.status !== 0) throw new Error(`${args.join(' ')}: ${ended.stderr}`)
  return ended.stdout
}

/** A table of `n` rows in which those of some ids have another value. */
function table(n: number, changed: (id: number) => string | undefined): string {
  const rows = Array.from({ length: n }, (_, id) => `${id},${changed(id) ?? `v${id % 97}`}`)
  return `id,value\n${rows.join('\n')}\n`
}

beforeAll(() => {
  mkdirSync(project)
  writeFileSync(
    join(project, 'millrace.config.ts'),
    "import { dataset, project } from 'millrace'\nexport default project('p', { datasets: [dataset('d', { source: 'd.csv', key: 'id', mode: 'replace' })], models: [] })\n",
  )
  const write = (text: string) => writeFileSync(join(project, 'd.csv'), text)
  write(table(4_000, () => undefined))
  run(['data', 'import', 'd'])
  run(['data', 'branch', 'd', 'b'])
  write(table(4_000, (id) => (id % 50 === 0 ? 'theirs' : undefined)))
  run(['data', 'import', 'd', '--branch', 'b'])
  write(table(4_000, (id) => (id % 75 === 0 ? 'ours' : undefined)))
  run(['data', 'import', 'd'])
  const set = join(project, 'set')
  const file = (path: string, text: string) => {
    mkdirSync(join(set, path, '..'), { recursive: true })
    writeFileSync(join(set, path), text)
  }
  for (let i = 0; i < 900; i++) file(`${i % 10}/${i}`, `${i}`)
  run(['data', 'add', set])
  for (let i = 0; i < 90; i++) file(`${i % 10}/${i * 10}`, 'theirs')
  run(['data', 'add', set, '--branch', 'b'])
  run(['data', 'checkout', 'set@main', '--to', set])
  for (let i = 0; i < 90; i++) file(`${i % 10}/${i * 7}`, 'ours')
  run(['data', 'add', set])
}, 120_000)

type Version = DatasetVersion | FileSetVersion

/** What a merge came to, whenever it was made. */
const SUBJECTS: Record<string, { ref: string; what: (version: Version) => unknown }> = {
  d: {
    ref: 'datasets/d@',
    what: (version) => (version as DatasetVersion).parts.map(({ digest, rows }) => [digest, rows]),
  },
  set: { ref: 'files/set@', what: (version) => (version as FileSetVersion).content },
}

async function opened<T>(state: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ dir: state }, { clock: { now: () => Date.now() } })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

const versionOf = async (store: Store, digest: Digest): Promise<Version> =>
  JSON.parse(Buffer.from(await store.objects.get(digest)).toString())

describe.each(Object.entries(SUBJECTS))('a merge of %s', (name, { ref, what }) => {
  it(
    `is done or not begun, however it is killed, and the next one does it: ${KILLS} times`,
    async () => {
      const rng = seededRng(20261128)
      const merge = ['data', 'merge', name, 'b', '--resolve', 'theirs']
      const whole = join(dir, `whole-${name}`)
      cpSync(made, whole, { recursive: true })
      const begun = performance.now()
      run(merge, whole)
      const tookMs = performance.now() - begun
      const heads = (store: Store) =>
        Promise.all(['main', 'b'].map(async (branch) => (await store.meta.ref(ref + branch))?.digest))
      const expected = await opened(whole, async (store) => {
        const [main] = await heads(store)
        return what(await versionOf(store, main!))
      })
      const before = await opened(made, heads)
      const counts = { before: 0, after: 0 }
      for (let round = 0; round < KILLS; round++) {
        const state = join(dir, `state-${name}-${round}`)
        cpSync(made, state, { recursive: true })
        const child = spawn(process.execPath, [CLI, ...merge, '--project', project, '--state', state], {
          stdio: 'ignore',
        })
        const ended = new Promise((resolve) => child.once('close', resolve))
        // The first part of a command is its start, in which nothing can be lost.
        await delay(tookMs * (0.3 + 0.8 * rng.next()))
        child.kill('SIGKILL')
        await ended
        const isDone = await opened(state, async (store) => {
          expect(await verifyStore(store)).toMatchObject({ bad: [], journalBrokenAt: null })
          const [main, b] = await heads(store)
          if (main === before[0]) {
            expect(b).toBe(before[1])
            return false
          }
          expect(b).toBeUndefined()
          const version = await versionOf(store, main!)
          expect(version.parents).toEqual(before)
          expect(what(version)).toEqual(expected)
          return true
        })
        counts[isDone ? 'after' : 'before']++
        if (!isDone) run(merge, state)
        await opened(state, async (store) => {
          const [main, b] = await heads(store)
          expect([what(await versionOf(store, main!)), b]).toEqual([expected, undefined])
          expect(await verifyStore(store)).toMatchObject({ bad: [], journalBrokenAt: null })
        })
        rmSync(state, { recursive: true })
      }
      console.log(`${KILLS} kills of merges of ${name}: ${JSON.stringify(counts)} the ref had moved`)
    },
    60_000 + KILLS * 30_000,
  )
})
