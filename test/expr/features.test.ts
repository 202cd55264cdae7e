import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { canonicalJson } from '../../src/core/canonical.ts'
import type { Schema } from '../../src/core/records.ts'
import { col } from '../../src/expr/builder.ts'
import {
  featureRowFn,
  featureSelectSql,
  fitSql,
  fittedFrom,
  planFeatures,
  readFitted,
  trainingSelectSql,
} from '../../src/expr/features.ts'
import { raw } from '../../src/expr/sql.ts'
import { Duck } from '../contract/expr-duck.ts'

let duck: Duck
beforeAll(async () => {
  duck = await Duck.open()
})
afterAll(() => duck.close())

const schema: Schema = {
  columns: [
    { name: 'id', type: 'int', nullable: false },
    { name: 'at', type: 'time', nullable: true },
    { name: 'origin', type: 'string', nullable: true },
    { name: 'size', type: 'float', nullable: true },
    { name: 'code', type: 'int', nullable: true },
    { name: 'wet', type: 'bool', nullable: true },
    { name: 'delay', type: 'float', nullable: true },
  ],
}

interface Flight {
  id: number
  at: number | null
  origin: string | null
  size: number | null
  code: number | null
  wet: boolean | null
  delay: number | null
}

const ODD = ['ATL', 'SFO', 'München', '𝒜b', '"quoted"', "it's", '', 'null', 'a,b']

const flight = fc.record({
  at: fc.option(fc.integer({ min: -1e12, max: 1e12 })),
  origin: fc.option(fc.constantFrom(...ODD)),
  size: fc.option(fc.constantFrom(0.5, 1, -0, 2.25, 1e21, Number.NaN)),
  code: fc.option(fc.integer({ min: -3, max: 3 })),
  wet: fc.option(fc.boolean()),
  delay: fc.option(fc.integer({ min: -60, max: 90 })),
})

async function load(rows: Flight[]): Promise<void> {
  await duck.exec(
    `CREATE OR REPLACE TABLE flights AS SELECT * FROM (SELECT unnest(from_json(?, '[{"id":"BIGINT","at":"BIGINT",
    "origin":"VARCHAR","size":"VARCHAR","code":"INTEGER","wet":"BOOLEAN","delay":"DOUBLE"}]'), recursive := true))`,
    [JSON.stringify(rows.map((r) => ({ ...r, size: r.size === null ? null : String(r.size) })))],
  )
  await duck.exec(`CREATE OR REPLACE TABLE flights AS SELECT id, make_timestamp("at" * 1000) AS "at", origin,
    CAST(size AS DOUBLE) AS size, code, wet, delay FROM flights`)
}

const target = col('delay').gt(15).node

const plan = planFeatures(
  [
    { name: 'hour', expr: col('at').hour().node },
    { name: 'size', expr: col('size').node },
    { name: 'origin', expr: col('origin').category({ max: 3 }).node },
    { name: 'origin rate', expr: col('origin').rate({ smoothing: 3 }).node },
    { name: 'size as category', expr: col('size').node, type: 'category' },
    { name: 'code rate', expr: col('code').rate({ smoothing: 0 }).node },
    { name: 'wet', expr: col('wet').node },
    { name: 'route', expr: col('origin').concat('>', col('origin')).node },
  ],
  schema,
)

async function learn() {
  const answers: Record<string, Record<string, unknown>[]> = {}
  for (const query of fitSql(plan, target, 'flights', schema)) answers[query.id] = await duck.rows(query.sql)
  return fittedFrom(plan, answers)
}

test('SQL and one request give exactly the same features, whatever the rows hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(flight, { minLength: 1, maxLength: 40 }), async (random) => {
      const rows = random.map((r, id) => ({ id, ...r, delay: id === 0 ? 20 : r.delay }))
      await load(rows)
      const fitted = readFitted(JSON.parse(canonicalJson(await learn())))
      const bulk = await duck.rows(featureSelectSql(fitted, 'flights', { orderBy: raw('id') }))
      const write = featureRowFn(fitted)
      const out = new Float64Array(fitted.features.length + 1)
      rows.forEach((row, i) => {
        write({ ...row }, out, 1)
        fitted.features.forEach((feature, j) => {
          const fromSql = bulk[i]![feature.name]
          expect(out[j + 1]! + 0, `${feature.name} of ${JSON.stringify(row)}`).toBe(
            fromSql === null ? Number.NaN : Number(fromSql) + 0,
          )
        })
      })
    }),
    { numRuns: 40 },
  )
})

/** The definition, written row by row. */
function crossFittedRate(
  rows: Flight[],
  key: 'origin' | 'code',
  smoothing: number,
  fold: (r: Flight) => number,
): number[] {
  const late = (r: Flight): number => (r.delay! > 15 ? 1 : 0)
  return rows.map((row) => {
    if (row[key] === null) return Number.NaN
    const others = rows.filter((r) => fold(r) !== fold(row) && r.delay !== null)
    const same = others.filter((r) => r[key] === row[key])
    const prior = others.reduce((sum, r) => sum + late(r), 0) / others.length
    const n = same.length + smoothing
    return n === 0 ? prior : (same.reduce((sum, r) => sum + late(r), 0) + smoothing * prior) / n
  })
}

