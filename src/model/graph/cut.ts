/** Networks cut at a layer, and given a new last one: the file's own nodes and weights up to there, and nothing of what came after. */
import type { OnnxAttribute, OnnxFile, OnnxGraph, OnnxNode } from '../import/onnx-file.ts'
import { onnxRefusal as refuse } from '../import/onnx-file.ts'
import { bytesOf, packedFloats, textOf, WireWriter, wireFields } from '../import/protobuf.ts'
import type { LinearModel, Link } from '../trees.ts'

/** Operators whose weights are learned. */
const LEARNED = ['Gemm', 'MatMul', 'Conv', 'ConvTranspose', 'LSTM', 'GRU', 'RNN']

/**
 * What each layer gives, first to last but one: the tensor that enters the next operator with weights, after activation, pooling and the like. Layers that take the same
 * tensor count once. Cost: O(nodes).
 */
export function hiddenTensors({ graph }: OnnxFile): string[] {
  const live = liveTensors(graph)
  const layers = graph.nodes
    .filter(
      ({ operator, inputs }) => LEARNED.includes(operator) && inputs.some((name) => name && !live.has(name)),
    )
    .map(({ inputs }) => inputs.find((name) => live.has(name)))
  const tensors = new Set(layers.filter((name) => name !== undefined))
  return [...tensors].slice(1)
}

/** Tensors that depend on the inputs; nodes come after what they take, as the standard has it. */
function liveTensors({ inputs, constants, nodes }: OnnxGraph): Set<string> {
  const live = new Set(inputs.map(({ name }) => name).filter((name) => !constants.has(name)))
  for (const node of nodes)
    if (takenBy(node).some((name) => live.has(name))) for (const output of node.outputs) live.add(output)
  return live
}

/** Names that a node takes, those within its inner graphs too. */
function takenBy({ inputs, attributes }: OnnxNode): string[] {
  const inner = ({ graphs }: OnnxAttribute) => graphs.flatMap(({ nodes }) => nodes.flatMap(takenBy))
  return [...inputs, ...[...attributes.values()].flatMap(inner)]
}

/** Names that a tensor is made of, its own too. */
function neededFor({ nodes }: OnnxGraph, tensor: string): Set<string> {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)))
  const needed = new Set([tensor])
  for (const name of needed) {
    const maker = makers.get(name)
    if (maker) for (const input of takenBy(maker)) needed.add(input)
  }
  return needed
}

/** The output of a network that was cut: `[rows, width]` of float32. */
export const EMBEDDING = 'millrace_embedding'
/** The output of a network with a new head. */
export const HEADED = 'millrace_output'

/**
 * The file up to a tensor of any shape `[rows, …]`, which is its one output as `EMBEDDING`; with a head, the outputs of the head on it after their link as `HEADED`.
 * Errors: MR_MODEL_IMPORT for bytes that are no ONNX and tensors that no node makes. Cost: O(bytes).
 */
export function cutNetwork(
  bytes: Uint8Array,
  file: OnnxFile,
  tensor: string,
  head?: LinearModel,
): Uint8Array {
  if (!file.graph.nodes.some(({ outputs }) => outputs.includes(tensor)))
    throw refuse(`tensor ${tensor}`, 'a tensor that a node makes', 'none')
  const needed = neededFor(file.graph, tensor)
  const out = new WireWriter()
  for (const field of wireFields(bytes, refuse)) {
    if (field.field === MODEL_GRAPH)
      out.message(MODEL_GRAPH, cutGraph(bytesOf(field, refuse), needed, tensor, head))
    else if (field.wire === 0) out.int(field.field, field.value)
    else if (field.wire === 2) out.bytes(field.field, field.bytes)
  }
  return out.done()
}

/** Fields of a model, a graph and what is in it. Source: onnx.proto. */
const MODEL_GRAPH = 7
const [NODE, CONSTANT, INPUT, OUTPUT, SHAPES] = [1, 5, 11, 12, 13]
const NODE_OUTPUT = 2
const CONSTANT_NAME = 8
const PORT_NAME = 1

