import type { ModelTask } from '../../core/records.ts'
import type { Model } from '../score.ts'
import type { LinearModel, Link, SourceRules, TreeEnsemble } from '../trees.ts'
import { validateModel } from '../validate.ts'
import { IMPORT_LIMITS, type ImportedFeature, type ImportedModel, taskOf } from './imported.ts'
import { ColumnReader, type Columns, steppedValue } from './onnx-columns.ts'
import { type OnnxFile, type OnnxNode, readOnnxFile, onnxRefusal as refuse } from './onnx-file.ts'
import { hasNetwork, networkOfFile } from './onnx-network.ts'
import { type Written, writeOnnxNode } from './onnx-splits.ts'
import { labelsOf, numbersAttribute, type OnnxTrees, textAttribute, treesOfNode } from './onnx-trees.ts'
import { TreeWriter } from './tree-writer.ts'

/** Operators that this package scores by itself. */
const TREES = ['TreeEnsembleRegressor', 'TreeEnsembleClassifier', 'TreeEnsemble']
const LINEAR = ['LinearRegressor', 'LinearClassifier']

/**
 * Reads an ONNX file whose model is one tree ensemble, one linear model or one [feed-forward network](onnx-network.ts), with the simple operators that converters put around it: casts,
 * imputers, scalers, concatenated inputs before; labels, maps, links and identities after. Steps before trees become part of the thresholds.
 *
 * Rules held: tests in float32 (or doubles, for double inputs); NaN fails every test unless the node tracks it; leaves are summed in that type from
 * zero, then divided for AVERAGE, then the base is added, which is ONNX Runtime's way with one row: scores are its scores to the bit. Softmax of two
 * classes becomes a sigmoid of their difference, and linear models are summed in doubles: these agree to float32 rounding. Of two classes the
 * second is the positive one.
 * Refused with MR_MODEL_IMPORT: MIN and MAX, PROBIT and SOFTMAX_ZERO, bases that ONNX Runtime itself reads in odd ways, and all other graphs,
 * which ONNX Runtime can serve whole. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID. Cost: O(bytes), O(nodes * 32) where columns are scaled.
 */
export function readOnnxModel(bytes: Uint8Array): ImportedModel {
  return modelOfFile(readOnnxFile(bytes))
}

/** Whether a file's graph has a model that this package may score by itself. */
export function hasOwnModel(file: OnnxFile): boolean {
  return file.graph.nodes.some(({ operator }) => TREES.includes(operator) || LINEAR.includes(operator))
}

export function modelOfFile(file: OnnxFile): ImportedModel {
  const models = file.graph.nodes.filter(
    ({ operator }) => TREES.includes(operator) || LINEAR.includes(operator),
  )
  if (models.length === 0 && hasNetwork(file)) return networkOfFile(file)
  if (models.length !== 1)
    throw refuse(
      'graph',
      'one tree ensemble or linear model',
      models.length === 0 ? 'none: ONNX Runtime can serve it whole' : `${models.length}`,
    )
  const [node] = models
  const read = TREES.includes(node.operator) ? readTrees(file, node) : readLinear(file, node)
  const outlet = outletOf(file, node)
  const model = { ...read.model, link: linkAfter(read.model.link, outlet) } as Model
  validateModel(model)
  const isClassifier = read.labels !== undefined
  const task: ModelTask = isClassifier
    ? model.nOutputs > 1
      ? 'multiclass'
      : 'binary'
    : taskOf(model.link, model.nOutputs)
  return {
    source: `ONNX ${node.operator}${file.producer === '' ? '' : ` by ${file.producer.slice(0, 40)}`}`,
    objective: node.operator,
    task,
    model,
    features: featuresOf(read.reader),
    ...(task === 'multiclass' && read.labels ? { classes: read.labels.map(String) } : {}),
    notes: read.notes,
  }
}

interface ReadNode {
  model: Model
  reader: ColumnReader
  labels?: (string | number)[]
  notes: string[]
}

