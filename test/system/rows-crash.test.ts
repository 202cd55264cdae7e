/**
 * `kill -9` of a process that takes rows and seals them: nothing that was acknowledged is lost, nothing is sealed twice.
 *
 * ROWS_KILLS (3) kills, ROWS_SEED the moments.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { DatasetVersion } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { batchesIn, rowStream } from '../../src/data/rows/log-batches.ts'
import { newestSeal } from '../../src/data/rows/seals.ts'
import { openQuery } from '../../src/engine/open.ts'
import { openStore } from '../../src/store/open.ts'

const KILLS = Number(process.env.ROWS_KILLS ?? 3)
const SEED = Number(process.env.ROWS_SEED ?? Date.now() % 1_000_000)
const BATCHES = Number.MAX_SAFE_INTEGER
const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const feeder = fileURLToPath(new URL('./rows-feeder.mjs', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'millrace-rows-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Rows of a batch, as the feeder makes them. */
const rowsIn = (batch: number): number => 1 + ((batch * 7919) % 120)

/** Runs the feeder until it is killed at that time after its first word, or ends; gives the batches that it said were taken. */
async function feed(first: number, batches: number, killAfterMs?: number): Promise<number[]> {
  const child = spawn(process.execPath, [feeder, dist, dir, String(first), String(batches)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let problems = ''
  child.stderr.on('data', (text) => {
    problems += text
  })
  const said: number[] = []
  const lines = createInterface({ input: child.stdout })
  lines.once('line', () => {
    if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  })
  lines.on('line', (line) => said.push(Number(line)))
  await Promise.all([
    new Promise((resolve) => child.once('close', resolve)),
    new Promise((resolve) => lines.once('close', resolve)),
  ])
  expect(problems).toBe('')
  return said
}

/** Rows of the newest version by batch and those that wait in the log, after opening what a crash left. */
async function look(): Promise<{
  sealed: Map<number, number>
  waiting: Map<number, number>
  rows: number
  total: number
}> {
  const store = await openStore({ dir }, { clock: { now: () => Date.now() } })
  const query = await openQuery('duckdb:', { threads: 1 })
  try {
    const sealed = new Map<number, number>()
    const ref = await store.meta.ref(refs.dataset('d'))
    const version = ref && (await store.getRecord<DatasetVersion>(ref.digest, 'DatasetVersion'))
    for (const part of version?.parts ?? []) {
      const found = await query.rows<{ b: number; n: number; d: number }>({
        text: 'SELECT id // 1000 AS b, count(*) AS n, count(DISTINCT id) AS d FROM read_parquet(?) GROUP BY 1',
        params: [await store.objects.path(part.digest)],
      })
      for (const { b, n, d } of found) {
        expect(Number(n)).toBe(Number(d))
        sealed.set(Number(b), (sealed.get(Number(b)) ?? 0) + Number(n))
      }
    }
    const { record } = await newestSeal(store, 'd')
    const waiting = new Map<number, number>()
    for await (const { batches } of batchesIn(store, rowStream('d'), record?.to ?? null))
      for (const { head, lines } of batches) {
        expect(lines.length).toBe(head.rows)
        waiting.set(Number(head.batch!.slice(2)), head.rows)
      }
    expect(await store.meta.verifyJournal()).toBeUndefined()
    return { sealed, waiting, rows: version?.rows ?? 0, total: record?.rowsTotal ?? 0 }
  } finally {
    await query.close()
    await store.close()
  }
}

test(`${KILLS} kills lose no row that was acknowledged and seal none twice`, async () => {
  console.log(`rows crash test: ROWS_KILLS=${KILLS} ROWS_SEED=${SEED}`)
  const random = seededRng(SEED)
  const acknowledged = new Set<number>()
  let next = 0
  let seals = 0
  for (let kill = 0; kill < KILLS; kill++) {
    for (const batch of await feed(next, BATCHES, random.next() * 900)) acknowledged.add(batch)
    const { sealed, waiting, rows, total } = await look()
    expect(rows, `seed ${SEED}, kill ${kill}`).toBe(total)
    for (const batch of acknowledged) {
      const has = [sealed.get(batch) ?? 0, waiting.get(batch) ?? 0]
      expect(
        [...has].sort((a, b) => a - b),
        `seed ${SEED}, kill ${kill}, batch ${batch}`,
      ).toEqual([0, rowsIn(batch)])
    }
    // The sender repeats what it had no answer for, and some of what it had.
    while (acknowledged.has(next)) next++
    next = Math.max(0, next - 4) & ~1
    seals = Math.max(seals, sealed.size)
  }
  const last = Math.max(...acknowledged, 0) + 3
  await feed(next, last)
  const { sealed, waiting } = await look()
  expect(waiting.size).toBe(0)
  expect(sealed.size).toBeGreaterThanOrEqual(last - 1)
  for (const [batch, rows] of sealed) expect(rows, `batch ${batch}`).toBe(rowsIn(batch))
  console.log(`${sealed.size} batches, ${[...sealed.values()].reduce((a, b) => a + b, 0)} rows`)
}, 3_600_000)
