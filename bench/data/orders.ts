/**
 * Made-up orders as Parquet: 20 columns of numbers, texts and times whose values are hashes of the row number, with known faults. Written once into the temporary
 * folder by DuckDB and read by both sides.
 */
import { existsSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const VERSION = 1
const ROW_GROUP = 122_880

/** Path of the file; 84 MB and 5 CPU seconds a million rows when it is made. */
export async function ordersFile(rows: number): Promise<string> {
  const path = join(tmpdir(), `millrace-bench-orders-v${VERSION}-${rows}.parquet`)
  if (existsSync(path)) return path
  const scratch = `${path}.${process.pid}`
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '2GB' })
  const connection = await instance.connect()
  const columns = Object.entries(COLUMNS).map(([name, sql]) => `${sql} AS ${name}`)
  await connection.run(
    `COPY (SELECT ${columns.join(', ')} FROM (SELECT i::UBIGINT::BIGINT AS i FROM range(${rows}) r(i))) TO '${scratch}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${ROW_GROUP})`,
  )
  connection.closeSync()
  instance.closeSync()
  renameSync(scratch, path)
  return path
}

const drawn = (k: number): string => `hash(i + ${k}::UBIGINT * 10000000019)`
/** Even on 0 to 1. */
const even = (k: number): string => `((${drawn(k)} % 1000003)::DOUBLE / 1000003)`
const letter = (k: number): string => `chr((65 + ${drawn(k)} % 26)::INT)`
const oneOf = (values: readonly string[], k: number): string =>
  `[${values.map((v) => `'${v}'`).join(',')}][1 + (${drawn(k)} % ${values.length})::INT]`

export const COUNTRIES = ['AT', 'BE', 'CH', 'DE', 'DK', 'ES', 'FI', 'FR', 'GB', 'IT']
export const STATUSES = ['new', 'paid', 'sent', 'done', 'back']
export const SEGMENTS = ['s', 'm', 'l']

const CREATED = `(${drawn(22)} % 31536000)::BIGINT`

/** Faults: ids repeat once in a million rows, some e-mails, countries and ages are broken, and some orders were updated before they were made. */
const COLUMNS: Record<string, string> = {
  id: 'CASE WHEN i % 1000003 = 7 THEN i - 1 ELSE i END',
  code: `${letter(1)} || ${letter(2)} || '-' || lpad((${drawn(3)} % 1000000)::VARCHAR, 6, '0')`,
  email: `CASE WHEN ${drawn(4)} % 100000 = 3 THEN 'broken' ELSE 'user' || (${drawn(4)} % 100000) || '@example.com' END`,
  country: `CASE WHEN ${drawn(5)} % 5000 = 0 THEN 'ZZ' ELSE ${oneOf(COUNTRIES, 6)} END`,
  status: oneOf(STATUSES, 7),
  segment: oneOf(SEGMENTS, 8),
  zip: `CASE WHEN ${drawn(9)} % 100 = 0 THEN NULL ELSE lpad((${drawn(10)} % 90000 + 10000)::VARCHAR, 5, '0') END`,
  flag: `(${even(11)} < 0.3)`,
  amount: `CASE WHEN ${drawn(12)} % 50 = 0 THEN NULL ELSE round(${even(13)} * ${even(14)} * 1000, 2) END`,
  price: `round(5 + ${even(15)} * 95, 2)`,
  quantity: `CAST(1 + ${drawn(16)} % 20 AS INTEGER)`,
  age: `CASE WHEN ${drawn(17)} % 20000 = 0 THEN -1 ELSE CAST(18 + ${drawn(18)} % 70 AS INTEGER) END`,
  score: even(19),
  latitude: `-90 + ${even(20)} * 180`,
  longitude: `-180 + ${even(21)} * 360`,
  created: `TIMESTAMP '2024-01-01' + to_seconds(${CREATED})`,
  updated: `TIMESTAMP '2024-01-01' + to_seconds(${CREATED} + (${drawn(23)} % 1000000)::BIGINT - 5)`,
  born: `DATE '1930-01-01' + (${drawn(24)} % 30000)::INTEGER`,
  note: `CASE WHEN ${drawn(25)} % 10 = 0 THEN NULL ELSE 'note ' || (${drawn(26)} % 500) END`,
  shop: `CAST(${drawn(27)} % 100000 AS BIGINT)`,
}

export const ORDER_COLUMNS = Object.keys(COLUMNS)
