import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { type HistoryOptions, MetricHistory } from '../../src/stats/metric-history.ts'
import { expectCode } from './close.ts'

const DAY = 86_400_000
const MONDAY = Date.UTC(2026, 0, 5)
type Rng = ReturnType<typeof seededRng>
type Metric = (i: number, noise: number) => number

const NOISES: Record<string, (rng: Rng) => number> = {
  normal: (rng) => rng.normal(),
  uniform: (rng) => (rng.next() - 0.5) * Math.sqrt(12),
  laplace: (rng) => {
    const u = rng.next() - 0.5
    return (-Math.sign(u) * Math.log(1 - 2 * Math.abs(u))) / Math.SQRT2
  },
}

const WEEK = [1, 1.02, 1.05, 1, 1.1, 0.6, 0.5]
const METRICS: Record<string, { metric: Metric; options: HistoryOptions }> = {
  'weekly mean': { metric: (i, z) => 100 + 25 * (WEEK[i % 7]! - 1) + 3 * z, options: {} },
  'weekly rows that grow': {
    metric: (i, z) => Math.round(1_000 * Math.exp(0.004 * i) * WEEK[i % 7]! * Math.exp(0.05 * z)),
    options: { scale: 'count' },
  },
  'a trend': { metric: (i, z) => 50 + 0.2 * i + z, options: {} },
  'a year with weeks': {
    metric: (i, z) => 100 + 20 * Math.sin((2 * Math.PI * i) / 365) + 10 * (WEEK[i % 7]! - 1) + 2 * z,
    options: {},
  },
}

/** Days of `n` that were judged unusual; a person accepts them at once, or they are left out. */
function alarms(
  metric: (i: number) => number,
  n: number,
  options: HistoryOptions = {},
  accept = false,
): number[] {
  const history = new MetricHistory(options)
  const found: number[] = []
  for (let i = 0; i < n; i++) {
    const point = { at: MONDAY + i * DAY, value: metric(i) }
    const unusual = history.judge(point).verdict === 'unusual'
    if (unusual) found.push(i)
    if (!unusual || accept) history.learn(point, { accepted: unusual })
  }
  return found
}

const drawn = (metric: Metric, noise: (rng: Rng) => number, seed: number) => {
  const rng = seededRng(seed)
  return (i: number) => metric(i, noise(rng))
}

for (const [name, { metric, options }] of Object.entries(METRICS)) {
  test(`${name}: at most one false alarm in 365 days, on average far less, over 3 shapes of noise and 5 seeds each`, () => {
    for (const [noise, draw] of Object.entries(NOISES)) {
      const counts = Array.from(
        { length: 12 },
        (_, seed) => alarms(drawn(metric, draw, seed + 1), 365, options, true).length,
      )
      const total = counts.reduce((a, b) => a + b, 0)
      expect(total, noise).toBeLessThanOrEqual(noise === 'laplace' ? 6 : 3)
      expect(counts.filter((n) => n > 1).length, noise).toBeLessThanOrEqual(noise === 'laplace' ? 2 : 1)
    }
  }, 60_000)
}

test('a level shift at day 9 is caught that day, of metrics with a weekly season, over 40 seeds', () => {
  const wave: Metric = (i, z) => 1_000 * (1 + 0.1 * Math.sin((2 * Math.PI * i) / 7)) + 20 * z
  let [halved, grown, declared] = [0, 0, 0]
  for (let seed = 0; seed < 40; seed++) {
    const shifted = (factor: number, of: Metric) => {
      const calm = drawn(of, NOISES.normal!, seed)
      return (i: number) => calm(i) * (i >= 8 ? factor : 1)
    }
    if (alarms(shifted(0.4, wave), 9, { scale: 'count' }).includes(8)) halved++
    if (alarms(shifted(1.8, wave), 9, { scale: 'count' }).includes(8)) grown++
    if (
      alarms(shifted(0.45, METRICS['weekly rows that grow']!.metric), 9, {
        scale: 'count',
        season: 'week',
      }).includes(8)
    )
      declared++
  }
  expect([halved, grown, declared]).toEqual([40, 40, 40])
})

test('what was judged unusual is never learned: a fault that stays is told every day until a person accepts it', () => {
  const metric = drawn((i, z) => (i >= 30 ? 150 : 100) + z, NOISES.normal!, 4)
  expect(alarms(metric, 50)).toEqual(Array.from({ length: 20 }, (_, i) => 30 + i))
  const accepted = alarms(
    drawn((i, z) => (i >= 30 ? 150 : 100) + z, NOISES.normal!, 4),
    90,
    {},
    true,
  )
  expect(accepted).toEqual([30])
})

test('an exception that a person accepted does not become the rule', () => {
  const metric = drawn((i, z) => (i === 30 || i === 50 ? 200 : 100) + z, NOISES.normal!, 4)
  expect(alarms(metric, 80, {}, true)).toEqual([30, 50])
})

