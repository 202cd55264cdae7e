/**
 * Streamed answers: Triton's generate extension, whose requests are plain JSON by name of input, and MLServer's `infer_stream`. Rows are answered in pieces, an event each.
 *
 * Of a generate request every key besides `id` and `parameters` is an input; a value that lacks axes gets axes of one around it. Parameters that are named as an input are inputs too. Outputs are
 * keys of the answer, without their axes of one. Source: Triton Inference Server's documentation of the generate extension.
 */
import type { FastifyInstance } from 'fastify'
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import { describeJson, isObject, parseJson } from '../http/body.ts'
import { type ServerEvent, sendEvents } from '../http/events.ts'
import { nestedOf, tensorOf } from '../http/nested.ts'
import {
  bytesOf,
  goneSignal,
  headersOf,
  type ModelParams,
  type ModelRequest,
  sendJson,
} from '../http/plain-routes.ts'
import { answerBody } from './answer.ts'
import {
  failing,
  type InferAnswer,
  type InferAsk,
  type OipBackend,
  type SentTensor,
  type TensorSpec,
} from './backend.ts'
import { type InferRequest, readParameters } from './request.ts'
import { askOf, readTensors } from './routes.ts'

export function generateRoutes(app: FastifyInstance, backend: OipBackend, jsonDepthMax: number): void {
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    app.post<{ Params: ModelParams }>(`${path}/generate`, async (request, reply) => {
      const ask = await failing(backend, request.params.model, () =>
        generateAsk(backend, request, jsonDepthMax),
      )
      return sendJson(reply, generated(await backend.infer(ask)))
    })
    app.post<{ Params: ModelParams }>(`${path}/generate_stream`, async (request, reply) => {
      const ask = await failing(backend, request.params.model, () =>
        generateAsk(backend, request, jsonDepthMax),
      )
      return await sendEvents(request, reply, eventsOf(backend.stream(ask), generated))
    })
    app.post<{ Params: ModelParams }>(`${path}/infer_stream`, async (request, reply) => {
      const { model, version } = request.params
      const asked = await failing(backend, request.params.model, () =>
        readTensors(backend, request, jsonDepthMax),
      )
      const ask = askOf(request, asked, model, version)
      return await sendEvents(request, reply, eventsOf(backend.stream(ask), inferJson))
    })
  }
}

async function* eventsOf(
  answers: AsyncGenerator<InferAnswer>,
  show: (answer: InferAnswer) => unknown,
): AsyncGenerator<ServerEvent> {
  for await (const answer of answers) yield { data: show(answer) }
}

/** Events are text, so tensors are JSON in them. */
const AS_JSON: InferRequest = { inputs: [], binaryOutput: false }

const inferJson = (answer: InferAnswer): unknown => JSON.parse(String(answerBody(answer, AS_JSON).body))

async function generateAsk(
  backend: OipBackend,
  request: ModelRequest,
  jsonDepthMax: number,
): Promise<InferAsk> {
  const { model, version } = request.params
  const body = parseJson(bytesOf(request), jsonDepthMax)
  if (!isObject(body))
    throw new MillraceError('MR_SERVE_BODY', {
      where: 'the body',
      need: 'an object of inputs by name',
      got: describeJson(body),
    })
  const { inputs: specs } = await backend.metadata(model, version)
  const { id, parameters = {}, ...given } = body
  const known = new Map(specs.map((spec) => [spec.name, spec]))
  const said = isObject(parameters) ? parameters : {}
  const isInput = ([name]: [string, Json]) => known.has(name)
  const inputs = [...Object.entries(given), ...Object.entries(said).filter(isInput)].map(([name, value]) =>
    inputOf(known.get(name) ?? { name, datatype: datatypeOf(value), shape: [-1] }, value),
  )
  if (inputs.length === 0) {
    const need = `one of the inputs ${specs.map(({ name }) => name).join(', ')}`
    throw new MillraceError('MR_SERVE_BODY', { where: 'the body', need, got: 'none' })
  }
  const { timeoutUs, ...asked } = readParameters(said)
  return {
    ...headersOf(request),
    ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)),
    model,
    version,
    ...(typeof id === 'string' && id !== '' && { id }),
    inputs,
    signal: goneSignal(request),
    ...(timeoutUs !== undefined && { deadlineMs: performance.now() + timeoutUs / 1000 }),
  }
}

const datatypeOf = (value: Json): string => {
  let first: Json | undefined = value
  while (Array.isArray(first)) first = first[0]
  return typeof first === 'string' ? 'BYTES' : typeof first === 'boolean' ? 'BOOL' : 'FP64'
}

function inputOf(spec: TensorSpec, value: Json): SentTensor {
  let axes = 0
  for (let level = value; Array.isArray(level); level = level[0]) axes++
  let wrapped = value
  for (; axes < Math.max(1, spec.shape.length); axes++) wrapped = [wrapped]
  return tensorOf(spec, wrapped)
}

function generated({ model, version, id, parameters, outputs }: InferAnswer): unknown {
  return {
    id,
    model_name: model,
    model_version: version,
    ...Object.fromEntries(outputs.map((output) => [output.name, bare(nestedOf(output))])),
    ...(parameters && { parameters }),
  }
}

function bare(value: Json): Json {
  return Array.isArray(value) && value.length === 1 ? bare(value[0]) : value
}
