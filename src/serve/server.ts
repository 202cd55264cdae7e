/** The server: a fastify 5 instance with the serving routes, which others may add their own routes to before it listens. */
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import { LIMITS, type Limits } from '../core/limits.ts'
import type { Digest } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { checkBinding, isHealthPath, requestGuard } from './http/guard.ts'
import { healthRoutes, type ReadinessOptions } from './http/health-routes.ts'
import { plainRoutes } from './http/plain-routes.ts'
import { codedError, sendProblem } from './http/problem.ts'
import { SERVE_LIMITS } from './limits.ts'
import { type GraphRunner, predictorLoader } from './load-predictor.ts'
import { explainRoutes } from './oip/explain-routes.ts'
import { closingError, oipRoutes, type ServerInfo } from './oip/routes.ts'
import { RowBackend } from './oip/row-backend.ts'
import type { LogPolicy } from './prediction-log.ts'
import type { Predictor } from './predictor.ts'
import { Station } from './station.ts'

export interface ServerOptions {
  store: Store
  clock: Clock
  /** Default 127.0.0.1. Other than loopback needs a token. */
  host?: string
  /** Default 8080; 0 takes any free one. */
  port?: number
  token?: string
  limits?: Partial<Limits>
  /** Default: durable for every model. */
  logPolicy?: (model: string) => LogPolicy
  /** Models that must have a release for `/readyz`. Default: those that have one. */
  declared?: () => readonly string[]
  workers?: ReadinessOptions['workers']
  /** Paths besides health that need no token (sign-in pages, for instance). */
  isPublic?: (path: string) => boolean
  /** Runs ONNX models; without it they are refused. */
  onnx?: GraphRunner
  /** Makes a model ready from its digest. Default: from the store, by `predictorLoader`. */
  load?: (digest: Digest) => Promise<Predictor>
  /** What is told of faults of the server itself. Default: standard error. */
  onFault?: (error: MillraceError, request: FastifyRequest) => void
  info?: ServerInfo
}

/** A server that was made and may listen. */
export interface Server {
  /** Add routes here, before `listen`. Errors they throw become problem details too. */
  fastify: FastifyInstance
  station: Station
  /** Follows the releases and listens; gives the address. Errors: MR_PORT_TAKEN, MR_NO_PERMISSION, and the store's. */
  listen(): Promise<string>
  /** Looks at the live refs now; resolves when moved releases are in use. */
  refresh(): Promise<void>
  /** Answers a request for a path that no route has (a console's pages). Last one set wins. */
  onNotFound(handler: (request: FastifyRequest, reply: FastifyReply) => unknown): void
  /** Takes no new requests, answers those under way, writes what is left of the log, stops. Safe to call twice. */
  close(): Promise<void>
}

/** The body of a plugin: all serving routes over one station. Bodies reach the routes as bytes. */
export function servingRoutes(
  app: FastifyInstance,
  station: Station,
  options: ReadinessOptions,
  info: ServerInfo,
): void {
  app.removeAllContentTypeParsers()
  const takeBytes = (_: FastifyRequest, body: Buffer, done: (error: null, body: Buffer) => void) =>
    done(null, body)
  app.addContentTypeParser(
    ['application/json', 'application/octet-stream', 'application/vnd.sagemaker-triton.binary+json'],
    { parseAs: 'buffer' },
    takeBytes,
  )
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const type = request.headers['content-type']
    if (type === undefined || type === '' || /\+json\b/.test(type)) return done(null, body)
    done(new MillraceError('MR_SERVE_MEDIA_TYPE', { got: type.slice(0, 64) }))
  })
  plainRoutes(app, station)
  const backend = new RowBackend(station)
  oipRoutes(app, backend, { server: info, jsonDepthMax: station.limits.jsonDepthMax })
  explainRoutes(app, station, backend)
  healthRoutes(app, station, options)
}

const INFO: ServerInfo = { name: 'millrace', version: '0.1.0' }
const HOST = '127.0.0.1'
const PORT = 8080
/** Longest name in a path: a family and a member, URL-encoded. */
const PARAM_CHARS_MAX = 1024
const REQUEST_TIMEOUT_MS = 60_000

