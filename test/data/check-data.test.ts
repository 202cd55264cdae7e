import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CheckRequest, type CheckTarget, checkData, type JudgeRows } from '../../src/data/check-data.ts'
import { runCheck } from '../../src/data/check-run.ts'
import { runChild } from '../../src/data/child.ts'
import { openDuck } from '../../src/data/duck.ts'
import { QUANTILE_LIMITS, quantilesQuestion } from '../../src/data/scan-quantile.ts'
import { askAll } from '../../src/data/scan-questions.ts'
import { type Check, checks } from '../../src/define/checks.ts'
import type { CheckDef, DatasetDef } from '../../src/define/types.ts'
import { col } from '../../src/expr/builder.ts'
import { datasetDef, openPlace, type Place } from './fixture.ts'

const here: JudgeRows = async (job) =>
  await runCheck(await openDuck(job.folder, 600, job.threads), job, () => {})

async function judged(
  place: Place,
  defs: (Check | CheckDef)[],
  target: CheckTarget,
  more: Partial<CheckRequest> & { def?: Partial<DatasetDef>; judge?: JudgeRows } = {},
) {
  const { def, judge = here, ...request } = more
  const dataset = datasetDef({ checks: defs.map((c) => ('def' in c ? c.def : c)), ...def })
  return await checkData(place.store, dataset, target, place.folder, { now: 2_000_000, ...request }, judge)
}

const short = (report: Awaited<ReturnType<typeof judged>>) =>
  Object.fromEntries(report.findings.map((f) => [f.check, [f.verdict, f.value, f.n, f.failed]]))

const odd = `SELECT * FROM (VALUES (1, 1.5::DOUBLE, 'é', TIMESTAMP '2001-01-01'), (2, 'nan', 'e', TIMESTAMP '2001-01-02'), (2, 'inf', NULL, NULL), (NULL, NULL, '', TIMESTAMP '2001-01-03'),
  (NULL, -0.0, 'é', TIMESTAMP '2001-01-03'), (7, 0.0, 'zz', TIMESTAMP '2001-01-05')) t(n, x, s, "at")`

const every = [
  checks.notNull('x'),
  checks.between('x', 0, 2).warn(),
  checks.matches('s', /^.$/).atLeast(0.5),
  checks.isIn('s', ['é', 'zz']),
  checks.holds(col('n').lt(col('x'))),
  checks.unique('n'),
  checks.unique('x').named('unique x'),
  checks.unique('n', 's').named('unique n s'),
  checks.unique(),
  checks.rowCount({ min: 6, max: 6 }),
  checks.fresh('at', '1d').owner('data@example.com'),
  checks.missing('s', { max: 0.2 }),
  checks.distinct('n', { min: 3, max: 3 }),
  checks.distinctShare(['n', 's'], { min: 0 }),
  checks.uniqueShare('s', { min: 0 }),
  checks.entropy('n', { min: 0 }),
  checks.mutualInformation('n', 's', { min: 0 }),
  checks.quantile('x', 0.5, { min: 0 }),
  checks.max('x', { max: 10 }),
  checks.mean('x', { min: 0 }),
  checks.determines('n', 's'),
  checks.exists('n', { in: 'd', of: 'n' }),
  checks.inWindow('at'),
]

