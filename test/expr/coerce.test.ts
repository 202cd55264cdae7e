import { expect, test } from 'vitest'
import type { ColumnType } from '../../src/core/records.ts'
import { coerceRow } from '../../src/expr/coerce.ts'

const one = (type: ColumnType, value: unknown): unknown =>
  coerceRow({ columns: [{ name: 'x', type, nullable: true }] }, { x: value, other: 1 }).x

test('only the schema’s columns remain, and absent ones are missing', () => {
  const schema = {
    columns: [
      { name: 'a', type: 'int', nullable: true },
      { name: 'b', type: 'string', nullable: false },
    ],
  } as const
  expect(coerceRow({ columns: [...schema.columns] }, { a: 1, z: 2 })).toEqual({ a: 1, b: null })
})

test('numbers are numbers: whole where the column is, never texts', () => {
  expect([
    one('int', 3),
    one('int', 3n),
    one('float', 0.5),
    one('float', Number.NaN),
    one('int', undefined),
  ]).toEqual([3, 3, 0.5, null, null])
  expect(() => one('int', 1.5)).toThrow('MR_EXPR_VALUE: column "x" must be a whole number, got number 1.5')
  expect(() => one('float', '12')).toThrow('MR_EXPR_VALUE: column "x" must be a number, got the text "12"')
  expect(() => one('float', [1])).toThrow('got a list')
})

test('times come as Date, epoch milliseconds or ISO text, to the microsecond', () => {
  const noon = Date.UTC(2001, 3, 1, 12)
  const forms = [
    new Date(noon),
    noon,
    '2001-04-01T12:00:00Z',
    '2001-04-01 12:00',
    '2001-04-01T08:00:00-04:00',
    '2001-04-01T17:30+05:30',
  ]
  expect(forms.map((form) => one('time', form))).toEqual(forms.map(() => noon))
  expect(one('time', '2001-04-01T12:00:00.123456789')).toBe(noon + 123.456)
  expect(one('date', '2001-04-01T12:00:00Z')).toBe(Date.UTC(2001, 3, 1))
  expect(one('time', new Date(Number.NaN))).toBeNull()
  for (const bad of [
    'yesterday',
    '2001-02-29',
    '2001-13-01',
    '2001-04-01T24:00',
    '01/04/2001',
    true,
    1e300,
    {},
  ]) {
    expect(() => one('time', bad), String(bad)).toThrow(/column "x" must be a time: ISO 8601/)
  }
})

test('booleans and texts are not made from other things', () => {
  expect([one('bool', true), one('string', ''), one('string', 'a\ud800b'), one('json', { a: 1 })]).toEqual([
    true,
    '',
    'a\ufffdb',
    '{"a":1}',
  ])
  expect(() => one('bool', 1)).toThrow('must be true or false, got number 1')
  expect(() => one('string', 5)).toThrow('must be a string, got number 5')
})

test('a long text is cut in the message', () => {
  expect(() => one('float', 'x'.repeat(1000))).toThrow(/got the text "x{23}…"/)
})
