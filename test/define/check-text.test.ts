import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkText, importsOf } from '../../src/define/check-text.ts'
import { type Check, checks, coalesce, col, lit, time, when } from '../../src/define/index.ts'
import type { CheckDef } from '../../src/define/types.ts'

const NAMES = { checks, coalesce, col, lit, time, when }

/** Runs a line with what it says that it needs, as a config would. */
function run(line: string): CheckDef {
  const names = importsOf([line])
  const made = new Function(...names, `return ${line}`)(
    ...names.map((name) => NAMES[name as keyof typeof NAMES]),
  )
  return (made as Check).def
}

test.each([
  [checks.notNull('a', 'b c'), "checks.notNull('a', 'b c')"],
  [checks.between('age', 0, 120).atLeast(0.99).warn(), "checks.between('age', 0, 120).atLeast(0.99).warn()"],
  [checks.isIn('sex', ["it's", 'm']), "checks.isIn('sex', ['it\\'s', 'm'])"],
  [checks.unique('id').stop(), "checks.unique('id').stop()"],
  [checks.rowCount({ min: 10 }), 'checks.rowCount({ min: 10 })'],
  [checks.fresh('at', '90m'), "checks.fresh('at', '90m')"],
  [checks.fresh('at', '2w'), "checks.fresh('at', '14d').named('fresh(at, 2w)')"],
  [checks.determines(['a', 'b'], 'c'), "checks.determines(['a', 'b'], 'c')"],
  [checks.exists('a', { in: 'other', of: 'id' }), "checks.exists('a', { in: 'other', of: 'id' })"],
  [checks.quantile('x', 0.5, { max: 3 }), "checks.quantile('x', 0.5, { max: 3 })"],
  [checks.correlation('x', 'y', { min: 0 }), "checks.correlation('x', 'y', { min: 0 })"],
  [checks.holds(col('a').le(col('b'))), "checks.holds(col('a').le(col('b')))"],
])('%# is written as a person would and read back', (check, text) => {
  expect(checkText(check.def)).toBe(text)
  expect(run(text)).toEqual(check.def)
})

test.each([
  checks.between('at', new Date('2001-01-01T00:00:00Z'), new Date('2002-01-01T00:00:00Z')),
  checks.holds(when(col('a').gt(1)).then(true).when(col('b').isNull()).then(false).otherwise(col('c'))),
  checks.holds(coalesce(col('a'), col('b'), col('c')).ifNull(3).gt(1)),
  checks.holds(col('t').lower().slice(1).concat('x', col('u')).contains('\n"')),
  checks.holds(
    col('t')
      .matches(/^\d+\.[a-z]$/)
      .not(),
  ),
  checks.holds(
    col('at')
      .inZone('Europe/Berlin')
      .hour()
      .isIn([1, 2])
      .or(col('at').lt(time('2001-01-01'))),
  ),
  checks.holds(col('x').round(2).add(col('y').round()).bucket(5).eq(lit(-0))),
  checks.metric({ of: 'rows', columns: [] }, { min: 1, max: 9 }).owner('a@example.com').named('n'),
  checks.mutualInformation('a', 'b', { max: 1 }),
  checks.distinct(['a', 'b'], { min: 2 }),
  checks.inWindow('at').warn(),
])('what is written gives the same check: %#', (check) => {
  expect(run(checkText(check.def))).toEqual(check.def)
})

test('any text in any place comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.array(fc.string(), { minLength: 1 }), (column, values) => {
      const check = checks.isIn(column, values).named(column)
      expect(run(checkText(check.def))).toEqual(check.def)
    }),
  )
})

test('names inside of texts are not imported', () => {
  expect(importsOf(["checks.isIn('col', ['when', 'time('])"])).toEqual(['checks'])
})
