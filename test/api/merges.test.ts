/** Merges that wait are decided over real HTTP: by cell, by column, by filter, by expression and by hand, by two people at once, and again where a branch moved. */
import Fastify from 'fastify'
import { afterAll, expect, test } from 'vitest'
import type { ActionResult, MergeDecided, MergePage, MergeRow } from '../../src/api/contract.ts'
import { apiRoutes, loopActions, notServing } from '../../src/api/index.ts'
import { MergeDesk } from '../../src/api/merge-desk.ts'
import type { Cli } from '../../src/cli/cli.ts'
import { dataMerge } from '../../src/cli/commands/data-refs.ts'
import { EXIT } from '../../src/cli/exit.ts'
import { PLAIN } from '../../src/cli/paint.ts'
import { refs } from '../../src/core/names.ts'
import { checks } from '../../src/define/checks.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { parseExpr } from '../../src/expr/parse.ts'
import { dropBranch } from '../../src/loop/branches.ts'
import type { MergeResult } from '../../src/loop/merge.ts'
import { MergeDrafts } from '../../src/loop/merge-drafts.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { datasetDef, openPlace, rowCheck } from '../data/fixture.ts'
import { csvOf, type Row, rowsIn, textsOf } from '../data/tables.ts'

const keyed: Partial<DatasetDef> = {
  key: ['id'],
  mode: 'replace',
  read: { missing: [] },
  parts: { by: 'rows', rowsMax: 100_000 },
}
const row = (id: number, v: number | null, t: string | null = 'a'): Row => ({ id, v, t, at: '2001-01-05' })

const closing: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const close of closing) await close()
})

/** A server over two branches of a dataset. */
async function setUp(base: Row[], ours: Row[], theirs: Row[], over: Partial<DatasetDef> = {}) {
  const place = await openPlace()
  const def = { ...keyed, ...over }
  const write = async (rows: Row[], now: number, branch?: string) => {
    place.file(`f${now}.csv`, csvOf(rows))
    await place.import(def, { files: [`f${now}.csv`], now, ...(branch && { branch }) })
  }
  const head = async (branch?: string) => (await place.store.meta.ref(refs.dataset('d', branch)))?.digest
  await write(base, 1)
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: (await head())! }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await write(theirs, 2, 'other')
  await write(ours, 3)
  const rt = {
    project: { name: 'p', datasets: [datasetDef(def)], models: [] },
    store: place.store,
    jobs: place.jobs,
    clock: { now: () => 50 },
    query: async () => place.query,
  } as unknown as Runtime
  const serve = async () => {
    const app = Fastify()
    app.setErrorHandler((error: Error & { code?: string; status?: number }, _, reply) =>
      reply.code(error.status ?? 500).send({ code: error.code ?? 'none', detail: error.message }),
    )
    const live = notServing(() => [], 0)
    apiRoutes(app, { rt, live, actions: loopActions(rt), merges: new MergeDesk(rt) })
    const address = await app.listen({ port: 0, host: '127.0.0.1' })
    closing.push(() => app.close())
    return async <T>(method: 'GET' | 'POST', path: string, body?: object) => {
      const answer = await fetch(`${address}/api${path}`, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      return { status: answer.status, body: (await answer.json()) as T & { code?: string; detail?: string } }
    }
  }
  return { rt, place, head, write, serve, ask: await serve() }
}

const AT = '/datasets/d/merges/main/other'

