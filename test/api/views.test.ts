import { afterEach, describe, expect, test } from 'vitest'
import {
  alertsView,
  backtestView,
  bundleView,
  datasetsView,
  datasetVersionView,
  datasetView,
  eventsView,
  fleetView,
  membersView,
  modelView,
  playgroundView,
  quarantineView,
  runsView,
  statusView,
  versionView,
  whyView,
} from '../../src/api/index.ts'
import { digestOf } from '../../src/core/digest.ts'
import { OUTCOMES_STREAM, PREDICTIONS_STREAM } from '../../src/core/log-blocks.ts'
import { refs } from '../../src/core/names.ts'
import type { Digest, Part, RunRecord, RunSpec } from '../../src/core/records.ts'
import type { BacktestReport } from '../../src/loop/backtest.ts'
import type { PreparedPlan } from '../../src/model/matrix.ts'
import {
  type ApiFixture,
  DAY,
  finding,
  key,
  measured,
  move,
  NONE,
  NOW,
  openProject,
  outcomes,
  plain,
  predictions,
  projectOf,
  putAlert,
  putDataset,
  putFamily,
  putModel,
  putRelease,
  putWindows,
  routeTo,
  windowReport,
} from './fixture.ts'

const open: ApiFixture[] = []
afterEach(async () => {
  for (const fixture of open.splice(0)) await fixture.drop()
})

async function fixture(def = projectOf()): Promise<ApiFixture> {
  const made = await openProject(def)
  open.push(made)
  return made
}

/** A family that is live, watched for three weeks, with an alert. */
async function liveFamily(): Promise<ApiFixture & { bundle: Digest; parent: Digest }> {
  const f = await fixture()
  const made = await putFamily(f.store)
  await putRelease(f.store, { routes: [routeTo(made.bundle, 1)] })
  await putWindows(f.store, [
    windowReport(0),
    windowReport(1, { members: [key(0)] }),
    windowReport(2, { auc: 0.6, verdict: 'fail', biased: true, members: [key(0), key(1)] }),
  ])
  await putAlert(f.store, { affected: [`late/${key(1)}`] })
  return { ...f, ...made }
}

describe('fleet', () => {
  test('of a project without anything says that nothing is trained', async () => {
    const { rt, live } = await fixture()
    const fleet = await fleetView(rt, live)
    expect(fleet.sentence).toBe('late is not trained yet.')
    expect(fleet.models).toMatchObject([
      { model: 'late', liveVersion: null, release: null, quality: [], members: 0 },
    ])
    expect(fleet.datasets).toMatchObject([{ dataset: 'flights', version: null, rows: 0 }])
  })

  test('tells a live family: release, windows with verdicts of quality, predictions, alerts', async () => {
    const { rt, live } = await liveFamily()
    const fleet = await fleetView(rt, live)
    expect(fleet.health).toBe('act')
    expect(fleet.sentence).toBe(
      'late is live at v1 since 3 April 2001; quality below its band (AUC 0.600 on 1,000 outcomes, 0.646 to 0.674 expected); it promises 18.2 % on average where 21.5 % happened; 1 of 2 members needs you.',
    )
    const [row] = fleet.models
    expect(row).toMatchObject({
      members: 2,
      membersHeld: 1,
      liveVersion: 1,
      predictions: 3600,
      alerts: 1,
      qualityMetric: 'auc',
    })
    expect(row.quality.map((p) => p.verdict)).toEqual(['pass', 'pass', 'fail'])
    expect(row.expected).toEqual({ value: 0.66, low: 0.646, high: 0.674 })
    expect(row.freshAt).toBe(Date.UTC(2001, 3, 1))
    expect(fleet.attention).toHaveLength(1)
    expect(fleet.events[0].type).toBe('alert.raised')
  })

  test('a canary leaves the live version since when it was', async () => {
    const f = await liveFamily()
    const next = await putFamily(f.store, { version: 2 })
    await putRelease(f.store, {
      state: 'canary',
      at: NOW,
      routes: [routeTo(f.bundle, 1, 'live', 0.9), routeTo(next.bundle, 2, 'canary', 0.1)],
    })
    const fleet = await fleetView(f.rt, f.live)
    expect(fleet.sentence).toContain('late is live at v1 since 3 April 2001, and v2 answers 10 % as a canary')
    expect(fleet.models[0].trainedAt).toBe(NOW - 30 * DAY)
  })

  test('takes at most 50 ms with 200 members and 50 windows', async () => {
    const f = await fixture()
    const { bundle } = await putFamily(f.store, { members: 200 })
    await putRelease(f.store, { routes: [routeTo(bundle, 1)] })
    const members = Array.from({ length: 200 }, (_, i) => key(i))
    const reports = Array.from({ length: 50 }, (_, i) =>
      windowReport(i, { members, verdict: i % 5 === 0 ? 'fail' : 'pass' }),
    )
    await putWindows(f.store, reports)
    await fleetView(f.rt, f.live)
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const begun = performance.now()
      await fleetView(f.rt, f.live)
      times.push(performance.now() - begun)
    }
    expect(Math.min(...times)).toBeLessThan(50)
  })
})

