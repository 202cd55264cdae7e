/** Values as clients write them. */
import type { ColumnType } from '../../core/records.ts'

/** A value as a client would send it: times as ISO 8601 texts, everything else as JSON. */
export function asSent(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null
  if (typeof value === 'number' && (type === 'time' || type === 'date')) {
    const iso = new Date(value).toISOString()
    return type === 'date' ? iso.slice(0, 10) : iso.replace('.000Z', 'Z')
  }
  return typeof value === 'bigint' ? String(value) : value
}