test('conflicts are paged, decided by cell, filter, expression and hand, undone, and merged; what was decided is what main holds', async () => {
  const base = [1, 2, 3, 4, 5, 6].map((id) => row(id, id))
  const { rt, place, head, ask } = await setUp(
    base,
    [row(1, 10, 'o'), row(2, 20), row(3, 30), row(4, 40), row(6, 60)],
    [row(1, 11, 't'), row(2, 21), row(3, 31), row(5, 51), row(6, 6, 'z')],
  )
  expect((await ask<MergeRow[]>('GET', '/merges')).body).toEqual([])
  expect((await ask('GET', AT)).body.code).toBe('MR_DATA_MERGE_ABSENT')
  const begun = await ask<{ merge: MergeRow }>('POST', '/datasets/d/merges', { branch: 'other' })
  // v and t of 1, v of 2 and 3; 4 is deleted there and changed here, 5 the other way round.
  expect(begun.body.merge).toMatchObject({ conflicts: 6, decided: 0, step: 0, moved: [], into: 'main' })
  const first = await ask<MergePage>('GET', `${AT}?limit=2`)
  expect(first.body).toMatchObject({ matched: 5, next: 2, counts: { rows: 5 } })
  expect(first.body.rows[0]).toMatchObject({ key: ['1'], isDeleted: false })
  expect(
    first.body.rows[0]!.cells.filter((c) => c.isConflict).map((c) => [c.column, c.base, c.ours, c.theirs]),
  ).toEqual([
    ['v', 1, 10, 11],
    ['t', 'a', 'o', 't'],
  ])
  const v = first.body.columns.findIndex(({ name }) => name === 'v')
  const [one, two] = first.body.rows.map((r) => r.row)

  const decide = async (body: object, seen = 99) =>
    await ask<MergeDecided>('POST', `${AT}/decide`, { seen, ...body })
  expect((await decide({ cells: [[one, v]], take: 'value', value: '1.5' })).body.code).toBe(
    'MR_DATA_MERGE_VALUE',
  )
  const both = [
    [one, first.body.columns.findIndex(({ name }) => name === 't')],
    [one, v],
  ]
  expect((await decide({ cells: both, take: 'value', value: '1.5' })).body.code).toBe('MR_DATA_MERGE_VALUE')
  expect((await decide({ cells: [[one, v]], take: 'value', value: '77' })).body).toMatchObject({
    done: true,
    n: 1,
    step: 1,
  })
  expect(
    (await decide({ column: 'v', where: 'id = 2', take: 'expression', expression: 'ours + theirs -' })).body
      .code,
  ).toBe('MR_EXPR_SYNTAX')
  expect((await decide({ column: 'v', take: 'expression', expression: "ours + 'x'" })).body.code).toBe(
    'MR_EXPR_TYPE',
  )
  expect(
    (await decide({ column: 'v', where: 'id = 2', take: 'expression', expression: 'ours / 3' })).body.code,
  ).toBe('MR_DATA_FIX_VALUE')
  const sum = { column: 'v', take: 'expression', expression: 'ours + theirs - base' }
  const preview = await decide({ ...sum, dryRun: true })
  expect(preview.body).toMatchObject({ done: false, n: 2, again: 0, missing: 0 })
  expect(preview.body.sample.map((s) => [s.key[0], s.result])).toEqual([
    ['2', '39'],
    ['3', '58'],
  ])
  expect((await decide(sum)).body).toMatchObject({ done: true, n: 2, step: 2 })
  expect((await decide({ column: 't', take: 'theirs' })).body).toMatchObject({ n: 1, step: 3 })
  expect((await decide({ where: 'theirs_v is null or ours_v is null', take: 'theirs' })).body).toMatchObject({
    n: 2,
    step: 4,
  })
  expect((await ask<MergePage>('GET', AT)).body).toMatchObject({ conflicts: 6, decided: 6 })
  expect((await ask<MergePage>('GET', `${AT}?state=open`)).body.matched).toBe(0)
  // The sum is taken back: 2 and 3 are open, and then decided for the branch.
  expect((await ask('POST', `${AT}/undo`, { step: 2 })).status).toBe(200)
  expect((await ask('POST', `${AT}/undo`, { step: 2 })).body.code).toBe('MR_DATA_MERGE_STEP')
  const open = await ask<MergePage>('GET', `${AT}?state=open`)
  expect(open.body.rows.map((r) => r.key[0])).toEqual(['2', '3'])
  const early = await ask<ActionResult>('POST', `${AT}/finish`, { dryRun: true })
  expect([early.status, early.body.code]).toEqual([409, 'MR_DATA_MERGE_OPEN'])
  const who = { actor: 'test', reason: 'too early' }
  expect(await new MergeDrafts(rt).finish({ dataset: 'd', branch: 'other' }, who)).toMatchObject({
    ...{ done: false, dryRun: false, open: { cell: 2 } },
  })
  expect((await decide({ cells: [[two, v]], take: 'ours' })).body.n).toBe(1)
  expect((await decide({ take: 'theirs' })).body.n).toBe(1)
  const before = await head()
  const foreseen = await ask<ActionResult>('POST', `${AT}/finish`, { dryRun: true })
  expect(foreseen.body).toMatchObject({
    done: false,
    dryRun: true,
    command: 'millrace data merge d other --decided',
  })
  expect(await head()).toBe(before)
  expect((await ask<ActionResult>('POST', `${AT}/finish`, { reason: 'agreed' })).body.done).toBe(true)
  expect(await rowsIn(place, (await head())!)).toEqual(
    textsOf([row(1, 77, 't'), row(2, 20), row(3, 31), row(5, 51), row(6, 60, 'z')]),
  )
  expect(await head('other')).toBeUndefined()
  expect((await ask<MergeRow[]>('GET', '/merges')).body).toEqual([])
  const types = (await place.store.meta.events({ subject: 'datasets/d' })).map(({ type }) => type)
  expect(types.filter((type) => type.startsWith('data.merge'))).toEqual([
    'data.merge-begun',
    ...Array(7).fill('data.merge-decided'),
    'data.merged',
  ])
}, 60_000)

