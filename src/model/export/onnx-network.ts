/** A multilayer perceptron as operators of ONNX: encodings of features, then a product, a sum and an activation a layer. */
import type { Activation } from '../network/activations.ts'
import { type DenseNetwork, INPUT_MAX, type InputEncoding, inputsOf } from '../network/network.ts'
import { codeIndexes, columnsOf, DOUBLE, FLOAT, tableRows } from './onnx-columns.ts'
import type { OnnxGraphWriter } from './onnx-writer.ts'

/** A piece of the inputs `[rows, at.length]`, and which inputs of the network they are. */
interface Piece {
  tensor: string
  at: number[]
}

/** Writes a network from a tensor of features; gives the name of its raw scores. Standardised in doubles, all else in float32, as it is here. */
export function writeNetworkOnnx(model: DenseNetwork, graph: OnnxGraphWriter, features: string): string {
  const { encodings, widths, weights, biases, activation, outputScale, outputShift, nOutputs } = model
  const pieces = piecesOf(graph, features, encodings)
  const order = pieces.flatMap(({ at }) => at)
  let layer =
    pieces.length === 1
      ? pieces[0].tensor
      : graph.node(
          'Concat',
          pieces.map(({ tensor }) => tensor),
          { axis: 1 },
        )
  let [nIn, weightAt, biasAt] = [order.length, 0, 0]
  widths.forEach((nOut, l) => {
    const own = weights.subarray(weightAt, weightAt + nIn * nOut)
    const matrix = l === 0 ? rowsInOrder(own, order, nOut) : own
    const product = graph.node('MatMul', [layer, graph.constant(matrix, [nIn, nOut])])
    const bias = graph.constant(biases.subarray(biasAt, biasAt + nOut), [1, nOut])
    layer = graph.node('Add', [product, bias])
    if (l + 1 < widths.length) layer = writeActivation(graph, activation, layer)
    weightAt += nIn * nOut
    biasAt += nOut
    nIn = nOut
  })
  const scaled = graph.node('Mul', [layer, graph.constant(outputScale, [1, nOutputs])])
  return graph.node('Add', [scaled, graph.constant(outputShift, [1, nOutputs])])
}

/** Rows of a matrix by input, in another order of the inputs. */
function rowsInOrder(matrix: Float32Array, order: readonly number[], width: number): Float32Array {
  const sorted = new Float32Array(matrix.length)
  order.forEach((from, to) => {
    sorted.set(matrix.subarray(from * width, (from + 1) * width), to * width)
  })
  return sorted
}

// ---------------------------------------------------------------- encodings

/** Numbers together, flags together, and each category by itself. */
function piecesOf(graph: OnnxGraphWriter, features: string, encodings: readonly InputEncoding[]): Piece[] {
  const firsts: number[] = []
  let next = 0
  for (const encoding of encodings) {
    firsts.push(next)
    next += inputsOf(encoding)
  }
  const places = encodings.map((encoding, j) => ({ encoding, j, first: firsts[j] }))
  const numbers = places.flatMap(({ encoding, ...place }) =>
    encoding.kind === 'number' ? [{ ...place, encoding }] : [],
  )
  const flagged = numbers.filter(({ encoding }) => encoding.flag)
  return [
    ...(numbers.length > 0
      ? [{ tensor: writeNumbers(graph, features, numbers), at: numbers.map(({ first }) => first) }]
      : []),
    ...(flagged.length > 0
      ? [{ tensor: writeFlags(graph, features, flagged), at: flagged.map(({ first }) => first + 1) }]
      : []),
    ...places.flatMap(({ encoding, j, first }): Piece[] => {
      if (encoding.kind === 'number') return []
      const at = Array.from({ length: inputsOf(encoding) }, (_, k) => first + k)
      return [{ tensor: writeCategory(graph, features, encoding, j), at }]
    }),
  ]
}

type NumberPlace = { encoding: Extract<InputEncoding, { kind: 'number' }>; j: number }

const listOf = (places: readonly { j: number }[]) => places.map(({ j }) => j)

function writeNumbers(graph: OnnxGraphWriter, features: string, places: readonly NumberPlace[]): string {
  const row = (values: number[]) => graph.tensor('double', values, [1, values.length])
  const doubles = graph.node('Cast', [columnsOf(graph, features, listOf(places))], { to: DOUBLE })
  const moved = graph.node('Sub', [doubles, row(places.map(({ encoding }) => encoding.shift))])
  const scaled = graph.node('Mul', [moved, row(places.map(({ encoding }) => encoding.scale))])
  const floats = graph.node('Cast', [scaled], { to: FLOAT })
  const known = graph.node('Where', [graph.node('IsNaN', [floats]), graph.constant([0], [1, 1]), floats])
  return graph.node('Clip', [known, graph.constant([-INPUT_MAX], []), graph.constant([INPUT_MAX], [])])
}

function writeFlags(graph: OnnxGraphWriter, features: string, places: readonly NumberPlace[]): string {
  const isMissing = graph.node('IsNaN', [columnsOf(graph, features, listOf(places))])
  return graph.node('Cast', [isMissing], { to: FLOAT })
}

/** A value of its own for each code, or the table's row of it. */
function writeCategory(
  graph: OnnxGraphWriter,
  features: string,
  encoding: Exclude<InputEncoding, { kind: 'number' }>,
  j: number,
): string {
  const indexes = codeIndexes(graph, columnsOf(graph, features, [j]), encoding.codes, 'network')
  if (encoding.kind === 'embedding')
    return tableRows(graph, { values: encoding.table, width: encoding.width }, indexes)
  const width = encoding.codes.length + 1
  const own = graph.tensor(
    'int64',
    Array.from({ length: width }, (_, k) => k),
    [1, width],
  )
  return graph.node('Cast', [graph.node('Equal', [indexes, own])], { to: FLOAT })
}

// ---------------------------------------------------------------- activations

/** Root of 2 / pi, and the cubic share, of the form of gelu by tanh. */
const GELU = { slope: 0.7978845608028654, cubic: 0.044715 }

function writeActivation(graph: OnnxGraphWriter, activation: Activation, x: string): string {
  const number = (value: number) => graph.constant([value], [1, 1])
  const halfGated = (gate: string) =>
    graph.node('Mul', [graph.node('Mul', [x, number(0.5)]), graph.node('Add', [gate, number(1)])])
  switch (activation) {
    case 'relu':
      return graph.node('Relu', [x])
    case 'tanh':
      return graph.node('Tanh', [x])
    case 'sigmoid':
      return graph.node('Sigmoid', [x])
    case 'silu':
      return graph.node('Mul', [x, graph.node('Sigmoid', [x])])
    case 'gelu-exact':
      return halfGated(graph.node('Erf', [graph.node('Mul', [x, number(Math.SQRT1_2)])]))
    case 'gelu': {
      const cube = graph.node('Mul', [graph.node('Mul', [x, x]), x])
      const bent = graph.node('Add', [x, graph.node('Mul', [cube, number(GELU.cubic)])])
      return halfGated(graph.node('Tanh', [graph.node('Mul', [bent, number(GELU.slope)])]))
    }
  }
}
