/** Bytes of bodies that are held at once, over all requests: each may be as large as `bodyBytesMax`, and thousands may be under way. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'

const HELD = Symbol('bytes held')

type Holding = FastifyRequest & { [HELD]?: number }

/**
 * Counts the bytes of each body from its head, where that says how many there will be, or else from when it has come, until its answer has left. Beyond `max` a request is refused before its body
 * is read; one alone is always taken. Errors: MR_SERVE_BUSY.
 */
export function boundBodies(app: FastifyInstance, max: number): void {
  let held = 0
  const hold = (request: Holding, bytes: number): void => {
    if (held > 0 && held + bytes > max)
      throw new MillraceError('MR_SERVE_BUSY', {
        what: 'bodies of requests under way (bytes)',
        max,
        retryAfterS: 1,
      })
    held += bytes
    request[HELD] = (request[HELD] ?? 0) + bytes
  }
  app.addHook('onRequest', (request, reply, done) => {
    const bytes = Number(request.headers['content-length'] ?? 0)
    if (bytes > 0) hold(request, bytes)
    reply.raw.once('close', () => {
      held -= (request as Holding)[HELD] ?? 0
    })
    done()
  })
  app.addHook('preValidation', (request, _, done) => {
    const { body } = request
    if (body instanceof Uint8Array && (request as Holding)[HELD] === undefined) hold(request, body.length)
    done()
  })
}
