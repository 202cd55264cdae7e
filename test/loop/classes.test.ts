/** The whole life of a model that names one of several classes, on four years of weather in Seattle: trained, released, asked, told, judged and trained again. */
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ModelVersion } from '../../src/core/records.ts'
import { Follower } from '../../src/loop/follow.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { trainModel } from '../../src/loop/train.ts'
import { currentRelease } from '../../src/release/record.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { type LoopPlace, openLoop } from '../fixtures/loop-place.ts'
import { hasSeattle, SEATTLE_COLUMNS, SEATTLE_FILE } from '../fixtures/seattle-weather.ts'

const DAY = 86_400_000
const CLASSES = ['drizzle', 'fog', 'rain', 'snow', 'sun']

const days = dataset('days', { source: 'none', time: 'date' })
const weather = model('weather', {
  from: days,
  target: col('weather'),
  trainer: gbdt({ trees: 60, leaves: 7, learningRate: 0.1, minRowsInLeaf: 10 }),
  split: { by: 'time', validate: '120d', test: '240d' },
  gates: [
    gates.beatsBaseline(),
    gates.noLeak(),
    gates.noWorseThanLive({ tolerance: 0.5 }),
    gates.calibration({ max: 0.3 }),
    gates.slices('wind', { floor: 0.2, rowsMin: 10 }),
    gates.latency({ max: '500ms' }),
  ],
  release: canary({ steps: [0.5], rowsMin: 50, tolerance: 0.5 }),
  watch: { window: 'month', outcomeDelay: '1d', owner: 'oncall@example.com' },
})

const until = (day: string) =>
  `select * from read_csv('${SEATTLE_FILE}', types={'date': 'DATE'}) where date < '${day}' order by date`

