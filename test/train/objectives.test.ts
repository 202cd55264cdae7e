/** What a config says boosting minimises, from its rows to the outputs of the model. */
import { expect, test } from 'vitest'
import { gbdt } from '../../src/define/index.ts'
import { decodeModel } from '../../src/model/format.ts'
import { openMatrix } from '../../src/model/matrix.ts'
import { predictColumns } from '../../src/model/predict.ts'
import { coverage } from '../../src/stats/metrics-numbers.ts'
import { modelDef, openPlace, type Place, type Trained } from '../fixtures/training-place.ts'

/** Amounts that grow with x, each above 0; one row in three is 0 in `y0`. Two keys with levels of their own. */
const AMOUNTS = (n: number) => `
  select x, k, (1 + x + case k when 'A' then 1 else 0 end) * -ln(1 - u) as y, case when i % 3 = 0 then 0 else (1 + x) * -ln(1 - u) end as y0
  from (select i, (hash(i * 64 + 1) % 10000) / 10000.0 as x, (hash(i * 64 + 2) % 10000) / 10001.0 as u,
    case when i % 2 = 0 then 'A' else 'B' end as k from range(${n}) t(i))`
const SCHEMA = { x: 'float', k: 'string', y: 'float' } as const

async function testOutputs(place: Place, { version, prepared }: Trained) {
  const graph = decodeModel(await place.store.objects.get(version.graph))
  const matrix = openMatrix(await place.store.objects.path(prepared.matrix))
  const rows = matrix.slice('test')
  matrix.close()
  return { out: predictColumns(graph, rows.columns, rows.nRows), target: rows.target, graph }
}

test('a quantile of a config is a quantile of rows that were never seen', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, k, y from (${AMOUNTS(6000)})`], SCHEMA)
  const trainer = gbdt({ objective: 'quantile', alpha: 0.9, minRowsInLeaf: 100 })
  const { out, target } = await testOutputs(place, await place.train(modelDef({ trainer }), version))
  expect(Math.abs(coverage(out, target) - 0.9)).toBeLessThan(0.03)
})

test('a mean by its logarithm is above 0 and right on average, in the parent and in members', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, k, y from (${AMOUNTS(6000)})`], SCHEMA)
  const trainer = gbdt({ objective: 'gamma', minRowsInLeaf: 100, stopBy: 'mae' })
  const each = { column: 'k', rowsMin: 500, membersMax: 10 }
  const trained = await place.train(modelDef({ trainer, each }), version)
  const { out, target, graph } = await testOutputs(place, trained)
  expect(graph.model.link).toBe('exp')
  expect(out.every((mean) => mean > 0)).toBe(true)
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b)
  expect(sum(out) / sum(target)).toBeCloseTo(1, 1)
  expect(Object.keys(trained.members).sort()).toEqual(['A', 'B'])
})

test('an objective that does not fit the task that the rows make is refused, and so are rows that it cannot take', async () => {
  const place = await openPlace()
  const version = await place.version([AMOUNTS(600)], { ...SCHEMA, y0: 'float' })
  const train = (trainer: ReturnType<typeof gbdt>, target: string) =>
    place.train(modelDef({ trainer, target: { op: 'col', name: target } }), version)
  await expect(train(gbdt({ objective: 'logloss' }), 'y')).rejects.toThrow(
    /no objective of a regression model "logloss"/,
  )
  await expect(train(gbdt({ objective: 'gamma' }), 'y0')).rejects.toMatchObject({ code: 'MR_MODEL_TARGET' })
})
