/**
 * A throw-away DuckDB inside the child process. One thread where parts are written, so that sums, row groups and therefore bytes are the same every time;
 * a bounded memory with a spill folder; no extension is ever loaded.
 */
import { join } from 'node:path'
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { MillraceError, toError } from '../core/errors.ts'
import type { Sql, SqlValue } from '../expr/sql.ts'
import { isDiskFull } from '../store/disk/fault.ts'

/** Statements that meet a full disk fail by MR_NO_SPACE, all others by what the engine says. */
export interface Duck {
  run(sql: string | Sql): Promise<void>
  rows<R>(sql: string | Sql): Promise<R[]>
  one<R>(sql: string | Sql): Promise<R>
  /** Hands over the rows as they come, in full vectors whose memory is the engine's own until the next one. */
  chunks(sql: string | Sql): AsyncIterable<DuckDBDataChunk>
  /** Adds rows to a table, in blocks of at most 2,048 by column. */
  append(table: string, types: readonly DuckDBType[], blocks: Iterable<DuckDBValue[][]>): Promise<void>
  /** Rows the running statement has gone through. */
  processed(): number
  /** How far the running statement is, from 0 to 1. */
  share(): number
  /** Ends the running statement, which then fails. */
  interrupt(): void
  /** Path of a file of its own in the job's folder, which is removed with it. */
  scratch(what: string): string
  close(): void
}

export async function openDuck(folder: string, memoryMb: number, threads = 1): Promise<Duck> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${memoryMb}MB`,
    temp_directory: `${folder}/spill`,
    preserve_insertion_order: 'true',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  for (const setting of COUNTING) await connection.run(`SET ${setting}`)
  return duckOf(connection, instance, folder)
}

/** Without these the engine does not count the rows that a statement has gone through. */
const COUNTING = ['enable_progress_bar = true', 'enable_progress_bar_print = false', 'progress_bar_time = 0']

function duckOf(connection: DuckDBConnection, instance: DuckDBInstance, folder: string): Duck {
  let files = 0
  const read = async <R>(sql: string | Sql): Promise<R[]> => {
    const { text, params } = statementOf(sql)
    try {
      const reader = await connection.runAndReadAll(text, params.map(bound))
      return reader.getRowObjectsJS().map(plain) as R[]
    } catch (thrown) {
      if (!isDiskFull(toError(thrown))) throw thrown
      throw new MillraceError('MR_NO_SPACE', { path: folder }, { cause: thrown })
    }
  }
  return {
    run: async (sql) => {
      await read(sql)
    },
    rows: read,
    chunks: (sql) => chunksOf(connection, sql),
    append: (table, types, blocks) => append(connection, table, types, blocks),
    one: async <R>(sql: string | Sql) => (await read<R>(sql))[0]!,
    processed: () => Number(connection.progress.rows_processed),
    share: () => Math.min(1, Math.max(0, connection.progress.percentage / 100)),
    interrupt: () => connection.interrupt(),
    scratch: (what) => join(folder, `${what}-${++files}`),
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
}

async function* chunksOf(connection: DuckDBConnection, sql: string | Sql): AsyncIterable<DuckDBDataChunk> {
  const { text, params } = statementOf(sql)
  const result = await connection.stream(text, params.map(bound))
  for (;;) {
    const chunk = await result.fetchChunk()
    if (!chunk || chunk.rowCount === 0) return
    yield chunk
  }
}

const statementOf = (sql: string | Sql): Sql => (typeof sql === 'string' ? { text: sql, params: [] } : sql)

async function append(
  connection: DuckDBConnection,
  table: string,
  types: readonly DuckDBType[],
  blocks: Iterable<DuckDBValue[][]>,
): Promise<void> {
  const appender = await connection.createAppender(table)
  try {
    for (const columns of blocks) {
      const chunk = DuckDBDataChunk.create(types)
      chunk.setColumns(columns)
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

function bound(value: SqlValue): DuckDBValue {
  return value instanceof Date ? new DuckDBTimestampValue(BigInt(value.getTime()) * 1000n) : value
}

/** Counts come as bigint and instants as Date: both become numbers. */
function plain(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]))
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Date) return value.getTime()
  if (Array.isArray(value)) return value.map(plainValue)
  return value
}

export { literal, quoted as quote } from '../expr/sql.ts'
