import type { ModelTask } from '../../core/records.ts'
import type { Link, SourceRules, TreeEnsemble } from '../trees.ts'
import { validateModel } from '../validate.ts'
import { openDecimals } from './decimal-lists.ts'
import {
  checkFileBytes,
  IMPORT_LIMITS,
  type ImportedFeature,
  type ImportedModel,
  refuseAs,
} from './imported.ts'
import { TreeWriter, type WrittenSplit } from './tree-writer.ts'

/** Where a value lies among the bytes of the file. */
interface Place {
  begin: number
  /** Exclusive. */
  end: number
}

/** Key → place of its value in one block of the file, with the block's name for messages. */
interface Block {
  name: string
  bytes: Uint8Array
  values: Map<string, Place>
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
  return readLightGbmBytes(new TextEncoder().encode(text))
}

/** The same from the bytes of the file, which become no text but where they are one. */
export function readLightGbmBytes(bytes: Uint8Array): ImportedModel {
  checkFileBytes('LightGBM', bytes.length)
  const file = readBlocks(bytes)
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
  const source = `LightGBM text ${textOf(head, 'version') ?? 'v2'}`
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

function readBlocks(bytes: Uint8Array): LightGbmText {
  const blocks: Block[] = [{ name: 'head', bytes, values: new Map() }]
  const keys = new KeyTexts(bytes)
  let block = blocks[0]
  let ended = false
  let isFirst = true
  let pandasCategorical: unknown = null
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at)
    const line = trimmed(bytes, at, newline < 0 ? bytes.length : newline)
    at = newline < 0 ? bytes.length : newline + 1
    if (isFirst) {
      const first = decoded(bytes, line)
      if (first !== 'tree') throw refusal('line 1', '"tree"', first)
      isFirst = false
      continue
    }
    if (bytes[line.begin] === SMALL_P && isAt(bytes, line, PANDAS))
      pandasCategorical = jsonOf(decoded(bytes, { begin: line.begin + PANDAS.length, end: line.end }))
    if (ended) continue
    const { key, valueAt } = keys.at(line)
    if (key === 'end of trees') ended = true
    else if (key === 'Tree') {
      block = { name: decoded(bytes, line), bytes, values: new Map() }
      blocks.push(block)
    } else if (key !== '') block.values.set(key, { begin: valueAt, end: line.end })
    if (blocks.length > IMPORT_LIMITS.treesMax)
      throw refusal('trees', `at most ${IMPORT_LIMITS.treesMax}`, 'more')
  }
  if (isFirst) throw refusal('line 1', '"tree"', '')
  // Early files of version 2 have no end mark; importances follow the last tree, under names that no tree uses.
  if (!ended && textOf(blocks[0], 'version') !== 'v2')
    throw refusal('end', '"end of trees"', 'the end of the file: it may be cut')
  const [head, ...trees] = blocks
  checkSizes(head, trees)
  return { head, trees, pandasCategorical }
}

const [NEWLINE, EQUALS, SMALL_P, BLANK, DELETE] = [0x0a, 0x3d, 0x70, 0x20, 0x7f]
const PANDAS = 'pandas_categorical:'
const decoder = new TextDecoder()

const decoded = (bytes: Uint8Array, { begin, end }: Place): string =>
  decoder.decode(bytes.subarray(begin, end))

/** Without the blanks of ASCII around it, and all others where there may be some. */
function trimmed(bytes: Uint8Array, begin: number, end: number): Place {
  let [from, to] = [begin, end]
  while (from < to && bytes[from] <= BLANK) from++
  while (to > from && bytes[to - 1] <= BLANK) to--
  if (to === from || (bytes[from] < DELETE && bytes[to - 1] < DELETE)) return { begin: from, end: to }
  const text = decoded(bytes, { begin: from, end: to })
  const cut = (part: string) => new TextEncoder().encode(part).length
  return {
    begin: from + cut(text) - cut(text.trimStart()),
    end: to - cut(text) + cut(text.trimEnd()),
  }
}

function isAt(bytes: Uint8Array, { begin, end }: Place, word: string): boolean {
  if (end - begin < word.length) return false
  for (let i = 0; i < word.length; i++) if (bytes[begin + i] !== word.charCodeAt(i)) return false
  return true
}

