/** Text files as the world writes them: each is read as a person would read it, or refused with a code that says why. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openDuck, quote } from '../../../src/data/duck.ts'
import { openFile } from '../../../src/data/reader.ts'
import { lookAt } from '../../../src/data/sources.ts'
import type { Guess } from '../../../src/data/text/guess.ts'
import type { ReadDef } from '../../../src/define/types.ts'
import { unpackHorror } from '../../fixtures/horror.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-messy-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Seen {
  names: string[]
  types: string[]
  /** All rows that have a value. */
  count: number
  /** All of them, or of many the first and the last. */
  rows: (string | number | null)[][]
  guesses: Guess[]
}

const MANY = 300

/** Everything a file holds, by the way of an import; texts alone with `asText`. */
async function read(path: string, pins: Partial<ReadDef> = {}, asText = false): Promise<Seen> {
  const name = path.split('/').at(-1)!
  const duck = await openDuck(mkdtempSync(join(folder, 'job-')), 500)
  try {
    const file = { path, name, ...(await lookAt(path, name, pins.format)) }
    const options = { missing: [], ...pins, asText: new Set<string>(), thorough: true }
    const first = await openFile(duck, file, options)
    const texts = new Set(first.columns.map((column) => column.name))
    const open = asText ? await openFile(duck, file, { ...options, asText: texts }) : first
    const values = open.columns.map(({ name }) => `nullif(trim(CAST(${quote(name)} AS VARCHAR)), '')`)
    await duck.run(
      `CREATE TABLE held AS SELECT * FROM ${open.scan} WHERE coalesce(${values.join(', ')}) IS NOT NULL`,
    )
    const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM held')
    const chosen = n <= MANY ? '' : `WHERE rowid IN (0, ${n - 1})`
    const rows = await duck.rows<Record<string, string | number | null>>(
      `SELECT * FROM held ${chosen} ORDER BY rowid`,
    )
    return {
      names: open.columns.map((column) => column.name),
      types: open.columns.map(({ duckType }) => duckType),
      count: n,
      rows: rows.map((row) => open.columns.map((column) => row[column.name] ?? null)),
      guesses: open.guesses ?? [],
    }
  } finally {
    duck.close()
  }
}

const refusal = async (path: string): Promise<string> => {
  try {
    await read(path)
    return 'none'
  } catch (error) {
    return (error as { code: string }).code
  }
}

