/** A fastify 5 instance as every server here has it: who may ask, bodies as bytes, faults as problem details, and a close that answers what is under way. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gunzip, type InputType, inflate, type ZlibOptions } from 'node:zlib'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import { Access } from '../access/access.ts'
import { Connections } from '../connections.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { MetricAlias } from '../metrics-alias.ts'
import type { TlsFiles } from '../tls.ts'
import type { Tracer } from '../trace/tracer.ts'
import { boundBodies } from './body-bytes.ts'
import { collectBody } from './collect.ts'
import { checkBinding, guardRoutes, isHealthPath } from './guard.ts'
import {
  codedError,
  connectionError,
  PROBLEM_TYPE,
  problemBody,
  problemText,
  sendProblem,
} from './problem.ts'
import { traceRequests } from './trace-requests.ts'

export interface AppOptions {
  /** Default 127.0.0.1. Other than loopback needs a token. */
  host?: string
  /** Default 8080; 0 takes any free one. */
  port?: number
  /** One token that may do everything. */
  token?: string
  /** Who may ask, where there is more than the one token; shared by all servers of a process. */
  access?: Access
  /** Default 10,000. */
  connectionsMax?: number
  /** How often sessions of gRPC must answer a ping, in milliseconds. Default 30,000. */
  pingEveryMs?: number
  /** Certificate and key; without them connections are plain. */
  tls?: TlsFiles
  /** Peers under whose names `/metrics` shows its numbers too. */
  metricAliases?: readonly MetricAlias[]
  /** Traces requests; without it none is. */
  tracer?: Tracer
  /** Paths besides health that need no token (sign-in pages, for instance). */
  isPublic?: (path: string) => boolean
  /** What is told of faults of the server itself. Default: standard error. */
  onFault?: (error: MillraceError, request: FastifyRequest) => void
}

export interface App {
  fastify: FastifyInstance
  /** True from the first call of `close`. */
  closing(): boolean
  /** Gives the address. Errors: MR_PORT_TAKEN, MR_NO_PERMISSION. */
  listen(): Promise<string>
  /** Instead of listening: gives what takes connections that another process accepted. */
  adopt(): Promise<(socket: Socket) => void>
  /** Answers a request for a path that no route has. Last one set wins. */
  onNotFound(handler: (request: FastifyRequest, reply: FastifyReply) => unknown): void
  /** Takes no new requests, answers those under way, then does `after`. Safe to call twice. */
  close(after: () => Promise<void>): Promise<void>
}

const HOST = '127.0.0.1'
const PORT = 8080

/** Errors: MR_SERVE_TOKEN_NEEDED when the host can be reached from elsewhere and there is no token. */
export function createApp(options: AppOptions, limits: Limits, newId: () => string): App {
  const { host = HOST, port = PORT, access = new Access(options), tls } = options
  checkBinding(host, access)
  const fastify = newFastify(limits, newId, tls)
  fastify.server.on('checkExpectation', refuseExpectation)
  let closing: Promise<void> | undefined
  let notFound: ((request: FastifyRequest, reply: FastifyReply) => unknown) | undefined
  const isClosing = () => closing !== undefined
  const connections = new Connections(
    fastify.server,
    options.connectionsMax ?? SERVE_LIMITS.connectionsMax,
    tls ? 'secureConnection' : 'connection',
  )
  let letGo: (request: FastifyRequest) => void = () => undefined
  const drain = trackRequests(fastify, isClosing, connections, (request) => letGo(request))
  const isPublic = (path: string) => options.isPublic?.(path) === true
  letGo = boundBodies(fastify, limits.inFlightBytesMax)
  if (options.tracer) traceRequests(fastify, options.tracer)
  guardRoutes(fastify, { host, access, isPublic })
  fastify.addHook('onRequest', (request, _, done) => {
    if (closing && !isHealthPath(request.url)) throw new MillraceError('MR_SERVE_CLOSING', { what: 'server' })
    done()
  })
  fastify.setNotFoundHandler((request, reply) => {
    if (notFound) return notFound(request, reply)
    throw pathError(request)
  })
  fastify.setErrorHandler((thrown, request, reply) => {
    const error = codedError(thrown, request, limits.bodyBytesMax)
    if (request.span) request.span.attributes['error.type'] = error.code
    if (error.code === 'MR_SERVE_INTERNAL') (options.onFault ?? printFault)(error, request)
    return sendProblem(error, request, reply)
  })
  return {
    fastify,
    closing: isClosing,
    listen: () => listen(fastify, host, port, tls ? 'https' : 'http'),
    adopt: () => adopt(fastify),
    onNotFound: (handler) => {
      notFound = handler
    },
    close: (after) => {
      closing ??= Promise.all([fastify.close(), drain()]).then(after)
      return closing
    },
  }
}

type Taken = (error: Error | null, body?: Buffer) => void
type Decoder = (
  body: InputType,
  options: ZlibOptions,
  done: (error: Error | null, plain: Buffer) => void,
) => void

const DECODERS: Record<string, Decoder | undefined> = { gzip: gunzip, deflate: inflate }

const BODY_TYPES = [
  'application/json',
  'application/octet-stream',
  'application/vnd.sagemaker-triton.binary+json',
]