/** Columns of one wide tensor have no names of their own. */
function featuresOf(reader: ColumnReader): ImportedFeature[] {
  return reader.inputs.flatMap(({ name, width }) =>
    Array.from({ length: width }, (_, j): ImportedFeature => {
      const named = width === 1 && reader.inputs.length > 1
      return { name: named ? name : `${name}_${j}`, named, type: 'number' }
    }),
  )
}

// ---------------------------------------------------------------- after the model

/** Operators between the model's scores and an output of the graph, in their order. */
function outletOf(file: OnnxFile, model: OnnxNode): OnnxNode[] {
  const outputs = new Set(file.graph.outputs.map(({ name }) => name))
  const isClassifier = model.operator.endsWith('Classifier')
  let tensor = model.outputs[isClassifier ? 1 : 0]
  const passed: OnnxNode[] = []
  for (let step = 0; step < 64; step++) {
    if (outputs.has(tensor)) return passed
    const next = file.graph.nodes.filter(({ inputs }) => inputs.includes(tensor))
    if (next.length !== 1)
      throw refuse(`tensor ${tensor}`, 'one way from the model to an output', `${next.length}`)
    passed.push(next[0])
    checkAfter(file, next[0], tensor)
    tensor = next[0].outputs[0]
  }
  throw refuse('graph', 'at most 64 steps after the model', 'more, or a cycle')
}

const PASSES = [
  'Identity',
  'Cast',
  'ZipMap',
  'Reshape',
  'Flatten',
  'Sigmoid',
  'Exp',
  'Softmax',
  'Normalizer',
  'Mul',
]

function checkAfter(file: OnnxFile, node: OnnxNode, tensor: string): void {
  if (!PASSES.includes(node.operator))
    throw refuse(
      `operator ${node.operator}`,
      `${PASSES.join(', ')} after the model`,
      'another: ONNX Runtime can serve the file whole',
    )
  if (node.operator !== 'Mul') return
  const other = node.inputs.find((input) => input !== tensor) ?? ''
  const reader = new ColumnReader(file, 1)
  if (!reader.constant(other)?.every((factor) => factor === 1))
    throw refuse('operator Mul', 'a product with 1', 'another')
}

const LINK_OF: Record<string, Link | undefined> = { Sigmoid: 'sigmoid', Exp: 'exp', Softmax: 'softmax' }

function linkAfter(link: Link, outlet: OnnxNode[]): Link {
  let after = link
  for (const { operator } of outlet) {
    const next = LINK_OF[operator]
    if (next && after !== 'identity') throw refuse(`operator ${operator}`, 'one link', `${after} and another`)
    if (next) after = next
    // A sum of probabilities is 1 after a softmax, so that nothing is left to divide by.
    if (operator === 'Normalizer' && after !== 'softmax')
      throw refuse('operator Normalizer', 'a softmax before it', after)
  }
  return after
}

// ---------------------------------------------------------------- trees

const TRANSFORMS: Record<string, Link | undefined> = {
  NONE: 'identity',
  LOGISTIC: 'sigmoid',
  SOFTMAX: 'softmax',
}

function readTrees(file: OnnxFile, node: OnnxNode): ReadNode {
  const trees = treesOfNode(node)
  if (trees.nOutputs < 1 || trees.nOutputs > IMPORT_LIMITS.outputsMax)
    throw refuse(node.operator, `1 to ${IMPORT_LIMITS.outputsMax} outputs`, `${trees.nOutputs}`)
  const link = TRANSFORMS[trees.transform]
  if (!link)
    throw refuse(`${node.operator}.post_transform`, Object.keys(TRANSFORMS).join(', '), trees.transform)
  const reader = new ColumnReader(file, widestFeature(trees) + 1)
  const columns = reader.columnsOf(node.inputs[0])
  const notes: string[] = []
  if (trees.trees.every((tree) => tree.cover.every((cover) => !(cover > 0))))
    notes.push('the file does not count training rows: explanations weigh both sides of a split alike')
  const shape = shapeOf(node, trees, link, columns.isDouble ? (x) => x : Math.fround)
  const model = writeTrees(trees, columns, shape, reader.nColumns)
  return { model, reader, labels: trees.labels, notes }
}

