/** ONNX files as they are written: nodes, constants, inputs, outputs. */
import { packedFloats, packedInts, WireWriter } from '../import/protobuf.ts'

export type AttributeValue = number | string | Uint8Array | Float32Array | Int32Array | string[]

/** A graph under construction. `ints` of attributes are `Int32Array`, floats `Float32Array`, a single integer `Number.isInteger`. */
export class OnnxGraphWriter {
  private readonly graph = new WireWriter()
  private count = 0

  /** Adds a node and gives the name of its first output. */
  node(
    operator: string,
    inputs: string[],
    attributes: Record<string, AttributeValue> = {},
    options: { domain?: string; output?: string } = {},
  ): string {
    const output = options.output ?? `t${this.count}`
    const node = new WireWriter()
    for (const input of inputs) node.text(1, input)
    node
      .text(2, output)
      .text(3, `n${this.count++}`)
      .text(4, operator)
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value))
    if (options.domain) node.text(7, options.domain)
    this.graph.message(1, node)
    return output
  }

  /** Adds a tensor of floats and gives its name. */
  constant(values: ArrayLike<number>, dims: number[]): string {
    return this.tensor('float', values, dims)
  }

  /** Adds a tensor of numbers of some type and gives its name. No dimensions: a single number. */
  tensor(type: keyof typeof TENSORS, values: ArrayLike<number>, dims: readonly number[]): string {
    const name = `c${this.count++}`
    const tensor = new WireWriter()
    for (const dim of dims) tensor.int(1, dim)
    const { code, bytes } = TENSORS[type]
    tensor.int(2, code).text(8, name).bytes(9, bytes(values))
    this.graph.message(5, tensor)
    return name
  }

  /** An input or output of floats `[rows, width]`. */
  port(kind: 'input' | 'output', name: string, width: number): void {
    const rows = new WireWriter().text(2, 'rows')
    const shape = new WireWriter().message(1, rows).message(1, new WireWriter().int(1, width))
    const tensor = new WireWriter().int(1, FLOAT).message(2, shape)
    const value = new WireWriter().text(1, name).message(2, new WireWriter().message(1, tensor))
    this.graph.message(kind === 'input' ? 11 : 12, value)
  }

  /** The whole file. `metadata` is kept as texts by key. */
  file(metadata: Record<string, string>): Uint8Array {
    this.graph.text(2, 'millrace')
    const opset = (domain: string, version: number) => new WireWriter().text(1, domain).int(2, version)
    const file = new WireWriter()
      .int(1, IR_VERSION)
      .text(2, 'millrace')
      .message(7, this.graph)
      .message(8, opset('', OPSET))
      .message(8, opset('ai.onnx.ml', OPSET_ML))
    for (const [key, value] of Object.entries(metadata))
      file.message(14, new WireWriter().text(1, key).text(2, value))
    return file.done()
  }
}

const FLOAT = 1
/** Types of constants: their number in ONNX, and their bytes. */
const TENSORS = {
  float: { code: FLOAT, bytes: packedFloats },
  int64: { code: 7, bytes: (values: ArrayLike<number>) => bytesOf(BigInt64Array.from(values, BigInt)) },
  double: { code: 11, bytes: (values: ArrayLike<number>) => bytesOf(Float64Array.from(values)) },
}

function bytesOf({ buffer }: BigInt64Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer)
}

/** Old enough for every ONNX Runtime since 1.10. */
const IR_VERSION = 8
const OPSET = 13
const OPSET_ML = 1

function attribute(name: string, value: AttributeValue): WireWriter {
  const writer = new WireWriter().text(1, name)
  if (typeof value === 'number')
    return Number.isInteger(value) ? writer.int(3, value).int(20, 2) : writer.float(2, value).int(20, 1)
  if (typeof value === 'string') return writer.text(4, value).int(20, 3)
  if (value instanceof Float32Array) return writer.bytes(7, packedFloats(value)).int(20, 6)
  if (value instanceof Int32Array) return writer.bytes(8, packedInts(value)).int(20, 7)
  if (value instanceof Uint8Array) return writer.bytes(4, value).int(20, 3)
  for (const text of value) writer.text(9, text)
  return writer.int(20, 8)
}

/** The domain of trees and linear models. */
export const ML = 'ai.onnx.ml'
