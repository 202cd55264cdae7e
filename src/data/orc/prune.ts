/** Which rows cannot fulfil a condition, by what is known of their smallest and largest values and by bloom filters. */
import { isIn } from './bloom.ts'
import { isBelow } from './order.ts'
import type { BloomFilter } from './stripe.ts'
import type { ColumnStatistics } from './tail.ts'

/** A column that has a value, one of a range, or one value. Numbers, texts, days since 1970 for dates, and milliseconds for instants. */
export interface OrcCondition {
  column: string
  min?: number | bigint | string
  max?: number | bigint | string
  equals?: number | bigint | string
}

/** False only where no row can fulfil it. */
export function mayHold(
  condition: OrcCondition,
  known: ColumnStatistics | undefined,
  bloom?: BloomFilter,
): boolean {
  const { equals } = condition
  const min = equals ?? condition.min
  const max = equals ?? condition.max
  if (!known) return true
  if (known.values === 0 && known.hasNull) return false
  if (min !== undefined && known.max !== undefined && isComparable(min, known.max) && isBelow(known.max, min))
    return false
  if (max !== undefined && known.min !== undefined && isComparable(max, known.min) && isBelow(max, known.min))
    return false
  return equals === undefined || !bloom || isIn(bloom, equals)
}

/** Texts compare with texts, numbers with numbers. */
function isComparable(a: number | bigint | string, b: number | bigint | string): boolean {
  return (typeof a === 'string') === (typeof b === 'string') && !Number.isNaN(a) && !Number.isNaN(b)
}
