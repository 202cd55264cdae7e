/** OpenAPI 3.1 of a server's routes, with the columns or tensors of each model as its signature states them. One document for released models and those of others. */
import { SERVE_LIMITS } from '../limits.ts'
import type { ModelDescription, OipBackend } from '../oip/backend.ts'
import { type ExampleTensor, exampleInstance, exampleRow, exampleTensors } from './examples.ts'
import { answerSchema, COMMON, inferSchema, list, object, ref, rowSchema, type Schema } from './schemas.ts'

export interface DocumentOptions {
  title: string
  version: string
}

/** The document of some models, at most `openApiModelsMax`. One that cannot be read is left out, except where it is the only one. */
export async function openApi(
  backend: OipBackend,
  names: readonly string[],
  { title, version }: DocumentOptions,
): Promise<Schema> {
  const document = new Document()
  document.addServer(backend)
  for (const name of names.slice(0, SERVE_LIMITS.openApiModelsMax)) {
    try {
      document.addModel(name, await backend.describe(name))
    } catch (error) {
      if (names.length === 1) throw error
    }
  }
  return document.of({ title, version })
}

interface Operation {
  summary: string
  tag: string
  body?: { schema: Schema; example?: unknown; required?: boolean }
  answer?: Schema
  /** Where an answer has no JSON. */
  mediaType?: string
  parameters?: Schema[]
  status?: number
}

const query = (name: string, description: string, schema: Schema = { type: 'string' }): Schema => ({
  name,
  in: 'query',
  description,
  schema,
})
const header = (name: string, description: string): Schema => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
})

const CLASS = query('class', 'Class that is explained; by default the likeliest')
const HEADERS = [
  header('X-Request-Id', 'Names the request: asked again under the same name it is the same prediction'),
  header('X-Millrace-Key', 'Keeps a caller on one route of a release'),
  header('traceparent', 'W3C trace context'),
]

/** Inputs by name, without their axes of one. */
function generateExample(tensors: readonly ExampleTensor[]): Record<string, unknown> {
  return Object.fromEntries(tensors.map(({ name, data }) => [name, data.length === 1 ? data[0] : data]))
}

class Document {
  readonly #paths: Record<string, Record<string, Schema>> = {}
  readonly #schemas: Record<string, Schema> = { ...COMMON }
  readonly #tags: { name: string; description?: string }[] = [{ name: 'server' }]
  readonly #ids = new Set<string>()

  of(info: { title: string; version: string }): Schema {
    return {
      openapi: '3.1.0',
      info: { ...info, summary: 'Open Inference Protocol V2, KServe V1, MLflow and plain JSON' },
      tags: this.#tags,
      paths: this.#paths,
      security: [{ token: [] }, {}],
      components: {
        schemas: this.#schemas,
        securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      },
    }
  }

  addServer({ repository }: OipBackend): void {
    const add = (method: string, path: string, operation: Omit<Operation, 'tag'>) =>
      this.#add(method, path, { ...operation, tag: 'server' })
    add('get', '/livez', {
      summary: 'Whether the process answers',
      answer: object({ live: { type: 'boolean' } }),
    })
    add('get', '/readyz', {
      summary: 'Whether all is as it should be, and what is not',
      answer: ref('Ready'),
    })
    add('get', '/v2/health/live', { summary: 'Liveness', answer: object({ live: { type: 'boolean' } }) })
    add('get', '/v2/health/ready', { summary: 'Readiness', answer: ref('Ready') })
    add('get', '/v2', { summary: 'What this server is', answer: ref('ServerMetadata') })
    add('get', '/v1/models', {
      summary: 'Names of models',
      answer: object({ models: list({ type: 'string' }) }),
    })
    add('get', '/metrics', { summary: 'Counters and histograms of Prometheus', mediaType: 'text/plain' })
    add('get', '/ping', { summary: 'Readiness, for SageMaker', mediaType: 'text/plain' })
    add('post', '/invocations', {
      summary: 'Asks the only model, or the one that the header names, for MLflow and SageMaker',
      parameters: [header('X-Amzn-SageMaker-Target-Model', 'Model, where there are several')],
      body: { schema: { type: 'object' } },
      answer: object({ predictions: {} }),
    })
    if (!repository) return
    add('post', '/v2/repository/index', {
      summary: 'Models that were found',
      body: { schema: object({ ready: { type: 'boolean' } }, []), required: false },
      answer: list(ref('RepositoryEntry')),
    })
  }

  addModel(name: string, described: ModelDescription): void {
    const { metadata, rows } = described
    const key = name.replace(/[^A-Za-z0-9._-]/g, '_')
    this.#tags.push({ name, description: metadata.platform })
    const row = rows && exampleRow(rows.inputs)
    if (rows && row) this.#addPlain(name, key, rows, row)
    this.#addV2(name, key, described, row)
    this.#addV1(name, key, described, row)
  }

