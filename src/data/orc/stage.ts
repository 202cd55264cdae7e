/** Rows of an ORC file as a table of the engine, which does not read ORC itself. */
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DOUBLE,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  FLOAT,
  TIMESTAMP,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api'
import type { TimeWindow } from '../../core/records.ts'
import { type Duck, quote } from '../duck.ts'
import { BLOCK_ROWS, jsonOf, requireNames, stageTable } from '../staged-table.ts'
import type { OrcCondition } from './prune.ts'
import { type OrcField, openOrc } from './read.ts'
import type { OrcKind } from './tail.ts'
import { decimalText, type OrcColumn, placeOf, valueAt } from './values.ts'

export interface StageOptions {
  path: string
  /** What errors call the file. */
  name: string
  /** Rows that are wanted: groups that hold none of them are not read. */
  window?: { column: string; window: TimeWindow }
}

/** Reads the file into a table of its own and gives its name. Lists, maps, structs and unions become JSON, decimals doubles. Errors: MR_DATA_UNREADABLE. */
export async function stageOrc(duck: Duck, { path, name, window }: StageOptions): Promise<string> {
  const table = `orc ${path}`
  const reader = openOrc(path, name)
  try {
    const { fields } = reader
    requireNames(fields, { file: name, format: 'orc' })
    const where = window ? conditionsOf(fields, window) : []
    const columns = fields.map(({ name: column, type }) => ({ name: column, ...KINDS[type.kind] }))
    await stageTable(duck, table, columns, rowsOf(reader.batches({ where }), fields))
    return quote(table)
  } finally {
    reader.close()
  }
}

/** Times of the file that are compared with a window: days and instants have statistics, others are read whole. */
function conditionsOf(
  fields: readonly OrcField[],
  { column, window }: { column: string; window: TimeWindow },
): OrcCondition[] {
  const kind = fields.find(({ name }) => name === column)?.type.kind
  const unit = kind === 'date' ? DAY_MS : kind === 'timestamp' || kind === 'instant' ? 1 : undefined
  if (unit === undefined) return []
  return [{ column, min: Math.floor(window.fromAt / unit), max: Math.ceil(window.toAt / unit) }]
}

const DAY_MS = 86_400_000

interface EngineKind {
  sql: string
  type: DuckDBType
  /** A value by its place among those that the column has; absent for what is nested, which has its JSON. */
  read?: (column: OrcColumn, at: number) => DuckDBValue
}

const kind = <K extends OrcKind>(
  sql: string,
  type: DuckDBType,
  read: (column: Extract<OrcColumn, { kind: K }>, at: number) => DuckDBValue,
): EngineKind => ({ sql, type, read: read as EngineKind['read'] })

const INT = kind<'byte' | 'short' | 'int'>('BIGINT', BIGINT, ({ values }, at) => BigInt(values[at]!))
const TEXT = kind<'string' | 'varchar' | 'char'>('VARCHAR', VARCHAR, ({ values }, at) => values[at]!)
const NESTED: EngineKind = { sql: 'JSON', type: VARCHAR }

const KINDS: Record<OrcKind, EngineKind> = {
  boolean: kind<'boolean'>('BOOLEAN', BOOLEAN, ({ values }, at) => values[at] === 1),
  byte: INT,
  short: INT,
  int: INT,
  long: kind<'long'>('BIGINT', BIGINT, ({ values }, at) => values[at]!),
  float: kind<'float'>('FLOAT', FLOAT, ({ values }, at) => values[at]!),
  double: kind<'double'>('DOUBLE', DOUBLE, ({ values }, at) => values[at]!),
  decimal: kind<'decimal'>('DOUBLE', DOUBLE, ({ values, scale, scales }, at) =>
    Number(decimalText(values[at]!, scales?.[at] ?? scale)),
  ),
  string: TEXT,
  varchar: TEXT,
  char: TEXT,
  binary: kind<'binary'>('BLOB', BLOB, ({ values }, at) => new DuckDBBlobValue(values[at]!)),
  date: kind<'date'>('DATE', DATE, ({ values }, at) => new DuckDBDateValue(values[at]!)),
  timestamp: kind<'timestamp'>(
    'TIMESTAMP',
    TIMESTAMP,
    ({ values }, at) => new DuckDBTimestampValue(values[at]!),
  ),
  instant: kind<'instant'>(
    'TIMESTAMP WITH TIME ZONE',
    TIMESTAMPTZ,
    ({ values }, at) => new DuckDBTimestampTZValue(values[at]!),
  ),
  list: NESTED,
  map: NESTED,
  struct: NESTED,
  union: NESTED,
}

/** Rows in blocks that the engine takes at once, by column. */
function* rowsOf(
  batches: Iterable<{ rows: number; columns: OrcColumn[] }>,
  fields: readonly OrcField[],
): Generator<DuckDBValue[][]> {
  for (const { rows, columns } of batches)
    for (let begin = 0; begin < rows; begin += BLOCK_ROWS) {
      const length = Math.min(BLOCK_ROWS, rows - begin)
      yield columns.map((column, c) => {
        const { read } = KINDS[fields[c]!.type.kind]
        return Array.from({ length }, (_, i) => {
          const at = placeOf(column, begin + i)
          if (at < 0) return null
          return read ? read(column, at) : jsonOf(valueAt(column, begin + i))
        })
      })
    }
}
