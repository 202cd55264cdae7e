import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCsv } from '../../console/src/format/csv.ts'
import * as numbers from '../../console/src/format/numbers.ts'
import * as times from '../../console/src/format/times.ts'

const plain = (text: string) => text.replaceAll('\u202f', ' ')

describe('numbers', () => {
  it('groups thousands and marks what is not known by a dash', () => {
    expect(numbers.count(1234567)).toBe('1,234,567')
    expect(numbers.count(-12)).toBe('\u221212')
    expect([numbers.count(null), numbers.metric(undefined), numbers.share(Number.NaN)]).toEqual([
      '–',
      '–',
      '–',
    ])
  })

  it('shortens large counts to three digits with a unit', () => {
    expect(
      [9999, 12_345, 999_499, 999_500, 2_999_999, 1_204_000_000].map((n) => plain(numbers.compact(n))),
    ).toEqual(['9,999', '12.3 k', '999 k', '1.00 M', '3.00 M', '1.20 G'])
  })

  it('never rounds a metric to 0 or 1 that it is not', () => {
    expect(numbers.metric(0.66723)).toBe('0.667')
    expect(numbers.metric(1)).toBe('1')
    expect(numbers.metric(0.99987)).toBe('0.99987')
    expect(numbers.metric(0.00042)).toBe('0.00042')
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), (value) => {
        expect(['0', '1']).not.toContain(String(Number(numbers.metric(value))))
      }),
    )
  })

  it('gives shares below one per cent a second decimal', () => {
    expect([0.2143, 0.0002, 0, 1].map((v) => plain(numbers.share(v)))).toEqual([
      '21.4 %',
      '0.02 %',
      '0.0 %',
      '100.0 %',
    ])
    expect([1, 0.1, 0.015].map((v) => plain(numbers.weight(v)))).toEqual(['100 %', '10 %', '1.5 %'])
  })

  it('writes bytes and latencies with the unit that fits', () => {
    expect([999, 41_200_312, 812_300_112, 1_500_000_000].map((n) => plain(numbers.bytes(n)))).toEqual([
      '999 B',
      '41.2 MB',
      '812 MB',
      '1.50 GB',
    ])
    expect([0.41, 1.04, 12.4, 1200].map((n) => plain(numbers.latency(n)))).toEqual([
      '410 µs',
      '1.0 ms',
      '12 ms',
      '1.2 s',
    ])
  })

  it('keeps the sign of a difference', () => {
    expect([numbers.signed(0.0041), numbers.signed(-0.061), numbers.signed(0)]).toEqual([
      '+0.004',
      '\u22120.061',
      '0',
    ])
  })
})

describe('times', () => {
  const now = Date.UTC(2026, 10, 23, 9, 0)

  it('says how long ago in one unit and gives the date after a month', () => {
    const ago = (ms: number) => times.relative(now - ms, now)
    expect([2_000, 42_000, 9 * 60_000, 26 * 3_600_000].map(ago)).toEqual([
      'now',
      '42 s ago',
      '9 m ago',
      '1 d ago',
    ])
    expect(ago(40 * times.DAY)).toBe('14 Oct 2026')
    expect(times.relative(now + 180_000, now)).toBe('in 3 m')
  })

  it('writes durations in two units at most', () => {
    expect([640, 4_520, 42_000, 252_000, 18 * 60_000, 4_210_000].map(times.duration)).toEqual([
      '640 ms',
      '4.5 s',
      '42 s',
      '4 m 12 s',
      '18 m',
      '1 h 10 m',
    ])
    expect(times.duration(null)).toBe('–')
  })

  it('reads a half-open window as the days it covers', () => {
    const utc = (text: string) => Date.parse(`${text}T00:00:00Z`)
    expect(times.windowDays(utc('2001-01-01'), utc('2001-04-01'))).toBe('1 Jan to 31 Mar 2001')
    expect(times.windowDays(utc('2000-12-31'), utc('2001-01-02'))).toBe('31 Dec 2000 to 1 Jan 2001')
    expect(times.windowDays(utc('2001-04-01'), utc('2001-04-02'))).toBe('1 Apr 2001')
    expect(times.windowDays(null, 0)).toBe('–')
  })
})

describe('csv', () => {
  it('quotes what would break a row and disarms what would begin a formula', () => {
    const text = toCsv({
      columns: ['a', 'b'],
      rows: [
        ['x,"y"\nz', -1.5],
        ['=SUM(A1)', null],
        ['-2', true],
      ],
    })
    expect(text).toBe('a,b\r\n"x,""y""\nz",-1.5\r\n\'=SUM(A1),\r\n\'-2,true')
  })
})
