import { createRequire } from 'node:module'
import { setTimeout as delay, setImmediate as eventLoop } from 'node:timers/promises'
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, Kysely, QueryResult } from 'kysely'
import Database from 'libsql'
import { MillraceError } from '../../core/errors.ts'
import { fault, isBusy } from '../disk/fault.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Schema } from './schema.ts'

/** Of its two builds the CommonJS one: its 260 modules are loaded a third sooner, and each command waits for them. */
const kysely = createRequire(import.meta.url)('kysely') as typeof import('kysely')

/**
 * Opens SQLite through libsql for Kysely: write-ahead log, every commit waits for the disk. SQLite's own
 * waiting for a busy database is off, because it would block the whole process, and in vain when the holder
 * is in this one; statements are tried again here instead, with the event loop free in between.
 */
export async function openLibsql(path: string): Promise<Kysely<Schema>> {
  const driver = new LibsqlDriver(path, connect(path))
  const dialect: Dialect = {
    createDriver: () => driver,
    createAdapter: () => new kysely.SqliteAdapter(),
    createQueryCompiler: () => new kysely.SqliteQueryCompiler(),
    createIntrospector: (db) => new kysely.SqliteIntrospector(db),
  }
  await driver.prepare()
  return new kysely.Kysely<Schema>({ dialect })
}

function connect(path: string): InstanceType<typeof Database> {
  try {
    return new Database(path, { timeout: 0 })
  } catch (thrown) {
    const code = /: 14"?\)/.test(String((thrown as Error).message)) ? 'SQLITE_CANTOPEN' : undefined
    throw fault(Object.assign(thrown as Error, code === undefined ? {} : { code }), path, 'open')
  }
}

class LibsqlDriver implements Driver {
  readonly #connection: LibsqlConnection
  #turn: Promise<void> = Promise.resolve()
  #endTurn: (() => void) | undefined
  #yieldedAt = 0

  constructor(path: string, db: InstanceType<typeof Database>) {
    this.#connection = new LibsqlConnection(path, db)
  }

  async prepare(): Promise<void> {
    for (const pragma of ['journal_mode = WAL', 'synchronous = FULL']) {
      await this.#connection.exec(`PRAGMA ${pragma}`)
    }
  }

  async init(): Promise<void> {}

  /**
   * One connection: callers take turns, first come first served. SQLite answers at once, so that a chain of
   * awaited statements would never let the event loop go; after each commit, and every few milliseconds, a
   * turn begins by doing so.
   */
  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#turn
    let end = () => {}
    this.#turn = new Promise((resolve) => {
      end = resolve
    })
    await before
    this.#endTurn = end
    if (performance.now() - this.#yieldedAt > STORE_LIMITS.statementsMsMax) {
      await eventLoop()
      this.#yieldedAt = performance.now()
    }
    return this.#connection
  }

  async releaseConnection(): Promise<void> {
    this.#endTurn?.()
  }

  /**
   * Takes the write lock at once: a transaction that reads first and writes later could be refused half-way.
   */
  async beginTransaction(): Promise<void> {
    await this.#connection.exec('begin immediate')
  }

  async commitTransaction(): Promise<void> {
    await this.#connection.exec('commit')
    this.#yieldedAt = 0
  }

  async rollbackTransaction(): Promise<void> {
    await this.#connection.rollback()
  }

  async destroy(): Promise<void> {
    this.#connection.close()
  }
}

type Statement = ReturnType<InstanceType<typeof Database>['prepare']>

class LibsqlConnection implements DatabaseConnection {
  readonly #path: string
  readonly #db: InstanceType<typeof Database>
  readonly #statements = new Map<string, Statement>()

  constructor(path: string, db: InstanceType<typeof Database>) {
    this.#path = path
    this.#db = db
  }

  /**
   * Runs a statement that takes or ends locks. It is not kept prepared: one that met a busy database would
   * stay half run and bar every commit.
   */
  exec(sql: string): Promise<void> {
    return this.#whenFree(() => {
      this.#opened().exec(sql)
    })
  }

  executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return this.#whenFree(() => this.#execute<R>(sql, parameters))
  }

  async #whenFree<T>(work: () => T): Promise<T> {
    const stopAt = performance.now() + STORE_LIMITS.busyWaitMsMax
    for (let tries = 0; ; tries++) {
      try {
        return work()
      } catch (thrown) {
        if (!isBusy(thrown)) throw fault(thrown, this.#path, 'write')
        if (performance.now() > stopAt) {
          throw new MillraceError(
            'MR_STORE_BUSY',
            { path: this.#path, waitedMs: STORE_LIMITS.busyWaitMsMax },
            { cause: thrown },
          )
        }
        await delay(Math.random() * Math.min(20, 1 + tries))
      }
    }
  }

  #opened(): InstanceType<typeof Database> {
    if (!this.#db.open) throw new MillraceError('MR_STORE_CLOSED', { what: this.#path })
    return this.#db
  }

  #execute<R>(sql: string, parameters: readonly unknown[]): QueryResult<R> {
    const statement = this.#prepare(sql)
    if (statement.reader) {
      const rows = statement.all(parameters as unknown[]) as R[]
      return { rows, numAffectedRows: BigInt(rows.length) }
    }
    const { changes } = statement.run(parameters as unknown[])
    return { rows: [], numAffectedRows: BigInt(changes) }
  }

  /** Preparing costs about as much as running; texts repeat because values travel as parameters. */
  #prepare(sql: string): Statement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#opened().prepare(sql)
    if (this.#statements.size >= STORE_LIMITS.statementsMax) this.#statements.clear()
    this.#statements.set(sql, statement)
    return statement
  }

  /** A failed statement (a full disk) may have rolled back already. */
  async rollback(): Promise<void> {
    if (this.#db.inTransaction) await this.exec('rollback')
  }

  // biome-ignore lint/correctness/useYield: this port reads pages, never streams
  async *streamQuery(): AsyncIterableIterator<never> {
    throw new Error('the metadata database is read in pages, not as a stream')
  }

  close(): void {
    this.#statements.clear()
    if (this.#db.open) this.#db.close()
  }
}
