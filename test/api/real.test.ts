/** The views over what training, releasing and serving really write. Tasks run in this thread, so no compiled worker is needed. */
import { canary, col, dataset, each, gates, gbdt, model, project } from 'millrace'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  apiRoutes,
  fleetView,
  loopActions,
  membersView,
  modelView,
  playgroundView,
  runsView,
  versionView,
  whyView,
} from '../../src/api/index.ts'
import { refs } from '../../src/core/names.ts'
import type { ColumnStats, Digest, RunRecord, RunSpec } from '../../src/core/records.ts'
import type { Jobs, RunOutcome } from '../../src/engine/ports.ts'
import { gateTask } from '../../src/gate/task.ts'
import { explainModel } from '../../src/loop/explain.ts'
import { explainOnWorker, explainTask } from '../../src/loop/explain-task.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { trainModel } from '../../src/loop/train.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { fitTask } from '../../src/train/fit.ts'
import { prepareTask } from '../../src/train/prepare.ts'
import { type ApiFixture, DAY, move, openProject, plain, putDataset } from './fixture.ts'

const BEGIN = Date.UTC(2001, 0, 1)
const ROWS = 6000
const DAYS = 60

const flights = dataset('flights', { source: 'none', time: 'date' })
const late = model('late', {
  from: flights,
  target: col('delay').gt(15),
  features: { hour: col('date').hour(), distance: col('distance'), origin: col('origin').category() },
  each: each('origin', { rowsMin: 800 }),
  trainer: gbdt({ trees: 20, memberTrees: 5, minRowsInLeaf: 20 }),
  split: { by: 'time', validate: '10d', test: '10d' },
  gates: [gates.beatsBaseline(), gates.slices('origin', { floor: 0.5 })],
  release: canary({ steps: [0.1] }),
  watch: { owner: 'oncall@example.com' },
})

let f: ApiFixture
let rt: Runtime
let server: Server

/** Jobs in this thread: each spec once, its record under its ref as the workers keep it. */
function jobsHere(store: Runtime['store'], query: Runtime['query']): Jobs {
  const tasks = new Map([prepareTask, fitTask, gateTask, explainTask].map((task) => [task.name, task]))
  const runOne = async (spec: RunSpec): Promise<RunOutcome> => {
    const id = await store.putRecord(spec)
    const begun = Date.now()
    const context = {
      store,
      spec,
      specDigest: id,
      query,
      infer: () => Promise.reject(new Error('nothing runs ONNX here')),
      progress: () => undefined,
      signal: new AbortController().signal,
    }
    const { outputs } = await (tasks.get(spec.task) as typeof fitTask).run(context)
    const record: RunRecord = {
      kind: 'RunRecord',
      spec: id,
      outputs,
      outcome: 'done',
      startedAt: begun,
      endedAt: Date.now(),
    }
    await move(store, 'run.done', 'runs', { [refs.run(id)]: await store.putRecord(plain(record)) })
    return { spec: id, record, cached: false }
  }
  return {
    async run(specs) {
      const outcomes: RunOutcome[] = []
      for (const spec of specs) outcomes.push(await runOne(spec))
      return outcomes
    },
    workers: () => [],
    close: async () => undefined,
  }
}

/** Late more often in the evening and from ORD. */
async function putFlights(): Promise<void> {
  const query = await rt.query()
  const path = `${f.store.scratch}/flights.parquet`
  await query.exec({
    text: `COPY (
      SELECT make_timestamp((${BEGIN} + i * ${(DAYS * DAY) / ROWS}) * 1000) AS date, (i * 37) % 2000 + 0.5 AS distance,
        CASE i % 3 WHEN 0 THEN 'ORD' WHEN 1 THEN 'ATL' ELSE 'DFW' END AS origin,
        CASE WHEN (hash(i) % 100) < 10 + 2 * (((i * 24 * ${DAYS}) // ${ROWS}) % 24) + (CASE WHEN i % 3 = 0 THEN 15 ELSE 0 END) THEN 30 ELSE 0 END AS delay
      FROM range(${ROWS}) t(i)) TO '${path}' (FORMAT parquet)`,
    params: [],
  })
  const { digest, bytes } = await f.store.objects.putFile(path)
  const stats: ColumnStats = { nulls: 0, distinctApprox: 3 }
  await putDataset(f.store, {
    schema: {
      columns: [
        { name: 'date', type: 'time', nullable: false },
        { name: 'distance', type: 'float', nullable: false },
        { name: 'origin', type: 'string', nullable: false },
        { name: 'delay', type: 'int', nullable: false },
      ],
    },
    rows: ROWS,
    window: { fromAt: BEGIN, toAt: BEGIN + DAYS * DAY },
    parts: [
      {
        digest,
        rows: ROWS,
        bytes,
        key: '2001-01',
        keyRange: { min: '2001-01', max: '2001-02' },
        stats: {
          date: { ...stats, min: BEGIN, max: BEGIN + DAYS * DAY - 1 },
          distance: stats,
          origin: stats,
          delay: stats,
        },
      },
    ],
  })
}

beforeAll(async () => {
  f = await openProject(project('flights', { datasets: [flights], models: [late] }))
  rt = {
    ...f.rt,
    folder: '.',
    stateDir: '.',
    jobs: jobsHere(f.store, f.rt.query),
    close: async () => undefined,
  }
  await putFlights()
  await trainModel(rt, { model: 'late', reason: 'first', actor: 'test' })
  await releaseLatest(rt, { model: 'late', actor: 'test' })
  server = createServer({ store: f.store, clock: rt.clock })
  apiRoutes(server.fastify, {
    ...{ rt, live: f.live, actions: loopActions(rt) },
    effects: (ask) => explainOnWorker(rt, { ...ask, rows: 200, curves: 1 }),
  })
  await server.station.start()
}, 60_000)

