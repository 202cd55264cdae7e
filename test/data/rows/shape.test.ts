/** Which rows a stream takes: each type, each refusal by row and field. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ColumnType } from '../../../src/core/records.ts'
import { dayText, instantText } from '../../../src/data/rows/instants.ts'
import { RowShape } from '../../../src/data/rows/shape.ts'

const shape = (types: Record<string, ColumnType>, newColumns: 'refuse' | 'take' = 'refuse') =>
  new RowShape({
    dataset: 'd',
    columns: Object.entries(types).map(([name, type]) => ({ name, type, nullable: true })),
    newColumns,
  })

describe('instants', () => {
  test.each([
    ['2001-03-31T22:15:00Z', '2001-03-31 22:15:00.000000'],
    ['2001-03-31 22:15', '2001-03-31 22:15:00.000000'],
    ['2001-03-31t22:15:07.5z', '2001-03-31 22:15:07.500000'],
    ['2001-03-31T22:15:07.123456789+02:00', '2001-03-31 20:15:07.123456'],
    ['2001-01-01T00:30:00+0100', '2000-12-31 23:30:00.000000'],
    ['0099-01-01T00:30:00-01', '0099-01-01 01:30:00.000000'],
    ['2000-02-29', '2000-02-29 00:00:00.000000'],
    [0, '1970-01-01 00:00:00.000000'],
    [-1, '1969-12-31 23:59:59.999000'],
    [1.25, '1970-01-01 00:00:00.001250'],
    [253_402_300_799_999, '9999-12-31 23:59:59.999000'],
  ])('%s is %s', (given, expected) => expect(instantText(given)).toBe(expected))

  test.each([
    '2001-02-29',
    '1900-02-29T00:00Z',
    '2001-13-01',
    '2001-00-10',
    '2001-01-01T24:00:00Z',
    '2001-01-01T10:60:00Z',
    '01/02/2001',
    'yesterday',
    '',
    '0001-01-01T00:30:00+01:00',
    Number.NaN,
    9e15,
  ])('%s is none', (given) => expect(instantText(given)).toBeUndefined())

  test('any instant of Date is itself, and any day that Date has is a day', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (date) => {
          const iso = date.toISOString()
          expect(instantText(iso)).toBe(`${iso.replace('T', ' ').replace('Z', '')}000`)
          expect(instantText(date.getTime())).toBe(instantText(iso))
          expect(dayText(iso.slice(0, 10))).toBe(iso.slice(0, 10))
        },
      ),
    )
  })
})

describe('rows', () => {
  const all = { b: 'bool', i: 'int', f: 'float', s: 'string', t: 'time', d: 'date', j: 'json' } as const

  test('each type is written in one spelling, in the order of the columns', () => {
    const rows: object[] = [
      { j: { a: [1, null] }, d: '2001-01-02', t: 5, s: 'ü"\u2028', f: 1e21, i: 3, b: true },
      { i: '9223372036854775807', f: -0, constructor: undefined },
      { i: null },
    ]
    expect(shape(all).lines(rows)).toEqual([
      '{"b":true,"i":3,"f":1e+21,"s":"ü\\"\u2028","t":"1970-01-01 00:00:00.005000","d":"2001-01-02","j":{"a":[1,null]}}',
      '{"i":9223372036854775807,"f":0}',
      '{"i":null}',
    ])
  })

  test.each([
    ['b', 1, 'true or false', '1'],
    ['i', 1.5, 'a whole number (beyond 2^53 as text)', '1.5'],
    ['i', 2 ** 53, 'a whole number (beyond 2^53 as text)', '9007199254740992'],
    ['i', '9223372036854775808', 'a whole number (beyond 2^53 as text)', 'the text "9223372036854775808"'],
    ['f', '1', 'a finite number', 'the text "1"'],
    ['f', Number.POSITIVE_INFINITY, 'a finite number', 'Infinity'],
    ['s', 5, 'a text', '5'],
    ['s', '\ud83d', 'a text', 'a text with half a character'],
    [
      't',
      '31.03.2001',
      'an instant: ISO 8601 (without a zone it is UTC), or epoch milliseconds',
      'the text "31.03.2001"',
    ],
    ['d', '2001-02-30', 'a day: YYYY-MM-DD', 'the text "2001-02-30"'],
    ['j', [Number.NEGATIVE_INFINITY], 'JSON of at most 32 levels', 'a list'],
  ])('%s = %s is refused by row and field', (field, value, expected, got) => {
    const rows = [{}, { [field]: value }]
    expect(() => shape(all).lines(rows)).toThrowError(
      expect.objectContaining({ code: 'MR_ROWS_FIELD', data: { row: 2, field, expected, got } }),
    )
  })

  test('fields without a column are refused by name, or taken; names that differ in case alone never are', () => {
    const refused = (rows: unknown[], how: 'refuse' | 'take') => {
      try {
        shape({ delay: 'int' }, how).lines(rows)
      } catch (error) {
        return (error as { data: unknown }).data
      }
      return 'taken'
    }
    expect(refused([{ delai: 1 }], 'refuse')).toEqual({
      row: 1,
      field: 'delai',
      dataset: 'd',
      near: ['delay'],
    })
    expect(refused([{ delai: 1 }], 'take')).toBe('taken')
    expect(refused([{ Delay: 1 }], 'take')).toEqual({ row: 1, field: 'Delay', dataset: 'd', near: ['delay'] })
    expect(refused([JSON.parse('{"__proto__": 1}')], 'take')).toMatchObject({ field: '__proto__' })
    expect(refused([{ _mr_row: 1 }], 'take')).toMatchObject({ field: '_mr_row' })
    expect(refused([{ constructor: 1 }], 'take')).toBe('taken')
  })

  test('a column that was never null is in each line', () => {
    const columns = [{ name: 'toString', type: 'int' as const, nullable: false }]
    expect(new RowShape({ dataset: 'd', columns, newColumns: 'refuse' }).lines([{}])).toEqual([
      '{"toString":null}',
    ])
  })

  test('before there is a version, the first value settles what the others may be, unless its request is refused', () => {
    const first = new RowShape({ dataset: 'd', columns: [], time: 'at', newColumns: 'refuse' })
    expect(() => first.lines([{ n: 1 }, { n: 'x' }])).toThrowError('MR_ROWS_FIELD')
    expect(first.lines([{ n: 'x', at: 0, m: null }, { m: 1.5 }])).toEqual([
      '{"at":"1970-01-01 00:00:00.000000","n":"x","m":null}',
      '{"m":1.5}',
    ])
    expect(() => first.lines([{ n: 1 }])).toThrowError('field "n": expected a text, got 1')
  })
})