describe.skipIf(!hasSeattle)('weather of several kinds', () => {
  let place: LoopPlace
  let follower: Follower
  let rows: Record<string, unknown>[]

  beforeAll(async () => {
    const def = project('seattle', { datasets: [days], models: [weather] })
    place = await openLoop(def as never, Date.UTC(2015, 5, 1, 0, 0, 1))
    await place.deliver('days', until('2015-01-01'), SEATTLE_COLUMNS)
    const query = await place.rt.query()
    const found = await query.rows<Record<string, unknown>>({
      text: `select * replace (cast(date as varchar) as date) from (${until('2016-01-01')}) where date >= '2015-01-01'`,
      params: [],
    })
    rows = found
    follower = await Follower.open(place.rt)
  }, 60_000)

  /** Asks about every day of the year and tells what the weather was. */
  async function askAndTell(stepMs: number): Promise<void> {
    for (let at = 0; at < rows.length; at += 50) {
      place.clock.set(place.clock.now() + stepMs)
      const some = rows.slice(at, at + 50)
      const { body } = await place.post('/predict/weather', { rows: some })
      await place.server.station.settled()
      const told = body.predictions.map(({ id }: { id: string }, i: number) => ({
        id,
        value: some[i].weather,
      }))
      expect((await place.post('/predict/weather/feedback', told)).body.accepted).toBe(some.length)
    }
    await place.server.station.settled()
  }

  test('text makes a model of its classes, whose card tells each of them', async () => {
    const trained = await trainModel(place.rt, { model: 'weather', reason: 'first', actor: 'test' })
    expect(trained.plan.task).toBe('multiclass')
    expect(trained.plan.classes).toEqual(CLASSES)
    expect(trained.plan.notes.join()).toContain('names one of 5 classes')
    expect(trained.report.findings.map((f) => [f.check, f.verdict]).filter(([, v]) => v !== 'pass')).toEqual(
      [],
    )
    const { card, classes, task } = await place.rt.store.getRecord<ModelVersion>(
      trained.bundle.parent,
      'ModelVersion',
    )
    expect([task, classes]).toEqual(['multiclass', CLASSES])
    expect(card.metrics.accuracy.value).toBeGreaterThan(card.baseline.accuracy.value + 0.1)
    expect(card.metrics.logLoss.value).toBeLessThan(card.baseline.logLoss.value)
    expect(card.metrics.macroAuc.value).toBeGreaterThan(0.6)
    expect(card.classes?.map(({ label }) => label)).toEqual(CLASSES)
    const told = card.confusion?.reduce((sum, [, , n]) => sum + n, 0)
    expect(told).toBe(trained.plan.rows.test)
    expect(card.importance[0].feature).toBe('precipitation')
    expect(card.calibration.length).toBeGreaterThan(0)
    await releaseLatest(place.rt, { model: 'weather', actor: 'test' })
    await place.server.station.router.refresh()
  })

  test('an answer names a class and says all probabilities, in JSON and in tensors', async () => {
    const [row] = rows
    const { status, body } = await place.post('/predict/weather?explain=1', { row })
    expect(status).toBe(200)
    expect(Object.keys(body.probabilities)).toEqual(CLASSES)
    const sum = Object.values(body.probabilities as Record<string, number>).reduce((a, b) => a + b)
    expect(sum).toBeCloseTo(1, 12)
    expect(body.output).toBe(body.probabilities[body.label])
    expect(body.output).toBe(Math.max(...Object.values(body.probabilities as Record<string, number>)))
    expect(body.explanation).toMatchObject({ class: body.label, output: body.output })
    const snow = (await place.post('/predict/weather/explain?class=snow', { row })).body
    expect(snow.explanation).toMatchObject({ class: 'snow', output: body.probabilities.snow })
    const wrong = await place.post('/predict/weather/explain?class=hail', { row })
    expect([wrong.status, wrong.body.code]).toEqual([400, 'MR_SERVE_CLASS'])
    const tensors = Object.entries(row)
      .filter(([name]) => name !== 'weather')
      .map(([name, value]) =>
        typeof value === 'string'
          ? { name, datatype: 'BYTES', shape: [1], data: [value] }
          : { name, datatype: 'FP64', shape: [1], data: [value] },
      )
    const infer = await place.post('/v2/models/weather/infer', { inputs: tensors })
    expect(infer.body.outputs).toEqual([
      { name: 'probabilities', datatype: 'FP64', shape: [1, 5], data: Object.values(body.probabilities) },
      { name: 'label', datatype: 'BYTES', shape: [1], data: [body.label] },
    ])
    const info = (await place.get('/v2/models/weather')).body
    expect(info.outputs[0]).toEqual({ name: 'probabilities', datatype: 'FP64', shape: [-1, 5] })
    const api = (await place.get('/openapi.json')).body
    expect(api.components.schemas['weather.Answer'].properties.label.enum).toEqual(CLASSES)
  })

  test('what happened is told by its name, and a window judges accuracy, log loss, calibration and the mix of classes', async () => {
    await askAndTell(0)
    place.clock.set(Date.UTC(2015, 6, 3))
    const happened = await follower.poll()
    const report = happened.find((h) => h.kind === 'window')?.report as WindowReport
    expect(report.joined).toBe(rows.length)
    expect(Object.keys(report.metrics).sort()).toEqual(['accuracy', 'calibrationError', 'logLoss', 'macroF1'])
    expect(report.metrics.accuracy.value).toBeGreaterThan(0.5)
    expect(report.meanActual).toBeCloseTo(report.metrics.accuracy.value, 12)
    expect(report.expected?.metric).toBe('accuracy')
    const counts = Object.fromEntries((report.classes ?? []).map((c) => [c.label, c.happened]))
    const really = Object.fromEntries(CLASSES.map((c) => [c, rows.filter((r) => r.weather === c).length]))
    expect(counts).toEqual(really)
    expect(report.findings.map((f) => f.check)).toEqual(
      expect.arrayContaining(['watch.quality', 'watch.calibration', 'watch.class-drift']),
    )
  })

  test('trained on the year that came, the next version goes through its shadow by paired log loss', async () => {
    await place.deliver('days', until('2016-01-01'), SEATTLE_COLUMNS)
    const { passed, report } = await trainModel(place.rt, {
      model: 'weather',
      reason: 'new rows',
      actor: 'test',
    })
    const live = report.findings.find((f) => f.check === 'gate.no-worse-than-live')
    expect(live?.message).toContain('log loss against live v1')
    expect(passed).toBe(true)
    await releaseLatest(place.rt, { model: 'weather', actor: 'test' })
    await place.server.station.router.refresh()
    expect((await currentRelease(place.rt.store, 'weather'))?.release.state).toBe('shadow')
    await follower.poll()
    const states: string[] = []
    for (let round = 0; round < 4 && !states.includes('live'); round++) {
      await askAndTell(DAY / 24)
      for (const h of await follower.poll()) if (h.kind === 'release') states.push(h.release.state)
    }
    expect(states).toEqual(['canary', 'live'])
    const { release } = (await currentRelease(place.rt.store, 'weather'))!
    expect(release.routes.find((r) => r.role === 'live')?.version).toBe(2)
  })
})
