/** Rows of an Arrow file or stream as a table of the engine, which does not read Arrow itself. */
import { readFileSync } from 'node:fs'
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
  TIMESTAMP,
  TIMESTAMPTZ,
  UBIGINT,
  VARCHAR,
} from '@duckdb/node-api'
import { excerpt, isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import { type Duck, quote } from '../duck.ts'
import { BLOCK_ROWS, jsonOf, requireNames, stageTable } from '../staged-table.ts'
import { type ArrowValue, plainOf } from './plain.ts'
import { type ArrowBatch, arrowReader } from './read.ts'
import type { ArrowType } from './schema.ts'

export interface ArrowStageOptions {
  path: string
  /** What errors call the file. */
  name: string
}

/** Reads the file into a table of its own and gives its name. What is nested becomes JSON, decimals doubles, times of day and intervals text. Errors: MR_DATA_UNREADABLE. Memory: the whole file. */
export async function stageArrow(duck: Duck, { path, name }: ArrowStageOptions): Promise<string> {
  const refuse = (place: string, expected: string, got: string) =>
    new MillraceError('MR_DATA_UNREADABLE', {
      file: name,
      format: 'arrow',
      why: `${place} should be ${expected}, it is ${excerpt(got)}`,
    })
  const table = `arrow ${path}`
  const { fields, batches } = arrowReader(readFileSync(path), { refuse })
  requireNames(fields, { file: name, format: 'arrow' })
  const kinds = fields.map(({ type }) => engineKind(type))
  const columns = fields.map((field, i) => ({ name: field.name, ...kinds[i]! }))
  try {
    await stageTable(duck, table, columns, blocksOf(batches(), kinds))
  } catch (thrown) {
    throw isMillraceError(thrown) ? thrown : refuse('the file', 'whole', toError(thrown).message)
  }
  return quote(table)
}

interface EngineKind {
  sql: string
  type: DuckDBType
  value: (value: ArrowValue, type: ArrowType) => DuckDBValue
}

const kind = (sql: string, type: DuckDBType, value: (value: never) => DuckDBValue): EngineKind => ({
  sql,
  type,
  value: value as unknown as EngineKind['value'],
})

const TEXT: EngineKind = {
  sql: 'VARCHAR',
  type: VARCHAR,
  value: (value, type) => String(plainOf(type, value)),
}
const NESTED: EngineKind = { sql: 'JSON', type: VARCHAR, value: (value) => jsonOf(value) }
const BYTES = kind('BLOB', BLOB, (bytes: Uint8Array) => new DuckDBBlobValue(bytes.slice()))
const SIGNED = kind('BIGINT', BIGINT, (n: number | bigint) => BigInt(n))
const UNSIGNED = kind('UBIGINT', UBIGINT, (n: number | bigint) => BigInt(n))
const INSTANT = kind(
  'TIMESTAMP WITH TIME ZONE',
  TIMESTAMPTZ,
  (micros: bigint) => new DuckDBTimestampTZValue(micros),
)

function engineKind(type: ArrowType): EngineKind {
  if (type.kind === 'int') return type.bits === 64 && !type.isSigned ? UNSIGNED : SIGNED
  if (type.kind === 'timestamp' && type.zone !== undefined) return INSTANT
  return KINDS[type.kind]
}

const KINDS: Record<ArrowType['kind'], EngineKind> = {
  null: TEXT,
  bool: kind('BOOLEAN', BOOLEAN, (value: boolean) => value),
  int: SIGNED,
  float: kind('DOUBLE', DOUBLE, (value: number) => value),
  decimal: kind('DOUBLE', DOUBLE, (text: string) => Number(text)),
  text: kind('VARCHAR', VARCHAR, (text: string) => text),
  bytes: BYTES,
  'fixed-bytes': BYTES,
  date: kind('DATE', DATE, (days: number) => new DuckDBDateValue(days)),
  timestamp: kind('TIMESTAMP', TIMESTAMP, (micros: bigint) => new DuckDBTimestampValue(micros)),
  time: TEXT,
  duration: TEXT,
  interval: TEXT,
  list: NESTED,
  'fixed-list': NESTED,
  map: NESTED,
  struct: NESTED,
  union: NESTED,
  'run-end': NESTED,
}

function* blocksOf(batches: Iterable<ArrowBatch>, kinds: readonly EngineKind[]): Generator<DuckDBValue[][]> {
  for (const { rows, columns } of batches)
    for (let begin = 0; begin < rows; begin += BLOCK_ROWS) {
      const length = Math.min(BLOCK_ROWS, rows - begin)
      yield columns.map(({ type, read }, c) =>
        Array.from({ length }, (_, i) => {
          const value = read(begin + i)
          return value === null ? null : kinds[c]!.value(value, type)
        }),
      )
    }
}
