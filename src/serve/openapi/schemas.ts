/** JSON Schemas (draft 2020-12) of what the protocols send and answer. */
import type { ColumnType, ModelTask, SignatureField } from '../../core/records.ts'
import { answerKind } from '../answers.ts'
import type { TensorSpec } from '../oip/backend.ts'

export type Schema = Record<string, unknown>

const JSON_TYPES: Record<ColumnType, Schema> = {
  bool: { type: 'boolean' },
  int: { type: 'integer' },
  float: { type: 'number' },
  string: { type: 'string' },
  time: { type: 'string', format: 'date-time' },
  date: { type: 'string', format: 'date' },
  json: {},
}

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })

export function object(
  properties: Record<string, Schema>,
  required: readonly string[] = Object.keys(properties),
): Schema {
  return { type: 'object', required: [...required], properties }
}

export const list = (items: Schema): Schema => ({ type: 'array', items })

const TEXT: Schema = { type: 'string' }
const PARAMETERS: Schema = { type: 'object', additionalProperties: true }

/** Values of a tensor, flat or nested. */
const DATA: Schema = { type: 'array', items: { type: ['number', 'string', 'boolean', 'null', 'array'] } }

/** Schemas that all documents have. */
export const COMMON: Record<string, Schema> = {
  Problem: {
    ...object({
      type: TEXT,
      title: TEXT,
      status: { type: 'integer' },
      detail: TEXT,
      instance: TEXT,
      code: { type: 'string', description: 'Of the catalogue of errors' },
      fix: { type: 'string', description: 'What to do about it' },
      retryable: { type: 'boolean' },
      error: { type: 'string', description: 'For clients of the Open Inference Protocol' },
    }),
    description: 'Problem details (RFC 9457)',
  },
  ServerMetadata: object({ name: TEXT, version: TEXT, extensions: list(TEXT) }),
  TensorMetadata: object({ name: TEXT, datatype: TEXT, shape: list({ type: 'integer' }) }),
  ModelMetadata: object(
    {
      name: TEXT,
      versions: list(TEXT),
      platform: TEXT,
      inputs: list(ref('TensorMetadata')),
      outputs: list(ref('TensorMetadata')),
      parameters: PARAMETERS,
    },
    ['name', 'versions', 'platform', 'inputs', 'outputs'],
  ),
  Tensor: object(
    { name: TEXT, datatype: TEXT, shape: list({ type: 'integer' }), parameters: PARAMETERS, data: DATA },
    ['name', 'datatype', 'shape'],
  ),
  InferAnswer: object(
    { model_name: TEXT, model_version: TEXT, id: TEXT, parameters: PARAMETERS, outputs: list(ref('Tensor')) },
    ['model_name', 'model_version', 'id', 'outputs'],
  ),
  Explanation: object(
    {
      base: { type: 'number' },
      raw: { type: 'number', description: 'base + the sum of contributions + residual' },
      output: { type: 'number' },
      residual: { type: 'number' },
      contributions: list(
        object(
          {
            feature: TEXT,
            value: { type: ['number', 'null'] },
            contribution: { type: 'number' },
            standardError: { type: 'number' },
          },
          ['feature', 'value', 'contribution'],
        ),
      ),
      method: TEXT,
      exact: { type: 'boolean' },
      scale: TEXT,
      class: TEXT,
    },
    ['base', 'raw', 'residual', 'contributions', 'method', 'exact', 'scale'],
  ),
  Feedback: object(
    { id: TEXT, value: { type: ['number', 'boolean', 'string'] }, at: { type: ['number', 'string'] } },
    ['id', 'value'],
  ),
  Accepted: object({ accepted: { type: 'integer' }, unknown: { type: 'integer' } }),
  Ready: object({ ready: { type: 'boolean' } }),
  RepositoryEntry: object({
    name: TEXT,
    version: TEXT,
    state: { type: 'string', enum: ['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING'] },
    reason: TEXT,
  }),
}

/** A row of raw columns. */
export function rowSchema(inputs: readonly SignatureField[]): Schema {
  const field = ({ type, nullable }: SignatureField): Schema =>
    nullable && type !== 'json' ? { anyOf: [JSON_TYPES[type], { type: 'null' }] } : JSON_TYPES[type]
  return object(
    Object.fromEntries(inputs.map((input) => [input.name, field(input)])),
    inputs.filter((input) => !input.nullable).map((input) => input.name),
  )
}

/** What one row is answered by the plain routes. */
export function answerSchema({
  task,
  classes = [],
}: {
  task: ModelTask
  classes?: readonly string[]
}): Schema {
  const head: Record<string, Schema> = {
    id: TEXT,
    model: TEXT,
    version: { type: 'integer' },
    route: { type: 'string', enum: ['live', 'canary', 'shadow'] },
    member: TEXT,
  }
  const said = answerKind(task).schema(classes)
  const all = { ...head, ...said }
  return object({ ...all, explanation: ref('Explanation') }, Object.keys(all))
}

/** A request of the inference protocol with the tensors of a model. */
export function inferSchema(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Schema {
  const tensor = ({ name, datatype, shape }: TensorSpec): Schema =>
    object(
      {
        name: { const: name },
        datatype: { type: 'string', default: datatype },
        shape: { ...list({ type: 'integer' }), description: shapeText(shape) },
        parameters: PARAMETERS,
        data: DATA,
      },
      ['name', 'datatype', 'shape'],
    )
  const wanted = object(
    { name: { type: 'string', examples: outputs.map(({ name }) => name) }, parameters: PARAMETERS },
    ['name'],
  )
  return object(
    {
      id: TEXT,
      inputs: {
        ...list(inputs.length === 0 ? ref('Tensor') : { anyOf: [...inputs.map(tensor), ref('Tensor')] }),
        minItems: 1,
      },
      outputs: list(wanted),
      parameters: PARAMETERS,
    },
    ['inputs'],
  )
}

const shapeText = (shape: readonly number[]): string =>
  `[${shape.join(', ')}]${shape.includes(-1) ? ', -1 is any size' : ''}`
