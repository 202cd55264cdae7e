/** The protocols that came before V2, over the same models: KServe V1, and the routes that MLflow and SageMaker ask. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Json } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Access } from '../access/access.ts'
import { allowsModel } from '../access/grant.ts'
import {
  failing,
  type InferAsk,
  type ModelMetadata,
  type OipBackend,
  type SentTensor,
  type TensorSpec,
} from '../oip/backend.ts'
import { describeJson, isObject, parseJson } from './body.ts'
import { nestedOf, tensorOf } from './nested.ts'
import { bytesOf, goneSignal, headersOf, sendJson } from './plain-routes.ts'

export interface OtherOptions {
  access: Access
  ready: () => boolean | Promise<boolean>
  jsonDepthMax: number
}

/** SageMaker's name of the model that is asked, where a container has several. */
const TARGET_MODEL = 'x-amzn-sagemaker-target-model'

export function otherRoutes(app: FastifyInstance, backend: OipBackend, options: OtherOptions): void {
  app.get('/v1/models', ({ caller }, reply) =>
    sendJson(reply, { models: backend.names().filter((name) => allowsModel(caller, name)) }),
  )
  app.get<{ Params: { target: string } }>('/v1/models/:target', async ({ params }, reply) => {
    await backend.modelReady(params.target)
    return sendJson(reply, { name: params.target, ready: true })
  })
  app.post<{ Params: { target: string } }>('/v1/models/:target', (request, reply) => {
    const [model, verb] = splitVerb(request.params.target)
    if (verb === 'predict') return predict(backend, model, request, reply, options)
    if (verb === 'explain') return explain(backend, model, request, reply, options)
    throw new MillraceError('MR_SERVE_PATH', { method: 'POST', path: request.url.slice(0, 100) })
  })
  app.get('/ping', async (_, reply) => reply.code((await options.ready()) ? 200 : 503).send())
  app.post('/invocations', (request, reply) => {
    const target = request.headers[TARGET_MODEL]
    const model = typeof target === 'string' ? target.replace(/\.tar\.gz$/, '') : onlyModel(backend.names())
    options.access.checkModel(request.caller, model)
    return predict(backend, model, request, reply, options)
  })
}

/** `iris:predict` is the model `iris` and what is asked of it. */
function splitVerb(target: string): [model: string, verb: string] {
  const at = target.lastIndexOf(':')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}

/** A container of one model has no names in its paths. Errors: MR_SERVE_BODY when there are several, or none. */
function onlyModel(names: readonly string[]): string {
  if (names.length === 1) return names[0]
  throw new MillraceError('MR_SERVE_BODY', {
    where: 'POST /invocations',
    need: `asked of a server of one model; here POST /v1/models/<model>:predict, or send the header ${TARGET_MODEL}`,
    got: `${names.length} models`,
  })
}

async function askOf(
  backend: OipBackend,
  model: string,
  request: FastifyRequest,
  { jsonDepthMax }: OtherOptions,
): Promise<InferAsk> {
  return await failing(backend, model, async () => {
    const metadata = await backend.metadata(model)
    const frame: Frame = { ...metadata, isByRow: backend.isByRow }
    const inputs = inputsOf(parseJson(bytesOf(request), jsonDepthMax), frame)
    return { ...headersOf(request), model, inputs, signal: goneSignal(request) }
  })
}

/** One explanation an instance, as far as the model has any. */
async function explain(
  backend: OipBackend,
  model: string,
  request: FastifyRequest,
  reply: FastifyReply,
  options: OtherOptions,
): Promise<FastifyReply> {
  const ask = await askOf(backend, model, request, options)
  const { class: explainClass } = request.query as { class?: string }
  const { explanations } = await backend.explain({ ...ask, explainClass })
  return sendJson(reply, { explanations })
}

async function predict(
  backend: OipBackend,
  model: string,
  request: FastifyRequest,
  reply: FastifyReply,
  options: OtherOptions,
): Promise<FastifyReply> {
  const { outputs } = await backend.infer(await askOf(backend, model, request, options))
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

/** What the values of a body are put into. */
type Frame = Pick<ModelMetadata, 'name' | 'inputs'> & Pick<OipBackend, 'isByRow'>

const NEED =
  '{"instances": [row, …]}, {"inputs": values or {input: values, …}}, {"dataframe_split": {"columns", "data"}} or {"dataframe_records": [row, …]}'

function inputsOf(body: Json, metadata: Frame): SentTensor[] {
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

/** Rows of values, or of objects by input. Values of several inputs of one element a row are in the order of the inputs. */
function rowsOf(rows: Json[], metadata: Frame): SentTensor[] {
  if (!rows.every(isObject)) {
    if (rows.every((row) => isWhole(row, metadata)))
      return rowsOf(
        (rows as Json[][]).map((row) =>
          Object.fromEntries(metadata.inputs.map(({ name }, i) => [name, row[i]])),
        ),
        metadata,
      )
    return [tensorOf(onlyInput(metadata), rows)]
  }
  return columnsIn(rows as Record<string, Json>[], metadata).map((input) => {
    const values = (rows as Record<string, Json>[]).map((row) => row[input.name] ?? null)
    const isColumn = input.shape.length === 2 && input.shape[1] === 1
    return tensorOf(
      input,
      isColumn ? values.map((value) => (Array.isArray(value) ? value : [value])) : values,
    )
  })
}

/** Whether a row has one value for each of several inputs. */
function isWhole(row: Json, { inputs }: Frame): row is Json[] {
  const isOne = ({ shape }: TensorSpec) => shape.length === 1 || (shape.length === 2 && shape[1] === 1)
  return Array.isArray(row) && inputs.length > 1 && row.length === inputs.length && inputs.every(isOne)
}

const unknown = (name: string): TensorSpec => ({ name, datatype: 'FP32', shape: [] })

/** The inputs, and where rows may have more, what else there is. */
function columnsIn(rows: readonly Record<string, Json>[], { inputs, isByRow }: Frame): TensorSpec[] {
  if (!isByRow) return inputs
  const more = new Set(rows.flatMap((row) => Object.keys(row)))
  for (const { name } of inputs) more.delete(name)
  return [...inputs, ...[...more].map(unknown)]
}

function columnsOf(columns: Record<string, Json>, { inputs }: Frame): SentTensor[] {
  return Object.entries(columns).map(([name, values]) =>
    tensorOf(inputs.find((input) => input.name === name) ?? unknown(name), values),
  )
}

/** A row of a frame: an object by column where the columns are the inputs, its values as they are where there is one input of them all. */
function record(columns: Json | undefined, row: Json, { inputs, isByRow }: Frame): Json {
  if (!Array.isArray(row) || !Array.isArray(columns)) return row
  const isByInput =
    isByRow ||
    (columns.length > 0 &&
      inputs.length === columns.length &&
      inputs.every(({ name }) => columns.includes(name)))
  return isByInput ? Object.fromEntries(columns.map((column, i) => [String(column), row[i]])) : row
}

function onlyInput({ name, inputs }: Frame): TensorSpec {
  if (inputs.length === 1) return inputs[0]
  throw new MillraceError('MR_SERVE_BODY', {
    where: 'the body',
    need: `values by input (${inputs.map((input) => input.name).join(', ')}) for model "${name}"`,
    got: 'values alone',
  })
}