const reference = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../reference/text/${name}`, import.meta.url), 'utf8')) as T

// ---------------------------------------------------------------- horror

const { horror, hasHorror } = unpackHorror(folder, 'messy text files')

/** Files that are refused, and why; all others are read as Python reads them when it is told how. */
const REFUSED: Record<string, string> = {
  'begrotingsanalyse-2011.csv': 'MR_DATA_HEADER_ROWS',
  'weird_head_padding.csv': 'MR_DATA_RAGGED',
  'simple.unknown': 'MR_DATA_EMPTY_FILE',
}
const OTHER_FORMATS = /\.(html|ods|xls|xlsx|xlsm|zip|md)$/

interface Expected {
  names: string[]
  columns: number
  rows: number
  first: string[] | null
  last: string[] | null
}

const table = reference<Record<string, Expected>>('horror.json')
const bare = (row: readonly (string | number | null)[] | undefined) =>
  row
    ?.map((cell) =>
      String(cell ?? '')
        .trim()
        .slice(0, 40),
    )
    .slice(0, 6)

describe.skipIf(!hasHorror)('the files of messytables that hurt', () => {
  const files = hasHorror ? readdirSync(horror).filter((name) => !OTHER_FORMATS.test(name)) : []

  test('are all in the table', () => {
    expect(files.filter((name) => !table[name] && !REFUSED[name])).toEqual([])
    expect(files.length).toBe(20)
  })

  test.each(Object.entries(REFUSED))('%s is refused: %s', async (name, code) => {
    expect(await refusal(join(horror, name))).toBe(code)
  })

  test.each(Object.entries(table))('%s is read', async (name, expected) => {
    const seen = await read(join(horror, name), {}, true)
    expect(seen.names.length).toBe(expected.columns)
    if (expected.names.length > 0)
      expect(seen.names.slice(0, 6)).toEqual(expected.names.map((given, i) => given || `column${i}`))
    expect(seen.count).toBe(expected.rows)
    expect(bare(seen.rows[0])).toEqual(expected.first ?? undefined)
    expect(bare(seen.rows.at(-1))).toEqual(expected.last ?? undefined)
  })

  test('a table below its title and above its notes is read when short rows may be padded', async () => {
    const path = join(horror, 'weird_head_padding.csv')
    const seen = await read(path, { ragged: 'pad' })
    expect(seen.names.length).toBe(11)
    expect(seen.guesses.find(({ what }) => what === 'lines')).toMatchObject({
      why: '16 rows have other numbers of cells',
    })
  })

  test('a table of names over several lines is read when one is said', async () => {
    const seen = await read(join(horror, 'begrotingsanalyse-2011.csv'), { header: 6 })
    expect(seen.names.slice(2, 4)).toEqual(['Groningen', 'Friesland'])
  })
})

// ---------------------------------------------------------------- csv-spectrum

const spectrum = spectrumFolder()

function spectrumFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('csv-spectrum/package.json'))
  } catch {
    console.warn('skipped: csv-spectrum, which is not installed here: npm ci')
    return undefined
  }
}

describe.skipIf(!spectrum)('csv-spectrum', () => {
  const names = spectrum ? readdirSync(join(spectrum, 'csvs')) : []
  test.each(names)('%s', async (name) => {
    const path = join(spectrum!, 'csvs', name)
    const given = JSON.parse(readFileSync(join(spectrum!, 'json', name.replace(/csv$/, 'json')), 'utf8')) as
      | Record<string, string>
      | Record<string, string>[]
    // Its table has another telephone number than its file, where the JSON was made anonymous and the CSV was not.
    const expected = [given]
      .flat()
      .map((row) => ({ ...row, ...(row.Cities && { 'Contact Phone Number': '2095257564' }) }))
    // This file is in Mac Roman, and its JSON has what other bytes became in UTF-8: places without a letter.
    const pins = name === 'location_coordinates.csv' ? { encoding: 'utf-8' } : {}
    const seen = await read(path, { ...pins, header: 1 }, true)
    expect(seen.names).toEqual(Object.keys(expected[0]!))
    // Line ends inside quotes are those of the table.
    const plain = (text: string) => text.replaceAll('\r\n', '\n')
    expect(seen.rows.map((row) => row.map((cell) => plain(String(cell ?? ''))))).toEqual(
      expected.map((row) => Object.values(row).map(plain)),
    )
  })

  test('there are twelve', () => expect(names.length).toBe(12))
})

// ---------------------------------------------------------------- encodings

describe('encodings', () => {
  const files = reference<{ name: string; bytes: string; text: string }[]>('encodings.json')
  test.each(files)('$name', async ({ name, bytes, text }) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.csv`)
    writeFileSync(path, Buffer.from(bytes, 'base64'))
    const seen = await read(path, {}, true)
    const lines = text
      .trim()
      .split('\n')
      .map((line) => line.split(/[;,]/))
    expect([seen.names, ...seen.rows]).toEqual(lines)
    const guess = seen.guesses.find(({ what }) => what === 'encoding')!
    // Big5 and GB 18030 share most of their bytes: both are guesses, and either reads its own file here.
    expect(guess.value).toBe(name.split(' ')[0])
    if (name.includes('mark') || name.startsWith('utf-')) expect(guess.sure).not.toBe('guess')
  })
})

// ---------------------------------------------------------------- numbers and days

