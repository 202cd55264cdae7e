import type { ModelTask } from '../../core/records.ts'
import type { Link, SourceRules, TreeEnsemble } from '../trees.ts'
import { validateModel } from '../validate.ts'
import {
  checkFileBytes,
  IMPORT_LIMITS,
  type ImportedFeature,
  type ImportedModel,
  refuseAs,
} from './imported.ts'
import { TreeWriter, type WrittenSplit } from './tree-writer.ts'

/** Key → value of one block of the file, with the block's name for messages. */
interface Block {
  name: string
  values: Map<string, string>
}

interface LightGbmText {
  head: Block
  trees: Block[]
  /** Lines after the trees that name values of categories. */
  pandasCategorical: unknown
}

/** Bits of LightGBM's `decision_type`. */
const CATEGORICAL = 1
const DEFAULT_LEFT = 2
const MISSING_TYPES = ['none', 'zero', 'nan', '']

const refusal = refuseAs('LightGBM')

/**
 * Reads a model that LightGBM saved as text (`Booster.save_model`), versions v2 to v4.
 *
 * LightGBM's rules: `x <= threshold` in doubles; a missing value goes the default way where the split knows missing values, and counts as 0
 * elsewhere; under `zero_as_missing` 0 is missing; in category splits missing, negative and unlisted codes go right. Covers are its row counts;
 * shrinkage (DART's too) is in the leaves. A forest divides the sum by the number of its rounds. Raw scores are LightGBM's to the bit, except
 * that a `sigmoid` other than 1 is multiplied into the leaves, so that raw scores are log-odds.
 * Refused with MR_MODEL_IMPORT: linear leaves, `sqrt` targets, `cross_entropy_lambda`, unknown objectives.
 * Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID. Cost: O(text).
 */
export function importLightGbmText(text: string): TreeEnsemble {
  return readLightGbmText(text).model as TreeEnsemble
}

/** The same with names, categories, task and notes. */
export function readLightGbmText(text: string): ImportedModel {
  checkFileBytes('LightGBM', text.length)
  const file = readBlocks(text)
  const { head } = file
  const nFeatures = integer(head, 'max_feature_idx') + 1
  if (nFeatures > IMPORT_LIMITS.featuresMax)
    throw refusal('head', `at most ${IMPORT_LIMITS.featuresMax} features`, `${nFeatures}`)
  const nOutputs = integer(head, 'num_tree_per_iteration')
  if (nOutputs < 1 || nOutputs > IMPORT_LIMITS.outputsMax)
    throw refusal(
      'head num_tree_per_iteration',
      `a number from 1 to ${IMPORT_LIMITS.outputsMax}`,
      `${nOutputs}`,
    )
  const goal = goalOf(head, nOutputs)
  const notes = [...goal.notes]
  const writer = new TreeWriter(refusal, nodesOf(file.trees))
  const zeroMissing = new Set<number>()
  for (const [t, block] of file.trees.entries())
    writer.tree(t % nOutputs, () => writeTree(writer, block, { scale: goal.scale, nFeatures, zeroMissing }))
  if (file.trees.length % nOutputs !== 0)
    throw refusal('trees', `a multiple of ${nOutputs}`, `${file.trees.length}`)
  const averaged = head.values.has('average_output') && file.trees.length > 0
  const divisor = averaged ? file.trees.length / nOutputs : 1
  const model = writer.ensemble({
    nFeatures,
    baseScores: new Float64Array(nOutputs),
    compare: 'le',
    link: goal.link,
    rules: rulesOf(divisor, zeroMissing),
  })
  validateModel(model)
  const features = featuresOf(head, nFeatures, file.pandasCategorical, notes)
  const { objective, task } = goal
  const source = `LightGBM text ${head.values.get('version') ?? 'v2'}`
  return { source, objective, task, model, features, notes }
}

/** Nodes that the file claims to have; a claim that its lists do not keep is refused where they are read. */
function nodesOf(trees: Block[]): number {
  return trees.reduce((sum, tree) => sum + 2 * integer(tree, 'num_leaves'), 0)
}

