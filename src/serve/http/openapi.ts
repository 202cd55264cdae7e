/** OpenAPI 3.1 of the serving routes, with each model's columns as its signature states them. */
import type { ColumnType, SignatureField } from '../../core/records.ts'
import { answerKind } from '../answers.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { Predictor } from '../predictor.ts'
import type { Station } from '../station.ts'

type Schema = Record<string, unknown>

const JSON_TYPES: Record<ColumnType, Schema> = {
  bool: { type: 'boolean' },
  int: { type: 'integer' },
  float: { type: 'number' },
  string: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
  date: { type: 'string', format: 'date' },
  json: {},
}

const PROBLEM: Schema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'fix'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string' },
    fix: { type: 'string' },
    retryable: { type: 'boolean' },
  },
}

/** The document for one model, or for all (at most `openApiModelsMax`, by name). A model that cannot be read is left out of the latter. */
export async function openApi(station: Station, model?: string): Promise<Schema> {
  const names =
    model === undefined ? station.router.models().slice(0, SERVE_LIMITS.openApiModelsMax) : [model]
  const paths: Schema = {}
  const schemas: Schema = { Problem: PROBLEM }
  for (const name of names) {
    try {
      await station.describe(name, (predictor) => describe(name, predictor, paths, schemas))
    } catch (error) {
      if (model !== undefined) throw error
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace serving', version: '2' },
    paths,
    components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  }
}

function describe(name: string, predictor: Predictor, paths: Schema, schemas: Schema): void {
  const path = encodeURIComponent(name)
  const key = name.replace(/[^A-Za-z0-9._-]/g, '_')
  schemas[`${key}.Row`] = rowSchema(predictor.inputs)
  schemas[`${key}.Answer`] = answerSchema(predictor)
  const row = { $ref: `#/components/schemas/${key}.Row` }
  const answer = { $ref: `#/components/schemas/${key}.Answer` }
  const body = {
    anyOf: [
      wrapped('row', row),
      wrapped('rows', { type: 'array', items: row }),
      { type: 'array', items: row },
    ],
  }
  const answers = { anyOf: [answer, wrapped('predictions', { type: 'array', items: answer })] }
  paths[`/predict/${path}`] = { post: operation(`predict ${name}`, body, answers) }
  paths[`/predict/${path}/explain`] = { post: operation(`explain ${name}`, body, answers) }
  if (predictor.task === 'ranking') {
    const ranking = wrapped('ranking', { type: 'array', items: answer })
    paths[`/predict/${path}/rank`] = { post: operation(`rank ${name}`, body, ranking) }
  }
  paths[`/v2/models/${path}/infer`] = {
    post: operation(`infer ${name}`, { type: 'object' }, { type: 'object' }),
  }
  paths[`/v2/models/${path}/feedback`] = { post: operation(`feedback ${name}`, FEEDBACK, ACCEPTED) }
}

const FEEDBACK: Schema = {
  type: 'object',
  required: ['id', 'value'],
  properties: {
    id: { type: 'string' },
    value: { type: ['number', 'boolean', 'string'] },
    at: { type: ['number', 'string'] },
  },
}
const ACCEPTED: Schema = {
  type: 'object',
  properties: { accepted: { type: 'integer' }, unknown: { type: 'integer' } },
}

function wrapped(name: string, schema: Schema): Schema {
  return { type: 'object', required: [name], properties: { [name]: schema } }
}

function rowSchema(inputs: readonly SignatureField[]): Schema {
  const field = ({ type, nullable }: SignatureField): Schema =>
    nullable ? { anyOf: [JSON_TYPES[type], { type: 'null' }] } : JSON_TYPES[type]
  return {
    type: 'object',
    required: inputs.filter((input) => !input.nullable).map((input) => input.name),
    properties: Object.fromEntries(inputs.map((input) => [input.name, field(input)])),
  }
}

function answerSchema({ task, classes = [] }: Predictor): Schema {
  const said = answerKind(task).schema(classes)
  return {
    type: 'object',
    required: ['id', 'model', 'version', 'route', 'member', ...Object.keys(said)],
    properties: {
      id: { type: 'string' },
      model: { type: 'string' },
      version: { type: 'integer' },
      route: { type: 'string', enum: ['live', 'canary', 'shadow'] },
      member: { type: 'string' },
      ...said,
    },
  }
}

function operation(summary: string, body: Schema, answer: Schema): Schema {
  const content = (schema: Schema) => ({ 'application/json': { schema } })
  const problem = {
    description: 'What went wrong and what to do',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  }
  return {
    summary,
    requestBody: { required: true, content: content(body) },
    responses: { '200': { description: 'Answered', content: content(answer) }, default: problem },
  }
}
