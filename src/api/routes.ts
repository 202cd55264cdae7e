/** The routes under `/api`: thin over the views. Answers are the contract's; refusals are problem details with code and fix. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Runtime } from '../loop/runtime.ts'
import { type Actions, actionIn, actorOf, sessionOf } from './actions.ts'
import type { CompareDesk } from './compare-desk.ts'
import type { Effects } from './contract.ts'
import { API_LIMITS } from './limits.ts'
import type { MergeDesk } from './merge-desk.ts'
import { mergeRoutes } from './merge-routes.ts'
import { neededText, onlyKnown, param, text, wholeNumber } from './query.ts'
import { Feed, type ProgressSource } from './stream.ts'
import type { TriageDesk } from './triage-desk.ts'
import { filterOf, triageRoutes } from './triage-routes.ts'
import {
  alertsView,
  backtestView,
  bundleView,
  datasetDiffView,
  datasetsView,
  datasetVersionView,
  datasetView,
  eventsView,
  fileSetsView,
  fileSetView,
  filesDiffView,
  fleetView,
  type LiveSource,
  MEMBERS_PAGE_MAX,
  membersView,
  modelView,
  playgroundView,
  QUARANTINE_MAX,
  quarantineView,
  RUNS_MAX,
  runsView,
  searchView,
  shapesView,
  statusView,
  versionView,
  warmSize,
  whyView,
} from './views/index.ts'

export interface ApiDeps {
  rt: Pick<Runtime, 'project' | 'store' | 'clock' | 'query'>
  live: LiveSource
  actions: Actions
  progress?: ProgressSource
  /** What a model leans on; without it nobody is told. */
  effects?: (ask: { model: string; class?: string; feature?: string }) => Promise<Effects | null>
  /** Where rows are chosen and branches are tried; without it there are no such routes. */
  triage?: TriageDesk
  /** Where versions of models are compared; without it there are no such routes. */
  compare?: CompareDesk
  /** Where merges wait to be decided; without it there are no such routes. */
  merges?: MergeDesk
  /** Who the journal says acted. Default `console`. */
  actor?: string
}

const PREFIX = '/api'
const NO_NUMBER_MAX = 999_999_999_999_999

/** Adds the routes to a server, in a scope of their own. Call it before the server listens. */
export function apiRoutes(fastify: FastifyInstance, deps: ApiDeps): void {
  fastify.register(
    async (app) => {
      takeBytes(app)
      app.addHook('onSend', (_, reply, payload, done) => {
        if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
        done(null, payload)
      })
      modelRoutes(app, deps)
      dataRoutes(app, deps)
      historyRoutes(app, deps)
      actionRoutes(app, deps)
      if (deps.compare) compareRoutes(app, deps.compare, deps.actor)
      fileRoutes(app, deps)
      if (deps.triage) triageRoutes(app, deps.triage, deps.actor)
      if (deps.merges) mergeRoutes(app, deps.merges, deps.actor)
      streamRoute(app, deps)
    },
    { prefix: PREFIX },
  )
}

/** Bodies as bytes, so that they are read under our own limits; other types are refused. */
function takeBytes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  const options = { parseAs: 'buffer', bodyLimit: API_LIMITS.bodyBytesMax } as const
  app.addContentTypeParser('application/json', options, (_, body, done) => done(null, body))
  app.addContentTypeParser('*', options, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, body)
    const got = (request.headers['content-type'] ?? 'none').slice(0, 64)
    done(new MillraceError('MR_SERVE_MEDIA_TYPE', { got }))
  })
}

function modelRoutes(app: FastifyInstance, { rt, live, effects = async () => null }: ApiDeps): void {
  app.get('/fleet', (request) => {
    onlyKnown(request.query, [])
    return fleetView(rt, live)
  })
  app.get('/status', () => statusView(rt, live))
  app.get('/session', (request) => sessionOf(request))
  app.get('/models/:model', (request) => modelView(rt, param(request, 'model'), live))
  app.get('/models/:model/members', (request) => {
    const query = onlyKnown(request.query, ['search', 'sort', 'limit', 'offset'])
    return membersView(rt, param(request, 'model'), {
      search: text(query, 'search'),
      sort: text(query, 'sort'),
      limit: wholeNumber(query, 'limit', 1, MEMBERS_PAGE_MAX),
      offset: wholeNumber(query, 'offset', 0, NO_NUMBER_MAX),
    })
  })
  app.get('/models/:model/playground', (request) => playgroundView(rt, param(request, 'model'), live.address))
  app.get('/bundles/:digest', (request) => bundleView(rt, param(request, 'digest')))
  app.get('/versions/:digest', (request) => versionView(rt, param(request, 'digest')))
  app.get('/predictions/:id', (request) => whyView(rt, param(request, 'id')))
  app.get('/backtest/:model', async (request, reply) =>
    orNull(reply, await backtestView(rt, param(request, 'model'))),
  )
  app.get('/models/:model/search', async (request, reply) =>
    orNull(reply, await searchView(rt, param(request, 'model'))),
  )
  app.get('/models/:model/shapes', async (request, reply) => {
    const query = onlyKnown(request.query, ['class'])
    return orNull(reply, await shapesView(rt, param(request, 'model'), text(query, 'class')))
  })
  app.get('/models/:model/effects', async (request, reply) => {
    const query = onlyKnown(request.query, ['class', 'feature'])
    const model = param(request, 'model')
    return orNull(
      reply,
      await effects({ model, class: text(query, 'class'), feature: text(query, 'feature') }),
    )
  })
}

