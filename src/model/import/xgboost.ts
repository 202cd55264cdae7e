import type { ModelTask } from '../../core/records.ts'
import type { LinearModel, Link, SourceRules, TreeEnsemble } from '../trees.ts'
import { validateModel } from '../validate.ts'
import { Fields, readJson } from './fields.ts'
import {
  checkFileBytes,
  IMPORT_LIMITS,
  type ImportedFeature,
  type ImportedModel,
  refuseAs,
  taskOf,
} from './imported.ts'
import { bitsOf, checkTree, TreeWriter, type WrittenSplit } from './tree-writer.ts'
import { readUbjson, type Tree } from './ubjson.ts'

const refusal = refuseAs('XGBoost')

/**
 * Reads a model that XGBoost 1.0 to 3.x saved as JSON or UBJSON (`Booster.save_model`): `gbtree`, `dart` and `gblinear`.
 *
 * XGBoost's rules: `x < threshold` with both rounded to float32; missing values go the default way; in category splits the listed codes go right,
 * all others left, and missing ones the default way. Sums are in float32 from the base score on, which is a probability in the file where the link
 * is a sigmoid, and an expectation where it is `exp`. Raw scores of trees are XGBoost's margins to the bit of a float32; those of `gblinear` are
 * summed in doubles and agree to float32 rounding. DART's weights are multiplied into the leaves, as XGBoost does.
 * Trees with vectors in their leaves become one tree an output. Covers are sums of hessians.
 * Refused with MR_MODEL_IMPORT: `binary:hinge`, unknown objectives and boosters. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID. Cost: O(bytes).
 */
export function readXgboost(bytes: Uint8Array): ImportedModel {
  checkFileBytes('XGBoost', bytes.length)
  const isText = looksLikeText(bytes)
  const tree = isText ? readJson(decode(bytes), refusal) : readUbjson(bytes, refusal)
  const file = new Fields(tree, '', refusal)
  const version = file.has('version')
    ? Array.from(file.numbers('version')).join('.')
    : 'of an unknown version'
  return { ...readLearner(file.under('learner')), source: `XGBoost ${version} ${isText ? 'JSON' : 'UBJSON'}` }
}

