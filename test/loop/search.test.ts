import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Digest, ModelVersion, RunSpec } from '../../src/core/records.ts'
import { choice, gbdt, linear, range, search } from '../../src/define/index.ts'
import type { DatasetDef, ModelDef } from '../../src/define/types.ts'
import { gateTask } from '../../src/gate/task.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { chosenParams, searchModel } from '../../src/loop/search.ts'
import { trainModel } from '../../src/loop/train.ts'
import { fitTask } from '../../src/train/fit.ts'
import { prepareTask } from '../../src/train/prepare.ts'
import { trialTask } from '../../src/train/trial.ts'
import { OnceJobs } from '../fixtures/once-jobs.ts'
import { col, datasetDef, modelDef, openPlace, type Place } from '../fixtures/training-place.ts'

const TASKS = [prepareTask, trialTask, fitTask, gateTask]

const DAY = 86_400_000
/** Ninety days of rows, thirty a day. The last ten test, the ten before validate. `late` makes other rows of the last ten. */
function rowsOf(late = ''): string {
  return `select make_timestamp(i * ${DAY / 30} * 1000) as at,
      sin(i * 12.9898) * 2 as x, cos(i * 78.233) as z, i % 7 as k,
      (sin(i * 12.9898) * 2 + sin(i * 4.1) + 0.5 * cos(i * 78.233) > 0.3) as y
    from range(0, 2700) t(i) where i < 2400
    union all select make_timestamp(i * ${DAY / 30} * 1000) as at,
      sin(i * 12.9898) * 2 ${late} as x, cos(i * 78.233) ${late} as z, i % 7 as k,
      (sin(i * 12.9898) * 2 + sin(i * 4.1) + 0.5 * cos(i * 78.233) > 0.3) ${late ? '= (i % 2 = 0)' : ''} as y
    from range(2400, 2700) t(i)`
}

const SCHEMA = { at: 'time', x: 'float', z: 'float', k: 'int', y: 'bool' } as const

const SEARCHED = search({
  over: gbdt({ trees: 10, leaves: 7, minRowsInLeaf: 20, earlyStoppingRounds: 0 }),
  space: { leaves: range(2, 31, 'log'), learningRate: range(0.02, 0.5, 'log'), l2: choice(0, 1, 10) },
  trials: 12,
})

function setUp(place: Place, over: Partial<ModelDef> = {}, data: Partial<DatasetDef> = { time: 'at' }) {
  const model = modelDef({
    trainer: SEARCHED.over,
    search: SEARCHED.search,
    split: { by: 'time', validateMs: 10 * DAY, testMs: 10 * DAY },
    features: ['x', 'z', 'k'].map((name) => ({ name, expr: col(name) })),
    ...over,
  })
  const jobs = new OnceJobs(place, TASKS)
  const { store } = place
  const project = { datasets: [datasetDef(data)], models: [model] }
  const rt = { project, store, jobs, clock: { now: () => 7 } } as unknown as Runtime
  return { rt, jobs, model }
}

const request = (version: Digest) => ({ model: 'm', version, reason: 'test', actor: 'test' })
/** Trials that were really run, in one order whoever was first. */
function trialsOf(jobs: OnceJobs): RunSpec[] {
  const trials = jobs.done.filter((spec) => spec.task === 'train.trial')
  return trials.sort((a, b) => (digestOf(a) < digestOf(b) ? -1 : 1))
}

test('a search makes each trial once, records all of them, and trainings take what it chose', async () => {
  const place = await openPlace()
  const version = await place.version([rowsOf()], SCHEMA)
  const { rt, jobs, model } = setUp(place)
  const heard: string[] = []
  const { report, digest } = await searchModel(rt, {
    ...request(version),
    onProgress: ({ note }) => heard.push(note),
  })
  expect(report.trials).toHaveLength(12)
  expect(trialsOf(jobs)).toHaveLength(report.looks)
  expect(report.metric).toBe('logLoss')
  expect(heard.at(-1)).toMatch(/^trial 12 of 12; best so far 0\.\d+$/)
  const own = report.trials[0]
  expect(own.params).toEqual({ leaves: 7, learningRate: 0.1, l2: 1 })
  const best = report.trials[report.best]
  expect(best.value!).toBeLessThanOrEqual(own.value!)
  expect(report.trainer).toEqual({ ...model.trainer, ...best.params })

  const again = await searchModel(rt, request(version))
  expect(again.digest).toBe(digest)
  expect(trialsOf(jobs)).toHaveLength(report.looks)

  const trained = await trainModel(rt, request(version))
  expect(trialsOf(jobs)).toHaveLength(report.looks)
  const fit = jobs.done.find((spec) => spec.task === 'train.fit')!
  expect(fit.params).toMatchObject({ trainer: best.params })
  const { card } = await place.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
  expect(card.notes.join('\n')).toContain(
    `12 trials by tpe chose l2 ${best.params.l2}, learningRate ${best.params.learningRate}, leaves ${best.params.leaves} with logLoss`,
  )
  expect(card.notes.join('\n')).toContain(
    `${report.looks} measurements looked at 3 parts of the rows that trained`,
  )
  expect((await eventsOf(place)).filter((type) => type === 'search.finished')).toHaveLength(1)
})

