import { expect, test } from 'vitest'
import type { DatasetVersion } from '../../src/core/records.ts'
import {
  acceptUnusual,
  deliveries,
  findUnusual,
  judgedSeries,
  optionsFor,
  partsSeries,
  seriesOf,
} from '../../src/data/index.ts'
import type { CheckDef } from '../../src/define/types.ts'
import { checks } from '../../src/index.ts'
import { openPlace, type Place } from './fixture.ts'

const START = Date.UTC(2026, 0, 5)
const DAY = 86_400_000
const day = (i: number) => `TIMESTAMP '2026-01-05' + INTERVAL (${i}) DAY`

/** A day's delivery: `n` rows, values around `mean`, `missing` of them without. */
async function deliver(
  place: Place,
  i: number,
  defs: CheckDef[],
  { n = 1_000 + ((i * 37) % 20), mean = 50, missing = 0 } = {},
): Promise<DatasetVersion> {
  const file = `day-${String(i).padStart(3, '0')}-${n}-${mean}-${missing}.parquet`
  await place.parquet(
    file,
    `SELECT ${day(i)} + INTERVAL (r) SECOND AS at, CASE WHEN r < ${missing} THEN NULL ELSE ${mean} + (r * 7919 + ${i} * 104729) % 1009 / 100.0 END AS x, 'city ' || ((r * 31 + ${i}) % 7) AS city FROM range(${n}) t(r)`,
  )
  return await place.import(
    { time: 'at', checks: defs, parts: { by: 'month', rowsMax: 1_000 } },
    { files: [file], now: START + (i + 1) * DAY },
  )
}

const findings = (version: DatasetVersion, check: string) => version.findings.filter((f) => f.check === check)

test('a row count that its history does not let expect is told at the ninth delivery, and not before', async () => {
  const place = await openPlace()
  const defs = [checks.usual('rows').def]
  for (let i = 0; i < 8; i++) {
    const [early] = findings(await deliver(place, i, defs), 'usual(rows)')
    expect(early!.verdict).toBe('inconclusive')
    expect(early!.message).toContain(`${i} of the 8 earlier deliveries that are needed are known`)
  }
  const [found] = findings(await deliver(place, 8, defs, { n: 400 }), 'usual(rows)')
  expect([found!.verdict, found!.value, found!.at]).toEqual(['fail', 400, START + 9 * DAY])
  expect(found!.interval![0]).toBeGreaterThan(900)
  expect(found!.message).toMatch(
    /^usual\(rows\): rows is 400, which is unusual: [\d,.]+ to [\d,.]+ is expected of 8 earlier ones$/,
  )
})

test('a fault is not learned until a person accepts it, and the journal says who did', async () => {
  const place = await openPlace()
  const defs = [checks.usual('mean', 'x').def]
  const verdicts: string[] = []
  const run = async (i: number, mean: number) =>
    verdicts.push(findings(await deliver(place, i, defs, { mean }), 'usual(mean(x))')[0]!.verdict)
  for (let i = 0; i < 10; i++) await run(i, 50)
  for (let i = 10; i < 13; i++) await run(i, 90)
  expect(verdicts.slice(8)).toEqual(['pass', 'pass', 'fail', 'fail', 'fail'])
  await expect(findUnusual(place.store, 'd', { metric: 'rows' })).rejects.toMatchObject({
    code: 'MR_DATA_NOT_UNUSUAL',
  })
  const point = await acceptUnusual(place.store, 'd', {
    metric: 'mean(x)',
    actor: 'ada',
    reason: 'a new sensor',
  })
  expect([point.state, point.at]).toEqual(['accepted', START + 12 * DAY])
  for (let i = 13; i < 16; i++) await run(i, 90)
  expect(verdicts.slice(13)).toEqual(['pass', 'pass', 'pass'])
  const series = seriesOf(await deliveries(place.store, 'd'), 'mean(x)')
  expect(series.map((p) => p.state)).toEqual([
    ...new Array(10).fill('usual'),
    'unusual',
    'unusual',
    'accepted',
    'usual',
    'usual',
    'usual',
  ])
  const [event] = await place.store.meta.events({ subject: 'datasets/d', types: ['data.accepted'] })
  expect([event!.actor, event!.reason]).toEqual(['ada', 'a new sensor'])
}, 30_000)

test('a delivery that `stop` refuses leaves its numbers, which are learned by nobody', async () => {
  const place = await openPlace()
  const defs = [checks.usual('missing', 'x').stop().def]
  for (let i = 0; i < 9; i++) await deliver(place, i, defs)
  await expect(deliver(place, 9, defs, { missing: 300 })).rejects.toMatchObject({ code: 'MR_DATA_REFUSED' })
  const series = seriesOf(await deliveries(place.store, 'd'), 'missing(x)')
  expect(series.at(-1)).toMatchObject({ state: 'unusual', at: START + 9 * DAY, n: 1_000 + ((9 * 37) % 20) })
  expect((await deliver(place, 10, defs)).findings.map((f) => f.verdict)).toEqual(['pass'])
})

