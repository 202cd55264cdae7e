import { canary, checks, col, dataset, each, gates, gbdt, maximize, model, project, under } from 'millrace'
import * as m from 'millrace/metrics'
import { flightsFile } from './flights-file.ts'

const flights = dataset('flights', {
  source: flightsFile,
  time: 'date',
  checks: [
    checks.notNull('date', 'delay', 'distance', 'origin', 'destination'),
    checks.between('delay', -120, 2880).named('delay in range').atLeast(0.999),
    checks.between('distance', 1, 6000).named('distance in range'),
    checks.unique().named('no exact duplicates').atLeast(0.99),
    checks.inWindow('date').named('in the period delivered').atLeast(0.999),
  ],
})

const late = model('late', {
  description: 'Will this flight arrive more than 15 minutes late?',
  from: flights,
  target: col('delay').gt(15),
  features: {
    hour: col('date').hour(),
    weekday: col('date').weekday(),
    distance: col('distance'),
    originRate: col('origin').rate({ smoothing: 100 }),
    destinationRate: col('destination').rate({ smoothing: 100 }),
    routeRate: col('origin').concat('-', col('destination')).rate({ smoothing: 100 }),
  },
  each: each('origin', { rowsMin: 300 }),
  trainer: gbdt({ trees: 60, leaves: 63, learningRate: 0.2, memberTrees: 10 }),
  split: { by: 'time', validate: '7d', test: '7d' },
  objectives: {
    quality: maximize(m.auc, { owner: 'ml@example.com' }),
    latency: under('5ms', m.latencyP99, { owner: 'infra@example.com' }),
  },
  gates: [
    gates.beatsBaseline(),
    gates.noWorseThanLive(),
    gates.calibration({ max: 0.12 }),
    gates.slices('destination', { floor: 0.5 }),
  ],
  release: canary({ steps: [0.01, 0.1, 0.5] }),
  watch: {
    window: 'week',
    retrain: ['quality', 'drift'],
    owner: 'oncall@example.com',
    outcomeDelay: '1d',
    cooldown: '21d',
  },
})

export default project('flights', { datasets: [flights], models: [late] })
