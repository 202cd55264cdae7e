/** Documents against the schema of OpenAPI 3.1, answers against the documents, and both servers against MLServer's published schema. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fixture, serving } from './fixture.ts'
import { type ModelsFixture, serveModels } from './models/fixture.ts'
import { rowModels } from './row-models.ts'

type Json = Record<string, never>
const reference = (name: string) =>
  JSON.parse(
    readFileSync(fileURLToPath(new URL(`../reference/protocols/${name}.json`, import.meta.url)), 'utf8'),
  )

let released: Fixture
let others: ModelsFixture
beforeAll(async () => {
  released = await serving(rowModels, { load: undefined })
  others = await serveModels()
})
afterAll(async () => {
  await released.close()
  await others.close()
})

const url = { released: () => released.url, others: () => others.url }
type Which = keyof typeof url
const BOTH: Which[] = ['released', 'others']

async function ask(
  which: Which,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const init = { method: method.toUpperCase(), headers: { 'content-type': 'application/json', ...headers } }
  const answer = await fetch(
    url[which]() + path,
    body === undefined ? { method: init.method, headers } : { ...init, body: JSON.stringify(body) },
  )
  const text = await answer.text()
  const isJson = /json/.test(answer.headers.get('content-type') ?? '')
  return { status: answer.status, body: isJson ? JSON.parse(text) : text }
}

function expectValid(validate: ValidateFunction, value: unknown, what: string): void {
  const ok = validate(value)
  expect(
    ok,
    `${what}: ${JSON.stringify(validate.errors?.slice(0, 4))}\n${JSON.stringify(value).slice(0, 400)}`,
  ).toBe(true)
}

/** Formats are not checked: they are notes in 2020-12. */
const draft = (): Ajv2020 => new Ajv2020({ strict: false, validateFormats: false })

interface Operation {
  operationId: string
  requestBody?: { content: Record<string, { schema: Json; example?: unknown }> }
  responses: Record<string, { content?: Record<string, { schema?: Json }> }>
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json> }
}

describe.each(BOTH)('the document of %s models', (which) => {
  test('is OpenAPI 3.1, as a whole and of each model, and every schema in it is JSON Schema', async () => {
    const validate = draft().compile(reference('openapi-3.1'))
    const model = which === 'released' ? 'late' : 'addsub'
    for (const path of [
      '/openapi.json',
      `/openapi.json?model=${model}`,
      `/v2/models/${model}/openapi.json`,
      `/v2/models/${model}/versions/${which === 'released' ? 3 : 1}/openapi.json`,
    ]) {
      const { status, body } = await ask(which, 'get', path)
      expect(status).toBe(200)
      expectValid(validate, body, path)
      const ajv = draft()
      ajv.addSchema({ $id: 'doc:', ...(body as Json) })
      for (const name of Object.keys((body as Document).components.schemas))
        expect(ajv.validateSchema({ $ref: `doc:#/components/schemas/${name}` })).toBe(true)
      for (const schema of Object.values((body as Document).components.schemas))
        expect(ajv.validateSchema(schema as object), JSON.stringify(ajv.errors)).toBe(true)
    }
    expect((await ask(which, 'get', '/v2/models/none/openapi.json')).status).toBe(404)
  })

  test('says what the server does: each example is answered, and each answer is what the document says', async () => {
    const document = (await ask(which, 'get', '/openapi.json')).body as Document
    const ajv = draft()
    ajv.addSchema({ $id: 'doc:', ...(document as object) })
    let answered = 0
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { requestBody, responses }] of Object.entries(methods)) {
        const example = requestBody?.content['application/json'].example
        if (requestBody && example === undefined) continue
        const { status, body } = await ask(which, method, path, example)
        const expected = which === 'others' && /ready|ping/.test(path) ? [200, 503] : [200]
        expect(expected, `${method} ${path}: ${JSON.stringify(body).slice(0, 200)}`).toContain(status)
        answered++
        const schema = responses['200'].content?.['application/json']?.schema
        const pointer = path.replaceAll('~', '~0').replaceAll('/', '~1')
        if (schema === undefined) continue
        const at = `doc:#/paths/${encodeURIComponent(pointer)}/${method}/responses/200/content/application~1json/schema`
        expectValid(ajv.compile({ $ref: at }), body, `${method} ${path}`)
      }
    }
    expect(answered).toBeGreaterThan(25)
  })

  test('refuses what it says is no request', async () => {
    const document = (await ask(which, 'get', '/openapi.json')).body as Document
    const problem = draft().compile(document.components.schemas.Problem as object)
    for (const path of [
      '/nowhere',
      '/v2/models/none',
      `/v2/models/${which === 'released' ? 'late' : 'addsub'}/infer`,
    ]) {
      const { status, body } = await ask(
        which,
        path.endsWith('infer') ? 'post' : 'get',
        path,
        path.endsWith('infer') ? {} : undefined,
      )
      expect(status).toBeGreaterThanOrEqual(400)
      expectValid(problem, body, path)
    }
  })

  test('comes with a page that needs nothing from elsewhere', async () => {
    const answer = await fetch(`${url[which]()}/docs`)
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await answer.text()
    const script = await (await fetch(`${url[which]()}/docs/page.js`)).text()
    for (const text of [html, script]) expect(text).not.toMatch(/https?:\/\//)
    expect(() => new Function(script)).not.toThrow()
    expect(html).toContain('src="docs/page.js"')
    expect((await fetch(`${url[which]()}/docs/`)).url).toBe(`${url[which]()}/docs`)
  })
})

