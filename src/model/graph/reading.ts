/**
 * How a network of others is asked and read: which features are columns of which input, which output is the answer, and what its numbers are. By the file where it
 * says so, by what is declared, and held to what the network answers for rows.
 */
import { excerpt, MillraceError } from '../../core/errors.ts'
import type { GraphReading, ModelTask } from '../../core/records.ts'
import { type AskedFeature, columnsFor } from '../import/align.ts'
import type { ImportedFeature } from '../import/imported.ts'
import { describeOnnx, type PortDescription } from '../import/onnx-describe.ts'
import type { OnnxFile, OnnxNode } from '../import/onnx-file.ts'
import { mapSources } from './maps.ts'
import { INPUT_TYPES } from './open.ts'

/** What a config may say of a network, where its file does not. */
export interface DeclaredReading {
  /** Names of its columns in their order. */
  features?: readonly string[]
  /** Labels of its outputs in their order. */
  classes?: readonly string[]
  /** Name of the output that is the answer. */
  output?: string
  /** Whether the answer is probabilities, or scores that a sigmoid or softmax makes them of. */
  gives?: 'probabilities' | 'scores'
}

export interface AskedReading {
  /** File, for errors. */
  file: string
  task: ModelTask
  features: readonly AskedFeature[]
  /** Labels in the order of the model's outputs. */
  classes?: readonly string[]
  declared: DeclaredReading
}

/** A reading before any row was looked at: what is asked, and what the file says of its answer. */
export interface PlannedReading {
  inputs: GraphReading['inputs']
  output: string
  labels?: readonly string[]
  /** The operator that made the answer, of those that say what it is. */
  ending?: 'Sigmoid' | 'Softmax'
}

function refuse(file: string, expected: string, got: string): MillraceError {
  return new MillraceError('MR_TRAIN_NETWORK', { file, expected, got: excerpt(got, 200) })
}

/**
 * Plans a reading from the file alone. Features go by name where inputs have one column each or names are declared, else by their order.
 * Errors: MR_TRAIN_NETWORK for inputs and outputs that cannot be fed or read, MR_MODEL_ALIGN for names that the model's features do not have.
 */
export function planReading(graph: OnnxFile, asked: AskedReading): PlannedReading {
  const { inputs, outputs } = describeOnnx(graph)
  return { inputs: inputsOf(inputs, asked), ...answerOf(graph, outputs, asked) }
}

// ---------------------------------------------------------------- inputs

function inputsOf(ports: PortDescription[], asked: AskedReading): GraphReading['inputs'] {
  const { file, features, declared } = asked
  const odd = ports.find(({ type }) => !INPUT_TYPES.includes(type))
  if (odd) throw refuse(file, `inputs of ${INPUT_TYPES.join(', ')}`, `"${odd.name}" of ${odd.type}`)
  const category = features.find(({ type }) => type === 'category')
  if (category)
    throw refuse(file, 'features that are numbers, as its inputs are', `"${category.name}", a category`)
  const widths = ports.map(widthOf)
  if (ports.length === 1) widths[0] ??= declared.features?.length ?? features.length
  const open = widths.indexOf(undefined)
  if (open >= 0) throw refuse(file, 'inputs that say how many columns they have', `"${ports[open].name}"`)
  const columns = ports.flatMap((port, i) => columnsOf(port.name, widths[i] as number, ports.length))
  if (columns.length === 0) throw refuse(file, 'an input', 'none')
  const places = columnsFor(named(columns, asked), features)
  let at = 0
  return ports.map(({ name }, i) => {
    const from = at
    at += widths[i] as number
    return { name, features: [...places.subarray(from, at)] }
  })
}

/** Columns of one row; undefined where the file leaves them open. */
function widthOf({ dims }: PortDescription): number | undefined {
  if (dims.length === 0) return undefined
  return dims
    .slice(1)
    .reduce<number | undefined>(
      (width, dim) => (width === undefined || typeof dim !== 'number' || dim < 0 ? undefined : width * dim),
      1,
    )
}

const COLUMNS_MAX = 65_536

function columnsOf(name: string, width: number, nInputs: number): ImportedFeature[] {
  return Array.from({ length: Math.min(width, COLUMNS_MAX) }, (_, j): ImportedFeature => {
    const own = width === 1 && nInputs > 1
    return { name: own ? name : `${name}_${j}`, named: own, type: 'number' }
  })
}

function named(columns: ImportedFeature[], { file, declared }: AskedReading): ImportedFeature[] {
  const names = declared.features
  if (!names) return columns
  if (names.length !== columns.length)
    throw refuse(file, `${columns.length} names, one a column of its inputs`, `${names.length}`)
  return columns.map((column, j) => ({ ...column, name: names[j], named: true }))
}

