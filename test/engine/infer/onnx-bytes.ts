/** Writes small ONNX models as bytes: the few messages of onnx.proto that the tests need, in protobuf's wire format. */

type Field = Uint8Array

const varint = (value: bigint): number[] => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}
const int = (field: number, value: number): Field =>
  Uint8Array.from([...varint(BigInt(field << 3)), ...varint(BigInt(value))])
const bytes = (field: number, value: Uint8Array): Field =>
  Uint8Array.from([...varint(BigInt((field << 3) | 2)), ...varint(BigInt(value.length)), ...value])
const text = (field: number, value: string): Field => bytes(field, new TextEncoder().encode(value))
const message = (field: number, ...fields: Field[]): Field => bytes(field, Buffer.concat(fields))

export const FLOAT = 1
export const INT64 = 7
export const BOOL = 9

const raw = (data: Float32Array | BigInt64Array | Uint8Array) =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** A constant of the graph. */
export const initializer = (
  name: string,
  type: number,
  dims: number[],
  data: Float32Array | BigInt64Array | Uint8Array,
): Field => message(5, ...dims.map((dim) => int(1, dim)), int(2, type), text(8, name), bytes(9, raw(data)))

const value = (field: number, name: string, type: number, shape: (number | string)[]): Field => {
  const dims = shape.map((dim) => message(1, typeof dim === 'number' ? int(1, dim) : text(2, dim)))
  return message(field, text(1, name), message(2, message(1, int(1, type), message(2, ...dims))))
}
export const input = (name: string, type: number, shape: (number | string)[]) => value(11, name, type, shape)
export const output = (name: string, type: number, shape: (number | string)[]) => value(12, name, type, shape)

/** A node; `body` becomes the graph attribute of that name. */
export const node = (op: string, inputs: string[], outputs: string[], body?: Field[]): Field =>
  message(
    1,
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...(body ? [message(5, text(1, 'body'), message(6, ...body, text(2, 'body')), int(20, 5))] : []),
  )

export const model = (...graph: Field[]): Uint8Array =>
  Buffer.concat([int(1, 8), message(8, text(1, ''), int(2, 17)), message(7, ...graph, text(2, 'graph'))])

/** `y = sigmoid(x · w + b)` for three features and any number of rows. */
export const logistic = (w: number[], b: number): Uint8Array =>
  model(
    node('Gemm', ['x', 'w', 'b'], ['z']),
    node('Sigmoid', ['z'], ['y']),
    initializer('w', FLOAT, [3, 1], Float32Array.from(w)),
    initializer('b', FLOAT, [1], Float32Array.of(b)),
    input('x', FLOAT, ['rows', 3]),
    output('y', FLOAT, ['rows', 1]),
  )

/** Adds 1 to its input `turns` times, one after the other: a model that takes long and uses no memory. Without a number, `turns` is an input too. */
export const slow = (turns?: number): Uint8Array =>
  model(
    node(
      'Loop',
      ['turns', 'go', 'x'],
      ['y'],
      [
        node('Add', ['at', 'one'], ['next']),
        node('Identity', ['on'], ['still']),
        initializer('one', FLOAT, [], Float32Array.of(1)),
        input('i', INT64, []),
        input('on', BOOL, []),
        input('at', FLOAT, []),
        output('still', BOOL, []),
        output('next', FLOAT, []),
      ],
    ),
    turns === undefined
      ? input('turns', INT64, [])
      : initializer('turns', INT64, [], BigInt64Array.of(BigInt(turns))),
    initializer('go', BOOL, [], Uint8Array.of(1)),
    input('x', FLOAT, []),
    output('y', FLOAT, []),
  )