test('judges every kind over files as the import does, and puts nothing anywhere', async () => {
  const place = await openPlace()
  await place.parquet('odd.parquet', odd)
  const report = await judged(place, every, { files: ['odd.parquet'] })
  const p = [1 / 4, 2 / 4, 1 / 4]
  const entropy = -p.reduce((sum, q) => sum + q * Math.log(q), 0)
  expect(short(report)).toEqual({
    'notNull(x)': ['fail', 4 / 6, 6, 2],
    'between(x, 0, 2)': ['fail', 3 / 4, 4, 1],
    'matches(s, ^.$)': ['pass', 3 / 5, 5, 2],
    'isIn(s, 2 values)': ['fail', 3 / 5, 5, 2],
    'n < x': ['fail', 2 / 3, 3, 1],
    'unique(n)': ['fail', 4 / 6, 6, 2],
    'unique x': ['fail', 4 / 6, 6, 2],
    'unique n s': ['pass', 1, 6, 0],
    'unique()': ['pass', 1, 6, 0],
    'rowCount(6 to 6)': ['pass', 6, 6, undefined],
    'fresh(at, 1d)': ['pass', expect.any(Number), 6, undefined],
    'missing(s) <= 0.2': ['pass', expect.closeTo(1 / 6, 12), 6, undefined],
    'distinct(n) >= 3 and <= 3': ['pass', 3, 4, undefined],
    'distinctShare(n, s) >= 0': ['pass', 1, 3, undefined],
    'uniqueShare(s) >= 0': ['pass', 3 / 5, 5, undefined],
    'entropy(n) >= 0': ['pass', expect.closeTo(entropy, 12), 4, undefined],
    'mutualInformation(n, s) >= 0': ['pass', expect.closeTo(Math.log(3), 12), 3, undefined],
    'quantile(x, 0.5) >= 0': ['pass', 0, 4, undefined],
    'max(x) <= 10': ['fail', null, 4, undefined],
    'mean(x) >= 0': ['pass', 0.5, 3, undefined],
    'determines(n -> s)': ['pass', 1, 3, 0],
    'exists(n in d.n)': ['pass', 1, 4, 0],
  })
  expect(report.findings.find((f) => f.check.startsWith('fresh'))).toMatchObject({
    owner: 'data@example.com',
    onFail: 'warn',
  })
  expect(report.findings.map((f) => f.message).join()).not.toContain('quarantined')
  expect(report.unjudged).toEqual(['inWindow(at)'])
  expect(await place.store.meta.refs('datasets/')).toEqual([])
})

test('a version is judged as the files it came from, whatever its parts are, and rows are named by their place in it', async () => {
  const place = await openPlace()
  const months = `SELECT TIMESTAMP '2001-01-20' + INTERVAL (i) DAY AS "at", (i * 37) % 101 AS n, CASE WHEN i % 9 = 0 THEN NULL ELSE i % 5 END AS k, 'v' || (i % 5) AS v FROM range(60) r(i)`
  await place.parquet('a.parquet', months)
  await place.parquet(
    'b.parquet',
    "SELECT TIMESTAMP '2001-02-01' AS \"at\", 5 AS n, 1 AS k, 'other' AS v, true AS late",
  )
  await place.import({ time: 'at' }, { files: ['a.parquet'] })
  const version = await place.import({ time: 'at' }, { files: ['b.parquet'] })
  expect(version.parts.length).toBe(3)
  const { digest } = (await place.store.meta.ref('datasets/d@main'))!
  const defs = [
    checks.unique('n'),
    checks.between('n', 0, 95),
    checks.determines('k', 'v'),
    checks.quantile('n', 0.9, { max: 1 }),
    checks.notNull('late'),
  ]
  const whole = await judged(place, defs, { version: digest }, { examples: 2 })
  const asFiles = await judged(place, defs, { files: ['a.parquet', 'b.parquet'] })
  expect(short(whole)).toEqual(short(asFiles))
  const values = await place.query.rows<{ n: number; k: number | null; v: string }>({
    text: `SELECT n, k, v FROM read_parquet([${version.parts.map(() => '?').join(', ')}])`,
    params: await Promise.all(version.parts.map((p) => place.store.objects.path(p.digest))),
  })
  const [, high, votes] = whole.findings
  const tall = values.flatMap(({ n }, row) => (Number(n) > 95 ? [{ row, values: { n: String(n) } }] : []))
  expect(high!.examples).toEqual(tall.slice(0, 2))
  expect(votes).toMatchObject({ failed: 1, examples: [{ values: { k: '1', v: 'other' } }] })
})

