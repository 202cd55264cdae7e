import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DatasetVersion } from '../../src/core/records.ts'
import { planImport, type SourceFile } from '../../src/data/index.ts'
import { check, datasetDef, openPlace } from './fixture.ts'

const row = fc.record({
  day: fc.integer({ min: 0, max: 60 }),
  n: fc.option(fc.integer({ min: -3, max: 3 })),
  s: fc.option(fc.constantFrom('a', 'é', '', "o'x")),
})
const several = fc.array(row, { minLength: 1, maxLength: 40 })
type Row = typeof row extends fc.Arbitrary<infer R> ? R : never

const csv = (rows: readonly Row[]) =>
  `at,n,s\n${rows.map((r) => `${new Date(Date.UTC(2001, 0, 1 + r.day)).toISOString()},${r.n ?? ''},${r.s === null ? '' : `"${r.s}"`}\n`).join('')}`
const columns = 'at TIMESTAMP, n BIGINT, s VARCHAR'
const parts = (version: DatasetVersion) => version.parts.map((p) => [p.key, p.digest])

async function importsOf(
  files: Record<string, readonly Row[]>,
  deliveries: string[][],
  unique: boolean,
): Promise<DatasetVersion> {
  const place = await openPlace()
  for (const [name, rows] of Object.entries(files)) {
    place.file(`${name}.csv`, csv(rows))
    await place.parquet(
      `${name}.parquet`,
      `SELECT * FROM read_csv('${place.folder}/${name}.csv', columns = {${columns.replaceAll(/(\w+) (\w+)/g, "'$1': '$2'")}})`,
    )
  }
  const checks = unique ? [check('no repeats', { kind: 'unique', columns: [] })] : []
  let version: DatasetVersion | undefined
  for (const delivery of deliveries)
    version = await place.import(
      { time: 'at', checks },
      { files: delivery.map((n) => `${n}.parquet`), again: true },
    )
  return version!
}

const runs = { numRuns: 2 }

test('two deliveries give the parts of one, in whichever order they come', async () => {
  await fc.assert(
    fc.asyncProperty(several, several, fc.boolean(), async (a, b, unique) => {
      const whole = await importsOf({ w: [...a, ...b] }, [['w']], unique)
      const halves = await importsOf({ a, b }, [['a'], ['b']], unique)
      const turned = await importsOf({ a, b }, [['b'], ['a']], unique)
      const together = await importsOf({ a, b }, [['b', 'a']], unique)
      for (const other of [halves, turned, together]) {
        expect(parts(other)).toEqual(parts(whole))
        expect([other.rows, other.rowsQuarantined]).toEqual([whole.rows, whole.rowsQuarantined])
      }
    }),
    runs,
  )
})

test('a repeated import under "no repeats" adds nothing and leaves the parts as they are', async () => {
  await fc.assert(
    fc.asyncProperty(several, async (a) => {
      const once = await importsOf({ a }, [['a']], true)
      const twice = await importsOf({ a }, [['a'], ['a']], true)
      expect(parts(twice)).toEqual(parts(once))
      expect(twice.rowsQuarantined).toBe(once.rowsQuarantined + a.length)
    }),
    runs,
  )
})

test('the same import in another store is the same to the byte', async () => {
  const rows = fc.sample(several, { seed: 7, numRuns: 1 })[0]!
  const [one, two] = await Promise.all([
    importsOf({ a: rows }, [['a']], true),
    importsOf({ a: rows }, [['a']], true),
  ])
  expect(two).toEqual(one)
})

test('a plan does not depend on the order of the files, and does on all else', () => {
  const file = (digit: string): SourceFile => ({
    name: digit,
    digest: `sha256:${digit.repeat(64)}`,
    bytes: 1,
    format: 'csv',
    gzip: false,
  })
  const [a, b] = [file('a'), file('b')]
  const plan = planImport(datasetDef(), [a, b], {})
  expect(() => planImport(datasetDef(), [a], {}, { select: { fromAt: 0, toAt: 1 } })).toThrow(
    'MR_DATA_NO_TIME',
  )
  expect(planImport(datasetDef(), [b, a], {})).toEqual(plan)
  expect(plan.inputs).toEqual({ 'source/00000': a.digest, 'source/00001': b.digest })
  expect(planImport(datasetDef(), [a, b], { parent: a.digest })).not.toEqual(plan)
  expect(planImport(datasetDef({ time: 'at' }), [a, b], {}, { select: { fromAt: 0, toAt: 1 } })).not.toEqual(
    plan,
  )
})

test('parts of several row groups are the same bytes however their rows came', async () => {
  const place = await openPlace()
  const rows =
    "SELECT TIMESTAMP '2001-01-01' + INTERVAL (i * 7 % 40000) MINUTE AS at, i % 1000 AS n, 'c' || (i % 77) AS s FROM range(130000) r(i)"
  await place.parquet('w.parquet', rows)
  await place.parquet('a.parquet', `${rows} WHERE i % 3 = 0`)
  await place.parquet('b.parquet', `${rows} WHERE i % 3 <> 0`)
  const whole = await place.import({ name: 'whole', time: 'at' }, { files: ['w.parquet'] })
  await place.import({ name: 'halves', time: 'at' }, { files: ['a.parquet'] })
  const halves = await place.import({ name: 'halves', time: 'at' }, { files: ['b.parquet'] })
  expect(parts(halves)).toEqual(parts(whole))
})