test('two people on two servers lose nothing: what one decided is not decided over by one who has not seen it', async () => {
  const ids = Array.from({ length: 40 }, (_, i) => i)
  const { place, ask, serve } = await setUp(
    ids.map((id) => row(id, 0)),
    ids.map((id) => row(id, 1)),
    ids.map((id) => row(id, 2)),
  )
  const other = await serve()
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  const v = (await ask<MergePage>('GET', AT)).body.columns.findIndex(({ name }) => name === 'v')
  const cell = (id: number, take: string) => ({ cells: [[id, v]], take, seen: 0 })
  const answers = await Promise.all(
    ids
      .slice(0, 20)
      .map(
        async (id) =>
          await (id % 2 === 0 ? ask : other)('POST', `${AT}/decide`, cell(id, id < 10 ? 'ours' : 'theirs')),
      ),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
  for (const each of [ask, other])
    expect((await each<MergePage>('GET', AT)).body).toMatchObject({ decided: 20, step: 20 })
  expect((await other('POST', `${AT}/decide`, cell(0, 'theirs'))).body.code).toBe('MR_DATA_MERGE_DECIDED')
  const all = { column: 'v', all: true, take: 'base', seen: 3 }
  expect((await ask('POST', `${AT}/decide`, all)).body.code).toBe('MR_DATA_MERGE_DECIDED')
  expect((await ask<MergeDecided>('POST', `${AT}/decide`, { take: 'base', seen: 20 })).body.n).toBe(20)
  expect((await other<ActionResult>('POST', `${AT}/finish`, {})).body.done).toBe(true)
  const main = (await place.store.meta.ref(refs.dataset('d')))!.digest
  expect(await rowsIn(place, main)).toEqual(textsOf(ids.map((id) => row(id, id < 10 ? 1 : id < 20 ? 2 : 0))))
}, 60_000)

test('where a branch moved it is said; begun again, decisions about cells that are as they were stay, and it can be abandoned', async () => {
  const base = [row(1, 1), row(2, 2), row(3, 3)]
  const { ask, write, head } = await setUp(
    base,
    [row(1, 10), row(2, 20), row(3, 3)],
    [row(1, 11), row(2, 21), row(3, 3)],
  )
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  await ask('POST', `${AT}/decide`, { take: 'theirs', seen: 0 })
  await write([row(1, 10), row(2, 99), row(3, 3)], 4)
  expect((await ask<MergePage>('GET', AT)).body).toMatchObject({ moved: ['main'], decided: 2 })
  const stale = await ask('POST', `${AT}/finish`, {})
  expect([stale.status, stale.body.code]).toEqual([409, 'MR_DATA_MERGE_STALE'])
  const renewed = await ask<{ merge: MergeRow }>('POST', `${AT}/renew`, {})
  expect(renewed.body.merge).toMatchObject({ conflicts: 2, decided: 1, moved: [] })
  const open = await ask<MergePage>('GET', `${AT}?state=open`)
  expect(open.body.rows.map((r) => r.key[0])).toEqual(['2'])
  const gone = await ask<ActionResult>('POST', `${AT}/abandon`, { dryRun: true })
  expect(gone.body.effects[0]).toContain('1 decision')
  expect((await ask<ActionResult>('POST', `${AT}/abandon`, {})).body.done).toBe(true)
  expect((await ask('GET', AT)).status).toBe(404)
  expect(await head('other')).toBeDefined()
}, 60_000)

test('rows that do not keep a check are shown where they are, and set right by hand', async () => {
  const checks = [rowCheck('v below 100 where t is b', parseExpr("t = 'a' or v < 100") as never)]
  const { ask } = await setUp(
    [row(1, 1), row(2, 2)],
    [row(1, 200), row(2, 500)],
    [row(1, 1, 'b'), row(2, 3, 'b')],
    { checks },
  )
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  const page = (await ask<MergePage>('GET', AT)).body
  expect(page).toMatchObject({ conflicts: 2, decided: 0 })
  expect(page.rows.map(({ checks: broken }) => broken)).toEqual([
    ['v below 100 where t is b'],
    ['v below 100 where t is b'],
  ])
  const v = page.columns.findIndex(({ name }) => name === 'v')
  await ask('POST', `${AT}/decide`, { cells: [[0, v]], take: 'value', value: '7', seen: 0 })
  await ask('POST', `${AT}/decide`, { column: 'v', take: 'ours', seen: 1 })
  const broken = await ask('POST', `${AT}/finish`, {})
  expect(broken.body.detail).toContain('row 2 would not keep "v below 100 where t is b"')
  const shown = (await ask<MergePage>('GET', `${AT}?state=broken`)).body
  expect([shown.rows.map(({ key }) => key[0]), shown.broken?.rows[0]?.check]).toEqual([
    ['2'],
    'v below 100 where t is b',
  ])
  expect(shown.sentence).toContain('some merged rows would not keep a check')
  await ask('POST', `${AT}/decide`, { cells: [[1, v]], take: 'theirs', seen: 9 })
  expect((await ask<MergePage>('GET', AT)).body.sentence).toContain('can be merged into main')
  expect((await ask<ActionResult>('POST', `${AT}/finish`, {})).body.done).toBe(true)
}, 60_000)

test('more merges wait than tables are held of, and are asked for all at once', async () => {
  const { place, head, write, ask } = await setUp([row(1, 1)], [row(1, 10)], [row(1, 11)])
  const branches = ['other', 'b1', 'b2', 'b3', 'b4', 'b5']
  for (const [i, branch] of branches.slice(1).entries()) {
    await place.store.meta.commit({
      moves: [{ name: refs.dataset('d', branch), from: null, to: (await head('other'))! }],
      event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
    })
    await write([row(1, 20 + i)], 10 + i, branch)
  }
  for (const branch of branches) await ask('POST', '/datasets/d/merges', { branch })
  const lists = await Promise.all([1, 2, 3].map(() => ask<MergeRow[]>('GET', '/merges')))
  for (const { status, body } of lists) {
    expect(status, JSON.stringify(body)).toBe(200)
    expect(body.map(({ branch, conflicts }) => [branch, conflicts]).sort()).toEqual(
      [...branches].sort().map((branch) => [branch, 1]),
    )
  }
  const pages = await Promise.all(
    branches.map((branch) => ask<MergePage>('GET', `/datasets/d/merges/main/${branch}`)),
  )
  expect(pages.map(({ body }) => body.matched)).toEqual(branches.map(() => 1))
}, 60_000)

test('merges of a branch and into it end with the branch', async () => {
  const { rt, ask } = await setUp([row(1, 1)], [row(1, 10)], [row(1, 11)])
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  await ask('POST', '/datasets/d/merges', { branch: 'main', into: 'other' })
  expect((await ask<MergeRow[]>('GET', '/merges')).body.map(({ into }) => into).sort()).toEqual([
    'main',
    'other',
  ])
  await dropBranch(rt, { dataset: 'd', branch: 'other', actor: 'test', reason: 'not wanted' })
  expect((await ask<MergeRow[]>('GET', '/merges')).body).toEqual([])
}, 60_000)

test('a command that foresees a broken check of a merge that waited ends as one of a merge at once', async () => {
  const { rt, ask } = await setUp(
    [row(1, 9), row(2, 9)],
    [row(1, 9, 'o'), row(2, 11)],
    [row(1, 11, 't'), row(2, 9)],
    { checks: [checks.mean('v', { max: 10 }).stop().def] },
  )
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  expect((await ask<MergeDecided>('POST', `${AT}/decide`, { take: 'ours', seen: 0 })).body.n).toBe(1)
  const cli = {
    open: async () => rt,
    actor: async () => 'test',
    paint: PLAIN,
    width: 80,
    meter: { begin: () => undefined, update: () => undefined, end: () => undefined },
  } as unknown as Cli
  for (const options of [{ resolve: 'ours' }, { decided: true }]) {
    const { exit, value } = await dataMerge(cli, ['d', 'other'], { ...options, dryRun: true } as never)
    expect((value as MergeResult).broken).toHaveLength(1)
    expect(exit).toBe(EXIT.refused)
  }
}, 60_000)

test('what is not understood is refused with its name', async () => {
  const { ask } = await setUp([row(1, 1)], [row(1, 2)], [row(1, 3)])
  await ask('POST', '/datasets/d/merges', { branch: 'other' })
  const bad = async (method: 'GET' | 'POST', path: string, body?: object) =>
    (await ask(method, path, body)).body.code
  expect(await bad('POST', '/datasets/d/merges', {})).toBe('MR_API_QUERY')
  expect(await bad('POST', '/datasets/d/merges', { branch: 'none' })).toBe('MR_DATA_BRANCH')
  expect(await bad('GET', `${AT}?state=odd`)).toBe('MR_API_QUERY')
  expect(await bad('GET', `${AT}?limit=201`)).toBe('MR_API_QUERY')
  expect(await bad('GET', `${AT}?where=nothing%20%3D%201`)).toBe('MR_EXPR_UNKNOWN_COLUMN')
  expect(await bad('POST', `${AT}/decide`, { take: 'mine', seen: 0 })).toBe('MR_API_QUERY')
  expect(await bad('POST', `${AT}/decide`, { take: 'ours' })).toBe('MR_API_QUERY')
  expect(await bad('POST', `${AT}/decide`, { take: 'ours', seen: 0, cells: [[0]] })).toBe('MR_API_QUERY')
  expect(await bad('POST', `${AT}/decide`, { take: 'ours', seen: 0, column: 'no' })).toBe(
    'MR_DATA_MERGE_COLUMN',
  )
  expect(await bad('POST', `${AT}/decide`, { take: 'value', value: '1', seen: 0 })).toBe(
    'MR_DATA_MERGE_VALUE',
  )
  expect(await bad('POST', `${AT}/column`, { column: 'v', take: 'ours' })).toBe('MR_DATA_MERGE_COLUMN')
})