/** An answer that may be null, which a server takes for none unless it is sent as text. */
function orNull<T>(reply: FastifyReply, answer: T | null): T | FastifyReply {
  return answer ?? reply.type('application/json; charset=utf-8').send('null')
}

function dataRoutes(app: FastifyInstance, { rt }: ApiDeps): void {
  const dataset = (request: FastifyRequest) => param(request, 'dataset')
  app.get('/datasets', () => datasetsView(rt))
  app.get('/datasets/:dataset', (request) => datasetView(rt, dataset(request)))
  app.get('/datasets/:dataset/versions/:digest', (request) =>
    datasetVersionView(rt, dataset(request), param(request, 'digest')),
  )
  app.get('/datasets/:dataset/versions/:digest/quarantine', (request) => {
    const query = onlyKnown(request.query, ['limit', 'before', 'failed', 'where'])
    const failed = text(query, 'failed')
    return quarantineView(rt, dataset(request), param(request, 'digest'), {
      limit: wholeNumber(query, 'limit', 1, QUARANTINE_MAX),
      before: wholeNumber(query, 'before', 0, NO_NUMBER_MAX),
      reasons: failed === undefined ? undefined : [failed],
      where: filterOf(text(query, 'where')),
    })
  })
  app.get('/datasets/:dataset/diff', (request) => {
    const query = onlyKnown(request.query, ['from', 'to'])
    return datasetDiffView(rt, dataset(request), neededText(query, 'from'), neededText(query, 'to'))
  })
}

function compareRoutes(app: FastifyInstance, desk: CompareDesk, actor?: string): void {
  const at = '/models/:model/diff'
  app.get(at, (request) => {
    const query = onlyKnown(request.query, ['from', 'to'])
    return desk.view(param(request, 'model'), neededText(query, 'from'), neededText(query, 'to'))
  })
  app.post(at, (request) => {
    const [given, ask] = actionIn(request, actor, ['from', 'to'])
    return desk.begin(param(request, 'model'), neededText(given, 'from'), neededText(given, 'to'), ask)
  })
}

function fileRoutes(app: FastifyInstance, { rt }: ApiDeps): void {
  app.get('/files', () => fileSetsView(rt.store))
  app.get('/files/:set', (request) => fileSetView(rt.store, param(request, 'set')))
  app.get('/files/:set/diff', (request) => {
    const query = onlyKnown(request.query, ['from', 'to'])
    return filesDiffView(rt.store, param(request, 'set'), neededText(query, 'from'), neededText(query, 'to'))
  })
}

function historyRoutes(app: FastifyInstance, { rt }: ApiDeps): void {
  app.get('/alerts', () => alertsView(rt))
  app.get('/runs', (request) => {
    const query = onlyKnown(request.query, ['limit'])
    return runsView(rt, { limit: wholeNumber(query, 'limit', 1, RUNS_MAX) })
  })
  app.get('/events', (request) => {
    const query = onlyKnown(request.query, ['before', 'subjectPrefix', 'limit'])
    return eventsView(rt, {
      before: wholeNumber(query, 'before', 0, NO_NUMBER_MAX),
      subjectPrefix: text(query, 'subjectPrefix'),
      limit: wholeNumber(query, 'limit', 1, LIMITS.journalPageMax),
    })
  })
}

function actionRoutes(app: FastifyInstance, { actions, actor }: ApiDeps): void {
  const ask = (request: FastifyRequest) => actionIn(request, actor, [])[1]
  app.post('/models/:model/rollback', (request) => actions.rollback(param(request, 'model'), ask(request)))
  app.post('/models/:model/promote', (request) => actions.promote(param(request, 'model'), ask(request)))
  app.post('/alerts/:id/acknowledge', (request) =>
    actions.acknowledge(param(request, 'id'), { actor: actorOf(request, actor) }),
  )
}

// ---------------------------------------------------------------- stream

function streamRoute(app: FastifyInstance, { rt, live, progress }: ApiDeps): void {
  const feed = new Feed({ rt, live, progress })
  app.addHook('preClose', (done) => {
    feed.close()
    done()
  })
  app.get('/stream', (request, reply) => {
    feed.checkRoom()
    const raw = openStream(reply)
    if (request.method === 'HEAD') return void raw.end()
    warmSize(rt.store)
    const leave = feed.add(raw, lastSeen(request))
    raw.once('close', leave)
    raw.on('error', leave)
  })
}

function openStream(reply: FastifyReply) {
  reply.hijack()
  reply.raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  reply.raw.flushHeaders()
  return reply.raw
}

/** The last event a reader saw, from its header or (for readers that cannot set one) `?lastEventId`; others begin now. */
function lastSeen(request: FastifyRequest): number | undefined {
  const query = onlyKnown(request.query, ['lastEventId'])
  const header = request.headers['last-event-id']
  const given = typeof header === 'string' ? header : query.lastEventId
  return typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : undefined
}
