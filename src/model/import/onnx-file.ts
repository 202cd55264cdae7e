/** An ONNX file as its graph: nodes, constants, inputs and outputs. Tensors are described, and read only when asked for. */
import { checkFileBytes, IMPORT_LIMITS, type Refuse, refuseAs } from './imported.ts'
import {
  addInts,
  addReals,
  bytesOf,
  dataView,
  type FieldReaders,
  floatOf,
  intOf,
  readMessage,
  textOf,
  type WireField,
} from './protobuf.ts'

export interface OnnxFile {
  irVersion: number
  producer: string
  /** Version of each set of operators, by domain; `''` is ONNX's own. */
  opsets: Map<string, number>
  graph: OnnxGraph
  /** Functions of the file's own, by name: they are operators too. */
  functions: Set<string>
  /** Tensors whose data are in other files, wherever in the file they stand: in graphs within graphs, attributes, functions and training, too. */
  external: OnnxConstant[]
}

export interface OnnxGraph {
  name: string
  nodes: OnnxNode[]
  constants: Map<string, OnnxConstant>
  inputs: OnnxPort[]
  outputs: OnnxPort[]
}

export interface OnnxNode {
  operator: string
  domain: string
  name: string
  inputs: string[]
  outputs: string[]
  attributes: Map<string, OnnxAttribute>
}

export interface OnnxAttribute {
  name: string
  float?: number
  int?: number
  text?: string
  tensor?: OnnxConstant
  graphs: OnnxGraph[]
  floats: number[]
  ints: number[]
  texts: string[]
}

/** A tensor of the file. Numbers lie in one of the fields; or outside, in a file beside it. */
export interface OnnxConstant {
  name: string
  type: number
  dims: number[]
  reals: number[]
  doubles: number[]
  ints: number[]
  texts: string[]
  raw?: Uint8Array
  /** `location`, `offset` and `length` of data in another file. */
  external?: Map<string, string>
}

/** An input or output: its element type (0 when it is no tensor) and dimensions, a number, a name or unknown. */
export interface OnnxPort {
  name: string
  type: number
  dims: (number | string | null)[]
  /** `tensor`, or what else it is. */
  kind: 'tensor' | 'sequence' | 'map' | 'other'
}

/** Names of element types by their number. */
export const ELEMENT_TYPES = [
  'undefined',
  'float32',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'float64',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
  'float8e8m0',
]
export const FLOAT32 = 1
export const FLOAT64 = 11

export const onnxRefusal: Refuse = refuseAs('ONNX')
const refuse = onnxRefusal

/** Nodes of a file, also in graphs within graphs. */
const NODES_MAX = 1_000_000

/**
 * Reads a file. Nothing of it is run, no other file is opened, and no tensor is read.
 * Errors: MR_MODEL_IMPORT for bytes that are no ONNX, cut, or nested deeper than 64 levels. Cost: O(bytes).
 */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  checkFileBytes('ONNX', bytes.length)
  const file: OnnxFile = {
    irVersion: 0,
    producer: '',
    opsets: new Map(),
    graph: emptyGraph(),
    functions: new Set(),
    external: [],
  }
  const count: Count = { nodes: 0, external: file.external }
  let graphs = 0
  readMessage<OnnxFile>(
    bytes,
    file,
    {
      1: (into, field) => {
        into.irVersion = intOf(field, refuse)
      },
      2: (into, field) => {
        into.producer = textOf(field, refuse)
      },
      7: (into, field) => {
        graphs++
        into.graph = readGraph(bytesOf(field, refuse), 1, count)
      },
      8: (into, field) => {
        const { domain, version } = readMessage(
          bytesOf(field, refuse),
          { domain: '', version: 0 },
          OPSET,
          refuse,
        )
        into.opsets.set(domain === 'ai.onnx' ? '' : domain, version)
      },
      25: (into, field) => {
        into.functions.add(readFunction(bytesOf(field, refuse), count))
      },
      20: (_, field) => void readMessage(bytesOf(field, refuse), count, TRAINING, refuse),
    },
    refuse,
  )
  if (graphs !== 1) throw refuse('the file', 'one graph', graphs === 0 ? 'none: it is no ONNX' : `${graphs}`)
  return file
}

const emptyGraph = (): OnnxGraph => ({ name: '', nodes: [], constants: new Map(), inputs: [], outputs: [] })

const OPSET: FieldReaders<{ domain: string; version: number }> = {
  1: (into, field) => {
    into.domain = textOf(field, refuse)
  },
  2: (into, field) => {
    into.version = intOf(field, refuse)
  },
}

/** Graphs that a training would run: a runtime need not, but looks at their tensors. */
const TRAINING: FieldReaders<Count> = {
  1: (count, field) => void readGraph(bytesOf(field, refuse), 1, count),
  2: (count, field) => void readGraph(bytesOf(field, refuse), 1, count),
}