describe('numbers and days', () => {
  const file = async (name: string, content: string, pins: Partial<ReadDef> = {}) => {
    writeFileSync(join(folder, name), content)
    return await read(join(folder, name), pins)
  }
  const day = (text: string) => Date.parse(`${text}T00:00Z`)
  const guessed = ({ guesses }: Seen, what: Guess['what']) =>
    guesses.filter((guess) => guess.what === what).map(({ value, sure }) => [value, sure])

  test('decimal commas, with points or blanks between thousands', async () => {
    const seen = await file('de.csv', 'a;b;c\n1,5;1.234,5;12 345\n-2,25;7;1 000 000\n;1.000;3\n')
    expect(seen.rows).toEqual([
      [1.5, 1234.5, 12345],
      [-2.25, 7, 1_000_000],
      [null, 1000, 3],
    ])
    expect(guessed(seen, 'numbers')[0]).toEqual(['decimal comma', 'likely'])
  })

  test('what every row leaves open is said to be a guess, and can be pinned', async () => {
    const text = 'a,b\n"1,234",x\n"5,678",y\n'
    const seen = await file('open.csv', text)
    expect(seen.rows.map(([a]) => a)).toEqual([1234, 5678])
    expect(guessed(seen, 'numbers')).toEqual([['decimal point, commas between thousands', 'guess']])
    expect((await file('pinned.csv', text, { decimal: ',' })).rows.map(([a]) => a)).toEqual([1.234, 5.678])
  })

  test('one row far below the first thousands decides between days and months', async () => {
    const rows = Array.from({ length: 1_500 }, (_, i) => `0${1 + (i % 9)}/0${1 + (i % 7)}/2001,${i}`)
    const days = await file('day.csv', `at,n\n${rows.join('\n')}\n31/01/2001,9\n`)
    expect([days.types[0], days.rows.at(-1)![0]]).toEqual(['DATE', day('2001-01-31')])
    expect(guessed(days, 'dates')).toEqual([['day-first', 'sure']])
    const months = await file('month.csv', `at,n\n${rows.join('\n')}\n01/31/2001,9\n`)
    expect([months.rows.at(-1)![0], months.rows[0]![0]]).toEqual([day('2001-01-31'), day('2001-01-01')])
    expect(guessed(months, 'dates')).toEqual([['month-first', 'sure']])
  })

  test('days that no row settles stay text unless it is said what comes first', async () => {
    const text = 'at,n\n03/04/2001,1\n05/06/2001,2\n'
    const open = await file('either.csv', text)
    expect([open.types[0], open.rows[0]![0]]).toEqual(['VARCHAR', '03/04/2001'])
    expect(guessed(open, 'dates')).toEqual([['left as text', 'guess']])
    expect((await file('said.csv', text, { dates: 'day-first' })).rows[0]![0]).toBe(day('2001-04-03'))
    const points = await file('points.csv', 'at;n\n03.04.2001 12:30;1\n05.06.2001 00:00;2\n')
    expect([points.types[0], points.rows[0]![0]]).toEqual(['TIMESTAMP', Date.parse('2001-04-03T12:30Z')])
  })

  test('days that do not exist either way are texts', async () => {
    const seen = await file('none.csv', 'at,n\n31/01/2001,1\n01/31/2001,2\n30/02/2001,3\n')
    expect(seen.types[0]).toBe('VARCHAR')
  })

  test('empty cells too many are left out, others are refused by line', async () => {
    const seen = await file('more.csv', `a,b\n1,2\n${'3,4,,\n'.repeat(3)}${'5,6\n'.repeat(9)}`)
    expect([seen.names, seen.rows.length]).toEqual([['a', 'b'], 13])
    expect(guessed(seen, 'lines')).toEqual([['empty cells left out', 'likely']])
    await expect(
      file('bad.csv', `a,b\n${'1,2\n'.repeat(9)}3,4,5\n${'1,2\n'.repeat(9)}`),
    ).rejects.toMatchObject({
      code: 'MR_DATA_RAGGED',
      data: { line: 11, cells: 3, expected: 2, rows: 1 },
    })
  })

  test('an encoding that is not known is refused', async () => {
    await expect(file('enc.csv', 'a\n1\n', { encoding: 'klingon' })).rejects.toThrow('MR_DATA_ENCODING')
  })
})
