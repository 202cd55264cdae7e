import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column } from '../../src/core/records.ts'
import { type Check, checks, col, type Expr, when } from '../../src/define/index.ts'
import { rowSchema } from '../../src/define/json-schema.ts'
import { toClosure } from '../../src/expr/closure.ts'

const COLUMNS: Column[] = [
  { name: 'n', type: 'float', nullable: true },
  { name: 't', type: 'string', nullable: true },
  { name: 'b', type: 'bool', nullable: true },
]

// Formats are for people here; ajv checks them by a plugin of its own.
const validatorOf = (schema: object) =>
  new Ajv2020({ strict: true, strictTypes: false, formats: { date: true, 'date-time': true } }).compile(
    schema,
  )

const RULES: Expr<boolean>[] = [
  col('n').between(-1, 2),
  col('n').gt(0),
  col('n').le(1).and(col('n').ge(-3)),
  col('n').isIn([1, 2, -1]),
  col('n').eq(0).or(col('t').eq('ab')),
  col('n').ne(1),
  col('t').matches('^a.?b*$'),
  col('t').contains('a').not(),
  col('t').startsWith('a').or(col('b')).and(col('n').lt(1)).not().or(col('n').isNull()),
  col('t').endsWith('.b'),
  col('t').length().between(1, 2),
  col('t').length().gt(1),
  col('t').length().lt(2.5),
  col('t').isIn(['a', 'ab']).not(),
  col('n').isNull(),
  col('n').notNull().and(col('t').notNull()),
  col('t').isNull().not().or(col('n').gt(1)),
  when(col('t').eq('a')).then(col('n').gt(0)) as Expr<boolean>,
  when(col('t').eq('a').not()).then(col('n').notNull()) as Expr<boolean>,
]

const rows = fc.record(
  {
    n: fc.oneof(
      fc.constant(null),
      fc.integer({ min: -4, max: 4 }),
      fc.double({ min: -4, max: 4, noNaN: true }),
    ),
    t: fc.oneof(
      fc.constant(null),
      fc.string({ unit: fc.constantFrom('a', 'b', '.', '\u{1f600}'), maxLength: 4 }),
    ),
    b: fc.constantFrom(null, true, false),
  },
  { requiredKeys: [] },
)

test.each(RULES.map((rule, i) => [i, rule] as const))(
  'rule %i: a row is valid just when the rule is not false of it',
  (_, rule) => {
    const { schema, left } = rowSchema('d', COLUMNS, [checks.holds(rule).def])
    // A column of booleans alone as a rule is not a comparison, so it is left.
    if (left.length > 0) return expect(JSON.stringify(rule)).toContain('"name":"b"')
    const validate = validatorOf(schema)
    const holds = toClosure(rule.node, { schema: { columns: COLUMNS } })
    fc.assert(
      fc.property(rows, (row) => {
        expect(validate(row)).toBe(holds(row) !== false)
      }),
      { numRuns: 300 },
    )
  },
)

test('types, missing values and plain rules stand at their columns', () => {
  const columns: Column[] = [
    { name: 'id', type: 'int', nullable: false },
    { name: 'age', type: 'int', nullable: true },
    { name: 'sex', type: 'string', nullable: true },
    { name: 'code', type: 'string', nullable: true },
    { name: 'at', type: 'time', nullable: true },
    { name: 'day', type: 'date', nullable: true },
    { name: 'more', type: 'json', nullable: true },
  ]
  const made = [
    checks.notNull('age'),
    checks.between('age', 0, 120),
    checks.isIn('sex', ['f', 'm']),
    checks.matches('code', /^\d{3}$/),
    checks.notNull('sex').atLeast(0.9),
    checks.unique('id'),
    checks.between('at', new Date(0), new Date(1)),
    checks.holds(col('age').le(col('id'))),
  ].map((check: Check) => check.def)
  const { schema, left } = rowSchema('people', columns, made)
  expect(schema).toEqual({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'people',
    type: 'object',
    properties: {
      id: { type: 'integer' },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      sex: { type: ['string', 'null'], enum: ['f', 'm', null] },
      code: { type: ['string', 'null'], pattern: '^[0-9]{3}$' },
      at: { type: ['string', 'null'], format: 'date-time' },
      day: { type: ['string', 'null'], format: 'date' },
      more: {},
    },
    required: ['id', 'age'],
  })
  expect(left.map(({ check, why }) => `${check}: ${why}`)).toEqual([
    'notNull(sex): it holds for a share of the rows, at least 0.9',
    'unique(id): it looks at more than one row',
    expect.stringMatching(/^between\(at, .*: JSON Schema does not order instants$/),
    'age <= id: it compares columns with one another, or with what is worked out of them',
  ])
  const validate = validatorOf(schema)
  expect(validate({ id: 1, age: 3, sex: null, code: '123', at: null })).toBe(true)
  expect(validate({ id: 1, age: 3, sex: 'x' })).toBe(false)
  expect(validate({ id: 1 })).toBe(false)
  expect(validate({ id: 1, age: null })).toBe(false)
})

test('two rules on one column are both kept', () => {
  const { schema } = rowSchema('d', COLUMNS, [checks.between('n', 0, 9).def, checks.between('n', 3, 20).def])
  const validate = validatorOf(schema)
  expect([2, 5, 12].map((n) => validate({ n }))).toEqual([false, true, false])
})
