/** Spreadsheets and SQLite files: as openpyxl and Python wrote them, and those of messytables. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openDuck } from '../../../src/data/duck.ts'
import { openFile } from '../../../src/data/reader.ts'
import { lookAt } from '../../../src/data/sources.ts'
import type { ReadDef } from '../../../src/define/types.ts'
import { unpackHorror } from '../../fixtures/horror.ts'
import { allRows, openPlace } from '../fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-sheets-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const fixture = JSON.parse(
  readFileSync(new URL('../../reference/sheets/sheets.json', import.meta.url), 'utf8'),
) as Record<'book' | 'mac' | 'one' | 'two', string>

async function read(path: string, pins: Partial<ReadDef> = {}) {
  const name = path.split('/').at(-1)!
  const duck = await openDuck(mkdtempSync(join(folder, 'job-')), 500)
  try {
    const file = { path, name, ...(await lookAt(path, name)) }
    const open = await openFile(duck, file, { missing: [], asText: new Set(), thorough: true, ...pins })
    const rows = await duck.rows<Record<string, unknown>>(`SELECT * FROM ${open.scan}`)
    return {
      types: open.columns.map((c) => `${c.name} ${c.duckType}`),
      rows: rows.map((row) => Object.values(row)),
      guesses: open.guesses ?? [],
    }
  } finally {
    duck.close()
  }
}

function put(name: string, bytes: string): string {
  writeFileSync(join(folder, name), Buffer.from(bytes, 'base64'))
  return join(folder, name)
}

const at = (text: string) => Date.parse(`${text}Z`)

describe('a workbook', () => {
  test.each(['book', 'mac'] as const)(
    'has days by style, one type a column, and the first sheet that is shown: %s',
    async (which) => {
      const { types, rows, guesses } = await read(put(`${which}.xlsx`, fixture[which]))
      expect(types).toEqual(
        'order BIGINT,day DATE,at TIMESTAMP,amount DOUBLE,paid BOOLEAN,city VARCHAR,share DOUBLE,code VARCHAR'.split(
          ',',
        ),
      )
      expect(rows).toEqual([
        [1, at('2001-03-31T00:00'), at('2001-03-31T22:15:07'), 12.5, true, 'Zürich', 0.25, '007'],
        // The cell of the city below is merged with this one.
        [2, at('1999-12-31T00:00'), at('1999-12-31T00:00'), -3, false, 'Genf', 1, 'x'],
        [3, null, null, null, null, 'Genf', null, null],
        [4, at('2024-02-29T00:00'), at('2024-02-29T12:00'), 1e9, true, 'Bern', 0.5, '1'],
      ])
      expect(guesses.map(({ what, value, sure }) => [what, value, sure])).toEqual([
        ['sheet', 'Orders', 'guess'],
        ['merged cells', 'each has the value of the first', 'likely'],
        ['header', 'line 3, below 2 lines that are no rows', 'sure'],
      ])
    },
  )

  test('has the sheet that is asked for, or says which there are', async () => {
    const path = put('sheets.xlsx', fixture.book)
    expect(await read(path, { sheet: 'Other' })).toMatchObject({ rows: [[1, 2]] })
    await expect(read(path, { sheet: 'Nowhere' })).rejects.toThrow('it has Hidden notes, Orders, Other')
    await expect(read(put('broken.xlsx', fixture.book.slice(0, 4_000)))).rejects.toThrow('MR_DATA_UNREADABLE')
  })

  test('is imported', async () => {
    const place = await openPlace()
    place.file('a.xlsx', Buffer.from(fixture.book, 'base64'))
    const version = await place.import({ source: ['a.xlsx'], time: 'at', parts: { by: 'month', rowsMax: 9 } })
    expect(version.parts.map(({ key, rows }) => [key, rows])).toEqual([
      ['1999-12', 1],
      ['2001-03', 1],
      ['2024-02', 1],
      ['no-time', 1],
    ])
  })
})

describe('a SQLite file', () => {
  test('has what its values are, by what its columns declare', async () => {
    const { types, rows } = await read(put('one.db', fixture.one))
    expect(types).toEqual(
      'id BIGINT,day DATE,at TIMESTAMP,ok BOOLEAN,amount DOUBLE,big BIGINT,mixed VARCHAR,raw BLOB,note VARCHAR'.split(
        ',',
      ),
    )
    expect(rows.map((row) => row.slice(0, 5))).toEqual([
      [1, at('2001-03-31T00:00'), at('2001-03-31T22:15:07.5'), true, 12.5],
      [2, at('1999-12-31T00:00'), at('1999-12-31T00:00'), false, 3],
      [3, null, null, null, null],
    ])
    expect(rows.map((row) => [row[6], row[8]])).toEqual([
      ['x', 'ü'],
      ['5', null],
      [null, ''],
    ])
  })

  test('of several tables says which there are, and is imported by name', async () => {
    const path = put('two.sqlite', fixture.two)
    await expect(read(path)).rejects.toThrow('MR_DATA_TABLE: two.sqlite has 2 tables: orders, other')
    const place = await openPlace()
    place.file('two', Buffer.from(fixture.two, 'base64'))
    const parts = { by: 'rows', rowsMax: 9 } as const
    const version = await place.import({ source: ['two'], read: { missing: [], table: 'orders' }, parts })
    expect((await allRows(place, version)).map(({ big }) => big)).toEqual([2n ** 62n, -1, null])
    await expect(read(put('torn.db', fixture.one.slice(0, 3_000)))).rejects.toThrow(/MR_DATA_/)
  })
})

// ---------------------------------------------------------------- messytables

const { horror, hasHorror } = unpackHorror(folder, 'messy spreadsheets')

/** Rows and columns as spreadsheet programs show them below the names, or the code of the refusal. `large.ods` alone takes ten seconds: HORROR_ALL=1. */
const TABLE: Record<string, [rows: number, columns: number] | string> = {
  'badcolspan.html': 'MR_DATA_FORMAT',
  'bian-anal-mca-2005-dols-eng-1011-0312-tab3.xlsm': [41, 12],
  'blank_line.ods': [3, 3],
  'complex.html': 'MR_DATA_FORMAT',
  'encrypted_no_password.xls': 'MR_DATA_UNREADABLE',
  'excel_properties.xls': [17, 1],
  'html.html': 'MR_DATA_FORMAT',
  'invisible_text.html': 'MR_DATA_FORMAT',
  ...(process.env.HORROR_ALL && { 'large.ods': [23_760, 5] as [number, number] }),
  'large.xlsx': 'MR_DATA_HEADER_ROWS',
  'libreoffice.xlsx': 'MR_DATA_UNREADABLE',
  'loffice-4.4.1.2.ods': [3, 3],
  'multilineods.ods': [1, 1],
  'ods_formats.ods': [5, 10],
  'README.md': 'MR_DATA_FORMAT',
  'rowcolspan.html': 'MR_DATA_FORMAT',
  'simple.ods': [3, 3],
  'simple.xls': [6, 3],
  'simple.xlsx': [6, 3],
  'simple.zip': 'MR_DATA_FORMAT',
  'span_rich.xls': [5, 4],
  'sw_gen.xlsx': [15, 17],
  'unicode_sheet_name.xls': [1, 1],
}

describe.skipIf(!hasHorror)('spreadsheets of messytables', () => {
  test.each(Object.entries(TABLE))('%s: %s', async (name, expected) => {
    const seen = read(join(horror, name))
    if (typeof expected === 'string') await expect(seen).rejects.toThrow(expected)
    else {
      const { rows, types } = await seen
      expect([rows.length, types.length]).toEqual(expected)
    }
  })
})
