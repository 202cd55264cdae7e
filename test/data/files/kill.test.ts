import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Digest } from '../../../src/core/records.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { addFiles, checkoutFiles, resolveFileSet, verifyFiles } from '../../../src/data/files/index.ts'
import { fileHistory } from '../../../src/data/files/versions.ts'
import { openStore } from '../../../src/store/open.ts'
import { compileFor } from '../../store/compiled.ts'
import { listing } from './fixture.ts'

const child = fileURLToPath(new URL('./child.mjs', import.meta.url))
const KILLS = Number(process.env.MILLRACE_KILLS ?? 4)

interface Said {
  begun?: true
  digest?: Digest
  out?: Digest
}

/** Runs the child until some moment after it began, and kills it. */
async function killed(compiled: string, dir: string, seed: number, afterMs: number): Promise<Said[]> {
  const running = spawn(process.execPath, [child, compiled, dir, String(seed)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  let problems = ''
  running.stderr.on('data', (text) => {
    problems += text
  })
  const lines = createInterface({ input: running.stdout })
  lines.on('line', (line) => said.push(JSON.parse(line) as Said))
  const ended = Promise.all([
    new Promise((resolve) => running.once('close', resolve)),
    new Promise((resolve) => lines.once('close', resolve)),
  ])
  await Promise.race([new Promise((resolve) => lines.once('line', resolve)), ended])
  await delay(afterMs)
  running.kill('SIGKILL')
  await ended
  expect(problems).toBe('')
  return said
}

it(
  `loses nothing acknowledged by kill -9 at any moment, and the next command repairs: ${KILLS} times`,
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-files-kill-'))
    const random = seededRng(20261128)
    const [storeDir, work, out] = ['store', 'set', 'out'].map((name) => join(dir, name))
    mkdirSync(work)
    const acknowledged = new Set<Digest>()
    try {
      const compiled = compileFor('files', [
        'src/data/files/index.ts',
        'src/store/open.ts',
        'src/core/rng.ts',
      ])
      for (let round = 0; round < KILLS; round++) {
        const said = await killed(compiled, dir, round, random.nextInt(600))
        for (const { digest } of said) if (digest) acknowledged.add(digest)
        const store = await openStore({ dir: storeDir }, { clock: { now: () => Date.now() } })
        const files = await store.meta.ref('files/set@main')
        if (files) {
          const history = new Set<Digest>()
          const head = await resolveFileSet(store, 'set')
          for await (const { digest } of fileHistory(store, head)) history.add(digest)
          expect([...acknowledged].filter((digest) => !history.has(digest))).toEqual([])
          expect((await verifyFiles(store, head)).bad).toEqual([])
          await checkoutFiles(store, head, { to: out })
          const { version } = await resolveFileSet(store, 'set')
          expect(Object.keys(listing(out)).length).toBe(version.files)
        }
        if (readdirSync(work).length > 0) {
          await addFiles(store, { paths: [work], actor: 'test', storeDir })
          await checkoutFiles(store, await resolveFileSet(store, 'set'), { to: out })
          expect(listing(out)).toEqual(listing(work))
        }
        expect(await store.meta.verifyJournal()).toBeUndefined()
        await store.close()
      }
      const store = await openStore({ dir: storeDir }, { clock: { now: () => Date.now() } })
      for (const digest of [...acknowledged].slice(-20))
        expect((await verifyFiles(store, await resolveFileSet(store, digest))).bad).toEqual([])
      await store.close()
      expect(acknowledged.size).toBeGreaterThan(0)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  },
  60_000 + KILLS * 10_000,
)