// ---------------------------------------------------------------- the answer

function answerOf(
  graph: OnnxFile,
  ports: PortDescription[],
  { file, declared }: AskedReading,
): Omit<PlannedReading, 'inputs'> {
  const sources = mapSources(graph)
  const found = ports.flatMap(({ name, type }) => {
    const source = sources.get(name)
    if (source !== undefined) return [{ name, tensor: source }]
    return type === 'float32' || type === 'float64' ? [{ name, tensor: name }] : []
  })
  const chosen =
    declared.output === undefined
      ? (found.find(({ name }) => /prob/i.test(name)) ?? found.at(-1))
      : found.find(({ name, tensor }) => [name, tensor].includes(declared.output as string))
  if (!chosen)
    throw refuse(
      file,
      declared.output === undefined
        ? 'an output of floats'
        : `one of the outputs ${found.map(({ name }) => name).join(', ')}`,
      declared.output ?? ports.map(({ name, type }) => `${name} ${type}`).join(', '),
    )
  const labels = declared.classes ?? labelsIn(graph)
  return { output: chosen.tensor, ...(labels && { labels }), ...endingOf(graph, chosen.tensor) }
}

/** Labels of classes: of `ZipMap`, or of the constant that skl2onnx looks the likeliest class up in. */
export function labelsIn({ graph }: OnnxFile): string[] | undefined {
  for (const { operator, inputs, attributes } of graph.nodes) {
    if (operator === 'ZipMap') {
      const texts = attributes.get('classlabels_strings')?.texts ?? []
      const ints = attributes.get('classlabels_int64s')?.ints ?? []
      if (texts.length + ints.length > 0) return texts.length > 0 ? texts : ints.map(String)
    }
    const constant = operator === 'ArrayFeatureExtractor' ? graph.constants.get(inputs[0]) : undefined
    if (constant && constant.texts.length > 0) return constant.texts
    if (constant && constant.ints.length > 0) return constant.ints.map(String)
  }
  return undefined
}

