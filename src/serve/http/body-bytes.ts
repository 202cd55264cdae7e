/** Bytes of bodies that are held at once, over all requests: each may be as large as `bodyBytesMax`, and thousands may be under way. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'

const HELD = Symbol('bytes held')

type Holding = FastifyRequest & { [HELD]?: number }

/**
 * Counts the bytes of each body from its head, where that says how many there will be, or else from when it has come, until its answer has left. Beyond `max` a request is refused before its body
 * is read; one alone is always taken. Gives what is to be told when the answer of a request has left. Errors: MR_SERVE_BUSY.
 */
export function boundBodies(app: FastifyInstance, max: number): (request: FastifyRequest) => void {
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
  app.addHook('onRequest', (request, _, done) => {
    const bytes = Number(request.headers['content-length'] ?? 0)
    if (bytes > 0) hold(request, bytes)
    done()
  })
  app.addHook('preValidation', (request, _, done) => {
    const { body } = request
    if (body instanceof Uint8Array && (request as Holding)[HELD] === undefined) hold(request, body.length)
    done()
  })
  return (request: Holding) => {
    held -= request[HELD] ?? 0
  }
}
