import { IMPORT_LIMITS, type Refuse } from './refusal.ts'

/** What a UBJSON or JSON text holds. Numbers of typed lists are typed arrays; objects have no prototype. */
export type Tree = null | boolean | number | string | Tree[] | TypedNumbers | { [key: string]: Tree }
export type TypedNumbers = Float32Array | Float64Array | Int32Array | Uint8Array | Int8Array | Int16Array

/**
 * Reads Universal Binary JSON (draft 12) as XGBoost writes it: all value types, typed and counted lists and objects, big-endian numbers.
 * Lengths are never trusted: a list or text longer than the bytes that are left is refused before anything is made for it, and so are lists
 * of values that take no bytes. Integers of 64 bits beyond 2^53 are refused. Errors: by `refuse`. Cost: O(bytes).
 */
export function readUbjson(bytes: Uint8Array, refuse: Refuse): Tree {
  const reader = new UbjsonReader(bytes, refuse)
  const value = reader.value(0)
  reader.end()
  return value
}

/** Bytes of each number type. */
const WIDTHS: Record<string, number> = { i: 1, U: 1, I: 2, l: 4, L: 8, d: 4, D: 8 }

class UbjsonReader {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private readonly refuse: Refuse
  private at = 0

  constructor(bytes: Uint8Array, refuse: Refuse) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.refuse = refuse
  }

  end(): void {
    if (this.at !== this.bytes.length)
      throw this.bad('the end of the file', `${this.bytes.length - this.at} more bytes`)
  }

  value(depth: number): Tree {
    return this.valueOf(this.marker(), depth)
  }

  private valueOf(marker: string, depth: number): Tree {
    if (marker in WIDTHS) return this.number(marker)
    switch (marker) {
      case '{':
        return this.object(depth + 1)
      case '[':
        return this.list(depth + 1)
      case 'S':
      case 'H':
        return this.text()
      case 'C':
        return String.fromCharCode(this.bytes[this.take(1)])
      case 'T':
        return true
      case 'F':
        return false
      case 'Z':
        return null
      default:
        throw this.bad('a UBJSON value', JSON.stringify(marker))
    }
  }

  private object(depth: number): Tree {
    this.nest(depth)
    const { type, count } = this.shape()
    const object = Object.create(null) as { [key: string]: Tree }
    for (let i = 0; count === undefined ? !this.closes('}') : i < count; i++) {
      const key = this.text()
      object[key] = type === undefined ? this.value(depth) : this.valueOf(type, depth)
    }
    return object
  }

  private list(depth: number): Tree {
    this.nest(depth)
    const { type, count } = this.shape()
    if (type !== undefined && count !== undefined && type in WIDTHS) return this.numbers(type, count)
    const list: Tree[] = []
    for (let i = 0; count === undefined ? !this.closes(']') : i < count; i++)
      list.push(type === undefined ? this.value(depth) : this.valueOf(type, depth))
    return list
  }

  /** `$type` and `#count` of a container; each element takes at least a byte, so that a count is bounded by what is left. */
  private shape(): { type?: string; count?: number } {
    let type: string | undefined
    if (this.peek() === '$') {
      this.at++
      type = this.marker()
      if ('TFZN'.includes(type)) throw this.bad('a type that takes bytes', JSON.stringify(type))
      if (this.peek() !== '#') throw this.bad('a count after a type', JSON.stringify(this.peek()))
    }
    if (this.peek() !== '#') return { type }
    this.at++
    return { type, count: this.length(type === undefined ? 1 : (WIDTHS[type] ?? 1)) }
  }

  private numbers(type: string, count: number): Tree {
    const from = this.take(count * WIDTHS[type])
    const { view } = this
    switch (type) {
      case 'd':
        return fill(new Float32Array(count), (i) => view.getFloat32(from + 4 * i))
      case 'l':
        return fill(new Int32Array(count), (i) => view.getInt32(from + 4 * i))
      case 'I':
        return fill(new Int16Array(count), (i) => view.getInt16(from + 2 * i))
      case 'U':
        return this.bytes.slice(from, from + count)
      case 'i':
        return fill(new Int8Array(count), (i) => view.getInt8(from + i))
      case 'D':
        return fill(new Float64Array(count), (i) => view.getFloat64(from + 8 * i))
      default:
        return fill(new Float64Array(count), (i) => this.integer(view.getBigInt64(from + 8 * i)))
    }
  }

  private number(type: string): number {
    const from = this.take(WIDTHS[type])
    const { view } = this
    if (type === 'i') return view.getInt8(from)
    if (type === 'U') return view.getUint8(from)
    if (type === 'I') return view.getInt16(from)
    if (type === 'l') return view.getInt32(from)
    if (type === 'd') return view.getFloat32(from)
    return type === 'D' ? view.getFloat64(from) : this.integer(view.getBigInt64(from))
  }

  private integer(value: bigint): number {
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw this.bad('an integer below 2^53', String(value))
    return number
  }

  private text(): string {
    const length = this.length(1)
    const from = this.take(length)
    return new TextDecoder().decode(this.bytes.subarray(from, from + length))
  }

  /** A length of things of some bytes each. */
  private length(widthBytes: number): number {
    const marker = this.marker()
    if (!'iUIlL'.includes(marker)) throw this.bad('a length', JSON.stringify(marker))
    const length = this.number(marker)
    const left = this.bytes.length - this.at
    if (length < 0 || length * widthBytes > left)
      throw this.bad(`a length within the ${left} bytes that are left`, String(length))
    return length
  }

  private marker(): string {
    let marker = 'N'
    while (marker === 'N') marker = String.fromCharCode(this.bytes[this.take(1)])
    return marker
  }

  private peek(): string {
    return this.at < this.bytes.length ? String.fromCharCode(this.bytes[this.at]) : ''
  }

  private closes(end: string): boolean {
    if (this.peek() === end) {
      this.at++
      return true
    }
    return false
  }

  private nest(depth: number): void {
    if (depth > IMPORT_LIMITS.nestingMax) throw this.bad(`at most ${IMPORT_LIMITS.nestingMax} levels`, 'more')
  }

  private take(count: number): number {
    const from = this.at
    if (count > this.bytes.length - from) throw this.bad('more bytes', 'the end of the file: it may be cut')
    this.at += count
    return from
  }

  private bad(expected: string, got: string): Error {
    return this.refuse(`byte ${this.at}`, expected, got)
  }
}

function fill<A extends TypedNumbers>(array: A, at: (i: number) => number): A {
  for (let i = 0; i < array.length; i++) array[i] = at(i)
  return array
}
