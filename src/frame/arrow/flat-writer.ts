/** Writes tables of FlatBuffers, back to front, as readers expect them. Source: google/flatbuffers docs/source/internals.md. */
import { assert } from '../../core/errors.ts'

const CAPACITY = 1024
const encoder = new TextEncoder()

/** Places are counted from the end of the buffer, where writing begins. */
export class FlatWriter {
  private bytes = new Uint8Array(CAPACITY)
  private view = new DataView(this.bytes.buffer)
  private space = CAPACITY
  private alignMax = 1
  private slots: number[] = []
  private tableBegin = 0

  /** The whole, with the table at `root` as its root. */
  finish(root: number): Uint8Array {
    this.room(this.alignMax, 4)
    this.offset(root)
    return this.bytes.slice(this.space)
  }

  private get written(): number {
    return this.bytes.length - this.space
  }

  /** Room for `size` bytes so that, after `more` bytes, they stand at a multiple of their size. */
  private room(size: number, more: number): void {
    this.alignMax = Math.max(this.alignMax, size)
    const padding = -(this.written + more) & (size - 1)
    while (this.space < padding + size + more) this.grow()
    this.space -= padding
  }

  private grow(): void {
    const grown = new Uint8Array(2 * this.bytes.length)
    grown.set(this.bytes, this.bytes.length)
    this.space += this.bytes.length
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }

  private offset(to: number): void {
    this.room(4, 0)
    this.put32(this.written - to + 4)
  }

  private put32(value: number): void {
    this.space -= 4
    this.view.setInt32(this.space, value, true)
  }

  private put16(value: number): void {
    this.room(2, 0)
    this.space -= 2
    this.view.setInt16(this.space, value, true)
  }

  text(value: string): number {
    const bytes = encoder.encode(value)
    this.room(4, bytes.length + 1)
    this.space -= bytes.length + 1
    this.bytes.set(bytes, this.space)
    this.bytes[this.space + bytes.length] = 0
    this.put32(bytes.length)
    return this.written
  }

  /** A vector of tables by their places. */
  tables(places: readonly number[]): number {
    this.room(4, 4 * places.length)
    for (const place of [...places].reverse()) this.offset(place)
    this.put32(places.length)
    return this.written
  }

  /** A vector of structs whose members are all 64 bits wide. */
  words(items: readonly (readonly number[])[]): number {
    const perItem = items[0]?.length ?? 1
    this.room(4, 8 * perItem * items.length)
    this.room(8, 8 * perItem * items.length)
    for (const item of [...items].reverse()) for (const word of [...item].reverse()) this.put64(word)
    this.put32(items.length)
    return this.written
  }

  private put64(value: number): void {
    this.space -= 8
    this.view.setBigInt64(this.space, BigInt(value), true)
  }

  /** Begins a table of so many fields. What it points at is written before. */
  begin(fields: number): void {
    assert(this.slots.length === 0, 'one table is written at a time')
    this.slots = new Array<number>(fields).fill(0)
    this.tableBegin = this.written
  }

  byte(field: number, value: number): void {
    this.room(1, 0)
    this.space -= 1
    this.view.setInt8(this.space, value)
    this.slots[field] = this.written
  }

  short(field: number, value: number): void {
    this.put16(value)
    this.slots[field] = this.written
  }

  int(field: number, value: number): void {
    this.room(4, 0)
    this.put32(value)
    this.slots[field] = this.written
  }

  long(field: number, value: number): void {
    this.room(8, 0)
    this.put64(value)
    this.slots[field] = this.written
  }

  /** A table, text or vector that was written before. */
  at(field: number, place: number): void {
    this.offset(place)
    this.slots[field] = this.written
  }

  end(): number {
    this.room(4, 0)
    this.put32(0)
    const table = this.written
    for (const slot of [...this.slots].reverse()) this.put16(slot === 0 ? 0 : table - slot)
    this.put16(table - this.tableBegin)
    this.put16(2 * (this.slots.length + 2))
    this.view.setInt32(this.bytes.length - table, this.written - table, true)
    this.slots = []
    return table
  }
}
