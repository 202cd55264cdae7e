/** Errors as clients get them: RFC 9457 problem details with code, what and fix. */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { SERVE_LIMITS } from '../limits.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  instance: string
  code: string
  fix: string
  retryable: boolean
  /** What clients of the Open Inference Protocol read. */
  error: string
}

/** Turns whatever a route threw into the catalogue's error: fastify's own into ours, unknown ones into MR_SERVE_INTERNAL. */
export function codedError(thrown: unknown, request: FastifyRequest, bodyBytesMax: number): MillraceError {
  if (isMillraceError(thrown)) return thrown
  const { code } = thrown as { code?: string }
  if (code === 'ECONNRESET' || code === 'ECONNABORTED') {
    return new MillraceError('MR_CANCELLED', { what: 'the request' }, { cause: thrown })
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const got = Number(request.headers['content-length'] ?? bodyBytesMax + 1)
    const data = { limit: 'bodyBytesMax', max: bodyBytesMax, got, unit: 'bytes' }
    return new MillraceError('MR_LIMIT', data, { cause: thrown })
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const got = (request.headers['content-type'] ?? 'none').slice(0, 64)
    return new MillraceError('MR_SERVE_MEDIA_TYPE', { got }, { cause: thrown })
  }
  if (typeof code === 'string' && code.startsWith('FST_ERR_') && statusOf(thrown) === 400) {
    const why = (thrown as Error).message.slice(0, 100)
    return new MillraceError('MR_SERVE_JSON', { why }, { cause: thrown })
  }
  return new MillraceError('MR_SERVE_INTERNAL', { request: request.id }, { cause: thrown })
}

function statusOf(thrown: unknown): number | undefined {
  return (thrown as { statusCode?: number }).statusCode
}

/** What went wrong, where an answer has begun already. */
export function problemIn(thrown: unknown, request: FastifyRequest): Problem {
  return problemOf(codedError(thrown, request, 0), request.url.split('?', 1)[0].slice(0, 200))
}

function problemOf(error: MillraceError, instance: string): Problem {
  const { code, fix, retryable, status } = error
  const detail = error.message.slice(code.length + 2)
  return {
    type: `urn:millrace:error:${code}`,
    title: code,
    status,
    detail,
    instance,
    code,
    fix,
    retryable,
    error: `${error.message}; ${fix}`,
  }
}

/** What a connection is told whose bytes are no request: nothing of fastify has seen one. */
export function connectionError(
  { code = '', message }: NodeJS.ErrnoException,
  withinMs: number,
): MillraceError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new MillraceError('MR_SERVE_HEADERS', { bytesMax: SERVE_LIMITS.headerBytesMax })
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new MillraceError('MR_SERVE_SLOW', { withinMs })
  return new MillraceError('MR_SERVE_HTTP', { why: message.replace(/^Parse Error: /, '').slice(0, 100) })
}

/** For answers that are no answer to a request of a route. */
export function problemBody(error: MillraceError): string {
  return JSON.stringify(problemOf(error, ''))
}

/** A whole answer of HTTP/1.1 that ends its connection. */
export function problemText(error: MillraceError): string {
  const body = problemBody(error)
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

export function sendProblem(
  error: MillraceError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const instance = request.url.split('?', 1)[0].slice(0, 200)
  if (error.status === 401) reply.header('www-authenticate', 'Bearer realm="millrace"')
  if (error.status === 429 || error.status === 503) reply.header('retry-after', String(retryAfterS(error)))
  return reply
    .code(error.status)
    .header('content-type', PROBLEM_TYPE)
    .send(JSON.stringify(problemOf(error, instance)))
}

/** Seconds after which it is worth while to ask again, where the error knows. */
export function retryAfterS({ data }: MillraceError): number {
  const { retryAfterS, waitMs } = data as { retryAfterS?: number; waitMs?: number }
  return Math.max(1, Math.ceil(retryAfterS ?? (waitMs ?? 0) / 1000))
}
