import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { DatasetVersion } from '../../src/core/records.ts'
import { planSketch, profileVersion } from '../../src/data/index.ts'
import { openPlace } from './fixture.ts'

const COLUMNS = `i, TIMESTAMP '2001-01-01' + INTERVAL (i) HOUR AS at, (i * 7919) % 1000 / 10.0 AS x,
  CASE WHEN i % 10 = 3 THEN NULL ELSE 'city ' || (i % 37) END AS city, i % 3 = 0 AS flag, CASE WHEN i % 4 = 0 THEN 'Infinity'::DOUBLE ELSE i END AS holes`
const rows = (from: number, to: number) => `SELECT ${COLUMNS} FROM range(${from}, ${to}) r(i)`

const none = { run: () => Promise.reject(new Error('no part needs to be read')) }

test('a version is profiled from its parts without reading a row, exactly where it says so', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', rows(0, 2_000))
  await place.parquet('b.parquet', rows(2_000, 2_500))
  await place.import({ time: 'at' }, { files: ['a.parquet'] })
  await place.import({ time: 'at' }, { files: ['b.parquet'] })
  const profile = await profileVersion({ store: place.store, jobs: none }, 'd')
  expect([profile.rows, profile.parts, profile.partsRead]).toEqual([2_500, 4, 0])
  const column = (name: string) => profile.columns.find((c) => c.name === name)!
  const [truth] = await place.query.rows<Record<string, number>>({
    text: `SELECT avg(x) AS mean, stddev_samp(x) AS std, skewness(x) AS g, min(x) AS min, max(x) AS max, count(*) - count(city) AS nulls FROM (${rows(0, 2_500)})`,
    params: [],
  })
  const x = column('x')
  expect(x.mean).toBeCloseTo(truth!.mean!, 10)
  expect(x.std).toBeCloseTo(truth!.std!, 10)
  expect([x.min, x.max, x.nulls]).toEqual([truth!.min, truth!.max, 0])
  expect(Math.abs(x.distinct - 1000)).toBeLessThan(20)
  expect(Math.abs(x.quantiles!['0.5']! - 50)).toBeLessThan(1)
  const city = column('city')
  expect([city.nulls, city.distinct, city.min]).toEqual([truth!.nulls, 37, 'city 0'])
  expect(city.frequent).toHaveLength(10)
  expect(city.frequent.every((f) => f.countMin === f.countMax)).toBe(true)
  expect(column('flag').frequent.map((f) => [f.value, f.countMin])).toEqual([
    ['false', 1666],
    ['true', 834],
  ])
  expect([column('holes').notFinite, column('holes').nulls]).toEqual([625, 0])
  expect(column('at').min).toBe(Date.UTC(2001, 0, 1))
})

test('a version without sketches is read once, and profiles as one with them', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', rows(0, 1_500))
  const version = await place.import({ time: 'at' })
  const before = await profileVersion({ store: place.store, jobs: none }, 'd')
  const old: DatasetVersion = { ...version, parts: version.parts.map(({ sketches: _, ...part }) => part) }
  const digest = await place.store.putRecord(old)
  const ref = await place.store.meta.ref(refs.dataset('d'))
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d'), from: ref!.digest, to: digest }],
    event: {
      type: 'data.imported',
      subject: 'datasets/d',
      actor: 'test',
      reason: 'as an older one',
      data: {},
    },
  })
  const after = await profileVersion({ store: place.store, jobs: place.jobs }, 'd')
  expect(after.partsRead).toBe(version.parts.length)
  expect(after.columns).toEqual(before.columns)
  const [run] = await place.jobs.run([planSketch(old.parts[0]!, old.schema.columns)])
  expect(run!.record.outputs.sketches).toBe(version.parts[0]!.sketches)
})

test('the same rows give the same sketches, however they are delivered', async () => {
  const once = await openPlace()
  await once.parquet('a.parquet', rows(0, 1_200))
  const twice = await openPlace()
  await twice.parquet('a.parquet', rows(600, 1_200))
  await twice.parquet('b.parquet', `SELECT * FROM (${rows(0, 600)}) ORDER BY x`)
  const [a, b] = [await once.import({ time: 'at' }), await twice.import({ time: 'at' })]
  expect(a.parts.map((p) => p.sketches)).toEqual(b.parts.map((p) => p.sketches))
  expect(a.parts.every((p) => p.sketches?.startsWith('sha256:'))).toBe(true)
})

test('a column that is dead for a stretch is told with its rows and times, in the order of time', async () => {
  const place = await openPlace()
  const dead = `SELECT TIMESTAMP '2001-01-01' + INTERVAL (i) HOUR AS "time", CASE WHEN i BETWEEN 300 AND 699 THEN 5 ELSE (i * 7919) % 1009 END AS x, i % 24 AS hour FROM range(2000) r(i)`
  await place.parquet('a.parquet', `SELECT * FROM (${dead}) ORDER BY hash(x)`)
  const { findings } = await place.import({ time: 'time' })
  expect(findings.map((f) => [f.check, f.slice, f.verdict, f.value])).toEqual([['still', 'x', 'fail', 0.2]])
  expect(findings[0]!.message).toContain('x is 5 in rows 300 to 699, 2001-01-13 12:00 to 2001-01-30 03:00')
  const { stretches } = await profileVersion({ store: place.store, jobs: none }, 'd')
  expect(stretches).toEqual(findings)
})

const ELEC2 = fileURLToPath(new URL('../../../shared/data/elec2/elec.csv.gz', import.meta.url))
const absent = !existsSync(ELEC2)
if (absent) console.warn('SKIPPED: the dead columns of elec2: the folder ../shared/data/elec2 is absent')
test.skipIf(absent)(
  'the three columns of elec2 that are dead for 38 % of the stream come alive at row 17,424',
  async () => {
    const place = await openPlace()
    const text = gunzipSync(readFileSync(ELEC2)).toString()
    writeFileSync(join(place.folder, 'elec.csv'), text)
    const lines = text
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
    const { findings } = await place.import({ source: ['elec.csv'], parts: { by: 'rows', rowsMax: 100_000 } })
    const still = findings.filter((f) => f.check === 'still')
    expect(still.map((f) => f.slice)).toEqual(['vicprice', 'vicdemand', 'transfer'])
    for (const [i, finding] of still.entries()) {
      const first = lines.findIndex((line) => line[3 + i] !== lines[0]![3 + i])
      expect(first).toBe(17_424)
      expect(finding.message).toContain(
        `is ${Number(lines[0]![3 + i])} in rows 0 to 17,423 (38.5 % of the delivery)`,
      )
      expect(finding.message).toContain('it comes alive at row 17,424')
    }
  },
)
