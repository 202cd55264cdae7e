/** `millrace-env.d.ts`: the columns of each dataset, and what requests and answers of each model look like, for the type checker. */
import type { Column, ColumnType, ModelTask } from '../core/records.ts'

export interface TypedDataset {
  name: string
  columns: readonly Column[]
}

export interface TypedModel {
  name: string
  task: ModelTask
  /** Labels of the classes where they are known. */
  classes?: readonly string[]
  description: string
  inputs: readonly Column[]
}

const TYPES: Record<ColumnType, string> = {
  bool: 'boolean',
  int: 'number',
  float: 'number',
  string: 'string',
  time: 'Date',
  date: 'Date',
  json: 'unknown',
}

/** The file's text; the same for the same columns. */
export function typesText(datasets: readonly TypedDataset[], models: readonly TypedModel[]): string {
  return [
    '// Written by `millrace types`. From here the type checker knows the columns: a wrong name fails in the editor.',
    "import 'millrace'",
    '',
    "declare module 'millrace' {",
    '  interface Datasets {',
    ...datasets.flatMap(({ name, columns }) => [
      `    ${key(name)}: {`,
      ...columns.map((column) => `      ${key(column.name)}: ${typeOf(column)}`),
      '    }',
    ]),
    '  }',
    '}',
    ...models.flatMap(modelLines),
    ...modelsLines(models),
    '',
  ].join('\n')
}

function typeOf({ type, nullable }: Column): string {
  return `${TYPES[type]}${nullable && type !== 'json' ? ' | null' : ''}`
}

/** Times travel as ISO 8601 texts in JSON. */
function sentAs(column: Column): string {
  const isTime = column.type === 'time' || column.type === 'date'
  return isTime ? `string${column.nullable ? ' | null' : ''}` : typeOf(column)
}

/** Classes that are spelt out; more are any text. */
const CLASSES_SPELT = 100

function labelType({ classes = [] }: TypedModel): string {
  if (classes.length === 0 || classes.length > CLASSES_SPELT) return 'string'
  return classes.map((label) => JSON.stringify(label)).join(' | ')
}

/** What an answer says beside its output, by task. */
const ANSWERS: Record<ModelTask, (model: TypedModel) => string[]> = {
  binary: () => [
    '  probability: number',
    '  label: boolean',
    '  /** Share from which the label is true. */',
    '  threshold: number',
  ],
  regression: () => ['  value: number'],
  multiclass: (model) => [
    `  label: ${labelType(model)}`,
    `  probabilities: Record<${labelType(model)}, number>`,
  ],
  ranking: () => ['  score: number', '  /** Place within the group, 1 first. */', '  rank: number'],
}

function modelLines(model: TypedModel): string[] {
  const { name, task, description, inputs } = model
  const type = typeName(name)
  const about = description === '' ? `A row for model "${name}"` : description
  return [
    '',
    `/** ${about.replaceAll('*/', '* /')}: POST /predict/${encodeURIComponent(name)} with { row } or { rows }. */`,
    `export interface ${type}Request {`,
    ...inputs.map((column) => `  ${key(column.name)}${column.nullable ? '?' : ''}: ${sentAs(column)}`),
    '}',
    '',
    `export interface ${type}Answer {`,
    '  id: string',
    '  model: string',
    '  version: number',
    '  route: string',
    '  member: string',
    '  output: number',
    ...ANSWERS[task](model),
    '}',
  ]
}

/** Requests and answers by model, for clients. */
function modelsLines(models: readonly TypedModel[]): string[] {
  if (models.length === 0) return []
  return [
    '',
    '/** What each model takes and answers: `client<Models>({ url })` of `millrace/client`. */',
    'export type Models = {',
    ...models.map(({ name }) => {
      const type = typeName(name)
      return `  ${key(name)}: { request: ${type}Request; answer: ${type}Answer }`
    }),
    '}',
  ]
}

const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))

function typeName(name: string): string {
  return name
    .split(/[-_ .]+/)
    .filter(Boolean)
    .map((word) => word[0].toUpperCase() + word.slice(1))
    .join('')
}
