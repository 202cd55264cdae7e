/** Ten million rows of the kind that db-benchmark groups and joins: keys of 100 and of 100,000 values, as texts and as whole numbers. Written once into the temporary folder. */
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQuery } from '../../dist/engine/open.js'

export interface GroupedFiles {
  csv: string
  parquet: string
  /** 100,000 rows: `id6`, `id3`, `label` (100 values) and `w`. */
  small: { csv: string; parquet: string }
}

const draw = (n: number, salt: number) => `CAST(1 + hash(i * 16 + ${salt}) % ${n} AS INTEGER)`

const COLUMNS = `
  format('id{:03d}', ${draw(100, 1)}) AS id1, format('id{:03d}', ${draw(100, 2)}) AS id2, format('id{:010d}', ${draw(100_000, 3)}) AS id3,
  ${draw(100, 4)} AS id4, ${draw(100, 5)} AS id5, ${draw(100_000, 6)} AS id6,
  ${draw(5, 7)} AS v1, ${draw(15, 8)} AS v2, round((hash(i * 16 + 9) % 1000000007) / 1000000007.0::DOUBLE * 100, 6) AS v3`

const SMALL = `
  CAST(i + 1 AS INTEGER) AS id6, format('id{:010d}', i + 1) AS id3, format('label {}', hash(i) % 100) AS label,
  round((hash(i * 7) % 1000003) / 1000003.0::DOUBLE, 6) AS w`

export async function groupedFiles(rows: number): Promise<GroupedFiles> {
  const folder = join(tmpdir(), `millrace-bench-grouped-${rows}`)
  const file = (name: string) => join(folder, name)
  const files = {
    csv: file('rows.csv'),
    parquet: file('rows.parquet'),
    small: { csv: file('small.csv'), parquet: file('small.parquet') },
  }
  if (existsSync(folder)) return files
  const draft = `${folder}.draft`
  mkdirSync(draft, { recursive: true })
  const query = await openQuery('duckdb:', { threads: 2, memoryMb: 2048 })
  const write = (columns: string, n: number, name: string, how: string) =>
    query.exec({
      text: `COPY (SELECT ${columns} FROM range(${n}) t(i)) TO '${join(draft, name)}' (${how})`,
      params: [],
    })
  const parquet = 'FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 500000'
  await write(COLUMNS, rows, 'rows.parquet', parquet)
  await write(SMALL, 100_000, 'small.parquet', parquet)
  await write(SMALL, 100_000, 'small.csv', 'FORMAT csv, HEADER true')
  await query.exec({
    text: `COPY (FROM '${join(draft, 'rows.parquet')}') TO '${join(draft, 'rows.csv')}' (FORMAT csv, HEADER true)`,
    params: [],
  })
  await query.close()
  renameSync(draft, folder)
  return files
}
