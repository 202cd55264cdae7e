/** False alarms of a year of seasonal metrics and a shift at day 9, by our history and by the rule that Deequ publishes for `OnlineNormal`; daily taxi rides of New York with their known anomalies. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { seededRng } from '../../dist/core/rng.js'
import { MetricHistory } from '../../dist/stats/index.js'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const SEEDS = 20
const DAY = 86_400_000
const MONDAY = Date.UTC(2026, 0, 5)
const WEEK = [1, 1.02, 1.05, 1, 1.1, 0.6, 0.5]
const NAB = fileURLToPath(new URL('../../../shared/data/nab-known-cause/', import.meta.url))

type Rng = ReturnType<typeof seededRng>
type Rule = (values: readonly number[]) => number[]

const NOISES: Record<string, (rng: Rng) => number> = {
  normal: (rng) => rng.normal(),
  uniform: (rng) => (rng.next() - 0.5) * Math.sqrt(12),
  laplace: (rng) => {
    const u = rng.next() - 0.5
    return (-Math.sign(u) * Math.log(1 - 2 * Math.abs(u))) / Math.SQRT2
  },
}

/** Rows of a day: a week, growth, and noise of 5 %. */
function rowsOf(noise: string, seed: number, days: number, shift = 1): number[] {
  const rng = seededRng(seed + 1)
  return Array.from({ length: days }, (_, i) => {
    const calm = 10_000 * Math.exp(0.002 * i) * WEEK[i % 7]! * Math.exp(0.05 * NOISES[noise]!(rng))
    return Math.round(calm * (i >= 8 ? shift : 1))
  })
}

const ours =
  (season: 'auto' | 'week'): Rule =>
  (values) => {
    const history = new MetricHistory({ scale: 'count', season })
    return values.flatMap((value, i) => {
      const point = { at: MONDAY + i * DAY, value }
      const unusual = history.judge(point).verdict === 'unusual'
      history.learn(point, { accepted: unusual })
      return unusual ? [i] : []
    })
  }

/** Three deviations from the mean of all values so far, the judged one among them; the first tenth is passed over, and what alarmed is not counted in later. */
const onlineNormal: Rule = (values) => {
  const kept: number[] = []
  return values.flatMap((value, i) => {
    const all = [...kept, value]
    const mean = all.reduce((sum, x) => sum + x, 0) / all.length
    const deviation = Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length)
    const alarms = i >= 0.1 * values.length && Math.abs(value - mean) > 3 * deviation
    if (!alarms) kept.push(value)
    return alarms ? [i] : []
  })
}

const section: Section = () => {
  for (const noise of Object.keys(NOISES)) reportYears(noise)
  reportShift()
  if (existsSync(NAB)) reportTaxis()
  else console.error('  taxi rides are left out: ../shared/data/nab-known-cause is absent')
}
export default section

function reportYears(noise: string): void {
  const alarms = (rule: Rule) =>
    Array.from({ length: SEEDS }, (_, seed) => rule(rowsOf(noise, seed, 365)).length)
  const mean = (counts: number[]) => counts.reduce((sum, n) => sum + n, 0) / counts.length
  const counts = alarms(ours('auto'))
  report({
    bench: BENCH,
    metric: `history: false alarms in 365 days, ${noise} noise`,
    value: mean(counts),
    unit: '',
    goal: 1,
    met: mean(counts) <= 1,
    peer: "Deequ's rule",
    peerValue: mean(alarms(onlineNormal)),
    note: `${SEEDS} seeds, at most ${Math.max(...counts)} in one`,
  })
}

function reportShift(): void {
  for (const [named, shift] of [
    ['a third', 1 / 3],
    ['twice', 2],
  ] as const) {
    const caught = (rule: Rule) =>
      Array.from({ length: SEEDS }, (_, seed) => rule(rowsOf('normal', seed, 60, shift)).includes(8)).filter(
        Boolean,
      ).length / SEEDS
    const share = caught(ours('week'))
    report({
      bench: BENCH,
      metric: `history: shift to ${named} at day 9 caught that day`,
      value: 100 * share,
      unit: '%',
      goal: 100,
      met: share === 1,
      peer: "Deequ's rule",
      peerValue: 100 * caught(onlineNormal),
      note: `of a declared week; ${Math.round(100 * caught(ours('auto')))} % when nothing is declared`,
    })
  }
}

function reportTaxis(): void {
  const rides = new Map<number, number>()
  for (const line of gunzipSync(readFileSync(`${NAB}nyc_taxi.csv.gz`))
    .toString()
    .trim()
    .split('\n')
    .slice(1)) {
    const [at, value] = line.split(',')
    const day = Math.floor(Date.parse(`${at!.replace(' ', 'T')}Z`) / DAY)
    rides.set(day, (rides.get(day) ?? 0) + Number(value))
  }
  const windows = (
    JSON.parse(readFileSync(`${NAB}combined_windows.json`, 'utf8'))[
      'realKnownCause/nyc_taxi.csv'
    ] as string[][]
  ).map((ends) => ends.map((end) => Date.parse(`${end.replace(' ', 'T')}Z`) / DAY))
  const days = [...rides].sort(([a], [b]) => a - b)
  const history = new MetricHistory({ scale: 'count' })
  const alarms = days.flatMap(([day, value]) => {
    const point = { at: day * DAY, value }
    const unusual = history.judge(point).verdict === 'unusual'
    history.learn(point, { accepted: unusual })
    return unusual ? [day] : []
  })
  const within = (day: number, [from, to]: number[]) => day + 1 >= from! && day <= to!
  const hit = windows.filter((window) => alarms.some((day) => within(day, window))).length
  const outside = alarms.filter((day) => !windows.some((window) => within(day, window))).length
  report({
    bench: BENCH,
    metric: 'history: taxi rides a day, known anomalies found',
    value: hit,
    unit: `of ${windows.length}`,
    note: `${outside} false alarms in ${days.length} days`,
  })
}