function rulesOf(divisor: number, zeroMissing: Set<number>): SourceRules | undefined {
  if (divisor === 1 && zeroMissing.size === 0) return undefined
  return {
    sum: 'f64',
    base: 'first',
    divisor,
    zeroMissing: [...zeroMissing].sort((a, b) => a - b),
  }
}

function readBlocks(text: string): LightGbmText {
  const lines = text.split('\n').map((line) => line.trim())
  if (lines[0] !== 'tree') throw refusal('line 1', '"tree"', lines[0])
  const blocks: Block[] = [{ name: 'head', values: new Map() }]
  let ended = false
  let pandasCategorical: unknown = null
  for (const line of lines.slice(1)) {
    if (line.startsWith('pandas_categorical:')) pandasCategorical = jsonOf(line.slice(19))
    if (line === 'end of trees') ended = true
    if (ended) continue
    const at = line.indexOf('=')
    const key = at < 0 ? line : line.slice(0, at)
    if (key === 'Tree') blocks.push({ name: line, values: new Map() })
    else if (key !== '') blocks[blocks.length - 1].values.set(key, at < 0 ? '' : line.slice(at + 1))
    if (blocks.length > IMPORT_LIMITS.treesMax)
      throw refusal('trees', `at most ${IMPORT_LIMITS.treesMax}`, 'more')
  }
  // Early files of version 2 have no end mark; importances follow the last tree, under names that no tree uses.
  if (!ended && blocks[0].values.get('version') !== 'v2')
    throw refusal('end', '"end of trees"', 'the end of the file: it may be cut')
  const [head, ...trees] = blocks
  checkSizes(head, trees)
  return { head, trees, pandasCategorical }
}

