/**
 * Query on DuckDB: one in-process instance, a connection for each query that runs, results read chunk by chunk.
 *
 * Results are complete in the engine before they are read: a streamed result of this binding that fails half-way ends exactly like
 * one that is complete, so rows would be missing without a word.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance, type DuckDBMaterializedResult } from '@duckdb/node-api'
import { assert, excerpt, isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import { literal } from '../../expr/sql.ts'
import type { QueryOptions } from '../open.ts'
import type { Columns, Query, Sql } from '../ports.ts'
import { acquireQuerySlot } from '../slots.ts'
import { builderOf } from './columns.ts'
import { failureOf } from './failures.ts'
import { bindParams, toPlain } from './values.ts'

const MEMORY_MB = 512
const THREADS = 2
/** While a cancelled query still runs it is interrupted this often: an interrupt before it has begun is lost. */
const INTERRUPT_MS = 10

/** Statements whose effect would stay with one connection. */
const SESSION =
  /^\s*(?:create\s+(?:or\s+replace\s+)?temp(?:orary)?\b|begin\b|start\s+transaction\b|commit\b|rollback\b)/i

export type Settings = Required<Omit<QueryOptions, 'tempDir' | 'groupBits'>> & {
  groupBits?: number
  tempDir: string
  path: string
}

/** Opens DuckDB in memory (`path` empty) or on a file. See `openQuery`. */
export async function openDuckdb(path: string, options: QueryOptions): Promise<Query> {
  return await opened(path, options, (settings) => new DuckdbQuery(settings))
}

/** Makes the folder for spilled data and opens what `make` gives; nothing is left of it when that fails. */
export async function opened<Q extends DuckdbQuery>(
  path: string,
  options: QueryOptions,
  make: (settings: Settings) => Q,
): Promise<Q> {
  const tempDir = await mkdtemp(join(options.tempDir ?? tmpdir(), 'duckdb-'))
  const settings: Settings = {
    memoryMb: MEMORY_MB,
    threads: THREADS,
    files: 'all',
    ...options,
    tempDir,
    path,
  }
  const query = make(settings)
  try {
    await query.open()
  } catch (thrown) {
    await rm(tempDir, { recursive: true, force: true })
    throw thrown
  }
  return query
}

async function openInstance(settings: Settings): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(settings.path || ':memory:', {
    memory_limit: `${settings.memoryMb}MiB`,
    threads: String(settings.threads),
    temp_directory: settings.tempDir,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    ...(settings.groupBits !== undefined && { perfect_ht_threshold: String(settings.groupBits) }),
  })
  const connection = await instance.connect()
  for (const sql of setupOf(settings)) await connection.run(sql)
  connection.disconnectSync()
  return instance
}

/** Times mean UTC everywhere; SQL from outside sees its own files alone and cannot change that. */
function setupOf({ files }: Settings): string[] {
  const utc = "SET GLOBAL TimeZone = 'UTC'"
  if (files === 'all') return [utc]
  const folders = files.filter((file) => file.endsWith('/'))
  const single = files.filter((file) => !file.endsWith('/'))
  return [
    utc,
    `SET GLOBAL allowed_directories = ${listOf(folders)}`,
    `SET GLOBAL allowed_paths = ${listOf(single)}`,
    'SET GLOBAL enable_external_access = false',
    'SET GLOBAL lock_configuration = true',
  ]
}

const listOf = (paths: string[]) => `[${paths.map((path) => literal(path)).join(', ')}]`

export class DuckdbQuery implements Query {
  private readonly settings: Settings
  private instance: DuckDBInstance | undefined
  private opening: Promise<DuckDBInstance> | undefined
  /** Connections that rest, newest last. Each belongs to `instance`; they are dropped with it. */
  private idle: DuckDBConnection[] = []
  protected readonly running = new Map<Promise<unknown>, AbortController>()
  protected closed = false

  constructor(settings: Settings) {
    this.settings = settings
  }

  async rows<R extends Record<string, unknown>>(sql: Sql, signal?: AbortSignal): Promise<R[]> {
    return await this.call(sql, signal, async (result, check) => {
      const names = result.deduplicatedColumnNames()
      const rows: R[] = []
      for await (const chunk of result) {
        check()
        for (const values of chunk.getRows()) rows.push(rowOf(names, values.map(toPlain)) as R)
      }
      return rows
    })
  }

  async columns(sql: Sql, options: { categories?: string[]; signal?: AbortSignal } = {}): Promise<Columns> {
    return await this.call(sql, options.signal, async (result, check) => {
      const names = result.deduplicatedColumnNames()
      const types = result.columnTypes()
      const builders = names.map((name, i) =>
        builderOf(types[i]!, result.rowCount, options.categories?.includes(name) ?? false),
      )
      let nRows = 0
      for await (const chunk of result) {
        check()
        const n = chunk.rowCount
        for (const [i, builder] of builders.entries()) builder.add(chunk.getColumnVector(i), nRows, n)
        nRows += n
      }
      return { nRows, columns: Object.fromEntries(names.map((name, i) => [name, builders[i]!.finish()])) }
    })
  }

