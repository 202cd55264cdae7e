/** The Open Inference Protocol V2 over HTTP: metadata, readiness, inference with JSON or binary tensors, repository and statistics where there are any. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { allowsModel } from '../access/grant.ts'
import { isObject, parseJson } from '../http/body.ts'
import { HEADER_LENGTH } from '../http/collect.ts'
import {
  bytesOf,
  goneSignal,
  headersOf,
  type ModelParams,
  type ModelRequest,
  sendJson,
} from '../http/plain-routes.ts'
import { answerBody } from './answer.ts'
import type { InferAsk, ModelStatistics, OipBackend, Repository, Spent } from './backend.ts'
import { configJson, configOf } from './config.ts'
import { type InferRequest, readInfer } from './request.ts'

export interface ServerInfo {
  name: string
  version: string
}

export interface OipOptions {
  server: ServerInfo
  jsonDepthMax: number
}

export { HEADER_LENGTH }

export function oipRoutes(app: FastifyInstance, backend: OipBackend, options: OipOptions): void {
  const { server, jsonDepthMax } = options
  app.get('/v2', (_, reply) => sendJson(reply, { ...server, extensions: backend.extensions }))
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.get<{ Params: ModelParams }>(path, async ({ params }, reply) =>
      sendJson(reply, await backend.metadata(params.model, params.version)),
    )
    app.get<{ Params: ModelParams }>(`${path}/ready`, async ({ params }, reply) => {
      await backend.modelReady(params.model, params.version)
      return sendJson(reply, { name: params.model, ready: true })
    })
    app.post<{ Params: ModelParams }>(`${path}/infer`, { onRequest: admission(backend) }, (request, reply) =>
      infer(backend, request, reply, jsonDepthMax),
    )
    if (backend.batching)
      app.get<{ Params: ModelParams }>(`${path}/batching`, async ({ params }, reply) =>
        sendJson(reply, await backend.batching?.(params.model, params.version)),
      )
    app.get<{ Params: ModelParams }>(`${path}/config`, async ({ params }, reply) =>
      sendJson(reply, configJson(await configOf(backend, params.model, params.version))),
    )
    if (backend.statistics)
      app.get<{ Params: ModelParams }>(`${path}/stats`, ({ params }, reply) =>
        sendJson(reply, statisticsJson(backend.statistics?.(params.model, params.version) ?? [])),
      )
  }
  if (backend.statistics)
    app.get('/v2/models/stats', (_, reply) => sendJson(reply, statisticsJson(backend.statistics?.() ?? [])))
  if (backend.repository) repositoryRoutes(app, backend.repository, jsonDepthMax)
}

/** What could not be answered in time is refused before its body is read: a server that has too much to do does no more of it. */
const admission =
  (backend: OipBackend) =>
  ({ params: { model, version } }: ModelRequest, _: FastifyReply, done: () => void): void => {
    backend.admit?.(model, version)
    done()
  }

async function infer(
  backend: OipBackend,
  request: ModelRequest,
  reply: FastifyReply,
  jsonDepthMax: number,
): Promise<FastifyReply> {
  const { model, version } = request.params
  const cameMs = performance.now()
  let asked: InferRequest
  try {
    const read = readTensors(backend, request, jsonDepthMax)
    asked = read instanceof Promise ? await read : read
  } catch (error) {
    backend.failed(model, error)
    await backend.metadata(model, version)
    throw error
  }
  const ask = askOf(request, asked, model, version)
  ask.cameMs = cameMs
  const inferred = await backend.infer(ask)
  const answer = answerBody(inferred, asked)
  if (inferred.loadMs) reply.header('server-timing', `load;dur=${inferred.loadMs.toFixed(1)}`)
  if (answer.headerLength !== undefined) reply.header(HEADER_LENGTH, answer.headerLength)
  return reply.header('content-type', answer.contentType).send(answer.body)
}

/** A promise only where the model has to be asked what it takes. */
export function readTensors(
  backend: OipBackend,
  request: ModelRequest,
  jsonDepthMax: number,
): InferRequest | Promise<InferRequest> {
  const { model, version } = request.params
  const inputsOf = async () => (await backend.metadata(model, version)).inputs
  const length = request.headers[HEADER_LENGTH] as string | undefined
  return readInfer(bytesOf(request), length || undefined, { inputsOf, jsonDepthMax })
}

export function askOf(
  request: FastifyRequest,
  asked: InferRequest,
  model: string,
  version: string | undefined,
): InferAsk {
  const { key, requestId, trace, tenant, span, attempt } = headersOf(request)
  return {
    model,
    version,
    id: asked.id,
    inputs: asked.inputs,
    outputs: asked.outputs?.map(({ name }) => name),
    explain: asked.explain,
    explainClass: asked.explainClass,
    threshold: asked.threshold,
    key: asked.key ?? key,
    requestId,
    trace,
    tenant,
    attempt,
    span,
    deadlineMs: asked.timeoutUs === undefined ? undefined : performance.now() + asked.timeoutUs / 1000,
    signal: goneSignal(request),
  }
}

// ---------------------------------------------------------------- repository and statistics

function repositoryRoutes(app: FastifyInstance, repository: Repository, jsonDepthMax: number): void {
  app.post('/v2/repository/index', (request, reply) => {
    const body = bytesOf(request)
    const asked = body.length === 0 ? {} : parseJson(body, jsonDepthMax)
    const found = repository.index(isObject(asked) && asked.ready === true)
    return sendJson(
      reply,
      found.filter(({ name }) => allowsModel(request.caller, name)),
    )
  })
  app.post<{ Params: ModelParams }>('/v2/repository/models/:model/load', async ({ params }, reply) => {
    await repository.load(params.model)
    return sendJson(reply, {})
  })
  app.post<{ Params: ModelParams }>('/v2/repository/models/:model/unload', async ({ params }, reply) => {
    await repository.unload(params.model)
    return sendJson(reply, {})
  })
}

const spent = ({ count, ns }: Spent) => ({ count, ns: Math.round(ns) })

function statisticsJson(models: readonly ModelStatistics[]): unknown {
  return {
    model_stats: models.map((model) => ({
      name: model.name,
      version: model.version,
      last_inference: model.lastInferenceMs,
      inference_count: model.inferences,
      execution_count: model.executions,
      inference_stats: {
        success: spent(model.success),
        fail: spent(model.fail),
        queue: spent(model.queue),
        compute_input: spent(model.input),
        compute_infer: spent(model.compute),
        compute_output: spent(model.output),
        cache_hit: spent(model.cacheHit),
        cache_miss: spent(model.cacheMiss),
      },
      batch_stats: model.batches.map(({ size, compute }) => ({
        batch_size: size,
        compute_input: { count: compute.count, ns: 0 },
        compute_infer: spent(compute),
        compute_output: { count: compute.count, ns: 0 },
      })),
    })),
  }
}
