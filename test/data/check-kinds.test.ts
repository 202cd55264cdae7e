import { describe, expect, test } from 'vitest'
import { checks } from '../../src/define/checks.ts'
import type { TableMetric } from '../../src/define/table-metrics.ts'
import { call, check, col, lit, openPlace, type Place, rowCheck } from './fixture.ts'

const findings = (version: {
  findings: { check: string; verdict: string; value: number | null; n: number }[]
}) => Object.fromEntries(version.findings.map((f) => [f.check, [f.verdict, f.value, f.n]]))

/** The value of each metric over the rows of a query, by the findings of an import. */
async function measured(place: Place, sql: string, metrics: Record<string, TableMetric>) {
  await place.parquet('m.parquet', sql)
  const defs = Object.entries(metrics).map(
    ([name, metric]) => checks.metric(metric, { min: -1e300 }).named(name).def,
  )
  const { findings } = await place.import({ checks: defs }, { files: ['m.parquet'], again: true })
  return Object.fromEntries(findings.map((f) => [f.check, f.value]))
}

test('numbers of all rows leave missing values and NaN out, and infinities where they would swallow all else', async () => {
  const place = await openPlace()
  const rows = `SELECT * FROM (VALUES (1::DOUBLE, 2, true, TIMESTAMP '1970-01-01 00:00:01', 'é'), (2, 4, false, NULL, 'e'), (3, 6, NULL, TIMESTAMP '1970-01-01 00:00:03', 'é'),
    ('nan', 8, true, NULL, NULL), (NULL, 10, true, NULL, ''), ('inf', NULL, true, NULL, 'é')) t(x, y, b, "at", s)`
  const of = (name: TableMetric['of'], ...columns: string[]): TableMetric => ({ of: name, columns })
  const got = await measured(place, rows, {
    rows: of('rows'),
    'missing x': of('missing', 'x'),
    'mean x': of('mean', 'x'),
    'std x': of('std', 'x'),
    'sum x': of('sum', 'x'),
    'min x': of('min', 'x'),
    'max x': of('max', 'x'),
    'median x': { of: 'quantile', columns: ['x'], q: 0.5 },
    'mean b': of('mean', 'b'),
    'max at': of('max', 'at'),
    'correlation x y': of('correlation', 'x', 'y'),
    'distinct x': of('distinct', 'x'),
    'distinct s': of('distinct', 's'),
    'distinctShare s': of('distinctShare', 's'),
    'uniqueShare s': of('uniqueShare', 's'),
    'entropy s': of('entropy', 's'),
    'distinct x s': of('distinct', 'x', 's'),
  })
  const p = [3 / 5, 1 / 5, 1 / 5]
  const close = (value: number) => expect.closeTo(value, 12)
  expect(got).toEqual({
    rows: 6,
    'missing x': close(2 / 6),
    'mean x': 2,
    'std x': 1,
    'sum x': 6,
    'min x': 1,
    'max x': null,
    'median x': 2,
    'mean b': close(4 / 5),
    'max at': 3000,
    'correlation x y': close(1),
    'distinct x': 4,
    'distinct s': 3,
    'distinctShare s': close(3 / 5),
    'uniqueShare s': close(2 / 5),
    'entropy s': close(-p.reduce((sum, q) => sum + q * Math.log(q), 0)),
    'distinct x s': 4,
  })
})

test('mutual information is what two columns share: all of one that equals the other, nothing of one that is dealt evenly', async () => {
  const place = await openPlace()
  const metric = (...columns: string[]): TableMetric => ({ of: 'mutualInformation', columns })
  const got = await measured(
    place,
    'SELECT i % 4 AS a, (i % 4) * 7 AS b, i // 4 % 5 AS c FROM range(200) r(i)',
    {
      same: metric('a', 'b'),
      none: metric('a', 'c'),
    },
  )
  expect(got).toEqual({ same: expect.closeTo(Math.log(4), 12), none: expect.closeTo(0, 12) })
})

