import { average, ebm, forest, gbdt, linear, mlp, neighbours, stack } from 'millrace'
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

const CLASSES = (n: number) => `
  select x, case when x + u < -0.2 then 'low' when x + u < 0.6 then 'middle' else 'high' end as y
  from (select (hash(i * 64 + 1) % 10000) / 5000.0 - 1 as x, (hash(i * 64 + 2) % 10000) / 10000.0 - 0.5 as u from range(${n}) t(i))`

test('classes are calibrated by the map that a config names, and a vector straightens what leans', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(6_000)], { x: 'float', y: 'string' })
  for (const calibrate of ['temperature', 'vector'] as const) {
    const { parent } = await place.train(
      { ...modelDef({ trainer: gbdt({ trees: 10 }) }), calibrate },
      version,
    )
    const { graph } = await loadModel(place.store, parent)
    expect(graph.calibration?.kind).toBe(calibrate)
  }
  const leaning = gbdt({ trees: 40, objective: { name: 'softmax', classWeights: { low: 9 } } })
  const auto = await place.train(modelDef({ trainer: leaning }), version)
  const { graph } = await loadModel(place.store, auto.parent)
  expect(graph.calibration?.kind).toBe('vector')
})

test('where no map of probabilities can be learned, all training rows teach the model', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(6_000)], { x: 'float', y: 'string' })
  const learnedFrom = async (more: Partial<ModelDef>) => {
    const def: ModelDef = { ...modelDef({ trainer: neighbours() }), ...more }
    const { parent, version: model } = await place.train(def, version)
    const { graph } = await loadModel(place.store, parent)
    return { model: graph.model, calibration: graph.calibration, rows: model.trainedOn.rows }
  }
  const near = await learnedFrom({})
  expect(near.model.kind === 'NeighbourModel' && near.model.targets.length).toBe(near.rows)
  const trees = await learnedFrom({ trainer: forest({ trees: 3, bootstrap: false }) })
  expect(trees.model.kind === 'TreeEnsemble' && trees.model.cover[0]).toBe(trees.rows)
  const boosted = await learnedFrom({ trainer: gbdt({ trees: 2 }) })
  expect(boosted.model.kind === 'TreeEnsemble' && boosted.model.cover[0]).toBeLessThan(0.91 * boosted.rows)
  const plain = await learnedFrom({ trainer: gbdt({ trees: 2 }), calibrate: 'isotonic' })
  expect(plain.calibration).toBeNull()
  expect(plain.model.kind === 'TreeEnsemble' && plain.model.cover[0]).toBe(plain.rows)
  const each = await learnedFrom({ trainer: gbdt({ trees: 2, objective: 'oneVsAll' }) })
  expect(each.model.kind === 'TreeEnsemble' && each.model.cover[0]).toBe(each.rows)
})