test('a training row’s rate is learned from the other folds alone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(flight, { minLength: 8, maxLength: 60 }), async (random) => {
      const rows = random.map((r, id) => ({ id, ...r, delay: id < 6 ? 10 + id * 2 : r.delay }))
      await load(rows)
      const fitted = await learn()
      const query = trainingSelectSql(fitted, 'flights', {
        target,
        schema,
        fold: raw('id % 5'),
        orderBy: raw('id'),
        extra: { late: raw('delay > 15'), 'the id': raw('id') },
      })
      const bulk = await duck.rows(query)
      expect(bulk.map((row) => row['the id'])).toEqual(rows.map((r) => r.id))
      expect(bulk.map((row) => row.late)).toEqual(rows.map((r) => (r.delay === null ? null : r.delay > 15)))
      const check = (name: string, expected: number[]) =>
        bulk.forEach((row, i) => {
          if (Number.isNaN(expected[i])) expect(row[name]).toBeNull()
          else expect(row[name]).toBeCloseTo(expected[i]!, 12)
        })
      check(
        'origin rate',
        crossFittedRate(rows, 'origin', 3, (r) => r.id % 5),
      )
      check(
        'code rate',
        crossFittedRate(rows, 'code', 0, (r) => r.id % 5),
      )
    }),
    { numRuns: 30 },
  )
})

test('changing a row’s own target never changes its own training features', async () => {
  const rows: Flight[] = Array.from({ length: 40 }, (_, id) => ({
    id,
    at: null,
    origin: id % 2 ? 'ATL' : 'SFO',
    size: null,
    code: id % 3,
    wet: null,
    delay: (id * 7) % 31,
  }))
  const features = async () => {
    await load(rows)
    const options = { target, schema, fold: raw('id % 5'), orderBy: raw('id') }
    return (await duck.rows(trainingSelectSql(await learn(), 'flights', options)))[17]!
  }
  const before = await features()
  rows[17]!.delay = 1000 - rows[17]!.delay!
  expect(await features()).toEqual(before)
})

test('codes go by falling count, then by value; the rest share the code after the last', async () => {
  const origins = ['b', 'a', 'c', 'c', 'd', 'e', null]
  await load(origins.map((origin, id) => ({ id, at: null, origin, size: 1, code: 1, wet: null, delay: 20 })))
  const fitted = await learn()
  expect(fitted.features[2]!.state).toEqual({ kind: 'category', values: ['c', 'a', 'b'] })
  const bulk = await duck.rows(featureSelectSql(fitted, 'flights', { orderBy: raw('id') }))
  expect(bulk.map((row) => row.origin)).toEqual([2, 1, 0, 0, 3, 3, null])
})

test('the fitted state does not depend on the order of rows, also for targets with fractions', async () => {
  await duck.exec(`CREATE OR REPLACE TABLE flights AS SELECT i AS id, NULL::TIMESTAMP AS "at", 'o' || i % 7 AS origin, 1.0::DOUBLE AS size,
    i::INTEGER % 3 AS code, true AS wet, sin(i) * 1e3 AS delay FROM range(5000) t(i)`)
  const learned = async () => {
    const answers: Record<string, Record<string, unknown>[]> = {}
    for (const q of fitSql(plan, col('delay').node, 'flights', schema)) answers[q.id] = await duck.rows(q.sql)
    return canonicalJson(fittedFrom(plan, answers))
  }
  const forward = await learned()
  await duck.exec('CREATE OR REPLACE TABLE flights AS SELECT * FROM flights ORDER BY id DESC')
  expect(await learned()).toBe(forward)
})

test('a rate with no target to learn from says so', async () => {
  await load([{ id: 0, at: null, origin: 'a', size: 1, code: 1, wet: null, delay: null }])
  await expect(learn()).rejects.toThrow(/MR_EXPR_FIT_EMPTY: the rate of feature "origin rate"/)
})

test('a feature must be a number, a boolean or a category', () => {
  expect(() =>
    planFeatures([{ name: 'when', expr: col('at').node }], schema, 'models.late.features'),
  ).toThrow('MR_EXPR_TYPE: models.late.features.when: at must be number, bool or string, got time')
  expect(() =>
    planFeatures([{ name: 'x', expr: col('orgin').node }], schema, 'models.late.features'),
  ).toThrow(
    /models\.late\.features\.x uses column "orgin", which the data do not have; columns are id, at, origin/,
  )
  expect(plan.features.map((f) => f.type)).toEqual([
    'number',
    'number',
    'category',
    'number',
    'category',
    'number',
    'number',
    'category',
  ])
  expect(plan.columns.map((c) => c.name)).toEqual(['at', 'origin', 'size', 'code', 'wet'])
})

test('a stored pipeline of another version is refused', () => {
  expect(() => readFitted({ kind: 'FittedFeatures', version: 99, columns: [], features: [] })).toThrow(
    /MR_EXPR_STATE/,
  )
  expect(() => readFitted('x')).toThrow(/MR_EXPR_STATE/)
})