test('a number that nothing has is inconclusive, one out of bounds fails by its severity, and an infinite one cannot hide', async () => {
  const place = await openPlace()
  await place.parquet(
    'a.parquet',
    "SELECT i AS n, NULL::DOUBLE AS empty, CASE WHEN i = 5 THEN 'inf'::DOUBLE ELSE i END AS x FROM range(10) r(i)",
  )
  const defs = [
    checks.mean('empty', { min: 0 }).stop(),
    checks.std('n', { max: 1 }).owner('data@example.com'),
    checks.max('x', { max: 100 }),
    checks.quantile('n', 0.9, { min: 8, max: 8 }),
    checks.correlation('n', 'empty', { min: 0 }),
  ].map((c) => c.def)
  const version = await place.import({ checks: defs })
  expect(version.rows).toBe(10)
  expect(findings(version)).toEqual({
    'mean(empty) >= 0': ['inconclusive', null, 0],
    'std(n) <= 1': ['fail', expect.closeTo(Math.sqrt(110 / 12), 12), 10],
    'max(x) <= 100': ['fail', null, 10],
    'quantile(n, 0.9) >= 8 and <= 8': ['pass', 8, 10],
    'correlation(n, empty) >= 0': ['inconclusive', null, 0],
  })
  expect(version.findings.map((f) => f.owner)).toEqual([
    undefined,
    'data@example.com',
    undefined,
    undefined,
    undefined,
  ])
  expect(version.findings[2]!.message).toBe(
    'max(x) <= 100: max(x) of 10 rows is Infinity, but <= 100 is asked',
  )
  await expect(
    place.import({ checks: [checks.mean('n', { min: 5 }).stop().def] }, { again: true }),
  ).rejects.toMatchObject({
    code: 'MR_DATA_REFUSED',
  })
})

describe('keys of another dataset', () => {
  async function withCarriers() {
    const place = await openPlace()
    await place.parquet(
      'carriers.parquet',
      "SELECT * FROM (VALUES ('AA', 1), ('DL', 2), ('é', 3)) t(code, n)",
    )
    await place.import({ name: 'carriers' }, { files: ['carriers.parquet'] })
    return place
  }

  test('rows whose key is not there are put aside, those without a key are not judged', async () => {
    const place = await withCarriers()
    await place.parquet(
      'f.parquet',
      "SELECT * FROM (VALUES ('AA'), ('DL'), ('é'), ('e'), (NULL), ('XX'), ('XX')) t(carrier)",
    )
    const exists = checks.exists('carrier', { in: 'carriers', of: 'code' })
    const version = await place.import({ checks: [exists.atLeast(0.5).def] }, { files: ['f.parquet'] })
    expect([version.rows, version.rowsQuarantined]).toEqual([4, 3])
    expect(version.findings[0]).toMatchObject({
      verdict: 'pass',
      n: 6,
      message: '3 of 6 rows have a carrier that carriers does not have (50.0 %); quarantined',
    })
  })

  test('two columns are looked up together', async () => {
    const place = await withCarriers()
    await place.parquet('f.parquet', "SELECT * FROM (VALUES ('AA', 1), ('AA', 2), ('DL', NULL)) t(code, n)")
    const version = await place.import(
      { checks: [checks.exists(['code', 'n'], { in: 'carriers' }).def] },
      { files: ['f.parquet'] },
    )
    expect(findings(version)).toEqual({ 'exists(code, n in carriers)': ['fail', 1 / 2, 2] })
  })

  test('the version that was looked into is an input of the run: a new one judges the same rows anew', async () => {
    const place = await withCarriers()
    await place.parquet('f.parquet', "SELECT 'XX' AS carrier UNION ALL SELECT 'AA'")
    const def = { checks: [checks.exists('carrier', { in: 'carriers', of: 'code' }).def] }
    expect((await place.import(def, { files: ['f.parquet'] })).rowsQuarantined).toBe(1)
    await place.parquet('more.parquet', "SELECT 'XX' AS code, 9 AS n")
    await place.import({ name: 'carriers' }, { files: ['more.parquet'] })
    const again = await place.import({ ...def, name: 'later' }, { files: ['f.parquet'] })
    expect([again.rows, again.rowsQuarantined]).toEqual([2, 0])
  })

  test('a dataset may refer to itself within one delivery and to what it had', async () => {
    const place = await openPlace()
    await place.parquet('a.parquet', 'SELECT * FROM (VALUES (1, NULL), (2, 1), (3, 9)) t(id, boss)')
    await place.parquet('b.parquet', 'SELECT * FROM (VALUES (4, 1), (5, 4), (6, 7)) t(id, boss)')
    const def = { checks: [checks.exists('boss', { in: 'set', of: 'id' }).warn().def], name: 'set' }
    expect(findings(await place.import(def, { files: ['a.parquet'] }))).toEqual({
      'exists(boss in set.id)': ['fail', 1 / 2, 2],
    })
    expect(findings(await place.import(def, { files: ['b.parquet'] }))).toEqual({
      'exists(boss in set.id)': ['fail', 2 / 3, 3],
    })
  })

  test('a dataset without a version and a column that it lacks are errors of that check alone', async () => {
    const place = await withCarriers()
    await place.parquet('f.parquet', "SELECT 'AA' AS carrier")
    const defs = [
      checks.exists('carrier', { in: 'nowhere' }),
      checks.exists('carrier', { in: 'carriers', of: 'cod' }),
      checks.exists('carrier', { in: 'carriers', of: 'code' }),
    ].map((c) => c.def)
    const version = await place.import({ checks: defs }, { files: ['f.parquet'] })
    expect(version.findings.map((f) => f.verdict)).toEqual(['error', 'error', 'pass'])
    expect(version.findings[0]!.message).toContain('has no version yet')
    expect(version.findings[1]!.message).toContain('cod')
  })
})

