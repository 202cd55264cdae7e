import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { appendRows, createImportTask, getVersion, relation } from '../../src/data/index.ts'
import { sql } from '../../src/expr/sql.ts'
import { allRows, call, check, col, datasetDef, lit, openPlace, rowCheck } from './fixture.ts'

const months = `SELECT TIMESTAMP '2001-01-05' + INTERVAL (i) HOUR AS at, i::INTEGER AS n, i % 7 AS week, 'c' || (i % 3) AS name FROM range(2000) r(i)`

test('splits rows by month into parts that know their range and their columns', async () => {
  const place = await openPlace(createImportTask())
  await place.parquet('a.parquet', months)
  const version = await place.import({ time: 'at' })
  expect(version.rows).toBe(2000)
  expect(version.parts.map((p) => [p.key, p.rows])).toEqual([
    ['2001-01', 27 * 24],
    ['2001-02', 28 * 24],
    ['2001-03', 2000 - 55 * 24],
  ])
  expect(version.parts[0]!.keyRange).toEqual({
    min: '2001-01-05T00:00:00.000Z',
    max: '2001-01-31T23:00:00.000Z',
  })
  expect(version.schema.columns).toEqual([
    { name: 'at', type: 'time', nullable: false },
    { name: 'n', type: 'int', nullable: false },
    { name: 'week', type: 'int', nullable: false },
    { name: 'name', type: 'string', nullable: false },
  ])
  expect(version.window).toEqual({
    fromAt: Date.UTC(2001, 0, 5),
    toAt: Date.UTC(2001, 0, 5) + 1999 * 3_600_000 + 1,
  })
  const { n, week, name } = version.parts[0]!.stats
  expect(n).toMatchObject({ min: 0, max: 647, mean: 323.5, nulls: 0 })
  expect(n!.std).toBeCloseTo(Math.sqrt((648 * 649) / 12), 9)
  expect(week!.histogram).toMatchObject({
    kind: 'numeric',
    edges: [0, 1, 2, 3, 4, 5, 6, 12],
    counts: [93, 93, 93, 93, 92, 92, 92],
  })
  expect(name!.histogram).toEqual({
    kind: 'category',
    categories: ['c0', 'c1', 'c2'],
    counts: [216, 216, 216],
    other: 0,
    nulls: 0,
  })
})

test('puts failing rows aside with every reason and says so in words', async () => {
  const place = await openPlace()
  await place.parquet(
    'a.parquet',
    'SELECT i AS n, CASE WHEN i = 3 THEN NULL ELSE i END AS m FROM range(10) r(i)',
  )
  const version = await place.import({
    checks: [
      rowCheck('n below 8', call('lt', col('n'), lit(8)), { atLeast: 0.7 }),
      rowCheck('m below 9', call('lt', col('m'), lit(9))),
    ],
  })
  expect([version.rows, version.rowsQuarantined]).toEqual([8, 2])
  expect(version.findings.map((f) => [f.verdict, f.value, f.n, f.message])).toEqual([
    ['pass', 0.8, 10, '2 of 10 rows fail "n below 8" (20.0 %); quarantined'],
    ['fail', 8 / 9, 9, '1 of 9 rows fail "m below 9" (11.1 %); quarantined'],
  ])
  const path = await place.store.objects.path(version.quarantine[0]!.digest)
  const rows = await place.query.rows(
    sql`SELECT n, CAST(to_json(_reasons) AS VARCHAR) AS why FROM read_parquet(${{ text: '?', params: [path] }}) ORDER BY n`,
  )
  expect(rows).toEqual([
    { n: 8, why: '["n below 8"]' },
    { n: 9, why: '["n below 8","m below 9"]' },
  ])
})

test('keeps the first of equal rows, also against rows that came before, and leaves equal rows alone where no check asks', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, i // 2 AS n FROM range(10) r(i)")
  const unique = check('no repeats', { kind: 'unique', columns: [] })
  const first = await place.import({ time: 'at', checks: [unique] })
  expect([first.rows, first.rowsQuarantined]).toEqual([5, 5])
  await place.parquet('b.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, i AS n FROM range(4, 7) r(i)")
  const second = await place.import({ time: 'at', checks: [unique] }, { files: ['b.parquet'] })
  expect([second.rows, second.rowsQuarantined, second.parts.length]).toEqual([7, 6, 1])
  expect((await place.import({ name: 'free' }, { files: ['a.parquet'] })).rows).toBe(10)
})

