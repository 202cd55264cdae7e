import { afterAll, describe, expect, test } from 'vitest'
import { isMillraceError } from '../../src/core/errors.ts'
import type { Row } from '../../src/expr/ast.ts'
import { toClosure } from '../../src/expr/closure.ts'
import {
  closeFrames,
  col,
  count,
  cumSum,
  desc,
  frame,
  lag,
  mean,
  sum,
  time,
  when,
} from '../../src/frame/index.ts'

afterAll(closeFrames)

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  return isMillraceError(thrown) ? thrown.code : String(thrown)
}

describe('expressions in a frame answer as their closures do', () => {
  const rows = [
    { i: 7, f: 2.5, s: 'Zoë', b: true, t: new Date('2026-03-29T00:59:59.5Z') },
    { i: -7, f: -0.5, s: '', b: false, t: new Date('2026-03-29T01:00:00Z') },
    { i: 0, f: Number.NaN, s: null, b: null, t: null },
    { i: null, f: Number.POSITIVE_INFINITY, s: 'a%b', b: true, t: new Date('1969-12-31T23:59:59.999Z') },
    { i: 9007199254740991, f: 0, s: '日本', b: false, t: new Date('2026-10-25T01:30:00Z') },
  ]
  const types = { i: 'int', f: 'float', s: 'string', b: 'bool', t: 'time' } as const
  const schema = {
    columns: Object.entries(types).map(([name, type]) => ({ name, type, nullable: true })),
  }
  const EXPRESSIONS = {
    'integers divide as numbers': col('i').div(2),
    'by zero is missing': col('i').div(col('f')),
    'the remainder has the sign of the dividend': col('i').mod(3),
    'NaN is missing': col('f').add(1),
    'NaN is missing in a test': col('f').gt(0),
    'infinities are values': col('f').mul(2),
    floats: col('f').le(2.5),
    'whole numbers against fractions': col('i').gt(-7.5).and(col('i').lt(6.5)),
    'whole numbers equal to no fraction': col('i').eq(6.5),
    'the largest exact whole number': col('i').ge(9007199254740991),
    'beyond what is exact': col('i').lt(9007199254740994),
    between: col('i').between(-7, 0.5),
    'three-valued logic': col('b').or(col('f').gt(0)),
    'texts by code point': col('s').lt('b'),
    'length in code points': col('s').length(),
    'hours of a zone over its change of clocks': col('t').hour({ zone: 'Europe/Berlin' }),
    'days of a zone': col('t').truncate('day', { zone: 'Europe/Berlin' }),
    'times against texts': col('t').ge('2026-03-29T01:00:00Z'),
    times: col('t').lt(time('1970-01-01')),
    branches: when(col('i').gt(0)).then('plus').when(col('i').lt(0)).then('minus').otherwise('none'),
    'is missing': col('f').isNull(),
  }

  test.each(Object.entries(EXPRESSIONS))('%s', async (_, expr) => {
    const closure = toClosure(expr.node, { schema })
    const got = await frame(rows, { types }).select({ y: expr }).rows()
    const expected = rows.map((row) => closure(row as Row))
    expect(got.map(({ y }) => ((y as unknown) instanceof Date ? Number(y) : y))).toEqual(expected)
    if (expected.every((value) => value === null || typeof value === 'boolean')) {
      const kept = await frame(rows, { types })
        .filter(expr as never)
        .rows()
      expect(kept).toHaveLength(expected.filter((value) => value === true).length)
    }
  })
})

