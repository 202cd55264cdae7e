/** The inference protocol over gRPC: the same models as over HTTP, on a port of its own. */
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { Access, type Caller } from '../access/access.ts'
import { allowsModel } from '../access/grant.ts'
import { ruleOf } from '../access/scopes.ts'
import { Connections } from '../connections.ts'
import { tooMany } from '../http/app.ts'
import { checkBinding } from '../http/guard.ts'
import { traceOf } from '../http/plain-routes.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { OipBackend, Repository } from '../oip/backend.ts'
import { configOf } from '../oip/config.ts'
import { readParameters } from '../oip/request.ts'
import type { ServerInfo } from '../oip/routes.ts'
import type { TlsFiles } from '../tls.ts'
import type { RequestSpan } from '../trace/span.ts'
import type { Tracer } from '../trace/tracer.ts'
import { answerStream, answerUnary, type CallContext, refuse, type Unary } from './calls.ts'
import {
  configMessage,
  flagMessage,
  healthMessage,
  indexMessage,
  inferMessage,
  metadataMessage,
  readIndex,
  readInferMessage,
  readModelName,
  readNamed,
  readService,
  serverMessage,
  statisticsMessage,
  streamMessage,
} from './wire.ts'

export interface GrpcOptions {
  host?: string
  /** 0 takes any free one. */
  port: number
  token?: string
  /** Who may ask; default: whoever has the token. */
  access?: Access
  /** Default 10,000. */
  connectionsMax?: number
  /** How often a session must answer a ping, in milliseconds. Default 30,000. */
  pingEveryMs?: number
  /** Traces calls; without it none is. */
  tracer?: Tracer
  /** Certificate and key; without them connections are plain. */
  tls?: TlsFiles
  limits: Limits
  info: ServerInfo
  /** Whether every model can answer. */
  ready: () => boolean | Promise<boolean>
}

export interface GrpcServer {
  /** Gives `host:port`. Errors: MR_PORT_TAKEN, MR_SERVE_TOKEN_NEEDED. */
  listen(): Promise<string>
  /** Instead of listening: takes a connection that another process accepted. */
  adopt(socket: Socket): void
  /** Takes no new calls, answers those under way. */
  close(): Promise<void>
}

const SERVICE = '/inference.GRPCInferenceService/'
const HEALTH = '/grpc.health.v1.Health/'
/** Calls of one connection at once. */
const STREAMS_MAX = 1_000
const EMPTY = new Uint8Array(0)

export function createGrpcServer(backend: OipBackend, options: GrpcOptions): GrpcServer {
  const { host = '127.0.0.1', port, access = new Access(options), limits } = options
  checkBinding(host, access)
  const unaries = unariesOf(backend, options, access)
  const infer = inferOf(backend, access)
  const callOptions = { messageBytesMax: limits.bodyBytesMax }
  const server = newServer(options.tls)
  const connections = new Connections(
    server,
    options.connectionsMax ?? SERVE_LIMITS.connectionsMax,
    'session',
  )
  const sessions = trackSessions(server)
  const pings = pingSessions(sessions, options.pingEveryMs ?? SERVE_LIMITS.pingEveryMs)
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined)
    const path = String(headers[':path'] ?? '')
    const span = path.startsWith(HEALTH) ? undefined : options.tracer?.begin(headers)
    if (span) endWith(stream, span, path)
    try {
      if (stream.session && connections.isOver(stream.session)) throw tooMany(connections.max)
      const isStream = path === `${SERVICE}ModelStreamInfer`
      const unary = unaries.get(path)
      const rule = unary || isStream ? ruleOf('GRPC', path) : ruleOf('GRPC', `${SERVICE}ServerLive`)
      const { session } = stream
      const from = { address: session?.socket?.remoteAddress ?? '', connection: session }
      const caller = access.admit(headers.authorization, from, rule)
      if (isStream) {
        const streamed: Unary = async (message, context) => {
          access.spend(caller)
          return streamMessage(await infer(message, context))
        }
        answerStream(
          stream,
          headers,
          { unary: streamed, failed: (error) => streamMessage(error) },
          { ...callOptions, caller, span },
        )
        return
      }
      access.spend(caller)
      if (!unary) throw new MillraceError('MR_SERVE_GRPC_METHOD', { path: path.slice(0, 100) })
      answerUnary(stream, headers, unary, { ...callOptions, caller, span })
    } catch (error) {
      refuse(stream, error)
    }
  })
  return {
    listen: () => listen(server, host, port),
    adopt: (socket) => void server.emit('connection', socket),
    close: () => {
      clearInterval(pings)
      return close(server, sessions, connections)
    },
  }
}

