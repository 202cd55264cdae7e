/** Two versions of a model of real weather, compared by what they answer. */
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { ModelBundle, ModelVersion } from '../../src/core/records.ts'
import { behaviourBetween } from '../../src/loop/behaviour.ts'
import { trainModel } from '../../src/loop/train.ts'
import { type LoopPlace, openLoop } from '../fixtures/loop-place.ts'
import { hasSeattle, SEATTLE_COLUMNS, SEATTLE_FILE } from '../fixtures/seattle-weather.ts'

const days = dataset('days', { source: 'none', time: 'date' })
const shared = {
  from: days,
  split: { by: 'time', validate: '120d', test: '240d' },
  gates: [gates.beatsBaseline()],
  release: canary({ steps: [] }),
  watch: { owner: 'oncall@example.com' },
} as const
const few = gbdt({ trees: 5, leaves: 4, minRowsInLeaf: 10 })
const many = gbdt({ trees: 40, leaves: 7, learningRate: 0.1, minRowsInLeaf: 10 })
const sunny = model('sunny', {
  ...shared,
  target: col('weather').eq('sun'),
  features: {
    month: col('date').month(),
    low: col('temp_min'),
    high: col('temp_max'),
    wind: col('wind'),
  },
  trainer: few,
})
const high = model('high', {
  ...shared,
  target: col('temp_max'),
  features: { low: col('temp_min') },
  trainer: few,
})

describe.skipIf(!hasSeattle)('versions of a model of real weather', () => {
  let place: LoopPlace

  beforeAll(async () => {
    place = await openLoop(
      project('seattle', { datasets: [days], models: [sunny, high] }) as never,
      Date.UTC(2015, 5, 1),
    )
    await place.deliver(
      'days',
      `select * from read_csv('${SEATTLE_FILE}', types={'date': 'DATE'}) order by date`,
      SEATTLE_COLUMNS,
    )
    for (const { name, trainer } of [
      { name: 'sunny', trainer: few },
      { name: 'sunny', trainer: many },
      { name: 'high', trainer: few },
    ])
      await trainModel(place.rt, { model: name, trainer: trainer as never, reason: 'test', actor: 'test' })
  }, 120_000)

  test('say which decisions changed, and agree with the card about what each is worth', async () => {
    const { report, before, after, known } = await behaviourBetween(place.rt, {
      before: 'sunny@v1',
      after: 'sunny',
    })
    expect([before.version, after.version, known]).toEqual([1, 2, false])
    expect(report.rows).toBe(240)
    const { changed, broken, mended, ways } = report.decisions!
    const n = ways.reduce((sum, way) => sum + way.n, 0)
    expect(changed.value).toBeCloseTo(n / 240, 12)
    // of two answers one is right
    expect(broken + mended).toBe(n)
    expect(n).toBeGreaterThan(0)
    const { store } = place.rt
    const latest = (await store.meta.ref(refs.latest('sunny')))!.digest
    const { parent } = await store.getRecord<ModelBundle>(latest, 'ModelBundle')
    const { card } = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
    const auc = report.metrics.find(({ metric }) => metric === 'auc')!
    expect(auc.after.value).toBeCloseTo(card.metrics.auc.value, 9)
    expect(auc.gain!.value).toBeCloseTo(auc.after.value - auc.before.value, 9)
  })

  test('are compared once, and nothing moves between a version and itself', async () => {
    const again = { before: 'sunny@v1', after: 'sunny@latest' }
    expect((await behaviourBetween(place.rt, again)).known).toBe(true)
    const { report } = await behaviourBetween(place.rt, { before: 'sunny@v2', after: 'sunny@v2' })
    expect(report.moves.meanAbsolute).toBe(0)
    expect(report.slices).toEqual([])
  })

  test('of two tasks are refused, as is one that there is not', async () => {
    const code = (before: string) =>
      behaviourBetween(place.rt, { before, after: 'sunny' }).catch((error: { code: string }) => error.code)
    expect(await code('high')).toBe('MR_LOOP_COMPARE')
    expect(await code('sunny@v9')).toBe('MR_LOOP_UNKNOWN')
  })
})
