import { checks, col, dataset, gates, gbdt, immediate, maximize, model, project } from 'millrace'
import * as m from 'millrace/metrics'
import { snapshotsFile, writeSnapshots } from './snapshots.ts'

writeSnapshots()

const browsers = dataset('browsers', {
  source: snapshotsFile,
  time: 'seenAt',
  checks: [checks.notNull('platform', 'screenWidth', 'screenHeight')],
})

const apple = model('apple', {
  description: 'Is it a device of Apple, by the sizes of its screen and window?',
  from: browsers,
  target: col('platform').isIn(['MacIntel', 'iPhone', 'iPad']),
  features: {
    screenWidth: col('screenWidth'),
    screenHeight: col('screenHeight'),
    viewportWidth: col('viewportWidth'),
    viewportHeight: col('viewportHeight'),
  },
  trainer: gbdt({ trees: 100 }),
  split: { by: 'time', validate: '30d', test: '30d' },
  objectives: { quality: maximize(m.auc) },
  gates: [gates.beatsBaseline()],
  release: immediate(),
})

export default project('browsers', { datasets: [browsers], models: [apple] })