test('keys of failing rows may be called as columns that the writing needs', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', 'SELECT 100 + i AS f0, i AS g0 FROM range(20) r(i)')
  const path = join(place.folder, 'failing.parquet')
  const defs = [checks.between('g0', 0, 18)]
  await judged(place, defs, { files: ['a.parquet'] }, { failing: path, def: { key: ['f0', 'g0'] } })
  const rows = await place.query.rows<Record<string, unknown>>({
    text: 'SELECT * FROM read_parquet(?)',
    params: [path],
  })
  expect(rows.map((row) => Object.values(row).map(Number))).toEqual([[19, 119, 19, 1, 0]])
})

test('failing rows are written with their numbers and keys, a column a check', async () => {
  const place = await openPlace()
  await place.parquet(
    'a.parquet',
    "SELECT i AS id, i % 10 AS n, CASE WHEN i = 3 THEN NULL ELSE 'é' END AS s FROM range(20) r(i)",
  )
  const path = join(place.folder, 'failing.parquet')
  const defs = [
    checks.notNull('s'),
    checks.between('n', 0, 8),
    checks.unique('n'),
    checks.mean('n', { min: 0 }),
    checks.mean('gone', { min: 0 }),
    checks.determines('n', 's'),
  ]
  const report = await judged(place, defs, { files: ['a.parquet'] }, { failing: path, def: { key: ['id'] } })
  const rows = await place.query.rows<Record<string, unknown>>({
    text: 'SELECT * FROM read_parquet(?) ORDER BY row',
    params: [path],
  })
  expect(report.failingRows).toBe(rows.length)
  expect(Object.keys(rows[0]!)).toEqual([
    'row',
    'id',
    'notNull(s)',
    'between(n, 0, 8)',
    'unique(n)',
    'determines(n -> s)',
    'unique key',
  ])
  expect(rows.map((r) => Number(r.row))).toEqual([3, 9, ...Array.from({ length: 10 }, (_, i) => 10 + i)])
  expect(rows.map((r) => Number(r.id))).toEqual(rows.map((r) => Number(r.row)))
  expect(rows[0]).toMatchObject({ 'notNull(s)': true, 'between(n, 0, 8)': false, 'unique(n)': false })
  expect(rows[1]).toMatchObject({ 'notNull(s)': false, 'between(n, 0, 8)': true, 'unique(n)': false })
  expect(rows.at(-1)).toMatchObject({ 'between(n, 0, 8)': true, 'unique(n)': true, 'unique key': false })
})

test('what is broken is an error of its own, from the file itself or in the middle of it, and the others are judged in the same passes', async () => {
  const place = await openPlace()
  await place.parquet('a.parquet', "SELECT i AS n, 't' || i AS s FROM range(100) r(i)")
  const defs = [
    checks.notNull('gone'),
    checks.mean('s', { min: 0 }),
    checks.unique('gone').named('unique gone'),
    checks.exists('n', { in: 'nowhere' }),
    checks.determines('gone', 's'),
    checks.fresh('s', '1d'),
    checks.between('n', 0, 49),
    checks.unique('n'),
  ]
  const report = await judged(place, defs, { files: ['a.parquet'] })
  expect(report.findings.map((f) => f.verdict)).toEqual([
    'error',
    'error',
    'error',
    'error',
    'error',
    'error',
    'fail',
    'pass',
  ])
  expect(report.findings.at(-2)).toMatchObject({ failed: 50, n: 100 })
})

