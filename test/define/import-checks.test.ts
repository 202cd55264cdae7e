import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { checkText } from '../../src/define/check-text.ts'
import { importChecks } from '../../src/define/imports/import-checks.ts'
import { openPlace } from '../data/fixture.ts'

const reference = new URL('../reference/great-expectations/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, reference), 'utf8')

interface Result {
  success: boolean
  unexpected: number | null
}

test('a suite gives the verdicts of Great Expectations, and the same count of unexpected values', async () => {
  const suite = JSON.parse(read('suite.json')) as { expectations: { expectation_type: string }[] }
  const results = JSON.parse(read('results.json')) as Result[]
  const place = await openPlace()
  place.file('rows.csv', read('rows.csv'))
  const one = (expectation: object) => {
    const { checks, left } = importChecks(JSON.stringify({ expectations: [expectation] }))
    expect(left).toEqual([])
    expect(checks).toHaveLength(1)
    return checks[0]!
  }
  const checks = suite.expectations.map((e, i) => ({ ...one(e), name: `e${i}`, onFail: 'warn' as const }))
  const { findings } = await place.import({ source: ['rows.csv'], checks })
  for (const [i, { expectation_type: type }] of suite.expectations.entries()) {
    const finding = findings.find((f) => f.check === `e${i}`)!
    const { success, unexpected } = results[i]!
    expect([i, type, finding.verdict]).toEqual([i, type, success ? 'pass' : 'fail'])
    // Great Expectations counts every row of a repeated value, and here the first one stays.
    if (unexpected === null || (type.includes('unique') && !type.includes('within'))) continue
    const failed = Math.round(finding.n * (1 - finding.value!))
    expect([i, type, failed]).toEqual([i, type, unexpected])
  }
})

const lines = (text: string) => importChecks(text).checks.map(checkText)
const suite = (...expectations: object[]) => JSON.stringify({ name: 's', expectations })

test('1.x is read: type, severity, conditions as trees, and names in either case', () => {
  expect(
    lines(
      suite(
        { type: 'expect_column_values_to_not_be_null', kwargs: { column: 'a' }, severity: 'warning' },
        { type: 'ExpectColumnValuesToBeUnique', kwargs: { column: 'id' }, severity: 'critical' },
        {
          type: 'expect_column_values_to_be_between',
          kwargs: {
            column: 'a',
            min_value: 1,
            max_value: 2,
            row_condition: {
              type: 'and',
              conditions: [
                { type: 'comparison', column: { name: 'k' }, operator: '>=', parameter: 3 },
                { type: 'nullity', column: { name: 'b' }, is_null: false },
              ],
            },
          },
        },
        { type: 'expect_column_values_to_be_between', kwargs: { column: 'at', min_value: '2024-01-01' } },
      ),
    ),
  ).toEqual([
    "checks.notNull('a').warn()",
    "checks.unique('id')",
    "checks.holds(when(col('k').ge(3).and(col('b').notNull())).then(col('a').between(1, 2)))",
    "checks.holds(col('at').ge(time('2024-01-01T00:00:00.000Z')))",
  ])
})

test('conditions of pandas, of Spark and of Great Expectations are read', () => {
  const of = (row_condition: string) =>
    lines(suite({ type: 'expect_column_values_to_not_be_null', kwargs: { column: 'a', row_condition } }))[0]
  const then = (condition: string) => `checks.holds(when(${condition}).then(col('a').notNull()))`
  expect(of('k == "x" & n > 3')).toBe(then("col('k').eq('x').and(col('n').gt(3))"))
  expect(of('col("k").notNull()')).toBe(then("col('k').notNull()"))
  expect(of('col("my k") < 5')).toBe(then("col('my k').lt(5)"))
  expect(of("k IS NULL OR k = 'y'")).toBe(then("col('k').isNull().or(col('k').eq('y'))"))
})

test('what cannot be said is listed with why, one by one: types, drift, parameters, patterns, unknown ones, conditions', () => {
  const { checks, left } = importChecks(
    suite(
      { type: 'expect_column_values_to_be_of_type', kwargs: { column: 'a', type_: 'int' } },
      { type: 'expect_column_kl_divergence_to_be_less_than', kwargs: { column: 'a', threshold: 0.1 } },
      { type: 'expect_column_mean_to_be_between', kwargs: { column: 'a', min_value: { $PARAMETER: 'low' } } },
      { type: 'expect_column_values_to_match_regex', kwargs: { column: 'a', regex: '(?<=x)y' } },
      { type: 'expect_the_unexpected', kwargs: {} },
      { type: 'expect_column_values_to_not_be_null', kwargs: { column: 'a', row_condition: 'df.eval(' } },
      {
        type: 'expect_column_mean_to_be_between',
        kwargs: { column: 'a', min_value: 1, row_condition: 'b > 1' },
      },
      { type: 'expect_column_values_to_be_in_set', kwargs: { column: 'a' } },
    ),
  )
  expect(checks).toEqual([])
  expect(left.map(({ rule, why }) => `${rule}: ${why}`)).toEqual([
    expect.stringMatching(/^expect_column_values_to_be_of_type\(a\): a version has one type a column/),
    expect.stringMatching(/: how far values moved is a matter of drift/),
    expect.stringMatching(/: min_value is a parameter that is filled in when it runs$/),
    expect.stringMatching(/: its pattern is not to be had here: .+/),
    'expect_the_unexpected: it is not among the core expectations',
    expect.stringMatching(/: its condition cannot be read: df.eval\($/),
    expect.stringMatching(/: a condition on rows is only to be had for rules that judge rows one by one$/),
    expect.stringMatching(/: it has no value_set$/),
  ])
})

test('every core expectation of 0.18 is either said or left with a reason of its own', () => {
  const types = [
    ...new Set(
      read('core-expectations.txt')
        .split('\n')
        .filter((line) => line.startsWith('expect')),
    ),
  ]
  expect(types.length).toBeGreaterThan(50)
  const kwargs = {
    column: 'a',
    column_A: 'a',
    column_B: 'b',
    column_list: ['a', 'b'],
    value_set: [1],
    value_pairs_set: [[1, 2]],
    value: 1,
    min_value: 1,
    max_value: 2,
    regex: 'a',
    regex_list: ['a'],
    like_pattern: 'a%',
    like_pattern_list: ['a_'],
    strftime_format: '%Y',
    sum_total: 1,
    quantile_ranges: { quantiles: [0.5], value_ranges: [[0, 1]] },
  }
  const { checks, left } = importChecks(suite(...types.map((type) => ({ type, kwargs }))))
  expect(left.filter(({ why }) => why.includes('core expectations'))).toEqual([])
  expect(checks.length).toBeGreaterThanOrEqual(36)
  expect(left.every(({ why }) => why.length > 10)).toBe(true)
})

test('rules of the reference of DQDL are read: conditions, thresholds, where, and, or', () => {
  const { checks, left, notes } = importChecks(`
    # made by hand
    Metadata = { "Version" = "1.0" }
    Rules = [
      RowCount > 100, RowCount between 10 and 20, RowCount = 5,
      IsComplete "order-id", IsComplete "note" where "kind = 'a' and n > 3",
      Completeness "a" >= 0.95, Completeness "a" < 0.5, Completeness "a" = 1.0,
      IsUnique "id", IsPrimaryKey "a" "b", Uniqueness "id" > 0.95, DistinctValuesCount "c" = 3,
      Entropy "c" between 0.1 and 2, Mean "s" > 3, Sum "s" <= 10, StandardDeviation "s" < 1.5,
      ColumnCorrelation "a" "b" > 0.5, ColumnExists "a", ColumnLength "zip" = 5, ColumnLength "zip" between 4 and 7,
      ColumnValues "n" between 1 and 100, ColumnValues "n" in [ 1, 2, 3 ] with threshold >= 0.9, ColumnValues "c" in ["a", "b"],
      ColumnValues "c" not in ["x"], ColumnValues "c" matches "[a-z]\\d{2}", ColumnValues "c" not matches "x",
      ColumnValues "d" >= "2024-01-01", ColumnValues "n" > -1.5, ColumnValues "c" != NULL, ColumnValues "c" in ["a", EMPTY],
      DataFreshness "at" <= 24 hours,
      ReferentialIntegrity "a,b" "other.{x,y}" = 1.0, ReferentialIntegrity "a" "other.x" >= 0.9,
      (IsComplete "p") and ((IsUnique "p") and (ColumnValues "p" > 0)),
      (ColumnValues "q" > 5) or (ColumnValues "q" = 0)
    ]
    Analyzers = [ AllStatistics "AllColumns" ]`)
  expect(left).toEqual([])
  expect(checks.map(checkText)).toEqual([
    'checks.rowCount({ min: 101 })',
    'checks.rowCount({ min: 11, max: 19 })',
    'checks.rowCount({ min: 5, max: 5 })',
    "checks.notNull('order-id')",
    "checks.holds(when(col('kind').eq('a').and(col('n').gt(3))).then(col('note').notNull()))",
    "checks.notNull('a').atLeast(0.95).warn()",
    "checks.missing('a', { min: 0.5 })",
    "checks.notNull('a').named('notNull(a) (2)')",
    "checks.unique('id')",
    "checks.notNull('a', 'b')",
    "checks.unique('a', 'b')",
    "checks.uniqueShare('id', { min: 0.95 })",
    "checks.distinct('c', { min: 3, max: 3 })",
    "checks.entropy('c', { min: 0.1, max: 2 })",
    "checks.mean('s', { min: 3 })",
    "checks.sum('s', { max: 10 })",
    "checks.std('s', { max: 1.5 })",
    "checks.correlation('a', 'b', { min: 0.5 })",
    "checks.missing('a', { max: 1 })",
    "checks.holds(col('zip').length().eq(5))",
    "checks.holds(col('zip').length().gt(4).and(col('zip').length().lt(7)))",
    "checks.holds(col('n').gt(1).and(col('n').lt(100)))",
    "checks.isIn('n', [1, 2, 3]).atLeast(0.9).warn()",
    "checks.isIn('c', ['a', 'b'])",
    "checks.holds(col('c').isIn(['x']).not())",
    "checks.matches('c', '^(?:[a-z]\\\\d{2})$')",
    "checks.holds(col('c').matches('^(?:x)$').not())",
    "checks.holds(col('d').ge(time('2024-01-01T00:00:00.000Z')))",
    "checks.holds(col('n').gt(-1.5))",
    "checks.notNull('c')",
    "checks.holds(col('c').isIn(['a']).or(col('c').eq('')))",
    "checks.fresh('at', '1d').named('fresh(at, 1440m)')",
    "checks.exists(['a', 'b'], { in: 'other', of: ['x', 'y'] })",
    "checks.exists('a', { in: 'other', of: 'x' }).atLeast(0.9).warn()",
    "checks.notNull('p')",
    "checks.unique('p')",
    "checks.holds(col('p').gt(0))",
    "checks.holds(col('q').gt(5).or(col('q').eq(0)))",
  ])
  expect(notes).toHaveLength(5)
})

test('rules of DQDL that no check says are left with why, with their text', () => {
  const { checks, left } = importChecks(`Rules = [
    ColumnDataType "a" = "Integer", CustomSql "select count(*) from primary" > 3, RowCount > avg(last(10)) * 0.9,
    RowCount > (avg(last(3)) - 2), DetectAnomalies "RowCount", AggregateMatch "sum(a)" "sum(other.a)" = 1.0,
    (RowCount > 0) or (IsComplete "a"), Mean "a" > 3 where "b = 1", ColumnValues "d" > (now() - 3 days), Fancy "a" ]`)
  expect(checks).toEqual([])
  expect(left.map(({ rule }) => rule)).toEqual([
    'ColumnDataType "a" = "Integer"',
    'CustomSql "select count(*) from primary" > 3',
    'RowCount > avg(last(10)) * 0.9',
    'RowCount > (avg(last(3)) - 2)',
    'DetectAnomalies "RowCount"',
    'AggregateMatch "sum(a)" "sum(other.a)" = 1.0',
    '(RowCount > 0) or (IsComplete "a")',
    'Mean "a" > 3 where "b = 1"',
    'ColumnValues "d" > (now() - 3 days)',
    'Fancy "a"',
  ])
  expect(left.at(-1)!.why).toBe('there is no rule type Fancy in the reference')
})

test.each([
  ['Rules = [ IsComplete "a" ', 'line 1 should go on with ",", got the end'],
  ['Rules = [\n IsComplete "a"\n IsUnique "b" ]', 'line 3 should go on with ",", got "IsUnique "b" ]"'],
  [
    'Rules = [ (IsComplete "a") and (IsUnique "a") or (IsUnique "b") ]',
    'brackets around what "and" and "or" join',
  ],
  ['Rules = [ RowCount between 1 ]', 'line 1 should go on with "and", got "]"'],
  ['{ "expectations": 3 }', 'it has no list of expectations'],
  ['{ "expectations": [{}] }', 'its expectation 1 names no type'],
  ['{ not json', 'JSON'],
  ['hello', 'line 1 should go on with "=", got the end'],
])('a file that is neither is refused with its place: %s', (text, why) => {
  expect(() => importChecks(text)).toThrow(why)
})