function widestFeature({ trees }: OnnxTrees): number {
  let most = 0
  for (const tree of trees)
    for (let i = 0; i < tree.mode.length; i++)
      if (tree.mode[i] !== 'leaf') most = Math.max(most, tree.feature[i])
  return Math.min(most, IMPORT_LIMITS.featuresMax)
}

/** Which numbers of a file's leaves make which outputs. */
interface Shape {
  link: Link
  bases: Float64Array
  /** Outputs of the file that are kept, in order. */
  kept: number[]
  /** The output that is taken off the kept one, where two classes become one score; -1 for none. */
  lessOutput: number
}

function shapeOf(node: OnnxNode, trees: OnnxTrees, link: Link, round: (x: number) => number): Shape {
  const { nOutputs, bases, labels } = trees
  if (labels?.length === 2) return shapeOfTwo(node, trees, link, round)
  if (bases.length !== 0 && bases.length !== nOutputs)
    throw refuse(`${node.operator}.base_values`, `${nOutputs} or none`, `${bases.length}`)
  if (!labels && nOutputs === 1 && link !== 'identity')
    throw refuse(
      `${node.operator}.post_transform`,
      'NONE for one target, as ONNX Runtime ignores others there',
      trees.transform,
    )
  const kept = Array.from({ length: nOutputs }, (_, k) => k)
  const base = bases.length === 0 ? new Float64Array(nOutputs) : bases.map(round)
  return { link, bases: base, kept, lessOutput: -1 }
}

/**
 * Two classes, as ONNX Runtime reads them. Weights of class 0 alone are the score of the positive class, as converters write it; then a softmax does
 * nothing. Weights of class 1 alone are its score beside a 0, and those of both classes one score each.
 */
function shapeOfTwo(
  node: OnnxNode,
  { trees, bases }: OnnxTrees,
  link: Link,
  round: (x: number) => number,
): Shape {
  const used = new Set(trees.flatMap((tree) => [...tree.weights.values()].flat().map(([output]) => output)))
  const only = used.size === 1 ? [...used][0] : -1
  if (bases.length > (only === 0 ? 1 : 0))
    throw refuse(
      `${node.operator}.base_values`,
      'one for weights of class 0 alone, else none',
      `${bases.length}`,
    )
  const base = Float64Array.of(round(bases[0] ?? 0))
  const shape = (kept: number, of: Link, lessOutput = -1): Shape => ({
    link: of,
    bases: base,
    kept: [kept],
    lessOutput,
  })
  if (only === 0) return shape(0, link === 'softmax' ? 'identity' : link)
  if (link !== 'softmax') return shape(1, link)
  return only === 1 ? shape(1, 'sigmoid') : shape(1, 'sigmoid', 0)
}

function writeTrees(trees: OnnxTrees, columns: Columns, shape: Shape, nFeatures: number): TreeEnsemble {
  const nNodes = trees.trees.reduce((sum, tree) => sum + tree.mode.length, 0)
  const writer = new TreeWriter(refuse, nNodes * trees.nOutputs)
  const { kept, lessOutput, bases, link } = shape
  const isDouble = columns.isDouble
  const number = isDouble ? (x: number) => x : Math.fround
  for (const tree of trees.trees) {
    const sums = new Map([...tree.weights].map(([node, weights]) => [node, sumsOf(weights, number)]))
    kept.forEach((output, k) => {
      const used = [...sums.values()].some((sum) => sum.has(output) || sum.has(lessOutput))
      if (!used && kept.length > 1) return
      const leaf = (node: number) =>
        (sums.get(node)?.get(output) ?? 0) - (sums.get(node)?.get(lessOutput) ?? 0)
      const written: Written = { tree, columns, leaf }
      writer.tree(k, () => writeOnnxNode(writer, written, 0))
    })
  }
  const divisor = trees.aggregate === 'AVERAGE' && trees.trees.length > 0 ? trees.trees.length : 1
  const rules: SourceRules = {
    sum: isDouble || lessOutput >= 0 ? 'f64' : 'f32',
    base: 'last',
    divisor,
    zeroMissing: [],
  }
  return writer.ensemble({ nFeatures, baseScores: bases, link, compare: isDouble ? 'le' : 'lt-f32', rules })
}