describe('model', () => {
  test('page of a family has versions, gates worst first, metrics with bands, and drift adjusted', async () => {
    const f = await liveFamily()
    await putFamily(f.store, {
      version: 2,
      findings: [
        finding({ check: 'a' }),
        finding({ check: 'b', slice: 'x', verdict: 'fail' }),
        finding({ check: 'c', verdict: 'fail' }),
      ],
    })
    const page = await modelView(f.rt, 'late', f.live)
    expect(page.sentence).toContain('late is live at v1 since 3 April 2001; v2 did not pass its gates')
    expect(
      page.versions.map(({ version, state, members, held }) => ({ version, state, members, held })),
    ).toEqual([
      { version: 2, state: 'refused', members: 2, held: 1 },
      { version: 1, state: 'live', members: 2, held: 1 },
    ])
    expect(page.gates.map((g) => g.check)).toEqual(['c', 'b', 'a'])
    expect(page.quality.metrics.map((m) => [m.name, m.higherIsBetter, m.points.length])).toEqual([
      ['auc', true, 3],
      ['logLoss', false, 3],
    ])
    const band = page.quality.metrics[1].expected
    expect(band?.value).toBe(0.45)
    expect((band?.high ?? 0) - 0.45).toBeCloseTo(0.01 * Math.SQRT2, 4)
    expect(page.drift.map((d) => [d.column, d.psi, d.pAdjusted])).toEqual([
      ['hour', 0.25, 0.002],
      ['distance', 0.01, 0.6],
    ])
    expect(page.drift[0].history).toHaveLength(3)
    expect(page.importance[0].feature).toBe('hour')
    expect(page.speed.modelBytes).toBe(1000 + 2 * 10)
    expect(page.commands.rollback).toBe('millrace rollback late')
  })

  test('page of a member holds it to its own card and shows its windows', async () => {
    const f = await liveFamily()
    const page = await modelView(f.rt, `late/${key(1)}`, f.live)
    expect(page).toMatchObject({ model: `late/${key(1)}`, parent: 'late', releases: [] })
    expect(page.release).toMatchObject({ model: 'late', state: 'live' })
    expect(page.versions[0].heldReason).toBeNull()
    expect(page.quality.metrics[0].points.map((p) => p.value)).toEqual([null, null, 0.612])
    expect(page.importance[0].feature).toBe('hour')
    expect(page.alerts).toHaveLength(1)
    expect(page.sentence).toContain('answers for itself, trained on 2,001 rows of its own')
    expect(page.sentence).toContain('1 alert needs you')
  })

  test('a held member is answered by its parent, with the reason', async () => {
    const f = await liveFamily()
    const page = await modelView(f.rt, 'late/ZZZ', f.live)
    expect(page.sentence).toBe(
      'late/ZZZ is answered by its parent late: not better than its parent; nothing needs you.',
    )
  })

  test('unknown models and members are coded 404s', async () => {
    const f = await liveFamily()
    await expect(modelView(f.rt, 'nope', f.live)).rejects.toMatchObject({
      code: 'MR_LOOP_UNKNOWN',
      status: 404,
    })
    await expect(modelView(f.rt, 'late/nope', f.live)).rejects.toMatchObject({
      code: 'MR_API_MEMBER_UNKNOWN',
      status: 404,
    })
    await expect(modelView(f.rt, 'late/__proto__', f.live)).rejects.toMatchObject({
      code: 'MR_API_MEMBER_UNKNOWN',
    })
    await expect(modelView(f.rt, 'late/constructor', f.live)).rejects.toMatchObject({
      code: 'MR_API_MEMBER_UNKNOWN',
    })
  })
})

