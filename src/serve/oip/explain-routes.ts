/** Explanations of models that take rows, asked for with tensors or plain rows: JSON with one explanation a row. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { isObject, parseJson, readPlain } from '../http/body.ts'
import {
  bytesOf,
  counted,
  headersOf,
  type ModelParams,
  type ModelRequest,
  plainAnswers,
  sendJson,
} from '../http/plain-routes.ts'
import type { PredictRequest, Station } from '../station.ts'
import { askOf, HEADER_LENGTH, readTensors } from './routes.ts'
import type { RowBackend } from './row-backend.ts'

export function explainRoutes(app: FastifyInstance, station: Station, backend: RowBackend): void {
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version'])
    app.post<{ Params: ModelParams }>(`${path}/explain`, (request, reply) =>
      explain(station, backend, request, reply),
    )
}

async function explain(
  station: Station,
  backend: RowBackend,
  request: ModelRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model, version } = request.params
  const asked = await counted(station, request, () => explainRequest(station, backend, request))
  const { class: explainClass } = request.query as { class?: string }
  const answers = await station.explain({ ...asked, model, version, explainClass })
  return sendJson(reply, {
    model_name: model,
    model_version: String(answers.version),
    id: answers.requestId,
    explanations: plainAnswers(answers),
  })
}

async function explainRequest(
  station: Station,
  backend: RowBackend,
  request: ModelRequest,
): Promise<PredictRequest> {
  const bytes = bytesOf(request)
  const { model, version } = request.params
  const { jsonDepthMax } = station.limits
  if (request.headers[HEADER_LENGTH] === undefined) {
    const json = parseJson(bytes, jsonDepthMax)
    if (!isObject(json) || !Array.isArray(json.inputs))
      return { ...headersOf(request), ...readPlain(json), model }
  }
  const asked = await readTensors(backend, request, jsonDepthMax)
  return await backend.rowsAsked(askOf(request, asked, model, version))
}