test('numbers are kept whether a check asks for them or not, by the time of the rows', async () => {
  const place = await openPlace()
  await deliver(place, 5, [])
  await deliver(place, 2, [])
  const all = await deliveries(place.store, 'd')
  expect(all.map((d) => d.at)).toEqual([START + 2 * DAY, START + 5 * DAY])
  expect(Object.keys(all[0]!.values).sort()).toEqual([
    'distinctApprox(at)',
    'distinctApprox(city)',
    'distinctApprox(x)',
    'mean(x)',
    'missing(at)',
    'missing(city)',
    'missing(x)',
    'rows',
    'std(x)',
  ])
  expect(all[0]!.values['missing(x)']).toEqual({ value: 0, n: 1_000 + (74 % 20) })
})

test('drift names the columns that moved, is quiet when none did, and needs a version before', async () => {
  const place = await openPlace()
  const defs = [checks.drift().def, checks.drift({ columns: ['city'] }).named('cities').def]
  const first = await deliver(place, 0, defs)
  expect(first.findings.map((f) => f.verdict)).toEqual(['inconclusive', 'inconclusive'])
  const calm = await deliver(place, 1, defs)
  expect(calm.findings.map((f) => f.verdict)).toEqual(['pass', 'pass'])
  const [moved, cities] = (await deliver(place, 2, defs, { mean: 53 })).findings
  expect([moved!.verdict, moved!.slice, cities!.verdict]).toEqual(['fail', 'x', 'pass'])
  expect(moved!.message).toMatch(
    /^drift\(all columns\): against the version before, x \(stability index [\d.]+, p < 0\.001\) moved, of 2 columns/,
  )
  const head = (await place.store.meta.ref('datasets/d@main'))!.digest
  await deliver(place, 3, [])
  const pinned = await deliver(place, 4, [checks.drift({ against: head }).def], { mean: 53 })
  expect(pinned.findings[0]!.message).toContain(`against ${head}`)
})

test('parts that are blocks of rows are numbered, though their keys look like dates to some engines', () => {
  const keys = Array.from({ length: 40 }, (_, i) => `rows-${String(i).padStart(6, '0')}`)
  const parts = keys.map((key) => ({ key, keyRange: { min: key, max: key }, rows: 10, stats: {} }))
  const series = partsSeries(parts as unknown as DatasetVersion['parts'], 'rows')
  expect(series.map(({ at }) => at)).toEqual([...keys.keys()])
})

test('a check of history whose column is gone breaks, and is told once', async () => {
  const place = await openPlace()
  const { findings } = await deliver(place, 0, [checks.usual('mean', 'gone').def])
  expect(findings.map((f) => f.verdict)).toEqual(['error'])
})

test('drift against a version that is not there yet is not judged, and the delivery is taken', async () => {
  const place = await openPlace()
  const defs = [checks.drift({ against: 'd@main~1' }).stop().def]
  const found = []
  for (const day of [0, 1, 2]) found.push((await deliver(place, day, defs)).findings[0]!)
  expect(found.map((f) => f.verdict)).toEqual(['inconclusive', 'inconclusive', 'pass'])
  expect(found[1]!.message).toContain('no version "d@main~1" to compare with')
})

test('the real daily row counts of the flights are usual but for few days, and a day of half is told', async () => {
  const { fileURLToPath } = await import('node:url')
  const { dirname, join } = await import('node:path')
  const source = join(
    dirname(fileURLToPath(import.meta.resolve('vega-datasets'))),
    '..',
    'data',
    'flights-3m.parquet',
  )
  const place = await openPlace()
  const rows = await place.query.rows<{ at: number; n: number }>({
    text: "SELECT CAST(epoch_ms(date_trunc('day', date)) AS DOUBLE) AS at, count(*) AS n FROM read_parquet(?) WHERE date < TIMESTAMP '2001-07-01' GROUP BY 1 ORDER BY 1",
    params: [source],
  })
  const parts = rows.map(({ at, n }) => ({
    rows: Number(n),
    keyRange: { min: new Date(at).toISOString(), max: '' },
    stats: {},
  }))
  const series = partsSeries(parts as unknown as DatasetVersion['parts'], 'rows')
  const judged = judgedSeries(series, optionsFor('rows'))
  const unusual = judged.filter((p) => p.judgement.verdict === 'unusual')
  expect(judged).toHaveLength(181)
  expect(unusual.length).toBeLessThanOrEqual(1)
  const halved = series.map((p, i) => (i === 120 ? { ...p, value: Math.round(p.value / 2) } : p))
  expect(judgedSeries(halved, optionsFor('rows'))[120]!.judgement.verdict).toBe('unusual')
}, 30_000)
