/** Tables of FlatBuffers, read by the numbers of their fields. Source: google/flatbuffers docs/source/internals.md. All reads are within the bytes, or a RangeError. */

export class FlatTable {
  readonly #view: DataView
  readonly #at: number
  readonly #fields: number
  readonly #fieldsBytes: number

  constructor(view: DataView, at: number) {
    this.#view = view
    this.#at = at
    this.#fields = at - view.getInt32(at, true)
    this.#fieldsBytes = view.getUint16(this.#fields, true)
  }

  /** The table that a buffer's first word points at. */
  static root(bytes: Uint8Array): FlatTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return new FlatTable(view, view.getUint32(0, true))
  }

  int8(field: number, absent = 0): number {
    const at = this.#place(field)
    return at === 0 ? absent : this.#view.getInt8(at)
  }

  int16(field: number, absent = 0): number {
    const at = this.#place(field)
    return at === 0 ? absent : this.#view.getInt16(at, true)
  }

  int32(field: number, absent = 0): number {
    const at = this.#place(field)
    return at === 0 ? absent : this.#view.getInt32(at, true)
  }

  /** As a number: RangeError beyond 2^53. */
  int64(field: number): number {
    const at = this.#place(field)
    return at === 0 ? 0 : wide(this.#view, at)
  }

  table(field: number): FlatTable | undefined {
    const at = this.#place(field)
    return at === 0 ? undefined : new FlatTable(this.#view, at + this.#view.getUint32(at, true))
  }

  text(field: number): string | undefined {
    const at = this.#place(field)
    if (at === 0) return undefined
    const from = at + this.#view.getUint32(at, true)
    const length = this.#view.getUint32(from, true)
    const { buffer, byteOffset, byteLength } = this.#view
    if (from + 4 + length > byteLength) throw new RangeError('a text reaches beyond its bytes')
    return new TextDecoder('utf-8', { fatal: true }).decode(
      new Uint8Array(buffer, byteOffset + from + 4, length),
    )
  }

  tables(field: number): FlatTable[] {
    return this.#vector(field, 4, (at) => new FlatTable(this.#view, at + this.#view.getUint32(at, true)))
  }

  int32s(field: number): number[] {
    return this.#vector(field, 4, (at) => this.#view.getInt32(at, true))
  }

  /** Vectors of structs whose members are all of eight bytes (or padded to them), by their words. */
  words(field: number, perItem: number): number[][] {
    return this.#vector(field, 8 * perItem, (at) =>
      Array.from({ length: perItem }, (_, i) => wide(this.#view, at + 8 * i)),
    )
  }

  /** Blocks of a footer: offset, bytes of the metadata, bytes of the body. */
  blocks(field: number): { offset: number; metaBytes: number; bodyBytes: number }[] {
    return this.#vector(field, 24, (at) => ({
      offset: wide(this.#view, at),
      metaBytes: this.#view.getInt32(at + 8, true),
      bodyBytes: wide(this.#view, at + 16),
    }))
  }

  #place(field: number): number {
    const entry = 4 + 2 * field
    if (entry + 2 > this.#fieldsBytes) return 0
    const offset = this.#view.getUint16(this.#fields + entry, true)
    return offset === 0 ? 0 : this.#at + offset
  }

  #vector<T>(field: number, itemBytes: number, read: (at: number) => T): T[] {
    const at = this.#place(field)
    if (at === 0) return []
    const from = at + this.#view.getUint32(at, true)
    const length = this.#view.getUint32(from, true)
    if (from + 4 + length * itemBytes > this.#view.byteLength)
      throw new RangeError('a list reaches beyond its bytes')
    return Array.from({ length }, (_, i) => read(from + 4 + i * itemBytes))
  }
}

function wide(view: DataView, at: number): number {
  const value = Number(view.getBigInt64(at, true))
  if (!Number.isSafeInteger(value)) throw new RangeError('a number beyond 2^53')
  return value
}
