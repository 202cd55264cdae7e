/** `POST /data/<dataset>/rows`: rows as they happen. Durable when it answers, all of a request or none, and once for each Idempotency-Key. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { ROWS_TYPES, type RowStreams } from '../data/index.ts'
import { takeBytes } from '../serve/http/app.ts'
import { onlyKnown, param } from './query.ts'

/** Adds the routes to a server, in a scope of their own. Call it before the server listens. */
export function rowsRoutes(
  fastify: FastifyInstance,
  streams: Pick<RowStreams, 'take' | 'status'>,
  bytesMax: number = LIMITS.bodyBytesMax,
): void {
  fastify.register(async (app) => {
    takeBytes(app, bytesMax, Object.keys(ROWS_TYPES))
    app.post('/data/:dataset/rows', async (request, reply) => {
      onlyKnown(request.query, [])
      const taken = await streams.take(param(request, 'dataset'), {
        body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
        format: formatOf(request),
        batch: batchOf(request),
      })
      return reply.code(taken.repeated ? 200 : 202).send(taken)
    })
    app.get('/data/:dataset/rows', (request) => {
      onlyKnown(request.query, [])
      return streams.status(param(request, 'dataset'))
    })
  })
}

/** What the body is, by its type; a body without one is JSON. */
function formatOf({ headers }: FastifyRequest) {
  const given = headers['content-type'] ?? 'application/json'
  const type = given.split(';', 1)[0]!.trim().toLowerCase()
  const format = Object.hasOwn(ROWS_TYPES, type) ? ROWS_TYPES[type] : undefined
  if (format) return format
  throw new MillraceError('MR_SERVE_MEDIA_TYPE', { got: type.slice(0, 64) })
}

function batchOf({ headers }: FastifyRequest): string | undefined {
  const given = headers['idempotency-key']
  return typeof given === 'string' ? given : undefined
}