test('takes a key to mean that no two rows share it, over all parts', async () => {
  const place = await openPlace()
  await place.parquet(
    'a.parquet',
    "SELECT i AS id, TIMESTAMP '2001-01-01' + INTERVAL (i) DAY AS at FROM range(60) r(i)",
  )
  await place.import({ time: 'at', key: ['id'] })
  await place.parquet('b.parquet', "SELECT i AS id, TIMESTAMP '2001-06-01' AS at FROM range(50, 70) r(i)")
  const version = await place.import({ time: 'at', key: ['id'] }, { files: ['b.parquet'] })
  expect([version.rows, version.rowsQuarantined]).toEqual([70, 10])
  expect(version.findings[0]!.message).toBe(
    '10 of 20 rows repeat the id of another row (50.0 %); quarantined',
  )
})

test('a good row stays when the one with the same key was put aside', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', 'SELECT 1 AS id, -5 AS n UNION ALL SELECT 1, 5')
  const version = await place.import({
    key: ['id'],
    checks: [rowCheck('positive', call('gt', col('n'), lit(0)))],
  })
  expect(await allRows(place, version)).toEqual([{ id: 1, n: 5 }])
})

test('selects a window of the source and sends strays of the period to quarantine', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', months)
  const [jan, feb, mar2] = [Date.UTC(2001, 0, 1), Date.UTC(2001, 1, 1), Date.UTC(2001, 1, 1, 2)]
  const version = await place.import(
    { time: 'at' },
    { select: { fromAt: jan, toAt: mar2 }, period: { fromAt: jan, toAt: feb } },
  )
  expect([version.rows, version.rowsQuarantined]).toEqual([27 * 24, 2])
  expect(version.findings[0]!.message).toBe(
    '2 of 650 rows lie outside the period that was delivered (0.3 %); quarantined',
  )
})

test('rewrites only the parts that new rows fall into', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', months)
  const first = await place.import({ time: 'at' })
  await place.parquet(
    'b.parquet',
    "SELECT TIMESTAMP '2001-03-29 12:30' AS at, 1::INTEGER AS n, 1 AS week, 'c9' AS name",
  )
  const second = await place.import({ time: 'at' }, { files: ['b.parquet'] })
  expect(second.parts.map((p, i) => p.digest === first.parts[i]!.digest)).toEqual([true, true, false])
  expect(second.parts[2]!.rows).toBe(first.parts[2]!.rows + 1)
  expect(second.parts[2]!.stats.name!.histogram).toMatchObject({ categories: ['c0', 'c1', 'c2'], other: 1 })
  expect(second.rows).toBe(2001)
})

test('divides data without a time into blocks and fills the last one up', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', 'SELECT i AS n FROM range(2500) r(i)')
  const first = await place.import()
  expect(first.parts.map((p) => [p.key, p.rows])).toEqual([
    ['rows-000000', 1000],
    ['rows-000001', 1000],
    ['rows-000002', 500],
  ])
  await place.parquet('b.parquet', 'SELECT i AS n FROM range(2500, 3100) r(i)')
  const second = await place.import({}, { files: ['b.parquet'] })
  expect(second.parts.map((p) => p.rows)).toEqual([1000, 1000, 1000, 100])
  expect(second.parts[1]!.digest).toBe(first.parts[1]!.digest)
})

test('takes new columns, which are missing in older rows, and keeps missing ones missing', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, 1 AS n, NULL::VARCHAR AS maybe")
  await place.import({ time: 'at' })
  await place.parquet(
    'b.parquet',
    "SELECT TIMESTAMP '2001-01-02' AS at, 2 AS n, 0.5 AS extra UNION ALL SELECT TIMESTAMP '2001-02-02', 3, 0.7",
  )
  const version = await place.import({ time: 'at' }, { files: ['b.parquet'] })
  expect(version.schema.columns.at(-1)).toEqual({ name: 'extra', type: 'float', nullable: true })
  const rows = await place.query.rows(await relation(place.store, version))
  expect(rows).toEqual([
    { at: Date.UTC(2001, 0, 1), n: 1, maybe: null, extra: null },
    { at: Date.UTC(2001, 0, 2), n: 2, maybe: null, extra: 0.5 },
    { at: Date.UTC(2001, 1, 2), n: 3, maybe: null, extra: 0.7 },
  ])
})

test('reads csv with semicolons, blanks, codes for missing, gzip and Latin-1', async () => {
  const place = await openPlace()
  place.file('a.csv', 'id;name;score\n1; Ann ; 5\n2;?; ?\n3;Bob;7\n')
  place.file('b.csv.gz', gzipSync('id;name;score\n4;007;8\n'))
  place.file('c.csv', Buffer.from('id;name;score\n5;José;9\n', 'latin1'))
  const version = await place.import({ source: ['*.csv', '*.csv.gz'], read: { missing: ['?'] } })
  expect(await allRows(place, version)).toEqual([
    { id: 1, name: 'Ann', score: 5 },
    { id: 2, name: null, score: null },
    { id: 3, name: 'Bob', score: 7 },
    { id: 4, name: '007', score: 8 },
    { id: 5, name: 'José', score: 9 },
  ])
})

