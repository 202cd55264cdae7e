import { canary, checks, col, dataset, gates, gbdt, maximize, model, project, under } from 'millrace'
import * as m from 'millrace/metrics'
import { expect, test } from 'vitest'

const flights = dataset('flights', {
  source: 'data/flights/*.parquet',
  time: 'date',
  checks: [checks.notNull('delay', 'origin'), checks.between('delay', -120, 2880).atLeast(0.999)],
})

const late = model('late', {
  from: flights,
  target: col('delay').gt(15),
  features: {
    hour: col('date').hour(),
    weekday: col('date').weekday(),
    distance: col('distance'),
    origin: col('origin').category(),
    destination: col('destination').category(),
  },
  each: 'origin',
  trainer: gbdt({ trees: 200 }),
  split: { by: 'time', validate: '7d', test: '7d' },
  objectives: {
    quality: maximize(m.auc, { owner: 'ml@example.com' }),
    latency: under('5ms', m.latencyP99, { owner: 'infra@example.com' }),
  },
  gates: [gates.noWorseThanLive(), gates.slices('destination', { floor: 0.6 })],
  release: canary({ steps: [0.01, 0.1, 0.5] }),
  watch: { retrain: ['weekly', 'drift'], owner: 'oncall@example.com' },
})

test('the config of the design page builds plain data that survives JSON', () => {
  const def = project('flights', { datasets: [flights], models: [late] })
  expect(JSON.parse(JSON.stringify(def))).toEqual(def)
  expect(def.models[0]!.each).toEqual({ column: 'origin', rowsMin: 2000, membersMax: 10_000 })
  expect(def.models[0]!.objectives[1]).toEqual({
    name: 'latency',
    metric: 'latencyP99',
    goal: 'under',
    limit: 5,
    owner: 'infra@example.com',
  })
  expect(def.models[0]!.split).toEqual({ by: 'time', validateMs: 7 * 86_400_000, testMs: 7 * 86_400_000 })
  expect(def.datasets[0]!.checks.map((check) => check.name)).toEqual([
    'notNull(delay, origin)',
    'between(delay, -120, 2880)',
  ])
  expect(def.datasets[0]!.checks[1]!.atLeast).toBe(0.999)
})
