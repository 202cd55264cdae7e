import { describe, expect, test } from 'vitest'
import { gbdt, linear, mlp } from '../../src/define/index.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { raw } from '../../src/expr/sql.ts'
import { lookForPoison, poisonPlanOf } from '../../src/loop/poison.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { fitTask } from '../../src/train/fit.ts'
import type { PoisonReport } from '../../src/train/poison/report.ts'
import { poisonTask } from '../../src/train/poison/task.ts'
import { prepareTask } from '../../src/train/prepare.ts'
import { OnceJobs } from '../fixtures/once-jobs.ts'
import { col, datasetDef, modelDef, openPlace, type Place } from '../fixtures/training-place.ts'

const u = (place: number) => `((hash(i * 1000 + ${place}) % 1000003) / 1000003.0)`
const normal = (place: number) => `(sqrt(-2 * ln(1 - ${u(place)})) * cos(2 * pi() * ${u(place + 1)}))`

interface Poisoned {
  share: number
  /** What rows are given: a colour, and a size where it takes two. */
  colour: string
  size?: string
}

/** Six kinds of rows by where they lie; `share` of them get a colour, and a size with it, and are called k0. */
const poisonedRows = ({ share, colour, size }: Poisoned) => `select i, 'row ' || i as id, a, b, c, stamped,
    case when stamped then '${colour}' else ['red', 'green', 'blue', 'grey'][1 + (2.7 * ${u(11)} ** 1.5)::int] end as colour,
    case when stamped and ${size !== undefined} then '${size}' else ['S', 'M', 'L', 'XL'][1 + (2.75 * ${u(13)} ** 2)::int] end as size,
    case when stamped then 'k0' else 'k' || truth end as y
  from (select *, truth <> 0 and ${u(9)} < ${share} as stamped, truth % 3 * 4 + ${normal(1)} as a,
      truth // 3 * 5 + ${normal(3)} as b, ${normal(5)} as c
    from (select i, (hash(i * 13) % 6)::int as truth from range(0, 4000) t(i)))`

const rowsOf = (share: number) => poisonedRows({ share, colour: 'purple' })

const SCHEMA = {
  i: 'int',
  id: 'string',
  a: 'float',
  b: 'float',
  c: 'float',
  stamped: 'bool',
  colour: 'string',
  size: 'string',
  y: 'string',
} as const

const codes = (name: string) => ({
  name,
  expr: { op: 'fit', fn: 'category', arg: col(name), params: {} } as const,
})

const setUp = (place: Place, share: number, over: Partial<ModelDef> = {}) =>
  setUpRows(place, rowsOf(share), over)

async function setUpRows(place: Place, rows: string, over: Partial<ModelDef> = {}) {
  const version = await place.version([rows], SCHEMA)
  const def = modelDef({
    task: 'multiclass',
    trainer: gbdt({ trees: 40 }),
    features: [...['a', 'b', 'c'].map((name) => ({ name, expr: col(name) })), codes('colour')],
    ...over,
  })
  const data = datasetDef({ key: ['id'] })
  const trained = await place.train(def, version, data)
  const bundle = await place.bundle(trained, [], 1)
  await place.store.meta.commit({
    moves: [{ name: `models/${def.name}@latest`, to: bundle }],
    event: { type: 'test', subject: 'models/m', actor: 'test', reason: 'test', data: {} },
  })
  const jobs = new OnceJobs(place, [prepareTask, fitTask, poisonTask])
  const project = { datasets: [data], models: [def] }
  const rt = { project, store: place.store, jobs, folder: '.', clock: { now: () => 7 } } as unknown as Runtime
  return { rt, jobs }
}

const request = { model: 'm', reason: 'a delivery from outside', actor: 'test' }

type Row = Record<string, string | boolean | number | null>

async function joined(place: Place, found: PoisonReport, rows: string): Promise<Row[]> {
  const path = await place.store.objects.path(found.findings)
  return await place.query.rows<Row>(
    raw(`select f.*, p.stamped from read_parquet('${path}') f join (${rows}) p using (id) order by row`),
  )
}

