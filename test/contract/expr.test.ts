import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Schema } from '../../src/core/records.ts'
import { type ExprNode, type ExprType, visit } from '../../src/expr/ast.ts'
import { toClosure } from '../../src/expr/closure.ts'
import { toDuckDb } from '../../src/expr/duckdb.ts'
import { format } from '../../src/expr/format.ts'
import { argAt, argTypeAt, FUNCTIONS, functionOf } from '../../src/expr/functions/index.ts'
import { join, type Sql, sql } from '../../src/expr/sql.ts'
import { Duck } from './expr-duck.ts'
import {
  COLUMN,
  coverAll,
  type EdgeRow,
  edgeRows,
  literalsFor,
  NUMBERS,
  STRINGS,
  TIMES,
  TYPES,
} from './expr-samples.ts'

let duck: Duck
const rows = edgeRows()

const SQL_TYPES = { number: 'DOUBLE', string: 'VARCHAR', bool: 'BOOLEAN', time: 'BIGINT' } as const
const COLUMN_TYPES = { number: 'float', string: 'string', bool: 'bool', time: 'time' } as const

const schema: Schema = {
  columns: TYPES.flatMap((type) =>
    COLUMN[type].map((name) => ({ name, type: COLUMN_TYPES[type], nullable: true })),
  ),
}

/** A value as text that DuckDB reads back to the bit; times as microseconds. */
function asText(type: ExprType, value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (type === 'time') return String(Math.round((value as number) * 1000))
  if (Object.is(value, -0)) return '-0.0'
  return typeof value === 'number' && !Number.isFinite(value)
    ? Number.isNaN(value)
      ? 'nan'
      : value > 0
        ? 'inf'
        : '-inf'
    : String(value)
}

async function load(table: string, edge: EdgeRow[]): Promise<void> {
  const list = (type: ExprType, name: string): Sql => ({
    text: `unnest(CAST(CAST(? AS JSON) AS VARCHAR[])) AS ${name}`,
    params: [JSON.stringify(edge.map((row) => asText(type, row[name])))],
  })
  const texts = join(
    TYPES.flatMap((type) => COLUMN[type].map((name) => list(type, name))),
    ', ',
  )
  const columns = TYPES.flatMap((type) =>
    COLUMN[type].map((name) => {
      const value = `CAST(${name} AS ${SQL_TYPES[type]})`
      return `${type === 'time' ? `make_timestamp(${value})` : value} AS ${name}`
    }),
  )
  const create = sql`CREATE OR REPLACE TABLE ${table} AS SELECT row_number() OVER () - 1 AS id, ${columns.join(', ')} FROM (SELECT ${texts})`
  await duck.exec(create.text, create.params)
}

beforeAll(async () => {
  duck = await Duck.open()
  await load('edges', rows)
})
afterAll(() => duck.close())

/** Units in the last place that the two sides may differ by: what the functions inside declare. */
function ulpsOf(node: ExprNode): number {
  let ulps = 0
  visit(node, (n) => {
    if (n.op === 'call') ulps = Math.max(ulps, functionOf(n.fn)?.ulps ?? 0)
  })
  return ulps
}

function isSame(fromSql: unknown, fromClosure: unknown, ulps: number): boolean {
  if (typeof fromSql !== 'number' || typeof fromClosure !== 'number') return fromSql === fromClosure
  if (fromSql === fromClosure) return true
  return (
    Math.abs(fromSql - fromClosure) <=
    ulps * Number.EPSILON * Math.max(Math.abs(fromSql), Math.abs(fromClosure))
  )
}

/** Runs expressions on both sides over a table and lists where they differ. */
async function differences(
  table: string,
  edge: EdgeRow[],
  nodes: ExprNode[],
  options: { schema?: Schema } = {},
): Promise<string[]> {
  const list = nodes.map((node, i) => sql`${toDuckDb(node, options)} AS ${`e${i}`}`)
  const answers = await duck.rows(sql`SELECT ${join(list, ', ')} FROM ${table} ORDER BY id`)
  return nodes.flatMap((node, i) => {
    const run = toClosure(node, options)
    const ulps = ulpsOf(node)
    const at = edge.findIndex((row, j) => !isSame(answers[j]![`e${i}`], run(row), ulps))
    if (at < 0) return []
    const used = JSON.stringify(edge[at], (_, v) =>
      typeof v === 'number' && !Number.isFinite(v) ? String(v) : v,
    )
    return [
      `${format(node)}: SQL ${String(answers[at]![`e${i}`])}, closure ${String(run(edge[at]!))} on ${used}`,
    ]
  })
}

