import { expect, test } from 'vitest'
import { linear } from '../../src/define/index.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { loadModel } from '../../src/model/load.ts'
import { openMatrix } from '../../src/model/matrix.ts'
import { predictColumns } from '../../src/model/predict.ts'
import { auc } from '../../src/stats/metrics.ts'
import { col, datasetDef, modelDef, openPlace } from '../fixtures/training-place.ts'

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (e) => (e as { code?: string }).code ?? String(e),
  )

/** Draw number `k` of row i: hashes of single numbers, since those of several share their low bits. */
const H = (k: number, seed = 0) => `hash(i * 64 + ${k} + ${seed * 1_000_003})`

/** n rows; `x` decides `y` with noise, `k` is a key of uneven size with a level of its own. */
const BINARY = (n: number, seed = 1) => `
  select x, k, z, (u < 1 / (1 + exp(-(2 * x + case k when 'A' then 1.5 when 'B' then -1.5 else 0 end))))::boolean as y
  from (select (${H(1, seed)} % 10000) / 5000.0 - 1 as x, (${H(2, seed)} % 10000) / 10000.0 as u, (${H(3, seed)} % 100)::bigint as z,
    case when i % 10 < 4 then 'A' when i % 10 < 8 then 'B' when i % 10 = 8 then null else 'rare' end as k from range(${n}) t(i))`
const SCHEMA = { x: 'float', k: 'string', z: 'int', y: 'bool' } as const

test('a classifier from two parts: task, splits, card and features are what the rows say', async () => {
  const place = await openPlace()
  const version = await place.version([BINARY(2000), BINARY(2000, 2)], SCHEMA)
  const { plan, version: model } = await place.train(modelDef(), version)
  expect(plan.task).toBe('binary')
  expect(plan.rows.train + plan.rows.validate + plan.rows.test).toBe(4000)
  expect(plan.rows.test / 4000).toBeCloseTo(0.2, 2)
  expect(model.featureInfo.map((f) => [f.name, f.type])).toEqual([
    ['x', 'number'],
    ['k', 'category'],
    ['z', 'number'],
  ])
  expect(model.card.metrics.auc.value).toBeGreaterThan(0.75)
  expect(model.card.metrics.auc.n).toBe(plan.rows.test)
  expect(model.card.baseline.auc.value).toBe(0.5)
  expect(model.card.metrics.logLoss.value).toBeLessThan(model.card.baseline.logLoss.value)
  expect(model.card.importance.map((row) => row.feature).sort()).toEqual(['k', 'x', 'z'])
  expect(model.card.importance[2].feature).toBe('z')
  expect(Object.keys(model.card.metrics).sort()).toEqual(
    ['accuracy', 'auc', 'averagePrecision', 'brier', 'calibrationError', 'logLoss'].sort(),
  )
  expect(model.trainedOn.rows).toBe(plan.rows.train)
})

test('the same spec gives the same bytes, twice', async () => {
  const place = await openPlace()
  const version = await place.version([BINARY(3000)], SCHEMA)
  const def = modelDef({ each: { column: 'k', rowsMin: 100, membersMax: 10 } })
  const [a, b] = [await place.train(def, version), await place.train(def, version)]
  expect(b.prepared).toEqual(a.prepared)
  expect(b.parent).toBe(a.parent)
  expect(b.members).toEqual(a.members)
})

test('a regression has scores, metrics and no calibration', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, 100 + 30 * x + (z % 7) as y, z from (${BINARY(3000)})`], {
    x: 'float',
    z: 'int',
    y: 'float',
  })
  const { plan, version: model } = await place.train(modelDef(), version)
  expect(plan.task).toBe('regression')
  const { metrics, baseline, scores, calibration } = model.card
  expect(metrics.r2.value).toBeGreaterThan(0.9)
  expect(metrics.rmse.value).toBeLessThan(baseline.rmse.value / 2)
  expect(calibration).toEqual([])
  expect(scores.kind).toBe('numeric')
  expect(scores.counts.reduce((a, b) => a + b, 0)).toBe(plan.rows.test)
  expect(model.card.featureAuc.x).toBeGreaterThan(0.9)
  expect(model.card.featureAuc.z).toBeLessThan(0.7)
})

test('a number that is always 0 or 1 makes a classifier, as the config promises', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, y::bigint as y from (${BINARY(1000)})`], {
    x: 'float',
    y: 'int',
  })
  const { plan } = await place.train(modelDef(), version)
  expect(plan.task).toBe('binary')
  expect(plan.notes.join()).toContain('always 0 or 1')
})

