/** Deliveries that update rows by key or are the whole table: what a version then has, and what of it is stored again. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { headOf, profileVersion, relation } from '../../src/data/index.ts'
import { mergeStats } from '../../src/data/merged-stats.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { sql } from '../../src/expr/sql.ts'
import { verify } from '../../src/loop/verify.ts'
import { planGc } from '../../src/store/gc/collect.ts'
import { headDigest, openPlace, type Place } from './fixture.ts'
import { csvOf, type Row, rowsIn, tableArb, textsOf } from './tables.ts'

const read = { missing: [] }
const layouts: Partial<DatasetDef>[] = [
  { key: ['id'], read },
  { key: ['id'], time: 'at', parts: { by: 'month', rowsMax: 1_000 }, read },
  { key: ['id'], parts: { by: 'rows', rowsMax: 7 }, read },
]

test('a version has the rows of its deliveries, updated by key or replaced, and its statistics are those of the rows', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...layouts),
      fc.array(fc.record({ mode: fc.constantFrom('upsert', 'replace', 'append'), table: tableArb }), {
        minLength: 2,
        maxLength: 5,
      }),
      async (layout, deliveries) => {
        const place = await openPlace()
        let rows = new Map<number, Row>()
        for (const [i, { mode, table }] of deliveries.entries()) {
          place.file(`${i}.csv`, csvOf(table))
          await place.import({ ...layout, mode: mode as 'append' }, { files: [`${i}.csv`], again: true })
          if (mode === 'replace' && i > 0) rows = new Map()
          for (const row of table) if (mode !== 'append' || !rows.has(row.id)) rows.set(row.id, row)
          expect(await rowsIn(place, (await headDigest(place.store))!)).toEqual(textsOf(rows.values()))
          await expectStats(place)
        }
      },
    ),
    { numRuns: Number(process.env.DELTA_RUNS ?? 6) },
  )
}, 60_000)

async function expectStats(place: Place): Promise<void> {
  const { version, digest } = (await headOf(place.store, 'd'))!
  const stats = mergeStats(version.parts, 'v')!
  const [truth] = await place.query.rows<Record<string, number | null>>(
    sql`select count(*) as n, count(*) - count(v) as nulls, avg(v) as mean, stddev_samp(v) as std, min(v) as min, max(v) as max from (${await relation(place.store, version)})`,
  )
  expect(version.rows).toBe(Number(truth!.n))
  expect(stats.nulls).toBe(Number(truth!.nulls))
  expect([stats.min ?? null, stats.max ?? null]).toEqual(
    [truth!.min, truth!.max].map((x) => (x === null ? null : Number(x))),
  )
  if (truth!.mean !== null) expect(stats.mean).toBeCloseTo(truth!.mean!, 9)
  if (truth!.std !== null) expect(stats.std).toBeCloseTo(truth!.std!, 9)
  expect(digest).toMatch(/^sha256/)
}

test('rows without a key are replaced as a multiset', async () => {
  const place = await openPlace()
  const a = { id: 1, v: 1, t: 'a', at: '2001-01-05' }
  const b = { id: 2, v: null, t: null, at: '2001-01-05' }
  for (const [i, rows] of [[a, a, b], [a, b, b], [b, a, b], [a]].entries()) {
    place.file(`${i}.csv`, csvOf(rows))
    await place.import({ mode: 'replace', read }, { files: [`${i}.csv`] })
    expect(await rowsIn(place, (await headDigest(place.store))!)).toEqual(textsOf(rows))
  }
})

test('an update by key without a key is refused', async () => {
  const place = await openPlace()
  place.file('a.csv', 'id,v\n1,2\n')
  await expect(place.import({ mode: 'upsert', read }, { files: ['a.csv'] })).rejects.toThrow('MR_DATA_NO_KEY')
})

const big = (where: string, v = 'i % 97') =>
  `SELECT i AS id, ${v} AS v, 'text ' || (i % 1000) AS t, DATE '2001-01-01' + CAST(i % 28 AS INTEGER) AS at FROM range(120_000) r(i) WHERE ${where}`

test('of a large table only what changed is stored again, and the profile is of what is left', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', big('true'))
  await place.parquet('b.parquet', big('i % 100 <> 7', 'CASE WHEN i % 500 = 3 THEN -1 ELSE i % 97 END'))
  const def: Partial<DatasetDef> = { key: ['id'], mode: 'replace', parts: { by: 'rows', rowsMax: 1_000_000 } }
  const first = await place.import(def, { files: ['a.parquet'] })
  const second = await place.import(def, { files: ['b.parquet'] })
  const [kept, ...more] = second.parts
  expect(kept!.digest).toBe(first.parts[0]!.digest)
  expect([kept!.rows, kept!.gone!.rows, more.map((p) => p.rows)]).toEqual([118_560, 1_440, [240]])
  expect(second.message).toBe('0 rows added, 240 changed and 1,200 taken out by the 118,800 of b.parquet')
  const bytes = (await place.store.objects.get(kept!.gone!.digest)).length + more[0]!.bytes
  expect(bytes / first.parts[0]!.bytes).toBeLessThan(0.05)
  const profile = await profileVersion(place, 'd')
  expect(profile.columns.map((c) => [c.name, c.min, c.nulls])).toEqual([
    ['id', 0, 0],
    ['v', -1, 0],
    ['t', 'text 0', 0],
    ['at', Date.UTC(2001, 0, 1), 0],
  ])
  // The whole table is in the version: its source is not kept beside it, and nothing misses it.
  for (const name of ['a', 'b']) {
    const source = `sha256:${createHash('sha256')
      .update(readFileSync(join(place.folder, `${name}.parquet`)))
      .digest('hex')}` as const
    const isPart = first.parts.some(({ digest }) => digest === source)
    expect(await place.store.objects.has(source)).toBe(isPart)
  }
  expect((await planGc(place.store, { now: Date.now() })).walked.corrupt.size).toBe(0)
  expect((await verify(place, { actor: 'test' })).bad).toEqual([])
  const third = await place.import(def, { files: ['a.parquet'] })
  expect(third.rows).toBe(120_000)
})

test('columns that an update does not have keep their values, and are gone when the whole table has them no more', async () => {
  const place = await openPlace()
  place.file('a.csv', 'id,v,t\n1,10,x\n2,20,y\n')
  place.file('b.csv', 'id,v\n2,21\n3,30\n')
  place.file('c.csv', 'id,t\n1,x\n')
  const def: Partial<DatasetDef> = { key: ['id'], mode: 'upsert', read }
  const all = async () => {
    const { version } = (await headOf(place.store, 'd'))!
    return await place.query.rows(sql`select * from (${await relation(place.store, version)}) order by id`)
  }
  await place.import(def, { files: ['a.csv'] })
  await place.import(def, { files: ['b.csv'] })
  const plain = (rows: Record<string, unknown>[]) =>
    rows.map((row) => Object.values(row).map((x) => (typeof x === 'bigint' ? Number(x) : x)))
  expect(plain(await all())).toEqual([
    [1, 10, 'x'],
    [2, 21, 'y'],
    [3, 30, null],
  ])
  await place.import({ ...def, mode: 'replace' }, { files: ['c.csv'] })
  expect(plain(await all())).toEqual([[1, 'x']])
})

test('a row that is put aside leaves the one before in its place', async () => {
  const place = await openPlace()
  const checks = [
    {
      name: 'v',
      rule: {
        kind: 'row' as const,
        holds: {
          op: 'call' as const,
          fn: 'gt',
          args: [
            { op: 'col' as const, name: 'v' },
            { op: 'lit' as const, value: 0 },
          ],
        },
      },
      atLeast: 0,
      onFail: 'quarantine' as const,
    },
  ]
  place.file('a.csv', 'id,v\n1,10\n2,20\n')
  place.file('b.csv', 'id,v\n1,-1\n')
  const def = { key: ['id'], mode: 'replace' as const, read, checks: checks as never }
  await place.import(def, { files: ['a.csv'] })
  const after = await place.import(def, { files: ['b.csv'] })
  expect([after.rows, after.rowsQuarantined]).toEqual([1, 1])
})

test('rows that come in small deliveries make small parts, and few of them', async () => {
  const place = await openPlace()
  const def: Partial<DatasetDef> = { time: 'at', parts: { by: 'month', rowsMax: 10_000 } }
  const rows = (from: number, to: number) =>
    `SELECT i AS id, TIMESTAMP '2001-01-01' + INTERVAL (i) SECOND AS at FROM range(${from}, ${to}) t(i)`
  await place.parquet('0.parquet', rows(0, 50_000))
  const first = await place.import(def, { files: ['0.parquet'], dropRepeats: true })
  let last = first
  for (let n = 1; n <= 12; n++) {
    await place.parquet(`${n}.parquet`, rows(50_000 + n * 200, 50_000 + n * 200 + 200))
    last = await place.import(def, { files: [`${n}.parquet`], dropRepeats: true })
    expect(last.parts[0]!.digest).toBe(first.parts[0]!.digest)
  }
  expect(last.rows).toBe(52_400)
  expect(last.parts.length).toBeLessThanOrEqual(3)
  expect(last.message).toContain('200 of 200 rows')
})
