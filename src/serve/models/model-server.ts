/** A server of models of others: nothing is written, nothing is needed but the path they lie at. */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Clock } from '../../core/clock.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import type { Infer } from '../../core/tensors.ts'
import { Access, refusedGauge } from '../access/access.ts'
import { createGrpcServer, type GrpcServer } from '../grpc/server.ts'
import { type AppOptions, createApp, takeBytes } from '../http/app.ts'
import { sendMetrics } from '../http/health-routes.ts'
import { otherRoutes } from '../http/other-routes.ts'
import { sendJson } from '../http/plain-routes.ts'
import { IdMaker } from '../ids.ts'
import type { CacheLimits } from '../kept-answers.ts'
import { ServeMetrics } from '../metrics.ts'
import { explainRoutes } from '../oip/explain-routes.ts'
import { generateRoutes } from '../oip/generate-routes.ts'
import { oipRoutes } from '../oip/routes.ts'
import { openApiRoutes } from '../openapi/routes.ts'
import { forwardRoutes } from '../placement/forward.ts'
import type { Placement } from '../placement/placement.ts'
import { INFO } from '../server.ts'
import { ModelsBackend } from './models-backend.ts'
import type { Siblings } from './siblings.ts'
import type { TrialOf } from './trial.ts'

export interface ModelServerOptions extends AppOptions {
  /** Where there are several hosts: who answers for a model. */
  placement?: Placement
  /** A model file, a model's folder, or a folder of models. */
  path: string
  clock: Clock
  limits?: Partial<Limits>
  /** Opens what runs ONNX, when the first graph needs it. */
  infer: () => Promise<Infer>
  /** Worker threads that there are for graphs. */
  threads: number
  /** What is wrong with them now, in words. */
  threadProblems?: () => string[]
  /** Time within which an answer is of use, in milliseconds: what would take longer is refused. */
  latencyMs?: number
  /** Rows of one batch at most. */
  batchRowsMax?: number
  /** Versions that are asked before others ask them. */
  trial?: TrialOf
  /** The other processes, where several share a port. */
  siblings?: Siblings
  /** Answers are kept within these limits. Default: none are. */
  responseCache?: Partial<CacheLimits>
  /** Time that a request waits for others while a thread is free. Stated, batches are as large as they may be, and not as found. */
  batchDelayMs?: number
}

export interface ModelServer {
  fastify: FastifyInstance
  backend: ModelsBackend
  metrics: ServeMetrics
  /** Whether it takes requests, and every model that was found can answer. */
  ready(): boolean
  /** What keeps it from that. */
  health(): ModelHealth
  /** The same models over gRPC; it listens and closes by itself. */
  grpc(port: number): GrpcServer
  /** Gives the address. Errors: MR_PORT_TAKEN, MR_NO_PERMISSION. */
  listen(): Promise<string>
  /** Instead of listening: gives what takes connections that another process accepted. */
  adopt(): Promise<(socket: Socket) => void>
  /** Takes no new requests, answers those under way, lets go of the models. Safe to call twice. */
  close(): Promise<void>
}

export interface ModelHealth {
  /** Models that cannot be served, each with why. */
  models: Record<string, string>
  threads: string[]
}

/** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME, MR_SERVE_TOKEN_NEEDED. */
export function createModelServer(options: ModelServerOptions): ModelServer {
  const limits: Limits = { ...LIMITS, ...options.limits }
  const ids = new IdMaker(options.clock)
  const executions = (model: string, version: string): number | undefined =>
    backend.statistics(model, version)[0]?.executions
  const metrics = new ServeMetrics({ aliases: options.metricAliases, executions })
  const backend: ModelsBackend = new ModelsBackend({ ...options, limits, metrics, newId: () => ids.next() })
  const access = options.access ?? new Access(options)
  for (const gauge of [
    refusedGauge(access),
    ...(options.tls?.gauges() ?? []),
    ...(options.tracer?.gauges() ?? []),
    ...(options.placement?.gauges(options.siblings === undefined) ?? []),
  ])
    metrics.addGauge(gauge)
  const app = createApp({ ...options, access }, limits, () => ids.next())
  const { siblings, threadProblems = () => [] } = options
  const health = (): ModelHealth => ({
    models: Object.fromEntries(backend.shelf.problems()),
    threads: threadProblems(),
  })
  const isReady = () => !app.closing() && backend.shelf.problems().size === 0 && threadProblems().length === 0
  const readiness = async () => (await siblings?.readiness()) ?? { ready: isReady(), ...health() }
  const ready = async () => (await readiness()).ready
  app.fastify.register(async (routes) => {
    takeBytes(routes, limits.bodyBytesMax)
    if (options.placement)
      forwardRoutes(routes, { placement: options.placement, isSecure: options.tls !== undefined })
    oipRoutes(routes, backend, { server: INFO, jsonDepthMax: limits.jsonDepthMax })
    generateRoutes(routes, backend, limits.jsonDepthMax)
    explainRoutes(routes, backend, limits.jsonDepthMax)
    openApiRoutes(routes, backend, INFO)
    otherRoutes(routes, backend, { ready, access, jsonDepthMax: limits.jsonDepthMax })
    healthRoutes(routes, readiness, async () => (await siblings?.metrics()) ?? metrics)
  })
  return {
    fastify: app.fastify,
    backend,
    metrics,
    ready: isReady,
    health,
    grpc: (port) => createGrpcServer(backend, { ...options, access, port, limits, info: INFO, ready }),
    listen: app.listen,
    adopt: app.adopt,
    close: () => app.close(async () => backend.shelf.close()),
  }
}

/** Liveness never depends on a model; readiness says which one cannot be served, or which thread or process cannot, and why. */
function healthRoutes(
  app: FastifyInstance,
  readiness: () => Promise<{ ready: boolean }>,
  metrics: () => Promise<ServeMetrics | string>,
): void {
  for (const path of ['/livez', '/v2/health/live'])
    app.get(path, (_, reply) => sendJson(reply, { live: true }))
  app.get('/v2/health/ready', async (_, reply) => sendReady(reply, { ready: (await readiness()).ready }))
  app.get('/readyz', async (_, reply) => sendReady(reply, await readiness()))
  app.get('/metrics', async (request, reply) => sendMetrics(await metrics(), request, reply))
}

function sendReady(reply: FastifyReply, state: { ready: boolean }): FastifyReply {
  return sendJson(reply.code(state.ready ? 200 : 503), state)
}
