/** The parts that stand on published values: MD5, calendars, zones, letter case, patterns. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { civilOf, dayOf, isoWeekOf, parseIso } from '../../src/expr/calendar.ts'
import { closeNames, editDistance } from '../../src/expr/close-names.ts'
import { toLower, toUpper } from '../../src/expr/letter-case.ts'
import { md5Hex, md5Prefix } from '../../src/expr/md5.ts'
import { compilePattern } from '../../src/expr/pattern.ts'
import { compareText, lengthOf, sliceOf } from '../../src/expr/text.ts'
import { zoneOf } from '../../src/expr/zones.ts'
import { Duck } from '../contract/expr-duck.ts'

test('MD5 gives the digests of RFC 1321, appendix A.5, and those of another implementation at every block border', () => {
  expect(md5Hex('')).toBe('d41d8cd98f00b204e9800998ecf8427e')
  expect(md5Hex('message digest')).toBe('f96b697d7cb7938d525a2f31aaf161d0')
  expect(md5Hex('12345678901234567890123456789012345678901234567890123456789012345678901234567890')).toBe(
    '57edf4a22be3c955ac49da2e2107b67a',
  )
  for (let n = 50; n < 135; n++)
    expect(md5Hex('é'.repeat(n))).toBe(createHash('md5').update('é'.repeat(n)).digest('hex'))
  expect(md5Prefix('abc')).toBe(0x90015098)
})

test('the calendar agrees with Date over 1,200 years and goes back', () => {
  fc.assert(
    fc.property(fc.integer({ min: dayOf(1400, 1, 1), max: dayOf(2600, 1, 1) }), (day) => {
      const date = new Date(day * 86_400_000)
      const civil = civilOf(day)
      expect(civil).toEqual({
        year: date.getUTCFullYear(),
        month: date.getUTCMonth() + 1,
        day: date.getUTCDate(),
      })
      expect(dayOf(civil.year, civil.month, civil.day)).toBe(day)
    }),
  )
})

test('ISO weeks at the turn of the year are those of the standard’s examples', () => {
  const week = (text: string) => {
    const { year, week } = isoWeekOf(parseIso(text)! / 86_400_000)
    return `${year}-W${week}`
  }
  const cases = {
    '2005-01-01': '2004-W53',
    '2005-01-02': '2004-W53',
    '2005-12-31': '2005-W52',
    '2007-01-01': '2007-W1',
    '2008-12-29': '2009-W1',
    '2010-01-03': '2009-W53',
  }
  expect(Object.keys(cases).map(week)).toEqual(Object.values(cases))
})

test('New York’s clocks changed in 2001 on 1 April and 28 October', () => {
  const zone = zoneOf('America/New_York')
  const hours = (text: string) => (zone.toWall(Date.parse(text)) - Date.parse(text)) / 3_600_000
  expect([
    hours('2001-04-01T06:59:59Z'),
    hours('2001-04-01T07:00:00Z'),
    hours('2001-10-28T05:59:59Z'),
    hours('2001-10-28T06:00:00Z'),
  ]).toEqual([-5, -4, -4, -5])
})

test('an instant that exists once survives the way to a place’s clock and back', () => {
  const zone = zoneOf('Europe/Berlin')
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1980, 0), max: Date.UTC(2037, 0) }), (ms) => {
      const back = zone.fromWall(zone.toWall(ms))
      expect(back === ms || back === ms + 3_600_000).toBe(true)
    }),
  )
})

test('letter case is the same as in DuckDB for every character of the planes that have letters', async () => {
  const duck = await Duck.open()
  const text =
    'SELECT i, lower(chr(i)) AS low, upper(chr(i)) AS up FROM (SELECT CAST(i AS INTEGER) AS i FROM range(128, 131072) t(i)) WHERE (i < 55296 OR i > 57343) AND (lower(chr(i)) <> chr(i) OR upper(chr(i)) <> chr(i))'
  const rows = await duck.rows({ text, params: [] })
  duck.close()
  const cased = new Map(rows.map((row) => [row.i, row]))
  const wrong: string[] = []
  for (let i = 128; i < 0x20000; i++) {
    if (i >= 0xd800 && i < 0xe000) continue
    const point = String.fromCodePoint(i)
    const { low = point, up = point } = cased.get(i) ?? {}
    if (toLower(point) !== low || toUpper(point) !== up) wrong.push(i.toString(16))
  }
  expect(wrong).toEqual([])
  expect(rows.length).toBeGreaterThan(2500)
})

test('patterns outside the common subset are refused with the place', () => {
  const refused: [string, number, RegExp][] = [
    ['a(?=b)', 3, /only plain groups/],
    ['(?<n>a)', 2, /only plain groups/],
    ['a\\1', 3, /does not mean the same/],
    ['\\p{L}', 2, /does not mean the same/],
    ['a**', 3, /a count follows a count/],
    ['*a', 1, /nothing to repeat/],
    ['(a', 3, /not closed/],
    ['a)', 2, /closing/],
    ['[]a]', 2, /empty class/],
    ['[[:alpha:]]', 3, /inside a class/],
    ['[z-a]', 5, /backwards/],
    ['a{2,1}', 2, /backwards/],
    ['a{1001}', 2, /more than 1000/],
    ['(a{100}){100}', 14, /more than 1000/],
    ['a\\', 3, /backslash/],
    ['[a', 3, /not closed/],
    ['a}', 2, /write/],
  ]
  for (const [pattern, at, why] of refused) {
    expect(() => compilePattern(pattern), pattern).toThrow(why)
    expect(() => compilePattern(pattern), pattern).toThrow(`at character ${at})`)
  }
})

test('texts are compared, counted and cut by code point', () => {
  const byBytes = (a: string, b: string) => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      (a, b) => Math.sign(compareText(a, b)) === byBytes(a, b),
    ),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(5), fc.nat(8), (s, start, end) => {
      expect(lengthOf(s)).toBe([...s].length)
      expect(sliceOf(s, start, end)).toBe([...s].slice(start, end).join(''))
    }),
  )
  expect(compareText('𝒜', '\uff5e')).toBeGreaterThan(0)
})

test('near names are few and really near', () => {
  expect(editDistance('delay', 'dealy')).toBe(1)
  expect(closeNames('dealy', ['delay', 'distance', 'origin', 'Daily'])).toEqual(['delay', 'Daily'])
  expect(closeNames('x', ['origin', 'destination'])).toEqual([])
})
