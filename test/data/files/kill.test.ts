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
import { collectGarbage } from '../../../src/loop/collect.ts'
import type { Rewritten } from '../../../src/store/gc/rewrite.ts'
import { openStore } from '../../../src/store/open.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { compileFor } from '../../store/compiled.ts'
import { listing } from './fixture.ts'

const childOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const KILLS = Number(process.env.MILLRACE_KILLS ?? 4)

interface Said {
  begun?: true
  digest?: Digest
  out?: Digest
  rewritten?: Rewritten
}

/** Runs a child until some moment after it said so many lines, one by default, and kills it. */
async function killed(
  child: string,
  args: { compiled: string; dir: string; seed: number; lines?: number },
  afterMs: number,
): Promise<Said[]> {
  const { compiled, dir, seed, lines: linesBefore = 1 } = args
  const running = spawn(process.execPath, [childOf(child), compiled, dir, String(seed)], {
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
  await Promise.race([
    new Promise<void>((resolve) => lines.on('line', () => said.length >= linesBefore && resolve())),
    ended,
  ])
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
        const said = await killed('./child.mjs', { compiled, dir, seed: round }, random.nextInt(600))
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

it(
  `loses nothing by kill -9 while packs are written anew, and the next collection ends it: ${KILLS} times`,
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-repack-kill-'))
    const random = seededRng(20261129)
    const counts = { rewritten: 0, collected: 0 }
    try {
      const compiled = compileFor('repack', [
        'src/data/files/index.ts',
        'src/store/gc/collect.ts',
        'src/store/open.ts',
        'src/core/rng.ts',
      ])
      for (let round = 0; round < KILLS; round++) {
        const said = await killed(
          './repack-child.mjs',
          { compiled, dir, seed: round, lines: 4 + random.nextInt(3) },
          random.nextInt(200),
        )
        counts.rewritten += said.reduce((sum, { rewritten }) => sum + (rewritten?.objects ?? 0), 0)
        const store = await openStore({ dir: join(dir, 'store') }, { clock: { now: () => Date.now() } })
        if (await store.meta.ref('files/set@main')) {
          const head = await resolveFileSet(store, 'set')
          const last = said.findLast(({ digest }) => digest)?.digest
          const [before] = head.version.parents
          if (last) expect([head.digest, before]).toContain(last)
          const contents = async () => {
            expect(await verifyStore(store)).toMatchObject({ bad: [], journalBrokenAt: null })
            for (const digest of before ? [head.digest, before] : [head.digest]) {
              if (!(await store.objects.has(digest))) continue
              expect((await verifyFiles(store, await resolveFileSet(store, digest))).bad).toEqual([])
            }
            await checkoutFiles(store, head, { to: join(dir, 'out'), isForced: true })
            return listing(join(dir, 'out'))
          }
          const found = await contents()
          const who = { actor: 'test', reason: 'the next one' }
          const grace = { now: Date.now() + 60_000, graceMs: 0 }
          const done = await collectGarbage(store, { ...grace, ...who, keepVersions: 2 })
          counts.collected += done.rewritten.objects
          expect(await contents()).toEqual(found)
          expect(await collectGarbage(store, { ...grace, ...who })).toMatchObject({
            removed: { objects: 0 },
            rewritten: { objects: 0 },
          })
        }
        await store.close()
      }
      console.log(`${KILLS} kills: ${JSON.stringify(counts)} packs written anew, there and by the next`)
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  },
  60_000 + KILLS * 10_000,
)