test('a row of a released model is described by its signature', async () => {
  const { components } = (await ask('released', 'get', '/openapi.json')).body as Document
  expect(components.schemas['late.Row']).toMatchObject({
    required: [],
    properties: {
      hour: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      date: { anyOf: [{ format: 'date-time' }, { type: 'null' }] },
    },
  })
  expect(components.schemas['kinds.Answer']).toMatchObject({
    properties: { label: { enum: ['a', 'b', 'c'] } },
  })
})

// ---------------------------------------------------------------- MLServer

/** A schema of OpenAPI 3.0 as JSON Schema: nothing of it is null. `bytes` is no type of JSON. */
function mlserver(name: string): Ajv {
  const document = reference(name)
  const tensorData = document.components.schemas.TensorData
  if (tensorData) document.components.schemas.TensorData = { type: 'array' }
  const ajv = new Ajv({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: 'doc:', ...document })
  return ajv
}

describe.each(BOTH)("MLServer's published schema validates what %s models answer", (which) => {
  const model = which === 'released' ? 'late' : 'late'
  const infer =
    which === 'released'
      ? { inputs: [{ name: 'hour', datatype: 'INT64', shape: [2], data: [15, 9] }] }
      : { inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], data: [1, 2, 3, 4, 5, 6] }] }
  const version = which === 'released' ? '3' : '1'
  const at = (path: string) => path.replace('{model_name}', model).replace('{model_version}', version)

  const answers: [method: string, path: string, body: unknown, status: number][] = [
    ['get', '/v2', undefined, 200],
    ['get', '/v2/models/{model_name}', undefined, 200],
    ['get', '/v2/models/{model_name}/versions/{model_version}', undefined, 200],
    ['post', '/v2/models/{model_name}/infer', infer, 200],
    ['post', '/v2/models/{model_name}/infer', { ...infer, id: 'a', parameters: { explain: false } }, 200],
    ['post', '/v2/models/{model_name}/versions/{model_version}/infer', infer, 200],
    ['post', '/v2/models/{model_name}/infer', { inputs: [] }, 400],
    [
      'post',
      '/v2/models/{model_name}/infer',
      { inputs: [{ name: 'x', datatype: 'FP99', shape: [1], data: [1] }] },
      400,
    ],
  ]
  test.each(answers)('%s %s %j', async (method, path, body, status) => {
    const ajv = mlserver('mlserver-dataplane')
    const answer = await ask(which, method, at(path), body)
    expect(answer.status).toBe(status)
    const pointer = encodeURIComponent(path.replaceAll('/', '~1'))
    const $ref = `doc:#/paths/${pointer}/${method}/responses/${status}/content/application~1json/schema`
    expectValid(ajv.compile({ $ref }), answer.body, path)
  })

  test('health and readiness have the statuses that it gives them', async () => {
    expect((await ask(which, 'get', '/v2/health/live')).status).toBe(200)
    expect((await ask(which, 'get', at('/v2/models/{model_name}/ready'))).status).toBe(200)
    expect(
      (await ask(which, 'get', at('/v2/models/{model_name}/versions/{model_version}/ready'))).status,
    ).toBe(200)
    expect([200, 503]).toContain((await ask(which, 'get', '/v2/health/ready')).status)
  })

  test('errors of models that are not there', async () => {
    const ajv = mlserver('mlserver-dataplane')
    for (const [method, path, schema] of [
      ['get', '/v2/models/none', 'MetadataModelErrorResponse'],
      ['post', '/v2/models/none/infer', 'InferenceErrorResponse'],
    ] as const) {
      const answer = await ask(which, method, path, method === 'post' ? infer : undefined)
      expect(answer.status).toBe(404)
      expectValid(
        ajv.compile({ $ref: `doc:#/components/schemas/${schema}`, required: ['error'] }),
        answer.body,
        path,
      )
    }
  })
})

test("MLServer's published schema validates the repository: its index, and errors of loading", async () => {
  const ajv = mlserver('mlserver-model-repository')
  for (const body of [{}, { ready: true }]) {
    const { status, body: index } = await ask('others', 'post', '/v2/repository/index', body)
    expect(status).toBe(200)
    expectValid(ajv.compile({ $ref: 'doc:#/components/schemas/RepositoryIndexResponse' }), index, 'index')
  }
  for (const [verb, schema] of [
    ['load', 'RepositoryLoadErrorResponse'],
    ['unload', 'RepositoryUnloadErrorResponse'],
  ]) {
    const { status, body } = await ask('others', 'post', `/v2/repository/models/none/${verb}`, {})
    expect(status).toBeGreaterThanOrEqual(400)
    expectValid(ajv.compile({ $ref: `doc:#/components/schemas/${schema}`, required: ['error'] }), body, verb)
  }
})
