/** Protocol Buffers on the wire: enough to read and write ONNX and ORC, and to speak gRPC. Lengths are never trusted. */
import { IMPORT_LIMITS, type Refuse } from './refusal.ts'

/** One field of a message: a number for varints and fixed widths, bytes for what has a length. */
export type WireField =
  | { field: number; wire: 0; value: bigint }
  | { field: number; wire: 1; bytes: Uint8Array }
  | { field: number; wire: 2; bytes: Uint8Array }
  | { field: number; wire: 5; bytes: Uint8Array }

/** Fields of a message in their order. Nothing is copied. Errors: by `refuse`, for lengths beyond the message and for wires that are no more. */
export function* wireFields(message: Uint8Array, refuse: Refuse): Generator<WireField> {
  const cursor = { at: 0 }
  while (cursor.at < message.length) {
    const key = varint(message, cursor, refuse)
    const field = Number(key >> 3n)
    const wire = Number(key & 7n)
    if (field === 0) throw refuse(`byte ${cursor.at}`, 'a field number', '0')
    if (wire === 0) yield { field, wire, value: varint(message, cursor, refuse) }
    else if (wire === 1 || wire === 5)
      yield { field, wire, bytes: take(message, cursor, wire === 1 ? 8 : 4, refuse) }
    else if (wire === 2) {
      const length = Number(varint(message, cursor, refuse))
      yield { field, wire, bytes: take(message, cursor, length, refuse) }
    } else throw refuse(`byte ${cursor.at}`, 'a wire type of 0, 1, 2 or 5', String(wire))
  }
}

function varint(message: Uint8Array, cursor: { at: number }, refuse: Refuse): bigint {
  let low = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = byteAt(message, cursor, refuse)
    low |= (byte & 0x7f) << shift
    if (byte < 0x80) return BigInt(low)
  }
  let value = BigInt(low)
  for (let shift = 28n; shift < 70n; shift += 7n) {
    const byte = byteAt(message, cursor, refuse)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asUintN(64, value)
  }
  throw refuse(`byte ${cursor.at}`, 'a number of at most 10 bytes', 'more')
}

function byteAt(message: Uint8Array, cursor: { at: number }, refuse: Refuse): number {
  if (cursor.at >= message.length)
    throw refuse(`byte ${cursor.at}`, 'more bytes', 'the end: the file may be cut')
  return message[cursor.at++]
}

function take(message: Uint8Array, cursor: { at: number }, length: number, refuse: Refuse): Uint8Array {
  const from = cursor.at
  const left = message.length - from
  if (length > left)
    throw refuse(`byte ${from}`, `a length within the ${left} bytes that are left`, String(length))
  cursor.at = from + length
  return message.subarray(from, cursor.at)
}

/** A message read by a table of its fields. Unknown fields are skipped. */
export type FieldReaders<M> = { [field: number]: (message: M, field: WireField) => void }

export function readMessage<M>(bytes: Uint8Array, into: M, readers: FieldReaders<M>, refuse: Refuse): M {
  for (const field of wireFields(bytes, refuse)) readers[field.field]?.(into, field)
  return into
}

// ---------------------------------------------------------------- values of fields

export function textOf(field: WireField, refuse: Refuse): string {
  return new TextDecoder().decode(bytesOf(field, refuse))
}

export function bytesOf(field: WireField, refuse: Refuse): Uint8Array {
  if (field.wire === 2) return field.bytes
  throw refuse(`field ${field.field}`, 'bytes', `wire type ${field.wire}`)
}

/** An integer of 64 bits, signed, as a double. */
export function intOf(field: WireField, refuse: Refuse): number {
  if (field.wire === 0) return Number(BigInt.asIntN(64, field.value))
  throw refuse(`field ${field.field}`, 'an integer', `wire type ${field.wire}`)
}

export function floatOf(field: WireField, refuse: Refuse): number {
  if (field.wire === 5) return dataView(field.bytes).getFloat32(0, true)
  throw refuse(`field ${field.field}`, 'a float', `wire type ${field.wire}`)
}

/** An integer of 64 bits of the type that keeps small negative ones short (`sint64`). */
export function signedOf(field: WireField, refuse: Refuse): bigint {
  const [value = 0n] = varintsOf(field, refuse)
  return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n))
}

