/** The inference protocol over gRPC: the same models as over HTTP, on a port of its own. */
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import { checkBinding, tokenCheck } from '../http/guard.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { OipBackend, Repository } from '../oip/backend.ts'
import { configOf } from '../oip/config.ts'
import { readParameters } from '../oip/request.ts'
import type { ServerInfo } from '../oip/routes.ts'
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
  limits: Limits
  info: ServerInfo
  /** Whether every model can answer. */
  ready: () => boolean | Promise<boolean>
}

export interface GrpcServer {
  /** Gives `host:port`. Errors: MR_PORT_TAKEN, MR_SERVE_TOKEN_NEEDED. */
  listen(): Promise<string>
  /** Takes no new calls, answers those under way. */
  close(): Promise<void>
}

const SERVICE = '/inference.GRPCInferenceService/'
const HEALTH = '/grpc.health.v1.Health/'
/** Calls of one connection at once. */
const STREAMS_MAX = 1_000
const EMPTY = new Uint8Array(0)

export function createGrpcServer(backend: OipBackend, options: GrpcOptions): GrpcServer {
  const { host = '127.0.0.1', port, token, limits } = options
  checkBinding(host, token)
  const unaries = unariesOf(backend, options)
  const infer = inferOf(backend)
  const allowed = tokenCheck(token)
  const callOptions = { messageBytesMax: limits.bodyBytesMax }
  const server = createServer({ settings: { maxConcurrentStreams: STREAMS_MAX } })
  const sessions = trackSessions(server)
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined)
    const path = String(headers[':path'] ?? '')
    try {
      if (!path.startsWith(HEALTH)) allowed(headers.authorization)
      if (path === `${SERVICE}ModelStreamInfer`) {
        const streamed: Unary = async (message, context) => streamMessage(await infer(message, context))
        answerStream(
          stream,
          headers,
          { unary: streamed, failed: (error) => streamMessage(error) },
          callOptions,
        )
        return
      }
      const unary = unaries.get(path)
      if (!unary) throw new MillraceError('MR_SERVE_GRPC_METHOD', { path: path.slice(0, 100) })
      answerUnary(stream, headers, unary, callOptions)
    } catch (error) {
      refuse(stream, error)
    }
  })
  return {
    listen: () => listen(server, host, port),
    close: () => close(server, sessions),
  }
}

/** Every call of one message, by its path. */
function unariesOf(backend: OipBackend, { info, ready }: GrpcOptions): Map<string, Unary> {
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
    ModelReady: async (bytes) => {
      const { name, version } = readNamed(bytes)
      return flagMessage(await readyNow(name, version))
    },
    ServerMetadata: () => serverMessage(info, backend.extensions),
    ModelMetadata: async (bytes) => {
      const { name, version } = readNamed(bytes)
      return metadataMessage(await backend.metadata(name, version))
    },
    ModelConfig: async (bytes) => {
      const { name, version } = readNamed(bytes)
      return configMessage(await configOf(backend, name, version))
    },
    ModelInfer: inferOf(backend),
    ModelStatistics: (bytes) => {
      const { name, version } = readNamed(bytes)
      return statisticsMessage(backend.statistics?.(name || undefined, version) ?? [])
    },
    RepositoryIndex: (bytes) => indexMessage(repositoryOf(backend).index(readIndex(bytes))),
    RepositoryModelLoad: async (bytes) => {
      await repositoryOf(backend).load(readModelName(bytes))
      return EMPTY
    },
    RepositoryModelUnload: async (bytes) => {
      await repositoryOf(backend).unload(readModelName(bytes))
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

function inferOf(backend: OipBackend) {
  return async (bytes: Uint8Array, { signal, deadlineMs, headers }: CallContext): Promise<Uint8Array> => {
    const { model, version, id, parameters, inputs, outputs, isRaw } = readInferMessage(bytes)
    const { key, timeoutUs } = readParameters(parameters)
    const granted = timeoutUs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutUs / 1000
    const until = Math.min(deadlineMs ?? Number.POSITIVE_INFINITY, granted)
    const answer = await backend.infer({
      model,
      version,
      id,
      inputs,
      outputs,
      key,
      signal,
      trace: textHeader(headers.traceparent),
      deadlineMs: Number.isFinite(until) ? until : undefined,
    })
    return inferMessage(answer, isRaw)
  }
}

function textHeader(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value.slice(0, SERVE_LIMITS.idCharsMax) : undefined
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
async function close(server: Http2Server, sessions: ReadonlySet<ServerHttp2Session>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  for (const session of sessions) session.close()
  const cut = setTimeout(() => {
    for (const session of sessions) session.destroy()
  }, SERVE_LIMITS.drainMsMax)
  await closed
  clearTimeout(cut)
}