/**
 * Makes a server that serves what is released in a store. Errors: MR_SERVE_TOKEN_NEEDED when the host can be reached from elsewhere and there
 * is no token.
 */
export function createServer(options: ServerOptions): Server {
  const { store, clock, host = HOST, port = PORT, token } = options
  checkBinding(host, token)
  const limits: Limits = { ...LIMITS, ...options.limits }
  const load = options.load ?? predictorLoader({ store, limits, onnx: options.onnx })
  const station = new Station({ store, clock, limits, load, logPolicy: options.logPolicy })
  const fastify = newFastify(station, limits)
  let closing: Promise<void> | undefined
  let notFound: ((request: FastifyRequest, reply: FastifyReply) => unknown) | undefined

  const drain = trackRequests(fastify, () => closing !== undefined)
  const guard = requestGuard({
    host,
    token,
    isPublic: (path) => isHealthPath(path) || options.isPublic?.(path) === true,
  })
  fastify.addHook('onRequest', (request, _, done) => {
    guard(request)
    if (closing && !isHealthPath(request.url)) throw closingError()
    done()
  })
  fastify.setNotFoundHandler((request, reply) => {
    if (notFound) return notFound(request, reply)
    throw new MillraceError('MR_SERVE_PATH', { method: request.method, path: request.url.slice(0, 100) })
  })
  fastify.setErrorHandler((thrown, request, reply) => {
    const error = codedError(thrown, request, limits.bodyBytesMax)
    if (error.code === 'MR_SERVE_INTERNAL') (options.onFault ?? printFault)(error, request)
    return sendProblem(error, request, reply)
  })
  const readinessOptions: ReadinessOptions = {
    declared: options.declared ?? (() => station.router.models()),
    workers: options.workers,
    closing: () => closing !== undefined,
  }
  fastify.register(async (app) => servingRoutes(app, station, readinessOptions, options.info ?? INFO))

  return {
    fastify,
    station,
    listen: async () => {
      await station.start()
      return await listen(fastify, host, port)
    },
    refresh: () => station.router.refresh(),
    onNotFound: (handler) => {
      notFound = handler
    },
    close: () => {
      closing ??= Promise.all([fastify.close(), drain()]).then(() => station.close())
      return closing
    },
  }
}

/**
 * Counts requests under way, and gives what closes the server's connections once there are none (or `drainMsMax` has passed): a kept-alive
 * connection, or one that never asked anything, would hold the server open otherwise. Streams end themselves in a `preClose` hook.
 */
function trackRequests(fastify: FastifyInstance, isClosing: () => boolean): () => Promise<void> {
  let active = 0
  let idle: () => void = () => undefined
  const ended = () => {
    if (--active === 0) idle()
  }
  fastify.addHook('onRequest', (_, reply, done) => {
    active++
    reply.raw.once('close', ended)
    done()
  })
  fastify.addHook('onSend', (_, reply, __, done) => {
    if (isClosing()) reply.header('connection', 'close')
    done()
  })
  return async () => {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      if (active === 0) return resolve()
      idle = resolve
      timer = setTimeout(resolve, SERVE_LIMITS.drainMsMax)
    })
    clearTimeout(timer)
    fastify.server.closeAllConnections()
  }
}

function newFastify(station: Station, limits: Limits): FastifyInstance {
  return Fastify({
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    genReqId: () => station.ids.next(),
    routerOptions: { maxParamLength: PARAM_CHARS_MAX, ignoreTrailingSlash: true },
  })
}

async function listen(fastify: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await fastify.listen({ host, port })
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === 'EADDRINUSE') throw new MillraceError('MR_PORT_TAKEN', { host, port }, { cause: error })
    if (code === 'EACCES')
      throw new MillraceError(
        'MR_NO_PERMISSION',
        { path: `port ${port}`, act: 'listen on' },
        { cause: error },
      )
    throw error
  }
  const { port: bound } = fastify.server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

/** A fault of the server itself is the one thing that must not pass in silence: its stack goes to standard error. */
function printFault(error: MillraceError, request: FastifyRequest): void {
  const cause =
    error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause)
  process.stderr.write(`${error.message} (${request.method} ${request.url.slice(0, 100)})\n${cause}\n`)
}
