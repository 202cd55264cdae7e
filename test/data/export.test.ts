import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { EXPORT_FORMATS, exportRows } from '../../src/data/index.ts'
import { relationOf } from '../../src/engine/relation.ts'
import { parseExpr } from '../../src/expr/parse.ts'
import { sql } from '../../src/expr/sql.ts'
import { openPlace, type Place } from './fixture.ts'

const N = 1_200
const ROWS = `select
  i as id, i % 7 = 3 as flag, case when i % 5 > 0 then i / 8.0 - 300 end as x, 'name ' || (i % 11) as word,
  case when i % 3 > 0 then date '1960-02-28' + cast(i as integer) end as day,
  timestamp '1999-12-31 23:59:59.123456' + to_seconds(i * 3601) as at,
  case when i % 4 > 0 then {'a': i, 'b': ['x', null]} end as nested
  from range(${N}) t(i)`

type Version = Awaited<ReturnType<Place['import']>>

async function placeWithRows(): Promise<{ place: Place; version: Version }> {
  const place = await openPlace()
  const parts = { by: 'rows', rowsMax: 500 } as const
  return {
    place,
    version: await place.import({ parts }, { files: [await place.parquet('rows.parquet', ROWS)] }),
  }
}

async function rowsOf(place: Place, version: Version) {
  return await place.query.rows(
    sql`select id, flag, x, word, day, "at"::varchar as at_text, cast(nested as json)::varchar as nested from (${await relationOf(place.store, version)}) order by id`,
  )
}

test('a version that is written and imported again has the same rows, in every format', {
  timeout: 120_000,
}, async () => {
  const { place, version } = await placeWithRows()
  const before = await rowsOf(place, version)
  for (const format of EXPORT_FORMATS) {
    const path = join(place.folder, `out.${format}`)
    const written = await exportRows(place.store, version, { path })
    expect(written).toMatchObject({ format, rows: N, notes: [] })
    const again = await place.import({ name: `again-${format}` }, { files: [`out.${format}`] })
    expect(await rowsOf(place, again), format).toEqual(before)
  }
})

test('some columns of some rows, packed by the name of the file', async () => {
  const { place, version } = await placeWithRows()
  const path = join(place.folder, 'some.csv.gz')
  const where = parseExpr('x > -200 and flag = true')
  const { rows } = await exportRows(place.store, version, { path, columns: ['word', 'id'], where })
  const [head, ...lines] = gunzipSync(readFileSync(path)).toString().trim().split('\n')
  const wanted = Array.from({ length: N }, (_, i) => i).filter(
    (i) => i % 5 > 0 && i / 8 - 300 > -200 && i % 7 === 3,
  )
  expect(head).toBe('word,id')
  expect(lines.sort()).toEqual(wanted.map((i) => `name ${i % 11},${i}`).sort())
  expect(rows).toBe(wanted.length)
  const orc = await exportRows(place.store, version, { path: join(place.folder, 'some.orc'), where })
  expect(orc.rows).toBe(wanted.length)
})

test('what cannot be written says why and leaves nothing behind', async () => {
  const { place, version } = await placeWithRows()
  const to = (name: string) => join(place.folder, name)
  await expect(exportRows(place.store, version, { path: to('rows.xlsx') })).rejects.toThrow(
    'MR_DATA_EXPORT_FORMAT',
  )
  await expect(exportRows(place.store, version, { path: to('a.csv'), columns: ['wrod'] })).rejects.toThrow(
    expect.objectContaining({ code: 'MR_DATA_EXPORT_COLUMN', fix: 'did you mean word?' }),
  )
  const stopped = AbortSignal.abort()
  for (const name of ['a.csv', 'a.orc'])
    await expect(exportRows(place.store, version, { path: to(name), signal: stopped })).rejects.toThrow(
      'MR_CANCELLED',
    )
  expect(existsSync(to('a.csv')) || existsSync(to('a.orc'))).toBe(false)
  expect(readdirSync(place.folder)).toEqual(['rows.parquet'])
})