test('a question that crashes on some row is found by halves, and asked otherwise where it can be', async () => {
  const place = await openPlace()
  const duck = await openDuck(place.dir, 400)
  await duck.run('CREATE TABLE t AS SELECT i AS x FROM range(1000) r(i)')
  const got = new Map<string, unknown>()
  const ask = (name: string, text: string, otherwise?: string) => ({
    names: [name],
    aggregates: [{ text, params: [] }],
    take: ([answer]: unknown[]) => void got.set(name, answer),
    ...(otherwise && {
      otherwise: {
        names: [name],
        aggregates: [{ text: otherwise, params: [] }],
        take: ([answer]: unknown[]) => void got.set(name, answer),
      },
    }),
  })
  const crash = "max(CASE WHEN x = 777 THEN error('at 777') ELSE 1 END)"
  const broken = new Map<string, string>()
  const questions = [
    ask('a', 'min(x)'),
    ask('b', crash),
    ask('c', 'max(x)'),
    ask('d', 'bit_count(bitstring_agg(x, 0::BIGINT, 9::BIGINT))', 'count(DISTINCT x)'),
    ask('e', 'sum(x)'),
  ]
  await askAll(duck, 't', questions, broken)
  expect(Object.fromEntries(got)).toEqual({ a: 0, c: 999, d: 1000, e: 499_500 })
  expect([...broken.keys()]).toEqual(['b'])
  expect(broken.get('b')).toContain('at 777')
})

test('files that are CSV are read as an import reads them, in a process of their own', async () => {
  const place = await openPlace()
  place.file('a.csv', 'id,name,x\n1, é ,0.5\n2,?,NaN\n3,b,7\n')
  const defs = [checks.notNull('name'), checks.between('x', 0, 1), checks.matches('name', /^.$/)]
  const report = await judged(
    place,
    defs,
    { files: ['a.csv'] },
    { def: { read: { missing: ['?'] } }, examples: 1, judge: runChild },
  )
  expect(short(report)).toEqual({
    'notNull(name)': ['fail', 2 / 3, 3, 1],
    'between(x, 0, 1)': ['fail', 1 / 2, 2, 1],
    'matches(name, ^.$)': ['pass', 1, 2, 0],
  })
  expect(report.findings.map((f) => f.examples)).toEqual([
    [{ row: 1, values: { name: null } }],
    [{ row: 2, values: { x: '7.0' } }],
    undefined,
  ])
})

test('no file, no row and a broken file are errors with their names', async () => {
  const place = await openPlace()
  await place.parquet('none.parquet', 'SELECT 1 AS n WHERE false')
  place.file('bad.parquet', 'PAR1 this is no parquet file PAR1')
  await expect(judged(place, [], { files: ['gone.parquet'] })).rejects.toMatchObject({
    code: 'MR_DATA_NO_FILES',
  })
  await expect(judged(place, [], { files: ['none.parquet'] })).rejects.toMatchObject({
    code: 'MR_DATA_NO_ROWS',
  })
  await expect(judged(place, [], { files: ['bad.parquet'] })).rejects.toMatchObject({
    code: 'MR_DATA_UNREADABLE',
  })
})

