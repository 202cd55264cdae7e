/** Values of files that the engine does not read, as columns of one type each: the narrowest that holds all of a column's values. */
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  TIMESTAMP,
  VARCHAR,
} from '@duckdb/node-api'
import type { Duck } from './duck.ts'
import { BLOCK_ROWS, stageTable } from './staged-table.ts'

/** A day or an instant, as microseconds from the epoch. */
export interface StagedInstant {
  micros: bigint
  isDay: boolean
}

export type StagedValue = null | boolean | number | bigint | string | Uint8Array | StagedInstant

/** What all values of a column are; `text` holds any. */
type Kind = 'bool' | 'int' | 'float' | 'day' | 'instant' | 'bytes' | 'text'

const isInstant = (value: StagedValue): value is StagedInstant =>
  typeof value === 'object' && value !== null && 'micros' in value

function kindOf(value: Exclude<StagedValue, null>): Kind {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int' : 'float'
  if (typeof value === 'string') return 'text'
  return isInstant(value) ? (value.isDay ? 'day' : 'instant') : 'bytes'
}

/** The kind that holds both. */
function widest(a: Kind, b: Kind): Kind {
  if (a === b) return a
  const both = new Set([a, b])
  if (both.has('int') && both.has('float')) return 'float'
  return both.has('day') && both.has('instant') ? 'instant' : 'text'
}

/** Kinds of columns, learned row by row. */
export class ColumnKinds {
  readonly #kinds: (Kind | undefined)[]

  constructor(columns: number) {
    this.#kinds = Array.from({ length: columns })
  }

  see(row: readonly StagedValue[]): void {
    for (const [i, value] of row.entries()) {
      if (value === null) continue
      const kind = kindOf(value)
      this.#kinds[i] = widest(this.#kinds[i] ?? kind, kind)
    }
  }

  /** Columns without a value are text. */
  get all(): Kind[] {
    return this.#kinds.map((kind) => kind ?? 'text')
  }
}

const DAY_MICROS = 86_400_000_000n

const ENGINE: Record<Kind, { sql: string; type: DuckDBType; value: (value: never) => DuckDBValue }> = {
  bool: { sql: 'BOOLEAN', type: BOOLEAN, value: (value: boolean) => value },
  int: { sql: 'BIGINT', type: BIGINT, value: (value: number | bigint) => BigInt(value) },
  float: { sql: 'DOUBLE', type: DOUBLE, value: (value: number | bigint) => Number(value) },
  day: {
    sql: 'DATE',
    type: DATE,
    value: ({ micros }: StagedInstant) => new DuckDBDateValue(Number(micros / DAY_MICROS)),
  },
  instant: {
    sql: 'TIMESTAMP',
    type: TIMESTAMP,
    value: ({ micros }: StagedInstant) => new DuckDBTimestampValue(micros),
  },
  bytes: { sql: 'BLOB', type: BLOB, value: (value: Uint8Array) => new DuckDBBlobValue(value) },
  text: { sql: 'VARCHAR', type: VARCHAR, value: (value: Exclude<StagedValue, null>) => textOf(value) },
}

/** A value as text, where a column has others too. */
export function textOf(value: Exclude<StagedValue, null>): string {
  if (isInstant(value)) {
    const iso = new Date(Number(value.micros / 1_000n)).toISOString()
    return value.isDay ? iso.slice(0, 10) : iso.replace('T', ' ').replace(/(\.000)?Z$/, '')
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}

/** Writes rows into a table of the engine. */
export async function stageRows(
  duck: Duck,
  table: string,
  names: readonly string[],
  kinds: readonly Kind[],
  rows: Iterable<readonly StagedValue[]>,
): Promise<void> {
  const columns = names.map((name, i) => ({ name, ...ENGINE[kinds[i]!] }))
  await stageTable(duck, table, columns, blocksOf(rows, kinds))
}

function* blocksOf(
  rows: Iterable<readonly StagedValue[]>,
  kinds: readonly Kind[],
): Generator<DuckDBValue[][]> {
  const empty = (): DuckDBValue[][] => kinds.map(() => [])
  let block = empty()
  for (const row of rows) {
    for (const [i, kind] of kinds.entries()) {
      const value = row[i] ?? null
      block[i]!.push(value === null ? null : ENGINE[kind].value(value as never))
    }
    if (block[0]!.length < BLOCK_ROWS) continue
    yield block
    block = empty()
  }
  if (block[0]!.length > 0) yield block
}