function readFunction(bytes: Uint8Array, count: Count): string {
  const readers: FieldReaders<{ name: string }> = {
    1: (into, field) => {
      into.name = textOf(field, refuse)
    },
    7: (_, field) => void countedNode(bytesOf(field, refuse), 1, count),
  }
  return readMessage(bytes, { name: '' }, readers, refuse).name
}

// ---------------------------------------------------------------- graphs

interface Count {
  nodes: number
  external: OnnxConstant[]
}

function countedNode(bytes: Uint8Array, depth: number, count: Count): OnnxNode {
  if (++count.nodes > NODES_MAX) throw refuse('graph', `at most ${NODES_MAX} nodes`, 'more')
  return readNode(bytes, depth, count)
}

function readGraph(bytes: Uint8Array, depth: number, count: Count): OnnxGraph {
  if (depth > IMPORT_LIMITS.nestingMax)
    throw refuse('graph', `at most ${IMPORT_LIMITS.nestingMax} graphs within one another`, 'more')
  return readMessage<OnnxGraph>(
    bytes,
    emptyGraph(),
    {
      1: (graph, field) => {
        graph.nodes.push(countedNode(bytesOf(field, refuse), depth, count))
      },
      2: (graph, field) => {
        graph.name = textOf(field, refuse)
      },
      5: (graph, field) => {
        const constant = readConstant(bytesOf(field, refuse), count)
        graph.constants.set(constant.name, constant)
      },
      15: (_, field) => readSparse(field, count),
      11: (graph, field) => {
        graph.inputs.push(readPort(bytesOf(field, refuse)))
      },
      12: (graph, field) => {
        graph.outputs.push(readPort(bytesOf(field, refuse)))
      },
    },
    refuse,
  )
}

function readNode(bytes: Uint8Array, depth: number, count: Count): OnnxNode {
  const node: OnnxNode = {
    operator: '',
    domain: '',
    name: '',
    inputs: [],
    outputs: [],
    attributes: new Map(),
  }
  const readers: FieldReaders<OnnxNode> = {
    1: (into, field) => into.inputs.push(textOf(field, refuse)),
    2: (into, field) => into.outputs.push(textOf(field, refuse)),
    3: (into, field) => {
      into.name = textOf(field, refuse)
    },
    4: (into, field) => {
      into.operator = textOf(field, refuse)
    },
    5: (into, field) => {
      const attribute = readAttribute(bytesOf(field, refuse), depth, count)
      into.attributes.set(attribute.name, attribute)
    },
    7: (into, field) => {
      const domain = textOf(field, refuse)
      into.domain = domain === 'ai.onnx' ? '' : domain
    },
  }
  return readMessage(bytes, node, readers, refuse)
}

function readAttribute(bytes: Uint8Array, depth: number, count: Count): OnnxAttribute {
  const attribute: OnnxAttribute = { name: '', graphs: [], floats: [], ints: [], texts: [] }
  const graph = (into: OnnxAttribute, field: WireField) =>
    into.graphs.push(readGraph(bytesOf(field, refuse), depth + 1, count))
  const readers: FieldReaders<OnnxAttribute> = {
    1: (into, field) => {
      into.name = textOf(field, refuse)
    },
    2: (into, field) => {
      into.float = floatOf(field, refuse)
    },
    3: (into, field) => {
      into.int = intOf(field, refuse)
    },
    4: (into, field) => {
      into.text = textOf(field, refuse)
    },
    5: (into, field) => {
      into.tensor = readConstant(bytesOf(field, refuse), count)
    },
    6: graph,
    7: (into, field) => addReals(into.floats, field, 4, refuse),
    8: (into, field) => addInts(into.ints, field, refuse),
    9: (into, field) => into.texts.push(textOf(field, refuse)),
    10: (_, field) => void readConstant(bytesOf(field, refuse), count),
    11: graph,
    22: (_, field) => readSparse(field, count),
    23: (_, field) => readSparse(field, count),
  }
  return readMessage(bytes, attribute, readers, refuse)
}

function readPort(bytes: Uint8Array): OnnxPort {
  const port: OnnxPort = { name: '', type: 0, dims: [], kind: 'other' }
  const shape: FieldReaders<OnnxPort> = {
    1: (into, field) => into.dims.push(readDim(bytesOf(field, refuse))),
  }
  const tensor: FieldReaders<OnnxPort> = {
    1: (into, field) => {
      into.type = intOf(field, refuse)
    },
    2: (into, field) => void readMessage(bytesOf(field, refuse), into, shape, refuse),
  }
  const type: FieldReaders<OnnxPort> = {
    1: (into, field) => {
      into.kind = 'tensor'
      readMessage(bytesOf(field, refuse), into, tensor, refuse)
    },
    4: (into) => {
      into.kind = 'sequence'
    },
    5: (into) => {
      into.kind = 'map'
    },
  }
  const readers: FieldReaders<OnnxPort> = {
    1: (into, field) => {
      into.name = textOf(field, refuse)
    },
    2: (into, field) => void readMessage(bytesOf(field, refuse), into, type, refuse),
  }
  return readMessage(bytes, port, readers, refuse)
}