describe('what a column determines', () => {
  const rows =
    "SELECT * FROM (VALUES (1, 'a'), (1, 'a'), (1, 'b'), (2, 'x'), (2, 'y'), (3, NULL), (3, 'z'), (NULL, 'q'), (NULL, 'r'), (4, NULL)) t(zip, city)"

  test('rows that differ from most of their group fail; the least of equally frequent values is right; missing ones neither vote nor fail', async () => {
    const place = await openPlace()
    await place.parquet('a.parquet', rows)
    const version = await place.import({ checks: [checks.determines('zip', 'city').def] })
    expect(findings(version)).toEqual({ 'determines(zip -> city)': ['fail', 4 / 6, 6] })
    const aside = await place.query.rows<{ zip: number; city: string }>({
      text: 'SELECT zip, city FROM read_parquet(?) ORDER BY zip',
      params: [await place.store.objects.path(version.quarantine[0]!.digest)],
    })
    expect(aside).toEqual([
      { zip: 1, city: 'b' },
      { zip: 2, city: 'y' },
    ])
  })

  test('rows that the dataset has already vote, and only new ones are judged', async () => {
    const place = await openPlace()
    await place.parquet('a.parquet', "SELECT 1 AS zip, 'a' AS city FROM range(3)")
    await place.parquet('b.parquet', "SELECT 1 AS zip, 'b' AS city FROM range(2)")
    const def = { checks: [checks.determines('zip', 'city').def] }
    await place.import(def, { files: ['a.parquet'] })
    const version = await place.import(def, { files: ['b.parquet'] })
    expect([version.rows, version.rowsQuarantined]).toEqual([3, 2])
  })
})

test('a check that cannot be evaluated is an error of its own, and all others are judged', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT i AS n, 't' || i AS s FROM range(10) r(i)")
  const defs = [
    checks.mean('s', { min: 0 }).def,
    checks.mean('gone', { min: 0 }).def,
    checks.determines('gone', 's').def,
    check('no column', { kind: 'exists', columns: ['gone'], in: 'data', of: ['n'] }),
    rowCheck('bad type', call('lt', col('s'), lit(8))),
    checks.mean('n', { min: 4.5, max: 4.5 }).def,
    checks.distinct('s', { min: 10 }).def,
    checks.determines('n', 's').def,
  ]
  const version = await place.import({ checks: defs })
  expect(version.findings.map((f) => f.verdict)).toEqual([
    'error',
    'error',
    'error',
    'error',
    'error',
    'pass',
    'pass',
    'pass',
  ])
  expect(version.rows).toBe(10)
  const refused = place.import({ checks: [checks.mean('s', { min: 0 }).stop().def] }, { again: true })
  await expect(refused).rejects.toMatchObject({ code: 'MR_DATA_REFUSED' })
})