test('before the first window, a family is held to what its gate measured of it as a whole', async () => {
  const f = await fixture()
  const { bundle } = await putFamily(f.store)
  await putRelease(f.store, { routes: [routeTo(bundle, 1)] })
  const fleet = await fleetView(f.rt, f.live)
  expect(fleet.models[0].expected?.value).toBe(0.67)
  const page = await modelView(f.rt, 'late', f.live)
  expect(page.versions[0].metrics.auc.value).toBe(0.67)
  expect(page.quality.metrics[0]).toMatchObject({ name: 'auc', points: [], expected: { value: 0.67 } })
})

describe('members', () => {
  test('are searched, sorted with missing values last, and paged', async () => {
    const f = await liveFamily()
    const all = await membersView(f.rt, 'late', { sort: '-metric' })
    expect(all.members.map((m) => m.key)).toEqual([key(1), key(0), 'ZZZ'])
    expect((await membersView(f.rt, 'late', { sort: 'metric' })).members.map((m) => m.key)).toEqual([
      key(0),
      key(1),
      'ZZZ',
    ])
    expect(all.members[0]).toMatchObject({
      answers: 'self',
      rows: 2001,
      predictions: 11,
      alerts: 1,
      model: `late/${key(1)}`,
    })
    expect(all.members[0].bias).toBeCloseTo(-0.05, 12)
    expect(all.members[1]).toMatchObject({ predictions: 20, liveMetric: { value: 0.612 } })
    expect(all.members[2]).toMatchObject({
      answers: 'parent',
      heldReason: 'not better than its parent',
      metric: null,
    })
    const found = await membersView(f.rt, 'late', { search: 'zz' })
    expect(found).toMatchObject({ total: 1, members: [{ key: 'ZZZ' }] })
    const page = await membersView(f.rt, 'late', { limit: 1, offset: 1 })
    expect(page).toMatchObject({ total: 3, members: [{ key: key(1) }] })
  })

  test('an unknown column is refused with the known ones', async () => {
    const f = await liveFamily()
    await expect(membersView(f.rt, 'late', { sort: 'toString' })).rejects.toMatchObject({
      code: 'MR_API_QUERY',
      status: 400,
    })
  })

  test('held members show the rows that the plan counted', async () => {
    const f = await fixture()
    const { parent } = await putFamily(f.store, { members: 0 })
    const prepared: PreparedPlan = {
      kind: 'PreparedPlan',
      model: 'late',
      task: 'binary',
      signature: { inputs: [], outputs: [] },
      each: 'origin',
      members: [{ key: 'ZZZ', rows: 2345 }],
      rows: { train: 1, validate: 1, test: 1 },
      baseRate: 0.2,
      notes: [],
    }
    const plan = await f.store.putRecord(plain(prepared))
    const spec: RunSpec = {
      kind: 'RunSpec',
      task: 'train.fit',
      code: '1',
      inputs: { plan },
      params: {},
      seed: 1,
    }
    const run = await f.store.putRecord(spec)
    const trained = await putModel(f.store, 'late', { run })
    expect(parent).not.toBe(trained)
    const bundle = {
      kind: 'ModelBundle',
      model: 'late',
      parent: trained,
      each: 'origin',
      members: {},
      held: { ZZZ: 'thin' },
      version: 2,
      createdAt: 1,
      reason: 'r',
    }
    await move(f.store, 'train.finished', 'models/late', {
      [refs.latest('late')]: await f.store.putRecord(bundle),
    })
    expect((await membersView(f.rt, 'late')).members).toMatchObject([{ key: 'ZZZ', rows: 2345 }])
  })

  test('10,000 members are sorted and paged in a tenth of a second once they were read', async () => {
    const f = await fixture()
    const { bundle } = await putFamily(f.store, { members: 100 })
    const record = {
      ...(await f.store.getRecord<{ kind: string; members: Record<string, Digest> }>(bundle, 'ModelBundle')),
    }
    const digests = Object.values(record.members)
    const members = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [key(i), digests[i % digests.length]]),
    )
    const large = await f.store.putRecord(plain({ ...record, members, version: 2 }))
    await move(f.store, 'train.finished', 'models/late', { [refs.latest('late')]: large })
    await membersView(f.rt, 'late')
    const begun = performance.now()
    const list = await membersView(f.rt, 'late', { sort: '-metric', search: 'k0', limit: 200, offset: 9000 })
    expect(performance.now() - begun).toBeLessThan(100)
    expect(list.total).toBe(10_000)
    expect(list.members).toHaveLength(200)
  })
})