test('the language has about sixty functions, each with words for its docs', () => {
  expect(Object.keys(FUNCTIONS).length).toBeGreaterThan(55)
  for (const [fn, spec] of Object.entries(FUNCTIONS)) {
    expect(spec.doc, fn).toMatch(/^\S.{2,}\.$/)
    expect([spec.js, spec.bind, spec.closure].filter(Boolean), fn).toHaveLength(1)
  }
})

test.each(coverAll())('%s gives the same on DuckDB and in JavaScript at every edge', async (_, nodes) => {
  expect(nodes.length).toBeGreaterThan(0)
  expect(await differences('edges', rows, nodes)).toEqual([])
  expect(await differences('edges', rows, nodes, { schema })).toEqual([])
})

const numbers = fc.oneof(fc.constantFrom(...NUMBERS), fc.double(), fc.integer({ min: -50, max: 50 }))
const strings = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.string({ unit: 'binary', maxLength: 6 }).filter((s) => !s.includes('\0')),
)
const times = fc.oneof(fc.constantFrom(...TIMES), fc.integer({ min: -5e12, max: 5e12 }))
const bools = fc.option(fc.boolean())

const randomRow = fc.record({
  n1: numbers,
  n2: numbers,
  n3: numbers,
  s1: strings,
  s2: strings,
  s3: strings,
  b1: bools,
  b2: bools,
  b3: bools,
  t1: times,
  t2: times,
  t3: times,
})

/** Functions whose results may differ in the last place are left to the edge test: above them, comparisons would turn that into another answer. */
const EXACT = Object.entries(FUNCTIONS).filter(([, spec]) => spec.ulps === undefined)

function leaf(type: ExprType): fc.Arbitrary<ExprNode> {
  const column = fc.constantFrom(...COLUMN[type]).map((name): ExprNode => ({ op: 'col', name }))
  const plain = {
    number: numbers.filter((v): v is number => v !== null && Number.isFinite(v)),
    string: strings.filter((v): v is string => v !== null),
    bool: fc.boolean(),
    time: times.filter((v): v is number => v !== null),
  }[type] as fc.Arbitrary<number | string | boolean>
  const literal = plain.map(
    (value): ExprNode => ({ op: 'lit', value, ...(type === 'time' && { type: 'time' as const }) }),
  )
  return fc.oneof({ weight: 4, arbitrary: column }, { weight: 1, arbitrary: literal })
}

function expression(type: ExprType, depth: number): fc.Arbitrary<ExprNode> {
  if (depth === 0) return leaf(type)
  const fitting = EXACT.filter(([, spec]) => spec.result === type || spec.result === 'T')
  const call = fc.constantFrom(...fitting).chain(([fn, spec]) => callOf(fn, type, depth, spec.result === 'T'))
  return fc.oneof({ weight: 1, arbitrary: leaf(type) }, { weight: 4, arbitrary: call })
}

function callOf(fn: string, result: ExprType, depth: number, isShared: boolean): fc.Arbitrary<ExprNode> {
  const spec = functionOf(fn)!
  const free = isShared ? fc.constant(result) : fc.constantFrom(...(spec.accepts ?? TYPES))
  const min = spec.restMin === undefined ? spec.args.length : spec.args.length - 1 + spec.restMin
  const count = spec.restMin === undefined ? fc.constant(min) : fc.integer({ min, max: min + 2 })
  return fc
    .tuple(free, count)
    .chain(([freeType, n]) =>
      fc
        .tuple(...Array.from({ length: n }, (_, i) => argument(fn, i, n, freeType, depth)))
        .map((args): ExprNode => ({ op: 'call', fn, args })),
    )
}

function argument(fn: string, i: number, n: number, free: ExprType, depth: number): fc.Arbitrary<ExprNode> {
  const spec = functionOf(fn)!
  const { literal } = argAt(spec, i)
  if (fn === 'bin' && i > 0) return fc.constant({ op: 'lit', value: i * 2.5 })
  if (literal)
    return fc.constantFrom(...literalsFor(literal)).map((value): ExprNode => ({ op: 'lit', value }))
  const type = argTypeAt(spec, i, n)
  const taken = type === 'T' || type === 'any' ? free : type
  if (fn === 'isIn' && i > 0) return leaf(taken).filter((node) => node.op === 'lit')
  return expression(taken, depth - 1)
}