/** The head counts the trees, so that a file that lost some is found out. */
function checkSizes(head: Block, trees: Block[]): void {
  const sizes = head.values.get('tree_sizes')?.trim()
  const expected = sizes ? sizes.split(/\s+/).length : 0
  if (sizes !== undefined && expected !== trees.length)
    throw refusal('trees', `${expected}, as the head says`, `${trees.length}`)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

// ---------------------------------------------------------------- what the model is for

interface Goal {
  objective: string
  task: ModelTask
  link: Link
  /** Factor of all leaves. */
  scale: number
  notes: string[]
}

const IDENTITY = ['regression', 'regression_l1', 'huber', 'fair', 'quantile', 'mape', 'custom']
const RANKING = ['lambdarank', 'rank_xendcg']

function goalOf(head: Block, nOutputs: number): Goal {
  const text = head.values.get('objective') ?? ''
  const [name, ...options] = (text === '' ? 'custom' : text).split(' ')
  const sigmoid = sigmoidOf(options)
  const goal = (task: ModelTask, link: Link, scale = 1, notes: string[] = []): Goal => ({
    objective: text,
    task,
    link,
    scale,
    notes,
  })
  const scaled = sigmoid === 1 ? [] : [`raw scores are log-odds: LightGBM's own times its sigmoid ${sigmoid}`]
  if (name === 'binary') return goal('binary', 'sigmoid', sigmoid, scaled)
  if (name === 'cross_entropy' || name === 'xentropy') return goal('binary', 'sigmoid')
  if (name === 'multiclass' || name === 'softmax')
    return goal('multiclass', nOutputs > 1 ? 'softmax' : 'identity')
  if (name === 'multiclassova')
    return goal('multiclass', 'sigmoid', sigmoid, [
      ...scaled,
      'each class has a probability of its own; they need not sum to 1',
    ])
  if (RANKING.includes(name)) return goal('ranking', 'identity')
  if (['poisson', 'gamma', 'tweedie'].includes(name)) return goal('regression', 'exp')
  if (IDENTITY.includes(name) && !options.includes('sqrt'))
    return goal(
      'regression',
      'identity',
      1,
      name === 'custom' ? ['the objective is custom: outputs are raw scores'] : [],
    )
  throw refusal('objective', wantedObjective(options), text)
}

function wantedObjective(options: string[]): string {
  if (options.includes('sqrt'))
    return 'targets as they are: `reg_sqrt` answers x * |x|, which no link here is; train on sqrt(y) yourself, without reg_sqrt'
  return 'binary, multiclass, multiclassova, cross_entropy, poisson, gamma, tweedie, lambdarank, rank_xendcg or a regression'
}

function sigmoidOf(options: string[]): number {
  const given = options.find((option) => option.startsWith('sigmoid:'))
  const sigmoid = given === undefined ? 1 : Number(given.slice(8))
  if (!(sigmoid > 0 && sigmoid < Number.POSITIVE_INFINITY))
    throw refusal('objective', 'a sigmoid above 0', String(given))
  return sigmoid
}

function featuresOf(head: Block, nFeatures: number, pandas: unknown, notes: string[]): ImportedFeature[] {
  const names = head.values.get('feature_names')?.trim().split(/\s+/) ?? []
  const infos = head.values.get('feature_infos')?.trim().split(/\s+/) ?? []
  if (names.length !== 0 && names.length !== nFeatures)
    throw refusal('head feature_names', `${nFeatures} names`, `${names.length}`)
  const features = Array.from({ length: nFeatures }, (_, j): ImportedFeature => {
    const name = names[j] ?? `Column_${j}`
    const type =
      infos[j] === undefined || infos[j] === 'none' || infos[j].startsWith('[') ? 'number' : 'category'
    return { name, named: names[j] !== undefined && name !== `Column_${j}`, type }
  })
  if (Array.isArray(pandas) && pandas.length > 0) giveCategories(features, pandas, notes)
  return features
}

/** pandas keeps the values of category columns in their order. */
function giveCategories(features: ImportedFeature[], lists: unknown[], notes: string[]): void {
  const columns = features.filter((feature) => feature.type === 'category')
  if (columns.length !== lists.length) {
    notes.push(
      `the file keeps values of ${lists.length} category columns, but ${columns.length} columns are categories in its trees: codes are taken as they are`,
    )
    return
  }
  columns.forEach((feature, i) => {
    const list = lists[i]
    if (Array.isArray(list) && list.every((value) => ['string', 'number', 'boolean'].includes(typeof value)))
      feature.categories = list
  })
}

// ---------------------------------------------------------------- trees

interface TreeRules {
  scale: number
  nFeatures: number
  /** Features whose splits take 0 for missing; filled as trees are read. */
  zeroMissing: Set<number>
}

/** Writes one tree. Splits are numbered from 0; a negative child `c` is leaf `-c - 1`. */
function writeTree(writer: TreeWriter, block: Block, rules: TreeRules): void {
  const nLeaves = integer(block, 'num_leaves')
  if (nLeaves < 1 || nLeaves > IMPORT_LIMITS.nodesMax)
    throw refusal(block.name, 'num_leaves of at least 1', `${nLeaves}`)
  if (block.values.get('is_linear')?.trim() === '1')
    throw refusal(block.name, 'is_linear=0: leaves that are numbers', 'linear leaves')
  const leafValue = numbers(block, 'leaf_value', nLeaves)
  const leafCount = optional(block, 'leaf_count', nLeaves)
  const leaf = (i: number) => writer.leaf(leafValue[i] * rules.scale, leafCount[i])
  if (nLeaves === 1) leaf(0)
  else writeSplits(writer, block, rules, nLeaves, leaf)
}

function writeSplits(
  writer: TreeWriter,
  block: Block,
  rules: TreeRules,
  nLeaves: number,
  leaf: (i: number) => void,
): void {
  const nSplits = nLeaves - 1
  const feature = numbers(block, 'split_feature', nSplits)
  const threshold = numbers(block, 'threshold', nSplits)
  const type = numbers(block, 'decision_type', nSplits)
  const children = [numbers(block, 'left_child', nSplits), numbers(block, 'right_child', nSplits)]
  const count = optional(block, 'internal_count', nSplits)
  const sets = readSets(block)
  const visited = new Uint8Array(2 * nLeaves)
  const nodeAt = (i: number): void => {
    if (!Number.isInteger(i) || i >= nSplits || i < -nLeaves)
      throw refusal(block.name, `children from ${-nLeaves} to ${nSplits - 1}`, String(i))
    if (visited[i + nLeaves]++ === 1) throw refusal(block.name, 'a tree', `node ${i} with two parents`)
    if (i < 0) leaf(-i - 1)
    else splitAt(i)
  }
  const splitAt = (i: number) => {
    const split = { feature: feature[i], type: type[i], threshold: threshold[i], cover: count[i] }
    const [left, right] = children.map((side) => () => nodeAt(side[i]))
    writer.split(testOf(block, split, sets, rules), left, right)
  }
  nodeAt(0)
}

function testOf(
  block: Block,
  { feature, type, threshold, cover }: { feature: number; type: number; threshold: number; cover: number },
  sets: Uint32Array[],
  { nFeatures, zeroMissing }: TreeRules,
): WrittenSplit {
  if (!(Number.isInteger(feature) && feature >= 0 && feature < nFeatures))
    throw refusal(`${block.name} split_feature`, `features from 0 to ${nFeatures - 1}`, String(feature))
  if (type & CATEGORICAL) {
    const set = sets[threshold]
    if (!set) throw refusal(block.name, `a category set below ${sets.length}`, String(threshold))
    return { feature, test: set, missingLeft: false, cover }
  }
  const missing = MISSING_TYPES[(type >> 2) & 3]
  const defaultLeft = (type & DEFAULT_LEFT) !== 0
  if (missing === 'zero') zeroMissing.add(feature)
  // Without a missing value of its own, a split takes NaN for 0.
  const missingLeft = missing === 'none' || missing === '' ? threshold >= 0 : defaultLeft
  return { feature, test: threshold, missingLeft, cover }
}

function readSets(block: Block): Uint32Array[] {
  if (!block.values.has('cat_boundaries')) return []
  const bounds = numbers(block, 'cat_boundaries')
  const words = numbers(block, 'cat_threshold')
  return bounds.slice(1).map((end, i) => {
    if (!(Number.isInteger(end) && bounds[i] >= 0 && end >= bounds[i] && end <= words.length))
      throw refusal(`${block.name} cat_boundaries`, `ascending bounds up to ${words.length}`, String(end))
    return Uint32Array.from(words.slice(bounds[i], end))
  })
}

// ---------------------------------------------------------------- fields

function field({ name, values }: Block, key: string): string {
  const value = values.get(key)
  if (value === undefined) throw refusal(name, `a line ${key}=…`, 'none')
  return value
}

function numbers(block: Block, key: string, length?: number): number[] {
  const text = field(block, key).trim()
  const list = listOf(text)
  if (list.some(Number.isNaN)) throw refusal(`${block.name} ${key}`, 'numbers', text)
  if (length !== undefined && list.length !== length)
    throw refusal(`${block.name} ${key}`, `${length} numbers`, `${list.length}`)
  return list
}

const [SPACE, MINUS, ZERO, NINE, TILDE] = [0x20, 0x2d, 0x30, 0x39, 0x7e]
/** Digits of a whole number that is put together here. */
const DIGITS_MAX = 9

/** Numbers between blanks. Most of a model are short whole numbers, which become no texts of their own: what reading leaves to the collector is most of what it costs. */
function listOf(text: string): number[] {
  const list: number[] = []
  for (let at = 0; at < text.length; ) {
    const begin = at
    const isNegative = text.charCodeAt(at) === MINUS
    if (isNegative) at++
    let whole = 0
    let code = text.charCodeAt(at)
    for (; code >= ZERO && code <= NINE; code = text.charCodeAt(++at)) whole = whole * 10 + code - ZERO
    const digits = at - begin - Number(isNegative)
    const isWhole = digits > 0 && digits <= DIGITS_MAX && (at === text.length || code === SPACE)
    for (; at < text.length && code !== SPACE; code = text.charCodeAt(++at))
      // blanks of other kinds: the whole list is read as such lists are
      if (code < SPACE || code > TILDE) return text.split(/\s+/).map(numberOf)
    if (isWhole) list.push(isNegative ? -whole : whole)
    else if (at > begin) list.push(numberOf(text.slice(begin, at)))
    at++
  }
  return list
}

/** As C++ prints doubles: infinities are `inf`. */
function numberOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function optional(block: Block, key: string, length: number): number[] {
  return block.values.has(key) ? numbers(block, key, length) : new Array<number>(length).fill(0)
}

function integer(block: Block, key: string): number {
  const [value] = numbers(block, key, 1)
  if (!Number.isInteger(value) || value < 0)
    throw refusal(`${block.name} ${key}`, 'an integer of at least 0', String(value))
  return value
}
