import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createImportTask } from '../../../src/data/index.ts'
import { relationOf } from '../../../src/engine/relation.ts'
import { sql } from '../../../src/expr/sql.ts'
import { openPlace, type Place } from '../fixture.ts'

const reference = new URL('../../reference/orc/', import.meta.url).pathname
const expected = JSON.parse(gunzipSync(readFileSync(join(reference, 'types.json.gz'))).toString())

async function rowsOf(place: Place, version: Awaited<ReturnType<Place['import']>>, list: string) {
  return await place.query.rows(
    sql`select ${list} from (${await relationOf(place.store, version)}) order by rising`,
  )
}

test('ORC becomes a dataset as any file does, in the process that may die of it', async () => {
  const place = await openPlace(createImportTask())
  place.file('types.orc', readFileSync(join(reference, 'types-zstd.orc')))
  const version = await place.import({}, { files: ['types.orc'] })
  const types = Object.fromEntries(version.schema.columns.map(({ name, type }) => [name, type]))
  expect(types).toEqual({
    ...{ flag: 'bool', tiny: 'int', small: 'int', int: 'int', big: 'int', rising: 'int' },
    ...{ float: 'float', double: 'float', text: 'string', word: 'string', bytes: 'string' },
    ...{ day: 'date', time: 'time', instant: 'time', money: 'float', wide: 'float' },
    ...{ list: 'json', map: 'json', struct: 'json' },
  })
  const rows = await rowsOf(
    place,
    version,
    "flag, tiny, double, word, datediff('day', date '1970-01-01', day) as day, epoch_us(time)::varchar as time, big::varchar as big, money, list, struct",
  )
  const plain = (value: unknown) => (typeof value === 'bigint' || value === 0 ? Number(value) + 0 : value)
  const column = (name: string) => rows.map((row) => plain(row[name]))
  for (const name of ['flag', 'tiny', 'double', 'word', 'day'])
    expect(column(name), name).toEqual(expected[name].map(plain))
  expect(column('big')).toEqual(expected.big.map((v: unknown) => (v === null ? null : String(v))))
  expect(column('money')).toEqual(expected.money.map((v: string | null) => v && Number(v)))
  const micros = (nanos: unknown) =>
    nanos === null
      ? null
      : String((BigInt(nanos as string) - (((BigInt(nanos as string) % 1000n) + 1000n) % 1000n)) / 1000n)
  expect(column('time')).toEqual(expected.time.map(micros))
  for (const name of ['list', 'struct'])
    expect(column(name).map((text) => (text === null ? null : JSON.parse(text as string)))).toEqual(
      expected[name],
    )
})

test('a window of time leaves groups of rows unread, and takes the rows that it would otherwise', async () => {
  const place = await openPlace()
  place.file('types.orc', readFileSync(join(reference, 'types-zlib.orc')))
  const window = { fromAt: Date.UTC(1950, 0, 1), toAt: Date.UTC(2050, 0, 1) }
  for (const time of ['day', 'instant']) {
    const version = await place.import(
      { name: `by-${time}`, time, parts: { by: 'rows', rowsMax: 1_000 } },
      { files: ['types.orc'], select: window },
    )
    const within = millis(time).filter((at) => at >= window.fromAt && at < window.toAt)
    expect(
      version.parts.reduce((sum, part) => sum + part.rows, 0),
      time,
    ).toBe(within.length)
  }
})

/** Instants of a column in whole milliseconds, those that are known. */
function millis(name: string): number[] {
  const known = (expected[name] as (string | number | null)[]).filter((value) => value !== null)
  return known.map((value) =>
    name === 'day' ? Number(value) * 86_400_000 : Number(BigInt(value) / 1_000_000n),
  )
}

test('a file whose columns cannot be told apart is refused, and one of another kind', async () => {
  const place = await openPlace()
  place.file('not.orc', 'name,age\na,1\n')
  await expect(place.import({}, { files: ['not.orc'] })).rejects.toThrow('MR_DATA_UNREADABLE')
  place.file('cut.orc', readFileSync(join(reference, 'types-zlib.orc')).subarray(0, 9_000))
  await expect(place.import({}, { files: ['cut.orc'] })).rejects.toThrow('cut.orc cannot be read as orc')
})
