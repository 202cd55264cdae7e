/** From the types that files have to the seven that a dataset can have. */
import type { ColumnType } from '../core/records.ts'

const INTS = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
])
const FLOATS = /^(FLOAT|DOUBLE|HUGEINT|UHUGEINT|BIGNUM|DECIMAL)/
const NESTED = /^(STRUCT|MAP|UNION|JSON|VARIANT)|\[\d*\]$/

/** The dataset's type of a DuckDB type. 64-bit and smaller integers are `int`; decimals and wider integers `float`; the rest is text. */
export function columnTypeOf(duckType: string): ColumnType {
  const type = duckType.toUpperCase()
  if (NESTED.test(type)) return 'json'
  if (type === 'BOOLEAN') return 'bool'
  if (INTS.has(type)) return 'int'
  if (FLOATS.test(type)) return 'float'
  if (type.startsWith('TIMESTAMP')) return 'time'
  return type === 'DATE' ? 'date' : 'string'
}

/** Whether values of `got` can be kept in a column of `expected` without losing anything. */
export function fits(expected: ColumnType, got: ColumnType): boolean {
  return (
    expected === got || (expected === 'float' && got === 'int') || (expected === 'time' && got === 'date')
  )
}

/** The narrowest type that holds both, or undefined when only text would. */
export function widest(a: ColumnType, b: ColumnType): ColumnType | undefined {
  if (fits(a, b)) return a
  return fits(b, a) ? b : undefined
}
