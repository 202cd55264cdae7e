import { appendFileSync, chmodSync } from 'node:fs'
import { expect, expectTypeOf, test } from 'vitest'
import type * as contract from '../../src/api/contract.ts'
import {
  type DatasetDiff,
  type DatasetPage,
  type DatasetVersionPage,
  datasetPage,
  datasetRows,
  diff,
  headOf,
  importData,
  log,
  mergeStats,
  type QuarantineRows,
  readQuarantine,
  relation,
  resolveVersion,
  show,
} from '../../src/data/index.ts'
import { verify } from '../../src/loop/verify.ts'
import { collectGarbage } from '../../src/store/gc/collect.ts'
import { call, check, col, datasetDef, headDigest, lit, openPlace, type Place, rowCheck } from './fixture.ts'

const rows = (from: number, to: number) =>
  `SELECT TIMESTAMP '2001-01-01' + INTERVAL (i) DAY AS at, i AS n, i % 4 AS k FROM range(${from}, ${to}) r(i)`
const def = {
  time: 'at',
  checks: [
    rowCheck('n not 5', call('ne', col('n'), lit(5))),
    check('no repeats', { kind: 'unique', columns: [] }),
  ],
}

async function twoVersions(): Promise<Place> {
  const place = await openPlace()
  await place.parquet('a.parquet', rows(0, 50))
  await place.parquet('b.parquet', rows(45, 70))
  await place.import(def, { files: ['a.parquet'], now: 1_000 })
  await place.import(def, { files: ['b.parquet'], now: 2_000 })
  return place
}

test('lists versions newest first, and finds them by name, steps and digits', async () => {
  const place = await twoVersions()
  const entries = await log(place.store, 'd')
  expect(entries.map((e) => [e.at, e.rows, e.rowsAdded, e.rowsQuarantined, e.partsNew, e.parts])).toEqual([
    [2_000, 69, 20, 5, 2, 3],
    [1_000, 49, 49, 1, 2, 2],
  ])
  expect(entries[0]!.message).toBe('20 of 25 rows of b.parquet were added; 5 quarantined (5 by "no repeats")')
  const [second, first] = entries.map((e) => e.digest)
  for (const [name, digest] of [
    ['d', second],
    ['d@main', second],
    ['d@main~1', first],
    ['d~1', first],
    [first!, first],
    [second!.slice(7, 15), second],
    [second!.slice(0, 15), second],
  ]) {
    expect([name, (await resolveVersion(place.store, name!)).digest]).toEqual([name, digest])
  }
  for (const name of ['d~2', 'nothing', 'sha256:00', 'abcdef0']) {
    await expect(resolveVersion(place.store, name)).rejects.toThrow('MR_DATA_VERSION')
  }
})

test('gives the console what its contract says', async () => {
  const place = await twoVersions()
  expectTypeOf<DatasetPage>().toExtend<contract.DatasetPage>()
  expectTypeOf<DatasetVersionPage>().toExtend<contract.DatasetVersionPage>()
  expectTypeOf<QuarantineRows>().toExtend<contract.QuarantineRows>()
  expectTypeOf<Omit<DatasetDiff, 'keyed' | 'sample'>>().toExtend<
    Omit<contract.DatasetDiff, 'keyed' | 'sample'>
  >()
  const page = await datasetPage(place.store, 'd')
  expect(page).toMatchObject({
    dataset: 'd',
    rows: 69,
    rowsQuarantined: 6,
    versions: 2,
    importedAt: 2_000,
    source: 'b.parquet',
  })
  expect(page.findings).toEqual({ pass: 1, fail: 1, inconclusive: 0, error: 0 })
  expect((await datasetRows(place.store)).map((r) => r.dataset)).toEqual(['d'])
  const shown = await show(place.store, 'd')
  expect(shown.parts.map((p) => [p.key, p.rows, p.isNew])).toEqual([
    ['2001-01', 30, false],
    ['2001-02', 28, true],
    ['2001-03', 11, true],
  ])
  const n = shown.columns.find((c) => c.name === 'n')!
  expect(n.profile).toMatchObject({ min: 0, max: 69, nulls: 0 })
  expect(n.profile.mean).toBeCloseTo(((69 * 70) / 2 - 5) / 69, 10)
  expect(n.parent!.psi).toBeGreaterThan(0)
  await expect(datasetPage(place.store, 'nothing')).rejects.toThrow('MR_DATA_VERSION')
})

test('reads the quarantine with reasons and counts', async () => {
  const place = await twoVersions()
  const aside = await readQuarantine(place.store, place.query, (await headDigest(place.store))!, { limit: 2 })
  expect(aside).toMatchObject({
    columns: ['at', 'n', 'k'],
    total: 6,
    byReason: { 'no repeats': 5, 'n not 5': 1 },
  })
  expect(aside.rows.map(({ row }) => row)).toEqual([5, 4])
  expect(aside.rows[0]).toEqual({
    row: 5,
    values: [Date.UTC(2001, 1, 19), 49, 1],
    reasons: ['no repeats'],
  })
})

test('compares versions to the row and opens only parts that differ', async () => {
  const place = await twoVersions()
  const [to, from] = (await log(place.store, 'd')).map((e) => e.digest)
  const forth = await diff(place.store, place.query, from!, to!)
  expect(forth).toMatchObject({
    rowsAdded: 20,
    rowsRemoved: 0,
    partsSame: 1,
    partsAdded: ['2001-02', '2001-03'],
    partsRemoved: ['2001-02'],
  })
  expect(forth.schema).toEqual({ added: [], removed: [], changed: [] })
  expect(forth.columns.find((c) => c.column === 'n')).toMatchObject({
    nullsFrom: 0,
    nullsTo: 0,
    meanFrom: expect.closeTo((49 * 25 - 5) / 49, 10),
  })
  expect(forth.sample.added.length).toBe(10)
  const back = await diff(place.store, place.query, to!, from!)
  expect([back.rowsAdded, back.rowsRemoved]).toEqual([0, 20])
  const none = await diff(place.store, place.query, to!, to!)
  expect([none.rowsAdded, none.rowsRemoved, none.partsSame, none.columns[1]!.psi]).toEqual([0, 0, 3, 0])
})

