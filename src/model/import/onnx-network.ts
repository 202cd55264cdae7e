/**
 * Feed-forward networks in ONNX: constant steps on the columns, then dense layers with one activation, then a link; as PyTorch exports `nn.Sequential` of `Linear`,
 * `BatchNorm1d`, `Dropout` and `ReLU`, `GELU`, `SiLU`, `Tanh` or `Sigmoid`, and skl2onnx multilayer perceptrons. Scales and shifts between layers become part of the weights.
 */
import type { Activation } from '../network/activations.ts'
import type { DenseNetwork } from '../network/network.ts'
import { standardised } from '../network/network.ts'
import type { Link } from '../trees.ts'
import { validateModel } from '../validate.ts'
import { type ImportedModel, taskOf } from './imported.ts'
import { constantOf, curveFrom, tensorOf } from './onnx-curves.ts'
import { numbersOf, type OnnxFile, type OnnxNode, onnxRefusal as refuse } from './onnx-file.ts'
import {
  type Affine,
  difference,
  foldIn,
  type Layer,
  mapLayer,
  paired,
  product,
  turned,
  wide,
} from './onnx-layers.ts'

/**
 * Inputs are held to 8 deviations by the form of networks, and these are not to be held: they are made small by a power of two, and the first weights large by it,
 * which changes no bit of a product.
 */
const SMALL = 2 ** -40
const STEPS_MAX = 256