  #addPlain(name: string, key: string, rows: NonNullable<ModelDescription['rows']>, row: object): void {
    this.#schemas[`${key}.Row`] = rowSchema(rows.inputs)
    this.#schemas[`${key}.Answer`] = answerSchema(rows)
    const [rowRef, answer] = [ref(`${key}.Row`), ref(`${key}.Answer`)]
    const more = {
      key: { type: 'string' },
      threshold: {
        type: 'number',
        minimum: 0,
        maximum: 1,
        description: 'Share from which a yes or no is a yes',
      },
    }
    const schema = {
      anyOf: [
        object({ row: rowRef, id: { type: 'string' }, ...more }, ['row']),
        object({ rows: list(rowRef), ids: list({ type: 'string' }), ...more }, ['rows']),
        list(rowRef),
      ],
    }
    const body = { schema, example: { row } }
    const answers = { anyOf: [answer, object({ predictions: list(answer) })] }
    const path = `/predict/${encodeURIComponent(name)}`
    const add = (at: string, summary: string, answer: Schema, parameters: Schema[] = []) =>
      this.#add('post', path + at, {
        summary,
        tag: name,
        body,
        answer,
        parameters: [...parameters, ...HEADERS],
      })
    const explain = query('explain', 'Whether each row is explained', { type: 'string', enum: ['1', 'true'] })
    add('', `Predict by ${name}`, answers, [explain, CLASS])
    add('/explain', `Explain what ${name} would answer; nothing is logged`, answers, [CLASS])
    if (rows.task === 'ranking') add('/rank', `Rank rows by ${name}`, object({ ranking: list(answer) }))
    this.#add('post', `${path}/feedback`, {
      summary: `Tell what came of predictions of ${name}`,
      tag: name,
      body: {
        schema: { anyOf: [ref('Feedback'), list(ref('Feedback'))] },
        example: { id: 'id of a prediction', value: 1 },
      },
      answer: ref('Accepted'),
    })
  }

  #addV2(name: string, key: string, { metadata, isExplained, rows }: ModelDescription, row?: object): void {
    const { inputs, outputs } = metadata
    const path = `/v2/models/${encodeURIComponent(name)}`
    const tensors = exampleTensors(inputs, row as never)
    this.#schemas[`${key}.Infer`] = inferSchema(inputs, outputs)
    const body = { schema: ref(`${key}.Infer`), ...(tensors && { example: { inputs: tensors } }) }
    const tag = name
    this.#add('get', path, { summary: `Inputs and outputs of ${name}`, tag, answer: ref('ModelMetadata') })
    this.#add('get', `${path}/ready`, { summary: `Whether ${name} can answer`, tag, answer: ref('Ready') })
    this.#add('post', `${path}/infer`, {
      summary: `Ask ${name} with tensors`,
      tag,
      body,
      answer: ref('InferAnswer'),
      parameters: HEADERS,
    })
    const events = (at: string, summary: string, sent: Operation['body']) =>
      this.#add('post', path + at, { summary, tag, body: sent, mediaType: 'text/event-stream' })
    events('/infer_stream', `Ask ${name} with tensors; rows are answered in pieces, an event each`, body)
    const plain = { schema: { type: 'object' }, ...(tensors && { example: generateExample(tensors) }) }
    this.#add('post', `${path}/generate`, {
      summary: `Ask ${name} with inputs by name (Triton's generate extension)`,
      tag,
      body: plain,
      answer: object({
        id: { type: 'string' },
        model_name: { type: 'string' },
        model_version: { type: 'string' },
      }),
    })
    events('/generate_stream', `The same in pieces, an event each`, plain)
    if (isExplained)
      this.#add('post', `${path}/explain`, {
        summary: `Explain what ${name} answers to tensors`,
        tag,
        body,
        parameters: [CLASS],
        answer: object({
          model_name: { type: 'string' },
          model_version: { type: 'string' },
          id: { type: 'string' },
          explanations: list(object({ explanation: ref('Explanation') })),
        }),
      })
    if (rows)
      this.#add('post', `${path}/feedback`, {
        summary: `Tell what came of predictions of ${name}`,
        tag,
        body: { schema: { anyOf: [ref('Feedback'), list(ref('Feedback'))] } },
        answer: ref('Accepted'),
      })
  }

  #addV1(name: string, key: string, { metadata, isExplained, rows }: ModelDescription, row?: object): void {
    const path = `/v1/models/${encodeURIComponent(name)}`
    const tensors = exampleTensors(metadata.inputs)
    const instance = row ?? (tensors && exampleInstance(tensors))
    const schema = object({ instances: list(rows ? ref(`${key}.Row`) : {}) })
    const body = { schema, ...(instance !== undefined && { example: { instances: [instance] } }) }
    const add = (verb: string, summary: string, answer: Schema) =>
      this.#add('post', `${path}:${verb}`, { summary, tag: name, body, answer })
    add('predict', `Ask ${name} by KServe V1`, object({ predictions: {} }))
    if (isExplained)
      add('explain', `Explain by KServe V1`, object({ explanations: list({ type: 'object' }) }))
  }

  #add(method: string, path: string, { summary, tag, body, answer, mediaType, parameters }: Operation): void {
    const type = mediaType ?? 'application/json'
    const at = this.#paths[path] ?? {}
    this.#paths[path] = at
    at[method] = {
      operationId: this.#idOf(method, path),
      summary,
      tags: [tag],
      ...(parameters && parameters.length > 0 && { parameters }),
      ...(body && {
        requestBody: {
          required: body.required ?? true,
          content: {
            'application/json': {
              schema: body.schema,
              ...(body.example !== undefined && { example: body.example }),
            },
          },
        },
      }),
      responses: {
        '200': {
          description: 'Answered',
          ...(answer || mediaType ? { content: { [type]: answer ? { schema: answer } : {} } } : {}),
        },
        default: {
          description: 'What went wrong, and what to do',
          content: { 'application/problem+json': { schema: ref('Problem') } },
        },
      },
    }
  }

  /** Unique, whatever models are called. */
  #idOf(method: string, path: string): string {
    const base = `${method}${path.replace(/[^A-Za-z0-9]+/g, '_')}`
    let id = base
    for (let n = 2; this.#ids.has(id); n++) id = `${base}_${n}`
    this.#ids.add(id)
    return id
  }
}