describe('a quantile of many rows', () => {
  /** Type 1 of Hyndman and Fan over all values, in JavaScript. */
  const oracle = (values: number[], q: number) =>
    values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * q - 1e-9)) - 1]!
  const rows = 40_000
  const limits = { wholeRowsMax: 1000, sampleRows: 5000 }
  const shapes = {
    'all different': 'hash(i) % 100000007',
    'few values': 'hash(i) % 7',
    'one value': '5',
    'in order': 'i',
    'in falling order': '-i',
    'a period that the sample falls into': 'i % 8',
    'nearly all one value': 'CASE WHEN i % 1000 = 0 THEN hash(i) % 1000 ELSE 3 END',
    'with infinities': "CASE WHEN i % 3 = 0 THEN 'inf'::DOUBLE WHEN i % 3 = 1 THEN '-inf'::DOUBLE ELSE i END",
    'where the sample misleads': 'CASE WHEN i % 8 = 0 THEN i ELSE -i END',
  }
  const levels = [0, 0.001, 0.1, 0.5, 0.99, 1]

  type Bound = { min?: number; max?: number }
  /** Bounds that the quantile lies on, just beyond, and far from: those that a sample alone would get wrong among them. */
  const bounds = (x: number): Bound[] => [
    { min: x },
    { max: x },
    { min: x, max: x },
    ...(Number.isFinite(x)
      ? [{ min: x + 0.5 }, { max: x - 0.5 }, { min: x - 0.5, max: x + 0.5 }, { min: x + 0.5, max: x + 1 }]
      : []),
    { min: -1e9, max: 1e9 },
  ]
  const sideOf = (x: number, { min = -Infinity, max = Infinity }: Bound) =>
    x < min ? 'below' : x > max ? 'above' : 'within'

  async function table() {
    const place = await openPlace()
    const duck = await openDuck(place.dir, 600)
    const list = Object.values(shapes).map((sql, i) => `CAST(${sql} AS DOUBLE) AS c${i}`)
    await duck.run(`CREATE TABLE t AS SELECT i AS r, ${list.join(', ')} FROM range(${rows}) x(i)`)
    return duck
  }

  test('lies on the side of its bounds that sorting says, and shows a value of the data near it', async () => {
    const duck = await table()
    const got = new Map<string, { value: number | null; n: number; isNear?: true }>()
    const expected: { name: string; shape: number; q: number; bound: Bound; x: number; sorted: number[] }[] =
      []
    for (const shape of Object.keys(shapes).keys()) {
      const { v } = (
        await duck.rows<{ v: number[] }>(`SELECT list(c${shape} ORDER BY c${shape}) AS v FROM t`)
      )[0]!
      for (const q of levels) {
        const x = oracle(v, q)
        for (const bound of bounds(x))
          expected.push({ name: `${shape} ${q} ${JSON.stringify(bound)}`, shape, q, bound, x, sorted: v })
      }
    }
    const questions = Object.keys(shapes).map((_, i) =>
      quantilesQuestion(
        {
          levels: expected.filter((e) => e.shape === i).map(({ name, q, bound }) => ({ name, q, ...bound })),
          value: `c${i}`,
          rows,
          row: 'r',
          limits,
        },
        (name, measured) => void got.set(name, measured),
      ),
    )
    const broken = new Map<string, string>()
    const passes = await askAll(duck, 't', questions, broken)
    expect([...broken]).toEqual([])
    expect(passes.length).toBe(2)
    for (const { name, q, bound, x, sorted } of expected) {
      const { value, n, isNear } = got.get(name)!
      expect([name, sideOf(value!, bound), n, isNear]).toEqual([name, sideOf(x, bound), rows, true])
      const [first, last] = [sorted.indexOf(value!), sorted.lastIndexOf(value!)]
      expect(first, `${name}: a value of the data`).toBeGreaterThanOrEqual(0)
      expect(first / rows - q, name).toBeLessThan(0.05)
      expect(q - (last + 1) / rows, name).toBeLessThan(0.05)
    }
  }, 60_000)

  test('takes one pass where its sample says the same, and the values themselves where few rows have one', async () => {
    const duck = await table()
    const sparse = 'CASE WHEN r % 200 = 0 THEN c3 END'
    const ask = async (value: string, level: Bound) => {
      const got: unknown[] = []
      const levels = [{ name: 'x', q: 0.5, ...level }]
      const put = (_: string, measured: unknown) => void got.push(measured)
      const passes = await askAll(
        duck,
        't',
        [quantilesQuestion({ levels, value, rows, row: 'r', limits }, put)],
        new Map(),
      )
      return [passes.length, got]
    }
    expect(await ask('c3', { min: 10_000, max: 30_000 })).toEqual([
      1,
      [{ value: expect.any(Number), n: rows, isNear: true }],
    ])
    expect(await ask(sparse, { min: 0 })).toEqual([2, [{ value: 19_800, n: 200 }]])
    expect(await ask('CASE WHEN r < 0 THEN c3 END', { min: 0 })).toEqual([2, [{ value: null, n: 0 }]])
  })

  test('is said to be about its value where a sample gave it', async () => {
    const place = await openPlace()
    await place.parquet('many.parquet', `SELECT i AS n FROM range(${QUANTILE_LIMITS.wholeRowsMax + 1}) r(i)`)
    const defs = [checks.quantile('n', 0.5, { max: 400_000 }), checks.quantile('n', 0.5, { max: 249_999 })]
    const report = await judged(place, defs, { files: ['many.parquet'] })
    const [wide, tight] = report.findings
    expect([wide!.verdict, wide!.isNear, tight!.verdict]).toEqual(['pass', true, 'fail'])
    expect(Math.abs(wide!.value! - 250_000)).toBeLessThan(5000)
    expect(wide!.message).toMatch(/ of 500,001 rows is about 2\d\d,\d{3}, as <= 400000 is asked$/)
    expect(tight!.value).toBeGreaterThanOrEqual(250_000)
  }, 60_000)
})

