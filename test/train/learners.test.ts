/** Every learner that takes a table, from a dataset version to a gate: features as SQL and as serving computes them, a card, and an explanation. */
import { expect, test } from 'vitest'
import type { ModelVersion } from '../../src/core/records.ts'
import { factors, ftrl, linear, neighbours } from '../../src/define/index.ts'
import type { TrainerDef } from '../../src/define/types.ts'
import { explainRow } from '../../src/model/explain.ts'
import { loadModel } from '../../src/model/load.ts'
import { modelDef, openPlace } from '../fixtures/training-place.ts'

const ROWS = `select i % 7 as n, case when i % 11 = 0 then null else 'city ' || (i * 37 % 13) end as city, sqrt(i % 90) as x,
  (i * 37 % 13 < 6) <> (i * 2654435769 % 4294967296 < 900000000) as y, 10 * sqrt(i % 90) + (i * 37 % 13) as z from range(3000) t(i)`
const SCHEMA = { n: 'int', city: 'string', x: 'float', y: 'bool', z: 'float' } as const
const feature = (name: string, type?: 'category') => ({
  name,
  expr: { op: 'col' as const, name },
  ...(type && { type }),
})
const FEATURES = [feature('n', 'category'), feature('city'), feature('x')]

const TRAINERS: [string, TrainerDef, string][] = [
  ['linear', linear(), 'linear'],
  ['linear, a weight for each value', linear({ categories: 'oneHot', l1: 1 }), 'linear'],
  ['linear, a path of penalties', linear({ categories: 'oneHot', path: 8 }), 'linear'],
  ['ftrl', ftrl({ bits: 12, alpha: 0.3, passes: 5, interactions: [['n', 'city']] }), 'hashed'],
  ['factors', factors({ bits: 10, factors: 2 }), 'factors'],
  ['neighbours', neighbours({ k: 9 }), 'neighbours'],
]

test.each(TRAINERS)(
  '%s goes from a dataset to open gates, for yes or no and for numbers',
  async (_, trainer, format) => {
    const place = await openPlace()
    const version = await place.version([ROWS], SCHEMA)
    for (const target of ['y', 'z']) {
      const def = modelDef({ trainer, target: { op: 'col', name: target }, features: FEATURES })
      const trained = await place.train(def, version)
      expect(trained.version.format).toBe(format)
      const report = await place.gate(def, trained)
      expect(report.findings.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
        'gate.beats-baseline pass',
        'gate.no-skew pass',
      ])
      const again = await place.train(def, version)
      expect(again.parent).toBe(trained.parent)
      const { graph } = await loadModel(place.store, trained.parent)
      const { base, contributions, raw } = explainRow(graph.model, Float64Array.of(3, 2, 4))
      expect(base + contributions.reduce((a, b) => a + b, 0)).toBeCloseTo(raw, 8)
      const card = (trained.version satisfies ModelVersion).card
      expect(card.importance).toHaveLength(3)
    }
  },
)

test('a category that was never seen has a hash of its own under ftrl', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS], SCHEMA)
  const def = modelDef({ trainer: ftrl({ bits: 12 }), features: FEATURES })
  const { parent } = await place.train(def, version)
  const { features } = await loadModel(place.store, parent)
  expect(features.features.map(({ expr }) => (expr.op === 'call' ? expr.fn : expr.op))).toEqual([
    'hashBucket',
    'hashBucket',
    'col',
  ])
})
