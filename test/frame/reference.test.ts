import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import {
  all,
  any,
  asc,
  backwardFill,
  closeFrames,
  col,
  corr,
  count,
  covariance,
  cumCount,
  cumMax,
  cumMin,
  cumSum,
  desc,
  diff,
  type Frame,
  first,
  forwardFill,
  frame,
  kurtosis,
  lag,
  last,
  lead,
  listOf,
  max,
  maxBy,
  mean,
  median,
  min,
  mode,
  nUnique,
  nullCount,
  pctChange,
  product,
  quantile,
  rank,
  rolling,
  skew,
  std,
  sum,
  variance,
  weightedMean,
} from '../../src/frame/index.ts'

type Columns = Record<string, unknown[]>
// biome-ignore lint/suspicious/noExplicitAny: a frame of whatever columns
type AnyFrame = Frame<any>
const { left, right, cases } = JSON.parse(
  readFileSync(new URL('../reference/frames/cases.json', import.meta.url), 'utf8'),
) as { left: Columns; right: Columns; cases: Record<string, Columns> }

const types = { x: 'float', w: 'float', n: 'int', b: 'bool', k: 'string', t: 'time' }
const a = frame(left, { types }) as AnyFrame
const b = frame(right, { types: { w: 'float', t: 'time' } }) as AnyFrame
const rolled = { order: 't' } as const
const inGroup = { by: 'g', order: ['t', 'id'] }

afterAll(closeFrames)

/** What frames make of the same question, by the name of the case. */
const OURS: Record<string, () => AnyFrame> = {
  filter: () => a.filter(col('x').gt(8).and(col('k').ne('a'))),
  'filter int': () => a.filter(col('n').ge(-3.5)),
  sort: () => a.sort('k', desc('x')).select('id', 'k', 'x'),
  slice: () => a.slice(17, 26),
  tail: () => a.tail(7),
  'distinct first': () => a.distinct(['k', 'g']),
  'distinct last': () => a.distinct(['k', 'g'], { keep: 'last' }).sort('id'),
  'drop null': () => a.dropNull(['x', 'n']),
  'fill null': () => a.fillNull({ x: 0.5, n: 7, k: 'none' }),
  union: () => a.select('g', 'w').union(b.select('g', 'w', 'label')),
  'group by': () => a.groupBy('k').agg(FIGURES),
  'group by two': () => a.groupBy('k', 'g').agg({ sum: sum('x'), rows: count() }),
  agg: () => a.agg(FIGURES).drop('corr'),
  'shape of': () => a.groupBy('g').agg({ skew: skew('x'), kurtosis: kurtosis('x') }),
  weighted: () => a.groupBy('g').agg({ mean: weightedMean('x', 'w'), cov: covariance('x', 'w') }),
  lists: () => a.groupBy('g').agg({ list: listOf('n') }),
  explode: () =>
    a
      .groupBy('g')
      .agg({ list: listOf('n') })
      .explode('list'),
  'max by': () => a.groupBy('g').agg({ best: maxBy('id', 'x') }),
  mode: () => a.groupBy('g').agg({ k: mode('k') }),
  'value counts': () => a.valueCounts('k'),
  describe: () =>
    a
      .select('id', 'x', 'w', 'n')
      .describe()
      .select('column', 'count', 'mean', 'std', 'min', 'p25', 'p50', 'p75', 'max'),
  'join inner': () => joined('inner'),
  'join left': () => joined('left'),
  'join outer': () => joined('outer'),
  'join right': () => joined('right'),
  'join semi': () => a.join(b, { on: 'g', how: 'semi' }),
  'join anti': () => a.join(b, { on: 'g', how: 'anti' }),
  'join null keys': () =>
    a
      .select('id', 'k')
      .join(frame({ k: ['a', null], z: [1, 2] }), { on: 'k', how: 'left' })
      .sort('id'),
  'asof backward': () => asof({}),
  'asof forward': () => asof({ direction: 'forward' }),
  'asof nearest': () => asof({ direction: 'nearest' }),
  'asof tolerance': () => asof({ tolerance: 12 * 3_600_000 }),
  'asof by': () =>
    a.select('id', 'g', 't').join(b.select('t', 'g', 'label'), { how: 'asof', on: 't', by: 'g' }),
  'window shift': () =>
    a
      .window(inGroup, {
        lag: lag('x'),
        lead: lead('x', 2),
        diff: diff('x'),
        ffill: forwardFill('x'),
        bfill: backwardFill('x'),
      })
      .select('id', 'lag', 'lead', 'diff', 'ffill', 'bfill'),
  'window running': () =>
    a
      .window(inGroup, { sum: cumSum('x'), max: cumMax('n'), min: cumMin('n'), count: cumCount('x') })
      .with({ count: col('count') })
      .select('id', 'sum', 'max', 'min', 'count'),
  'window rank': () =>
    a
      .filter(col('n').notNull())
      .window(
        { by: 'g', order: asc('n') },
        { min: rank('min'), max: rank('max'), dense: rank('dense'), average: rank('average') },
      )
      .select('id', 'min', 'max', 'dense', 'average'),
  'window group': () =>
    a
      .window({ by: 'g' }, { mean: mean('x') })
      .window({ by: 'k' }, { sum: sum('x') })
      .select('id', 'mean', 'sum'),
  'rolling rows': () =>
    a
      .window(
        {},
        {
          mean: rolling.mean('x', { rows: 5 }),
          sum2: rolling.sum('x', { rows: 5, min: 2 }),
          std: rolling.std('x', { rows: 6, min: 3 }),
          max: rolling.max('n', { rows: 4, min: 1 }),
          median: rolling.median('x', { rows: 7, min: 4 }),
          centred: rolling.mean('x', { rows: 5, min: 1, center: true }),
        },
      )
      .select('id', 'mean', 'sum2', 'std', 'max', 'median', 'centred'),
  'rolling by group': () =>
    a.window(inGroup, { mean: rolling.mean('x', { rows: 3, min: 2 }) }).select('id', 'mean'),
  'pct change': () => a.window({}, { pct: pctChange('w') }).select('id', 'pct'),
  pivot: () => a.pivot({ index: 'k', on: 'g', values: 'x', agg: 'sum' }),
  'pivot mean': () => a.dropNull(['k', 'x']).pivot({ index: 'k', on: 'g', values: 'x', agg: 'mean' }),
  unpivot: () => a.unpivot({ index: 'id', on: ['x', 'w'] }),
  cut: () =>
    a
      .cut('bin', { column: 'x', edges: [0, 5, 10, 20], labels: ['low', 'mid', 'high'], right: true })
      .select('id', 'bin'),
  'cut left': () => a.cut('bin', { column: 'x', edges: [0, 5, 10, 20] }).select('id', 'bin'),
  zones: () => {
    const zone = 'America/New_York'
    return a.select({
      id: col('id'),
      hour: col('t').hour({ zone }),
      weekday: col('t').weekday({ zone }),
      day: col('t').truncate('day'),
    })
  },
}

