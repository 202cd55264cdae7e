/** Server-sent events: one answer in pieces, no faster than they are taken, and no further than someone listens. */
import { setImmediate } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { problemIn } from './problem.ts'

export interface ServerEvent {
  /** Default: an event without a name. */
  event?: string
  data: unknown
}

/** Whether a caller asks for events rather than one body. */
export function wantsEvents({ headers }: FastifyRequest): boolean {
  return /\btext\/event-stream\b/i.test(headers.accept ?? '')
}

/**
 * Sends events as they come. The first is waited for before anything is sent, so that what is refused is refused with its status; what goes wrong later is an event `error` with the same
 * problem details, and the end. Where what was sent is not taken, no further piece is asked for; when the client is gone, the source is ended.
 */
export async function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  source: AsyncGenerator<ServerEvent>,
): Promise<FastifyReply> {
  const first = await source.next()
  const { raw } = reply
  reply.hijack()
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  try {
    for (let next = first; !next.done && !raw.destroyed; next = await source.next()) {
      if (!raw.write(eventText(next.value))) await drained(reply)
      else await setImmediate()
    }
  } catch (error) {
    if (!raw.destroyed) raw.write(eventText({ event: 'error', data: problemIn(error, request) }))
  } finally {
    await source.return(undefined)
    raw.end()
  }
  return reply
}

function eventText({ event, data }: ServerEvent): string {
  return `${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`
}

function drained({ raw }: FastifyReply): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      raw.off('drain', go)
      raw.off('close', go)
      resolve()
    }
    raw.once('drain', go)
    raw.once('close', go)
  })
}
