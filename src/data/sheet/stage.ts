/** Rows of a sheet of a spreadsheet (xlsx, xlsm, xlsb, xls, ods) as a table of the engine: formulas as their values, days by the style of their cells. */
import { readFileSync } from 'node:fs'
import type { CellObject, WorkBook, WorkSheet } from '@e965/xlsx'
import { excerpt, MillraceError, toError } from '../../core/errors.ts'
import type { ReadDef } from '../../define/types.ts'
import { type Duck, quote } from '../duck.ts'
import { ColumnKinds, type StagedValue, stageRows, textOf } from '../staged-columns.ts'
import { sniffRecords } from '../text/dialect.ts'
import type { Guess } from '../text/guess.ts'

type Xlsx = typeof import('@e965/xlsx')

export interface StagedSheet {
  columns: { name: string; duckType: string }[]
  scan: string
  guesses: Guess[]
}

const CELLS_MAX = 20_000_000

/** Errors: MR_DATA_TABLE, MR_DATA_HEADER_ROWS, MR_DATA_UNREADABLE. Memory: the whole workbook. */
export async function stageSheet(
  duck: Duck,
  file: { path: string; name: string },
  options: Pick<ReadDef, 'sheet' | 'header' | 'missing'>,
): Promise<StagedSheet> {
  const xlsx = await import('@e965/xlsx')
  const book = openBook(xlsx, file)
  const chosen = chooseSheet(book, options.sheet, file.name)
  const { cells, merged } = cellsOf(xlsx, book, chosen.sheet, file.name)
  const rows = cells
    .map((row, i) => ({ line: i + 1, row }))
    .filter(({ row }) => row.some((value) => value !== null))
  const width = Math.max(0, ...rows.map(({ row }) => row.length))
  if (width === 0)
    throw new MillraceError('MR_DATA_UNREADABLE', {
      file: file.name,
      format: 'sheet',
      why: `sheet "${chosen.name}" has no cells`,
    })
  const records = rows.map(({ line, row }) => ({
    line,
    end: 0,
    cells: Array.from({ length: width }, (_, i) => (row[i] == null ? '' : textOf(row[i]))),
  }))
  const head = sniffRecords(records, width, options.header, file.name)
  const first = head.skip + (head.header ? 1 : 0)
  const missing = new Set(options.missing)
  const values = rows
    .filter(({ line }) => line > first)
    .map(({ row }) =>
      row.map((value) =>
        typeof value === 'string' && (value.trim() === '' || missing.has(value.trim())) ? null : value,
      ),
    )
  const kinds = new ColumnKinds(width)
  for (const row of values) kinds.see(row)
  const table = `sheet ${file.path}`
  await stageRows(duck, table, head.names, kinds.all, values)
  const found = await duck.rows<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${quote(table)}`,
  )
  return {
    columns: found.map((r) => ({ name: r.column_name, duckType: r.column_type })),
    scan: quote(table),
    guesses: [...chosen.guesses, ...merged, ...head.guesses],
  }
}

function openBook({ read }: Xlsx, { path, name }: { path: string; name: string }): WorkBook {
  try {
    return read(readFileSync(path), {
      type: 'buffer',
      dense: true,
      cellDates: false,
      cellNF: true,
      cellHTML: false,
      cellText: false,
      bookVBA: false,
    })
  } catch (thrown) {
    throw new MillraceError(
      'MR_DATA_UNREADABLE',
      { file: name, format: 'sheet', why: excerpt(toError(thrown).message, 120) },
      { cause: thrown },
    )
  }
}

function chooseSheet(
  book: WorkBook,
  asked: string | undefined,
  file: string,
): { name: string; sheet: WorkSheet; guesses: Guess[] } {
  const shown = book.SheetNames.filter(
    (name, i) => book.Sheets[name]?.['!ref'] && !book.Workbook?.Sheets?.[i]?.Hidden,
  )
  const name = asked ?? shown[0] ?? book.SheetNames[0]
  const sheet = name === undefined ? undefined : book.Sheets[name]
  if (name === undefined || !sheet)
    throw new MillraceError('MR_DATA_TABLE', {
      file,
      what: 'sheet',
      asked: asked ?? '',
      known: book.SheetNames.slice(0, 20),
    })
  const others = shown.filter((other) => other !== name)
  if (asked !== undefined || others.length === 0) return { name, sheet, guesses: [] }
  const why = `it is the first; there are also ${others.slice(0, 5).join(', ')}`
  return {
    name,
    sheet,
    guesses: [{ what: 'sheet', value: name, sure: 'guess', why, pin: `sheet: ${JSON.stringify(name)}` }],
  }
}

/** Values by row and column. Cells that were merged all have the value of the first. */
function cellsOf(
  xlsx: Xlsx,
  book: WorkBook,
  sheet: WorkSheet,
  file: string,
): { cells: (StagedValue | null)[][]; merged: Guess[] } {
  const is1904 = book.Workbook?.WBProps?.date1904 === true
  const dense = (sheet['!data'] ?? []) as (CellObject | undefined)[][]
  let n = 0
  const cells = Array.from(dense, (row) => {
    n += row?.length ?? 0
    if (n > CELLS_MAX)
      throw new MillraceError('MR_DATA_UNREADABLE', {
        file,
        format: 'sheet',
        why: `it has more than ${CELLS_MAX} cells`,
      })
    return Array.from(row ?? [], (cell) => valueIn(xlsx, cell, is1904))
  })
  const merges = sheet['!merges'] ?? []
  for (const { s, e } of merges) {
    if ((e.r - s.r + 1) * (e.c - s.c + 1) > CELLS_MAX) continue
    const value = cells[s.r]?.[s.c] ?? null
    for (let r = s.r; r <= Math.min(e.r, cells.length - 1); r++)
      for (let c = s.c; c <= e.c; c++) if (cells[r]) fill(cells[r]!, c, value)
  }
  const why = `${merges.length} ranges of cells are merged`
  return {
    cells,
    merged:
      merges.length === 0
        ? []
        : [{ what: 'merged cells', value: 'each has the value of the first', sure: 'likely', why }],
  }
}

function fill(row: (StagedValue | null)[], c: number, value: StagedValue): void {
  while (row.length < c) row.push(null)
  row[c] = value
}

function valueIn({ SSF }: Xlsx, cell: CellObject | undefined, is1904: boolean): StagedValue {
  if (!cell || cell.v === undefined || cell.v === null || cell.t === 'e' || cell.t === 'z') return null
  if (cell.v instanceof Date)
    return { micros: BigInt(cell.v.getTime()) * 1_000n, isDay: cell.v.getTime() % 86_400_000 === 0 }
  if (cell.t !== 'n' || typeof cell.v !== 'number' || !cell.z || !SSF.is_date(String(cell.z)))
    return cell.v as StagedValue
  const at = SSF.parse_date_code(cell.v, { date1904: is1904 })
  // Hours beyond a day and times without a day are no instants.
  if (!at || at.y < 1900 || (cell.v < 1 && !is1904)) return cell.v
  const ms = Date.UTC(at.y, at.m - 1, at.d, at.H, at.M, at.S) + Math.round(1_000 * (at.u ?? 0))
  return { micros: BigInt(ms) * 1_000n, isDay: Number.isInteger(cell.v) && !/h|s/i.test(String(cell.z)) }
}