const FIGURES = {
  rows: count(),
  count: count('x'),
  sum: sum('x'),
  nsum: sum('n'),
  bsum: sum('b'),
  mean: mean('x'),
  min: min('n'),
  max: max('x'),
  std: std('x'),
  variance: variance('x'),
  median: median('x'),
  q90: quantile('x', 0.9),
  nulls: nullCount('x'),
  unique: nUnique('g'),
  first: first('x'),
  last: last('x'),
  product: product('n'),
  any: any('b'),
  all: all('b'),
  some: mean('x').where(col('g').gt(3)),
  corr: corr('x', 'w'),
}

const joined = (how: 'inner' | 'left' | 'outer' | 'right'): AnyFrame =>
  a
    .select('id', 'g', 'w')
    .join(b.select('g', 'label', 'w'), { on: 'g', how })
    .sort('id', 'g')
    .select('id', 'g', 'w', 'label', 'w_right')

const asof = (how: { direction?: 'forward' | 'nearest'; tolerance?: number }): AnyFrame =>
  a.select('id', 't').join(b.select('t', 'label'), { how: 'asof', on: 't', ...how })

const TOLERANCE = 1e-9

function same(got: unknown, expected: unknown): boolean {
  if (Array.isArray(got) && Array.isArray(expected))
    return got.length === expected.length && got.every((value, i) => same(value, expected[i]))
  if (typeof got === 'number' && typeof expected === 'number')
    return Math.abs(got - expected) <= TOLERANCE * Math.max(1, Math.abs(expected))
  return got === expected
}

function expectColumns(got: Columns, expected: Columns): void {
  expect(Object.keys(got)).toEqual(Object.keys(expected))
  for (const [name, values] of Object.entries(expected)) {
    expect(got[name], name).toHaveLength(values.length)
    const wrong = values.findIndex((value, i) => !same(got[name]![i], value))
    if (wrong >= 0) expect.fail(`${name}[${wrong}]: got ${got[name]![wrong]}, expected ${values[wrong]}`)
  }
}

async function columnsOf(of: AnyFrame): Promise<Columns> {
  const collected = await of.collect()
  const cell = (value: unknown) => (value instanceof Date ? value.getTime() : value)
  return Object.fromEntries(collected.names.map((name) => [name, collected.values(name).map(cell)]))
}

describe('answers are those of pandas and Polars', () => {
  test.each(Object.keys(OURS))('%s', async (name) => {
    expectColumns(await columnsOf(OURS[name]!()), cases[name]!)
  })

  test('rolling over time, whose later rows of one instant are seen by all of them', async () => {
    const ours = await columnsOf(
      a
        .window(rolled, {
          sum: rolling.sum('x', { last: '2d' }),
          count: rolling.count('x', { last: '36h', min: 0 }),
        })
        .select('id', 'sum', 'count'),
    )
    const theirs = cases['rolling time']!
    const lastOfInstant = left.t!.map((t, i) => left.t![i + 1] !== t)
    const kept = (columns: Columns): Columns =>
      Object.fromEntries(
        Object.entries(columns).map(([name, values]) => [name, values.filter((_, i) => lastOfInstant[i])]),
      )
    expectColumns(kept(ours), kept(theirs))
  })

  test('quantiles', async () => {
    expect(same(await a.quantile('x', [0, 0.1, 0.25, 0.5, 0.99, 1]), cases.quantiles!.q)).toBe(true)
  })

  test('every recorded case is asked', () => {
    const asked = [...Object.keys(OURS), 'rolling time', 'quantiles']
    expect(Object.keys(cases).filter((name) => !asked.includes(name))).toEqual([])
  })
})