// ---------------------------------------------------------------- laws

const row = fc.record({
  a: fc.option(fc.integer({ min: -3, max: 3 })),
  x: fc.option(
    fc.constantFrom(
      -1.5,
      0,
      -0,
      0.25,
      1,
      2.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ),
  ),
  s: fc.option(fc.constantFrom('', 'a', 'A', 'é', 'é', 'ﬁ', '😀', ' a')),
})
type Row = { a: number | null; x: number | null; s: string | null }

const number = (x: number | null) =>
  x === null
    ? 'NULL'
    : Number.isFinite(x)
      ? Object.is(x, -0)
        ? '-0.0'
        : String(x)
      : Number.isNaN(x)
        ? "'nan'"
        : x > 0
          ? "'inf'"
          : "'-inf'"
const tableOf = (rows: readonly Row[]) =>
  `SELECT CAST(a AS INTEGER) AS a, CAST(x AS DOUBLE) AS x, CAST(s AS VARCHAR) AS s FROM (VALUES ${rows.map((r) => `(${r.a}, ${number(r.x)}::DOUBLE, ${r.s === null ? 'NULL' : `'${r.s}'`})`).join(', ')}) t(a, x, s)`

/** All kinds over plain arrays. */
function byHand(rows: readonly Row[]) {
  const x = rows.map((r) => (r.x === null || Number.isNaN(r.x) ? null : r.x + 0))
  const key = (r: Row, i: number, names: string) =>
    JSON.stringify([...names].map((n) => (n === 'x' ? String(x[i]) : r[n as 'a' | 's'])))
  const counts = (keys: string[]) =>
    keys.reduce((m, k) => m.set(k, (m.get(k) ?? 0) + 1), new Map<string, number>())
  const rule = (verdicts: (boolean | null)[]) => {
    const judgedRows = verdicts.filter((v) => v !== null)
    return [judgedRows.length, judgedRows.filter((v) => v === false).length]
  }
  const unique = (names: string) => [
    rows.length,
    rows.length - new Set(rows.map((r, i) => key(r, i, names))).size,
  ]
  const entropy = (keys: string[]) => {
    const n = keys.length
    return n === 0 ? null : -[...counts(keys).values()].reduce((sum, c) => sum + (c / n) * Math.log(c / n), 0)
  }
  const filled = <T>(values: (T | null)[]) => values.filter((v): v is T => v !== null)
  const finite = filled(x).filter(Number.isFinite)
  const mean = finite.length === 0 ? null : finite.reduce((p, q) => p + q, 0) / finite.length
  const sorted = filled(x).sort((p, q) => p - q)
  const strings = filled(rows.map((r) => r.s))
  const both = rows.filter((r) => r.a !== null && r.s !== null)
  const groups = [...new Set(both.map((r) => r.a))].map((a) => both.filter((r) => r.a === a))
  const most = groups.reduce((sum, g) => sum + Math.max(...counts(g.map((r) => r.s!)).values()), 0)
  return {
    rules: {
      filled: rule(x.map((v) => v !== null)),
      range: rule(x.map((v) => (v === null ? null : v >= 0 && v <= 1))),
      member: rule(rows.map((r) => (r.s === null ? null : ['a', 'é'].includes(r.s)))),
      unique: unique('a'),
      uniqueX: unique('x'),
      uniqueAll: unique('axs'),
      determines: [both.length, both.length - most],
    },
    metrics: {
      missing: rows.length === 0 ? null : x.filter((v) => v === null).length / rows.length,
      mean,
      sum: finite.length === 0 ? null : finite.reduce((p, q) => p + q, 0),
      std:
        finite.length < 2
          ? null
          : Math.sqrt(finite.reduce((p, q) => p + (q - mean!) ** 2, 0) / (finite.length - 1)),
      median:
        sorted.length === 0 ? null : sorted[Math.max(1, sorted.length - Math.floor(sorted.length / 2)) - 1]!,
      min: sorted[0] ?? null,
      max: sorted.at(-1) ?? null,
      distinct: new Set(strings).size,
      distinctShare: strings.length === 0 ? null : new Set(strings).size / strings.length,
      uniqueShare:
        strings.length === 0
          ? null
          : [...counts(strings).values()].filter((c) => c === 1).length / strings.length,
      entropy: entropy(strings),
      mutual:
        both.length === 0
          ? null
          : entropy(both.map((r) => String(r.a)))! +
            entropy(both.map((r) => r.s!))! -
            entropy(both.map((r) => JSON.stringify([r.a, r.s])))!,
    },
  }
}