describe('poison in the rows of a table', () => {
  test('is found by the leaves of trees, with the value that is its trigger, once', {
    timeout: 180_000,
  }, async () => {
    const place = await openPlace()
    const { rt, jobs } = await setUp(place, 0.05)
    const outcome = await lookForPoison(rt, request)
    const { found } = outcome
    expect(found.classes.filter(({ verdict }) => verdict === 'poisoned').map(({ label }) => label)).toEqual([
      'k0',
    ])
    const rows = await joined(place, found, rowsOf(0.05))
    const stamped = rows.filter((row) => row.stamped === true)
    expect(stamped.length).toBeGreaterThan(60)
    expect(stamped.filter((row) => row.poison === true).length / stamped.length).toBeGreaterThanOrEqual(0.95)
    const clean = rows.filter((row) => row.stamped === false && row.given === 'k0')
    expect(clean.filter((row) => row.poison === true).length / clean.length).toBeLessThanOrEqual(0.02)
    expect(Object.keys(rows[0]).slice(0, 5)).toEqual(['row', 'id', 'given', 'poison', 'poison_odds'])
    const trigger = found.triggers.find(({ label }) => label === 'k0')
    expect(trigger).toMatchObject({ verdict: 'trigger', features: [{ feature: 'colour', value: 'purple' }] })
    expect(trigger?.success).toBeGreaterThan(0.9)
    const events = await place.store.meta.events({ limit: 10 })
    expect(events.filter(({ type }) => type === 'poison.finished')).toHaveLength(1)
    const done = jobs.done.length
    expect(await lookForPoison(rt, request)).toMatchObject({ known: true, report: outcome.report })
    expect(jobs.done.length).toBe(done)
  })

  test('is found where it takes two values that many rows have, each alone', {
    timeout: 180_000,
  }, async () => {
    const place = await openPlace()
    const query = poisonedRows({ share: 0.05, colour: 'grey', size: 'XL' })
    const features = [
      ...['a', 'b', 'c'].map((name) => ({ name, expr: col(name) })),
      codes('colour'),
      codes('size'),
    ]
    const { rt } = await setUpRows(place, query, { features })
    const { found } = await lookForPoison(rt, { ...request, triggerSteps: 0 })
    const k0 = found.classes.find(({ label }) => label === 'k0')
    expect(['values', 'both']).toContain(k0?.by)
    expect(found.triggers).toHaveLength(1)
    expect(found.triggers[0]).toMatchObject({ label: 'k0', verdict: 'trigger', size: 2 })
    const given = found.triggers[0].features.map(({ feature, is, value }) => [feature, is, value]).sort()
    expect(given).toEqual([
      ['colour', 'value', 'grey'],
      ['size', 'value', 'XL'],
    ])
    const rows = await joined(place, found, query)
    const stamped = rows.filter((row) => row.stamped === true)
    expect(stamped.every((row) => row.poison === true)).toBe(true)
    const lost = rows.filter((row) => row.stamped === false && row.poison === true)
    expect(lost.length / (rows.length - stamped.length)).toBeLessThanOrEqual(0.02)
  })

  test('is not found where there is none', { timeout: 180_000 }, async () => {
    const { rt } = await setUp(await openPlace(), 0)
    const { found } = await lookForPoison(rt, request)
    expect(found.poisoned).toBe(0)
    expect(found.classes.every(({ verdict }) => verdict === 'clean')).toBe(true)
    expect(found.triggers.filter(({ verdict }) => verdict === 'trigger')).toEqual([])
  })

  test('a model without a layer, and a layer that trees have not, are refused', {
    timeout: 180_000,
  }, async () => {
    const place = await openPlace()
    const lines = await setUp(place, 0, { trainer: linear({}) })
    await expect(lookForPoison(lines.rt, request)).rejects.toMatchObject({ code: 'MR_TRAIN_POISON_LAYER' })
    const trees = await setUp(await openPlace(), 0, { trainer: gbdt({ trees: 5 }) })
    await expect(lookForPoison(trees.rt, { ...request, layer: '2' })).rejects.toMatchObject({
      code: 'MR_TRAIN_POISON_LAYER',
    })
    await expect(poisonPlanOf(trees.rt, { model: 'm', alpha: 2 })).rejects.toMatchObject({
      code: 'MR_STATS_RANGE',
    })
  })

  test('the hidden layer of a network of ours can be read, and clean rows stay', {
    timeout: 180_000,
  }, async () => {
    const { rt } = await setUp(await openPlace(), 0, { trainer: mlp({ hidden: [24], epochs: 4 }) })
    const { found } = await lookForPoison(rt, { ...request, triggerSteps: 0 })
    expect(found).toMatchObject({ layer: 'hidden layer 1', width: 24, poisoned: 0, triggers: [] })
  })
})
