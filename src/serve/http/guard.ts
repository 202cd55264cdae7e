/** Who may ask over HTTP: tokens where they are needed, and else only programs of this machine and pages of this server. */
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { MillraceError } from '../../core/errors.ts'
import { type Access, type Caller, LOCAL } from '../access/access.ts'
import { type RouteRule, ruleOf, SCOPES } from '../access/scopes.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks. */
    caller: Caller
  }
}

export interface GuardOptions {
  host: string
  access: Access
  /** Paths without a route that need no token. */
  isPublic: (path: string) => boolean
}

/** Any caller: what the answer is does not depend on who asks. */
const ANYONE: RouteRule = { scopes: SCOPES, reach: 'none' }

const HEALTH = new Set(['/livez', '/readyz', '/v2/health/live', '/v2/health/ready'])

export function isHealthPath(path: string): boolean {
  return HEALTH.has(path)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** Refuses to listen where others can reach it without a token. Errors: MR_SERVE_TOKEN_NEEDED. */
export function checkBinding(host: string, access: Access): void {
  if (!isLoopback(host) && !access.isClosed) throw new MillraceError('MR_SERVE_TOKEN_NEEDED', { host })
}

/**
 * Puts a guard before every route that is added from now on, by its rule in the table of scopes, and before paths that have none. Where tokens are needed: the caller must have the scope, the
 * model of the path must be one of the caller's, and one request of its rate is taken. Where none is needed (loopback only): the Host must be a name of this machine, so that a foreign name pointed at
 * 127.0.0.1 does not get in, and no page of another site may call.
 *
 * Errors: those of `Access`, MR_SERVE_HOST, MR_SERVE_CROSS_SITE.
 */
export function guardRoutes(app: FastifyInstance, { host, access, isPublic }: GuardOptions): void {
  app.decorateRequest('caller', null as never)
  app.addHook('onRequest', (request, reply, done) => {
    request.caller = LOCAL
    if (!access.isClosed) checkLocal(request, host)
    else if (request.is404 && !isPublic(request.url.split('?', 1)[0])) enter(access, ANYONE, request, reply)
    done()
  })
  const guards = new WeakSet<object>()
  app.addHook('onRoute', (route: RouteOptions) => {
    const { method, url } = route
    const own = [route.onRequest ?? []].flat()
    if (own.some((hook) => guards.has(hook))) return
    const rule = ruleOf(String([method].flat()[0]), url)
    if (rule.scopes === 'public') return
    const guard = (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
      enter(access, rule, request, reply)
      done()
    }
    guards.add(guard)
    route.onRequest = [guard, ...own]
  })
}

function enter(access: Access, rule: RouteRule, request: FastifyRequest, reply: FastifyReply): void {
  if (!access.isClosed) return
  const caller = access.admit(
    request.headers.authorization,
    { address: request.ip, connection: request.raw.socket },
    rule,
  )
  request.caller = caller
  const model = modelOf(request)
  if (model !== undefined) access.checkModel(caller, model)
  try {
    access.spend(caller)
  } finally {
    const fields = access.rateFields(caller)
    if (fields) reply.header('ratelimit-policy', fields.policy).header('ratelimit', fields.limit)
  }
}

/** The model that a path names: `/v1/models/iris:predict` speaks of `iris`. */
export function modelOf({ params }: FastifyRequest): string | undefined {
  const { model, target } = (params ?? {}) as { model?: string; target?: string }
  if (target === undefined) return model
  const verb = target.lastIndexOf(':')
  return verb < 0 ? target : target.slice(0, verb)
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
