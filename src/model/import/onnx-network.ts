/**
 * Feed-forward networks in ONNX: constant steps on the columns, then dense layers with one activation, then a link; as PyTorch exports `nn.Sequential` of `Linear` and
 * `ReLU` or `GELU`, and skl2onnx multilayer perceptrons.
 */
import type { DenseNetwork } from '../network/network.ts'
import { standardised } from '../network/network.ts'
import type { Link } from '../trees.ts'
import { validateModel } from '../validate.ts'
import { type ImportedModel, taskOf } from './imported.ts'
import { numbersOf, type OnnxFile, type OnnxNode, onnxRefusal as refuse } from './onnx-file.ts'

/**
 * Inputs are held to 8 deviations by the form of networks, and these are not to be held: they are made small by a power of two, and the first weights large by it,
 * which changes no bit of a product.
 */
const SMALL = 2 ** -40
const STEPS_MAX = 256

interface Layer {
  nIn: number
  nOut: number
  /** `[nIn * nOut]` by input. */
  weights: Float64Array
  biases: Float64Array
}

/** What has been read on the way from the input to the output. */
interface Walk {
  file: OnnxFile
  /** Per column `(x - shift) * scale`; one number stands for all columns. */
  shift: Float64Array
  scale: Float64Array
  layers: Layer[]
  activations: string[]
  link: Link
}

/** Whether a file without trees and linear models may be a network of this form. */
export function hasNetwork({ graph }: OnnxFile): boolean {
  return graph.nodes.some(({ operator }) => operator === 'MatMul' || operator === 'Gemm')
}

/**
 * Reads a feed-forward network. Arithmetic is float32 as in ONNX Runtime, in another order of sums: scores agree to float32 rounding. A missing value counts as what the
 * columns are shifted by (0 without a scaler), where ONNX Runtime gives no score. Two classes after a softmax become one score, their difference.
 * Errors: MR_MODEL_IMPORT for other operators, several activations, more than one input; MR_MODEL_INVALID for sizes beyond those of networks.
 */
export function networkOfFile(file: OnnxFile): ImportedModel {
  const inputs = file.graph.inputs.filter(({ name }) => !file.graph.constants.has(name))
  if (inputs.length !== 1) throw refuse('graph', 'one input of all features', `${inputs.length}`)
  const walk: Walk = {
    file,
    shift: Float64Array.of(0),
    scale: Float64Array.of(1),
    layers: [],
    activations: [],
    link: 'identity',
  }
  follow(walk, inputs[0].name)
  const model = modelOf(walk)
  validateModel(model)
  const task = taskOf(model.link, model.nOutputs)
  if (model.link === 'identity' && model.nOutputs > 1)
    throw refuse('graph', 'a sigmoid or softmax at the end, or one output', `${model.nOutputs} outputs`)
  return {
    source: `ONNX network${file.producer === '' ? '' : ` by ${file.producer.slice(0, 40)}`}`,
    objective: walk.layers.map(({ nOut }) => nOut).join('-'),
    task,
    model,
    features: Array.from({ length: model.nFeatures }, (_, j) => ({
      name: `${inputs[0].name}_${j}`,
      named: false,
      type: 'number' as const,
    })),
    notes: ['a missing value counts in this network as the centre of its column, or as 0 where it has none'],
    withBase: (columns) => ({ ...model, base: baseOf(model, columns) }),
  }
}

/** Mean of each input of the first layer. */
function baseOf({ encodings }: DenseNetwork, columns: readonly Float64Array[]): Float32Array {
  return Float32Array.from(encodings, (encoding, j) => {
    if (encoding.kind !== 'number') return 0
    const { shift, scale } = encoding
    return (
      columns[j].reduce((sum, x) => sum + standardised(x, shift, scale), 0) / Math.max(1, columns[j].length)
    )
  })
}

// ---------------------------------------------------------------- the way through the graph

function follow(walk: Walk, input: string): void {
  const { graph } = walk.file
  let tensor = input
  for (let step = 0; step < STEPS_MAX; step++) {
    const next = graph.nodes.filter(({ inputs }) => inputs.includes(tensor))
    if (walk.link !== 'identity' || next.length === 0) {
      checkOutlet(walk, tensor)
      return
    }
    if (next.length > 1) throw refuse(`tensor ${tensor}`, 'one way through the network', `${next.length}`)
    const [node] = next
    const read = OPERATORS[node.operator]
    if (!read || (node.domain !== '' && node.domain !== 'ai.onnx.ml'))
      throw refuse(
        `operator ${node.operator}`,
        `${Object.keys(OPERATORS).join(', ')}`,
        'another: ONNX Runtime can serve the file whole',
      )
    read(walk, node, tensor)
    tensor = node.outputs[0]
  }
  throw refuse('graph', `at most ${STEPS_MAX} steps`, 'more, or a cycle')
}

/** What converters put after the probabilities: labels, and both classes from the one. */
const AFTER = [
  'Identity',
  'Cast',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Sub',
  'Concat',
  'ArgMax',
  'ArrayFeatureExtractor',
  'ZipMap',
  'Greater',
  'GreaterOrEqual',
]