export function doubleOf(field: WireField, refuse: Refuse): number {
  if (field.wire === 1) return dataView(field.bytes).getFloat64(0, true)
  throw refuse(`field ${field.field}`, 'a double', `wire type ${field.wire}`)
}

/** Adds integers of a repeated field, packed or one by one. */
export function addInts(list: number[], field: WireField, refuse: Refuse): void {
  for (const value of varintsOf(field, refuse)) push(list, Number(BigInt.asIntN(64, value)), refuse)
}

/** Integers of 64 bits of a repeated field, packed or one by one, without their signs. */
export function* varintsOf(field: WireField, refuse: Refuse): Generator<bigint> {
  if (field.wire === 0) {
    yield field.value
    return
  }
  const packed = bytesOf(field, refuse)
  const cursor = { at: 0 }
  while (cursor.at < packed.length) yield varint(packed, cursor, refuse)
}

/** Adds floats (4 bytes each) or doubles (8) of a repeated field, packed or one by one. */
export function addReals(list: number[], field: WireField, width: 4 | 8, refuse: Refuse): void {
  if (field.wire === 0) throw refuse(`field ${field.field}`, 'floats', 'an integer')
  const { bytes } = field
  if (bytes.length % width !== 0)
    throw refuse(`field ${field.field}`, `a multiple of ${width} bytes`, `${bytes.length}`)
  const view = dataView(bytes)
  for (let at = 0; at < bytes.length; at += width)
    push(list, width === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true), refuse)
}

/** A list longer than this is refused: each number takes a byte of the file at least, and eight of memory. */
const LIST_MAX = 8 * IMPORT_LIMITS.nodesMax

function push(list: number[], value: number, refuse: Refuse): void {
  if (list.length >= LIST_MAX) throw refuse('a list', `at most ${LIST_MAX} numbers`, 'more')
  list.push(value)
}

export function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

// ---------------------------------------------------------------- writing

/** Writes a message field by field. */
export class WireWriter {
  private readonly parts: Uint8Array[] = []
  private length = 0

  int(field: number, value: number | bigint): this {
    return this.raw(keyBytes(field, 0), varintBytes(BigInt(value)))
  }

  /** As `signedOf` reads it. */
  signed(field: number, value: bigint): this {
    return this.int(field, zigzag(value))
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4)
    dataView(bytes).setFloat32(0, value, true)
    return this.raw(keyBytes(field, 5), bytes)
  }

  double(field: number, value: number): this {
    const bytes = new Uint8Array(8)
    dataView(bytes).setFloat64(0, value, true)
    return this.raw(keyBytes(field, 1), bytes)
  }

  bytes(field: number, bytes: Uint8Array): this {
    return this.raw(keyBytes(field, 2), varintBytes(BigInt(bytes.length)), bytes)
  }

  text(field: number, text: string): this {
    return this.bytes(field, new TextEncoder().encode(text))
  }

  message(field: number, message: WireWriter): this {
    return this.bytes(field, message.done())
  }

  done(): Uint8Array {
    const out = new Uint8Array(this.length)
    let at = 0
    for (const part of this.parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  private raw(...parts: Uint8Array[]): this {
    for (const part of parts) {
      this.parts.push(part)
      this.length += part.length
    }
    return this
  }
}

function keyBytes(field: number, wire: number): Uint8Array {
  return varintBytes(BigInt(field * 8 + wire))
}

/** Integers of 64 bits by their distance from zero: 0, −1, 1, −2, … */
export const zigzag = (value: bigint): bigint => BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))

export function varintBytes(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  do {
    const more = rest >> 7n
    bytes.push(Number(rest & 0x7fn) | (more > 0n ? 0x80 : 0))
    rest = more
  } while (rest > 0n)
  return Uint8Array.from(bytes)
}

/** Bytes of packed integers. */
export function packedInts(values: ArrayLike<number>): Uint8Array {
  const writer: number[] = []
  for (let i = 0; i < values.length; i++) writer.push(...varintBytes(BigInt(values[i])))
  return Uint8Array.from(writer)
}

/** Bytes of packed floats. */
export function packedFloats(values: ArrayLike<number>): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}