function newServer(tls: TlsFiles | undefined): Http2Server {
  const settings = { maxConcurrentStreams: STREAMS_MAX, maxHeaderListSize: SERVE_LIMITS.headerBytesMax }
  if (!tls) return createServer({ settings })
  const server = createSecureServer({ ...tls.options(), settings })
  tls.attach(server)
  return server as unknown as Http2Server
}

/** Ends the span of a call with its stream. Names are of OpenTelemetry's conventions for RPC. */
function endWith(stream: ServerHttp2Stream, span: RequestSpan, path: string): void {
  const [, service = '', method = ''] = path.slice(0, 200).split('/')
  span.name = `${service}/${method}`
  stream.once('close', () => {
    const sent = { ...stream.sentHeaders, ...stream.sentTrailers }
    const status = Number(sent['grpc-status'] ?? CANCELLED)
    const code = sent['millrace-code']
    const attributes = {
      ...{ 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method },
      'rpc.grpc.status_code': status,
      ...(code !== undefined && { 'error.type': String(code) }),
    }
    span.end({ isError: FAULTS.has(status), attributes })
  })
}

/** What a call comes to whose client is gone. */
const CANCELLED = 1
/** Statuses that are a fault of the server: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const FAULTS = new Set([2, 4, 12, 13, 14, 15])

/** Every call of one message, by its path. */
function unariesOf(backend: OipBackend, { info, ready }: GrpcOptions, access: Access): Map<string, Unary> {
  const named = (bytes: Uint8Array, { caller }: CallContext) => allowed(access, caller, readNamed(bytes))
  const modelNamed = (bytes: Uint8Array, { caller }: CallContext) =>
    allowed(access, caller, { name: readModelName(bytes) }).name
  const readyNow = async (model: string, version?: string) => {
    if (model === '') return await ready()
    return await backend.modelReady(model, version).then(
      () => true,
      () => false,
    )
  }
  const calls: Record<string, Unary> = {
    ServerLive: () => flagMessage(true),
    ServerReady: async () => flagMessage(await ready()),
    ModelReady: async (bytes, context) => {
      const { name, version } = named(bytes, context)
      return flagMessage(await readyNow(name, version))
    },
    ServerMetadata: () => serverMessage(info, backend.extensions),
    ModelMetadata: async (bytes, context) => {
      const { name, version } = named(bytes, context)
      return metadataMessage(await backend.metadata(name, version))
    },
    ModelConfig: async (bytes, context) => {
      const { name, version } = named(bytes, context)
      return configMessage(await configOf(backend, name, version))
    },
    ModelInfer: inferOf(backend, access),
    ModelStatistics: (bytes, context) => {
      const { name, version } = named(bytes, context)
      const found = backend.statistics?.(name || undefined, version) ?? []
      return statisticsMessage(found.filter((one) => allowsModel(context.caller, one.name)))
    },
    RepositoryIndex: (bytes, { caller }) => {
      const found = repositoryOf(backend).index(readIndex(bytes))
      return indexMessage(found.filter(({ name }) => allowsModel(caller, name)))
    },
    RepositoryModelLoad: async (bytes, context) => {
      await repositoryOf(backend).load(modelNamed(bytes, context))
      return EMPTY
    },
    RepositoryModelUnload: async (bytes, context) => {
      await repositoryOf(backend).unload(modelNamed(bytes, context))
      return EMPTY
    },
  }
  const check: Unary = async (bytes) => {
    const model = healthModel(readService(bytes))
    if (model === '') return healthMessage((await ready()) ? 1 : 2)
    return await backend.modelReady(model).then(() => healthMessage(1), notServing)
  }
  return new Map([
    ...Object.entries(calls).map(([name, call]): [string, Unary] => [SERVICE + name, call]),
    [`${HEALTH}Check`, check],
  ])
}

