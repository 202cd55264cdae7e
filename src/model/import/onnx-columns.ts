/** What an ONNX graph does to its inputs before trees or weights: each column of a tensor is an input column after some steps in float32. */
import {
  FLOAT32,
  FLOAT64,
  numbersOf,
  type OnnxFile,
  type OnnxNode,
  type OnnxPort,
  onnxRefusal as refuse,
} from './onnx-file.ts'
import { numbersAttribute } from './onnx-trees.ts'

/** One step of a column, rounded to float32. `impute` replaces missing values. */
export type Step = { kind: 'impute' | 'add' | 'subtract' | 'multiply' | 'divide'; by: number }

export interface Column {
  /** Column of the model's inputs, in their order. */
  input: number
  steps: Step[]
}

export interface Columns {
  columns: Column[]
  /** Whether the tensor holds doubles. */
  isDouble: boolean
}

const f32 = Math.fround

/** Value of a column for a value of its input; both float32. */
export function steppedValue(steps: readonly Step[], input: number): number {
  let x = input
  for (const { kind, by } of steps) {
    if (kind === 'impute') x = Number.isNaN(x) ? by : x
    else if (kind === 'add') x = f32(x + by)
    else if (kind === 'subtract') x = f32(x - by)
    else if (kind === 'multiply') x = f32(x * by)
    else x = f32(x / by)
  }
  return x
}

/** Columns of a file's inputs, and of the tensors that simple operators make of them. */
export class ColumnReader {
  readonly inputs: { name: string; port: OnnxPort; width: number; from: number }[]
  private readonly file: OnnxFile
  private readonly makers = new Map<string, OnnxNode>()

  /** `width` is the number of columns of an input whose width the file leaves open. */
  constructor(file: OnnxFile, width: number) {
    this.file = file
    let from = 0
    this.inputs = file.graph.inputs
      .filter(({ name }) => !file.graph.constants.has(name))
      .map((port) => {
        const input = { name: port.name, port, width: widthOf(port, width), from }
        from += input.width
        return input
      })
    for (const node of file.graph.nodes) for (const output of node.outputs) this.makers.set(output, node)
  }

  get nColumns(): number {
    return this.inputs.reduce((sum, { width }) => sum + width, 0)
  }

  /** Errors: MR_MODEL_IMPORT when a tensor is made by anything else than simple steps on columns. */
  columnsOf(tensor: string, depth = 0): Columns {
    if (depth > 64) throw refuse('graph', 'at most 64 steps before the model', 'more, or a cycle')
    const input = this.inputs.find(({ name }) => name === tensor)
    if (input) return inputColumns(input)
    const node = this.makers.get(tensor)
    if (!node) throw refuse(`tensor ${tensor}`, 'an input or the output of a node', 'neither')
    const step = STEPS[node.operator]
    if (!step) throw unknownStep(node)
    return step(node, this, depth + 1)
  }

  constant(name: string): Float64Array | undefined {
    const constant = this.file.graph.constants.get(name)
    return constant && numbersOf(constant)
  }
}

function unknownStep(node: OnnxNode): Error {
  return refuse(
    `operator ${node.operator}`,
    'Cast, Imputer, Scaler, Concat, FeatureVectorizer, ArrayFeatureExtractor, Identity, or an addition or product with constants before trees or weights',
    'another: the file can be served whole by ONNX Runtime',
  )
}

function widthOf({ dims, name, kind }: OnnxPort, open: number): number {
  if (kind !== 'tensor' || dims.length > 2)
    throw refuse(`input ${name}`, 'a tensor of rows', `${kind} of ${dims.length} dimensions`)
  const last = dims.length === 2 ? dims[1] : 1
  if (typeof last !== 'number') return open
  if (!(last >= 1 && last <= 65_536)) throw refuse(`input ${name}`, '1 to 65536 columns', String(last))
  return last
}

function inputColumns({ port, width, from }: { port: OnnxPort; width: number; from: number }): Columns {
  // Strings would need a dictionary; all numbers are cast to floats.
  if (port.type === 8) throw refuse(`input ${port.name}`, 'numbers', 'strings')
  return {
    columns: Array.from({ length: width }, (_, j) => ({ input: from + j, steps: [] })),
    isDouble: port.type === FLOAT64,
  }
}

