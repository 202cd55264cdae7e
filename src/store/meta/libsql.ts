import { setTimeout as delay } from 'node:timers/promises'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import Database from 'libsql'
import { MillraceError } from '../../core/errors.ts'
import { fault, isBusy } from '../disk/fault.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Schema } from './schema.ts'

/**
 * Opens SQLite through libsql for Kysely: write-ahead log, every commit waits for the disk. SQLite's own waiting would block the whole
 * process, and for ever when the holder is in this one; so it is used only while opening, and later a busy database is waited for
 * here, between statements.
 */
export async function openLibsql(path: string): Promise<Kysely<Schema>> {
  const driver = new LibsqlDriver(path, connect(path))
  const dialect: Dialect = {
    createDriver: () => driver,
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  }
  await driver.prepare()
  return new Kysely<Schema>({ dialect })
}

function connect(path: string): InstanceType<typeof Database> {
  try {
    return new Database(path, { timeout: 5000 })
  } catch (thrown) {
    const code = /: 14"?\)/.test(String((thrown as Error).message)) ? 'SQLITE_CANTOPEN' : undefined
    throw fault(Object.assign(thrown as Error, code === undefined ? {} : { code }), path, 'open')
  }
}

class LibsqlDriver implements Driver {
  readonly #connection: LibsqlConnection
  #turn: Promise<void> = Promise.resolve()
  #endTurn: (() => void) | undefined

  constructor(path: string, db: InstanceType<typeof Database>) {
    this.#connection = new LibsqlConnection(path, db)
  }

  async prepare(): Promise<void> {
    for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'busy_timeout = 0']) {
      await this.#connection.run(`PRAGMA ${pragma}`)
    }
  }

  async init(): Promise<void> {}

  /** One connection: callers take turns, first come first served. */
  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#turn
    let end = () => {}
    this.#turn = new Promise((resolve) => {
      end = resolve
    })
    await before
    this.#endTurn = end
    return this.#connection
  }

  async releaseConnection(): Promise<void> {
    this.#endTurn?.()
  }

  /** Takes the write lock at once: a transaction that reads first and writes later could be refused half-way. */
  async beginTransaction(): Promise<void> {
    await this.#connection.run('begin immediate')
  }

  async commitTransaction(): Promise<void> {
    await this.#connection.run('commit')
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

  run(sql: string): Promise<QueryResult<unknown>> {
    return this.executeQuery(CompiledQuery.raw(sql))
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const stopAt = performance.now() + STORE_LIMITS.busyWaitMsMax
    for (let tries = 0; ; tries++) {
      try {
        return this.#execute<R>(sql, parameters)
      } catch (thrown) {
        this.#statements.delete(sql)
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
    if (!this.#db.open) throw new MillraceError('MR_STORE_CLOSED', { what: this.#path })
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#db.prepare(sql)
    if (this.#statements.size >= STORE_LIMITS.statementsMax) this.#statements.clear()
    this.#statements.set(sql, statement)
    return statement
  }

  /** A failed statement (a full disk) may have rolled back already. */
  async rollback(): Promise<void> {
    if (this.#db.inTransaction) await this.run('rollback')
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