test('a classifier refuses a target that is neither 0 nor 1', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, z from (${BINARY(1000)})`], { x: 'float', z: 'int' })
  expect(await codeOf(place.train(modelDef({ task: 'binary', target: col('z') }), version))).toBe(
    'MR_TRAIN_TARGET_VALUES',
  )
})

test('one class, no target and too few rows are refused by name', async () => {
  const place = await openPlace()
  const make = (select: string) => place.version([select], { x: 'float', y: 'bool' })
  const one = await make(`select x, false as y from (${BINARY(500)})`)
  expect(await codeOf(place.train(modelDef(), one))).toBe('MR_TRAIN_ONE_CLASS')
  const none = await make(`select x, null::boolean as y from (${BINARY(500)})`)
  expect(await codeOf(place.train(modelDef(), none))).toBe('MR_TRAIN_TARGET')
  const few = await make(`select x, y from (${BINARY(15)})`)
  expect(await codeOf(place.train(modelDef(), few))).toBe('MR_TRAIN_TOO_FEW_ROWS')
})

test('rows without a finite target are not used', async () => {
  const place = await openPlace()
  const version = await place.version(
    [
      `select x, case z % 4 when 0 then null when 1 then 'nan'::double when 2 then 'inf'::double else 3 * x + z % 28 end as y from (${BINARY(4000)})`,
    ],
    { x: 'float', y: 'float' },
  )
  const { plan } = await place.train(modelDef(), version)
  const rows = plan.rows.train + plan.rows.validate + plan.rows.test
  expect(rows).toBeGreaterThan(900)
  expect(rows).toBeLessThan(1100)
})

test('a time split takes the newest rows, and shrinks to quarters when the data is short', async () => {
  const place = await openPlace()
  const version = await place.version(
    [
      `select x, y, timestamp '2024-01-01' + to_minutes(i::int * 5) as t from (select *, row_number() over () as i from (${BINARY(1000)}))`,
    ],
    { x: 'float', y: 'bool', t: 'time' },
  )
  const day = 86_400_000
  const def = modelDef({ split: { by: 'time', validateMs: 7 * day, testMs: 7 * day } })
  const { plan, prepared } = await place.train(def, version, datasetDef({ time: 't' }))
  expect(plan.rows).toEqual({ train: 500, validate: 250, test: 250 })
  const [{ low }] = await place.query.rows<{ low: number }>({
    text: 'select epoch_ms(min(t)) as low from read_parquet(?)',
    params: [await place.store.objects.path(prepared.rows)],
  })
  expect(Number(low)).toBeGreaterThanOrEqual(plan.window!.toAt)
  expect(plan.signature.inputs.map((f) => f.name)).not.toContain('y')
  expect(plan.notes.join()).not.toContain('month')
})

test('a family: members with rows of their own, thin keys and null keys share the parent', async () => {
  const place = await openPlace()
  const version = await place.version([BINARY(4000)], SCHEMA)
  const def = modelDef({ each: { column: 'k', rowsMin: 500, membersMax: 10 } })
  const { plan, members, parent } = await place.train(def, version)
  expect(plan.members.map((m) => m.key).sort()).toEqual(['A', 'B'])
  expect(plan.members[0].rows).toBeGreaterThanOrEqual(plan.members[1].rows)
  const base = await loadModel(place.store, parent)
  for (const digest of Object.values(members)) {
    const member = await loadModel(place.store, digest, base)
    expect(member.version.base).toBe(base.version.graph)
    expect(member.version.card.metrics.logLoss.n).toBeGreaterThan(100)
    expect(member.version.card.importance).toEqual([])
    expect(await loadModel(place.store, digest)).toEqual(member)
  }
})

test('keys that name parts of every object are keys like others', async () => {
  const place = await openPlace()
  const version = await place.version(
    [
      `select x, y, case z % 3 when 0 then 'constructor' when 1 then '__proto__' else '7' end as k from (${BINARY(3000)})`,
    ],
    { x: 'float', y: 'bool', k: 'string' },
  )
  const { plan } = await place.train(
    modelDef({ each: { column: 'k', rowsMin: 300, membersMax: 10 } }),
    version,
  )
  expect(plan.members.map((m) => m.key).sort()).toEqual(['7', 'constructor'])
  expect(({} as Record<string, unknown>).train).toBeUndefined()
})

test('a member without a tree answers as its parent does', async () => {
  const place = await openPlace()
  const version = await place.version([BINARY(3000)], SCHEMA)
  const base = modelDef({ each: { column: 'k', rowsMin: 500, membersMax: 10 } })
  const trainer = { ...base.trainer, minRowsInLeaf: 100_000 } as ModelDef['trainer']
  const whole = await place.train(base, version)
  const matrix = openMatrix(await place.store.objects.path(whole.prepared.matrix))
  const parent = await loadModel(place.store, whole.parent)
  const { fitSpec } = await import('../../src/train/specs.ts')
  const { fitTask } = await import('../../src/train/fit.ts')
  const { parent: of, scores } = whole
  const spec = fitSpec({ ...base, trainer }, version, whole.prepared, { key: 'A', parent: of, scores })
  const { model } = await place.run(fitTask, spec)
  const member = await loadModel(place.store, model, parent)
  const test = matrix.slice('test', 'A')
  matrix.close()
  const [own, shared] = [member, parent].map((m) => predictColumns(m.graph, test.columns, test.nRows))
  expect(Array.from(own)).toEqual(Array.from(shared))
})

test('a key with one class shares the parent, one without test rows gets a card that a record can hold', async () => {
  const place = await openPlace()
  const version = await place.version(
    [
      `select x, i, case when k = 'A' then false else y end as y, k, timestamp '2024-01-01' + to_minutes(i::int) as t from
        (select *, row_number() over () as i from (${BINARY(4000)})) where not (k = 'B' and i > 2000)`,
    ],
    { x: 'float', k: 'string', y: 'bool', t: 'time' },
  )
  const def = modelDef({
    features: [{ name: 'x', expr: col('x') }],
    each: { column: 'k', rowsMin: 100, membersMax: 10 },
    split: { by: 'time', validateMs: 600 * 60_000, testMs: 600 * 60_000 },
  })
  const { members } = await place.train(def, version, datasetDef({ time: 't' }))
  const b = await loadModel(place.store, members.B)
  expect(b.version.card.metrics.auc).toEqual({ value: 0, n: 0 })
  expect(Object.keys(members).sort()).toEqual(['B', 'rare'])
})

test('what is inferred is noted: constant, empty, identifier, unique text and leaking columns are left out', async () => {
  const place = await openPlace()
  const version = await place.version(
    [0, 1].map(
      (
        part,
      ) => `select x, y, 5 as same, null::double as nothing, ${part} * 2000 + i as id, 'user ' || (${part} * 2000 + i) as name, k,
        'city ' || (${H(6, part)} % 300) as city, not y as answer, (z > 50) as flag, timestamp '2023-01-01' + to_hours((${part} * 2000 + i)::int * 3) as t
        from (select *, row_number() over () as i from (${BINARY(2000, part + 5)}))`,
    ),
    {
      x: 'float',
      y: 'bool',
      same: 'int',
      nothing: 'float',
      id: 'int',
      name: 'string',
      k: 'string',
      city: 'string',
      answer: 'bool',
      flag: 'bool',
      t: 'time',
    },
  )
  const { plan, version: model } = await place.train(modelDef(), version)
  const left = (column: string) => plan.notes.find((note) => note.startsWith(`column "${column}"`))
  expect(left('same')).toContain('constant')
  expect(left('nothing')).toContain('empty')
  expect(left('id')).toContain('numbers the rows')
  expect(left('name')).toContain('value of its own')
  expect(left('answer')).toContain('gives the target away')
  expect(model.featureInfo.map((f) => [f.name, f.type])).toEqual([
    ['x', 'number'],
    ['k', 'category'],
    ['city', 'number'],
    ['flag', 'number'],
    ['t_month', 'number'],
    ['t_weekday', 'number'],
    ['t_hour', 'number'],
  ])
})

test('a declared feature without any value is refused nothing and drifts from nothing', async () => {
  const place = await openPlace()
  const version = await place.version([`select x, y, null::double as gone from (${BINARY(1000)})`], {
    x: 'float',
    gone: 'float',
    y: 'bool',
  })
  const def = modelDef({ features: ['x', 'gone'].map((name) => ({ name, expr: col(name) })) })
  const { version: model } = await place.train(def, version)
  expect(model.featureInfo[1].reference).toMatchObject({ edges: [0, 1], counts: [0] })
})

test('a linear model takes rates for categories, declared or not, and has no members', async () => {
  const place = await openPlace()
  const version = await place.version([BINARY(4000)], SCHEMA)
  const def = modelDef({ trainer: linear(), each: { column: 'k', rowsMin: 100, membersMax: 9 } })
  const inferred = await place.train(def, version)
  const declared = await place.train(
    {
      ...def,
      features: [
        { name: 'x', expr: col('x') },
        { name: 'k', expr: col('k') },
      ],
    },
    version,
  )
  for (const { version: model, plan } of [inferred, declared]) {
    expect(model.format).toBe('linear')
    expect(model.featureInfo.find((f) => f.name === 'k')?.type).toBe('number')
    expect(model.card.metrics.auc.value).toBeGreaterThan(0.75)
    expect(plan.members).toEqual([])
  }
})

test('rates do not leak: a shuffled target cannot be told from a category of many values', async () => {
  const place = await openPlace()
  const version = await place.version(
    [`select 'v' || (${H(4)} % 2000) as c, (${H(5)} % 2 = 0) as y from range(8000) t(i)`],
    { c: 'string', y: 'bool' },
  )
  const { version: model, prepared } = await place.train(modelDef(), version)
  expect(model.featureInfo[0].type).toBe('number')
  const matrix = openMatrix(await place.store.objects.path(prepared.matrix))
  const train = matrix.slice('train')
  matrix.close()
  expect(Math.abs(auc(train.columns[0], train.target) - 0.5)).toBeLessThan(0.05)
  expect(Math.abs(model.card.metrics.auc.value - 0.5)).toBeLessThan(0.05)
})

test('the reference of a rate is what serving looks up, not the wider cross-fitted values', async () => {
  const place = await openPlace()
  const version = await place.version(
    [`select 'v' || (${H(4)} % 200) as c, (${H(5)} % 5 = 0) as y from range(20000) t(i)`],
    { c: 'string', y: 'bool' },
  )
  const { version: model, prepared, plan } = await place.train(modelDef(), version)
  const matrix = openMatrix(await place.store.objects.path(prepared.matrix))
  const later = [...matrix.slice('validate').columns[0], ...matrix.slice('test').columns[0]]
  matrix.close()
  const { reference } = model.featureInfo[0]
  expect(reference.counts.reduce((a, b) => a + b, 0)).toBe(plan.rows.validate + plan.rows.test)
  expect(
    later.every(
      (v) => reference.kind === 'numeric' && v >= reference.edges[0] && v <= reference.edges.at(-1)!,
    ),
  ).toBe(true)
})
