/** Two versions of a model of real weather, compared by what they answer. */
import { join } from 'node:path'
import Fastify from 'fastify'
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import { CompareDesk } from '../../src/api/compare-desk.ts'
import type { ActionResult, ModelDiff } from '../../src/api/contract.ts'
import { apiRoutes, loopActions, notServing } from '../../src/api/index.ts'
import { MillraceError } from '../../src/core/errors.ts'
import { refs } from '../../src/core/names.ts'
import type { Digest, ModelBundle, ModelVersion } from '../../src/core/records.ts'
import { raw } from '../../src/expr/sql.ts'
import { behaviourBetween, exportMoves } from '../../src/loop/behaviour.ts'
import { trainModel } from '../../src/loop/train.ts'
import { versionsBetween } from '../../src/loop/version-diff.ts'
import { loadModel } from '../../src/model/load.ts'
import type { TreeEnsemble } from '../../src/model/trees.ts'
import type { Store } from '../../src/store/ports.ts'
import { type LoopPlace, openLoop } from '../fixtures/loop-place.ts'
import { hasSeattle, SEATTLE_COLUMNS, SEATTLE_FILE } from '../fixtures/seattle-weather.ts'

const days = dataset('days', { source: 'none', time: 'date' })
const shared = {
  from: days,
  split: { by: 'time', validate: '120d', test: '240d' },
  gates: [gates.beatsBaseline()],
  release: canary({ steps: [] }),
  watch: { owner: 'oncall@example.com' },
} as const
const few = gbdt({ trees: 5, leaves: 4, minRowsInLeaf: 10 })
const many = gbdt({ trees: 40, leaves: 7, learningRate: 0.1, minRowsInLeaf: 10 })
const sunny = model('sunny', {
  ...shared,
  target: col('weather').eq('sun'),
  features: {
    month: col('date').month(),
    low: col('temp_min'),
    high: col('temp_max'),
    wind: col('wind'),
  },
  trainer: few,
})
const high = model('high', {
  ...shared,
  target: col('temp_max'),
  features: { low: col('temp_min') },
  trainer: few,
})

/** The routes of the console over the place. */
function consoleOf({ rt }: Pick<LoopPlace, 'rt'>) {
  const app = Fastify()
  app.setErrorHandler((error: Error & { code?: string; status?: number }, _, reply) =>
    reply.code(error.status ?? 500).send({ code: error.code, detail: error.message }),
  )
  const compare = new CompareDesk(rt)
  apiRoutes(app, { rt, live: notServing(() => [], 0), actions: loopActions(rt), compare })
  return {
    ask: async <T>(method: 'GET' | 'POST', url: string, payload?: object) => {
      const answer = await app.inject({ method, url: `/api${url}`, ...(payload && { payload }) })
      return { status: answer.statusCode, body: answer.json() as T & { code?: string } }
    },
  }
}

