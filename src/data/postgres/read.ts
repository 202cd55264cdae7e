/**
 * Rows of a table or a query of PostgreSQL as a file: one snapshot, copied as it streams, so that memory is bounded whatever the table is.
 *
 * The file is what `COPY … TO STDOUT` writes as CSV, below a line that says of each column what it is. It depends on the rows, their order and the columns alone: the same table gives
 * the same bytes again. (COPY takes a third of the processor time of a cursor, whose rows JavaScript has to take apart.)
 */
import { createWriteStream } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { to as copyTo } from 'pg-copy-streams'
import { excerpt, isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { ReadDef } from '../../define/types.ts'
import { closeNames } from '../../expr/close-names.ts'
import { parsePostgres, shownPostgres, shownRows } from './address.ts'
import {
  type CopiedColumn,
  copiedColumn,
  headerOf,
  identifier,
  NOTHING,
  type PostgresType,
} from './columns.ts'
import { connectPostgres, isDenied, type PostgresClient, stateOf } from './open.ts'

export interface PostgresRead {
  signal?: AbortSignal
  /** Told the bytes that were read up to now. */
  onBytes?: (bytes: number) => void
}

/**
 * Copies the rows into a file that is not there yet. The table or query of the address goes before that of `read`; without either it is the only table of the database.
 * Errors: MR_DATA_PG_ADDRESS, MR_DATA_PG_CONNECT, MR_DATA_PG_DENIED, MR_DATA_PG_TABLE, MR_DATA_PG_QUERY, MR_DATA_PG_TYPE, MR_DATA_PG_LOST, MR_CANCELLED.
 */
export async function readPostgres(
  address: string,
  read: Pick<ReadDef, 'table' | 'query'>,
  path: string,
  options: PostgresRead = {},
): Promise<{ name: string; rows: number }> {
  const parsed = parsePostgres(address)
  const place = shownPostgres(address).replace(/\?.*$/, '')
  const client = await connectPostgres(parsed, place)
  const state = { bytes: 0, sql: '' }
  const onAbort = () => void client.end().catch(() => undefined)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await begin(client)
    const { from, name } = await wanted(client, place, { ...read, ...chosen(parsed) })
    state.sql = parsed.query ?? read.query ?? from
    const columns = await columnsOf(client, from, name)
    const rows = await copy(client, columns, from, path, options, state)
    await client.query('COMMIT')
    return { name, rows }
  } catch (thrown) {
    if (options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: `reading ${place}` })
    throw readError(toError(thrown), place, state)
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
    await client.end().catch(() => undefined)
  }
}

/** What the address says goes alone: its table beside a query of the dataset is no fault of it. */
const chosen = ({ table, query }: Pick<ReadDef, 'table' | 'query'>): Pick<ReadDef, 'table' | 'query'> =>
  table === undefined && query === undefined ? {} : { table, query }

/** One snapshot, and one way to write each value and to go through the rows. */
async function begin(client: PostgresClient): Promise<void> {
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
  for (const setting of SETTINGS) await client.query(`SET LOCAL ${setting}`)
}

const SETTINGS = [
  "TimeZone = 'UTC'",
  "DateStyle = 'ISO, YMD'",
  "IntervalStyle = 'iso_8601'",
  "client_encoding = 'UTF8'",
  'extra_float_digits = 3',
  "bytea_output = 'hex'",
  // Both would give the rows in another order each time.
  'synchronize_seqscans = off',
  'max_parallel_workers_per_gather = 0',
]

/** What rows are read from, as it stands behind FROM, and what it is called. */
async function wanted(
  client: PostgresClient,
  place: string,
  { table, query }: Pick<ReadDef, 'table' | 'query'>,
): Promise<{ from: string; name: string }> {
  if (table !== undefined && query !== undefined)
    throw new MillraceError('MR_DATA_PG_ADDRESS', { source: place, why: 'it has both a table and a query' })
  if (query !== undefined) {
    // A comment that ends the query must not take the bracket with it.
    const text = query.trim().replace(/;\s*$/, '')
    return { from: `(${text}\n) AS rows_of_query`, name: shownRows(place, { query }) }
  }
  const found = await tableOf(client, place, table)
  return {
    from: `${identifier(found.schema)}.${identifier(found.name)}`,
    name: shownRows(place, { table: `${found.schema}.${found.name}` }),
  }
}

interface Table {
  schema: string
  name: string
  /** Whether it is found without its schema. */
  visible: boolean
}

const TABLES = `SELECT n.nspname AS schema, c.relname AS name, pg_table_is_visible(c.oid) AS visible
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  ORDER BY 1, 2`

const TABLES_SHOWN = 12

