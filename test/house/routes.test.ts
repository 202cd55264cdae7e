/** Every route of every server has its scope in the table, and the table names no route that is not there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, expect, test } from 'vitest'
import { CompareDesk } from '../../src/api/compare-desk.ts'
import { apiRoutes } from '../../src/api/index.ts'
import { MergeDesk } from '../../src/api/merge-desk.ts'
import { rowsRoutes } from '../../src/api/rows-routes.ts'
import { TriageDesk } from '../../src/api/triage-desk.ts'
import { ROUTE_RULES, ruleOf } from '../../src/serve/access/scopes.ts'
import { createModelServer } from '../../src/serve/models/model-server.ts'
import { createServer } from '../../src/serve/server.ts'
import { CLOCK, withStore } from '../serve/fixture.ts'
import { lightgbm } from '../serve/models/fixture.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-routes-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** `GET /path/:param` of every route that an instance has once it is ready. */
async function routesOf(fastify: FastifyInstance): Promise<string[]> {
  const routes: string[] = []
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) if (one !== 'HEAD') routes.push(`${one} ${url}`)
  })
  await fastify.ready()
  return routes
}

async function allRoutes(): Promise<string[]> {
  const { store, drop } = await withStore()
  const server = createServer({ store, clock: CLOCK, port: 0 })
  const never = () => {
    throw new Error('not asked')
  }
  const rt = { project: { models: [], datasets: [] }, store, clock: CLOCK, query: never } as never
  apiRoutes(server.fastify, {
    rt,
    live: {} as never,
    actions: {} as never,
    triage: new TriageDesk(rt),
    merges: new MergeDesk(rt),
    compare: new CompareDesk(rt),
  })
  rowsRoutes(server.fastify, { take: never, status: never })
  writeFileSync(join(dir, 'trees.txt'), lightgbm.text)
  const models = createModelServer({ path: dir, clock: CLOCK, port: 0, threads: 1, infer: never })
  const found = [...(await routesOf(server.fastify)), ...(await routesOf(models.fastify))]
  await Promise.all([server.close(), models.close()])
  await drop()
  return [...new Set(found)]
}

test('each route of both servers and of the console has a scope, and each line of the table a route', async () => {
  const routes = await allRoutes()
  const inTable = [...ROUTE_RULES.keys()].filter((route) => !route.startsWith('GRPC '))
  expect(routes.filter((route) => !ROUTE_RULES.has(route))).toEqual([])
  expect(inTable.filter((route) => !routes.includes(route))).toEqual([])
  expect(routes.length).toBeGreaterThan(60)
})

test('a route that the table does not have needs admin, and HEAD is as GET', () => {
  expect(ruleOf('POST', '/v2/surprise')).toEqual({ scopes: ['admin'], reach: 'all' })
  expect(ruleOf('HEAD', '/metrics')).toEqual(ruleOf('GET', '/metrics'))
})

test('what writes needs more than read, and only health is public', () => {
  for (const [route, { scopes }] of ROUTE_RULES) {
    const mayRead = scopes !== 'public' && scopes.includes('read')
    if (route.startsWith('POST ') && route !== 'POST /v2/repository/index') expect(mayRead, route).toBe(false)
    if (scopes === 'public')
      expect(route).toMatch(
        /\/(docs|docs\/page\.js|livez|readyz|v2\/health\/\w+|grpc\.health\.v1\.Health\/\w+)$/,
      )
  }
})