const PASSES = ['Identity', 'Cast', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']
const ENDINGS: Record<string, PlannedReading['ending']> = {
  Sigmoid: 'Sigmoid',
  Softmax: 'Softmax',
  LogSoftmax: undefined,
}

function endingOf({ graph }: OnnxFile, tensor: string): Pick<PlannedReading, 'ending'> {
  const makers = new Map<string, OnnxNode>()
  for (const node of graph.nodes) for (const output of node.outputs) makers.set(output, node)
  let name = tensor
  for (let step = 0; step < 16; step++) {
    const node = makers.get(name)
    if (!node) return {}
    const ending = ENDINGS[node.operator]
    if (ending) return { ending }
    if (!PASSES.includes(node.operator)) return {}
    name = node.inputs[0]
  }
  return {}
}

// ---------------------------------------------------------------- what its numbers are

/** What a network answered for some rows: `[nRows, width]`. */
export interface Answered {
  data: ArrayLike<number>
  nRows: number
  width: number
}

/** How far a probability may lie outside of 0 to 1, and how far the sum of some from 1: what float32 leaves of a softmax over many classes. */
const EDGE = 1e-6
const SUM_EDGE = 1e-3

/**
 * Finishes a reading by what a network answers: how many numbers a row has, and whether they are probabilities. Sentences for the card say what was found and how.
 * Errors: MR_TRAIN_NETWORK for answers of another width, that are no numbers, that are not what was declared, or that may be either.
 */
export function settleReading(
  planned: PlannedReading,
  answered: Answered,
  asked: AskedReading,
): { reading: GraphReading; notes: string[] } {
  const { inputs, output } = planned
  checkNumbers(answered, asked)
  const way = WAYS[asked.task](planned, answered, asked)
  return { reading: { inputs, output, ...way.reading }, notes: way.notes }
}

type Way = { reading: Pick<GraphReading, 'columns' | 'less' | 'link'>; notes: string[] }

const WAYS: Record<ModelTask, (planned: PlannedReading, answered: Answered, asked: AskedReading) => Way> = {
  binary: wayOfTwo,
  multiclass: wayOfClasses,
  regression: wayOfValue,
  ranking: wayOfValue,
}

function checkNumbers({ data, nRows, width }: Answered, { file }: AskedReading): void {
  let odd = 0
  for (let i = 0; i < nRows; i++) {
    let all = true
    for (let k = 0; k < width; k++) all &&= Number.isFinite(data[i * width + k])
    if (!all) odd++
  }
  if (odd > 0)
    throw refuse(
      file,
      'a number for each row; fill missing values in the features (fill(0)), as the network cannot',
      `none for ${odd} of ${nRows} rows`,
    )
}

function wayOfValue({ output }: PlannedReading, { width }: Answered, { file, task }: AskedReading): Way {
  if (width !== 1) throw refuse(file, `one number a row, for ${task}`, `${width} in output "${output}"`)
  return { reading: { columns: [0], link: 'identity' }, notes: [] }
}

function wayOfTwo(planned: PlannedReading, answered: Answered, asked: AskedReading): Way {
  const { width } = answered
  if (width !== 1 && width !== 2)
    throw refuse(
      asked.file,
      'one number a row or two, for two classes',
      `${width} in output "${planned.output}"`,
    )
  const { areProbabilities, note } = kindOf(planned, answered, asked)
  const notes = [note]
  if (width === 2) notes.push(`of two outputs, the second is ${secondOf(planned.labels)}`)
  if (areProbabilities) return { reading: { columns: [width - 1], link: 'identity' }, notes }
  return {
    reading: { columns: [width - 1], ...(width === 2 && { less: 0 }), link: 'sigmoid' },
    notes,
  }
}

function secondOf(labels: readonly string[] | undefined): string {
  return labels?.length === 2 ? `"${labels[1]}", which is taken for yes` : 'taken for yes'
}

function wayOfClasses(planned: PlannedReading, answered: Answered, asked: AskedReading): Way {
  const { classes = [], file } = asked
  if (answered.width !== classes.length)
    throw refuse(
      file,
      `${classes.length} numbers a row, one a class`,
      `${answered.width} in output "${planned.output}"`,
    )
  const { columns, note: order } = orderOf(planned.labels, asked)
  const { areProbabilities, note } = kindOf(planned, answered, asked)
  return { reading: { columns, link: areProbabilities ? 'identity' : 'softmax' }, notes: [order, note] }
}

function orderOf(
  labels: readonly string[] | undefined,
  { classes = [], file }: AskedReading,
): { columns: number[]; note: string } {
  if (!labels) {
    return {
      columns: classes.map((_, k) => k),
      note: `the network names no classes: its outputs are ${classes.slice(0, 20).join(', ')}, in this order`,
    }
  }
  const columns = classes.map((label) => labels.indexOf(label))
  const absent = classes.filter((_, k) => columns[k] < 0)
  if (labels.length !== classes.length || absent.length > 0)
    throw refuse(file, `the classes ${classes.join(', ')}`, labels.join(', '))
  return { columns, note: 'classes go by their labels' }
}

/** Whether answers are probabilities. What is declared must hold for the rows; what is not is told by the last operator and by the rows together. */
function kindOf(
  { ending }: PlannedReading,
  answered: Answered,
  { file, declared }: AskedReading,
): { areProbabilities: boolean; note: string } {
  const { nRows, width } = answered
  const { low, high, sumOff } = rangeOf(answered)
  const within = low >= -EDGE && high <= 1 + EDGE
  const sums = width === 1 || sumOff <= SUM_EDGE
  const range = `${rounded(low)} to ${rounded(high)}`
  const seen = width === 1 ? range : `${range}, sums off 1 by up to ${rounded(sumOff)}`
  const of = `${nRows} rows`
  if (declared.gives === 'probabilities' && !(within && sums))
    throw refuse(
      file,
      width === 1 ? 'probabilities, as declared' : 'probabilities that sum to 1, as declared',
      seen,
    )
  const made = width === 1 ? 'sigmoid' : 'softmax'
  if (declared.gives === 'scores')
    return {
      areProbabilities: false,
      note: `outputs are scores, as declared: a ${made} makes probabilities of them`,
    }
  if (within && sums) {
    const by = declared.gives
      ? 'as declared'
      : ending
        ? `as its last operator is ${ending}`
        : 'by what they are'
    return { areProbabilities: true, note: `outputs are probabilities, ${by}: ${seen} over ${of}` }
  }
  if (ending === 'Sigmoid' || within)
    throw refuse(file, "probabilities that sum to 1, or gives: 'scores' where they are scores", seen)
  return {
    areProbabilities: false,
    note: `outputs are scores, ${seen} over ${of}: a ${made} makes probabilities of them`,
  }
}

const rounded = (x: number) => Number(x.toPrecision(3))

function rangeOf({ data, nRows, width }: Answered): { low: number; high: number; sumOff: number } {
  let [low, high, sumOff] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (let i = 0; i < nRows; i++) {
    let sum = 0
    for (let k = 0; k < width; k++) {
      const x = data[i * width + k]
      low = Math.min(low, x)
      high = Math.max(high, x)
      sum += x
    }
    sumOff = Math.max(sumOff, Math.abs(sum - 1))
  }
  return { low, high, sumOff }
}
