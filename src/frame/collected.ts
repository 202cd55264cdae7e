/** Rows of a frame in memory, a typed array a column. */
import type { TypedBatch, TypedColumn } from '../engine/ports.ts'

/** Whether a row has a value. */
export const hasValue = ({ validity }: TypedColumn, i: number): boolean =>
  validity === undefined || (validity[i >> 3]! & (1 << (i & 7))) !== 0

/** Rows `[0, nRows)` by column. Times are epoch milliseconds in typed arrays and `Date` in `rows()`. */
export class Collected<R extends object = Record<string, unknown>> {
  readonly nRows: number
  readonly columns: { readonly [K in keyof R & string]: TypedColumn }

  constructor({ nRows, columns }: TypedBatch) {
    this.nRows = nRows
    this.columns = columns as { readonly [K in keyof R & string]: TypedColumn }
  }

  get names(): (keyof R & string)[] {
    return Object.keys(this.columns) as (keyof R & string)[]
  }

  /** A value as plain JavaScript: null where there is none; whole numbers beyond 2^53 are bigint. */
  value<K extends keyof R & string>(name: K, i: number): R[K] {
    return plainValue(this.columns[name]!, i) as R[K]
  }

  /** A column's values as plain JavaScript. */
  values<K extends keyof R & string>(name: K): R[K][] {
    return Array.from({ length: this.nRows }, (_, i) => this.value(name, i))
  }

  /** Numbers, booleans or times as doubles, NaN where there is none. Whole numbers beyond 2^53 are rounded. */
  numbers(name: keyof R & string): Float64Array {
    const column = this.columns[name]!
    if (column.type === 'float' || column.type === 'time' || column.type === 'date') return column.values
    if (column.type !== 'int' && column.type !== 'bool')
      throw new TypeError(`the column "${name}" is of ${column.type}, which are no numbers`)
    return Float64Array.from({ length: this.nRows }, (_, i) =>
      hasValue(column, i) ? Number(column.values[i]) : Number.NaN,
    )
  }

  rows(): R[] {
    return Array.from({ length: this.nRows }, (_, i) => this.row(i))
  }

  row(i: number): R {
    return Object.fromEntries(this.names.map((name) => [name, this.value(name, i)])) as R
  }
}

function plainValue(column: TypedColumn, i: number): unknown {
  if (!hasValue(column, i)) return null
  switch (column.type) {
    case 'bool':
      return column.values[i] === 1
    case 'int':
      return plainInteger(column.values[i]!)
    case 'float':
      return column.values[i]
    case 'time':
    case 'date':
      return new Date(column.values[i]!)
    case 'string':
      return column.dictionary[column.values[i]!]
    case 'json':
      return column.values[i]
  }
}

function plainInteger(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value
  const near = Number(value)
  return Number.isSafeInteger(near) ? near : value
}
