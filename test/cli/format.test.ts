import fc from 'fast-check'
import { choice, gbdt, range, search } from 'millrace'
import { describe, expect, test } from 'vitest'
import { searchText } from '../../src/cli/commands/plan.ts'
import { bytes, duration, figure, remaining, share } from '../../src/cli/format.ts'
import { etaMs, Meter } from '../../src/cli/meter.ts'
import { countOption, windowOf } from '../../src/cli/options.ts'
import { bare, PLAIN, paintFor, widthOf } from '../../src/cli/paint.ts'
import { cut, pairs, table } from '../../src/cli/table.ts'
import { typesText } from '../../src/cli/types-text.ts'

test('a plan says what is searched, and how long', () => {
  const found = search({ over: gbdt(), space: { leaves: range(8, 64), l2: choice(0, 1, 10) }, trials: 6 })
  expect(searchText(found.search)).toBe(
    'leaves 8 to 64; l2 0, 1 or 10; at most 6 trials by tpe, once: what was chosen stays for retrainings',
  )
})

describe('numbers and times', () => {
  test.each([
    [400, '0.4 s'],
    [12_300, '12 s'],
    [185_000, '3 min 5 s'],
    [119_999, '2 min 0 s'],
    [7_800_000, '2 h 10 min'],
  ])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text))

  test.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1_400_000, '1.4 MB'],
    [999_999, '1 MB'],
  ])('%d bytes are %s', (n, text) => expect(bytes(n)).toBe(text))

  test.each([
    [0, '0.000'],
    [-1.0247, '−1.025'],
    [-0.0001, '0.000'],
    [-12.3456, '−12.35'],
    [123456, '123500'],
  ])('%d is written %s', (value, text) => expect(figure(value)).toBe(text))

  test('what is left is said in whole seconds', () => {
    expect(remaining(400)).toBe('about 1 s left')
    expect(remaining(4400)).toBe('about 4 s left')
    expect(share(0.0125)).toBe('1.3 %')
    expect(share(0.384)).toBe('38 %')
  })
})

describe('windows of time', () => {
  const day = (text: string) => Date.parse(`${text}T00:00:00Z`)
  test.each([
    ['2001', '2001-01-01', '2002-01-01'],
    ['2001-12', '2001-12-01', '2002-01-01'],
    ['2004-02-29', '2004-02-29', '2004-03-01'],
    ['2001-01..2001-04', '2001-01-01', '2001-04-01'],
  ])('%s is from %s to %s', (text, from, to) => {
    expect(windowOf('--test', text)).toEqual({ fromAt: day(from), toAt: day(to) })
  })

  test.each(['June', '2001-13', '2001-02-30', '2001-04..2001-01', '2001..', '2001..2002..2003', ''])(
    '%j is refused',
    (text) => {
      expect(() => windowOf('--test', text)).toThrow(/MR_CLI_VALUE: --test must be a year, month or day/)
    },
  )

  test('counts are whole numbers within bounds', () => {
    expect(countOption({ limit: '5' }, 'limit', 20)).toBe(5)
    expect(countOption({}, 'limit', 20)).toBe(20)
    for (const limit of ['0', '-1', '1.5', 'all', ''])
      expect(() => countOption({ limit }, 'limit', 20)).toThrow(/MR_CLI_VALUE/)
  })
})

describe('tables', () => {
  test('words stand to the left, numbers to the right, and lines end where their words do', () => {
    expect(
      table(
        ['name', 'rows', ''],
        [
          ['a', '1', 'x'],
          ['long', '1,000', ''],
        ],
        { right: ['rows'] },
      ),
    ).toEqual(['  name   rows', '  a         1  x', '  long  1,000'])
  })

  test('the last column is cut to the width of the terminal', () => {
    const lines = table(['a', 'what'], [['1', 'a sentence that is far too long for this']], { width: 30 })
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(30)
    expect(lines[1]).toMatch(/…$/)
  })

  test('signs that take two columns or none are counted as such', () => {
    expect(widthOf('日本')).toBe(4)
    expect(widthOf('e\u0301')).toBe(1)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 20 }), (text, width) => {
        expect(widthOf(cut(text, width))).toBeLessThanOrEqual(Math.max(1, width))
      }),
    )
  })

  test('a value of several lines stays in its column', () => {
    expect(
      pairs([
        ['task', 'binary'],
        ['left out', ['a', 'b']],
      ]),
    ).toEqual(['  task      binary', '  left out  a', '            b'])
  })
})

