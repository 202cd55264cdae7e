/** A Query that keeps tables of its own and streams: what frames are asked of. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBDateValue,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { assert, excerpt, MillraceError, toError } from '../../core/errors.ts'
import { literal, quoted, sql as written } from '../../expr/sql.ts'
import type { QueryOptions } from '../open.ts'
import type { LoadedColumn, Sql, Tables, TypedBatch } from '../ports.ts'
import { acquireQuerySlot } from '../slots.ts'
import { cancelled, DuckdbQuery, interruptOn, opened, type Settings } from './query.ts'
import { type TypedBuilder, typedBuilderOf } from './typed-columns.ts'
import { bindParams } from './values.ts'

const BATCH_ROWS = 65_536
/** Rows of one vector of the engine. */
const VECTOR_ROWS = 2_048

/** Opens DuckDB in memory (`path` empty) or on a file, with tables. See `openTables`. */
export async function openDuckdbTables(path: string, options: QueryOptions): Promise<Tables> {
  return await opened(path, options, (settings) => new DuckdbTables(settings))
}

class DuckdbTables extends DuckdbQuery implements Tables {
  losses = 0
  private readonly scratch: string

  constructor(settings: Settings) {
    super(settings)
    this.scratch = settings.tempDir
  }

  protected override dropInstance(): void {
    super.dropInstance()
    this.losses++
  }

  async describe(sql: Sql, signal?: AbortSignal): Promise<{ name: string; type: string }[]> {
    return await this.connected(sql, signal, async (connection) => {
      const statement = await connection.prepare(`SELECT * FROM (${sql.text}) LIMIT 0`)
      try {
        bindParams(statement, sql.params)
        const result = await statement.run()
        const types = result.columnTypes()
        return result.columnNames().map((name, i) => ({ name, type: String(types[i]) }))
      } finally {
        statement.destroySync()
      }
    })
  }

