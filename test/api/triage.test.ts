import Fastify from 'fastify'
import { expect, test } from 'vitest'
import type { ActionResult, BranchRow, QuarantineRows, TriageView } from '../../src/api/contract.ts'
import { apiRoutes, loopActions, notServing } from '../../src/api/index.ts'
import { TriageDesk } from '../../src/api/triage-desk.ts'
import { refs } from '../../src/core/names.ts'
import { worthOfRows } from '../../src/loop/worth.ts'
import { setUpTriage } from '../fixtures/triage-place.ts'

async function setUp() {
  const { rt, version, place } = await setUpTriage()
  await worthOfRows(rt, { model: 'm', version, reason: 'test', actor: 'test' })
  const app = Fastify()
  app.setErrorHandler((error: Error & { code?: string; status?: number }, _, reply) =>
    reply.code(error.status ?? 500).send({ code: error.code, detail: error.message }),
  )
  apiRoutes(app, { rt, live: notServing(() => [], 0), actions: loopActions(rt), triage: new TriageDesk(rt) })
  const ask = async <T>(method: 'GET' | 'POST', url: string, payload?: object) => {
    const answer = await app.inject({ method, url: `/api${url}`, ...(payload && { payload }) })
    return { status: answer.statusCode, body: answer.json() as T & { code?: string } }
  }
  return { rt, version, place, ask }
}

test('rows are looked at, put aside, tried, merged and released over HTTP, each act after its preview and with its command', async () => {
  const { ask, place, version } = await setUp()
  const { body: view } = await ask<TriageView>('GET', '/triage/m?finding=label&where=worth%20%3C%200&limit=3')
  expect(view).toMatchObject({ dataset: 'd', model: 'm', models: ['m'], version, isBehind: false, next: 3 })
  expect(view.page).toHaveLength(3)
  expect(view.page.every((row) => row.findings.includes('label') && (row.worth ?? 0) < 0)).toBe(true)
  expect(view.findings.find(({ name }) => name === 'label')?.matched).toBe(view.matched)
  expect(view.worth?.labels.issues).toBe(view.findings.find(({ name }) => name === 'label')?.rows)

  const choice = { name: 'm', finding: 'label', where: "site = 'broken'" }
  const at = '/datasets/d/branches/cleaned'
  const preview = await ask<ActionResult>('POST', `${at}/quarantine`, { ...choice, dryRun: true })
  expect(preview.body).toMatchObject({ done: false, dryRun: true })
  expect(preview.body.command).toBe(
    `millrace data triage m --finding label --where 'site = '\\''broken'\\''' --quarantine cleaned`,
  )
  expect((await ask<BranchRow[]>('GET', '/datasets/d/branches')).body).toEqual([])
  const done = await ask<ActionResult>('POST', `${at}/quarantine`, {
    ...choice,
    reason: 'the till was wrong',
  })
  expect(done.body).toMatchObject({ done: true, effects: preview.body.effects })

  const began = await ask<ActionResult>('POST', `${at}/try`, { model: 'm' })
  expect(began.body).toMatchObject({ done: true, command: 'millrace data triage m --try cleaned' })
  let branch: BranchRow | undefined
  for (let i = 0; i < 200 && !branch?.tries.length; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    branch = (await ask<BranchRow[]>('GET', '/datasets/d/branches')).body[0]
    expect(branch?.failed).toBeNull()
  }
  expect(branch).toMatchObject({ branch: 'cleaned', trying: null, isBehind: false })
  expect(branch?.tries[0]?.metrics.find(({ metric }) => metric === 'logLoss')?.verdict).toBe('pass')

  expect((await ask<ActionResult>('POST', `${at}/merge`, { reason: 'agreed' })).body.done).toBe(true)
  const head = (await place.store.meta.ref(refs.dataset('d')))!.digest
  expect(head).toBe(branch?.version)
  expect((await ask<TriageView>('GET', '/triage/d')).body).toMatchObject({ isBehind: true, branches: [] })

  const aside = `/datasets/d/versions/${encodeURIComponent(head)}/quarantine`
  const some = await ask<QuarantineRows>('GET', `${aside}?limit=5&where=a%20%3E%201`)
  expect(some.body.matched).toBeLessThan(some.body.total)
  const fix = { verb: 'fix', version: head, where: 'a > 1', set: ['y = not(y)'] }
  const foreseen = await ask<ActionResult>('POST', '/datasets/d/quarantine', { ...fix, dryRun: true })
  expect(foreseen.body.command).toBe(`millrace data quarantine d fix --where 'a > 1' --set 'y = not(y)'`)
  const fixed = await ask<ActionResult>('POST', '/datasets/d/quarantine', { ...fix, reason: 'turned back' })
  expect(fixed.body).toMatchObject({ done: true, effects: foreseen.body.effects })
  const again = await ask('POST', '/datasets/d/quarantine', fix)
  expect(again).toMatchObject({ status: 409, body: { code: 'MR_DATA_EDIT_MOVED' } })
  const [event] = await place.store.meta.events({ types: ['data.fixed'] })
  expect(event).toMatchObject({ actor: 'console' })
  expect(event!.reason).toContain('turned back')
}, 60_000)

test('what is not understood is refused with its name', async () => {
  const { ask, version } = await setUp()
  const bad = async (method: 'GET' | 'POST', url: string, payload?: object) =>
    (await ask(method, url, payload)).body.code
  expect(await bad('GET', '/triage/nothing')).toBe('MR_LOOP_UNKNOWN')
  expect(await bad('GET', '/triage/m?finding=lable')).toBe('MR_LOOP_UNKNOWN')
  expect(await bad('GET', '/triage/m?where=worth%20%3C')).toBe('MR_EXPR_SYNTAX')
  expect(await bad('GET', '/triage/m?limit=501')).toBe('MR_API_QUERY')
  expect(await bad('GET', '/triage/m?sort=x')).toBe('MR_API_QUERY')
  const at = '/datasets/d/branches/x'
  expect(await bad('POST', `${at}/quarantine`, { name: 'm' })).toBe('MR_API_QUERY')
  expect(await bad('POST', `${at}/quarantine`, { name: 'm', rows: [-1] })).toBe('MR_API_QUERY')
  expect(await bad('POST', `${at}/quarantine`, { name: 'm', rows: [99_999], dryRun: true })).toBe(
    'MR_DATA_SELECTION_ROWS',
  )
  expect(await bad('POST', `${at}/quarantine`, { name: 'm', finding: 'label', dryRun: 'yes' })).toBe(
    'MR_API_QUERY',
  )
  expect(await bad('POST', `${at}/try`, { model: 'm' })).toBe('MR_DATA_BRANCH')
  expect(await bad('POST', '/datasets/d/branches/main/drop', {})).toBe('MR_DATA_BRANCH_MAIN')
  const edit = { version, all: true }
  expect(await bad('POST', '/datasets/d/quarantine', { ...edit, verb: 'burn' })).toBe('MR_API_QUERY')
  expect(await bad('POST', '/datasets/d/quarantine', { verb: 'drop', all: true })).toBe('MR_API_QUERY')
  expect(await bad('POST', '/datasets/d/quarantine', { ...edit, verb: 'fix', set: 'y = 1' })).toBe(
    'MR_API_QUERY',
  )
})
