/** Explanations asked for with tensors, or with plain rows where models take rows: JSON with one explanation a row. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Json } from '../../core/canonical.ts'
import { isObject, parseJson, readPlain } from '../http/body.ts'
import {
  bytesOf,
  counted,
  headersOf,
  type ModelParams,
  type ModelRequest,
  sendJson,
} from '../http/plain-routes.ts'
import type { Station } from '../station.ts'
import { type Explained, failing, type OipBackend } from './backend.ts'
import { askOf, HEADER_LENGTH, readTensors } from './routes.ts'
import { explained } from './row-backend.ts'

const PATHS = ['/v2/models/:model', '/v2/models/:model/versions/:version']

/** Answers a request whose body is no tensors. */
export type PlainExplain = (request: ModelRequest, body: Json) => Promise<Explained>

/** `plain` takes what is sent as rows rather than tensors. */
export function explainRoutes(
  app: FastifyInstance,
  backend: OipBackend,
  jsonDepthMax: number,
  plain?: PlainExplain,
): void {
  for (const path of PATHS)
    app.post<{ Params: ModelParams }>(`${path}/explain`, async (request, reply) => {
      if (plain && request.headers[HEADER_LENGTH] === undefined) {
        const json = await failing(backend, request.params.model, () =>
          parseJson(bytesOf(request), jsonDepthMax),
        )
        if (!isObject(json) || !Array.isArray(json.inputs)) return send(reply, await plain(request, json))
      }
      return send(reply, await explainTensors(backend, request, jsonDepthMax))
    })
}

/** Plain rows explained by what is released. */
export function explainRows(station: Station): PlainExplain {
  return async (request, json) => {
    const { model, version } = request.params
    const rows = await counted(station, request, () => readPlain(json))
    const ask = { ...headersOf(request), ...rows, model, version, explainClass: classOf(request) }
    return explained(await station.explain(ask), model)
  }
}

async function explainTensors(
  backend: OipBackend,
  request: ModelRequest,
  jsonDepthMax: number,
): Promise<Explained> {
  const { model, version } = request.params
  const asked = await failing(backend, request.params.model, () =>
    readTensors(backend, request, jsonDepthMax),
  )
  const ask = askOf(request, asked, model, version)
  return await backend.explain({ ...ask, explainClass: classOf(request) })
}

const classOf = ({ query }: ModelRequest): string | undefined => (query as { class?: string }).class

function send(reply: FastifyReply, { model, version, id, explanations }: Explained): FastifyReply {
  return sendJson(reply, { model_name: model, model_version: version, id, explanations })
}
