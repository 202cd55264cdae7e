/** Numbers of the rows that are kept, ascending. Cost: one call a row. */
export function rowsWhere(nRows: number, keep: (row: number) => boolean): Int32Array {
  const rows = new Int32Array(nRows)
  let n = 0
  for (let i = 0; i < nRows; i++) if (keep(i)) rows[n++] = i
  return rows.subarray(0, n)
}