/** What has been read on the way from the input to the output. */
interface Walk {
  file: OnnxFile
  /** Per column `(x - shift) * scale`; one number stands for all columns. */
  shift: Float64Array
  scale: Float64Array
  layers: Layer[]
  activations: Activation[]
  /** What is done to outputs of the last activation before the next layer: `x * scale + offset`. */
  after?: Affine
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
    if (next.length > 1) {
      tensor = followCurve(walk, tensor, next.length)
      continue
    }
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

/** An activation that is written out in plain operators. */
function followCurve(walk: Walk, tensor: string, ways: number): string {
  const curve = curveFrom(walk.file, tensor)
  if (!curve) throw refuse(`tensor ${tensor}`, 'one way through the network', `${ways}`)
  walk.activations.push(curve.activation)
  return curve.output
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
  Reshape: ({ file, layers }, { operator, inputs }) => {
    const shape = constantOf(file, inputs[1] ?? '')
    const width = layers.at(-1)?.nOut ?? shape?.[1]
    const isRows = shape?.length === 2 && (shape[1] === width || shape[1] === -1)
    if (!isRows && width !== 1) throw refuse(`operator ${operator}`, 'rows of as many columns', 'others')
  },
  Squeeze: ({ layers }, { operator }) => {
    if (layers.at(-1)?.nOut !== 1) throw refuse(`operator ${operator}`, 'one output before it', 'others')
  },
  Scaler: (walk, node) => {
    const scale = Float64Array.from(node.attributes.get('scale')?.floats ?? [1])
    const by = Float64Array.from(node.attributes.get('offset')?.floats ?? [0])
    map(walk, node, { scale: Float64Array.of(1), offset: by.map((x) => -x) })
    map(walk, node, { scale, offset: Float64Array.of(0) })
  },
  Sub: (walk, node, tensor) => {
    const by = neededConstant(walk, node, tensor)
    const isTaken = node.inputs[0] === tensor
    map(walk, node, { scale: Float64Array.of(isTaken ? 1 : -1), offset: isTaken ? by.map((x) => -x) : by })
  },
  Add: (walk, node, tensor) =>
    map(walk, node, { scale: Float64Array.of(1), offset: neededConstant(walk, node, tensor) }),
  Mul: (walk, node, tensor) =>
    map(walk, node, { scale: neededConstant(walk, node, tensor), offset: Float64Array.of(0) }),
  Div: (walk, node, tensor) => {
    if (node.inputs[0] !== tensor)
      throw refuse('operator Div', 'columns divided by a constant', 'a constant divided by them')
    const scale = neededConstant(walk, node, tensor).map((x) => 1 / x)
    map(walk, node, { scale, offset: Float64Array.of(0) })
  },
  /** As it stands in a network that is evaluated: its means and variances are constants. */
  BatchNormalization: (walk, node) => {
    const [gain, bias, mean, variance] = node.inputs.slice(1).map((name) => constantOf(walk.file, name))
    if (!gain || !bias || !mean || !variance || node.attributes.get('training_mode')?.int === 1)
      throw refuse(
        'operator BatchNormalization',
        'constants of the file',
        'a network in training: call model.eval() before the export',
      )
    const epsilon = node.attributes.get('epsilon')?.float ?? 1e-5
    const place = 'operator BatchNormalization'
    const scale = paired(place, gain, variance, (g, v) => g / Math.sqrt(v + epsilon))
    const offset = paired(
      place,
      bias,
      paired(place, mean, scale, (m, by) => m * by),
      (b, m) => b - m,
    )
    map(walk, node, { scale, offset })
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
  Relu: ({ activations }) => activations.push('relu'),
  Tanh: ({ activations }) => activations.push('tanh'),
  Gelu: ({ activations }, { attributes }) =>
    activations.push(attributes.get('approximate')?.text === 'tanh' ? 'gelu' : 'gelu-exact'),
  Sigmoid: (walk, { outputs }) => {
    if (leadsToLayer(walk.file, outputs[0])) walk.activations.push('sigmoid')
    else end(walk, 'sigmoid')
  },
  Softmax: (walk) => end(walk, 'softmax'),
}

function end(walk: Walk, link: Link): void {
  walk.link = link
}

function leadsToLayer({ graph }: OnnxFile, tensor: string): boolean {
  const seen = new Set([tensor])
  for (const name of seen)
    for (const { inputs, outputs, operator } of graph.nodes) {
      if (!inputs.includes(name)) continue
      if (operator === 'Gemm' || operator === 'MatMul') return true
      for (const output of outputs) seen.add(output)
    }
  return false
}

function neededConstant({ file }: Walk, node: OnnxNode, tensor: string): Float64Array {
  const other = node.inputs.find((input) => input !== tensor) ?? ''
  const found = constantOf(file, other)
  if (found) return found
  throw refuse(`operator ${node.operator}`, 'a constant of the file', `"${other}"`)
}

function shiftBy(walk: Walk, node: OnnxNode, by: Float64Array): void {
  const place = `operator ${node.operator}`
  walk.shift = paired(
    place,
    walk.shift,
    paired(place, by, walk.scale, (x, scale) => x / scale),
    (shift, more) => shift + more,
  )
}

function scaleBy(walk: Walk, node: OnnxNode, by: Float64Array): void {
  walk.scale = paired(`operator ${node.operator}`, walk.scale, by, (scale, x) => scale * x)
  if (!walk.scale.every((x) => x !== 0 && Number.isFinite(x)))
    throw refuse(`operator ${node.operator}`, 'factors that are not 0', 'others')
}

/** Scales and shifts what is there: the columns, the last layer, or what comes after its activation. */
function map(walk: Walk, node: OnnxNode, by: Affine): void {
  const place = `operator ${node.operator}`
  const layer = walk.layers.at(-1)
  if (!layer) {
    scaleBy(walk, node, by.scale)
    shiftBy(
      walk,
      node,
      by.offset.map((x) => -x),
    )
  } else if (walk.activations.length < walk.layers.length) mapLayer(layer, wide(place, by, layer.nOut))
  else {
    const before = walk.after ?? { scale: Float64Array.of(1), offset: Float64Array.of(0) }
    walk.after = {
      scale: paired(place, before.scale, by.scale, (a, b) => a * b),
      offset: paired(
        place,
        paired(place, before.offset, by.scale, (a, b) => a * b),
        by.offset,
        (a, b) => a + b,
      ),
    }
  }
}

function addLayer(
  walk: Walk,
  node: OnnxNode,
  name: string,
  isTurned: boolean,
  bias: string | undefined,
): void {
  const { file, layers, activations } = walk
  const constant = tensorOf(file, name)
  const place = `operator ${node.operator}`
  if (constant?.dims.length !== 2) throw refuse(place, 'a constant matrix of weights', `"${name}"`)
  const [rows, columns] = constant.dims
  const [nIn, nOut] = isTurned ? [columns, rows] : [rows, columns]
  const before = layers.at(-1)?.nOut ?? nIn
  if (nIn !== before) throw refuse(place, `${before} rows of weights`, `${nIn}`)
  const numbers = numbersOf(constant)
  const layer = {
    nIn,
    nOut,
    weights: isTurned ? turned(numbers, rows, columns) : numbers,
    biases: new Float64Array(nOut),
  }
  if (bias)
    mapLayer(
      layer,
      wide(place, { scale: Float64Array.of(1), offset: constantOf(file, bias) ?? new Float64Array(0) }, nOut),
    )
  if (walk.after) foldIn(layer, wide(place, walk.after, nIn))
  walk.after = undefined
  if (activations.length < layers.length) layers.push(product(layers.pop() as Layer, layer))
  else layers.push(layer)
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
    activation,
    widths: layers.map(({ nOut }) => nOut),
    weights: joined(layers.map(({ weights }) => weights)),
    biases: joined(layers.map(({ biases }) => biases)),
    outputScale: new Float64Array(nOutputs).fill(1),
    outputShift: new Float64Array(nOutputs),
  }
}

function joined(parts: Float64Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]))
}
