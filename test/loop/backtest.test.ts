/** A backtest on rows whose truth turns with time: each window is trained once, and the decay that was put in comes out. */
import { beforeAll, describe, expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { ModelVersion, TimeWindow } from '../../src/core/records.ts'
import { type BacktestReport, backtest } from '../../src/loop/backtest.ts'
import { planAges, planRolling } from '../../src/loop/backtest-plan.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import tasks from '../../src/loop/tasks.ts'
import { OnceJobs } from '../fixtures/once-jobs.ts'
import { datasetDef, modelDef, openPlace, type Place } from '../fixtures/training-place.ts'

const at = (month: number) => Date.UTC(2024, month, 1)
const SPAN: TimeWindow = { fromAt: at(0), toAt: at(6) }
const MONTH = { months: 1 }
const DAYS = 182

/** 60 rows a day. What y follows turns from x1 to x2, a fifth of a right angle a month. */
const TURNING = `select timestamp '2024-01-01' + interval (i * 24) minute as t, x1, x2,
    case when u < 1 / (1 + exp(-3 * (x1 * cos(angle) + x2 * sin(angle)))) then 1 else 0 end as y
  from (select i, hash(i) % 1000003 / 500001.5 - 1 as x1, hash(i + 7e7::bigint) % 1000003 / 500001.5 - 1 as x2,
    hash(i + 9e7::bigint) % 1000003 / 1000003.0 as u, i / 60.0 / 30.4 * pi() / 10 as angle from range(${DAYS * 60}) r(i))`

interface Told {
  report: BacktestReport
  ran: string[]
}

async function runtimeOf(place: Place): Promise<{ rt: Runtime; jobs: OnceJobs }> {
  const version = await place.version([TURNING], { t: 'time', x1: 'float', x2: 'float', y: 'int' })
  const event = { type: 'data.imported', subject: 'datasets/d', actor: 'test', reason: 'test', data: {} }
  await place.store.meta.commit({ moves: [{ name: refs.dataset('d'), to: version }], event })
  const jobs = new OnceJobs(place, tasks)
  const model = modelDef({ name: 'm', from: 'd', split: { by: 'time', validateMs: 1, testMs: 1 } })
  const project = { datasets: [{ ...datasetDef(), time: 't' }], models: [model] }
  return { rt: { store: place.store, project, jobs } as unknown as Runtime, jobs }
}

describe('rolling through six months', () => {
  let told: Told
  let place: Place
  beforeAll(async () => {
    place = await openPlace()
    const { rt, jobs } = await runtimeOf(place)
    const plan = planRolling({ scheme: 'sliding', width: MONTH, step: MONTH, span: SPAN })
    const { report } = await backtest(rt, { ...plan, model: 'm', actor: 'test' })
    told = { report, ran: jobs.done.map((spec) => spec.task) }
  }, 60_000)

  test('each window is prepared, trained and scored once, and tested on all that came later', () => {
    const { report, ran } = told
    for (const task of ['train.prepare', 'train.fit', 'train.score'])
      expect(ran.filter((name) => name === task).length).toBe(5)
    expect(report.rows.map((r) => `${r.label} ${new Date(r.test.fromAt).getUTCMonth()}`)).toHaveLength(15)
    for (const row of report.rows) expect(row.test.fromAt).toBeGreaterThanOrEqual(row.window.toAt)
    expect(report.rows[0]!.rowsTrained).toBeGreaterThan(1500)
  })

  test('the models are measured on later rows by their scores alone, not once more for a card', async () => {
    for (const { modelVersion } of told.report.rows) {
      const { card } = await place.store.getRecord<ModelVersion>(modelVersion, 'ModelVersion')
      expect(card.metrics.auc?.n ?? 0).toBe(0)
      expect(card.importance).toEqual([])
      expect(card.featureAuc).toEqual({})
      expect(card.baseRate).toBeGreaterThan(0.4)
    }
  })

  test('a model that learned before the truth turned loses skill by age, and the report says how fast', () => {
    const { rows, decay, lesson } = told.report
    // The angle between what was learned and what holds grows by π/10 a month: its cosine is about what is left of the signal.
    expect(decay!.interval[0]).toBeGreaterThan(0)
    expect(decay!.halfLifeMonths).toBeGreaterThan(1.5)
    expect(decay!.halfLifeMonths).toBeLessThan(6)
    expect(decay!.curve[0]).toMatchObject({ months: 0, share: 1 })
    expect(decay!.curve[3]!.share).toBeLessThan(0.85)
    expect(lesson).toContain('Half the skill is gone after')
    const june = rows.filter((r) => r.test.fromAt === at(5))
    expect(june.at(-1)!.lead.value).toBeGreaterThan(june[0]!.lead.value + 0.05)
  })
})

test('windows of other lengths are told but not taken for decay; a second run finds its report', async () => {
  const { rt } = await runtimeOf(await openPlace())
  const test = { fromAt: at(5), toAt: at(6) }
  const plan = planAges(
    test,
    [
      { label: '2mo', age: { months: 2 } },
      { label: '1mo', age: MONTH },
    ],
    MONTH,
  )
  plan.windows.push({ label: 'all', window: { fromAt: at(0), toAt: at(5) }, ageMonths: null })
  const first = await backtest(rt, { ...plan, model: 'm', actor: 'test' })
  expect(first.report.decay!.n).toBe(2)
  expect((await backtest(rt, { ...plan, model: 'm', actor: 'test' })).digest).toBe(first.digest)
  const events = await rt.store.meta.events({ types: ['backtest.finished'], limit: 10 })
  expect(events).toHaveLength(1)
}, 60_000)

describe('plans', () => {
  const label = (w: TimeWindow) =>
    `${new Date(w.fromAt).toISOString().slice(0, 10)}..${new Date(w.toAt).toISOString().slice(0, 10)}`

  test('train on 6, 2 and 1 months ago, test on now', () => {
    const ages = [6, 2, 1].map((months) => ({ label: `${months}mo`, age: { months } }))
    const plan = planAges({ fromAt: at(6), toAt: at(7) }, ages, MONTH)
    expect(plan.windows.map((w) => [w.label, label(w.window), w.ageMonths])).toEqual([
      ['6mo ago', '2024-01-01..2024-02-01', 6],
      ['2mo ago', '2024-05-01..2024-06-01', 2],
      ['1mo ago', '2024-06-01..2024-07-01', 1],
    ])
  })

  test('a window that reaches into the test is refused', () => {
    const ages = [{ label: '1mo', age: MONTH }]
    expect(() => planAges({ fromAt: at(6), toAt: at(7) }, ages, { months: 2 })).toThrow('MR_LOOP_BACKTEST')
  })

  test('sliding windows move, expanding ones begin with the data; periods follow without a gap', () => {
    const options = { width: { months: 2 }, step: MONTH, span: SPAN }
    const sliding = planRolling({ scheme: 'sliding', ...options })
    expect(sliding.windows.map((w) => label(w.window))).toEqual([
      '2024-01-01..2024-03-01',
      '2024-02-01..2024-04-01',
      '2024-03-01..2024-05-01',
      '2024-04-01..2024-06-01',
    ])
    expect(sliding.tests.map(label)).toEqual([
      '2024-03-01..2024-04-01',
      '2024-04-01..2024-05-01',
      '2024-05-01..2024-06-01',
      '2024-06-01..2024-07-01',
    ])
    const expanding = planRolling({ scheme: 'expanding', ...options })
    expect(expanding.windows.map((w) => w.window.fromAt)).toEqual([at(0), at(0), at(0), at(0)])
  })

  test('data too short for a test, and steps too short for the data, are refused with what to do', () => {
    const rolling = { scheme: 'sliding' as const, width: { months: 12 }, step: MONTH, span: SPAN }
    expect(() => planRolling(rolling)).toThrow('leaves nothing to test on')
    expect(() => planRolling({ ...rolling, width: { ms: 3_600_000 }, step: { ms: 3_600_000 } })).toThrow(
      'more than 200 windows',
    )
  })
})