test('nothing is judged before the points that are needed, and a metric that never moved may move by a hundredth', () => {
  expect(alarms((i) => (i === 7 ? 1e6 : 5), 8)).toEqual([])
  expect(alarms((i) => (i === 20 ? 1_005 : 1_000), 21)).toEqual([])
  expect(alarms((i) => (i === 20 ? 1_020 : 1_000), 21)).toEqual([20])
})

test('a week that is found from data forgives what a plain level would not, and gaps keep their weekday', () => {
  const history = new MetricHistory({ season: 'auto' })
  const rng = seededRng(3)
  for (let i = 0; i < 60; i++)
    if (i % 11 !== 5) history.learn({ at: MONDAY + i * DAY, value: 100 * WEEK[i % 7]! + rng.normal() })
  const judged = (i: number, value: number) => history.judge({ at: MONDAY + i * DAY, value })
  expect(judged(60 + 8, 60)).toMatchObject({ verdict: 'usual', season: 'week' }) // a Saturday
  expect(judged(60 + 4, 60)).toMatchObject({ verdict: 'unusual', season: 'week' }) // a Monday
  expect(judged(60 + 8, 100).verdict).toBe('unusual')
})

test('noise that the number of rows explains is no alarm', () => {
  const rng = seededRng(8)
  const share = () =>
    Array.from({ length: 50 }, () => Number(rng.next() < 0.01)).reduce((a, b) => a + b, 0) / 50
  const history = new MetricHistory()
  const judgements: string[] = []
  for (let i = 0; i < 120; i++) {
    const point = { at: MONDAY + i * DAY, value: share(), error: Math.sqrt((0.02 * 0.98) / 50) }
    judgements.push(history.judge(point).verdict)
    history.learn(point)
  }
  expect(judgements.filter((v) => v === 'unusual').length).toBeLessThanOrEqual(1)
})

test('a value that is no number is refused', () => {
  expectCode(() => new MetricHistory().judge({ at: 0, value: Number.NaN }), 'MR_STATS_NAN')
  expectCode(() => new MetricHistory({ alpha: 0 }), 'MR_STATS_RANGE')
})

/** Deequ's OnlineNormal strategy by its published rule: the judged point is part of the mean and deviation, three deviations are allowed. */
function onlineNormal(values: readonly number[]): number[] {
  return values.flatMap((value, i) => {
    const upTo = values.slice(0, i + 1)
    const mean = upTo.reduce((a, b) => a + b, 0) / upTo.length
    const deviation = Math.sqrt(upTo.reduce((a, b) => a + (b - mean) ** 2, 0) / upTo.length)
    return i > 0 && Math.abs(value - mean) > 3 * deviation ? [i] : []
  })
}

test('the rule that counts the judged point in cannot alarm before the eleventh, whatever comes', () => {
  for (let day = 1; day < 10; day++)
    expect(onlineNormal([...new Array(day).fill(100).map((x, i) => x + (i % 2)), 1e9])).toEqual([])
  const values = Array.from({ length: 9 }, (_, i) => (i === 8 ? 1e9 : 100 + (i % 2)))
  expect(alarms((i) => values[i]!, 9)).toEqual([8])
})

const NAB = fileURLToPath(new URL('../../../shared/data/nab-known-cause/', import.meta.url))
const absent = !existsSync(NAB)
if (absent)
  console.warn('SKIPPED: taxi rides of New York: the folder ../shared/data/nab-known-cause is absent')
test.skipIf(absent)(
  'of the daily taxi rides of New York three known anomalies of five are told, the storm among them, and nothing else in 215 days',
  () => {
    const rides = new Map<number, number>()
    const lines = gunzipSync(readFileSync(`${NAB}nyc_taxi.csv.gz`))
      .toString()
      .trim()
      .split('\n')
      .slice(1)
    for (const line of lines) {
      const [at, value] = line.split(',')
      const day = Math.floor(Date.parse(`${at!.replace(' ', 'T')}Z`) / DAY)
      rides.set(day, (rides.get(day) ?? 0) + Number(value))
    }
    const known = JSON.parse(readFileSync(`${NAB}combined_windows.json`, 'utf8'))[
      'realKnownCause/nyc_taxi.csv'
    ] as string[][]
    const windows = known.map(
      (ends) => ends.map((end) => Date.parse(`${end.replace(' ', 'T')}Z`) / DAY) as [number, number],
    )
    const history = new MetricHistory({ scale: 'count' })
    const found = [...rides].flatMap(([day, value]) => {
      const point = { at: day * DAY, value }
      const unusual = history.judge(point).verdict === 'unusual'
      history.learn(point, { accepted: unusual })
      return unusual ? [day] : []
    })
    const windowOf = (day: number) => windows.findIndex(([from, to]) => day + 1 >= from && day <= to)
    expect(rides.size).toBe(215)
    expect(found.filter((day) => windowOf(day) < 0)).toEqual([])
    expect(new Set(found.map(windowOf)).size).toBeGreaterThanOrEqual(3)
    expect(found).toContain(Date.UTC(2015, 0, 26) / DAY)
  },
)
