/** A table as spreadsheets read it (RFC 4180), without letting a cell begin a formula. */
export type Cell = string | number | boolean | null | undefined

export interface Table {
  columns: string[]
  rows: Cell[][]
}

export function toCsv(table: Table): string {
  return [table.columns, ...table.rows].map((row) => row.map(cell).join(',')).join('\r\n')
}

function cell(value: Cell): string {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