describe('bundles and versions', () => {
  test('tell what they are made of and made from', async () => {
    const f = await liveFamily()
    expect(await bundleView(f.rt, f.bundle)).toMatchObject({
      model: 'late',
      version: 1,
      each: 'origin',
      members: 2,
      parent: f.parent,
    })
    const version = await versionView(f.rt, f.parent)
    expect(version.features.map(({ name, expression }) => [name, expression])).toEqual([
      ['hour', 'hour(date)'],
      ['distance', 'distance'],
      ['origin', 'rate(origin)'],
    ])
    expect(version.trainedOn).toEqual({
      dataset: 'flights',
      version: NONE,
      rows: 5000,
      fromAt: Date.UTC(2001, 0, 1),
      toAt: Date.UTC(2001, 3, 1),
    })
    expect(version.run).toBeNull()
  })

  test('what is no digest, or no record of ours, is refused', async () => {
    const f = await liveFamily()
    for (const name of ['sha256:12', '../../etc/passwd', NONE])
      await expect(bundleView(f.rt, name)).rejects.toMatchObject({
        code: 'MR_API_RECORD_UNKNOWN',
        status: 404,
      })
    await expect(versionView(f.rt, f.bundle)).rejects.toMatchObject({ code: 'MR_RECORD_KIND', status: 400 })
  })
})

describe('why', () => {
  test('finds a prediction in the log and explains it so that the parts add up', async () => {
    const f = await liveFamily()
    await f.store.log.append(PREDICTIONS_STREAM, [
      predictions({ ids: ['a', 'b'], modelVersions: [f.parent] }),
      predictions({
        ids: ['wanted'],
        modelVersions: [f.parent],
        routes: ['shadow'],
        versions: [9],
        inputs: {},
      }),
      predictions({ ids: ['other', 'wanted'], modelVersions: [f.parent] }),
    ])
    await f.store.log.append(OUTCOMES_STREAM, [outcomes({ ids: ['wanted'], values: [1], at: NOW + 5 })])
    const why = await whyView(f.rt, 'wanted')
    expect(why).toMatchObject({
      model: 'late',
      member: '',
      version: 1,
      route: 'live',
      modelVersion: f.parent,
      outcome: { value: 1, at: NOW + 5 },
    })
    expect(why.features).toEqual({ hour: 18, distance: 500, origin: 0.3 })
    expect(why.explanation.base).toBeCloseTo(-1, 12)
    expect(why.explanation.contributions[0]).toMatchObject({ feature: 'hour', value: 18 })
    expect(why.explanation.contributions[0].contribution).toBeCloseTo(0.5, 12)
    expect(why.explanation.raw).toBeCloseTo(-0.5, 12)
    expect(why.explanation.scale).toBe('log-odds')
    expect(1 / (1 + Math.exp(-why.explanation.raw))).toBeCloseTo(why.output, 12)
    expect(why.gates).toHaveLength(1)
    expect(why.command).toBe('millrace why wanted')
  })

  test('an outcome that has not come is null, and an id that was never given is a coded 404', async () => {
    const f = await liveFamily()
    await f.store.log.append(PREDICTIONS_STREAM, [predictions({ ids: ['only'], modelVersions: [f.parent] })])
    expect((await whyView(f.rt, 'only')).outcome).toBeNull()
    await expect(whyView(f.rt, 'nope')).rejects.toMatchObject({
      code: 'MR_LOOP_PREDICTION_UNKNOWN',
      status: 404,
    })
  })

  test('an ONNX model is told with its inputs and without made-up contributions', async () => {
    const f = await liveFamily()
    const onnx = await putModel(f.store, 'late', { format: 'onnx' })
    await f.store.log.append(PREDICTIONS_STREAM, [predictions({ ids: ['x'], modelVersions: [onnx] })])
    const why = await whyView(f.rt, 'x')
    expect(why.explanation).toMatchObject({ contributions: [], raw: why.output, residual: 0, exact: false })
    expect(why.explanation.fallback).toContain('MR_')
  })
})

