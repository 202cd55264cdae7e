/** Initialisers of an ONNX file, found without reading their numbers. */
import { MillraceError } from '../../core/errors.ts'
import type { ByteSource, TensorMap, TensorPlace } from './source.ts'

/** ONNX's numbers of element types, by the names of safetensors. */
const TYPES: Readonly<Record<number, string>> = {
  1: 'F32',
  2: 'U8',
  3: 'I8',
  4: 'U16',
  5: 'I16',
  6: 'I32',
  7: 'I64',
  9: 'BOOL',
  10: 'F16',
  11: 'F64',
  12: 'U32',
  13: 'U64',
  16: 'BF16',
  17: 'F8_E4M3',
  19: 'F8_E5M2',
}

const FIELD = { graph: 7, initializer: 5 } as const
/** Fields of a TensorProto. */
const TENSOR = { dims: 1, type: 2, floats: 4, name: 8, raw: 9, doubles: 10, external: 13 } as const
/** Fields that hold numbers as varints. */
const VARINTS = [5, 7, 11]
const TEXT_BYTES_MAX = 65_536
const WINDOW_BYTES = 65_536
const TENSORS_MAX = 1_000_000

/**
 * Initialisers of the main graph, in their order. Reads the heads of fields and leaps over what they hold.
 * Errors: MR_CHECKPOINT for a file that is cut or no Protocol Buffers.
 * Source: onnx.proto (ModelProto, GraphProto, TensorProto).
 */
export async function readOnnxTensors(source: ByteSource): Promise<TensorMap> {
  const reader = new Wire(source)
  const tensors = new Map<string, TensorPlace>()
  for await (const model of reader.fields(0, source.bytes)) {
    if (model.field !== FIELD.graph || model.wire !== 2) continue
    for await (const graph of reader.fields(model.at, model.at + model.bytes)) {
      if (graph.field !== FIELD.initializer || graph.wire !== 2) continue
      const tensor = await readTensor(reader, graph)
      tensors.set(tensor.name, tensor)
      if (tensors.size > TENSORS_MAX) throw refused(`at most ${TENSORS_MAX} initialisers`, 'more')
    }
  }
  return { tensors, metadata: {} }
}

async function readTensor(reader: Wire, { at, bytes }: WireSpan): Promise<TensorPlace> {
  const shape: number[] = []
  const external: Record<string, string> = {}
  let tensor = { name: '', dtype: '', at, bytes: 0, isPlain: false }
  for await (const span of reader.fields(at, at + bytes)) {
    if (span.field === TENSOR.dims) shape.push(...(await reader.varints(span)))
    else if (span.field === TENSOR.type) tensor.dtype = TYPES[span.value] ?? `ONNX ${span.value}`
    else if (span.field === TENSOR.name) tensor.name = await reader.text(span)
    else if (span.field === TENSOR.external) Object.assign(external, await readEntry(reader, span))
    else if (
      span.wire === 2 &&
      (span.field === TENSOR.raw || span.field === TENSOR.floats || span.field === TENSOR.doubles)
    )
      tensor = { ...tensor, at: span.at, bytes: span.bytes, isPlain: true }
    else if (span.wire === 2 && VARINTS.includes(span.field))
      tensor = { ...tensor, at: span.at, bytes: span.bytes }
  }
  if (external.location === undefined) return { ...tensor, shape }
  const [offset, length] = [Number(external.offset ?? 0), Number(external.length ?? 0)]
  return { ...tensor, shape, at: offset, bytes: length, isPlain: true, file: external.location }
}

/** A StringStringEntryProto: key and value. */
async function readEntry(reader: Wire, { at, bytes }: WireSpan): Promise<Record<string, string>> {
  const texts = ['', '', '']
  for await (const span of reader.fields(at, at + bytes))
    if (span.wire === 2 && span.field < texts.length) texts[span.field] = await reader.text(span)
  return { [texts[1]]: texts[2] }
}

/** One field: where what it holds lies, or its value. */
interface WireSpan {
  field: number
  wire: number
  at: number
  bytes: number
  value: number
}

/** Protocol Buffers in a file that is not held. */
class Wire {
  readonly #source: ByteSource
  #window: Uint8Array = new Uint8Array(0)
  #windowAt = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  async *fields(from: number, to: number): AsyncGenerator<WireSpan> {
    let at = from
    while (at < to) {
      const key = await this.#varint(at, to)
      const [field, wire] = [Math.floor(key.value / 8), key.value % 8]
      const span = await this.#span(field, wire, key.end, to)
      at = span.end
      yield span
    }
  }

  async #span(field: number, wire: number, at: number, to: number): Promise<WireSpan & { end: number }> {
    if (wire === 0) {
      const { value, end } = await this.#varint(at, to)
      return { field, wire, at, bytes: end - at, value, end }
    }
    const fixed = { 1: 8, 5: 4 }[wire]
    const length =
      fixed === undefined && wire === 2 ? await this.#varint(at, to) : { value: fixed ?? -1, end: at }
    if (field === 0 || length.value < 0)
      throw refused(`a field at byte ${at}`, `field ${field} of wire type ${wire}`)
    const end = length.end + length.value
    if (end > to)
      throw refused(`a length within the ${to - length.end} bytes that are left`, String(length.value))
    return { field, wire, at: length.end, bytes: length.value, value: 0, end }
  }

  /** One number, or several that are packed. */
  async varints({ wire, at, bytes, value }: WireSpan): Promise<number[]> {
    if (wire === 0) return [value]
    const values: number[] = []
    for (let next = at; next < at + bytes; ) {
      const read = await this.#varint(next, at + bytes)
      values.push(read.value)
      next = read.end
    }
    return values
  }

  async text({ at, bytes }: WireSpan): Promise<string> {
    if (bytes > TEXT_BYTES_MAX) throw refused(`a text of at most ${TEXT_BYTES_MAX} bytes`, String(bytes))
    return new TextDecoder().decode(await this.#source.read(at, bytes))
  }

  /** Beyond 2^53 it is not exact, which no length or size of ours is. */
  async #varint(from: number, to: number): Promise<{ value: number; end: number }> {
    let value = 0
    for (let i = 0; i < 10 && from + i < to; i++) {
      const byte = await this.#byte(from + i)
      value += (byte & 127) * 2 ** (7 * i)
      if (byte < 128) return { value, end: from + i + 1 }
    }
    throw refused(`a number at byte ${from}`, 'none: the file may be cut')
  }

  async #byte(at: number): Promise<number> {
    if (at < this.#windowAt || at >= this.#windowAt + this.#window.length) {
      this.#window = await this.#source.read(at, WINDOW_BYTES)
      this.#windowAt = at
    }
    if (at - this.#windowAt >= this.#window.length) throw refused(`a byte at ${at}`, 'the end of the file')
    return this.#window[at - this.#windowAt]
  }
}

function refused(expected: string, got: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT', { format: 'ONNX', expected, got })
}