describe('colour', () => {
  test('none when piped, when NO_COLOR is set, or on a dumb terminal', () => {
    const tty = { isTTY: true }
    expect(paintFor(tty, {}).bold('x')).not.toBe('x')
    expect(paintFor({}, {})).toBe(PLAIN)
    expect(paintFor(tty, { NO_COLOR: '1' })).toBe(PLAIN)
    expect(paintFor(tty, { TERM: 'dumb' })).toBe(PLAIN)
    expect(bare(paintFor(tty, {}).bad('x'))).toBe('x')
  })
})

describe('the meter', () => {
  const meterOf = (isTTY: boolean, silent = false) => {
    const written: string[] = []
    let now = 0
    const meter = new Meter({
      stream: { isTTY, columns: 80, write: (text) => written.push(text) },
      paint: PLAIN,
      silent,
      now: () => now,
    })
    return {
      meter,
      written,
      at: (ms: number) => {
        now = ms
      },
    }
  }

  test('nothing is shown of what takes less than a second', () => {
    const { meter, written, at } = meterOf(true)
    meter.begin('Import')
    at(900)
    meter.update(0.5, '')
    expect(meter.end()).toBe(900)
    expect(written).toEqual([])
  })

  test('a terminal gets one moving line with an estimate, which is cleared at the end', () => {
    const { meter, written, at } = meterOf(true)
    meter.begin('Import')
    at(5000)
    meter.update(0.5, 'reading')
    expect(written.at(-1)).toContain('━━━━━━────── Import  50 %  about 5 s left  reading')
    meter.end()
    expect(written.at(-1)).toBe('\r\x1b[2K')
  })

  test('a log gets a line now and then, a program gets none', () => {
    const log = meterOf(false)
    log.meter.begin('Import')
    for (let ms = 1000; ms <= 21_000; ms += 500) {
      log.at(ms)
      log.meter.update(ms / 40_000, '')
    }
    expect(log.written).toHaveLength(3)
    const silent = meterOf(true, true)
    silent.meter.begin('Import')
    silent.at(9000)
    silent.meter.update(0.5, '')
    expect(silent.written).toEqual([])
  })

  test('there is no estimate before there is a pace', () => {
    expect(etaMs(1000, 0)).toBeNull()
    expect(etaMs(1000, 0.25)).toBe(3000)
    expect(etaMs(1000, 1)).toBe(0)
  })
})

describe('types', () => {
  test('columns by name, times as Date in the data and as text in requests', () => {
    const columns = [
      { name: 'at', type: 'time' as const, nullable: false },
      { name: 'emp.var.rate', type: 'float' as const, nullable: true },
      { name: 'raw', type: 'json' as const, nullable: true },
    ]
    const text = typesText(
      [{ name: 'bank-2', columns }],
      [{ name: 'will-buy', task: 'binary', description: '', inputs: columns }],
    )
    expect(text).toContain(
      '"bank-2": {\n      at: Date\n      "emp.var.rate": number | null\n      raw: unknown',
    )
    expect(text).toContain(
      'export interface WillBuyRequest {\n  at: string\n  "emp.var.rate"?: number | null',
    )
    expect(text).toMatch(/ {2}probability: number\n {2}label: boolean\n(.*\n)? {2}threshold: number\n}/)
    expect(text).toContain(
      'export type Models = {\n  "will-buy": { request: WillBuyRequest; answer: WillBuyAnswer }\n}',
    )
  })
})
