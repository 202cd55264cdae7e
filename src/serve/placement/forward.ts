/**
 * Requests to models that other hosts own, sent on as they came: method, path, headers and body, with a mark that says that this was done, so that whoever gets it answers
 * itself and nothing goes round. An owner that cannot be reached, or is closing, is left out, and the request is answered here: it was not begun, or can be asked again.
 */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { modelOf } from '../http/guard.ts'
import { bytesOf } from '../http/plain-routes.ts'
import type { Placement } from './placement.ts'

/** Says which host sent a request on. */
export const FORWARDED = 'x-millrace-forwarded'
/** Of one connection, and of a body that was unpacked here. */
const NOT_SENT_ON = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'content-length',
  'content-encoding',
  'host',
])
const CONNECT_MS = 500
const SOCKETS_MAX = 256

export interface ForwardOptions {
  placement: Placement
  /** Whether hosts speak TLS among one another. */
  isSecure: boolean
}

/** Sends on what others own, before the routes see it. */
export function forwardRoutes(app: FastifyInstance, { placement, isSecure }: ForwardOptions): void {
  const agent = isSecure
    ? new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS_MAX })
    : new HttpAgent({ keepAlive: true, maxSockets: SOCKETS_MAX })
  app.addHook('onClose', async () => agent.destroy())
  app.addHook('preHandler', async (request, reply) => {
    const model = modelOf(request)
    if (model === undefined || request.headers[FORWARDED] !== undefined || !isOfModel(request)) return
    for (let address = placement.askFor(model); address !== undefined; address = placement.askFor(model)) {
      const answer = await sendOn(request, reply, { placement, isSecure, agent, address })
      if (answer) return sendBack(answer, reply)
    }
  })
}

/** Loading and unloading by name is of one host. */
const isOfModel = ({ routeOptions }: FastifyRequest): boolean =>
  !routeOptions.url?.startsWith('/v2/repository/')

interface Way extends ForwardOptions {
  agent: HttpAgent | HttpsAgent
  address: string
}

/** The answer of another host; undefined when it could not be reached or takes no requests. */
async function sendOn(
  request: FastifyRequest,
  reply: FastifyReply,
  way: Way,
): Promise<IncomingMessage | undefined> {
  const { placement, address } = way
  const ended = placement.sent(address)
  reply.raw.once('close', ended)
  const answer = await asked(request, reply, way).catch(() => undefined)
  if (answer && !isClosing(answer)) return answer
  answer?.resume()
  reply.raw.off('close', ended)
  ended()
  if (!reply.raw.destroyed) placement.unreachable(address)
  return undefined
}

/** A host that is closing answers so, or ends its connections. */
const isClosing = ({ statusCode, headers }: IncomingMessage): boolean =>
  statusCode === 503 && headers.connection === 'close'

function asked(request: FastifyRequest, reply: FastifyReply, way: Way): Promise<IncomingMessage> {
  const { isSecure, agent, address, placement } = way
  const body = bytesOf(request)
  const at = address.lastIndexOf(':')
  const headers: Record<string, string | string[]> = { [FORWARDED]: placement.self }
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !NOT_SENT_ON.has(name)) headers[name] = value
  headers['content-length'] = String(body.length)
  return new Promise((resolve, reject) => {
    const send = isSecure ? httpsRequest : httpRequest
    const sent: ClientRequest = send(
      {
        ...{ agent: agent as HttpAgent, headers, method: request.method, path: request.url },
        host: address.slice(0, at).replace(/^\[|\]$/g, ''),
        port: Number(address.slice(at + 1)),
      },
      resolve,
    )
    const gone = () => sent.destroy()
    reply.raw.once('close', gone)
    sent.once('close', () => reply.raw.off('close', gone))
    sent.once('error', reject)
    sent.once('socket', (socket) => {
      if (!socket.connecting) return
      // a late turn of the event loop looks at timers before it looks at connections that were made meanwhile
      const late = () => setImmediate(() => socket.connecting && sent.destroy(new Error('no connection')))
      const timer = setTimeout(late, CONNECT_MS)
      for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(timer))
    })
    sent.end(body)
  })
}

function sendBack(answer: IncomingMessage, reply: FastifyReply): FastifyReply {
  for (const [name, value] of Object.entries(answer.headers))
    if (value !== undefined && !['connection', 'keep-alive', 'transfer-encoding'].includes(name))
      reply.header(name, value)
  return reply.code(answer.statusCode ?? 502).send(answer)
}