function sumsOf(weights: [number, number][], round: (x: number) => number): Map<number, number> {
  const sums = new Map<number, number>()
  for (const [output, weight] of weights) sums.set(output, round((sums.get(output) ?? 0) + round(weight)))
  return sums
}

// ---------------------------------------------------------------- linear

function readLinear(file: OnnxFile, node: OnnxNode): ReadNode {
  const labels = node.operator === 'LinearClassifier' ? labelsOf(node) : undefined
  const nRows = labels?.length ?? node.attributes.get('targets')?.int ?? 1
  const coefficients = numbersAttribute(node, 'coefficients')
  const width = coefficients.length / nRows
  const intercepts = numbersAttribute(node, 'intercepts')
  if (!Number.isInteger(width) || nRows > IMPORT_LIMITS.outputsMax || nRows < 1)
    throw refuse(`${node.operator}.coefficients`, `a multiple of ${nRows}`, `${coefficients.length}`)
  if (intercepts.length !== nRows && intercepts.length !== 0)
    throw refuse(`${node.operator}.intercepts`, `${nRows}`, `${intercepts.length}`)
  const reader = new ColumnReader(file, width)
  const { columns } = reader.columnsOf(node.inputs[0])
  if (columns.length !== width)
    throw refuse(`${node.operator}.coefficients`, `${columns.length} a row`, `${width}`)
  const transform = textAttribute(node, 'post_transform', 'NONE')
  const link = TRANSFORMS[transform]
  if (!link) throw refuse(`${node.operator}.post_transform`, Object.keys(TRANSFORMS).join(', '), transform)
  const rows = Array.from({ length: nRows }, (_, k) => ({
    weights: Array.from({ length: width }, (_, j) => coefficients[k * width + j]),
    intercept: intercepts[k] ?? 0,
  }))
  const model = linearOf(rows, columns, link, reader.nColumns, labels?.length === 2)
  return { model, reader, labels, notes: missingNote(columns) }
}

function missingNote(columns: Columns['columns']): string[] {
  const imputes = columns.every(({ steps }) => steps.some(({ kind }) => kind === 'impute'))
  return imputes ? [] : ['missing values count as 0; ONNX Runtime would answer NaN for them']
}

interface WeightRow {
  weights: number[]
  intercept: number
}

/** Steps fold into weights: `w (a x + b)` is `(w a) x + w b`. Of two classes the second is kept, or their difference under a softmax. */
function linearOf(
  rows: WeightRow[],
  columns: Columns['columns'],
  link: Link,
  nFeatures: number,
  isBinary: boolean,
): LinearModel {
  const kept = !isBinary ? rows : link === 'softmax' ? [difference(rows[1], rows[0])] : [rows[1]]
  const weights = new Float64Array(kept.length * nFeatures)
  const missing = new Float64Array(nFeatures)
  const intercepts = Float64Array.from(kept, ({ intercept }) => intercept)
  columns.forEach(({ input, steps }, j) => {
    const imputed = steps.find(({ kind }) => kind === 'impute')
    missing[input] = imputed?.by ?? 0
    const offset = steppedValue(steps, 0)
    const slope = slopeOf(steps)
    kept.forEach((row, k) => {
      weights[k * nFeatures + input] += row.weights[j] * slope
      intercepts[k] += row.weights[j] * offset
    })
  })
  const own: Link = isBinary && link === 'softmax' ? 'sigmoid' : link
  return { kind: 'LinearModel', nFeatures, nOutputs: kept.length, weights, intercepts, missing, link: own }
}

function slopeOf(steps: Columns['columns'][number]['steps']): number {
  let slope = 1
  for (const { kind, by } of steps) {
    if (kind === 'multiply') slope *= by
    if (kind === 'divide') slope /= by
  }
  return slope
}

function difference(a: WeightRow, b: WeightRow): WeightRow {
  return { weights: a.weights.map((w, j) => w - b.weights[j]), intercept: a.intercept - b.intercept }
}