function checkOutlet({ file, link }: Walk, tensor: string): void {
  const outputs = new Set(file.graph.outputs.map(({ name }) => name))
  if (link === 'identity' && !outputs.has(tensor))
    throw refuse(`tensor ${tensor}`, 'an output of the graph', 'no way on')
  const seen = new Set([tensor])
  for (const name of seen)
    for (const node of file.graph.nodes.filter(({ inputs }) => inputs.includes(name))) {
      if (!AFTER.includes(node.operator))
        throw refuse(`operator ${node.operator}`, 'a sigmoid or softmax as the last step', 'more after it')
      if (node.operator === 'Sub' && !constantOf(file, node.inputs[0])?.every((x) => x === 1))
        throw refuse('operator Sub', 'one less the probability', 'another')
      for (const output of node.outputs) seen.add(output)
    }
}

const OPERATORS: Record<string, (walk: Walk, node: OnnxNode, tensor: string) => void> = {
  Identity: () => undefined,
  Cast: () => undefined,
  Flatten: () => undefined,
  Dropout: () => undefined,
  /** As skl2onnx ends a regression: one output a row. */
  Reshape: ({ layers }, { operator }) => {
    if (layers.at(-1)?.nOut !== 1) throw refuse(`operator ${operator}`, 'one output before it', 'others')
  },
  Scaler: (walk, node) => {
    shiftBy(walk, node, Float64Array.from(node.attributes.get('offset')?.floats ?? [0]))
    scaleBy(walk, node, Float64Array.from(node.attributes.get('scale')?.floats ?? [1]))
  },
  Sub: (walk, node, tensor) => {
    if (node.inputs[0] !== tensor)
      throw refuse('operator Sub', 'a constant taken from the columns', 'the columns taken from it')
    shiftBy(walk, node, neededConstant(walk, node, tensor))
  },
  Add: (walk, node, tensor) => {
    const add = neededConstant(walk, node, tensor)
    if (walk.layers.length === 0)
      shiftBy(
        walk,
        node,
        add.map((x) => -x),
      )
    else addBias(walk, node, add)
  },
  Mul: (walk, node, tensor) => scaleBy(walk, node, neededConstant(walk, node, tensor)),
  Div: (walk, node, tensor) => {
    if (node.inputs[0] !== tensor)
      throw refuse('operator Div', 'columns divided by a constant', 'a constant divided by them')
    scaleBy(
      walk,
      node,
      neededConstant(walk, node, tensor).map((x) => 1 / x),
    )
  },
  MatMul: (walk, node, tensor) => {
    if (node.inputs[0] !== tensor) throw refuse('operator MatMul', 'rows times weights', 'weights times rows')
    addLayer(walk, node, node.inputs[1], false, undefined)
  },
  Gemm: (walk, node) => {
    const number = (name: string, otherwise: number) => {
      const attribute = node.attributes.get(name)
      return attribute?.int ?? attribute?.float ?? otherwise
    }
    if (number('alpha', 1) !== 1 || number('beta', 1) !== 1 || number('transA', 0) !== 0)
      throw refuse('operator Gemm', 'alpha and beta of 1, rows as they are', 'another')
    addLayer(walk, node, node.inputs[1], number('transB', 0) === 1, node.inputs[2])
  },
  Relu: (walk) => walk.activations.push('relu'),
  Gelu: (walk, node) => {
    if ((node.attributes.get('approximate')?.text ?? 'none') !== 'tanh')
      throw refuse(
        'operator Gelu',
        "the approximation by tanh (nn.GELU(approximate='tanh'))",
        'the exact form',
      )
    walk.activations.push('gelu')
  },
  Sigmoid: (walk) => end(walk, 'sigmoid'),
  Softmax: (walk) => end(walk, 'softmax'),
}

function end(walk: Walk, link: Link): void {
  walk.link = link
}

function constantOf({ graph }: OnnxFile, name: string): Float64Array | undefined {
  const constant =
    graph.constants.get(name) ??
    graph.nodes.find((n) => n.operator === 'Constant' && n.outputs[0] === name)?.attributes.get('value')
      ?.tensor
  return constant && numbersOf(constant)
}

function neededConstant({ file }: Walk, node: OnnxNode, tensor: string): Float64Array {
  const other = node.inputs.find((input) => input !== tensor) ?? ''
  const found = constantOf(file, other)
  if (found) return found
  throw refuse(`operator ${node.operator}`, 'a constant of the file', `"${other}"`)
}

/** Values of two columns of numbers, one of which may stand for all. */
function paired(
  place: string,
  a: Float64Array,
  b: Float64Array,
  of: (a: number, b: number) => number,
): Float64Array {
  const length = Math.max(a.length, b.length)
  if ((a.length !== 1 && a.length !== length) || (b.length !== 1 && b.length !== length))
    throw refuse(place, `${length} numbers or one`, `${Math.min(a.length, b.length)}`)
  return Float64Array.from({ length }, (_, j) => of(a[a.length === 1 ? 0 : j], b[b.length === 1 ? 0 : j]))
}

