/** Targets of several classes and of groups: what preparing makes of them, and what is refused. */
import { expect, test } from 'vitest'
import { ftrl, linear } from '../../src/define/index.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { loadModel } from '../../src/model/load.ts'
import { openMatrix } from '../../src/model/matrix.ts'
import { predictColumns } from '../../src/model/predict.ts'
import { col, modelDef, openPlace } from '../fixtures/training-place.ts'

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => ({ code: 'done', message: '', fix: '' }),
    (e) => e as { code: string; message: string; fix: string },
  )

const H = (k: number) => `hash(i * 64 + ${k})`

/** Three kinds of row that x and k tell apart with noise; `label` turns each row into its class. */
const CLASSES = (
  n: number,
  label = "case when v < -0.3 then 'low' when v < 0.3 then 'mid' else 'high' end",
) => `
  select x, k, ${label} as y from (
    select i, x, k, x + (${H(2)} % 1000) / 2500.0 - 0.2 + (case k when 'A' then 0.3 else 0 end) as v
    from (select i, (${H(1)} % 10000) / 5000.0 - 1 as x, case when i % 3 = 0 then 'A' else 'B' end as k from range(${n}) t(i)))`
const SCHEMA = { x: 'float', k: 'string', y: 'string' } as const

test('classes are a sorted dictionary of the training rows, codes stand in the matrix, probabilities sum to one', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(3000)], SCHEMA)
  const { plan, prepared, version: model, parent } = await place.train(modelDef(), version)
  expect([plan.task, plan.classes]).toEqual(['multiclass', ['high', 'low', 'mid']])
  expect(plan.classCounts?.reduce((a, b) => a + b, 0)).toBe(plan.rows.train)
  expect(plan.baseRate).toBeCloseTo(Math.max(...(plan.classCounts ?? [])) / plan.rows.train, 12)
  expect([model.task, model.classes]).toEqual(['multiclass', plan.classes])
  expect(model.signature.outputs.map((o) => o.name)).toEqual(['label', 'probabilities'])
  expect(model.card.metrics.accuracy.value).toBeGreaterThan(0.75)
  const matrix = openMatrix(await place.store.objects.path(prepared.matrix))
  const test = matrix.slice('test')
  expect([...new Set(test.target)].sort()).toEqual([0, 1, 2])
  const { graph } = await loadModel(place.store, parent)
  const outputs = predictColumns(graph, test.columns, test.nRows)
  expect(outputs).toHaveLength(3 * test.nRows)
  for (let i = 0; i < test.nRows; i++)
    expect(outputs[3 * i] + outputs[3 * i + 1] + outputs[3 * i + 2]).toBeCloseTo(1, 12)
  matrix.close()
})

test('a temperature or a vector is learned on held-out rows and kept where it lowers the loss, else that is noted', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(4000)], SCHEMA)
  const { parent, version: model } = await place.train(modelDef(), version)
  const { graph } = await loadModel(place.store, parent)
  const isNoted = model.card.notes.some((note) => note.includes('calibration was learned and not kept'))
  expect(graph.calibration !== null).toBe(!isNoted)
})

test('numbers are classes where the config says so; a text is a model of classes though it has two values', async () => {
  const place = await openPlace()
  const numbers = await place.version([CLASSES(1000, 'case when v < 0 then 7 else 12 end')], {
    x: 'float',
    k: 'string',
    y: 'int',
  })
  const { plan } = await place.train(modelDef({ task: 'multiclass' }), numbers)
  expect(plan.classes).toEqual(['12', '7'])
  const two = await place.version([CLASSES(1000, "case when v < 0 then 'no' else 'yes' end")], SCHEMA)
  const told = await place.train(modelDef(), two)
  expect(told.plan.classes).toEqual(['no', 'yes'])
  expect(told.plan.notes.join()).toContain("for a yes or no, ask: col('column').eq('yes')")
})

test('one class, more classes than can be told apart, and a rate of classes are refused by name', async () => {
  const place = await openPlace()
  const one = await failureOf(place.train(modelDef(), await place.version([CLASSES(300, "'same'")], SCHEMA)))
  expect(one.code).toBe('MR_TRAIN_ONE_CLASS')
  expect(one.message).toContain('"same" in all')
  const many = await place.version([CLASSES(12_000, "'c' || (i % 3000)")], SCHEMA)
  expect((await failureOf(place.train(modelDef(), many))).code).toBe('MR_TRAIN_CLASSES_MAX')
  const rate: ModelDef['features'] = [
    { name: 'r', expr: { op: 'fit', fn: 'rate', arg: col('k'), params: {} } },
  ]
  const fine = await place.version([CLASSES(600)], SCHEMA)
  expect((await failureOf(place.train(modelDef({ features: rate }), fine))).code).toBe('MR_TRAIN_RATE')
})

const DAYS = (n: number, label: string) =>
  `select make_timestamp(i * 3600000000) as at, (${H(1)} % 1000) / 1000.0 as x, ${label} as y from range(${n}) t(i)`
const DATED = { at: 'time', x: 'float', y: 'string' } as const
const BY_TIME = { split: { by: 'time', validateMs: 7 * 86_400_000, testMs: 7 * 86_400_000 } } as const

