/** Columns that folders say: `year=2001/month=3/part.parquet` has a year and a month, as Hive and Spark write them. */
import { literal, quote } from './duck.ts'
import { partitionsOf } from './partition-names.ts'
import type { OpenFile } from './reader.ts'
import { dayText } from './rows/instants.ts'

/** Adds the columns of folders to files; a column that a file has itself stays as it is. Each is of one type over all files: whole numbers, days, or text. */
export function withPartitions(files: readonly OpenFile[], asText: ReadonlySet<string>): OpenFile[] {
  const byFile = files.map(({ name }) => partitionsOf(name))
  const columns = new Set(byFile.flatMap((found) => [...found.keys()]))
  if (columns.size === 0) return [...files]
  const types = new Map(
    [...columns].map((column) => [
      column,
      asText.has(column) ? 'VARCHAR' : typeOf(byFile.map((found) => found.get(column))),
    ]),
  )
  return files.map((file, i) => {
    const own = new Set(file.columns.map(({ name }) => name.toLowerCase()))
    const added = [...byFile[i]!].filter(([column]) => !own.has(column.toLowerCase()))
    if (added.length === 0) return file
    const list = added.map(
      ([column, value]) =>
        `CAST(${value === null ? 'NULL' : literal(value)} AS ${types.get(column)}) AS ${quote(column)}`,
    )
    return {
      ...file,
      columns: [...file.columns, ...added.map(([name]) => ({ name, duckType: types.get(name)! }))],
      scan: `(SELECT *, ${list.join(', ')} FROM ${file.scan})`,
    }
  })
}

function typeOf(values: readonly (string | null | undefined)[]): string {
  const known = values.filter((value) => value !== null && value !== undefined)
  // Numbers with zeros before them are such as months that Spark writes `month=03`; as numbers they are the same.
  if (known.every((value) => /^-?\d{1,18}$/.test(value))) return 'BIGINT'
  return known.every((value) => dayText(value) !== undefined) ? 'DATE' : 'VARCHAR'
}
