/** The policy of retraining on a model of several classes: a station records other names, an alert says so, and a version that learned them takes over by the evidence. */
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { expect, test } from 'vitest'
import { Follower } from '../../src/loop/follow.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { retrainIfDue } from '../../src/loop/retrain.ts'
import { trainModel } from '../../src/loop/train.ts'
import { currentRelease } from '../../src/release/record.ts'
import { openAlerts } from '../../src/watch/record.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { openLoop } from '../fixtures/loop-place.ts'
import { hasSeattle, SEATTLE_COLUMNS, SEATTLE_FILE } from '../fixtures/seattle-weather.ts'

const DAY = 86_400_000

const days = dataset('days', { source: 'none', time: 'date' })
const weather = model('weather', {
  from: days,
  target: col('weather'),
  trainer: gbdt({ trees: 40, leaves: 7, minRowsInLeaf: 10 }),
  split: { by: 'time', validate: '120d', test: '240d' },
  gates: [gates.beatsBaseline(), gates.noWorseThanLive({ tolerance: 0.5 })],
  release: canary({ steps: [0.5], rowsMin: 50, tolerance: 0.5 }),
  watch: {
    window: 'month',
    outcomeDelay: '1d',
    owner: 'oncall@example.com',
    retrain: ['quality'],
    cooldown: '1d',
  },
})

/** What the station calls the weather after its change. */
const RENAMED: Record<string, string> = { sun: 'rain', rain: 'sun' }
const select = (until: string, weatherOf = 'weather') =>
  `select * replace (${weatherOf} as weather) from read_csv('${SEATTLE_FILE}', types={'date': 'DATE'}) where date < '${until}' order by date`
const SWAPPED = "case weather when 'sun' then 'rain' when 'rain' then 'sun' else weather end"

test.skipIf(!hasSeattle)(
  'an alert of quality leads to a training, open gates, a shadow, a canary and a live version that has learned the change',
  async () => {
    const def = project('seattle', { datasets: [days], models: [weather] })
    const place = await openLoop(def as never, Date.UTC(2015, 5, 1, 0, 0, 1))
    const { rt, clock, server } = place
    await place.deliver('days', select('2015-01-01'), SEATTLE_COLUMNS)
    const query = await rt.query()
    const rows = await query.rows<Record<string, unknown>>({
      text: `select * replace (cast(date as varchar) as date) from (${select('2016-01-01')}) where date >= '2015-01-01'`,
      params: [],
    })
    await trainModel(rt, { model: 'weather', reason: 'first', actor: 'test' })
    await releaseLatest(rt, { model: 'weather', actor: 'test' })
    await server.station.router.refresh()
    const follower = await Follower.open(rt)
    let right = 0

    /** Asks about every day and tells what the station now calls it. */
    async function askAndTell(stepMs: number): Promise<void> {
      right = 0
      for (let at = 0; at < rows.length; at += 50) {
        clock.set(clock.now() + stepMs)
        const some = rows.slice(at, at + 50)
        const { body } = await place.post('/predict/weather', { rows: some })
        await server.station.settled()
        const values = some.map((row) => RENAMED[row.weather as string] ?? row.weather)
        const told = body.predictions.map(({ id, label }: { id: string; label: string }, i: number) => {
          if (label === values[i]) right++
          return { id, value: values[i] }
        })
        expect((await place.post('/predict/weather/feedback', told)).body.accepted).toBe(some.length)
      }
      await server.station.settled()
    }

    expect(await retrainIfDue(rt, 'weather')).toBeUndefined()
    await askAndTell(0)
    expect(right / rows.length).toBeLessThan(0.3)
    clock.set(Date.UTC(2015, 6, 3))
    const report = (await follower.poll()).find((h) => h.kind === 'window')?.report as WindowReport
    expect(report.findings.find((f) => f.check === 'watch.quality')?.verdict).toBe('fail')
    expect((await openAlerts(rt.store, 'weather')).map(({ alert }) => alert.dedupeKey)).toContain(
      'weather/quality',
    )

    let why = ''
    const deliver = async (reason: string) => {
      why = reason
      await place.deliver('days', select('2016-01-01', SWAPPED), SEATTLE_COLUMNS)
    }
    const retrained = await retrainIfDue(rt, 'weather', { deliver })
    expect(why).toMatch(/^(quality|calibration) alert: /)
    expect(retrained?.why).toBe(why)
    expect(retrained?.trained.passed).toBe(true)
    const live = retrained?.trained.report.findings.find((f) => f.check === 'gate.no-worse-than-live')
    expect(live?.verdict).toBe('pass')
    expect((await currentRelease(rt.store, 'weather'))?.release.state).toBe('shadow')
    // While a release is under way the policy waits, though the alert is still open.
    expect(await retrainIfDue(rt, 'weather', { deliver })).toBeUndefined()

    await server.station.router.refresh()
    await follower.poll()
    const states: string[] = []
    for (let round = 0; round < 4 && !states.includes('live'); round++) {
      await askAndTell(DAY / 24)
      for (const h of await follower.poll()) if (h.kind === 'release') states.push(h.release.state)
      await server.station.router.refresh()
    }
    expect(states).toEqual(['canary', 'live'])
    const { release } = (await currentRelease(rt.store, 'weather'))!
    expect(release.routes.find((r) => r.role === 'live')?.version).toBe(2)
    await askAndTell(0)
    expect(right / rows.length).toBeGreaterThan(0.6)
  },
  120_000,
)