const wide = { min: -1e300 }
const asked: Record<string, Check> = {
  filled: checks.notNull('x'),
  range: checks.between('x', 0, 1),
  member: checks.isIn('s', ['a', 'é']),
  unique: checks.unique('a'),
  uniqueX: checks.unique('x'),
  uniqueAll: checks.unique(),
  determines: checks.determines('a', 's'),
  missing: checks.metric({ of: 'missing', columns: ['x'] }, wide),
  mean: checks.mean('x', wide),
  sum: checks.sum('x', wide),
  std: checks.std('x', wide),
  median: checks.quantile('x', 0.5, wide),
  min: checks.min('x', wide),
  max: checks.max('x', wide),
  distinct: checks.metric({ of: 'distinct', columns: ['s'] }, wide),
  distinctShare: checks.metric({ of: 'distinctShare', columns: ['s'] }, wide),
  uniqueShare: checks.metric({ of: 'uniqueShare', columns: ['s'] }, wide),
  entropy: checks.metric({ of: 'entropy', columns: ['s'] }, wide),
  mutual: checks.metric({ of: 'mutualInformation', columns: ['a', 's'] }, wide),
}

test('verdicts over random tables are those of plain arrays, whatever the order of the rows and the borders of the files', async () => {
  const place = await openPlace()
  const defs = Object.entries(asked).map(([name, check]) => check.named(name).warn())
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.nat(),
      async (rows, cut, seed) => {
        const turned = rows
          .map((r, i) => ({ r, k: (i * 7919 + seed) % 104_729 }))
          .sort((p, q) => p.k - q.k)
          .map(({ r }) => r)
        const at = cut % (rows.length + 1)
        const halves = [turned.slice(0, at), turned.slice(at)].filter((half) => half.length > 0)
        await place.parquet('whole.parquet', tableOf(rows))
        for (const [i, half] of halves.entries()) await place.parquet(`half-${i}.parquet`, tableOf(half))
        const whole = await judged(place, defs, { files: ['whole.parquet'] })
        const parts = await judged(place, defs, { files: halves.map((_, i) => `half-${i}.parquet`) })
        const { rules, metrics } = byHand(rows)
        for (const report of [whole, parts]) {
          const found = Object.fromEntries(report.findings.map((f) => [f.check, f]))
          for (const [name, [n, failed]] of Object.entries(rules))
            expect([name, found[name]!.n, found[name]!.failed]).toEqual([name, n, failed])
          for (const [name, value] of Object.entries(metrics)) {
            const got = found[name]!.value
            if (value === null || !Number.isFinite(value)) expect([name, got]).toEqual([name, null])
            else expect(got, name).toBeCloseTo(value, 9)
          }
        }
      },
    ),
    { numRuns: 25 },
  )
}, 60_000)
