/** A dataset as a folder of Parquet: what any engine reads of it, and what a second checkout leaves alone. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkoutTable, resolveVersion } from '../../src/data/index.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { raw } from '../../src/expr/sql.ts'
import { openPlace, type Place } from './fixture.ts'

const def: Partial<DatasetDef> = { key: ['id'], mode: 'replace', parts: { by: 'rows', rowsMax: 10_000 } }
const rows = (where: string, x = 'i') => `SELECT i AS id, ${x} AS x FROM range(15_000) t(i) WHERE ${where}`

const readIn = async (place: Place, to: string): Promise<string> => {
  const [row] = await place.query.rows<{ n: number; x: number }>(
    raw(`SELECT count(*) AS n, sum(x)::DOUBLE AS x FROM read_parquet('${to}/*.parquet')`),
  )
  return `${Number(row!.n)} ${Number(row!.x)}`
}

test('a version is written as plain Parquet, and the next one writes what differs', async () => {
  const place = await openPlace()
  const to = join(place.dir, 'out')
  await place.parquet('a.parquet', rows('true'))
  await place.parquet('b.parquet', rows('i <> 7', 'CASE WHEN i = 9 THEN 100 ELSE i END'))
  const write = async (name: string, options = {}) =>
    await checkoutTable(place.store, place.query, await resolveVersion(place.store, name), { to, ...options })
  await place.import(def, { files: ['a.parquet'] })
  expect(await write('d', { isDryRun: true })).toMatchObject({ written: 2, bytesWritten: 0 })
  expect(await write('d')).toMatchObject({ written: 2, kept: 0, removed: 0 })
  expect(await readIn(place, to)).toBe('15000 112492500')
  expect(await write('d')).toMatchObject({ written: 0, kept: 2 })
  await place.import(def, { files: ['b.parquet'] })
  const second = await write('d')
  expect(second.kept).toBe(1)
  expect(await readIn(place, to)).toBe(`14999 ${112_492_500 - 7 + 91}`)
  // Back again: what only the later version had is gone.
  await write('d~1')
  expect(await readIn(place, to)).toBe('15000 112492500')
  writeFileSync(join(to, 'rows-000000.parquet'), 'mine')
  await expect(write('d~1')).rejects.toThrow('MR_FILES_UNSAVED')
  await write('d~1', { isForced: true })
  expect(await readIn(place, to)).toBe('15000 112492500')
  expect(readdirSync(to).sort()).toEqual([
    'millrace-version.json',
    'rows-000000.parquet',
    'rows-000001.parquet',
  ])
})