function cutGraph(
  graph: Uint8Array,
  needed: ReadonlySet<string>,
  tensor: string,
  head: LinearModel | undefined,
): WireWriter {
  const keeps: Record<number, (part: Uint8Array) => boolean> = {
    [NODE]: (part) => namesAt(part, NODE_OUTPUT).some((name) => needed.has(name)),
    [CONSTANT]: (part) => namesAt(part, CONSTANT_NAME).some((name) => needed.has(name)),
    [INPUT]: (part) => namesAt(part, PORT_NAME).some((name) => needed.has(name)),
    [OUTPUT]: () => false,
    [SHAPES]: () => false,
  }
  const out = new WireWriter()
  for (const field of wireFields(graph, refuse)) {
    if (field.wire === 0) out.int(field.field, field.value)
    if (field.wire === 2 && (keeps[field.field]?.(field.bytes) ?? true)) out.bytes(field.field, field.bytes)
  }
  out.message(NODE, node('Flatten', [tensor], 'millrace_flat', { axis: 1 }))
  out.message(NODE, node('Cast', ['millrace_flat'], EMBEDDING, { to: FLOAT }))
  if (head) addHead(out, head)
  else out.message(OUTPUT, port(EMBEDDING))
  return out
}

function namesAt(part: Uint8Array, field: number): string[] {
  const names: string[] = []
  for (const found of wireFields(part, refuse))
    if (found.field === field && found.wire === 2) names.push(textOf(found, refuse))
  return names
}

const LAST: Partial<Record<Link, string>> = { sigmoid: 'Sigmoid', softmax: 'Softmax' }

/** Weights are nodes: files of old versions may have no constants beside their inputs. */
function addHead(out: WireWriter, { nOutputs, nFeatures, weights, intercepts, link }: LinearModel): void {
  out.message(NODE, constant('millrace_weights', weights, [nOutputs, nFeatures]))
  out.message(NODE, constant('millrace_biases', intercepts, [nOutputs]))
  const last = LAST[link]
  const raw = last ? 'millrace_raw' : HEADED
  out.message(NODE, node('Gemm', [EMBEDDING, 'millrace_weights', 'millrace_biases'], raw, { transB: 1 }))
  if (last) out.message(NODE, node(last, [raw], HEADED, last === 'Softmax' ? { axis: 1 } : {}))
  out.message(OUTPUT, port(HEADED, nOutputs))
}

const FLOAT = 1
/** Types of attributes. */
const [INT, TENSOR] = [2, 4]

function node(
  operator: string,
  inputs: string[],
  output: string,
  attributes: Record<string, number> = {},
): WireWriter {
  const writer = new WireWriter()
  for (const input of inputs) writer.text(1, input)
  writer.text(2, output).text(3, `make_${output}`).text(4, operator)
  for (const [name, value] of Object.entries(attributes))
    writer.message(5, new WireWriter().text(1, name).int(3, value).int(20, INT))
  return writer
}

function constant(name: string, values: Float64Array, dims: number[]): WireWriter {
  const tensor = new WireWriter()
  for (const dim of dims) tensor.int(1, dim)
  tensor.int(2, FLOAT).text(8, name).bytes(9, packedFloats(values))
  const value = new WireWriter().text(1, 'value').message(5, tensor).int(20, TENSOR)
  return node('Constant', [], name).message(5, value)
}

/** A tensor of floats `[rows, width]`. */
function port(name: string, width?: number): WireWriter {
  const rows = new WireWriter().text(2, 'millrace_rows')
  const columns =
    width === undefined ? new WireWriter().text(2, 'millrace_width') : new WireWriter().int(1, width)
  const tensor = new WireWriter()
    .int(1, FLOAT)
    .message(2, new WireWriter().message(1, rows).message(1, columns))
  return new WireWriter().text(1, name).message(2, new WireWriter().message(1, tensor))
}