type StepReader = (node: OnnxNode, reader: ColumnReader, depth: number) => Columns

const same: StepReader = (node, reader, depth) => reader.columnsOf(node.inputs[0], depth)

const cast: StepReader = (node, reader, depth) => {
  const given = reader.columnsOf(node.inputs[0], depth)
  const to = node.attributes.get('to')?.int
  if (to === FLOAT32) return { ...given, isDouble: false }
  if (to === FLOAT64 && given.isDouble) return given
  throw refuse('operator Cast', 'a cast to float', `type ${to}`)
}

/** Each column gets a step of its own, or all the same one. */
function stepped(given: Columns, kind: Step['kind'], by: ArrayLike<number>, place: string): Columns {
  if (given.isDouble) throw refuse(place, 'steps in float32', 'steps in doubles')
  const n = given.columns.length
  if (by.length !== 1 && by.length !== n) throw refuse(place, `1 or ${n} numbers`, `${by.length}`)
  const columns = given.columns.map(({ input, steps }, j) => ({
    input,
    steps: [...steps, { kind, by: f32(by[by.length === 1 ? 0 : j]) }],
  }))
  return { ...given, columns }
}

const scaler: StepReader = (node, reader, depth) => {
  const given = reader.columnsOf(node.inputs[0], depth)
  const moved = stepped(given, 'subtract', numbersAttribute(node, 'offset'), 'operator Scaler offset')
  return stepped(moved, 'multiply', numbersAttribute(node, 'scale'), 'operator Scaler scale')
}

const imputer: StepReader = (node, reader, depth) => {
  const replaced = node.attributes.get('replaced_value_float')?.float ?? 0
  if (!Number.isNaN(replaced))
    throw refuse('operator Imputer', 'NaN as the value that is replaced', String(replaced))
  const given = reader.columnsOf(node.inputs[0], depth)
  return stepped(given, 'impute', numbersAttribute(node, 'imputed_value_floats'), 'operator Imputer')
}

/** `x + c` or `c + x`; the constant comes second where order matters. */
const withConstant =
  (kind: Step['kind'], commutes: boolean): StepReader =>
  (node, reader, depth) => {
    const [a, b] = node.inputs
    const second = reader.constant(b)
    if (second) return stepped(reader.columnsOf(a, depth), kind, second, `operator ${node.operator}`)
    const first = commutes ? reader.constant(a) : undefined
    if (first) return stepped(reader.columnsOf(b, depth), kind, first, `operator ${node.operator}`)
    throw unknownStep(node)
  }

const concat: StepReader = (node, reader, depth) => {
  const axis = node.attributes.get('axis')?.int ?? 1
  if (axis !== 1 && axis !== -1) throw refuse('operator Concat', 'axis 1', String(axis))
  const parts = node.inputs.map((input) => reader.columnsOf(input, depth))
  const isDouble = parts.some((part) => part.isDouble)
  if (isDouble && !parts.every((part) => part.isDouble))
    throw refuse('operator Concat', 'one type', 'floats and doubles')
  const columns = parts.flatMap((part) => part.columns)
  if (columns.length > 65_536) throw refuse('operator Concat', 'at most 65536 columns', `${columns.length}`)
  return { columns, isDouble }
}

const extract: StepReader = (node, reader, depth) => {
  const given = reader.columnsOf(node.inputs[0], depth)
  const indexes = reader.constant(node.inputs[1])
  if (!indexes) throw unknownStep(node)
  const columns = Array.from(indexes, (j) => given.columns[j])
  if (columns.includes(undefined as unknown as Column))
    throw refuse(`operator ${node.operator}`, `columns below ${given.columns.length}`, 'others')
  return { ...given, columns }
}

const STEPS: Record<string, StepReader | undefined> = {
  Identity: same,
  Cast: cast,
  Scaler: scaler,
  Imputer: imputer,
  Add: withConstant('add', true),
  Sub: withConstant('subtract', false),
  Mul: withConstant('multiply', true),
  Div: withConstant('divide', false),
  Concat: concat,
  FeatureVectorizer: concat,
  ArrayFeatureExtractor: extract,
}