describe.skipIf(!hasSeattle)('versions of a model of real weather', () => {
  let place: LoopPlace

  beforeAll(async () => {
    place = await openLoop(
      project('seattle', { datasets: [days], models: [sunny, high] }) as never,
      Date.UTC(2015, 5, 1),
    )
    await place.deliver(
      'days',
      `select * from read_csv('${SEATTLE_FILE}', types={'date': 'DATE'}) order by date`,
      SEATTLE_COLUMNS,
    )
    for (const { name, trainer } of [
      { name: 'sunny', trainer: few },
      { name: 'sunny', trainer: many },
      { name: 'high', trainer: few },
    ])
      await trainModel(place.rt, { model: name, trainer: trainer as never, reason: 'test', actor: 'test' })
  }, 120_000)

  test('say which decisions changed, and agree with the card about what each is worth', async () => {
    const { report, before, after, known } = await behaviourBetween(place.rt, {
      before: 'sunny@v1',
      after: 'sunny',
    })
    expect([before.version, after.version, known]).toEqual([1, 2, false])
    expect(report.rows).toBe(240)
    const { changed, broken, mended, ways } = report.decisions!
    const n = ways.reduce((sum, way) => sum + way.n, 0)
    expect(changed.value).toBeCloseTo(n / 240, 12)
    // of two answers one is right
    expect(broken + mended).toBe(n)
    expect(n).toBeGreaterThan(0)
    const { store } = place.rt
    const latest = (await store.meta.ref(refs.latest('sunny')))!.digest
    const { parent } = await store.getRecord<ModelBundle>(latest, 'ModelBundle')
    const { card } = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
    const auc = report.metrics.find(({ metric }) => metric === 'auc')!
    expect(auc.after.value).toBeCloseTo(card.metrics.auc.value, 9)
    expect(auc.gain!.value).toBeCloseTo(auc.after.value - auc.before.value, 9)
  })

  test('are compared once, and nothing moves between a version and itself', async () => {
    const again = { before: 'sunny@v1', after: 'sunny@latest' }
    expect((await behaviourBetween(place.rt, again)).known).toBe(true)
    const { report } = await behaviourBetween(place.rt, { before: 'sunny@v2', after: 'sunny@v2' })
    expect(report.moves.meanAbsolute).toBe(0)
    expect(report.slices).toEqual([])
  })

  test('say what they are made of: settings, features, data and trees', async () => {
    const { before, after, settings, features, inside, members } = await versionsBetween(place.rt, {
      before: 'sunny@v1',
      after: 'sunny@v2',
    })
    expect([before.version, after.version, after.format]).toEqual([1, 2, 'trees'])
    const of = (name: string) => settings.find((one) => one.name === name)
    expect(of('trainer.trees')).toEqual({ name: 'trainer.trees', before: '5', after: '40' })
    expect(of('trainer.leaves')).toMatchObject({ before: '4', after: '7' })
    expect(of('seed')).toBeUndefined()
    expect(features).toMatchObject({ added: [], removed: [], changed: [], relearned: [], same: 4 })
    expect(members).toEqual({ added: [], removed: [], changed: 0, same: 0 })
    const { graph } = await loadModel(place.rt.store, after.parent)
    const trees = graph.model as TreeEnsemble
    expect(inside).toMatchObject({
      kind: 'pieces',
      noun: 'tree',
      after: { pieces: trees.roots.length, nodes: trees.feature.length },
    })
    const splits = trees.left.filter((left) => left >= 0).length
    if (inside.kind === 'pieces')
      expect(inside.features.reduce((sum, one) => sum + one.after, 0)).toBe(splits)
    const own = await versionsBetween(place.rt, { before: 'sunny@v2', after: 'sunny' })
    expect(own.settings).toEqual([])
    expect(own.inside).toMatchObject({ same: trees.roots.length, sameFirst: trees.roots.length })
  })

  test('go to a Parquet file with every test row, what both answered and how far that is apart', async () => {
    const named = { before: 'sunny@v1', after: 'sunny' }
    const { report } = await behaviourBetween(place.rt, named)
    const path = join(place.rt.folder, 'moves.parquet')
    await exportMoves(place.rt, named, path)
    const rows = await (await place.rt.query()).rows<Record<string, number | string>>(
      raw(`select * from read_parquet('${path}') order by _row`),
    )
    expect(rows.length).toBe(report.rows)
    expect(Object.keys(rows[0]!).filter((name) => name.startsWith('mr_'))).toEqual([])
    expect(Object.keys(rows[0]!)).toEqual(
      expect.arrayContaining(['date', 'temp_max', '_truth', '_decided_after']),
    )
    const far = rows.map(({ _before, _after, _moved }) => {
      expect(_moved).toBe(Number(_after) - Number(_before))
      return Math.abs(Number(_moved))
    })
    expect(far.reduce((sum, x) => sum + x, 0) / rows.length).toBeCloseTo(report.moves.meanAbsolute, 12)
    const other = rows.filter(({ _decided_before, _decided_after }) => _decided_before !== _decided_after)
    expect(other.length).toBe(report.decisions!.ways.reduce((sum, way) => sum + way.n, 0))
    const broken = other.filter(
      ({ _decided_before, _truth }) => _decided_before === (_truth === 1 ? 'yes' : 'no'),
    )
    expect(broken.length).toBe(report.decisions!.broken)
    expect(rows.every(({ weather, _truth }) => _truth === Number(weather === 'sun'))).toBe(true)
  })

  test('are told in sentences over HTTP, compared in the background once, and found again', async () => {
    const { ask } = consoleOf(place)
    const url = '/models/sunny/diff'
    const { body: made } = await ask<ModelDiff>('GET', `${url}?from=2&to=v1`)
    expect(made).toMatchObject({ behaviour: null, comparing: null, failed: null, refused: null })
    expect(made.command).toBe('millrace model diff sunny@v2 sunny@v1')
    expect(made.words.made).toMatch(
      /^v1 was trained on the same data as v2, with \d+ settings changed \(.*\)\.$/,
    )
    expect(made.words.moved).toBeNull()
    const body = { from: '2', to: '1' }
    expect((await ask<ActionResult>('POST', url, { ...body, dryRun: true })).body.done).toBe(false)
    expect((await ask<ActionResult>('POST', url, body)).body.done).toBe(true)
    let told = made
    for (let i = 0; i < 200 && told.behaviour === null; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      told = (await ask<ModelDiff>('GET', `${url}?from=v2&to=1`)).body
      expect(told.failed).toBeNull()
    }
    const { report } = await behaviourBetween(place.rt, { before: 'sunny@v2', after: 'sunny@v1' })
    expect(told.behaviour).toMatchObject({ rows: 240, moves: { mean: report.moves.mean } })
    expect(told.words.moved).toContain('of 240 test rows otherwise')
    const again = (await ask<ActionResult>('POST', url, body)).body
    expect(again).toMatchObject({ done: false, effects: [expect.stringContaining('compared before')] })
    expect((await ask('GET', `${url}?from=2`)).body.code).toBe('MR_API_QUERY')
    expect((await ask('GET', `${url}?from=2&to=9`)).body.code).toBe('MR_LOOP_UNKNOWN')
  })

  test('of numbers have no decisions, and say so when nothing moved', async () => {
    const { ask } = consoleOf(place)
    await behaviourBetween(place.rt, { before: 'high@v1', after: 'high@v1' })
    const { body } = await ask<ModelDiff>('GET', '/models/high/diff?from=latest&to=1')
    expect(body.words.made).toBe('v1 is one and the same version on both sides.')
    expect(body.words.moved).toMatch(/^Both answer the same on all \d+ test rows\.$/)
    expect(body.words.measures).toMatch(/^By no measure/)
    expect(body.words.caution).toBeNull()
    expect(body.behaviour).not.toHaveProperty('decisions')
    expect(body.behaviour!.moves.histogram).toBeUndefined()
  })

  test('say over HTTP why a comparison failed or cannot be', async () => {
    const { rt } = place
    const url = '/models/sunny/diff'
    const own = { from: 'v1', to: 'v1' }
    const fails = async () => {
      throw new MillraceError('MR_LOOP_COMPARE', { before: 'a', after: 'b', why: 'the test says so' })
    }
    const { ask } = consoleOf({ rt: { ...rt, jobs: { ...rt.jobs, run: fails } } })
    expect((await ask<ActionResult>('POST', url, own)).body.done).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const { body: failed } = await ask<ModelDiff>('GET', `${url}?from=v1&to=v1`)
    expect(failed).toMatchObject({ behaviour: null, comparing: null, failed: { code: 'MR_LOOP_COMPARE' } })

    const gone = {
      has: async () => false,
      get: (digest: Digest) => rt.store.objects.get(digest),
    } as unknown as Store['objects']
    const { meta } = rt.store
    const getRecord = (digest: Digest, kind: string) => rt.store.getRecord(digest, kind as never)
    const bare = consoleOf({ rt: { ...rt, store: { meta, objects: gone, getRecord } as unknown as Store } })
    const { body: refused } = await bare.ask<ModelDiff>('GET', `${url}?from=v1&to=v2`)
    expect(refused).toMatchObject({
      refused: { code: 'MR_LOOP_COMPARE', message: expect.stringContaining('not in the store') },
      inside: { kind: 'pieces' },
    })
    expect((await bare.ask('POST', url, { from: 'v1', to: 'v2' })).body.code).toBe('MR_LOOP_COMPARE')
  })

  test('of two tasks are refused, as is one that there is not', async () => {
    const code = (before: string) =>
      behaviourBetween(place.rt, { before, after: 'sunny' }).catch((error: { code: string }) => error.code)
    expect(await code('high')).toBe('MR_LOOP_COMPARE')
    expect(await code('sunny@v9')).toBe('MR_LOOP_UNKNOWN')
  })
})
