/**
 * The compact protocol of Thrift, in which Parquet writes its footers, as a tree: whatever is not known survives being read and written again.
 * Source: Apache Thrift, doc/specs/thrift-compact-protocol.md.
 */

export type ThriftValue = bigint | Uint8Array | ThriftList | ThriftStruct

export interface ThriftList {
  /** Type of the items. */
  of: number
  items: ThriftValue[]
}

/** Fields by their numbers, in order. */
export type ThriftStruct = Map<number, { type: number; value: ThriftValue }>

/** Numbers of types. A truth value is a type of its own in a struct, and a byte in a list. */
const [TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, STRUCT] = [1, 2, 3, 7, 8, 9, 10, 12]
const DEPTH_MAX = 64

/** Errors: a RangeError where the bytes end too early or are of another kind. */
export function readThrift(bytes: Uint8Array): ThriftStruct {
  return new Reader(bytes).struct(0)
}

class Reader {
  private at = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  private byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError('it ends too early')
    return this.bytes[this.at++]!
  }

  private varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }

  private take(n: number): Uint8Array {
    if (n > this.bytes.length - this.at) throw new RangeError('it ends too early')
    this.at += n
    return this.bytes.subarray(this.at - n, this.at)
  }

  struct(depth: number): ThriftStruct {
    if (depth > DEPTH_MAX) throw new RangeError('it is nested too deeply')
    const fields: ThriftStruct = new Map()
    for (let id = 0; ; ) {
      const head = this.byte()
      if (head === 0) return fields
      const type = head & 15
      id = head >> 4 === 0 ? Number(signed(this.varint())) : id + (head >> 4)
      fields.set(id, {
        type,
        value: type === TRUE || type === FALSE ? BigInt(type) : this.value(type, depth),
      })
    }
  }

  private value(type: number, depth: number): ThriftValue {
    if (type === STRUCT) return this.struct(depth + 1)
    if (type === LIST || type === SET) return this.list(depth + 1)
    if (type === BINARY) return this.take(Number(this.varint()))
    if (type === DOUBLE) return this.take(8)
    if (type <= BYTE) return BigInt(this.byte())
    if (type < DOUBLE) return this.varint()
    throw new RangeError(`it has a type ${type}`)
  }

  private list(depth: number): ThriftList {
    const head = this.byte()
    const n = head >> 4 === 15 ? Number(this.varint()) : head >> 4
    if (n > this.bytes.length - this.at) throw new RangeError('it ends too early')
    const of = head & 15
    return { of, items: Array.from({ length: n }, () => this.value(of, depth)) }
  }
}

/** Numbers are kept as they are written; this is what they say. */
export const signed = (raw: bigint): bigint => (raw >> 1n) ^ -(raw & 1n)
export const unsigned = (value: bigint): bigint => (value < 0n ? -2n * value - 1n : 2n * value)

export function writeThrift(struct: ThriftStruct): Uint8Array {
  const out: (number | Uint8Array)[] = []
  putStruct(out, struct)
  return Buffer.concat(out.map((piece) => (typeof piece === 'number' ? Uint8Array.of(piece) : piece)))
}

type Out = (number | Uint8Array)[]

function putVarint(out: Out, value: bigint): void {
  let left = value
  for (; left >= 0x80n; left >>= 7n) out.push(Number(left & 0x7fn) | 0x80)
  out.push(Number(left))
}

function putStruct(out: Out, struct: ThriftStruct): void {
  let before = 0
  for (const [id, { type, value }] of [...struct].sort(([a], [b]) => a - b)) {
    const step = id - before
    out.push(step > 0 && step < 16 ? (step << 4) | type : type)
    if (step <= 0 || step > 15) putVarint(out, unsigned(BigInt(id)))
    before = id
    if (type !== TRUE && type !== FALSE) putValue(out, type, value)
  }
  out.push(0)
}

function putValue(out: Out, type: number, value: ThriftValue): void {
  if (value instanceof Map) putStruct(out, value)
  else if (typeof value === 'bigint') putNumber(out, type, value)
  else if (value instanceof Uint8Array) putBytes(out, type, value)
  else putList(out, value)
}

function putNumber(out: Out, type: number, value: bigint): void {
  if (type <= BYTE) out.push(Number(value))
  else putVarint(out, value)
}

function putBytes(out: Out, type: number, value: Uint8Array): void {
  if (type === BINARY) putVarint(out, BigInt(value.length))
  out.push(value)
}

function putList(out: Out, { of, items }: ThriftList): void {
  out.push((Math.min(items.length, 15) << 4) | of)
  if (items.length >= 15) putVarint(out, BigInt(items.length))
  for (const item of items) putValue(out, of, item)
}