function shiftBy(walk: Walk, node: OnnxNode, by: Float64Array): void {
  onColumns(walk, node)
  const place = `operator ${node.operator}`
  walk.shift = paired(
    place,
    walk.shift,
    paired(place, by, walk.scale, (x, scale) => x / scale),
    (shift, more) => shift + more,
  )
}

function scaleBy(walk: Walk, node: OnnxNode, by: Float64Array): void {
  onColumns(walk, node)
  walk.scale = paired(`operator ${node.operator}`, walk.scale, by, (scale, x) => scale * x)
  if (!walk.scale.every((x) => x !== 0 && Number.isFinite(x)))
    throw refuse(`operator ${node.operator}`, 'factors that are not 0', 'others')
}

function onColumns({ layers }: Walk, { operator }: OnnxNode): void {
  if (layers.length > 0)
    throw refuse(`operator ${operator}`, 'steps on columns before the first layer', 'one after it')
}

function addLayer(
  walk: Walk,
  node: OnnxNode,
  name: string,
  isTurned: boolean,
  bias: string | undefined,
): void {
  const { file, layers, activations } = walk
  const constant = file.graph.constants.get(name)
  const place = `operator ${node.operator}`
  if (constant?.dims.length !== 2) throw refuse(place, 'a constant matrix of weights', `"${name}"`)
  if (activations.length !== layers.length)
    throw refuse(
      place,
      'an activation between two layers',
      activations.length < layers.length ? 'none' : 'several',
    )
  const [rows, columns] = constant.dims
  const [nIn, nOut] = isTurned ? [columns, rows] : [rows, columns]
  const before = layers.at(-1)?.nOut ?? nIn
  if (nIn !== before) throw refuse(place, `${before} rows of weights`, `${nIn}`)
  const numbers = numbersOf(constant)
  const weights = isTurned ? turned(numbers, rows, columns) : numbers
  layers.push({ nIn, nOut, weights, biases: new Float64Array(nOut) })
  if (bias) addBias(walk, node, constantOf(file, bias) ?? new Float64Array(0))
}

function turned(numbers: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(numbers, (_, i) => numbers[(i % rows) * columns + Math.floor(i / rows)])
}

function addBias(walk: Walk, node: OnnxNode, by: Float64Array): void {
  const { layers, activations } = walk
  const layer = layers[layers.length - 1]
  if (activations.length === layers.length)
    throw refuse(`operator ${node.operator}`, 'biases before the activation', 'after it')
  layer.biases = paired(`operator ${node.operator}`, layer.biases, by, (a, b) => a + b)
  if (layer.biases.length !== layer.nOut)
    throw refuse(`operator ${node.operator}`, `${layer.nOut} biases`, `${layer.biases.length}`)
}

// ---------------------------------------------------------------- the model

function modelOf(walk: Walk): DenseNetwork {
  const { activations, shift, scale } = walk
  const [activation = 'relu', ...others] = activations
  if (others.some((other) => other !== activation))
    throw refuse('graph', 'one activation', [...new Set(activations)].join(' and '))
  if (activations.length !== walk.layers.length - 1)
    throw refuse(
      'graph',
      'layers with activations between them',
      `${walk.layers.length} layers and ${activations.length} activations`,
    )
  const layers = walk.layers.map((layer, l) =>
    l === 0 ? { ...layer, weights: layer.weights.map((w) => w / SMALL) } : layer,
  )
  const isOfTwo = walk.link === 'softmax' && layers[layers.length - 1].nOut === 2
  if (isOfTwo) layers[layers.length - 1] = difference(layers[layers.length - 1])
  const nFeatures = layers[0].nIn
  const nOutputs = layers[layers.length - 1].nOut
  for (const list of [shift, scale])
    if (list.length !== 1 && list.length !== nFeatures)
      throw refuse('graph', `steps on ${nFeatures} columns`, `${list.length}`)
  const at = (list: Float64Array, j: number) => list[list.length === 1 ? 0 : j]
  return {
    kind: 'DenseNetwork',
    nFeatures,
    nOutputs,
    link: isOfTwo ? 'sigmoid' : walk.link,
    encodings: Array.from({ length: nFeatures }, (_, j) => ({
      kind: 'number',
      shift: at(shift, j),
      scale: at(scale, j) * SMALL,
      flag: false,
    })),
    base: new Float32Array(nFeatures),
    activation: activation as DenseNetwork['activation'],
    widths: layers.map(({ nOut }) => nOut),
    weights: joined(layers.map(({ weights }) => weights)),
    biases: joined(layers.map(({ biases }) => biases)),
    outputScale: new Float64Array(nOutputs).fill(1),
    outputShift: new Float64Array(nOutputs),
  }
}

/** The second output less the first: a softmax of two is a sigmoid of it. */
function difference({ nIn, weights, biases }: Layer): Layer {
  return {
    nIn,
    nOut: 1,
    weights: Float64Array.from({ length: nIn }, (_, i) => weights[2 * i + 1] - weights[2 * i]),
    biases: Float64Array.of(biases[1] - biases[0]),
  }
}

function joined(parts: Float64Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]))
}
