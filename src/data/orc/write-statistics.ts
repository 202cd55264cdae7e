/** What a written file says of the values of its columns. Source: ORC specification v1, "Column Statistics". */
import { packedInts, WireWriter } from '../../model/import/protobuf.ts'
import { isBelow } from './order.ts'

/** What a written column can be: the types of a dataset. */
export type WrittenKind = 'boolean' | 'long' | 'double' | 'string' | 'timestamp' | 'date'

/** Values by row, null where there is none: booleans, bigint for longs, numbers for doubles and dates (days since 1970), texts, and bigint microseconds for times. */
export type WrittenValue = null | boolean | number | bigint | string

const TEXT_STATISTICS_BYTES = 1_024

export function countMessage(values: number, hasNull: boolean): WireWriter {
  return new WireWriter().int(1, values).int(10, hasNull ? 1 : 0)
}

/** What a group, a stripe or the file says of the values of a column. */
export class Summary {
  count = 0
  hasNull = false
  #min: WrittenValue = null
  #max: WrittenValue = null
  #trues = 0
  #bytes = 0
  #sum = 0n
  /** Of doubles one that is not a number has no place in the order. */
  #isOrdered = true

  static of(values: readonly WrittenValue[], kind: WrittenKind): Summary {
    const summary = new Summary()
    for (const value of values) {
      if (value === null) summary.hasNull = true
      else summary.#take(value, kind)
    }
    return summary
  }

  #take(value: Exclude<WrittenValue, null>, kind: WrittenKind): void {
    this.count++
    if (typeof value === 'boolean') this.#trues += Number(value)
    else if (kind === 'string') this.#bytes += Buffer.byteLength(value as string)
    else if (typeof value === 'bigint') this.#sum += value
    if (Number.isNaN(value)) this.#isOrdered = false
    if (this.#min === null || isBelow(value, this.#min)) this.#min = value
    if (this.#max === null || isBelow(this.#max, value)) this.#max = value
  }

  merge(other: Summary): void {
    this.count += other.count
    this.hasNull ||= other.hasNull
    this.#trues += other.#trues
    this.#bytes += other.#bytes
    this.#sum += other.#sum
    this.#isOrdered &&= other.#isOrdered
    if (other.#min !== null && (this.#min === null || isBelow(other.#min, this.#min))) this.#min = other.#min
    if (other.#max !== null && (this.#max === null || isBelow(this.#max, other.#max))) this.#max = other.#max
  }

  message(kind: WrittenKind): WireWriter {
    const message = countMessage(this.count, this.hasNull)
    const [min, max] = [this.#min, this.#max]
    if (kind === 'boolean') return message.message(5, new WireWriter().bytes(1, packedInts([this.#trues])))
    if (min === null || max === null || !this.#isOrdered) return message
    switch (kind) {
      case 'long': {
        const ints = new WireWriter().signed(1, min as bigint).signed(2, max as bigint)
        return message.message(
          2,
          BigInt.asIntN(64, this.#sum) === this.#sum ? ints.signed(3, this.#sum) : ints,
        )
      }
      case 'double':
        return message.message(3, new WireWriter().double(1, min as number).double(2, max as number))
      case 'string': {
        const isShort = [min, max].every((text) => Buffer.byteLength(text as string) <= TEXT_STATISTICS_BYTES)
        const ends = isShort
          ? new WireWriter().text(1, min as string).text(2, max as string)
          : new WireWriter()
        return message.message(4, ends.signed(3, BigInt(this.#bytes)))
      }
      case 'date':
        return message.message(
          7,
          new WireWriter().signed(1, BigInt(min as number)).signed(2, BigInt(max as number)),
        )
      case 'timestamp': {
        const [first, last] = [floorMillis(min as bigint), -floorMillis(-(max as bigint))]
        return message.message(
          9,
          new WireWriter().signed(1, first).signed(2, last).signed(3, first).signed(4, last),
        )
      }
    }
  }
}

export const floorMillis = (micros: bigint): bigint =>
  (micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n
