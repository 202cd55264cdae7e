/**
 * What was found of rows, as Parquet: the one form that worth, poison and whatever else judges single rows writes, so that findings can be joined by row.
 *
 * Columns, in this order: `row` (integer: number of the row in the dataset version, from 0 in the order of the parts, each row at most once, ascending), the dataset's key
 * columns by their own names and types, then one column a finding. Null means that nothing is known. No other column of the data is in it.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../core/records.ts'
import type { Query, TaskContext } from '../engine/ports.ts'
import { literal, quoted, raw } from '../expr/sql.ts'

/** A finding by row; NaN where nothing is known, texts from a list by code with -1 for none. */
export type RowColumn = { name: string } & (
  | { type: 'double' | 'integer' | 'boolean'; values: ArrayLike<number> }
  | { type: 'varchar'; values: ArrayLike<number>; texts: readonly string[] }
)

/** Lines that are written at once. */
const LINES = 50_000

export interface RowFindings {
  /** Table of the query that holds the key columns of every row, and its number as `mr_row`. */
  table: string
  /** Key columns of the dataset. */
  key: readonly string[]
  /** Ascending row numbers. */
  rows: ArrayLike<number>
  /** All as long as `rows`. */
  columns: readonly RowColumn[]
}

/** Writes the file into the store and gives its digest. The bytes depend on nothing but the findings. Cost: one line of text a row, in memory 50,000 at a time. */
export async function writeRows(
  query: Query,
  { store }: TaskContext,
  { table, key, rows, columns }: RowFindings,
): Promise<Digest> {
  const all: RowColumn[] = [{ name: 'row', type: 'integer', values: rows }, ...columns]
  const path = join(store.scratch, `rows-${process.hrtime.bigint()}`)
  const csv = `${path}.csv`
  const parquet = `${path}.parquet`
  try {
    await writeCsv(csv, all)
    await query.exec(raw(selectOf({ csv, parquet, table }, key, all)))
    return (await store.objects.putFile(parquet)).digest
  } finally {
    await rm(csv, { force: true })
    await rm(parquet, { force: true })
  }
}

async function writeCsv(path: string, columns: readonly RowColumn[]): Promise<void> {
  const nRows = columns[0].values.length
  await writeFile(path, `${columns.map((_, i) => `c${i}`).join(',')}\n`)
  for (let from = 0; from < nRows; from += LINES) {
    const lines: string[] = []
    for (let i = from; i < Math.min(nRows, from + LINES); i++)
      lines.push(columns.map(({ values }) => fieldOf(values[i])).join(','))
    await writeFile(path, `${lines.join('\n')}\n`, { flag: 'a' })
  }
}

function fieldOf(value: number): string {
  return Number.isNaN(value) ? '' : String(value)
}

/** Texts are written as codes and looked up, so that nothing needs to be escaped. */
function selectOf(
  { csv, parquet, table }: { csv: string; parquet: string; table: string },
  key: readonly string[],
  columns: readonly RowColumn[],
): string {
  const fields = columns.map((column, i) => {
    const value =
      column.type === 'varchar'
        ? `list_extract([${column.texts.map(literal).join(', ')}]::varchar[], f.c${i}::integer + 1)`
        : `f.c${i}::${column.type}`
    return `${value} as ${quoted(column.name)}`
  })
  const keys = key.map((name) => `p.${quoted(name)} as ${quoted(name)}`)
  const types = columns.map((_, i) => `'c${i}': 'double'`).join(', ')
  return `copy (select ${[fields[0], ...keys, ...fields.slice(1)].join(', ')}
    from read_csv(${literal(csv)}, header = true, columns = {${types}}) f join ${quoted(table)} p on p.mr_row = f.c0::bigint order by f.c0)
    to ${literal(parquet)} (format parquet, compression zstd)`
}
