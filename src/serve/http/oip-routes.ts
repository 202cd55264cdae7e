/** The Open Inference Protocol V2 over HTTP: metadata, readiness, inference with JSON or binary tensors, and explanations. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { MillraceError } from '../../core/errors.ts'
import type { ModelTask, SignatureField } from '../../core/records.ts'
import { groupByMember } from '../member-groups.ts'
import { parseAddress, routeFor, versionsOf } from '../router.ts'
import type { PredictRequest, Station } from '../station.ts'
import { isObject, parseJson, readPlain } from './body.ts'
import {
  bytesOf,
  counted,
  headersOf,
  type ModelParams,
  type ModelRequest,
  plainAnswers,
  sendJson,
} from './plain-routes.ts'
import { checkOutputs, inferAnswer, tensorInfo } from './tensor-answers.ts'
import { type InferRequest, readInfer, rowsOf } from './tensor-rows.ts'

export interface ServerInfo {
  name: string
  version: string
}

const HEADER_LENGTH = 'inference-header-content-length'

export function oipRoutes(app: FastifyInstance, station: Station, server: ServerInfo): void {
  app.get('/v2', (_, reply) =>
    sendJson(reply, { ...server, extensions: ['binary_tensor_data', 'explain', 'feedback'] }),
  )
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<{ Params: ModelParams }>(path, (request, reply) => metadata(station, request, reply))
    app.get<{ Params: ModelParams }>(`${path}/ready`, (request, reply) => modelReady(station, request, reply))
    app.post<{ Params: ModelParams }>(`${path}/infer`, (request, reply) => infer(station, request, reply))
    app.post<{ Params: ModelParams }>(`${path}/explain`, (request, reply) => explain(station, request, reply))
  }
}

async function metadata(station: Station, request: ModelRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { model } = request.params
  const live = await station.router.release(parseAddress(model).family)
  if (request.params.version) routeFor(live, model, '', request.params.version)
  const info = await station.describe(model, ({ task, format, inputs, classes }) => ({
    platform: `millrace_${format}`,
    ...tensorInfo(task, inputs, classes),
    ...(classes && { parameters: { classes } }),
  }))
  return sendJson(reply, { name: model, versions: versionsOf(live).map(String), ...info })
}

/** Ready means: asked now, it would answer. So the model is loaded here when it is not. */
async function modelReady(
  station: Station,
  request: ModelRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model, version } = request.params
  const { family, member } = parseAddress(model)
  const live = await station.router.release(family)
  const route = routeFor(live, family, '', version)
  const [group] = groupByMember(route.record, [{}], member)
  await station.cache.with(group.digest, () => undefined)
  return sendJson(reply, { name: model, ready: true })
}

interface Signature {
  task: ModelTask
  inputs: readonly SignatureField[]
}

async function signatureOf(station: Station, model: string): Promise<Signature> {
  return await station.describe(model, ({ task, inputs }) => ({ task, inputs }))
}

async function infer(station: Station, request: ModelRequest, reply: FastifyReply): Promise<FastifyReply> {
  const signature = await counted(station, request, () => signatureOf(station, request.params.model))
  const asked = await counted(station, request, () => readTensors(station, request, signature))
  const answers = await station.predict(asked.predict)
  const answer = inferAnswer(answers, asked.infer, request.params.model)
  if (answer.headerLength !== undefined) reply.header(HEADER_LENGTH, answer.headerLength)
  return reply.header('content-type', answer.contentType).send(answer.body)
}

function readTensors(
  station: Station,
  request: ModelRequest,
  signature: Signature,
): { infer: InferRequest; predict: PredictRequest } {
  const headerLength = request.headers[HEADER_LENGTH]
  const asked = readInfer(
    bytesOf(request),
    String(headerLength ?? '') || undefined,
    signature.inputs,
    station.limits,
  )
  checkOutputs(signature.task, asked.outputs)
  const rows = rowsOf(asked.inputs, signature.inputs, station.limits)
  const headers = headersOf(request)
  const { model, version } = request.params
  return {
    infer: asked,
    predict: {
      ...headers,
      model,
      version,
      rows,
      key: asked.key ?? headers.key,
      requestId: asked.id ?? headers.requestId,
    },
  }
}

/** Explains tensors or plain rows: the answer is JSON with one explanation a row. */
async function explain(station: Station, request: ModelRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { model, version } = request.params
  const asked = await counted(station, request, () => explainRequest(station, request))
  const { class: explainClass } = request.query as { class?: string }
  const answers = await station.explain({ ...asked, model, version, explainClass })
  return sendJson(reply, {
    model_name: model,
    model_version: String(answers.version),
    id: answers.requestId,
    explanations: plainAnswers(answers),
  })
}

async function explainRequest(station: Station, request: ModelRequest): Promise<PredictRequest> {
  const bytes = bytesOf(request)
  if (request.headers[HEADER_LENGTH] === undefined) {
    const json = parseJson(bytes, station.limits.jsonDepthMax)
    if (!isObject(json) || !Array.isArray(json.inputs)) {
      return { ...headersOf(request), ...readPlain(json), model: request.params.model }
    }
  }
  return readTensors(station, request, await signatureOf(station, request.params.model)).predict
}

/** What a request gets once the server closes. */
export function closingError(): MillraceError {
  return new MillraceError('MR_SERVE_CLOSING', { what: 'server' })
}