/** JSON goes on with a quotation mark or a space after its brace, UBJSON with a length. */
function looksLikeText(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b && [0x22, 0x20, 0x0a, 0x0d, 0x09].includes(bytes[1])
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

interface Learner {
  nFeatures: number
  nOutputs: number
  goal: Goal
  baseScores: Float64Array
}

function readLearner(learner: Fields): Omit<ImportedModel, 'source'> {
  const params = learner.under('learner_model_param')
  const nFeatures = params.count('num_feature', IMPORT_LIMITS.featuresMax)
  const nOutputs = Math.max(
    1,
    params.count('num_class', IMPORT_LIMITS.outputsMax, 0),
    params.count('num_target', IMPORT_LIMITS.outputsMax, 1),
  )
  const goal = goalOf(learner.under('objective').text('name'), nOutputs)
  const known = {
    nFeatures,
    nOutputs,
    goal,
    baseScores: baseScores(params.text('base_score'), goal, nOutputs),
  }
  const booster = learner.under('gradient_booster')
  const name = booster.text('name')
  const { objective, task, notes } = goal
  const features = featuresOf(learner, booster, nFeatures)
  const model = name === 'gblinear' ? readLinear(booster, known) : readBooster(booster, name, known)
  validateModel(model)
  return { objective, task, model, features, notes }
}

// ---------------------------------------------------------------- what the model is for

interface Goal {
  objective: string
  task: ModelTask
  link: Link
  /** From the base score of the file to the margin. */
  margin: (base: number) => number
  notes: string[]
}

const f32 = Math.fround
const logit = (p: number) => f32(-Math.log(f32(f32(1 / p) - 1)))
const log = (x: number) => f32(Math.log(x))
const same = (x: number) => x

const IDENTITY = [
  'reg:squarederror',
  'reg:linear',
  'reg:squaredlogerror',
  'reg:pseudohubererror',
  'reg:absoluteerror',
  'reg:quantileerror',
  'reg:expectileerror',
]
const EXP = ['count:poisson', 'reg:gamma', 'reg:tweedie', 'survival:cox', 'survival:aft']

function goalOf(objective: string, nOutputs: number): Goal {
  const goal = (task: ModelTask, link: Link, margin: Goal['margin'], notes: string[] = []): Goal => ({
    objective,
    task,
    link,
    margin,
    notes,
  })
  if (objective === 'binary:logistic' || objective === 'reg:logistic')
    return goal(taskOf('sigmoid', nOutputs), 'sigmoid', logit, nOutputs > 1 ? [SEVERAL_LABELS] : [])
  if (objective === 'binary:logitraw')
    return goal('regression', 'identity', same, ['outputs are log-odds, as binary:logitraw answers'])
  if (objective === 'multi:softprob' || objective === 'multi:softmax')
    return goal('multiclass', nOutputs > 1 ? 'softmax' : 'identity', same)
  if (objective.startsWith('rank:')) return goal('ranking', 'identity', same)
  if (EXP.includes(objective)) return goal('regression', 'exp', log)
  if (IDENTITY.includes(objective)) return goal('regression', 'identity', same)
  throw refusal('learner.objective.name', wantedObjective(objective), objective)
}

const SEVERAL_LABELS = 'each label has a probability of its own; they need not sum to 1'

function wantedObjective(objective: string): string {
  return objective === 'binary:hinge'
    ? 'an objective with a score: binary:hinge answers only 0 or 1; train with binary:logistic'
    : `binary:logistic, multi:softprob, rank:*, ${[...IDENTITY, ...EXP].join(', ')}`
}

/** `5E-1`, or `[1E0,2E0]` from 3.1 on: one for all outputs, or one each. */
function baseScores(text: string, { margin }: Goal, nOutputs: number): Float64Array {
  const values = text
    .replace(/^\[|\]$/g, '')
    .split(',')
    .map((part) => f32(Number(part)))
  if (text.trim() === '' || values.some(Number.isNaN) || (values.length !== 1 && values.length !== nOutputs))
    throw refusal('learner.learner_model_param.base_score', `1 or ${nOutputs} numbers`, text)
  const margins = Float64Array.from({ length: nOutputs }, (_, k) => margin(values[k] ?? values[0]))
  if (!margins.every(Number.isFinite))
    throw refusal('learner.learner_model_param.base_score', 'a base score with a finite margin', text)
  return margins
}

// ---------------------------------------------------------------- features

function featuresOf(learner: Fields, booster: Fields, nFeatures: number): ImportedFeature[] {
  const optional = (key: string) => (learner.has(key) ? learner.texts(key) : [])
  const names = optional('feature_names')
  const types = optional('feature_types')
  if (names.length !== 0 && names.length !== nFeatures)
    throw refusal('learner.feature_names', `${nFeatures} names`, `${names.length}`)
  const categories = categoriesOf(booster)
  return Array.from({ length: nFeatures }, (_, j): ImportedFeature => {
    const values = categories[j]
    return {
      name: names[j] ?? `f${j}`,
      named: names[j] !== undefined,
      type: types[j] === 'c' || values !== undefined ? 'category' : 'number',
      ...(values && values.length > 0 ? { categories: values } : {}),
    }
  })
}

/** Values of categories by feature, which XGBoost keeps from 3.1 on when it was given a data frame. */
function categoriesOf(booster: Fields): (ImportedFeature['categories'] | undefined)[] {
  if (!booster.has('model')) return []
  const model = booster.under('model')
  if (!model.has('cats')) return []
  return model
    .under('cats')
    .objects('enc')
    .map((enc) => {
      if (!enc.has('values')) return undefined
      const values = enc.numbers('values')
      return enc.has('offsets')
        ? textsAt(Uint8Array.from(values), enc.numbers('offsets'))
        : Array.from(values)
    })
    .map((values) => (values && values.length > 0 ? values : undefined))
}

function textsAt(bytes: Uint8Array, offsets: Float64Array): string[] {
  return Array.from(offsets.subarray(1), (end, i) => decode(bytes.subarray(offsets[i], end)))
}

// ---------------------------------------------------------------- linear

/** Weights lie by feature, then output; the last row is the bias. Missing values add nothing, and the first base score is added to all outputs. */
function readLinear(booster: Fields, { nFeatures, nOutputs, goal, baseScores }: Learner): LinearModel {
  const given = booster.under('model').numbers('weights', (nFeatures + 1) * nOutputs)
  const weights = new Float64Array(nFeatures * nOutputs)
  for (let k = 0; k < nOutputs; k++)
    for (let j = 0; j < nFeatures; j++) weights[k * nFeatures + j] = f32(given[j * nOutputs + k])
  const intercepts = baseScores.map((_, k) => baseScores[0] + f32(given[nFeatures * nOutputs + k]))
  const missing = new Float64Array(nFeatures)
  return { kind: 'LinearModel', nFeatures, nOutputs, weights, intercepts, missing, link: goal.link }
}

// ---------------------------------------------------------------- trees

const RULES: SourceRules = { sum: 'f32', base: 'first', divisor: 1, zeroMissing: [] }

function readBooster(booster: Fields, name: string, learner: Learner): TreeEnsemble {
  if (name !== 'gbtree' && name !== 'dart')
    throw refusal('learner.gradient_booster.name', 'gbtree, dart or gblinear', name)
  const dart = name === 'dart' ? booster.under('gbtree') : booster
  const model = dart.under('model')
  const trees = model.list('trees')
  const info = model.numbers('tree_info', trees.length)
  const weights = name === 'dart' ? booster.numbers('weight_drop', trees.length) : undefined
  const read = trees.map((tree, t) => readTree(tree, `learner.gradient_booster.model.trees[${t}]`, learner))
  const nNodes = read.reduce((sum, { left, nValues }) => sum + left.length * nValues, 0)
  const writer = new TreeWriter(refusal, nNodes)
  read.forEach((tree, t) => {
    writeXgboostTree(writer, tree, { output: info[t], weight: weights?.[t] ?? 1 })
  })
  const { nFeatures, goal, baseScores } = learner
  return writer.ensemble({ nFeatures, baseScores, compare: 'lt-f32', link: goal.link, rules: { ...RULES } })
}

interface XgboostTree {
  place: string
  left: Float64Array
  right: Float64Array
  feature: Float64Array
  condition: Float64Array
  defaultLeft: Float64Array
  cover: Float64Array
  /** Codes that go right, by node; none for numbers. */
  sets: Map<number, Float64Array>
  /** Value of a leaf for an output. */
  leaf: (node: number, k: number) => number
  /** Outputs that each leaf has a value for. */
  nValues: number
  learner: Learner
}

function readTree(value: Tree, place: string, learner: Learner): XgboostTree {
  const tree = new Fields(value, place, refusal)
  const left = tree.numbers('left_children')
  const n = left.length
  if (n === 0) throw refusal(place, 'at least one node', 'none')
  const right = tree.numbers('right_children', n)
  const below = right.map((child, i) => (left[i] === -1 ? -1 : child))
  checkTree(left, below, place, refusal)
  const condition = tree.numbers('split_conditions', n)
  const size = tree.under('tree_param').count('size_leaf_vector', IMPORT_LIMITS.outputsMax, 0)
  const vector = size > 1
  if (vector && size !== learner.nOutputs)
    throw refusal(place, `leaves of ${learner.nOutputs} values`, `${size}`)
  return {
    place,
    left,
    right: below,
    feature: tree.numbers('split_indices', n),
    condition,
    defaultLeft: tree.numbers('default_left', n),
    cover: tree.has('sum_hessian')
      ? tree.numbers('sum_hessian', n).map((h) => Math.max(0, h) || 0)
      : new Float64Array(n),
    sets: readSets(tree, n),
    leaf: vector ? vectorLeaf(tree, size, right, n) : (node) => condition[node],
    nValues: vector ? size : 1,
    learner,
  }
}

/** Values of vector leaves: by leaf, whose number stands in place of its right child, from 3.1 on; by node before. */
function vectorLeaf(tree: Fields, size: number, right: Float64Array, n: number) {
  if (!tree.has('leaf_weights')) {
    const weights = tree.numbers('base_weights', n * size)
    return (node: number, k: number) => weights[node * size + k]
  }
  const weights = tree.numbers('leaf_weights')
  return (node: number, k: number) => weights[right[node] * size + k]
}

function readSets(tree: Fields, n: number): Map<number, Float64Array> {
  const sets = new Map<number, Float64Array>()
  if (!tree.has('categories_nodes')) return sets
  const nodes = tree.numbers('categories_nodes')
  const segments = tree.numbers('categories_segments', nodes.length)
  const sizes = tree.numbers('categories_sizes', nodes.length)
  const categories = tree.numbers('categories')
  nodes.forEach((node, i) => {
    const codes = categories.subarray(segments[i], segments[i] + sizes[i])
    if (!(node >= 0 && node < n) || codes.length !== sizes[i] || !codes.every(isCode))
      throw refusal(`${tree.path}.categories`, `codes below ${CODES_MAX} of a node`, `those of node ${node}`)
    sets.set(node, codes)
  })
  return sets
}

/** XGBoost takes codes below 2^24, which a float32 holds; a set of that many words would be 2 MB, so that fewer are read. */
const CODES_MAX = 2 ** 20
const isCode = (code: number) => Number.isInteger(code) && code >= 0 && code < CODES_MAX

function writeXgboostTree(
  writer: TreeWriter,
  tree: XgboostTree,
  { output, weight }: { output: number; weight: number },
): void {
  const { nOutputs } = tree.learner
  if (!(Number.isInteger(output) && output >= 0 && output < nOutputs))
    throw refusal(`${tree.place} of tree_info`, `an output from 0 to ${nOutputs - 1}`, String(output))
  for (let k = 0; k < tree.nValues; k++)
    writer.tree(tree.nValues > 1 ? k : output, () =>
      writeNode(writer, tree, { node: 0, k, weight, counted: 1 }),
    )
}

interface At {
  node: number
  k: number
  weight: number
  /** 0 in copies that no training row is counted for. */
  counted: number
}

function writeNode(writer: TreeWriter, tree: XgboostTree, at: At): void {
  const { node, k, weight, counted } = at
  if (tree.left[node] !== -1) writeSplit(writer, tree, at)
  else writer.leaf(f32(f32(tree.leaf(node, k)) * f32(weight)), tree.cover[node] * counted)
}

function writeSplit(writer: TreeWriter, tree: XgboostTree, at: At): void {
  const { node, counted } = at
  const feature = tree.feature[node]
  if (!(Number.isInteger(feature) && feature >= 0 && feature < tree.learner.nFeatures))
    throw refusal(`${tree.place}.split_indices[${node}]`, `below ${tree.learner.nFeatures}`, String(feature))
  const left = () => writeNode(writer, tree, { ...at, node: tree.left[node] })
  const right = () => writeNode(writer, tree, { ...at, node: tree.right[node] })
  const codes = tree.sets.get(node)
  const missingLeft = tree.defaultLeft[node] === 1
  const cover = tree.cover[node] * counted
  if (codes === undefined) {
    writer.split({ feature, test: f32(tree.condition[node]), missingLeft, cover }, left, right)
    return
  }
  const listed: WrittenSplit = { feature, test: outside(codes), missingLeft: true, cover }
  const present = () => writer.split(listed, left, right)
  if (missingLeft) present()
  else {
    // Unlisted codes go left, and missing ones right: first the missing are told from the rest.
    const missing = () => writeNode(writer, tree, { ...at, node: tree.right[node], counted: 0 })
    writer.split({ feature, test: Number.NEGATIVE_INFINITY, missingLeft: true, cover }, missing, present)
  }
}

/** The set of all codes but some, over the words that these need; codes beyond go where missing ones go. */
function outside(codes: Float64Array): Uint32Array {
  return bitsOf(codes).map((word) => ~word)
}