async function eventsOf(place: Place): Promise<string[]> {
  return (await place.store.meta.events()).map(({ type }) => type)
}

test('no trial reads a row that validates or tests the model', async () => {
  const place = await openPlace()
  const [plain, other] = [
    await place.version([rowsOf()], SCHEMA),
    await place.version([rowsOf('* 1000 + 5')], SCHEMA),
  ]
  const runs = []
  for (const version of [plain, other]) {
    const { rt, jobs } = setUp(place)
    const { report } = await searchModel(rt, request(version))
    runs.push({ report, trials: trialsOf(jobs) })
    const validateFrom = 70 * DAY
    for (const { train, test } of report.folds) {
      expect(train!.toAt).toBe(test!.fromAt)
      expect(test!.toAt).toBeLessThanOrEqual(validateFrom)
    }
  }
  // Other rows at the end make another version, but the very same trials: the same inputs by their bytes.
  expect(runs[1].report.dataset).not.toBe(runs[0].report.dataset)
  expect(runs[1].trials).toEqual(runs[0].trials)
  expect(runs[1].report.trials).toEqual(runs[0].report.trials)
})

test('without a time, no trial reads a row that validates or tests the model either', async () => {
  const place = await openPlace()
  const spread = '((i + 1) * 2654435769) % 4294967296 / 4294967296.0'
  const rows = (late: string) =>
    `select sin(i * 12.9898) * (case when ${spread} < 0.4 then ${late} else 1 end) as x, i % 7 as k,
      (sin(i * 12.9898) + sin(i * 4.1) > 0.1) = (${spread} >= 0.4 or ${late} = 1) as y from range(0, 3000) t(i)`
  const schema = { x: 'float', k: 'int', y: 'bool' } as const
  const found = []
  for (const late of ['1', '1000']) {
    const version = await place.version([rows(late)], schema)
    const features = ['x', 'k'].map((name) => ({ name, expr: col(name) }))
    const { rt, jobs } = setUp(
      place,
      { split: { by: 'random', validateShare: 0.2, testShare: 0.2 }, features },
      {},
    )
    const { report } = await searchModel(rt, { ...request(version), trials: 4 })
    expect(report.folds.map((fold) => fold.rows.test).every((n) => Math.abs(n - 600) < 30)).toBe(true)
    found.push({ trials: trialsOf(jobs), rows: report.folds })
  }
  expect(found[1]).toEqual(found[0])
})

test('a trial that the trainer refuses is written down, and all of them failing says why', async () => {
  const place = await openPlace()
  const version = await place.version([rowsOf()], SCHEMA)
  const some = setUp(place, {
    search: {
      ...SEARCHED.search,
      space: { bins: { kind: 'choice', values: [63, 1] } },
      method: 'random',
      trials: 8,
    },
  })
  const { report } = await searchModel(some.rt, request(version))
  const failed = report.trials.filter((t) => t.state === 'failed')
  expect(failed.length).toBeGreaterThan(0)
  expect(failed[0].error).toContain('MR_MODEL_PARAM')
  expect(report.trials[report.best].params).toEqual({ bins: 63 })
  const none = setUp(place, {
    search: { ...SEARCHED.search, space: { bins: { kind: 'choice', values: [1, 0] } }, trials: 3 },
  })
  await expect(searchModel(none.rt, request(version))).rejects.toMatchObject({ code: 'MR_TRAIN_NO_TRIAL' })
})

test('halving by trees grows fewer trees at first', async () => {
  const place = await openPlace()
  const version = await place.version([rowsOf()], SCHEMA)
  const { rt, jobs } = setUp(place, {
    search: { ...SEARCHED.search, method: 'halving', resource: 'trees', trials: 9, folds: 1 },
  })
  await searchModel(rt, request(version))
  const trees = trialsOf(jobs).map((spec) => (spec.params as { trainer: { trees: number } }).trainer.trees)
  expect(trees.sort((a, b) => a - b)).toEqual([...Array(9).fill(2), ...Array(3).fill(4), 10])
})

test('another space is another search: what was chosen for the old one is not taken', async () => {
  const place = await openPlace()
  const version = await place.version([rowsOf()], SCHEMA)
  const { rt, model } = setUp(place, { search: { ...SEARCHED.search, trials: 2 } })
  await searchModel(rt, request(version))
  expect(await chosenParams(rt, model)).toBeDefined()
  expect(await chosenParams(rt, { ...model, search: { ...SEARCHED.search, trials: 99 } })).toBeDefined()
  const wider = { ...SEARCHED.search, space: { leaves: range(2, 100) } }
  expect(await chosenParams(rt, { ...model, search: wider })).toBeUndefined()
  expect(await chosenParams(rt, { ...model, trainer: linear() })).toBeUndefined()
})

test('a model without a search says what to write', async () => {
  const place = await openPlace()
  const version = await place.version([rowsOf()], SCHEMA)
  const { rt } = setUp(place, { search: undefined })
  await expect(searchModel(rt, request(version))).rejects.toMatchObject({ code: 'MR_TRAIN_NO_SEARCH' })
})