test('random expressions up to four deep agree on random rows', async () => {
  const anyExpression = fc.constantFrom(...TYPES).chain((type) => expression(type, 4))
  const input = fc.tuple(
    fc.array(anyExpression, { minLength: 8, maxLength: 16 }),
    fc.array(randomRow, { minLength: 20, maxLength: 40 }),
  )
  await fc.assert(
    fc.asyncProperty(input, async ([nodes, random]) => {
      const edge = random.map((row, id) => ({ id, ...row }))
      await load('random_rows', edge)
      expect(await differences('random_rows', edge, nodes, { schema })).toEqual([])
    }),
    { numRuns: 25 },
  )
})

test('the engine plans deep expressions in time that grows with their size', async () => {
  const n1: ExprNode = { op: 'col', name: 'n1' }
  const one: ExprNode = { op: 'lit', value: 1 }
  const call = (fn: string, ...args: ExprNode[]): ExprNode => ({ op: 'call', fn, args })
  let sum = n1 as ExprNode
  let steps = n1 as ExprNode
  for (let i = 0; i < 60; i++) sum = call('add', sum, one)
  for (let i = 0; i < 15; i++)
    steps = call('div', one, call('sqrt', call('nullIf', call('max', steps, one), n1)))
  const start = performance.now()
  expect(await differences('edges', rows, [sum, steps])).toEqual([])
  expect(performance.now() - start).toBeLessThan(5000)
})

const column = (name: string): ExprNode => ({ op: 'col', name })
const called = (fn: string, subject: ExprNode, ...values: (string | number | boolean)[]): ExprNode => ({
  op: 'call',
  fn,
  args: [subject, ...values.map((value): ExprNode => ({ op: 'lit', value }))],
})

/** Patterns with an end that is none, or with branches that have one end each, are found inside a text too. */
const PATTERNS = [
  ...[
    '^$',
    '^a$',
    '^a',
    'a$',
    '^a|b$',
    '^(a|b)$',
    '^(?:a|b)|b$',
    'a|^b$',
    '^a\\$',
    '^a\\\\$',
    '^a\\\\\\$',
    '^[$]$',
  ],
  ...[
    '^.$',
    '^.*$',
    '^[^a]*$',
    '^a*?$',
    '^a??b$',
    '^^a$$',
    '(^a$)',
    '^\\s*$',
    '^a\\x24',
    '^[a|b]$',
    '^a\\|b$',
    '^|$',
  ],
]

test('a pattern from end to end of a text, and whole numbers in a row, are judged alike on both sides', async () => {
  const texts = [
    '',
    'a',
    'b',
    'ab',
    'ba',
    'aab',
    'a$',
    '$',
    'a\\',
    'a\\$',
    'a\n',
    '\na',
    'a\nb',
    ' ',
    '|',
    'a|b',
    'é',
    '😀',
    null,
  ]
  const counts = [0, -0, 1, 2, 3, 2.5, 4, -1, 1e300, Number.POSITIVE_INFINITY, Number.NaN, null]
  const edge = texts.map((s1, id) => ({ ...rows[0]!, id, s1, n1: counts[id % counts.length]! }))
  await load('ends', edge)
  const lists = [
    [1, 2, 3],
    [3, 1, 2, 2],
    [0, 1, 2],
    [-1, 0, 1],
    [1, 2, 4],
    [1, 2],
    [2.5, 3.5, 4.5],
    [2 ** 53, 2 ** 53 + 2, 1],
  ]
  const nodes = [
    ...PATTERNS.map((pattern) => called('matches', column('s1'), pattern)),
    ...lists.map((list) => called('isIn', column('n1'), ...list)),
    ...lists.map((list) => called('isIn', { op: 'call', fn: 'sqrt', args: [column('n1')] }, ...list)),
    called('isIn', column('s1'), 'a', '', 'é', '😀'),
    called('isIn', column('b1'), true),
  ]
  expect(await differences('ends', edge, nodes)).toEqual([])
  expect(await differences('ends', edge, nodes, { schema })).toEqual([])
})