test('statistics merged from parts are those of all rows', async () => {
  const place = await openPlace()
  await place.parquet(
    'a.parquet',
    `SELECT *, CASE WHEN n % 3 = 0 THEN NULL ELSE n * n END::DOUBLE AS sq FROM (${rows(0, 100)})`,
  )
  const merged = mergeStats((await place.import({ time: 'at' })).parts, 'sq')!
  const values = Array.from({ length: 100 }, (_, i) => i)
    .filter((i) => i % 3 !== 0)
    .map((i) => i * i)
  const mean = values.reduce((a, b) => a + b) / values.length
  expect(merged).toMatchObject({ nulls: 34, min: 1, max: 9604 })
  expect(merged.mean).toBeCloseTo(mean, 9)
  expect(merged.std).toBeCloseTo(
    Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / (values.length - 1)),
    9,
  )
  expect(merged.histogram!.counts.reduce((a, b) => a + b)).toBe(66)
})

test('gives training a relation that opens only the parts of a window', async () => {
  const place = await twoVersions()
  const { version } = (await headOf(place.store, 'd'))!
  const window = { fromAt: Date.UTC(2001, 1, 3), toAt: Date.UTC(2001, 1, 5) }
  const sql = await relation(place.store, version, { time: 'at', window })
  expect(sql.params.filter((p) => typeof p === 'string').length).toBe(1)
  expect((await place.query.rows(sql)).map((r) => r.n)).toEqual([33, 34])
})

test('names a corrupt part and makes it again from its source', async () => {
  const place = await twoVersions()
  const { version } = (await headOf(place.store, 'd'))!
  const part = version.parts[1]!
  const path = await place.store.objects.path(part.digest)
  chmodSync(path, 0o644)
  appendFileSync(path, 'x')
  const found = await verify(place, { actor: 'test', names: ['d'] })
  expect(found.bad).toMatchObject([{ digest: part.digest, state: 'corrupt' }])
  const repaired = await verify(place, { actor: 'test', names: ['d'], repair: true })
  expect(repaired).toMatchObject({ repaired: [{ digest: part.digest, from: 'source' }], left: [] })
  expect((await verify(place, { actor: 'test' })).bad).toEqual([])
})

test('does not import one delivery twice, unless it is asked to or the dataset was taken back', async () => {
  const place = await twoVersions()
  const request = { actor: 'test', now: 3_000, files: ['b.parquet'] }
  const again = await importData(place, datasetDef(def), place.folder, request)
  expect([again.known, (await log(place.store, 'd')).length]).toEqual([true, 2])
  const first = (await resolveVersion(place.store, 'd~1')).digest
  await place.store.meta.commit({
    moves: [{ name: 'datasets/d@main', to: first }],
    event: { type: 'data.rolled-back', subject: 'datasets/d', actor: 'test', reason: 'test', data: {} },
  })
  const anew = await importData(place, datasetDef(def), place.folder, request)
  expect([anew.known, (await headDigest(place.store)) === anew.version]).toEqual([false, true])
})

test('a folder that grows delivers only its new files', async () => {
  const place = await twoVersions()
  const before = (await headOf(place.store, 'd'))!.version.rows
  await place.parquet('f.parquet', rows(100, 104))
  const request = { actor: 'test', now: 4_000, files: ['*.parquet'] }
  const grown = await importData(place, datasetDef(def), place.folder, request)
  expect((await headOf(place.store, 'd'))!.version.rows).toBe(before + 4)
  const again = await importData(place, datasetDef(def), place.folder, request)
  expect([again.known, again.version]).toEqual([true, grown.version])
})

test('what was delivered before history was cut is not delivered again', async () => {
  const place = await twoVersions()
  const before = (await headOf(place.store, 'd'))!
  const policy = { keepVersions: 1, now: Date.now() + 1e9, actor: 'test', reason: 'small' }
  expect((await collectGarbage(place.store, policy)).cut).toHaveLength(1)
  expect(await log(place.store, 'd')).toHaveLength(1)
  for (const files of [['a.parquet'], ['b.parquet'], ['a.parquet', 'b.parquet']]) {
    const again = await importData(place, datasetDef(def), place.folder, { actor: 'test', now: 3_000, files })
    expect([again.known, again.version]).toEqual([true, before.digest])
  }
  await place.parquet('g.parquet', rows(100, 104))
  const request = { actor: 'test', now: 4_000, files: ['*.parquet'] }
  await importData(place, datasetDef(def), place.folder, request)
  expect((await headOf(place.store, 'd'))!.version.rows).toBe(before.version.rows + 4)
  expect((await verify(place, { actor: 'test' })).bad).toEqual([])
})

test('says that another import came first, and plans anew on it', async () => {
  const place = await twoVersions()
  await place.parquet('c.parquet', rows(100, 101))
  await place.parquet('e.parquet', rows(101, 102))
  const both = ['c.parquet', 'e.parquet'].map((file) =>
    importData(place, datasetDef(def), place.folder, { actor: 'test', now: 1, files: [file] }),
  )
  await Promise.all(both)
  expect((await headOf(place.store, 'd'))!.version.rows).toBe(71)
})
