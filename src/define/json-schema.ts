/** Rows of a dataset as JSON Schema 2020-12: the types of its columns, and those checks that one row can break. */
import type { Json } from '../core/canonical.ts'
import type { Column, ColumnType } from '../core/records.ts'
import type { ExprNode } from '../expr/ast.ts'
import { duckPattern, escapePattern } from '../expr/pattern.ts'
import type { CheckDef } from './types.ts'

type JsonSchema = { [key: string]: Json | undefined }

export interface RowSchema {
  /** A schema of one row as an object. */
  schema: JsonSchema
  /** Checks that it does not say, each with why. */
  left: { check: string; why: string }[]
}

/** Why a rule cannot be said of one row by JSON Schema. */
class NotSaid extends Error {}

/**
 * The schema of a row: a missing value is null or absent, instants and days are texts of ISO 8601. A row is valid just when no check of a single row says false of it, as an import judges
 * it. Checks with a tolerance, of several rows, or that compare columns are listed in `left`. Never throws.
 */
export function rowSchema(
  dataset: string,
  columns: readonly Column[],
  checks: readonly CheckDef[],
): RowSchema {
  const properties: { [name: string]: JsonSchema } = {}
  for (const { name, type } of columns) properties[name] = typed(type)
  const required = new Set(columns.filter(({ nullable }) => !nullable).map(({ name }) => name))
  const found: RowSchema = { schema: {}, left: [] }
  const rules: JsonSchema[] = []
  for (const check of checks) {
    try {
      rules.push(...conjuncts(rowRuleOf(check)).flatMap((rule) => placed(rule, properties, required)))
    } catch (thrown) {
      if (!(thrown instanceof NotSaid)) throw thrown
      found.left.push({ check: check.name, why: thrown.message })
    }
  }
  for (const name of required) properties[name] = withoutNull(properties[name] ?? {})
  found.schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: dataset,
    type: 'object',
    properties,
    ...(required.size > 0 && { required: [...required] }),
    ...(rules.length > 0 && { allOf: rules }),
  }
  return found
}

const TYPES: Record<ColumnType, JsonSchema> = {
  bool: { type: ['boolean', 'null'] },
  int: { type: ['integer', 'null'] },
  float: { type: ['number', 'null'] },
  string: { type: ['string', 'null'] },
  time: { type: ['string', 'null'], format: 'date-time' },
  date: { type: ['string', 'null'], format: 'date' },
  json: {},
}

const typed = (type: ColumnType): JsonSchema => ({ ...TYPES[type] })

function withoutNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values } = schema
  if (!Array.isArray(type)) return { ...schema, not: { type: 'null' } }
  const [first] = type.filter((t) => t !== 'null')
  return { ...schema, type: first, ...(Array.isArray(values) && { enum: values.filter((v) => v !== null) }) }
}

function rowRuleOf({ rule, atLeast }: CheckDef): ExprNode {
  if (rule.kind !== 'row') throw new NotSaid('it looks at more than one row')
  if (atLeast < 1) throw new NotSaid(`it holds for a share of the rows, at least ${atLeast}`)
  return rule.holds
}

const conjuncts = (node: ExprNode): ExprNode[] =>
  node.op === 'call' && node.fn === 'and' ? node.args.flatMap(conjuncts) : [node]

/** Puts a rule where a person looks for it: at its column when it is a plain one, else among the rules of the whole row, which are given back. */
function placed(
  node: ExprNode,
  properties: { [name: string]: JsonSchema },
  required: Set<string>,
): JsonSchema[] {
  if (node.op === 'call' && node.fn === 'notNull' && node.args[0]?.op === 'col') {
    required.add(node.args[0].name)
    return []
  }
  const leaf = leafOf(node)
  if (!leaf) return [passing(node)]
  properties[leaf.column] ??= {}
  const property = properties[leaf.column]!
  const said = leaf.of.enum ? { enum: [...(leaf.of.enum as Json[]), null] } : leaf.of
  const isFree = Object.keys(said).every((key) => property[key] === undefined)
  if (!isFree) return [passing(node)]
  Object.assign(property, said)
  return []
}

/** Valid just when the rule is not false: a missing value passes. */
function passing(node: ExprNode): JsonSchema {
  const [a, b] = argsOf(node)
  switch (fnOf(node)) {
    case 'and':
      return { allOf: [passing(a!), passing(b!)] }
    case 'or':
      return { anyOf: [passing(a!), passing(b!)] }
    case 'not':
      return { not: holding(a!) }
    case 'case':
      return branch(node)
    default:
      return leafSchema(node, 'passing')
  }
}

