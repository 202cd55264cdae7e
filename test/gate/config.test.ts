import { expect, test } from 'vitest'
import { checkProject } from '../../src/define/check.ts'
import { canary, col, dataset, gates, model, project } from '../../src/define/index.ts'
import * as m from '../../src/define/metrics.ts'
import type { GateDef } from '../../src/define/types.ts'

const from = dataset('d', { source: 'd.csv' })
const faultsOf = (gate: GateDef) =>
  checkProject(
    project('p', {
      datasets: [from],
      models: [model('m', { from, target: col('y').gt(1), gates: [gate], release: canary() })],
    }),
  ).map((fault) => fault.code)

test('a gate on what a model costs takes bounds alone; there are no rows to compare or to slice', () => {
  for (const metric of [m.latencyP50, m.latencyP99, m.modelBytes]) {
    expect(faultsOf(gates.metric(metric, { max: 1 }))).toEqual([])
    expect(faultsOf(gates.noWorseThanLive({ metric }))).toEqual(['MR_DEFINE_UNKNOWN'])
    expect(faultsOf(gates.beatsBaseline({ metric }))).toEqual(['MR_DEFINE_UNKNOWN'])
    expect(faultsOf(gates.slices('y', { metric, floor: 1 }))).toEqual(['MR_DEFINE_UNKNOWN'])
  }
  for (const metric of [m.auc, m.averagePrecision, m.accuracy, m.r2]) {
    expect(faultsOf(gates.noWorseThanLive({ metric }))).toEqual([])
    expect(faultsOf(gates.slices('y', { metric, floor: 1 }))).toEqual([])
  }
  expect(faultsOf({ kind: 'metric', metric: 'auto', max: 1 })).toEqual(['MR_DEFINE_UNKNOWN'])
})
