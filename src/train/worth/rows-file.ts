/** What was found of each row, as Parquet: its number in the version, its key, and one column a finding. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../core/records.ts'
import type { Query, TaskContext } from '../../engine/ports.ts'
import { quoted, raw } from '../../expr/sql.ts'

/** A column by row of the pool; NaN where nothing is known, texts from a list by code with -1 for none. */
export type RowColumn = { name: string } & (
  | { type: 'double' | 'integer' | 'boolean'; values: ArrayLike<number> }
  | { type: 'varchar'; values: ArrayLike<number>; texts: readonly string[] }
)

/** Lines that are written at once. */
const LINES = 50_000

/** Writes the columns beside the keys of `mr_pool`, whose `mr_row` is the first of them, and gives the digest. */
export async function writeRows(
  query: Query,
  { store }: TaskContext,
  key: readonly string[],
  columns: readonly RowColumn[],
): Promise<Digest> {
  const path = join(store.scratch, `worth-${process.hrtime.bigint()}`)
  const csv = `${path}.csv`
  const parquet = `${path}.parquet`
  try {
    await writeCsv(csv, columns)
    await query.exec(raw(selectOf(csv, parquet, key, columns)))
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
  csv: string,
  parquet: string,
  key: readonly string[],
  columns: readonly RowColumn[],
): string {
  const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
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
    from read_csv(${literal(csv)}, header = true, columns = {${types}}) f join mr_pool p on p.mr_row = f.c0::bigint order by f.c0)
    to ${literal(parquet)} (format parquet, compression zstd)`
}
