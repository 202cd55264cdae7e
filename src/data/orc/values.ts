/** Decoded columns, and one value of a row. */
import { civilOf, MS } from '../../expr/calendar.ts'

export interface Held {
  rows: number
  /** Place of each row's value among the values, −1 where it has none; undefined where all rows have one. */
  rank?: Int32Array
}

/** Values by kind. Times are microseconds of the wall clock (of UTC for instants) with what is left of the nanoseconds, dates are days since 1970 of the proleptic Gregorian calendar. */
export type OrcColumn = Held &
  (
    | { kind: 'boolean'; values: Uint8Array }
    | { kind: 'byte' | 'short' | 'int' | 'date'; values: Int32Array }
    | { kind: 'long'; values: BigInt64Array }
    | { kind: 'float'; values: Float32Array }
    | { kind: 'double'; values: Float64Array }
    | { kind: 'string' | 'varchar' | 'char'; values: string[] }
    | { kind: 'binary'; values: Uint8Array[] }
    | { kind: 'decimal'; values: bigint[]; scale: number; scales?: Int32Array }
    | { kind: 'timestamp' | 'instant'; values: BigInt64Array; nanos: Int32Array }
    | { kind: 'list'; begins: Int32Array; child: OrcColumn }
    | { kind: 'map'; begins: Int32Array; keys: OrcColumn; items: OrcColumn }
    | { kind: 'struct'; fields: { name: string; column: OrcColumn }[] }
    | { kind: 'union'; tags: Uint8Array; places: Int32Array; children: OrcColumn[] }
  )

export type OrcValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | OrcValue[]
  | { [name: string]: OrcValue }

/** Place of a row's value, −1 where it has none. */
export const placeOf = ({ rank }: OrcColumn, row: number): number => (rank ? rank[row]! : row)

/** One value. Longs are bigint; times, dates and decimals are text; maps are lists of `{ key, value }`, unions `{ tag, value }`. */
export function valueAt(column: OrcColumn, row: number): OrcValue {
  const at = placeOf(column, row)
  if (at < 0) return null
  switch (column.kind) {
    case 'boolean':
      return column.values[at] === 1
    case 'date':
      return dateText(column.values[at]!)
    case 'decimal':
      return decimalText(column.values[at]!, column.scales?.[at] ?? column.scale)
    case 'timestamp':
    case 'instant':
      return timeText(column.values[at]!, column.nanos[at]!)
    case 'list':
      return span(column.begins, at, (i) => valueAt(column.child, i))
    case 'map':
      return span(column.begins, at, (i) => ({
        key: valueAt(column.keys, i),
        value: valueAt(column.items, i),
      }))
    case 'struct': {
      const entries = column.fields.map(({ name, column: field }) => [name, valueAt(field, at)] as const)
      return Object.fromEntries(entries)
    }
    case 'union': {
      const tag = column.tags[at]!
      return { tag, value: valueAt(column.children[tag]!, column.places[at]!) }
    }
    default:
      return column.values[at]!
  }
}

function span<T>(begins: Int32Array, at: number, take: (i: number) => T): T[] {
  return Array.from({ length: begins[at + 1]! - begins[at]! }, (_, i) => take(begins[at]! + i))
}

function dateText(day: number): string {
  const { year, month, day: date } = civilOf(day)
  const years = year >= 0 ? String(year).padStart(4, '0') : `-${String(-year).padStart(4, '0')}`
  return `${years}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}

const DAY_MICROS = BigInt(MS.day) * 1000n

function timeText(micros: bigint, nanos: number): string {
  const inDay = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS
  const seconds = Number(inDay / 1_000_000n)
  const fraction = Number(inDay % 1_000_000n) * 1000 + nanos
  const two = (n: number) => String(n).padStart(2, '0')
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((n) => two(Math.floor(n))).join(':')
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '')
  return `${dateText(Number((micros - inDay) / DAY_MICROS))} ${clock}${digits && `.${digits}`}`
}

export function decimalText(value: bigint, scale: number): string {
  if (scale <= 0) return String(value * 10n ** BigInt(-scale))
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