describe('missing values', () => {
  const f = frame({ k: ['a', null, 'a', null], x: Float64Array.of(1, Number.NaN, 3, 4) })

  test('NaN is missing wherever it is looked at', async () => {
    expect(await f.rows()).toEqual([
      { k: 'a', x: 1 },
      { k: null, x: null },
      { k: 'a', x: 3 },
      { k: null, x: 4 },
    ])
    expect(await f.agg({ n: count('x'), sum: sum('x'), mean: mean('x') }).rows()).toEqual([
      { n: 3, sum: 8, mean: 8 / 3 },
    ])
    expect(await f.dropNull('x').count()).toBe(3)
    expect((await f.sort(desc('x')).rows()).map(({ x }) => x)).toEqual([4, 3, 1, null])
    expect((await f.fillNull({ x: 0 }).rows()).map(({ x }) => x)).toEqual([1, 0, 3, 4])
    expect(await f.distinct('x').count()).toBe(4)
    expect(await f.join(frame({ x: Float64Array.of(Number.NaN, 3) }), { on: 'x' }).count()).toBe(1)
    expect((await f.collect()).columns.x.validity).toEqual(Uint8Array.of(0b1101))
  })

  test('missing is a value of a key, last in order, and joins nothing', async () => {
    expect(await f.groupBy('k').count().rows()).toEqual([
      { k: 'a', count: 2 },
      { k: null, count: 2 },
    ])
    expect(await f.join(f.select('k'), { on: 'k' }).count()).toBe(4)
  })

  test('sums of nothing are 0, means of nothing are missing', async () => {
    const none = f.filter(col('x').gt(100)).agg({ sum: sum('x'), mean: mean('x'), n: count() })
    expect(await none.rows()).toEqual([{ sum: 0, mean: null, n: 0 }])
  })
})

describe('order', () => {
  const n = 50_000
  const f = frame({
    i: Int32Array.from({ length: n }, (_, i) => i),
    k: Int32Array.from({ length: n }, (_, i) => i % 7),
  })

  test('sorting is stable, and a second sort refines by the first', async () => {
    const { columns } = await f.sort('k').collect()
    expect(isStable(columns.k.values as Int32Array, columns.i.values as Int32Array)).toBe(true)
    const again = await f.sort(desc('i')).sort('k').limit(3).rows()
    expect(again.map(({ i }) => i)).toEqual([49994, 49987, 49980].map((least) => largest(least)))
  })

  function largest(at: number): number {
    return at - (at % 7)
  }

  function isStable(k: ArrayLike<number | bigint>, i: ArrayLike<number | bigint>): boolean {
    for (let at = 1; at < n; at++) if (k[at] === k[at - 1] && i[at]! < i[at - 1]!) return false
    return true
  }

  test('rows stay in their order through filters, columns, windows and batches', async () => {
    const seen: number[] = []
    const chain = f
      .filter(col('k').ne(3))
      .with({ twice: col('i').mul(2) })
      .window({ by: 'k' }, { before: lag('i'), total: cumSum('i') })
    for await (const { columns, nRows } of chain.batches({ batchRows: 5_000 })) {
      expect(nRows).toBeLessThanOrEqual(5_000)
      for (const i of columns.i.values as Int32Array) seen.push(Number(i))
    }
    expect(seen).toEqual(Array.from({ length: n }, (_, i) => i).filter((i) => i % 7 !== 3))
  })

  test('a sample is the same by its seed, whatever the number of threads', async () => {
    const { openFrames } = await import('../../src/frame/index.ts')
    const drawn: unknown[] = []
    for (const threads of [1, 2, 4]) {
      const frames = openFrames({ threads })
      const all = frames.frame({ i: Int32Array.from({ length: n }, (_, i) => i) })
      drawn.push([
        await all.sample({ rows: 5, seed: 3 }).rows(),
        await all.sample({ share: 0.01, seed: 3 }).count(),
      ])
      await frames.close()
    }
    expect(drawn[1]).toEqual(drawn[0])
    expect(drawn[2]).toEqual(drawn[0])
    const [, sampled] = drawn[0] as [unknown, number]
    const [least, most] = [500 - 4 * Math.sqrt(495), 500 + 4 * Math.sqrt(495)] // four deviations of the binomial law
    expect(sampled).toBeGreaterThan(least)
    expect(sampled).toBeLessThan(most)
    expect(await f.sample({ rows: 5, seed: 4 }).rows()).not.toEqual(
      await f.sample({ rows: 5, seed: 3 }).rows(),
    )
  })
})

