import { expect, test } from 'vitest'
import { MillraceError } from '../../src/core/errors.ts'
import type { Schema } from '../../src/core/records.ts'
import { columnsOf, EXPR_LIMITS, type ExprNode } from '../../src/expr/ast.ts'
import { col, lit, time, when } from '../../src/expr/builder.ts'
import { toClosure } from '../../src/expr/closure.ts'
import { toDuckDb } from '../../src/expr/duckdb.ts'
import { format, INFIX } from '../../src/expr/format.ts'
import { FUNCTIONS } from '../../src/expr/functions/index.ts'
import { typeOf } from '../../src/expr/resolve.ts'

const schema: Schema = {
  columns: [
    { name: 'date', type: 'time', nullable: false },
    { name: 'delay', type: 'float', nullable: true },
    { name: 'origin', type: 'string', nullable: true },
    { name: 'wet', type: 'bool', nullable: true },
  ],
}

const text = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof MillraceError ? error.toString() : String(error)
  }
  return 'nothing was thrown'
}

test('an unknown column is named with near names and all columns', () => {
  expect(text(() => typeOf(col('dealy').gt(1).node, schema))).toBe(
    'MR_EXPR_UNKNOWN_COLUMN: the expression uses column "dealy", which the data do not have; columns are date, delay, origin, wet\nfix: write "delay" instead of "dealy"',
  )
})

test('a wrong type is named with what to do', () => {
  expect(text(() => typeOf(col('origin').add(1).node, schema))).toBe(
    'MR_EXPR_TYPE: origin must be number, got string\nfix: add .tryNumber() to read text as a number, or .category() to use it as a category',
  )
  expect(text(() => typeOf(col('date').eq(3).node, schema))).toContain(
    'MR_EXPR_TYPE: 3 must be time, got number',
  )
  expect(text(() => typeOf(col('date').eq('not a date').node, schema))).toContain(
    '"not a date" must be time, got string',
  )
  expect(text(() => typeOf(col('date').string().node, schema))).toContain(
    'date must be string or number or bool, got time',
  )
})

test('types follow from the functions and the columns', () => {
  const types = [
    col('date').hour(),
    col('delay').gt(15),
    col('origin'),
    col('date').truncate('day'),
    col('origin').ifNull('x'),
    when(col('wet')).then(1),
  ]
  expect(types.map((e) => typeOf(e.node, schema))).toEqual([
    'number',
    'bool',
    'string',
    'time',
    'string',
    'number',
  ])
  expect(typeOf(col('origin').rate().node, schema)).toBe('number')
})

test('a text next to a time column is read as a time', () => {
  const late = toClosure(col('date').ge('2001-04-01').node, { schema })
  expect([late({ date: Date.UTC(2001, 3, 1) }), late({ date: new Date(Date.UTC(2001, 2, 31)) })]).toEqual([
    true,
    false,
  ])
})

test('nodes from outside are checked: functions, counts, literals, learned steps inside, size', () => {
  const call = (fn: string, ...args: ExprNode[]): ExprNode => ({ op: 'call', fn, args })
  expect(text(() => toClosure(call('hours', col('date').node)))).toContain(
    'MR_EXPR_UNKNOWN_FUNCTION: there is no expression function "hours"\nfix: use hour',
  )
  expect(text(() => toClosure(call('constructor')))).toContain('MR_EXPR_UNKNOWN_FUNCTION')
  expect(text(() => toClosure(call('hour')))).toContain('MR_EXPR_ARGS: hour takes 1 argument, got 0')
  expect(text(() => toClosure(call('round', col('a').node, col('b').node)))).toContain(
    'the argument "digits" of round must be a literal, got an expression',
  )
  expect(text(() => toClosure(col('a').round(16).node))).toContain(
    'must be a whole number from 0 to 15, got 16',
  )
  expect(text(() => toClosure(col('a').bin([1, 3, 2]).node))).toContain('must be a number above 3, got 2')
  expect(text(() => toClosure(col('a').hour({ zone: 'Mars/Olympus' }).node))).toContain(
    'MR_EXPR_ZONE: "Mars/Olympus"',
  )
  expect(text(() => toClosure(call('add', col('a').rate().node, lit(1).node)))).toContain('MR_EXPR_FIT')
  expect(text(() => toClosure({ op: 'lit', value: Number.NaN }))).toContain('MR_EXPR_LITERAL')
  let deep = col('a').node
  for (let i = 0; i <= EXPR_LIMITS.depthMax; i++) deep = call('neg', deep)
  expect(text(() => toClosure(deep))).toContain(
    `MR_EXPR_SIZE: an expression has at most ${EXPR_LIMITS.depthMax} levels of nesting`,
  )
  expect(
    text(() => toClosure(call('coalesce', ...new Array<ExprNode>(EXPR_LIMITS.nodesMax).fill(lit(1).node)))),
  ).toContain('MR_EXPR_SIZE')
})

test('SQL text grows with the number of nodes, also where a template uses an argument several times', () => {
  let nested = col('a')
  for (let i = 0; i < 30; i++) nested = nested.clamp(0, 1).log1p()
  expect(toDuckDb(nested.node).text.length).toBeLessThan(40_000)
})

test('names are quoted and literals are parameters', () => {
  const query = toDuckDb(col('a"; DROP TABLE x; --').eq("'; DROP TABLE y; --").node)
  expect(query.text).not.toContain('TABLE y')
  expect(query.text).toContain('"a""; DROP TABLE x; --"')
  expect(query.params).toEqual(["'; DROP TABLE y; --"])
})

test('format prints what a person would write', () => {
  expect(
    format(
      col('delay')
        .add(1)
        .mul(2)
        .gt(15)
        .and(col('origin').isIn(['ATL'])).node,
    ),
  ).toBe('(((delay + 1) * 2) > 15) and isIn(origin, "ATL")')
  expect(format(col('my col').category({ max: 3 }).node)).toBe('category(`my col`, max: 3)')
  expect(format(when(col('a').gt(1)).then('x').otherwise('y').node)).toBe('when a > 1 then "x" otherwise "y"')
  expect(format(time('2001-04-01').node)).toBe('2001-04-01T00:00:00Z')
  for (const fn of Object.keys(INFIX)) expect(FUNCTIONS[fn as keyof typeof FUNCTIONS].args).toHaveLength(2)
})

test('columns are listed once, in order of use', () => {
  expect(columnsOf(col('b').add(col('a')).mul(col('b')).node)).toEqual(['b', 'a'])
})

test('a value of a type the place does not take is refused by name', () => {
  expect(text(() => toClosure(col('a').add(1).node)({ a: '12' }))).toBe(
    'MR_EXPR_VALUE: column "a" must be a number, got a value of type string\nfix: send a number or null for "a"',
  )
  expect(text(() => toClosure(col('a').not().node)({ a: 1 }))).toContain('must be true or false')
  expect(text(() => toClosure(col('a').hour().node)({ a: '2001' }))).toContain('must be a time')
})

test('branches chain, and without otherwise the rest is missing', () => {
  const size = when(col('a').lt(1)).then('small').when(col('a').lt(10)).then('middle')
  const run = toClosure(size.node)
  expect([0, 5, 50, null].map((a) => run({ a }))).toEqual(['small', 'middle', null, null])
  expect(toClosure(size.otherwise('large').node)({ a: 50 })).toBe('large')
})
