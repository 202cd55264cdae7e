/**
 * What the playground sends and reads. The command the server shows is the contract: the request has the shape of the body in that
 * command, with the example row in it replaced by the row of the form, so that form and command can never differ.
 */
import type { Explanation, SignatureField } from '../api/types.ts'

export type Row = Record<string, unknown>

/** Body of the request for `row`, shaped like the body of the command; the row itself when the command shows none. */
export function requestBody(curl: string, examples: readonly Row[], row: Row): unknown {
  const shown = bodyOf(curl)
  if (shown === null) return row
  const example = examples.find((candidate) => contains(shown.value, candidate))
  const source = example ?? examples[0]
  return source === undefined ? row : swap(shown.value, source, row, example === undefined)
}

/** The command with its body replaced. */
export function commandFor(curl: string, body: unknown): string {
  const shown = bodyOf(curl)
  const json = JSON.stringify(body).replaceAll("'", "'\\''")
  return shown === null ? curl : `${curl.slice(0, shown.from)}'${json}'${curl.slice(shown.to)}`
}

function bodyOf(curl: string): { value: unknown; from: number; to: number } | null {
  const match = /(?:-d|--data|--data-raw|--json)\s+'((?:[^']|'\\'')*)'/.exec(curl)
  if (match?.[1] === undefined) return null
  const to = match.index + match[0].length
  try {
    return { value: JSON.parse(match[1].replaceAll("'\\''", "'")), from: to - match[1].length - 2, to }
  } catch {
    return null
  }
}

const isObject = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

function contains(shape: unknown, row: Row): boolean {
  if (isObject(shape) && sameRow(shape, row)) return true
  const inner = Array.isArray(shape) ? shape : isObject(shape) ? Object.values(shape) : []
  return inner.some((value) => contains(value, row))
}

function sameRow(a: Row, b: Row): boolean {
  const keys = Object.keys(b)
  return keys.length > 0 && Object.keys(a).length === keys.length && keys.every((key) => same(a[key], b[key]))
}

/** Replaces the example; with `loose`, the first object that has the example's keys. */
function swap(shape: unknown, example: Row, row: Row, loose: boolean): unknown {
  if (
    isObject(shape) &&
    (loose ? Object.keys(example).every((key) => key in shape) : sameRow(shape, example))
  )
    return row
  if (Array.isArray(shape)) return shape.map((value) => swap(value, example, row, loose))
  if (isObject(shape)) {
    return Object.fromEntries(
      Object.entries(shape).map(([key, value]) => [key, swap(value, example, row, loose)]),
    )
  }
  return shape
}

export interface Answer {
  id: string | null
  output: number | null
  /** The class that was said, and the probability of each, where the model tells several apart. */
  label: string | null
  probabilities: [label: string, probability: number][] | null
  version: number | null
  member: string | null
  route: string | null
}

/** The prediction inside an answer of the plain route (one object, or the first of `predictions`) or of protocol V2. */
export function readAnswer(body: unknown): Answer {
  const root = isObject(body) ? body : {}
  const list = [root.predictions, root.rows, root.outputs].find(Array.isArray) as unknown[] | undefined
  const first = list?.[0]
  const entry: Row = isObject(first) ? { ...root, ...first } : root
  const data = Array.isArray(entry.data) ? entry.data[0] : undefined
  const output = [entry.output, entry.prediction, entry.value, data, first].find((v) => typeof v === 'number')
  const version = [entry.version, entry.model_version, root.model_version]
    .map(versionNumber)
    .find((v) => v !== null)
  return {
    id: text(entry.id) ?? text(root.id),
    output: (output as number | undefined) ?? null,
    label: text(entry.label),
    probabilities: readProbabilities(entry.probabilities),
    version: version ?? null,
    member: text(entry.member),
    route: text(entry.route),
  }
}

/** Likeliest first. */
function readProbabilities(value: unknown): Answer['probabilities'] {
  if (!isObject(value)) return null
  const found = Object.entries(value).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  )
  return found.sort((a, b) => b[1] - a[1])
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)

function versionNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  const digits = typeof value === 'string' ? /^v?(\d+)$/.exec(value)?.[1] : undefined
  return digits === undefined ? null : Number(digits)
}

/** The explanation inside an answer, wherever it is nested; null when there is none. */
export function readExplanation(body: unknown): Explanation | null {
  if (!isObject(body)) return null
  if (typeof body.base === 'number' && Array.isArray(body.contributions)) {
    const given = body as unknown as Explanation
    const raw = given.raw ?? given.base + given.contributions.reduce((s, c) => s + c.contribution, 0)
    return { ...given, raw, residual: given.residual ?? 0, scale: given.scale ?? 'raw score' }
  }
  const inner = [body.explanation, Array.isArray(body.explanations) ? body.explanations[0] : undefined]
  for (const value of inner) {
    const found = readExplanation(value)
    if (found !== null) return found
  }
  return null
}

/** What a field's text means: a number, a truth, a text, or null when it is left empty. `problem` says why it cannot be sent. */
export function parseField(field: SignatureField, typed: string): { value: unknown; problem: string | null } {
  const given = typed.trim()
  if (given === '') return { value: null, problem: field.nullable ? null : `${field.name} is needed` }
  if (field.type === 'int' || field.type === 'float') return parseNumber(field, given)
  if (field.type === 'bool') return { value: given === 'true', problem: null }
  if (field.type === 'time' || field.type === 'date') {
    const readable = !Number.isNaN(Date.parse(given))
    return {
      value: given,
      problem: readable ? null : `${field.name} must be a time such as 2001-04-03T14:20:00`,
    }
  }
  return { value: given, problem: null }
}

function parseNumber(field: SignatureField, given: string): { value: unknown; problem: string | null } {
  const value = Number(given.replace('\u2212', '-').replace(',', '.'))
  if (!Number.isFinite(value))
    return { value: null, problem: `${field.name} must be a number, got “${given.slice(0, 24)}”` }
  if (field.type === 'int' && !Number.isInteger(value))
    return { value, problem: `${field.name} must be a whole number` }
  return { value, problem: null }
}

/** How a value of an example row is written into the form. */
export function fieldText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