test('groups of whole numbers are those of a plain count, whatever their range', async () => {
  const n = 60_000
  for (const [range, low] of [
    [9, -4],
    [3_000, 7],
    [200_000, -99_999],
    [2 ** 40, 0],
  ] as const) {
    const k = Array.from({ length: n }, (_, i) =>
      i % 1_001 === 0 ? null : low + ((i * 7_919 * 104_729) % range),
    )
    const expected = new Map<number | null, { rows: number; sum: number }>()
    k.forEach((key, i) => {
      const cell = expected.get(key) ?? { rows: 0, sum: 0 }
      expected.set(key, { rows: cell.rows + 1, sum: cell.sum + i })
    })
    const keys = [...expected.keys()].sort((a, b) => (a === null ? 1 : b === null ? -1 : a - b))
    const i = Int32Array.from({ length: n }, (_, at) => at)
    const grouped = await frame({ k, i })
      .groupBy('k')
      .agg({ rows: count(), sum: sum('i') })
      .rows()
    expect(grouped).toEqual(keys.map((key) => ({ k: key, ...expected.get(key)! })))
  }
})

describe('what cannot be done is said with a code', () => {
  const f = frame([{ day: 1, delay: 2.5, origin: 'ATL' }])
  const unknown = f as ReturnType<typeof frame>
  const CASES: Record<string, [string, () => Promise<unknown>]> = {
    'a column that is not there': ['MR_FRAME_COLUMN', () => unknown.select('dealy').rows()],
    'one in an expression': ['MR_EXPR_UNKNOWN_COLUMN', () => unknown.filter(col('dealy').gt(1)).rows()],
    'one in an aggregate': [
      'MR_FRAME_COLUMN',
      () =>
        unknown
          .groupBy('origin')
          .agg({ x: sum('dealy') })
          .rows(),
    ],
    'a sum of texts': ['MR_FRAME_TYPE', () => unknown.agg({ x: sum('origin') }).rows()],
    'two columns of one name': ['MR_FRAME_TWICE', () => unknown.rename({ day: 'delay' }).rows()],
    'names that differ in capitals': ['MR_FRAME_TWICE', () => unknown.with({ Day: col('day') }).rows()],
    'no column': ['MR_FRAME_EMPTY', () => unknown.drop('day', 'delay', 'origin').rows()],
    'a value that is none of the type': ['MR_QUERY_FAILED', () => unknown.cast({ origin: 'int' }).rows()],
    'keys of two types': [
      'MR_FRAME_TYPE',
      () => f.join(frame({ day: ['x'] }), { on: 'day' as never }).rows(),
    ],
    'a file that is not there': ['MR_QUERY_FILE', () => frame('no/such.parquet').rows()],
    'a failure in the middle of a stream': [
      'MR_QUERY_FAILED',
      () =>
        frame({ s: Array.from({ length: 300_000 }, (_, i) => (i === 299_000 ? 'x' : String(i))) })
          .cast({ s: 'int' })
          .rows(),
    ],
  }

  test.each(Object.entries(CASES))('%s', async (_, [code, act]) => {
    expect(await codeOf(act())).toBe(code)
  })

  test('the nearest names are offered', async () => {
    const thrown = await unknown
      .select('dealy')
      .rows()
      .catch((error: Error) => String(error))
    expect(thrown).toContain('did you mean "delay"')
  })

  test('options are judged when they are given', () => {
    expect(() => f.limit(-1)).toThrow('MR_FRAME_OPTION')
    expect(() => f.sample({})).toThrow('MR_FRAME_OPTION')
    expect(() => f.cut('c', { column: 'delay', edges: [2, 1] })).toThrow('MR_FRAME_OPTION')
    expect(() => frame([{ a: 1 }, { a: 'x' }])).toThrow('MR_FRAME_VALUES')
    expect(() => frame({ a: [1], b: [1, 2] })).toThrow('MR_FRAME_LENGTH')
    expect(() => frame('data.xyz')).toThrow('MR_FRAME_FORMAT')
  })
})