/** What is named, once the caller may ask about it; no name is all models. Errors: MR_ACCESS_MODEL. */
function allowed<N extends { name: string }>(access: Access, caller: Caller, asked: N): N {
  if (asked.name !== '') access.checkModel(caller, asked.name)
  return asked
}

/** A model that is not there is an error, as the health protocol has it; one that cannot answer does not serve. */
function notServing(error: unknown): Uint8Array {
  if (isMillraceError(error) && error.status === 404) throw error
  return healthMessage(2)
}

/** The service as a whole is the server; another name is a model's. */
const healthModel = (service: string): string => (service === 'inference.GRPCInferenceService' ? '' : service)

function repositoryOf({ repository }: OipBackend): Repository {
  if (repository) return repository
  throw new MillraceError('MR_SERVE_GRPC_METHOD', {
    path: 'a repository of models: releases move by `millrace release`',
  })
}

function inferOf(backend: OipBackend, access: Access): Unary {
  return async (bytes, { signal, deadlineMs, headers, caller, span }) => {
    const { model, version, id, parameters, inputs, outputs, isRaw } = readInferMessage(bytes)
    access.checkModel(caller, model)
    const { timeoutUs, ...said } = readParameters(parameters)
    const granted = timeoutUs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutUs / 1000
    const until = Math.min(deadlineMs ?? Number.POSITIVE_INFINITY, granted)
    const answer = await backend.infer({
      model,
      version,
      id,
      inputs,
      outputs,
      ...said,
      signal,
      tenant: caller.tenant,
      span,
      trace: traceOf(headers.traceparent, span),
      deadlineMs: Number.isFinite(until) ? until : undefined,
    })
    return inferMessage(answer, isRaw)
  }
}

// ---------------------------------------------------------------- life

function trackSessions(server: Http2Server): Set<ServerHttp2Session> {
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.on('error', () => undefined)
    session.once('close', () => sessions.delete(session))
  })
  server.on('sessionError', () => undefined)
  return sessions
}

/**
 * Cuts sessions that do not answer. Node goes on holding the connection of a session that it ended itself for a wrong frame: it reads nothing from it any more, not even its end.
 */
function pingSessions(sessions: ReadonlySet<ServerHttp2Session>, everyMs: number): NodeJS.Timeout {
  const silent = new WeakSet<ServerHttp2Session>()
  const ping = (session: ServerHttp2Session) => {
    if (silent.has(session)) return session.destroy()
    silent.add(session)
    session.ping(() => silent.delete(session))
  }
  return setInterval(() => {
    for (const session of sessions) if (!session.destroyed) ping(session)
  }, everyMs).unref()
}

function listen(server: Http2Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE'
      reject(taken ? new MillraceError('MR_PORT_TAKEN', { host, port }, { cause: error }) : error)
    })
    server.listen(port, host, () => resolve(`${host}:${(server.address() as AddressInfo).port}`))
  })
}

/** Sessions end when their calls are answered; those that take too long are cut. */
async function close(
  server: Http2Server,
  sessions: ReadonlySet<ServerHttp2Session>,
  connections: Connections,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  const cutIdle = () => {
    if (sessions.size === 0) connections.cut()
  }
  for (const session of sessions) {
    session.once('close', cutIdle)
    session.close()
  }
  cutIdle()
  const cut = setTimeout(() => {
    for (const session of sessions) session.destroy()
    connections.cut()
  }, SERVE_LIMITS.drainMsMax)
  await closed
  clearTimeout(cut)
}