/** Bodies reach the routes as bytes, of the types that the protocols have (or those given), unpacked within the limit of bodies. */
export function takeBytes(
  app: FastifyInstance,
  bytesMax: number = LIMITS.bodyBytesMax,
  types: readonly string[] = BODY_TYPES,
): void {
  app.removeAllContentTypeParsers()
  const take = (request: FastifyRequest, body: Buffer, done: Taken) => unpack(request, body, bytesMax, done)
  app.addContentTypeParser([...types], (request, payload, done) =>
    collectBody(request, payload, bytesMax, (error, body) => {
      if (body) take(request, body, done)
      else done(error)
    }),
  )
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const type = request.headers['content-type']
    if (type === undefined || type === '' || /\+json\b/.test(type)) return take(request, body, done)
    done(new MillraceError('MR_SERVE_MEDIA_TYPE', { got: type.slice(0, 64) }))
  })
}

/** Errors: MR_SERVE_ENCODING for a coding that is not taken, MR_SERVE_JSON for a body that is not in its coding, MR_LIMIT for one that unpacks to more than is allowed. */
function unpack(request: FastifyRequest, body: Buffer, bytesMax: number, done: Taken): void {
  const coding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  const decode = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined
  if (coding === 'identity') done(null, body)
  else if (!decode) done(new MillraceError('MR_SERVE_ENCODING', { got: coding.slice(0, 32) }))
  else
    decode(body, { maxOutputLength: bytesMax }, (error, plain) => {
      if (error) done(unpackError(error, coding, bytesMax))
      else done(null, plain)
    })
}

function unpackError(cause: NodeJS.ErrnoException, coding: string, max: number): MillraceError {
  return cause.code === 'ERR_BUFFER_TOO_LARGE'
    ? new MillraceError('MR_LIMIT', { limit: 'bodyBytesMax', max, got: max + 1, unit: 'bytes' }, { cause })
    : new MillraceError('MR_SERVE_JSON', { why: `it is not ${coding}` }, { cause })
}

/**
 * Counts requests under way, tells when each has ended, and gives what closes the server's connections once there are none (or `drainMsMax` has passed): a kept-alive
 * connection, or one that never asked anything, would hold the server open otherwise. Streams end themselves in a `preClose` hook.
 */
function trackRequests(
  fastify: FastifyInstance,
  isClosing: () => boolean,
  connections: Connections,
  onEnded: (request: FastifyRequest) => void,
): () => Promise<void> {
  let active = 0
  let idle: () => void = () => undefined
  fastify.addHook('onRequest', (request, reply, done) => {
    active++
    reply.raw.on('close', () => {
      onEnded(request)
      if (--active === 0) idle()
    })
    if (connections.isOver(request.raw.socket)) {
      reply.header('connection', 'close')
      throw tooMany(connections.max)
    }
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
    connections.cut()
  }
}

/** What is asked over a connection beyond those that there may be. */
export function tooMany(max: number): MillraceError {
  return new MillraceError('MR_SERVE_BUSY', { what: 'the server (connections)', max, retryAfterS: 1 })
}

function newFastify(limits: Limits, newId: () => string, tls: TlsFiles | undefined): FastifyInstance {
  const options = {
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: SERVE_LIMITS.requestMsMax,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBroken,
    frameworkErrors: (_: unknown, request: FastifyRequest, reply: FastifyReply) => {
      sendProblem(pathError(request), request, reply)
    },
    genReqId: newId,
    routerOptions: { maxParamLength: SERVE_LIMITS.paramCharsMax, ignoreTrailingSlash: true },
  } as const
  const maxHeaderSize = SERVE_LIMITS.headerBytesMax
  if (!tls) return Fastify({ ...options, http: { maxHeaderSize } })
  const fastify = Fastify({ ...options, https: { ...tls.options(), maxHeaderSize } })
  tls.attach(fastify.server)
  return fastify as unknown as FastifyInstance
}

function pathError({ method, url }: FastifyRequest): MillraceError {
  return new MillraceError('MR_SERVE_PATH', { method, path: url.slice(0, 100) })
}

/** A client that expects anything but to go on is refused. */
function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const got = (request.headers.expect ?? '').slice(0, 64)
  const error = new MillraceError('MR_SERVE_HTTP', { why: `the expectation ${got}` })
  response
    .writeHead(error.status, { 'content-type': PROBLEM_TYPE, connection: 'close' })
    .end(problemBody(error))
}

/** Bytes that are no request are answered once, with a code, unless an answer is under way or nobody is there. */
function answerBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return void socket.destroy()
  const isUnanswered = socket.bytesWritten === 0
  if (isUnanswered) socket.end(problemText(connectionError(error, SERVE_LIMITS.requestMsMax)))
  socket.destroySoon()
}

async function listen(fastify: FastifyInstance, host: string, port: number, scheme: string): Promise<string> {
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
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

/** A server of Node looks for requests that take too long as of when it listens, so it is told that it does. */
async function adopt(fastify: FastifyInstance): Promise<(socket: Socket) => void> {
  await fastify.ready()
  fastify.server.emit('listening')
  return (socket) => void fastify.server.emit('connection', socket)
}

/** A fault of the server itself is the one thing that must not pass in silence: its stack goes to standard error. */
function printFault(error: MillraceError, request: FastifyRequest): void {
  const cause =
    error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause)
  process.stderr.write(`${error.message} (${request.method} ${request.url.slice(0, 100)})\n${cause}\n`)
}