  async exec(sql: Sql, signal?: AbortSignal): Promise<void> {
    if (SESSION.test(sql.text)) {
      throw new MillraceError('MR_QUERY_SESSION', { statement: excerpt(sql.text.trim()) })
    }
    await this.call(sql, signal, async () => undefined)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const abort of this.running.values()) abort.abort()
    await Promise.allSettled(this.running.keys())
    this.dropInstance()
    await rm(this.settings.tempDir, { recursive: true, force: true })
  }

  async open(): Promise<DuckDBInstance> {
    if (this.instance) return this.instance
    this.opening ??= openInstance(this.settings).finally(() => {
      this.opening = undefined
    })
    try {
      this.instance = await this.opening
      return this.instance
    } catch (thrown) {
      throw this.codedOrItself(thrown, `open ${this.settings.path || 'in memory'}`)
    }
  }

  protected dropInstance(): void {
    for (const connection of this.idle.splice(0)) connection.disconnectSync()
    this.instance?.closeSync()
    this.instance = undefined
  }

  /** Runs one query: a place among the process's queries, a connection, a result that `read` drains, and its cancellation. */
  private call<T>(sql: Sql, signal: AbortSignal | undefined, read: Reading<T>): Promise<T> {
    assert(!this.closed, 'a Query is not used after close()')
    const own = new AbortController()
    const either = signal ? AbortSignal.any([signal, own.signal]) : own.signal
    const promise = this.inSlot(sql, either, read)
    this.running.set(promise, own)
    const done = () => this.running.delete(promise)
    promise.then(done, done)
    return promise
  }

  private async inSlot<T>(sql: Sql, signal: AbortSignal, read: Reading<T>): Promise<T> {
    if (signal.aborted) throw cancelled(sql)
    const release = await acquireQuerySlot(signal)
    try {
      return await this.onConnection(sql, signal, read)
    } finally {
      release()
    }
  }

  /** A connection goes back to rest only after a query that ended well; after any other it is dropped with what it left open. */
  private async onConnection<T>(sql: Sql, signal: AbortSignal, read: Reading<T>): Promise<T> {
    const instance = await this.open()
    const connection = this.idle.pop() ?? (await instance.connect())
    const interrupting = interruptOn(signal, connection)
    try {
      const value = await drain(connection, sql, signal, read)
      if (this.instance === instance) this.idle.push(connection)
      else connection.disconnectSync()
      return value
    } catch (thrown) {
      connection.disconnectSync()
      throw await this.explain(thrown, sql, signal, instance)
    } finally {
      interrupting.stop()
    }
  }

  /** What is thrown of a failed statement, coded. */
  protected async explain(
    thrown: unknown,
    sql: Sql,
    signal: AbortSignal,
    instance: DuckDBInstance,
  ): Promise<Error> {
    if (signal.aborted) return cancelled(sql)
    if (isMillraceError(thrown)) return thrown
    const failure = failureOf(thrown, { sql: sql.text, ...this.settings })
    if (failure.kind === 'cancelled') return cancelled(sql)
    if (failure.kind === 'error') return failure.error
    return await this.broken(failure.message, sql, instance, toError(thrown))
  }

  /** After an internal error DuckDB may refuse everything; then the instance is dropped and the next query opens another. */
  private async broken(message: string, sql: Sql, instance: DuckDBInstance, cause: Error): Promise<Error> {
    const about = { message, sql: excerpt(sql.text.trim(), 400) }
    if (await answers(instance))
      return new MillraceError('MR_QUERY_FAILED', { kind: 'INTERNAL', ...about }, { cause })
    if (this.instance === instance) this.dropInstance()
    return new MillraceError('MR_QUERY_ENGINE_LOST', about, { cause })
  }

  private codedOrItself(thrown: unknown, sql: string): Error {
    const failure = failureOf(thrown, { sql, ...this.settings })
    return failure.kind === 'error' ? failure.error : toError(thrown)
  }
}

/** Reads a result; `check` throws when the query was cancelled. */
type Reading<T> = (result: DuckDBMaterializedResult, check: () => void) => Promise<T>

async function drain<T>(
  connection: DuckDBConnection,
  sql: Sql,
  signal: AbortSignal,
  read: Reading<T>,
): Promise<T> {
  const check = () => {
    if (signal.aborted) throw cancelled(sql)
  }
  const statements = await connection.extractStatements(sql.text)
  const last = statements.count - 1
  if (last < 0)
    throw new MillraceError('MR_QUERY_FAILED', { kind: 'Parser', message: 'no statement', sql: '' })
  for (let i = 0; i <= last; i++) {
    check()
    const statement = await statements.prepare(i)
    try {
      if (i === last) bindParams(statement, sql.params)
      const result = await statement.run()
      if (i === last) return await read(result, check)
    } finally {
      statement.destroySync()
    }
  }
  throw new Error('unreachable')
}

export function interruptOn(signal: AbortSignal, connection: DuckDBConnection): { stop: () => void } {
  let timer: NodeJS.Timeout | undefined
  const onAbort = () => {
    connection.interrupt()
    timer = setInterval(() => connection.interrupt(), INTERRUPT_MS)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  return {
    stop: () => {
      signal.removeEventListener('abort', onAbort)
      clearInterval(timer)
    },
  }
}

async function answers(instance: DuckDBInstance): Promise<boolean> {
  try {
    const connection = await instance.connect()
    await connection.run('SELECT 1')
    connection.disconnectSync()
    return true
  } catch {
    return false
  }
}

export const cancelled = (sql: Sql) =>
  new MillraceError('MR_CANCELLED', { what: `the query "${excerpt(sql.text.trim())}"` })

function rowOf(names: string[], values: unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  names.forEach((name, i) => {
    row[name] = values[i]
  })
  return row
}