function readDim(bytes: Uint8Array): number | string | null {
  const dim: { value: number | string | null } = { value: null }
  const readers: FieldReaders<typeof dim> = {
    1: (into, field) => {
      into.value = intOf(field, refuse)
    },
    2: (into, field) => {
      into.value = textOf(field, refuse) || null
    },
  }
  return readMessage(bytes, dim, readers, refuse).value
}

// ---------------------------------------------------------------- tensors

/** Values and places of a sparse tensor: only where their data are is of interest. */
function readSparse(field: WireField, count: Count): void {
  const tensor = (into: Count, part: WireField) => void readConstant(bytesOf(part, refuse), into)
  readMessage<Count>(bytesOf(field, refuse), count, { 1: tensor, 2: tensor }, refuse)
}

/** A tensor by itself, or of a file, which lists those whose data are elsewhere. */
export function readConstant(
  bytes: Uint8Array,
  { external }: Pick<Count, 'external'> = { external: [] },
): OnnxConstant {
  const constant: OnnxConstant = {
    ...{ name: '', type: 0, dims: [] },
    ...{ reals: [], doubles: [], ints: [], texts: [] },
  }
  const readers: FieldReaders<OnnxConstant> = {
    1: (into, field) => addInts(into.dims, field, refuse),
    2: (into, field) => {
      into.type = intOf(field, refuse)
    },
    4: (into, field) => addReals(into.reals, field, 4, refuse),
    5: (into, field) => addInts(into.ints, field, refuse),
    6: (into, field) => into.texts.push(textOf(field, refuse)),
    7: (into, field) => addInts(into.ints, field, refuse),
    8: (into, field) => {
      into.name = textOf(field, refuse)
    },
    9: (into, field) => {
      into.raw = bytesOf(field, refuse)
    },
    10: (into, field) => addReals(into.doubles, field, 8, refuse),
    11: (into, field) => addInts(into.ints, field, refuse),
    13: (into, field) => {
      const entry = readMessage(bytesOf(field, refuse), { key: '', value: '' }, ENTRY, refuse)
      into.external ??= new Map()
      into.external.set(entry.key, entry.value)
    },
    14: (into, field) => {
      if (intOf(field, refuse) === 1) into.external ??= new Map()
    },
  }
  const read = readMessage(bytes, constant, readers, refuse)
  if (read.external) external.push(read)
  return read
}

const ENTRY: FieldReaders<{ key: string; value: string }> = {
  1: (into, field) => {
    into.key = textOf(field, refuse)
  },
  2: (into, field) => {
    into.value = textOf(field, refuse)
  },
}

/** Numbers of a tensor that is floats, doubles or integers. Errors: MR_MODEL_IMPORT when it has others, or not as many as its dimensions say. */
export function numbersOf(constant: OnnxConstant): Float64Array {
  const { name, dims, type } = constant
  const place = `tensor ${name}`
  if (constant.external) throw refuse(place, 'data in the file itself', 'data in another file')
  const expected = dims.reduce((product, dim) => product * dim, 1)
  const numbers = constant.raw ? rawNumbers(constant.raw, type, place) : listOf(constant)
  if (numbers.length !== expected)
    throw refuse(place, `${expected} numbers, as its dimensions say`, `${numbers.length}`)
  return numbers
}

function listOf({ reals, doubles, ints }: OnnxConstant): Float64Array {
  return Float64Array.from([reals, doubles, ints].find((list) => list.length > 0) ?? [])
}

function rawNumbers(raw: Uint8Array, type: number, place: string): Float64Array {
  const reader = RAW[type]
  if (!reader) throw refuse(place, 'floats or integers', ELEMENT_TYPES[type] ?? `type ${type}`)
  const view = dataView(raw)
  return Float64Array.from({ length: Math.floor(raw.length / reader.width) }, (_, i) =>
    reader.at(view, i * reader.width),
  )
}

const RAW: Record<number, { width: number; at: (view: DataView, at: number) => number } | undefined> = {
  1: { width: 4, at: (view, at) => view.getFloat32(at, true) },
  2: { width: 1, at: (view, at) => view.getUint8(at) },
  3: { width: 1, at: (view, at) => view.getInt8(at) },
  4: { width: 2, at: (view, at) => view.getUint16(at, true) },
  5: { width: 2, at: (view, at) => view.getInt16(at, true) },
  6: { width: 4, at: (view, at) => view.getInt32(at, true) },
  7: { width: 8, at: (view, at) => Number(view.getBigInt64(at, true)) },
  9: { width: 1, at: (view, at) => view.getUint8(at) },
  11: { width: 8, at: (view, at) => view.getFloat64(at, true) },
  12: { width: 4, at: (view, at) => view.getUint32(at, true) },
  13: { width: 8, at: (view, at) => Number(view.getBigUint64(at, true)) },
}