afterAll(async () => {
  await server.close()
  await f.drop()
})

const post = async (url: string, payload: object) => {
  const answer = await server.fastify.inject({ method: 'POST', url, payload })
  return { status: answer.statusCode, body: answer.json() }
}

test('the fleet and the page tell what was trained and released', async () => {
  const fleet = await fleetView(rt, f.live)
  expect(fleet.sentence).toBe(
    'late is live at v1 since 12:00 UTC; quality is not measured yet, as no window has outcomes; nothing needs you.',
  )
  expect(fleet.health).toBe('good')
  const [row] = fleet.models
  expect(row.members + row.membersHeld).toBe(3)
  expect(row.expected?.value).toBeGreaterThan(0.55)
  expect(row.freshAt).toBeGreaterThan(BEGIN)
  const page = await modelView(rt, 'late', f.live)
  expect(page.importance.map((i) => i.feature).sort()).toEqual(['distance', 'hour', 'origin'])
  expect(page.gates.length).toBeGreaterThanOrEqual(3)
  expect(page.versions[0]).toMatchObject({ state: 'live', version: 1 })
})

test('members tell their rows, whoever answers', async () => {
  const { total, members } = await membersView(rt, 'late', { sort: 'key' })
  expect([total, members.map((m) => m.key)]).toEqual([3, ['ATL', 'DFW', 'ORD']])
  for (const member of members) expect(member.rows).toBeGreaterThan(800)
})

test('a version names its run, expressions and categories by their values', async () => {
  const bundle = (await modelView(rt, 'late', f.live)).versions[0].bundle as Digest
  const { parent } = await f.store.getRecord<{ kind: string; parent: Digest }>(bundle, 'ModelBundle')
  const version = await versionView(rt, parent)
  expect(version.run).toMatchObject({ task: 'train.fit' })
  expect(version.run?.inputs).toHaveProperty('plan')
  const origin = version.features.find((feature) => feature.name === 'origin')
  expect(origin?.expression).toBe('category(origin)')
  expect(origin?.reference.kind === 'category' && [...origin.reference.categories].sort()).toEqual([
    'ATL',
    'DFW',
    'ORD',
  ])
})

test('runs are titled by what they made', async () => {
  const titles = (await runsView(rt)).map((run) => run.title)
  expect(titles).toContain('Prepare rows for late')
  expect(titles).toContain('Train late')
  expect(titles).toContain('Train late/ORD')
  expect(titles).toContain('Gate late')
})

test('the example of the playground is answered, explained and found again with its outcome', async () => {
  const page = await playgroundView(rt, 'late', 'http://127.0.0.1:8080')
  expect(page.choices.origin.sort()).toEqual(['ATL', 'DFW', 'ORD'])
  const [row] = page.examples
  const answer = await post(page.predictPath, { row })
  expect(answer.status).toBe(200)
  const { explanation } = (await post(page.explainPath, { row })).body
  const { id, output } = answer.body
  expect((await post(page.feedbackPath, { id, value: 1 })).status).toBe(200)
  const why = await whyView(rt, id)
  expect(why.output).toBe(output)
  expect(why.member).toBe(answer.body.member)
  expect(why.outcome?.value).toBe(1)
  expect(why.explanation.raw).toBeCloseTo(explanation.raw, 12)
  expect(why.explanation.scale).toBe(explanation.scale)
  const sum = why.explanation.contributions.reduce((total, c) => total + c.contribution, why.explanation.base)
  expect(sum + why.explanation.residual).toBeCloseTo(why.explanation.raw, 12)
  for (const { feature, contribution } of explanation.contributions)
    expect(why.explanation.contributions.find((c) => c.feature === feature)?.contribution).toBeCloseTo(
      contribution,
      12,
    )
  expect(why.inputs).toMatchObject({ origin: row.origin, distance: row.distance })
  expect(why.trainedOn.dataset).toBe('flights')
  expect(why.gates.length).toBeGreaterThan(0)
})

test('actions go through the loop: a plan says what would move, and a rollback without a past is refused', async () => {
  const promote = await post('/api/models/late/promote', { dryRun: true })
  expect(promote.body).toEqual({
    done: false,
    dryRun: true,
    command: 'millrace promote late',
    effects: ['no release is under way, so there is nothing to promote'],
  })
  const refused = await post('/api/models/late/rollback', { dryRun: true })
  expect([refused.status, refused.body.code]).toEqual([409, 'MR_LOOP_NOTHING_BEFORE'])
})

test('what the model leans on, with intervals, and the curve of a feature that is named', async () => {
  const ask = async (query: string) =>
    (await server.fastify.inject({ url: `/api/models/late/effects${query}` })).json()
  const found = await ask('')
  expect(found.rows).toBe(200)
  expect(found.curves.map(({ feature }: { feature: string }) => feature)).toEqual([found.features[0].feature])
  const whole = await explainModel(rt, { model: 'late', rows: 200, curves: 1 })
  expect(found).toEqual(JSON.parse(JSON.stringify(whole)))
  const last = found.features.at(-1).feature
  expect((await ask(`?feature=${last}`)).curves[0].feature).toBe(last)
  expect((await ask('?feature=nope')).code).toBe('MR_LOOP_UNKNOWN')
})