/** Valid just when the rule is true. */
function holding(node: ExprNode): JsonSchema {
  const [a, b] = argsOf(node)
  switch (fnOf(node)) {
    case 'and':
      return { allOf: [holding(a!), holding(b!)] }
    case 'or':
      return { anyOf: [holding(a!), holding(b!)] }
    case 'not':
      return { not: passing(a!) }
    case 'case':
      throw new NotSaid('it has a branch inside of another rule')
    default:
      return leafSchema(node, 'holding')
  }
}

/** `when(condition).then(rule)`: rows of which the condition is not true are not judged. */
function branch(node: ExprNode): JsonSchema {
  const args = argsOf(node)
  if (args.length !== 2) throw new NotSaid('it has more than one branch')
  // biome-ignore lint/suspicious/noThenProperty: the word of JSON Schema; a schema is never awaited
  return { if: holding(args[0]!), then: passing(args[1]!) }
}

const argsOf = (node: ExprNode): ExprNode[] => (node.op === 'call' ? node.args : [])
const fnOf = (node: ExprNode): string => (node.op === 'call' ? node.fn : '')

function leafSchema(node: ExprNode, mode: 'passing' | 'holding'): JsonSchema {
  const known = nullity(node)
  if (known) return known
  const leaf = leafOf(node)
  if (!leaf) throw new NotSaid('it compares columns with one another, or with what is worked out of them')
  const { column, of } = leaf
  return mode === 'holding'
    ? { required: [column], properties: { [column]: { not: { type: 'null' }, ...of } } }
    : { properties: { [column]: { anyOf: [{ type: 'null' }, of] } } }
}

function nullity(node: ExprNode): JsonSchema | undefined {
  const [of] = argsOf(node)
  if (of?.op !== 'col') return undefined
  const present: JsonSchema = { required: [of.name], properties: { [of.name]: { not: { type: 'null' } } } }
  if (fnOf(node) === 'notNull') return present
  return fnOf(node) === 'isNull' ? { not: present } : undefined
}

interface Leaf {
  column: string
  /** What a value that is there must be. */
  of: JsonSchema
}

/** A rule on one column against literals, or undefined. */
function leafOf(node: ExprNode): Leaf | undefined {
  const [of, ...others] = argsOf(node)
  if (!of || others.length === 0 || !others.every((arg) => arg.op === 'lit')) return undefined
  const values = others.map((arg) => (arg as Extract<ExprNode, { op: 'lit' }>).value)
  if (others.some((arg) => arg.op === 'lit' && arg.type === 'time'))
    throw new NotSaid('JSON Schema does not order instants')
  if (of.op === 'call' && of.fn === 'length' && of.args[0]?.op === 'col') {
    const said = lengthRule(fnOf(node), values)
    return said && { column: of.args[0].name, of: said }
  }
  if (of.op !== 'col') return undefined
  const said = valueRule(fnOf(node), values)
  return said && { column: of.name, of: said }
}

type Value = null | boolean | number | string

const BOUNDS: Record<string, string> = {
  ge: 'minimum',
  gt: 'exclusiveMinimum',
  le: 'maximum',
  lt: 'exclusiveMaximum',
}

function valueRule(fn: string, values: Value[]): JsonSchema | undefined {
  const [first, second] = values
  if (fn === 'isIn') return { enum: values }
  if (fn === 'eq') return { enum: [first!] }
  if (fn === 'ne') return { not: { const: first! } }
  if (fn === 'matches') return { pattern: duckPattern(String(first)) }
  if (fn === 'contains') return { pattern: escapePattern(String(first)) }
  if (fn === 'startsWith') return { pattern: `^${escapePattern(String(first))}` }
  if (fn === 'endsWith') return { pattern: `${escapePattern(String(first))}$` }
  if (!(fn in BOUNDS) && fn !== 'between') return undefined
  if (values.some((value) => typeof value !== 'number')) throw new NotSaid('JSON Schema orders numbers only')
  return fn === 'between' ? { minimum: first!, maximum: second! } : { [BOUNDS[fn]!]: first! }
}

function lengthRule(fn: string, [first, second]: Value[]): JsonSchema | undefined {
  if (typeof first !== 'number') return undefined
  const [up, down] = [Math.ceil(first), Math.floor(first)]
  if (fn === 'between') return { minLength: up, maxLength: Math.floor(second as number) }
  if (fn === 'eq') return up === down ? { minLength: up, maxLength: up } : { not: {} }
  if (fn === 'ge') return { minLength: Math.max(0, up) }
  if (fn === 'le') return first < 0 ? { not: {} } : { maxLength: down }
  if (fn === 'gt') return { minLength: Math.max(0, down + 1) }
  return fn === 'lt' ? (first <= 0 ? { not: {} } : { maxLength: up - 1 }) : undefined
}