test('classes that only later rows have are left out and noted; too many of them are refused; rare ones are named', async () => {
  const place = await openPlace()
  const data = { ...(await import('../fixtures/training-place.ts')).datasetDef(), time: 'at' }
  const few = await place.version(
    [
      DAYS(
        1500,
        "case when i > 1495 then 'new' when i % 400 = 0 then 'rare' when i % 2 = 0 then 'a' else 'b' end",
      ),
    ],
    DATED,
  )
  const { plan } = await place.train(modelDef(BY_TIME), few, data)
  expect(plan.classes).toEqual(['a', 'b', 'rare'])
  expect(plan.notes.join('\n')).toContain(
    '4 of 168 rows to test are left out: no training row has their class (new)',
  )
  expect(plan.notes.join('\n')).toMatch(/fewer than 10 training rows have them: "rare" \(\d\)/)
  expect(plan.notes.join('\n')).toContain('not tested, as no test row has them: "rare"')
  expect(plan.rows.test).toBe(164)
  const all = await place.version(
    [DAYS(1500, "case when i > 1400 then 'new' when i % 2 = 0 then 'a' else 'b' end")],
    DATED,
  )
  const refused = await failureOf(place.train(modelDef(BY_TIME), all, data))
  expect([refused.code, refused.message]).toEqual([
    'MR_TRAIN_CLASSES_UNSEEN',
    expect.stringContaining('classes that no training row has ("new")'),
  ])
})

test('members of a family add their own trees to each class of the parent', async () => {
  const place = await openPlace()
  const own = "case when (case k when 'A' then -v else v end) < 0 then 'low' else 'high' end"
  const version = await place.version([CLASSES(4000, own)], SCHEMA)
  const def = modelDef({
    each: { column: 'k', rowsMin: 200, membersMax: 5 },
    features: [{ name: 'x', expr: col('x') }],
  })
  const trained = await place.train(def, version)
  expect(Object.keys(trained.members).sort()).toEqual(['A', 'B'])
  const report = await place.gate(def, trained)
  expect(report.used.toSorted()).toEqual(['A', 'B'])
  expect(report.promise.metrics.accuracy.value).toBeGreaterThan(
    trained.version.card.metrics.accuracy.value + 0.2,
  )
  expect(report.promise.classMix).toMatchObject({ kind: 'category', categories: ['high', 'low'] })
})

test('a linear model tells classes apart by numbers, and says which texts it does without', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(2000)], SCHEMA)
  const { plan, version: model } = await place.train(modelDef({ trainer: linear() }), version)
  expect(plan.notes.join()).toContain('feature "k" is left out')
  expect(model.card.metrics.accuracy.value).toBeGreaterThan(0.6)
  const hot = await place.train(modelDef({ trainer: linear({ categories: 'oneHot' }) }), version)
  expect(hot.version.card.metrics.logLoss.value).toBeLessThan(model.card.metrics.logLoss.value)
})

/** Rows of queries of uneven size whose relevance goes by x. */
const QUERIES = (n: number) => `
  select i // 7 + (i % 2) * 10000 as q, x, greatest(0, round(2 * x + (${H(3)} % 1000) / 700.0))::int as y
  from (select i, (${H(1)} % 1000) / 500.0 - 1 as x from range(${n}) t(i))`
const GROUPED = { q: 'int', x: 'float', y: 'int' } as const

test('no split divides a query, queries lie together, and the model orders better than chance', async () => {
  const place = await openPlace()
  const version = await place.version([QUERIES(4200)], GROUPED)
  const def = modelDef({
    task: 'ranking',
    group: 'q',
    gates: [
      { kind: 'beatsBaseline', metric: 'auto' },
      { kind: 'calibration', max: 0.1 },
    ],
  })
  const trained = await place.train(def, version)
  const { plan, prepared, version: model } = trained
  expect([plan.task, plan.group, model.group]).toEqual(['ranking', 'q', 'q'])
  expect(model.featureInfo.map((f) => f.name)).toEqual(['x'])
  expect(model.signature.inputs.map((f) => f.name).sort()).toEqual(['q', 'x'])
  const matrix = openMatrix(await place.store.objects.path(prepared.matrix))
  const groups = (['train', 'validate', 'test'] as const).map(
    (split) => matrix.slice(split).groups?.length ?? 0,
  )
  matrix.close()
  expect(groups.reduce((a, b) => a + b, 0)).toBe(1200)
  const { metrics, baseline } = model.card
  expect(metrics.ndcg.n).toBeGreaterThan(150)
  expect(metrics.ndcg.value).toBeGreaterThan(baseline.ndcg.value + 0.1)
  expect(Object.keys(metrics).sort()).toEqual(['map', 'mrr', 'ndcg'])
  const report = await place.gate(def, trained)
  expect(report.findings.map((f) => [f.check, f.verdict])).toEqual([
    ['gate.beats-baseline', 'pass'],
    ['gate.calibration', 'pass'],
    ['gate.no-skew', 'pass'],
  ])
})

test('a trainer that cannot make such a model is refused before anything is learned', async () => {
  const place = await openPlace()
  const version = await place.version([CLASSES(600)], SCHEMA)
  const refused = await failureOf(place.train(modelDef({ trainer: ftrl() }), version))
  expect([refused.code, refused.message]).toEqual([
    'MR_TRAIN_TASK',
    expect.stringContaining('trainer "ftrl" makes binary or regression models, and model "m" is multiclass'),
  ])
})

test('too few queries are refused', async () => {
  const place = await openPlace()
  const version = await place.version([`select q % 4 as q, x, y from (${QUERIES(400)})`], GROUPED)
  const refused = await failureOf(place.train(modelDef({ task: 'ranking', group: 'q' }), version))
  expect(refused.code).toBe('MR_TRAIN_GROUPS')
})