describe('data', () => {
  test('lists datasets with and without versions, and resolves versions of their own dataset alone', async () => {
    const f = await fixture()
    const first = await putDataset(f.store)
    const second = await putDataset(f.store, { parents: [first], rows: 7, message: 'second' })
    expect(await datasetsView(f.rt)).toMatchObject([
      { dataset: 'flights', version: second, versions: 2, rows: 7, findings: { pass: 1 } },
    ])
    expect((await datasetView(f.rt, 'flights')).log.map((l) => l.message)).toEqual(['second', 'first'])
    expect((await datasetVersionView(f.rt, 'flights', 'main~1')).digest).toBe(first)
    expect((await datasetVersionView(f.rt, 'flights', second.slice(7, 20))).rows).toBe(7)
    const other = await putDataset(f.store, { dataset: 'weather' })
    await expect(datasetVersionView(f.rt, 'flights', other)).rejects.toMatchObject({
      code: 'MR_API_RECORD_UNKNOWN',
    })
    await expect(datasetView(f.rt, 'nope')).rejects.toMatchObject({ code: 'MR_DATA_VERSION', status: 404 })
    expect(await quarantineView(f.rt, 'flights', 'main')).toEqual({
      columns: ['date', 'distance', 'origin'],
      rows: [],
      total: 0,
      matched: 0,
      byReason: {},
      next: null,
    })
  })

  test('the playground gives real rows as a client sends them, and the same request as a command', async () => {
    const f = await fixture()
    const query = await f.rt.query()
    const path = `${f.store.scratch}/part.parquet`
    await query.exec({
      text: `COPY (SELECT TIMESTAMP '2001-05-01 10:00:00' + INTERVAL (i) HOUR AS date, i * 1.5 AS distance, CASE WHEN i % 3 = 0 THEN 'O''Hare' ELSE 'ATL' END AS origin FROM range(50) t(i)) TO '${path}' (FORMAT parquet)`,
      params: [],
    })
    const { digest, bytes } = await f.store.objects.putFile(path)
    const stats = { nulls: 0, distinctApprox: 2 }
    const part: Part = {
      digest,
      rows: 50,
      bytes,
      key: '2001-05',
      keyRange: { min: '2001-05', max: '2001-05' },
      stats: {
        date: stats,
        distance: stats,
        origin: {
          ...stats,
          histogram: {
            kind: 'category',
            categories: ['ATL', "O'Hare"],
            counts: [17, 33],
            other: 0,
            nulls: 0,
          },
        },
      },
    }
    await putDataset(f.store, { parts: [part], rows: 50 })
    await expect(playgroundView(f.rt, 'late', 'http://h')).rejects.toMatchObject({
      code: 'MR_API_NOT_TRAINED',
    })
    await putFamily(f.store)
    const page = await playgroundView(f.rt, 'late', 'http://127.0.0.1:8080')
    expect(page.examples).toHaveLength(12)
    expect(page.examples[0].date).toMatch(/^2001-05-0\dT\d\d:00:00Z$/)
    expect(page.choices).toEqual({ origin: ["O'Hare", 'ATL'] })
    expect(page.predictPath).toBe('/predict/late')
    const body = /-d '((?:[^']|'\\'')*)'$/.exec(page.curl)?.[1].replaceAll("'\\''", "'")
    expect(JSON.parse(body ?? '')).toEqual({ row: page.examples[0] })
    const member = await playgroundView(f.rt, `late/${key(0)}`, 'http://h')
    expect(member).toMatchObject({
      predictPath: `/predict/late%2F${key(0)}`,
      feedbackPath: '/predict/late/feedback',
      examples: [],
    })
    expect(await playgroundView(f.rt, 'late', 'http://127.0.0.1:8080')).toEqual(page)
  })
})

