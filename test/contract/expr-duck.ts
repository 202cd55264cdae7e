import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Sql } from '../../src/expr/sql.ts'

/** A DuckDB session in UTC, as expressions need it, with results as plain JavaScript values: times as epoch milliseconds. */
export class Duck {
  private readonly connection: DuckDBConnection

  private constructor(connection: DuckDBConnection) {
    this.connection = connection
  }

  static async open(): Promise<Duck> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return new Duck(connection)
  }

  async rows(query: Sql): Promise<Record<string, unknown>[]> {
    const reader = await this.connection.runAndReadAll(query.text, query.params as never)
    return reader
      .getRowObjects()
      .map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)])))
  }

  async exec(text: string, params: unknown[] = []): Promise<void> {
    await this.connection.run(text, params as never)
  }

  close(): void {
    this.connection.closeSync()
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value !== null && typeof value === 'object' && 'micros' in value) return Number(value.micros) / 1000
  return value
}
