/** Types of the engine's columns as a frame has them. */
import type { ColumnType } from '../core/records.ts'

const INTS = new Set(['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT'])
const NESTED = /^(STRUCT|MAP|UNION|JSON|VARIANT)|\[\d*\]$/

/** The type of a column as the engine has it; `UINTEGER` and wider become `BIGINT` or doubles on entry. */
export function frameType(duck: string): { type: ColumnType; duck: string } {
  if (NESTED.test(duck)) return { type: 'json', duck }
  if (duck === 'BOOLEAN') return { type: 'bool', duck }
  if (INTS.has(duck)) return { type: 'int', duck }
  if (duck === 'UINTEGER') return { type: 'int', duck: 'BIGINT' }
  if (/^(FLOAT|DOUBLE|HUGEINT|UHUGEINT|UBIGINT|BIGNUM|DECIMAL)/.test(duck))
    return { type: 'float', duck: 'DOUBLE' }
  if (duck.startsWith('TIMESTAMP')) return { type: 'time', duck: 'TIMESTAMP' }
  if (duck === 'DATE') return { type: 'date', duck }
  return { type: 'string', duck: 'VARCHAR' }
}
