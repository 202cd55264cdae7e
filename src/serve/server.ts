/** The server of what is released in a store, to which others may add their own routes before it listens. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import { LIMITS, type Limits } from '../core/limits.ts'
import type { Digest } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { Access, refusedGauge } from './access/access.ts'
import { createGrpcServer } from './grpc/server.ts'
import { type AppOptions, createApp, takeBytes } from './http/app.ts'
import { healthRoutes, type ReadinessOptions, readiness } from './http/health-routes.ts'
import { otherRoutes } from './http/other-routes.ts'
import { plainRoutes } from './http/plain-routes.ts'
import type { CacheLimits } from './kept-answers.ts'
import { type GraphRunner, predictorLoader } from './load-predictor.ts'
import type { LogPolicy } from './log-policy.ts'
import { ServeMetrics } from './metrics.ts'
import { explainRoutes, explainRows } from './oip/explain-routes.ts'
import { generateRoutes } from './oip/generate-routes.ts'
import { oipRoutes, type ServerInfo } from './oip/routes.ts'
import { RowBackend } from './oip/row-backend.ts'
import { openApiRoutes } from './openapi/routes.ts'
import type { Predictor } from './predictor.ts'
import { ResponseCache } from './response-cache.ts'
import { Station } from './station.ts'

export interface ServerOptions extends AppOptions {
  /** Port for gRPC, 0 for any free one. Default: no gRPC. */
  grpcPort?: number
  store: Store
  clock: Clock
  limits?: Partial<Limits>
  /** What the log keeps of a model's answers. Default: everything, durably. */
  logPolicy?: (model: string) => Partial<LogPolicy>
  /** Key of hashed inputs. */
  logHashKey?: Uint8Array
  /** Models that must have a release for `/readyz`. Default: those that have one. */
  declared?: () => readonly string[]
  workers?: ReadinessOptions['workers']
  /** Answers are kept by what they are answers to, within these limits. Default: none are. */
  responseCache?: Partial<CacheLimits>
  /** Runs ONNX models; without it they are refused. */
  onnx?: GraphRunner
  /** Makes a model ready from its digest. Default: from the store, by `predictorLoader`. */
  load?: (digest: Digest) => Promise<Predictor>
  info?: ServerInfo
}

/** A server that was made and may listen. */
export interface Server {
  /** Add routes here, before `listen`. Errors they throw become problem details too. */
  fastify: FastifyInstance
  station: Station
  /** `host:port` of gRPC once it listens, where it was asked for. */
  grpcAddress(): string | undefined
  /** Follows the releases and listens; gives the address. Errors: MR_PORT_TAKEN, MR_NO_PERMISSION, and the store's. */
  listen(): Promise<string>
  /** Looks at the live refs now; resolves when moved releases are in use. */
  refresh(): Promise<void>
  /** Answers a request for a path that no route has (a console's pages). Last one set wins. */
  onNotFound(handler: (request: FastifyRequest, reply: FastifyReply) => unknown): void
  /** Takes no new requests, answers those under way, writes what is left of the log, stops. Safe to call twice. */
  close(): Promise<void>
}

export interface ServingOptions extends ReadinessOptions {
  info: ServerInfo
  access: Access
  backend?: RowBackend
}

/** The body of a plugin: all serving routes over one station. Bodies reach the routes as bytes. */
export function servingRoutes(
  app: FastifyInstance,
  station: Station,
  { info, access, backend = new RowBackend(station), ...options }: ServingOptions,
): void {
  takeBytes(app, station.limits.bodyBytesMax)
  plainRoutes(app, station)
  oipRoutes(app, backend, { server: info, jsonDepthMax: station.limits.jsonDepthMax })
  generateRoutes(app, backend, station.limits.jsonDepthMax)
  explainRoutes(app, backend, station.limits.jsonDepthMax, explainRows(station))
  const ready = async () => (await readiness(station, options)).ready
  otherRoutes(app, backend, { ready, access, jsonDepthMax: station.limits.jsonDepthMax })
  openApiRoutes(app, backend, info)
  healthRoutes(app, station, options)
}

export const INFO: ServerInfo = { name: 'millrace', version: '0.1.0' }

/**
 * Makes a server that serves what is released in a store. Errors: MR_SERVE_TOKEN_NEEDED when the host can be reached from elsewhere and there
 * is no token.
 */
export function createServer(options: ServerOptions): Server {
  const { store, clock } = options
  const limits: Limits = { ...LIMITS, ...options.limits }
  const load = options.load ?? predictorLoader({ store, limits, onnx: options.onnx })
  const { logPolicy, logHashKey, responseCache, metricAliases: aliases } = options
  const responses = responseCache && new ResponseCache(responseCache)
  const metrics = new ServeMetrics({ aliases })
  const station = new Station({ store, clock, limits, load, logPolicy, logHashKey, responses, metrics })
  const access = options.access ?? new Access(options)
  for (const gauge of [
    refusedGauge(access),
    ...(options.tls?.gauges() ?? []),
    ...(options.tracer?.gauges() ?? []),
  ])
    station.metrics.addGauge(gauge)
  const app = createApp({ ...options, access }, limits, () => station.ids.next())
  const readinessOptions: ReadinessOptions = {
    declared: options.declared ?? (() => station.router.models()),
    workers: options.workers,
    closing: app.closing,
  }
  const { info = INFO, grpcPort } = options
  const backend = new RowBackend(station)
  app.fastify.register(async (routes) =>
    servingRoutes(routes, station, { ...readinessOptions, info, access, backend }),
  )
  const ready = async () => (await readiness(station, readinessOptions)).ready
  const grpc =
    grpcPort === undefined
      ? undefined
      : createGrpcServer(backend, { ...options, access, port: grpcPort, limits, info, ready })
  let grpcAddress: string | undefined
  const close = () =>
    app.close(async () => {
      await grpc?.close()
      await station.close()
    })
  return {
    fastify: app.fastify,
    station,
    listen: async () => {
      await station.start()
      const address = await app.listen()
      try {
        grpcAddress = await grpc?.listen()
      } catch (error) {
        await close()
        throw error
      }
      return address
    },
    grpcAddress: () => grpcAddress,
    refresh: () => station.router.refresh(),
    onNotFound: app.onNotFound,
    close,
  }
}
