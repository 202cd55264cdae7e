import { average, ebm, gbdt, linear, mlp, stack } from 'millrace'
import { expect, test } from 'vitest'
import type { ModelDef } from '../../src/define/types.ts'
import { loadModel } from '../../src/model/load.ts'
import { modelDef, openPlace } from '../fixtures/training-place.ts'

const ROWS = (n: number) => `
  select x, k, (u < 1 / (1 + exp(-(2 * x + case when k = 'A' then 1.5 else 0 end))))::boolean as y
  from (select (hash(i * 64 + 1) % 10000) / 5000.0 - 1 as x, (hash(i * 64 + 2) % 10000) / 10000.0 as u,
    case when i % 10 < 4 then 'A' when i % 10 < 8 then 'B' else null end as k from range(${n}) t(i))`
const SCHEMA = { x: 'float', k: 'string', y: 'bool' } as const

const SMALL_NET = mlp({ hidden: [8], epochs: 20, batchRows: 32 })

test.each([
  ['network', SMALL_NET],
  ['tables', ebm({ bags: 2, interactions: 1 })],
  ['composite', average({ of: SMALL_NET, seeds: 2 })],
  ['composite', stack({ of: [gbdt({ trees: 20 }), linear(), SMALL_NET], folds: 2 })],
] as const)(
  'a model of the format %s is prepared, trained, measured and read back',
  async (format, trainer) => {
    const place = await openPlace()
    const version = await place.version([ROWS(3000)], SCHEMA)
    const { parent, version: model } = await place.train(modelDef({ trainer }), version)
    expect(model.format).toBe(format)
    expect(model.card.metrics.auc.value).toBeGreaterThan(0.75)
    expect(model.card.importance[0].feature).toBe('x')
    const { graph } = await loadModel(place.store, parent)
    expect(graph.model.nFeatures).toBe(model.featureInfo.length)
  },
)

test('probabilities are calibrated by the map that a config names', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS(12_000)], SCHEMA)
  for (const calibrate of ['platt', 'beta', 'isotonic', 'none'] as const) {
    const def: ModelDef = { ...modelDef({ trainer: linear() }), calibrate }
    const { parent } = await place.train(def, version)
    const { graph } = await loadModel(place.store, parent)
    expect(graph.calibration?.kind ?? 'none').toBe(calibrate)
  }
})
