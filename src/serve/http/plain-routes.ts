/** The plain routes: JSON rows in, JSON answers out. */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'
import { answerKind, rankedRows } from '../answers.ts'
import { type Gone, GoneConnection } from '../gone.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { Explanation } from '../predictor.ts'
import type { CacheTally } from '../response-cache.ts'
import { parseAddress } from '../router.ts'
import type { Answers, PredictRequest, Station } from '../station.ts'
import type { RequestSpan } from '../trace/span.ts'
import { readTraceparent, traceparentText } from '../trace/trace-context.ts'
import { type PlainRequest, parseJson, readFeedback, readPlain } from './body.ts'
import { type ServerEvent, sendEvents, wantsEvents } from './events.ts'

export interface ModelParams {
  model: string
  version?: string
}

export type ModelRequest = FastifyRequest<{ Params: ModelParams }>

/** One answered row as the plain route gives it. */
export interface PlainAnswer {
  id: string
  model: string
  version: number
  route: string
  /** Member that answered, '' for the parent. */
  member: string
  /** Calibrated probability, value or score; of several classes, the probability of the likeliest one. */
  output: number
  probability?: number
  value?: number
  label?: boolean | string
  /** Share from which the label is true. */
  threshold?: number
  /** Of each class by label. */
  probabilities?: Record<string, number>
  score?: number
  /** Place within the group, 1 first. */
  rank?: number
  explanation?: Explanation
}

const JSON_TYPE = 'application/json; charset=utf-8'

export function plainRoutes(app: FastifyInstance, station: Station): void {
  app.post<{ Params: ModelParams }>('/predict/:model', async (request, reply) => {
    const { explain } = request.query as { explain?: string }
    const plain = await counted(station, request, () => readBody(request, station))
    const asked = { ...askOf(request, plain), explain: explain === '1' || explain === 'true' }
    if (wantsEvents(request)) return await sendEvents(request, reply, piecesOf(station, asked))
    const answers = await station.predict(asked)
    return sendJson(markCached(reply, answers), shaped(plain, answers))
  })
  app.post<{ Params: ModelParams }>('/predict/:model/rank', async (request, reply) => {
    const plain = await counted(station, request, () => readBody(request, station))
    const answers = await station.predict(askOf(request, plain))
    const all = plainAnswers(answers)
    const rows = rankedRows(rankable(answers))
    return sendJson(markCached(reply, answers), { ranking: rows.map((row) => ({ row, ...all[row] })) })
  })
  app.post<{ Params: ModelParams }>('/predict/:model/explain', async (request, reply) => {
    const plain = await counted(station, request, () => readBody(request, station))
    const answers = await station.explain(askOf(request, plain))
    return sendJson(markCached(reply, answers), shaped(plain, answers))
  })
  const feedback = async (request: ModelRequest, reply: FastifyReply) => {
    const read = () => readFeedback(parseJson(bytesOf(request), station.limits.jsonDepthMax))
    const outcomes = await counted(station, request, read)
    return sendJson(reply, await station.feedback(request.params.model, outcomes))
  }
  app.post<{ Params: ModelParams }>('/predict/:model/feedback', feedback)
  app.post<{ Params: ModelParams }>('/v2/models/:model/feedback', feedback)
}

/** Answers in pieces, then how many there were. */
async function* piecesOf(station: Station, asked: PredictRequest): AsyncGenerator<ServerEvent> {
  for await (const answers of station.pieces(asked, SERVE_LIMITS.streamRows))
    yield { data: { predictions: plainAnswers(answers) } }
  yield { event: 'done', data: { rows: asked.rows.length } }
}

/** What the response cache had: `hit`, `miss`, or how many rows of each. */
export function cacheText({ hits, misses }: CacheTally): string {
  if (misses === 0) return 'hit'
  return hits === 0 ? 'miss' : `hit=${hits}, miss=${misses}`
}

const CACHE_HEADER = 'x-millrace-cache'

function markCached(reply: FastifyReply, { cached }: Answers): FastifyReply {
  return cached ? reply.header(CACHE_HEADER, cacheText(cached)) : reply
}

/** Errors met before the station is asked are counted here; those after, there. */
export async function counted<R>(
  station: Station,
  request: ModelRequest,
  work: () => R | Promise<R>,
): Promise<R> {
  try {
    return await work()
  } catch (error) {
    station.countError(parseAddress(request.params.model).family, error)
    throw error
  }
}

export function bytesOf(request: FastifyRequest): Uint8Array {
  return request.body instanceof Uint8Array ? request.body : new Uint8Array(0)
}

/** One signal a connection: requests come one after the other on it, and making one for each costs more than reading a small tensor. */
const gone = new WeakMap<Socket, Gone>()

/** Aborted when the client's connection is gone. */
export function goneSignal({ raw: { socket } }: FastifyRequest): Gone {
  return gone.get(socket) ?? watched(socket)
}

function watched(socket: Socket): Gone {
  const connection = new GoneConnection()
  if (socket.destroyed) connection.abort()
  else socket.once('close', () => connection.abort())
  gone.set(socket, connection)
  return connection
}

export function sendJson(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.header('content-type', JSON_TYPE).send(JSON.stringify(value))
}

/** What the headers say of a request: its id, its sticky key and its trace. */
export function headersOf(
  request: FastifyRequest,
): Pick<PredictRequest, 'key' | 'requestId' | 'trace' | 'tenant' | 'span' | 'attempt'> {
  const { headers, caller, span } = request
  return {
    tenant: caller.tenant,
    key: headerText(headers['x-millrace-key']),
    requestId: headerText(headers['x-request-id']),
    trace: traceOf(headers.traceparent, span),
    span,
    attempt: Number(headers['x-millrace-attempt']) || undefined,
  }
}

/** What a trace goes on below: our own span where there is one, else that of whoever asks. */
export function traceOf(
  header: string | string[] | undefined,
  span: RequestSpan | undefined,
): string | undefined {
  if (span) return span.traceparent
  const parent = header === undefined ? undefined : readTraceparent(header)
  return parent && traceparentText(parent)
}

function headerText(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, SERVE_LIMITS.idCharsMax) : undefined
}

function readBody(request: FastifyRequest, station: Station): PlainRequest {
  return readPlain(parseJson(bytesOf(request), station.limits.jsonDepthMax))
}

function askOf(request: ModelRequest, plain: PlainRequest): PredictRequest {
  const headers = headersOf(request)
  return {
    model: request.params.model,
    ...headers,
    key: plain.key ?? headers.key,
    rows: plain.rows,
    ids: plain.ids,
    explainClass: (request.query as { class?: string }).class,
    threshold: plain.threshold,
  }
}

/** Errors: MR_SERVE_RANK for a model whose outputs have no order of worth. */
function rankable(answers: Answers): Answers {
  if (answers.classes) throw new MillraceError('MR_SERVE_RANK', { model: answers.model, task: answers.task })
  return answers
}

function shaped(plain: PlainRequest, answers: Answers): PlainAnswer | { predictions: PlainAnswer[] } {
  const predictions = plainAnswers(answers)
  return plain.single ? predictions[0] : { predictions }
}

export function plainAnswers(answers: Answers): PlainAnswer[] {
  const { model, version, route, task, members, explanations } = answers
  const { fields } = answerKind(task)
  return answers.ids.map((id, i) => {
    const head = { id, model, version, route, member: members[i] }
    const answer = { ...head, ...fields(answers, i) } as PlainAnswer
    if (explanations) answer.explanation = explanations[i]
    return answer
  })
}