  async *batches(
    sql: Sql,
    { batchRows = BATCH_ROWS, signal }: { batchRows?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<TypedBatch> {
    assert(!this.closed, 'a Query is not used after close()')
    const own = new AbortController()
    const either = signal ? AbortSignal.any([signal, own.signal]) : own.signal
    if (either.aborted) throw cancelled(sql)
    const instance = await this.open()
    const connection = await instance.connect()
    const interrupting = interruptOn(either, connection)
    let ended = () => {}
    const whole = new Promise<void>((resolve) => {
      ended = resolve
    })
    this.running.set(whole, own)
    let statement: DuckDBPreparedStatement | undefined
    try {
      statement = await connection.prepare(closedBy(sql).text)
      bindParams(statement, sql.params)
      const result = await inSlot(either, () => statement!.stream())
      yield* this.read(result, sql, batchRows, either)
    } catch (thrown) {
      throw await this.explain(thrown, sql, either, instance)
    } finally {
      interrupting.stop()
      statement?.destroySync()
      connection.disconnectSync()
      this.running.delete(whole)
      ended()
    }
  }

  /** The last row is our own: where it does not come, the result failed half-way, which the binding does not say. */
  private async *read(
    result: DuckDBResult,
    sql: Sql,
    batchRows: number,
    signal: AbortSignal,
  ): AsyncGenerator<TypedBatch> {
    const names = result.columnNames().slice(0, -1)
    const builders = names.map((_, i) =>
      typedBuilderOf(result.columnType(i), Math.min(batchRows, BATCH_ROWS)),
    )
    let nRows = 0
    let isWhole = false
    const take = (): TypedBatch => {
      const batch = takeBatch(names, builders, nRows)
      nRows = 0
      return batch
    }
    while (!isWhole) {
      const chunk = await inSlot(signal, () => result.fetchChunk())
      if (signal.aborted) throw cancelled(sql)
      if (!chunk || chunk.rowCount === 0) throw await this.cutShort(sql, signal)
      isWhole = isLast(chunk, names.length)
      const n = chunk.rowCount - (isWhole ? 1 : 0)
      if (nRows + n > batchRows && nRows > 0) yield take()
      builders.forEach((builder, i) => {
        if (n > 0) builder.add(chunk.getColumnVector(i), n)
      })
      nRows += n
      if (nRows >= batchRows) yield take()
    }
    if (nRows > 0) yield take()
  }

  /** Runs the question to a scratch file, which fails where the stream did and says why. */
  private async cutShort(sql: Sql, signal: AbortSignal): Promise<Error> {
    const file = join(this.scratch, `${randomUUID()}.parquet`)
    try {
      await this.exec(written`COPY (${sql}) TO ${literal(file)} (FORMAT parquet)`, signal)
    } catch (thrown) {
      return toError(thrown)
    } finally {
      await rm(file, { force: true })
    }
    const about = { kind: 'Stream', message: 'the result ended before its last row', sql: excerpt(sql.text) }
    return new MillraceError('MR_QUERY_FAILED', about)
  }

  async load(table: string, columns: readonly LoadedColumn[], nRows: number): Promise<void> {
    const list = columns.map(({ name, type }) => `${quoted(name)} ${LOADS[type].sql}`).join(', ')
    const sql = { text: `CREATE OR REPLACE TABLE ${quoted(table)} (${list})`, params: [] }
    await this.exec(sql)
    await this.connected(sql, undefined, async (connection) => append(connection, table, columns, nRows))
  }

  private async connected<T>(
    sql: Sql,
    signal: AbortSignal | undefined,
    act: (connection: DuckDBConnection) => Promise<T>,
  ): Promise<T> {
    assert(!this.closed, 'a Query is not used after close()')
    const instance = await this.open()
    const connection = await instance.connect()
    const never = signal ?? new AbortController().signal
    try {
      return await inSlot(never, () => act(connection))
    } catch (thrown) {
      throw await this.explain(thrown, sql, never, instance)
    } finally {
      connection.disconnectSync()
    }
  }
}

/** The question with a last row that says so. Its order stays: the engine keeps the order of what is put one after another. */
const closedBy = (sql: Sql): Sql =>
  written`SELECT *, false AS "~whole" FROM (${sql}) UNION ALL BY NAME SELECT true AS "~whole"`

function isLast(chunk: DuckDBDataChunk, column: number): boolean {
  return chunk.getColumnVector(column).getItem(chunk.rowCount - 1) === true
}

function takeBatch(names: string[], builders: TypedBuilder[], nRows: number): TypedBatch {
  return { nRows, columns: Object.fromEntries(names.map((name, i) => [name, builders[i]!.take()])) }
}

/** A place among the process's queries is held while the engine works, and not while the caller does. */
async function inSlot<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  const release = await acquireQuerySlot(signal)
  try {
    return await act()
  } finally {
    release()
  }
}

async function append(
  connection: DuckDBConnection,
  table: string,
  columns: readonly LoadedColumn[],
  nRows: number,
): Promise<void> {
  const appender = await connection.createAppender(table)
  try {
    const types = columns.map((_, i) => appender.columnType(i))
    for (let begin = 0; begin < nRows; begin += VECTOR_ROWS) {
      const length = Math.min(VECTOR_ROWS, nRows - begin)
      const chunk = DuckDBDataChunk.create(types)
      chunk.setColumns(
        columns.map(({ type, values }) => {
          const to = LOADS[type].value
          return Array.from({ length }, (_, i) => {
            const value = values[begin + i]
            return value === null || value === undefined ? null : to(value as never)
          })
        }),
      )
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

const millis = (value: number | Date): number => Number(value)

const LOADS: Record<LoadedColumn['type'], { sql: string; value: (value: never) => DuckDBValue }> = {
  bool: { sql: 'BOOLEAN', value: (value: boolean | number) => Boolean(value) },
  int: { sql: 'BIGINT', value: (value: number | bigint) => BigInt(value) },
  float: { sql: 'DOUBLE', value: (value: number | bigint) => Number(value) },
  string: { sql: 'VARCHAR', value: (value: unknown) => String(value) },
  time: {
    sql: 'TIMESTAMP',
    value: (value: number | Date) => {
      const ms = millis(value)
      return Number.isFinite(ms) ? new DuckDBTimestampValue(BigInt(Math.round(ms * 1000))) : null
    },
  },
  date: {
    sql: 'DATE',
    value: (value: number | Date) => {
      const ms = millis(value)
      return Number.isFinite(ms) ? new DuckDBDateValue(Math.floor(ms / 86_400_000)) : null
    },
  },
  json: { sql: 'JSON', value: (value: unknown) => JSON.stringify(value) },
}