/** Keys of lines as texts, each made once: every tree has the same. */
class KeyTexts {
  readonly #bytes: Uint8Array
  readonly #known = new Map<number, string>()

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** What stands before the first `=`, all of a line that has none, and where the value begins. */
  at({ begin, end }: Place): { key: string; valueAt: number } {
    let hash = 0
    let at = begin
    for (; at < end && this.#bytes[at] !== EQUALS; at++) hash = (Math.imul(hash, 31) + this.#bytes[at]) | 0
    const place = { begin, end: at }
    const valueAt = Math.min(end, at + 1)
    const known = this.#known.get(hash)
    if (known !== undefined && known.length === at - begin && isAt(this.#bytes, place, known))
      return { key: known, valueAt }
    const key = decoded(this.#bytes, place)
    if (known === undefined) this.#known.set(hash, key)
    return { key, valueAt }
  }
}

/** The head counts the trees, so that a file that lost some is found out. */
function checkSizes(head: Block, trees: Block[]): void {
  const sizes = textOf(head, 'tree_sizes')?.trim()
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
  const text = textOf(head, 'objective') ?? ''
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
  const names = textOf(head, 'feature_names')?.trim().split(/\s+/) ?? []
  const infos = textOf(head, 'feature_infos')?.trim().split(/\s+/) ?? []
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
  if (textOf(block, 'is_linear')?.trim() === '1')
    throw refusal(block.name, 'is_linear=0: leaves that are numbers', 'linear leaves')
  const lists = listsOf(block)
  const leafValue = numbers(block, 'leaf_value', nLeaves, lists)
  const leafCount = optional(block, 'leaf_count', nLeaves, lists)
  const leaf = (i: number) => writer.leaf(leafValue[i] * rules.scale, leafCount[i])
  if (nLeaves === 1) leaf(0)
  else writeSplits(writer, block, rules, { nLeaves, leaf, lists })
}

function writeSplits(
  writer: TreeWriter,
  block: Block,
  rules: TreeRules,
  { nLeaves, leaf, lists }: { nLeaves: number; leaf: (i: number) => void; lists: BlockLists },
): void {
  const nSplits = nLeaves - 1
  const feature = numbers(block, 'split_feature', nSplits, lists)
  const threshold = numbers(block, 'threshold', nSplits, lists)
  const type = numbers(block, 'decision_type', nSplits, lists)
  const left = numbers(block, 'left_child', nSplits, lists)
  const right = numbers(block, 'right_child', nSplits, lists)
  const count = optional(block, 'internal_count', nSplits, lists)
  const sets = readSets(block, lists)
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
    const at = writer.openSplit(testOf(block, split, sets, rules))
    nodeAt(left[i])
    writer.turnSplit(at)
    nodeAt(right[i])
    writer.closeSplit()
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

function readSets(block: Block, lists: BlockLists): Uint32Array[] {
  if (!block.values.has('cat_boundaries')) return []
  const bounds = Array.from(numbers(block, 'cat_boundaries', undefined, lists))
  const words = Array.from(numbers(block, 'cat_threshold', undefined, lists))
  return bounds.slice(1).map((end, i) => {
    if (!(Number.isInteger(end) && bounds[i] >= 0 && end >= bounds[i] && end <= words.length))
      throw refusal(`${block.name} cat_boundaries`, `ascending bounds up to ${words.length}`, String(end))
    return Uint32Array.from(words.slice(bounds[i], end))
  })
}

// ---------------------------------------------------------------- fields

function textOf({ bytes, values }: Block, key: string): string | undefined {
  const place = values.get(key)
  return place && decoded(bytes, place)
}

function field({ name, values }: Block, key: string): Place {
  const place = values.get(key)
  if (place === undefined) throw refusal(name, `a line ${key}=…`, 'none')
  return place
}

/** The lists of one block: good until those of another are asked for. */
interface BlockLists {
  read(place: Place): ArrayLike<number>
}

function listsOf({ bytes, values }: Block): BlockLists {
  let begin = bytes.length
  let end = 0
  for (const place of values.values()) {
    begin = Math.min(begin, place.begin)
    end = Math.max(end, place.end)
  }
  const decimals = openDecimals(bytes.subarray(Math.min(begin, end), end))
  return { read: (place) => decimals.read(place.begin - begin, place.end - begin) }
}

function numbers(
  block: Block,
  key: string,
  length: number | undefined,
  lists: BlockLists,
): ArrayLike<number> {
  const place = field(block, key)
  const list = lists.read(place)
  for (let i = 0; i < list.length; i++)
    if (Number.isNaN(list[i]))
      throw refusal(`${block.name} ${key}`, 'numbers', decoded(block.bytes, place).trim())
  if (length !== undefined && list.length !== length)
    throw refusal(`${block.name} ${key}`, `${length} numbers`, `${list.length}`)
  return list
}

function optional(block: Block, key: string, length: number, lists: BlockLists): ArrayLike<number> {
  return block.values.has(key) ? numbers(block, key, length, lists) : new Array<number>(length).fill(0)
}

function integer(block: Block, key: string): number {
  const text = decoded(block.bytes, field(block, key)).trim()
  const value = text === '' ? Number.NaN : Number(text)
  if (!Number.isInteger(value) || value < 0)
    throw refusal(`${block.name} ${key}`, 'an integer of at least 0', text)
  return value
}