test('reads json lines and json arrays, with nested values kept as json text', async () => {
  const place = await openPlace()
  place.file('a.ndjson', '{"n":1,"tags":["x","y"]}\n{"n":2.5,"tags":[]}\n')
  place.file('b.json', '[{"n":3,"tags":null}]')
  const version = await place.import({ source: ['*.ndjson', '*.json'] })
  expect(version.schema.columns.map((c) => c.type)).toEqual(['float', 'json'])
  expect(await allRows(place, version)).toEqual([
    { n: 1, tags: '["x","y"]' },
    { n: 2.5, tags: '[]' },
    { n: 3, tags: null },
  ])
})

test('takes NaN as missing and leaves infinities out of moments', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT unnest(['NaN', 'Infinity', '1', '3'])::DOUBLE AS x")
  const { stats } = (await place.import()).parts[0]!
  expect(stats.x).toMatchObject({ nulls: 1, min: 1, max: 3, mean: 2 })
})

test('a check that crashes is an error, does not pass, and does not stop the others', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', 'SELECT i AS n FROM range(5) r(i)')
  const version = await place.import({
    checks: [
      rowCheck('ghost', call('gt', col('nowhere'), lit(0))),
      rowCheck('small', call('lt', col('n'), lit(4))),
    ],
  })
  expect(version.findings.map((f) => f.verdict)).toEqual(['error', 'fail'])
  expect(version.findings[0]!.message).toContain('nowhere')
  expect(version.rows).toBe(4)
})

test('judges row counts and freshness', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT TIMESTAMP '1970-01-01' AS at, 1 AS n")
  const checks = [
    check('enough', { kind: 'rowCount', min: 2 }, { onFail: 'warn' }),
    check('fresh', { kind: 'fresh', column: 'at', ageMsMax: 1_000 }, { onFail: 'warn' }),
  ]
  const version = await place.import({ time: 'at', checks }, { now: 5_000 })
  expect(version.findings.map((f) => [f.verdict, f.value, f.at])).toEqual([
    ['fail', 1, 5_000],
    ['fail', 5_000, 5_000],
  ])
})

test('imports rows from memory with times as numbers or dates', async () => {
  const place = await openPlace()
  const def = datasetDef({ time: 'at' })
  const rows = [
    { at: Date.UTC(2001, 0, 1, 5), id: 'a', value: 1 },
    { at: Date.UTC(2001, 0, 2, 6, 7, 8, 9), id: 'b', value: null },
  ]
  await appendRows(place, def, rows, { actor: 'test', now: 1 })
  const third = { at: new Date(Date.UTC(2001, 0, 3)), id: '7', value: 2 }
  const { version } = await appendRows(place, def, [third], { actor: 'test', now: 2 })
  expect(await allRows(place, await getVersion(place.store, version))).toEqual([
    ...rows,
    { ...third, at: third.at.getTime() },
  ])
})

test('takes days as times, and times with a zone as UTC', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT DATE '2001-01-31' + i::INTEGER AS day, i AS n FROM range(2) r(i)")
  const days = await place.import({ name: 'days', time: 'day', parts: { by: 'day', rowsMax: 10 } })
  expect(days.parts.map((p) => [p.key, p.keyRange.min])).toEqual([
    ['2001-01-31', '2001-01-31T00:00:00.000Z'],
    ['2001-02-01', '2001-02-01T00:00:00.000Z'],
  ])
  await place.parquet('z.parquet', "SELECT TIMESTAMPTZ '2001-01-01 00:30:00+02' AS at")
  const zoned = await place.import({ name: 'zoned', time: 'at' }, { files: ['z.parquet'] })
  expect(zoned.window!.fromAt).toBe(Date.UTC(2000, 11, 31, 22, 30))
})

test('puts rows without a time into a part of their own', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT unnest([TIMESTAMP '2001-01-01', NULL]) AS at, 1 AS n")
  expect((await place.import({ time: 'at' })).parts.map((p) => [p.key, p.rows])).toEqual([
    ['2001-01', 1],
    ['no-time', 1],
  ])
})

test('reads a csv whose first rows look like numbers and a later one does not', async () => {
  const place = await openPlace()
  place.file('a.csv', `code, n\n${'7,1\n'.repeat(120_000)}x,2\n`)
  const version = await place.import({ source: ['a.csv'] })
  expect(version.schema.columns.map((c) => [c.name, c.type])).toEqual([
    ['code', 'string'],
    ['n', 'int'],
  ])
})
