/** Single values between JavaScript and DuckDB: parameters in, cells of small results out. */
import {
  BIGINT,
  DOUBLE,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  type DuckDBPreparedStatement,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBUnionValue,
  type DuckDBValue,
  HUGEINT,
  INTEGER,
} from '@duckdb/node-api'
import { MillraceError } from '../../core/errors.ts'
import type { SqlValue } from '../ports.ts'

const INT32_MIN = -(2 ** 31)
const INT32_END = 2 ** 31
const INT64_MIN = -(2n ** 63n)
const INT64_END = 2n ** 63n
const DAY_MS = 86_400_000

/** Microseconds since the epoch beyond which DuckDB says infinity. */
const MICROS_INFINITE = 2n ** 63n - 1n

/**
 * A parameter as DuckDB takes it. Whole numbers travel as integers, so that comparisons with integer columns use statistics and
 * LIMIT takes them; -0, fractions, NaN and infinities travel as doubles; dates as TIMESTAMP (UTC, without zone).
 * Errors: MR_QUERY_PARAM.
 */
function toDuckdb(value: SqlValue, index: number): { value: DuckDBValue; type?: DuckDBType } {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return { value }
  if (typeof value === 'number') return numberParam(value)
  if (typeof value === 'bigint')
    return { value, type: value >= INT64_MIN && value < INT64_END ? BIGINT : HUGEINT }
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    return { value: new DuckDBTimestampValue(BigInt(value.getTime()) * 1000n) }
  }
  throw new MillraceError('MR_QUERY_PARAM', {
    index,
    type: value instanceof Date ? 'an invalid date' : typeof value,
  })
}

function numberParam(value: number): { value: DuckDBValue; type: DuckDBType } {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return { value, type: DOUBLE }
  return value >= INT32_MIN && value < INT32_END
    ? { value, type: INTEGER }
    : { value: BigInt(value), type: BIGINT }
}

/** Binds positional parameters. */
export function bindParams(statement: DuckDBPreparedStatement, params: SqlValue[]): void {
  params.forEach((param, i) => {
    const bound = toDuckdb(param, i + 1)
    if (bound.value === null) statement.bindNull(i + 1)
    else statement.bindValue(i + 1, bound.value, bound.type)
  })
}

/**
 * A cell as plain JavaScript: integers as number (bigint beyond 2^53), decimals as the nearest number, instants and dates as epoch
 * milliseconds (with a fraction for microseconds; infinities stay infinite), lists as arrays, structs and maps as objects, blobs
 * as bytes, anything else (time of day, interval, uuid, bits) as DuckDB prints it. Missing is null.
 */
export function toPlain(value: DuckDBValue): unknown {
  if (value === null || typeof value !== 'object')
    return typeof value === 'bigint' ? plainInteger(value) : value
  if (value instanceof DuckDBDecimalValue) return Number(value.toString())
  if (value instanceof DuckDBUnionValue) return toPlain(value.value)
  if (value instanceof DuckDBBlobValue) return value.bytes
  return instantMs(value) ?? nested(value) ?? String(value)
}

const plainInteger = (value: bigint) =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value

/** Epoch milliseconds of any of DuckDB's instants. */
export function instantMs(value: DuckDBValue): number | undefined {
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue)
    return scaled(value.micros, 1e3)
  if (value instanceof DuckDBDateValue) return dayMs(value.days)
  if (value instanceof DuckDBTimestampMillisecondsValue) return scaled(value.millis, 1)
  if (value instanceof DuckDBTimestampSecondsValue) return scaled(value.seconds, 1e-3)
  if (value instanceof DuckDBTimestampNanosecondsValue) return nanosMs(value.nanos)
  return undefined
}

function scaled(units: bigint, perMs: number): number {
  if (units >= MICROS_INFINITE) return Infinity
  if (units <= -MICROS_INFINITE) return -Infinity
  return perMs < 1 ? Number(units) * Math.round(1 / perMs) : Number(units) / perMs
}

/** Through whole microseconds, so that the same instant has the same number whatever column type holds it. */
function nanosMs(nanos: bigint): number {
  const infinite = nanos >= MICROS_INFINITE || nanos <= -MICROS_INFINITE
  return infinite ? scaled(nanos, 1) : Number(nanos / 1000n) / 1000
}

/** Days since the epoch in milliseconds; DuckDB's infinities are the ends of int32. */
export function dayMs(days: number): number {
  if (days === INT32_END - 1) return Infinity
  if (days <= INT32_MIN + 1) return -Infinity
  return days * DAY_MS
}

function nested(value: DuckDBValue): unknown {
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toPlain)
  if (value instanceof DuckDBStructValue) return plainFields(Object.entries(value.entries))
  if (value instanceof DuckDBMapValue) {
    return plainFields(value.entries.map((entry) => [String(toPlain(entry.key)), entry.value]))
  }
  return undefined
}

const plainFields = (entries: [string, DuckDBValue][]) =>
  Object.fromEntries(entries.map(([key, item]) => [key, toPlain(item)]))

/** A plain value as text. Bytes are written in hexadecimal. */
export function textOf(value: unknown): string | null {
  if (value === null || typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return typeof value === 'object' ? JSON.stringify(value, jsonSafe) : String(value)
}

const jsonSafe = (_key: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)
