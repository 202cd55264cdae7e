/** The protocols that came before V2, over the same models: KServe V1, and the routes that MLflow and SageMaker ask. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Access } from '../access/access.ts'
import { allowsModel } from '../access/grant.ts'
import { describeJson, isObject, parseJson } from '../http/body.ts'
import { bytesOf, goneSignal, headersOf, sendJson } from '../http/plain-routes.ts'
import type { ModelMetadata, SentTensor, TensorSpec } from '../oip/backend.ts'
import type { ModelsBackend } from './models-backend.ts'
import { nestedOf, tensorOf } from './nested.ts'

export interface OtherOptions {
  access: Access
  ready: () => boolean
  jsonDepthMax: number
}

export function otherRoutes(app: FastifyInstance, backend: ModelsBackend, options: OtherOptions): void {
  const names = () => backend.shelf.found.map(({ name }) => name)
  app.get('/v1/models', ({ caller }, reply) =>
    sendJson(reply, { models: names().filter((name) => allowsModel(caller, name)) }),
  )
  app.get<{ Params: { target: string } }>('/v1/models/:target', async ({ params }, reply) => {
    await backend.modelReady(params.target)
    return sendJson(reply, { name: params.target, ready: true })
  })
  app.post<{ Params: { target: string } }>('/v1/models/:target', (request, reply) => {
    const [model, verb] = splitVerb(request.params.target)
    if (verb === 'predict') return predict(backend, model, request, reply, options)
    throw new MillraceError('MR_SERVE_PATH', { method: 'POST', path: request.url.slice(0, 100) })
  })
  app.get('/ping', (_, reply) => reply.code(options.ready() ? 200 : 503).send())
  app.post('/invocations', (request, reply) => {
    const model = onlyModel(names())
    options.access.checkModel(request.caller, model)
    return predict(backend, model, request, reply, options)
  })
}

/** `iris:predict` is the model `iris` and what is asked of it. */
function splitVerb(target: string): [model: string, verb: string] {
  const at = target.lastIndexOf(':')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}

/** A container of one model has no names in its paths. Errors: MR_SERVE_BODY when there are several. */
function onlyModel(names: readonly string[]): string {
  if (names.length === 1) return names[0]
  throw new MillraceError('MR_SERVE_BODY', {
    where: 'POST /invocations',
    need: 'asked of a server of one model; here POST /v1/models/<model>:predict',
    got: `${names.length} models`,
  })
}

async function predict(
  backend: ModelsBackend,
  model: string,
  request: FastifyRequest,
  reply: FastifyReply,
  { jsonDepthMax }: OtherOptions,
): Promise<FastifyReply> {
  const metadata = await backend.metadata(model)
  const inputs = inputsOf(parseJson(bytesOf(request), jsonDepthMax), metadata)
  const { outputs } = await backend.infer({
    ...headersOf(request),
    model,
    inputs,
    signal: goneSignal(reply),
  })
  const [only] = outputs
  if (outputs.length === 1) return sendJson(reply, { predictions: nestedOf(only) })
  return sendJson(reply, { predictions: byRow(outputs.map((output) => [output.name, nestedOf(output)])) })
}

/** Several outputs are one object a row, where all have as many rows; else one object of them all. */
function byRow(outputs: [name: string, values: Json][]): Json {
  const rows = outputs.map(([, values]) => (Array.isArray(values) ? values.length : -1))
  if (rows.some((n) => n !== rows[0] || n < 0)) return Object.fromEntries(outputs)
  return Array.from({ length: rows[0] }, (_, i) =>
    Object.fromEntries(outputs.map(([name, values]) => [name, (values as Json[])[i]])),
  )
}

const NEED =
  '{"instances": [row, …]}, {"inputs": values or {input: values, …}}, {"dataframe_split": {"columns", "data"}} or {"dataframe_records": [row, …]}'

function inputsOf(body: Json, metadata: ModelMetadata): SentTensor[] {
  if (isObject(body)) {
    const { instances, inputs, dataframe_split: split, dataframe_records: records } = body
    if (Array.isArray(instances)) return rowsOf(instances, metadata)
    if (inputs !== undefined && isObject(inputs)) return columnsOf(inputs, metadata)
    if (inputs !== undefined) return [tensorOf(onlyInput(metadata), inputs)]
    if (isObject(split) && Array.isArray(split.data))
      return rowsOf(
        split.data.map((row) => record(split.columns, row, metadata)),
        metadata,
      )
    if (Array.isArray(records)) return rowsOf(records, metadata)
  }
  throw new MillraceError('MR_SERVE_BODY', { where: 'the body', need: NEED, got: describeJson(body) })
}

/** Rows of values, or of objects by input. */
function rowsOf(rows: Json[], metadata: ModelMetadata): SentTensor[] {
  if (!rows.every(isObject)) return [tensorOf(onlyInput(metadata), rows)]
  return metadata.inputs.map((input) => {
    const values = (rows as Record<string, Json>[]).map((row) => row[input.name] ?? null)
    const isColumn = input.shape.length === 2 && input.shape[1] === 1
    return tensorOf(
      input,
      isColumn ? values.map((value) => (Array.isArray(value) ? value : [value])) : values,
    )
  })
}

function columnsOf(columns: Record<string, Json>, { inputs }: ModelMetadata): SentTensor[] {
  return Object.entries(columns).map(([name, values]) =>
    tensorOf(inputs.find((input) => input.name === name) ?? { name, datatype: 'FP32', shape: [] }, values),
  )
}

/** A row of a frame: an object by column where the columns are the inputs, its values as they are where there is one input of them all. */
function record(columns: Json | undefined, row: Json, { inputs }: ModelMetadata): Json {
  if (!Array.isArray(row) || !Array.isArray(columns)) return row
  const isByInput =
    columns.length > 0 &&
    inputs.length === columns.length &&
    inputs.every(({ name }) => columns.includes(name))
  return isByInput ? Object.fromEntries(columns.map((column, i) => [String(column), row[i]])) : row
}

function onlyInput({ name, inputs }: ModelMetadata): TensorSpec {
  if (inputs.length === 1) return inputs[0]
  throw new MillraceError('MR_SERVE_BODY', {
    where: 'the body',
    need: `values by input (${inputs.map((input) => input.name).join(', ')}) for model "${name}"`,
    got: 'values alone',
  })
}
