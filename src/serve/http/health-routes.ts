/** Liveness, readiness that tells the truth, and metrics. */
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isMillraceError } from '../../core/errors.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { ServeMetrics } from '../metrics.ts'
import { CONTENT_TYPES, formatOf } from '../metrics-text.ts'
import type { Station } from '../station.ts'
import { sendJson } from './plain-routes.ts'

export interface ReadinessOptions {
  /** Models that must have a release for the server to be ready. */
  declared: () => readonly string[]
  /** Workers that score, when there are any. */
  workers?: () => { alive: number; wanted: number }
  closing: () => boolean
}

export interface Readiness {
  ready: boolean
  /** What is not as it should be, by name; `models` at most `readinessListMax`. */
  store: 'ok' | string
  log: 'ok' | string
  workers?: { alive: number; wanted: number }
  models: Record<string, string>
  modelsReady: number
}

/** Asks the store, the router and the workers. Never throws: what cannot be asked is not ready. */
export async function readiness(station: Station, options: ReadinessOptions): Promise<Readiness> {
  const store = await station.router.storeProblem().then((error) => (error ? codeOf(error) : 'ok'))
  const log = station.log.relaxedError ? codeOf(station.log.relaxedError) : 'ok'
  const workers = options.workers?.()
  const models: Record<string, string> = {}
  for (const name of options.declared()) if (!station.router.has(name)) models[name] = 'no release'
  for (const [name, error] of station.router.problems()) models[name] = codeOf(error)
  const failing = Object.keys(models).length
  const names = new Set([...options.declared(), ...station.router.models()])
  const alive = workers === undefined || workers.alive >= workers.wanted
  return {
    ready: !options.closing() && store === 'ok' && log === 'ok' && alive && failing === 0,
    store,
    log,
    ...(workers ? { workers } : {}),
    models: Object.fromEntries(Object.entries(models).slice(0, SERVE_LIMITS.readinessListMax)),
    modelsReady: names.size - failing,
  }
}

function codeOf(error: Error): string {
  return isMillraceError(error) ? error.code : 'MR_SERVE_INTERNAL'
}

export function healthRoutes(app: FastifyInstance, station: Station, options: ReadinessOptions): void {
  app.get('/livez', (_, reply) => sendJson(reply, { live: true }))
  app.get('/v2/health/live', (_, reply) => sendJson(reply, { live: true }))
  app.get('/readyz', async (_, reply) => {
    const state = await readiness(station, options)
    return sendJson(reply.code(state.ready ? 200 : 503), state)
  })
  app.get('/v2/health/ready', async (_, reply) => {
    const { ready } = await readiness(station, options)
    return sendJson(reply.code(ready ? 200 : 503), { ready })
  })
  app.get('/metrics', (request, reply) => sendMetrics(station.metrics, request, reply))
}

/** Metrics in the format that the scraper reads; a text, which several processes made together, is in that of Prometheus. */
export function sendMetrics(
  metrics: ServeMetrics | string,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const format = typeof metrics === 'string' ? 'prometheus' : formatOf(request.headers.accept)
  reply.header('content-type', CONTENT_TYPES[format])
  if (typeof metrics === 'string') return reply.send(metrics)
  return reply.send(Readable.from(inTurns(metrics.chunks(format)), { objectMode: false }))
}

/** Pieces with a turn of the event loop after each, so that requests are answered between. */
async function* inTurns(chunks: Iterable<string>): AsyncGenerator<string> {
  for (const chunk of chunks) {
    yield chunk
    await setImmediate()
  }
}