/** The table of that name, with its schema or, where the search path finds it, without; letters as they stand first, then as SQL folds them. */
async function tableOf(client: PostgresClient, place: string, asked: string | undefined): Promise<Table> {
  const { rows: tables } = await client.query<Table>(TABLES)
  const whole = ({ schema, name }: Table): string => `${schema}.${name}`
  if (asked === undefined) {
    if (tables.length === 1) return tables[0]!
    const near = tables.slice(0, TABLES_SHOWN).map(whole)
    throw new MillraceError('MR_DATA_PG_TABLE', { source: place, asked: '', near, tables: tables.length })
  }
  for (const text of [asked, asked.toLowerCase()]) {
    const found = tables.find((one) => whole(one) === text || (one.visible && one.name === text))
    if (found) return found
  }
  const hidden = await partitionOf(client, asked)
  if (hidden) return hidden
  const near = closeNames(asked, [...new Set(tables.flatMap((one) => [whole(one), one.name]))]).map((name) =>
    whole(tables.find((one) => one.name === name || whole(one) === name)!),
  )
  throw new MillraceError('MR_DATA_PG_TABLE', {
    source: place,
    asked: excerpt(asked),
    near: [...new Set(near)],
    tables: tables.length,
  })
}

/** One partition of a table, or a table of the server's own, when it is asked for by its whole name. */
async function partitionOf(client: PostgresClient, asked: string): Promise<Table | undefined> {
  const { rows } = await client.query<Table>(
    `SELECT n.nspname AS schema, c.relname AS name, true AS visible
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname || '.' || c.relname = $1`,
    [asked],
  )
  return rows[0]
}

async function columnsOf(client: PostgresClient, from: string, source: string): Promise<CopiedColumn[]> {
  const { fields } = await client.query(`SELECT * FROM ${from} LIMIT 0`)
  if (fields.length === 0)
    throw new MillraceError('MR_DATA_PG_QUERY', { source, why: 'it has no columns', sql: excerpt(from) })
  const { rows } = await client.query<PostgresType & { oid: number }>(
    `SELECT oid::int8::float8 AS oid, format_type(oid, NULL) AS name, typtype::text AS type, typcategory = 'A' AS "isArray"
      FROM pg_catalog.pg_type WHERE oid = ANY($1::oid[])`,
    [[...new Set(fields.map(({ dataTypeID }) => dataTypeID))]],
  )
  const types = new Map(rows.map((type) => [type.oid, type]))
  return fields.map(({ name, dataTypeID: oid, dataTypeModifier: modifier }) =>
    copiedColumn({ name, oid, modifier }, types.get(oid) ?? UNKNOWN, source),
  )
}

/** A type that was dropped since the question before; what is selected of it then fails. */
const UNKNOWN: PostgresType = { name: 'unknown', type: 'b', isArray: false }

const PROGRESS_BYTES = 1 << 20

async function copy(
  client: PostgresClient,
  columns: readonly CopiedColumn[],
  from: string,
  path: string,
  { onBytes }: PostgresRead,
  state: { bytes: number },
): Promise<number> {
  const list = columns.map(({ name, sql }) => `${sql} AS ${identifier(name)}`).join(', ')
  // An empty text in the only column would be an empty line, which readers of CSV leave out.
  const quoted = columns.length === 1 ? ', FORCE_QUOTE *' : ''
  const rows = client.query(
    copyTo(`COPY (SELECT ${list} FROM ${from}) TO STDOUT (FORMAT csv, NULL '${NOTHING}'${quoted})`),
  )
  let told = 0
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      state.bytes += chunk.length
      if (state.bytes - told >= PROGRESS_BYTES) {
        told = state.bytes
        onBytes?.(told)
      }
      done(null, chunk)
    },
  })
  counted.push(headerOf(columns))
  await pipeline(rows, counted, createWriteStream(path, { flags: 'wx' }))
  return rows.rowCount
}

/** The server ends, is ended or cannot be heard any more; the same again may pass. */
const isLost = (error: Error): boolean =>
  /^(08...|57P0.|57014|53...|40001|E[A-Z]+)$/.test(stateOf(error)) ||
  /connection terminated|not queryable/i.test(error.message)

function readError(error: Error, source: string, { bytes, sql }: { bytes: number; sql: string }): Error {
  if (isMillraceError(error)) return error
  if (isDenied(error))
    return new MillraceError('MR_DATA_PG_DENIED', { source, why: error.message }, { cause: error })
  if (isLost(error))
    return new MillraceError('MR_DATA_PG_LOST', { source, why: error.message, bytes }, { cause: error })
  if (stateOf(error) === '') return error
  return new MillraceError(
    'MR_DATA_PG_QUERY',
    { source, why: excerpt(error.message, 240), sql: excerpt(sql) },
    { cause: error },
  )
}
