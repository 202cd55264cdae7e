/** What a token may do, and which scope each route of every server needs: one table, which a house test holds against the routes that there are. */

/** `admin` may do everything. The others say only what they say: `predict` does not read metrics, `read` asks no model. */
export const SCOPES = ['read', 'predict', 'label', 'data', 'release', 'admin'] as const

export type Scope = (typeof SCOPES)[number]

/**
 * Which models a route speaks of, for tokens that are of some models only: `named` by its path or body, so that the name decides; `none`; `listed` where the
 * answer leaves out what the token may not see; `all`, which such a token may not ask.
 */
export type Reach = 'named' | 'none' | 'listed' | 'all'

export interface RouteRule {
  /** Any one of them suffices; `public` needs no token. */
  scopes: readonly Scope[] | 'public'
  reach: Reach
}

const MODEL = '/v2/models/:model'
const VERSION = `${MODEL}/versions/:version`
const DATASET = '/api/datasets/:dataset'
const MERGE = '/merges/:into/:branch'

type Line = readonly [route: string, scopes: RouteRule['scopes'], reach: Reach]

const EITHER: readonly Scope[] = ['read', 'predict']
const READ: readonly Scope[] = ['read']
const PREDICT: readonly Scope[] = ['predict']
const LABEL: readonly Scope[] = ['label']
const DATA: readonly Scope[] = ['data']
const RELEASE: readonly Scope[] = ['release']

/** Health says nothing of models and must be readable by what restarts the process. */
const HEALTH: readonly Line[] = ['/livez', '/readyz', '/v2/health/live', '/v2/health/ready'].map(
  (path) => [`GET ${path}`, 'public', 'none'] as const,
)

const SERVING: readonly Line[] = [
  ['GET /metrics', READ, 'all'],
  ['GET /openapi.json', EITHER, 'listed'],
  ['GET /docs', 'public', 'none'],
  ['GET /docs/page.js', 'public', 'none'],
  ['GET /ping', EITHER, 'none'],
  ['GET /v2', EITHER, 'none'],
  ['POST /predict/:model', PREDICT, 'named'],
  ['POST /predict/:model/rank', PREDICT, 'named'],
  ['POST /predict/:model/explain', PREDICT, 'named'],
  ['POST /predict/:model/feedback', LABEL, 'named'],
  [`POST ${MODEL}/feedback`, LABEL, 'named'],
  ...[MODEL, VERSION].flatMap((at): Line[] => [
    [`GET ${at}`, EITHER, 'named'],
    [`GET ${at}/ready`, EITHER, 'named'],
    [`GET ${at}/config`, EITHER, 'named'],
    [`GET ${at}/openapi.json`, EITHER, 'named'],
    [`GET ${at}/stats`, EITHER, 'named'],
    [`GET ${at}/batching`, EITHER, 'named'],
    [`POST ${at}/infer`, PREDICT, 'named'],
    [`POST ${at}/explain`, PREDICT, 'named'],
    [`POST ${at}/infer_stream`, PREDICT, 'named'],
    [`POST ${at}/generate`, PREDICT, 'named'],
    [`POST ${at}/generate_stream`, PREDICT, 'named'],
  ]),
  ['GET /v2/models/stats', READ, 'all'],
  ['POST /v2/repository/index', EITHER, 'listed'],
  ['POST /v2/repository/models/:model/load', RELEASE, 'named'],
  ['POST /v2/repository/models/:model/unload', RELEASE, 'named'],
  ['GET /v1/models', EITHER, 'listed'],
  ['GET /v1/models/:target', EITHER, 'named'],
  ['POST /v1/models/:target', PREDICT, 'named'],
  ['POST /invocations', PREDICT, 'named'],
]

const CONSOLE: readonly Line[] = [
  ['GET /api/session', SCOPES, 'none'],
  ...['fleet', 'status', 'alerts', 'runs', 'events', 'stream', 'datasets', 'merges', 'files'].map(
    (path): Line => [`GET /api/${path}`, READ, 'all'],
  ),
  ...['', '/members', '/playground', '/search', '/shapes', '/effects', '/diff'].map(
    (path): Line => [`GET /api/models/:model${path}`, READ, 'named'],
  ),
  ['POST /api/models/:model/diff', ['label', 'release'], 'named'],
  ...['/:set', '/:set/diff'].map((path): Line => [`GET /api/files${path}`, READ, 'all']),
  ['GET /api/backtest/:model', READ, 'named'],
  ...['/api/bundles/:digest', '/api/versions/:digest', '/api/predictions/:id', '/api/triage/:name'].map(
    (path): Line => [`GET ${path}`, READ, 'all'],
  ),
  ...['', '/versions/:digest', '/versions/:digest/quarantine', '/diff', '/branches', '/merges', MERGE].map(
    (path): Line => [`GET ${DATASET}${path}`, READ, 'all'],
  ),
  ['POST /api/models/:model/rollback', RELEASE, 'named'],
  ['POST /api/models/:model/promote', RELEASE, 'named'],
  ['POST /api/alerts/:id/acknowledge', RELEASE, 'all'],
  [`POST ${DATASET}/quarantine`, LABEL, 'all'],
  ...['quarantine', 'try', 'merge', 'drop'].map(
    (verb): Line => [`POST ${DATASET}/branches/:branch/${verb}`, LABEL, 'all'],
  ),
  [`POST ${DATASET}/merges`, LABEL, 'all'],
  ...['decide', 'column', 'undo', 'finish', 'renew', 'abandon'].map(
    (verb): Line => [`POST ${DATASET}${MERGE}/${verb}`, LABEL, 'all'],
  ),
]

const ROWS: readonly Line[] = [
  ['POST /data/:dataset/rows', DATA, 'all'],
  ['GET /data/:dataset/rows', READ, 'all'],
]

const SERVICE = 'GRPC /inference.GRPCInferenceService/'

const GRPC: readonly Line[] = [
  ['GRPC /grpc.health.v1.Health/Check', 'public', 'none'],
  [`${SERVICE}ServerLive`, EITHER, 'none'],
  [`${SERVICE}ServerReady`, EITHER, 'none'],
  [`${SERVICE}ServerMetadata`, EITHER, 'none'],
  [`${SERVICE}ModelReady`, EITHER, 'named'],
  [`${SERVICE}ModelMetadata`, EITHER, 'named'],
  [`${SERVICE}ModelConfig`, EITHER, 'named'],
  [`${SERVICE}ModelStatistics`, EITHER, 'named'],
  [`${SERVICE}ModelInfer`, PREDICT, 'named'],
  [`${SERVICE}ModelStreamInfer`, PREDICT, 'named'],
  [`${SERVICE}RepositoryIndex`, EITHER, 'listed'],
  [`${SERVICE}RepositoryModelLoad`, RELEASE, 'named'],
  [`${SERVICE}RepositoryModelUnload`, RELEASE, 'named'],
]

/** `METHOD /route/:pattern` → what it needs. */
export const ROUTE_RULES: ReadonlyMap<string, RouteRule> = new Map(
  [...HEALTH, ...SERVING, ...CONSOLE, ...ROWS, ...GRPC].map(([route, scopes, reach]) => [
    route,
    { scopes, reach },
  ]),
)

const UNKNOWN: RouteRule = { scopes: ['admin'], reach: 'all' }

/** The rule of a route; of one that the table does not have, `admin`. HEAD is as GET. */
export function ruleOf(method: string, route: string): RouteRule {
  return ROUTE_RULES.get(`${method === 'HEAD' ? 'GET' : method} ${route}`) ?? UNKNOWN
}
