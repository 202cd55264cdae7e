/** Who may ask: the token off loopback, and on loopback only programs of this machine and pages of this server. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'

export interface GuardOptions {
  host: string
  token?: string
  /** Paths that need no token. */
  isPublic: (path: string) => boolean
}

/** Health says nothing of models and must be readable by what restarts the process. */
const HEALTH = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready'])

export function isHealthPath(path: string): boolean {
  return HEALTH.has(path)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Refuses to listen where others can reach it without a token. Errors: MR_SERVE_TOKEN_NEEDED. */
export function checkBinding(host: string, token: string | undefined): void {
  if (!isLoopback(host) && !token) throw new MillraceError('MR_SERVE_TOKEN_NEEDED', { host })
}

/**
 * A check of each request. With a token: the bearer must be it, compared by SHA-256 in constant time. Without (loopback only): the Host must
 * be a name of this machine, so that a foreign name pointed at 127.0.0.1 does not get in, and no page of another site may call.
 * Errors: MR_SERVE_TOKEN, MR_SERVE_HOST, MR_SERVE_CROSS_SITE.
 */
export function requestGuard(options: GuardOptions): (request: FastifyRequest) => void {
  const { token } = options
  if (!token) return (request) => checkLocal(request, options.host)
  const check = tokenCheck(token)
  return (request) => {
    if (!options.isPublic(request.url.split('?', 1)[0])) check(request.headers.authorization)
  }
}

/** A check of the header `Authorization` against a token; of nothing where there is none. Errors: MR_SERVE_TOKEN. */
export function tokenCheck(token: string | undefined): (authorization: string | undefined) => void {
  if (!token) return () => undefined
  const want = sha256(token)
  return (authorization) => {
    const got = bearerOf(authorization)
    if (got === undefined) throw new MillraceError('MR_SERVE_TOKEN', { got: 'none' })
    if (!timingSafeEqual(sha256(got), want)) throw new MillraceError('MR_SERVE_TOKEN', { got: 'another' })
  }
}

function checkLocal(request: FastifyRequest, bound: string): void {
  const host = hostName(request.headers.host ?? '')
  if (host !== '' && host !== bound && !isLoopback(host)) {
    throw new MillraceError('MR_SERVE_HOST', { host: host.slice(0, 64) })
  }
  if (request.headers['sec-fetch-site'] === 'cross-site' && request.method !== 'GET') {
    const origin = String(request.headers.origin ?? 'unknown').slice(0, 64)
    throw new MillraceError('MR_SERVE_CROSS_SITE', { origin })
  }
}

function hostName(header: string): string {
  if (header.startsWith('[')) return header.slice(1, header.indexOf(']'))
  return header.split(':', 1)[0].toLowerCase()
}

function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +(\S+)\s*$/i.exec(header)?.[1]
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
