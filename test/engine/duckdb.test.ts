import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LIMITS } from '../../src/core/limits.ts'
import { openQuery } from '../../src/engine/open.ts'
import { acquireQuerySlot, queriesRunning } from '../../src/engine/slots.ts'
import { fails, queryContract } from '../contract/query.ts'

queryContract('Query on DuckDB', (options) => openQuery('duckdb:', options))

it('names the schemes when a URL asks for an engine that is not there', async () => {
  const error = await fails(openQuery('oracle://x'), 'MR_ENGINE_SCHEME')
  expect(error.message).toContain('duckdb:')
})

it('keeps tables of a database file from one opening to the next', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'duckdb-file-'))
  const url = `duckdb:${join(folder, 'kept.duckdb')}`
  const first = await openQuery(url)
  await first.exec({ text: 'CREATE TABLE t AS SELECT 41 + ? AS v', params: [1] })
  await first.close()
  const second = await openQuery(url)
  expect(await second.rows({ text: 'FROM t', params: [] })).toEqual([{ v: 42 }])
  await second.close()
  rmSync(folder, { recursive: true })
})

it('leaves nothing in its folder for spilled data', async () => {
  const tempDir = mkdtempSync(join(tmpdir(), 'duckdb-temp-'))
  const query = await openQuery('duckdb:', { tempDir, memoryMb: 80, threads: 1 })
  const sql =
    'SELECT max(v) AS v FROM (SELECT row_number() OVER (ORDER BY hash(i)) AS v FROM range(3000000) t(i))'
  expect(await query.rows({ text: sql, params: [] })).toEqual([{ v: 3_000_000 }])
  await query.close()
  expect(readdirSync(tempDir)).toEqual([])
  rmSync(tempDir, { recursive: true })
})

it('runs at most queriesMax queries at once and hands places on in order', async () => {
  const held = await Promise.all(Array.from({ length: LIMITS.queriesMax }, () => acquireQuerySlot()))
  const order: number[] = []
  const waiting = [1, 2, 3].map((n) =>
    acquireQuerySlot().then((release) => {
      order.push(n)
      release()
    }),
  )
  await fails(acquireQuerySlot(AbortSignal.timeout(5)), 'MR_CANCELLED')
  expect(queriesRunning()).toBe(LIMITS.queriesMax)
  expect(order).toEqual([])
  for (const release of held) release()
  await Promise.all(waiting)
  expect(order).toEqual([1, 2, 3])
  expect(queriesRunning()).toBe(0)
})

const archive = join(import.meta.dirname, '../../../shared/data/parquet-testing/parquet-testing.tar.xz')
const hostile = 'shredded_variant/case-041.parquet'
it('opens the engine anew after a file that breaks it', async ({ skip }) => {
  const folder = mkdtempSync(join(tmpdir(), 'hostile-'))
  if (!existsSync(archive) || spawnSync('tar', ['-xJf', archive, '-C', folder, hostile]).status !== 0) {
    console.log(`skipped: ${hostile} cannot be taken from ../shared/data/parquet-testing`)
    skip()
  }
  const query = await openQuery('duckdb:', { threads: 1 })
  const text = `SELECT * FROM read_parquet('${join(folder, hostile)}')`
  await fails(query.rows({ text, params: [] }), 'MR_QUERY_ENGINE_LOST')
  expect(await query.rows({ text: 'SELECT 1 AS v', params: [] })).toEqual([{ v: 1 }])
  await query.close()
  rmSync(folder, { recursive: true })
})