describe('work and history', () => {
  test('runs: what is open first, then what ended, newest first, with titles', async () => {
    const f = await fixture()
    const spec = (member: string): RunSpec => ({
      kind: 'RunSpec',
      task: 'train.fit',
      code: '1',
      inputs: {},
      params: { model: 'late', member },
      seed: 1,
    })
    const ended = async (member: string, over: Partial<RunRecord>) => {
      const id = await f.store.putRecord(spec(member))
      expect(id).toBe(digestOf(spec(member)))
      const record: RunRecord = {
        kind: 'RunRecord',
        spec: id,
        outputs: {},
        outcome: 'done',
        startedAt: 1,
        endedAt: 5,
        cpuMs: 3,
        ...over,
      }
      await move(f.store, 'run.done', 'runs', { [refs.run(id)]: await f.store.putRecord(plain(record)) })
    }
    await ended('ATL', {})
    await ended('ORD', { outcome: 'failed', error: { code: 'MR_X', message: 'MR_X: broke' } })
    const waiting = await f.store.putRecord(spec(''))
    await f.store.meta.jobs.enqueue([{ id: waiting, task: 'train.fit' }], 9)
    const rows = await runsView(f.rt)
    expect(rows.map((r) => [r.title, r.state, r.startedAt, r.error])).toEqual([
      ['Train late', 'queued', null, null],
      ['Train late/ORD', 'failed', 1, 'MR_X: broke'],
      ['Train late/ATL', 'done', 1, null],
    ])
    expect(await runsView(f.rt, { limit: 2 })).toHaveLength(2)
  })

  test('events go back by sequence number and by subject', async () => {
    const f = await fixture()
    for (const subject of ['models/late', 'datasets/flights', 'models/late'])
      await move(f.store, 'x', subject, {})
    expect((await eventsView(f.rt)).map((e) => e.seq)).toEqual([3, 2, 1])
    expect((await eventsView(f.rt, { before: 3, subjectPrefix: 'models/' })).map((e) => e.seq)).toEqual([1])
  })

  test('alerts are newest first', async () => {
    const f = await fixture()
    await putAlert(f.store, { id: 'old', raisedAt: 1 })
    await putAlert(f.store, { id: 'new', raisedAt: 2, state: 'resolved' })
    expect((await alertsView(f.rt)).map((a) => a.id)).toEqual(['new', 'old'])
  })

  test('a backtest is null before the first, then its rows', async () => {
    const f = await fixture()
    expect(await backtestView(f.rt, 'late')).toBeNull()
    const report: BacktestReport = {
      kind: 'BacktestReport',
      model: 'late',
      dataset: NONE,
      tests: [{ fromAt: 5, toAt: 6 }],
      leadMetric: 'auc',
      lossMetric: 'logLoss',
      lesson: 'more beat fresher',
      rows: [
        {
          label: 'May',
          window: { fromAt: 1, toAt: 2 },
          ageMonths: 1,
          test: { fromAt: 5, toAt: 6 },
          staleMonths: 0.1,
          rowsTrained: 9,
          modelVersion: NONE,
          lead: measured(0.67),
          loss: measured(0.4),
          meanPredicted: 0.1,
          meanActual: 0.2,
        },
      ],
    }
    await move(f.store, 'backtest', 'models/late', {
      [refs.backtest('late')]: await f.store.putRecord(plain(report)),
    })
    expect(await backtestView(f.rt, 'late')).toMatchObject({
      tests: [{ fromAt: 5, toAt: 6 }],
      decay: null,
      lesson: 'more beat fresher',
      metrics: { lead: 'auc', loss: 'logLoss' },
      rows: [{ label: 'May', fromAt: 1, toAt: 2, testAt: 5, lead: { value: 0.67 }, loss: { value: 0.4 } }],
    })
  })

  test('the status counts bytes, workers and the version of the package', async () => {
    const f = await liveFamily()
    const status = await statusView(f.rt, f.live)
    expect(status).toMatchObject({
      project: 'flights',
      workers: [{ name: 'w:0', task: 'train.fit', since: 5 }],
      address: 'http://127.0.0.1:8080',
    })
    expect(status.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(status.storeBytes).toBeGreaterThan(1000)
    expect(status.rssBytes).toBeGreaterThan(1e6)
  })
})
