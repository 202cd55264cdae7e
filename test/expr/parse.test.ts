import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ExprNode } from '../../src/expr/ast.ts'
import { coalesce, col, lit, time, when } from '../../src/expr/builder.ts'
import { toClosure } from '../../src/expr/closure.ts'
import { format } from '../../src/expr/format.ts'
import { parseExpr } from '../../src/expr/parse.ts'

const fault = (text: string): string => {
  try {
    parseExpr(text)
    return 'was read'
  } catch (thrown) {
    return (thrown as Error).message
  }
}

describe('expressions as text', () => {
  test.each([
    ['delay > 120', col('delay').gt(120)],
    ["delay >= -5 and origin = 'ATL'", col('delay').ge(-5).and(col('origin').eq('ATL'))],
    [
      'a = 1 or b = 2 and c = 3',
      col('a')
        .eq(1)
        .or(col('b').eq(2).and(col('c').eq(3))),
    ],
    ['not a or b', col('a').not().or(col('b'))],
    ['NOT (a AND b)', col('a').and(col('b')).not()],
    ['`hours per week` between 1 and 99', col('hours per week').between(1, 99)],
    ['carrier not in (\'AA\', "UA")', col('carrier').isIn(['AA', 'UA']).not()],
    ['x is null', col('x').isNull()],
    ['x is not missing', col('x').notNull()],
    ['a + b * 2 - 1', col('a').add(col('b').mul(2)).sub(1)],
    ['-(a) <> .5', col('a').neg().ne(0.5)],
    ['hour(at) % 2 == 0', col('at').hour().mod(2).eq(0)],
    ['at < 2001-06-15', col('at').lt(time('2001-06-15'))],
    ['at >= 2001-06-15T12:30:00Z', col('at').ge(time('2001-06-15T12:30:00Z'))],
    ["text = 'it''s' and other = \"a\\\"b\\n\"", col('text').eq("it's").and(col('other').eq('a"b\n'))],
    ['coalesce(a, b, 0) != 3', coalesce(col('a'), col('b'), 0).ne(3)],
    ['when a > 1 then 1 otherwise 0', when(col('a').gt(1)).then(1).otherwise(0)],
    ['null', lit(null)],
  ])('%s', (text, expected) => {
    expect(parseExpr(text)).toEqual(JSON.parse(JSON.stringify(expected)))
  })

  test('what is printed is read back as the same tree', () => {
    const leaf = fc.oneof(
      fc.constantFrom('a', 'hours per week', '_x', 'größe').map((name): ExprNode => ({ op: 'col', name })),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((v): ExprNode => ({ op: 'lit', value: v + 0 })),
      fc.string().map((value): ExprNode => ({ op: 'lit', value })),
      fc.integer({ min: 0, max: 4e12 }).map((value): ExprNode => ({ op: 'lit', value, type: 'time' })),
      fc.constantFrom(true, false, null).map((value): ExprNode => ({ op: 'lit', value })),
    )
    const { tree } = fc.letrec<{ tree: ExprNode }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc
          .tuple(
            fc.constantFrom('eq', 'lt', 'ge', 'and', 'or', 'add', 'sub', 'mul', 'div', 'mod'),
            tie('tree'),
            tie('tree'),
          )
          .map(([fn, a, b]): ExprNode => ({ op: 'call', fn, args: [a, b] })),
        fc
          .tuple(
            fc.constantFrom('not', 'isNull', 'upper', 'between', 'isIn'),
            fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
          )
          .map(([fn, args]): ExprNode => ({ op: 'call', fn, args })),
        fc
          .array(tie('tree'), { minLength: 2, maxLength: 5 })
          .map((args): ExprNode => ({ op: 'call', fn: 'case', args })),
      ),
    }))
    const plain = (node: ExprNode) => JSON.parse(JSON.stringify(node))
    fc.assert(
      fc.property(tree, (node) => {
        expect(parseExpr(format(node))).toEqual(plain(node))
      }),
      { numRuns: 300 },
    )
  })

  test('a typed filter holds of the rows that it should', () => {
    const holds = toClosure(
      parseExpr("(delay > 60 or delay < -30) and origin in ('ATL', 'ORD') and not cancelled"),
    )
    const row = { delay: 90, origin: 'ATL', cancelled: false }
    expect(holds(row)).toBe(true)
    expect(holds({ ...row, delay: 0 })).toBe(false)
    expect(holds({ ...row, origin: 'JFK' })).toBe(false)
    expect(holds({ ...row, cancelled: true })).toBe(false)
    expect(holds({ ...row, delay: null })).toBe(null)
  })

  test('what cannot be read is refused with the place and what was expected', () => {
    expect(fault('delay >')).toContain('at character 8 a column or a value is expected, got the end')
    expect(fault('delay > 1 delay')).toContain('at character 11 the end, or "and" is expected')
    expect(fault('delay in (1, 2')).toContain('at character 15 ")" is expected')
    expect(fault("origin = 'ATL")).toContain('at character 10')
    expect(fault('a not b')).toContain('"in" or "between"')
    expect(fault('at > 2001-13-01')).toContain('an instant')
    expect(fault('a; drop table b')).toContain('at character 2')
    expect(fault(`${'('.repeat(200)}1${')'.repeat(200)}`)).toContain('64')
    expect(fault('x'.repeat(5000))).toContain('4000')
  })
})
