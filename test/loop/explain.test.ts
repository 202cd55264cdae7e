/** A trained model explained over real weather: a number, categories, classes and a family's member. */
import { canary, col, dataset, gates, gbdt, linear, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import { explainChange, explainModel, explainOneRow } from '../../src/loop/explain.ts'
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
const small = { trees: 30, leaves: 7, learningRate: 0.1, minRowsInLeaf: 10 }
const sunny = model('sunny', {
  ...shared,
  target: col('weather').eq('sun'),
  features: { month: col('date').month(), low: col('temp_min'), high: col('temp_max'), wind: col('wind') },
  trainer: gbdt(small),
})
const kind = model('kind', {
  ...shared,
  target: col('weather'),
  features: { rain: col('precipitation'), low: col('temp_min'), high: col('temp_max') },
  trainer: gbdt(small),
})
const high = model('high', {
  ...shared,
  target: col('temp_max'),
  features: { low: col('temp_min'), weather: col('weather').category(), wind: col('wind') },
  trainer: gbdt(small),
})
const straight = model('straight', {
  ...shared,
  target: col('temp_max'),
  features: { low: col('temp_min') },
  trainer: linear(),
})

const DAY = { date: '2015-01-10', precipitation: 0, temp_max: 5, temp_min: 1, wind: 2.5, weather: 'fog' }

describe.skipIf(!hasSeattle)('a model of real weather explained', () => {
  let place: LoopPlace

  beforeAll(async () => {
    const def = project('seattle', { datasets: [days], models: [sunny, kind, high, straight] })
    place = await openLoop(def as never, Date.UTC(2015, 5, 1))
    await place.deliver(
      'days',
      `select * from read_csv('${SEATTLE_FILE}', types={'date': 'DATE'}) order by date`,
      SEATTLE_COLUMNS,
    )
    for (const name of ['sunny', 'kind', 'high', 'straight'])
      await trainModel(place.rt, { model: name, reason: 'first', actor: 'test' })
  }, 120_000)

  test('tells what it leans on three ways, and how its score depends on what leads', async () => {
    const found = await explainModel(place.rt, { model: 'high' })
    expect(found).toMatchObject({ kind: 'ModelExplanation', class: null, loss: 'rmse', rows: 240 })
    // the lowest temperature of a day tells its highest
    const [first] = found.features
    expect(first.feature).toBe('low')
    expect(first.shuffled.interval[0]).toBeGreaterThan(1)
    expect(first.splits).toBeGreaterThan(0.5)
    expect(found.features.reduce((sum, { splits }) => sum + splits!, 0)).toBeCloseTo(1, 9)
    const curve = found.curves.find(({ feature }) => feature === 'low')!
    expect(curve.local.at(-1)! - curve.local[0]).toBeGreaterThan(8)
    const mean = curve.dependence.at(-1)! - curve.dependence[0]
    expect(mean).toBeGreaterThan(8)
  })

  test('names the levels of a category, in an order of its own', async () => {
    const { curves } = await explainModel(place.rt, { model: 'high', feature: 'weather' })
    expect(curves).toHaveLength(1)
    expect(curves[0].type).toBe('category')
    expect([...curves[0].at].sort()).toEqual(
      ['drizzle', 'fog', 'rain', 'snow', 'sun'].filter((w) => curves[0].at.includes(w)),
    )
    expect(curves[0].rows.reduce((sum, n) => sum + n, 0)).toBe(240)
  })

  test('explains one row by training and against training rows; both add up to the same answer', async () => {
    const found = await explainOneRow(place.rt, { model: 'sunny', row: DAY })
    expect(found.explanations.map(({ method, exact }) => [method, exact])).toEqual([
      ['tree-path', true],
      ['interventional', true],
    ])
    for (const { base, contributions, residual } of found.explanations) {
      const sum = contributions.reduce((total, { contribution }) => total + contribution, base)
      expect(sum).toBeCloseTo(found.raw, 9)
      expect(residual).toBeLessThan(1e-9)
    }
    expect(found.explanations[1].background).toMatch(/^sha256:/)
    expect(found.features).toEqual({ month: 1, low: 1, high: 5, wind: 2.5 })
    expect(found.alike.length).toBeGreaterThan(0)
    expect(found.alike[0].similarity).toBeGreaterThan(0.3)
  })

  test('answers as serving does, for a class that is named', async () => {
    const found = await explainOneRow(place.rt, { model: 'kind', row: DAY, class: 'snow' })
    expect(found.class).toBe('snow')
    expect(found.output).toBeGreaterThanOrEqual(0)
    expect(found.output).toBeLessThanOrEqual(1)
    for (const { target } of found.alike) expect(['drizzle', 'fog', 'rain', 'snow', 'sun']).toContain(target)
    const wanted = { above: 0.5 }
    const change = await explainChange(place.rt, { model: 'kind', row: DAY, class: 'snow', wanted })
    expect([change.class, change.output]).toEqual(['snow', found.output])
    await expect(explainOneRow(place.rt, { model: 'kind', row: DAY, class: 'hail' })).rejects.toThrow(
      'MR_LOOP_UNKNOWN',
    )
  })

  test('a linear model is explained by its closed form alone', async () => {
    const found = await explainOneRow(place.rt, { model: 'straight', row: DAY })
    expect(found.explanations.map(({ method }) => method)).toEqual(['closed-form'])
    expect(found.alike).toEqual([])
    expect((await explainModel(place.rt, { model: 'straight' })).features[0].splits).toBeNull()
  })

  test('finds what would have to change, keeping what is fixed, and the changed row answers so', async () => {
    const { output, answers } = await explainChange(place.rt, {
      model: 'high',
      row: DAY,
      wanted: { above: 18 },
      fixed: ['weather'],
    })
    expect(output).toBeLessThan(18)
    expect(answers.length).toBeGreaterThan(0)
    for (const answer of answers) {
      expect(answer.output).toBeGreaterThanOrEqual(18)
      expect(answer.changes.map(({ feature }) => feature)).not.toContain('weather')
    }
    const { changes } = answers[0]
    const moved = Object.fromEntries(
      changes.map(({ feature, to }) => [feature === 'low' ? 'temp_min' : feature, to]),
    )
    const again = await explainOneRow(place.rt, { model: 'high', row: { ...DAY, ...moved } })
    expect(again.output).toBe(answers[0].output)
    const there = await explainChange(place.rt, { model: 'high', row: DAY, wanted: { below: 30 } })
    expect(there.answers).toEqual([])
  })

  test('refuses what is not there: models, members, features, fields', async () => {
    const refused = [
      [() => explainModel(place.rt, { model: 'none' }), 'MR_LOOP_UNKNOWN'],
      [() => explainModel(place.rt, { model: 'high/ATL' }), 'MR_LOOP_UNKNOWN'],
      [() => explainModel(place.rt, { model: 'high', feature: 'snow' }), 'MR_LOOP_UNKNOWN'],
      [() => explainOneRow(place.rt, { model: 'high', row: { ...DAY, temp_min: 'cold' } }), 'MR_'],
      [
        () => explainChange(place.rt, { model: 'high', row: DAY, wanted: { above: 1 }, up: ['x'] }),
        'MR_LOOP_UNKNOWN',
      ],
    ] as const
    for (const [asked, code] of refused) await expect(asked()).rejects.toThrow(code)
  })
})
