import { excerpt, MillraceError } from '../../core/errors.ts'
import type { TreeEnsemble } from '../trees.ts'
import { MODEL_LIMITS, validateModel } from '../validate.ts'
import { ensembleOfNodes, type ImportedNode } from './node-list.ts'

/** Key → value of one block of the file, with the block's name for messages. */
interface Block {
  name: string
  values: Map<string, string>
}

/** Bits of LightGBM's `decision_type`. */
const CATEGORICAL = 1
const DEFAULT_LEFT = 2
const MISSING_TYPES = ['none', 'zero', 'nan', '']

/**
 * Reads a model that LightGBM saved as text (`Booster.save_model`), versions v2 to v4.
 *
 * LightGBM's rules: `x <= threshold` in doubles; a missing value goes the default way where the split knows missing values, and counts as 0
 * elsewhere; in category splits missing, negative and unlisted codes go right. Covers are its row counts.
 * Refused with MR_MODEL_IMPORT: several classes, linear leaves, `sqrt` targets, a sigmoid other than 1, and splits where 0 itself counts as
 * missing and would go another way. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID. Cost: O(text).
 */
export function importLightGbmText(text: string): TreeEnsemble {
  const [head, ...trees] = readBlocks(text)
  const nFeatures = integer(head, 'max_feature_idx') + 1
  if (integer(head, 'num_tree_per_iteration') !== 1)
    throw refusal('head', 'num_tree_per_iteration=1', field(head, 'num_tree_per_iteration'))
  const share = head.values.has('average_output') ? 1 / trees.length : 1
  const nodesMax = trees.reduce((sum, tree) => sum + 2 * integer(tree, 'num_leaves') - 1, 0)
  if (nodesMax > MODEL_LIMITS.nodesMax)
    throw refusal('trees', `at most ${MODEL_LIMITS.nodesMax} nodes`, `${nodesMax}`)
  const visit = (nNodes: number) => {
    if (nNodes > nodesMax) throw refusal('trees', `${nodesMax} nodes`, 'more: a child has two parents')
  }
  const shared = {
    nFeatures,
    nOutputs: 1,
    compare: 'le' as const,
    baseScores: new Float64Array(1),
    link: linkOf(head),
  }
  const roots = trees.map((tree) => rootOf(tree, share))
  const model = ensembleOfNodes(shared, roots, visit)
  validateModel(model)
  return model
}

function readBlocks(text: string): Block[] {
  const lines = text.split('\n').map((line) => line.trim())
  if (lines[0] !== 'tree') throw refusal('line 1', '"tree"', excerpt(lines[0]))
  const blocks: Block[] = [{ name: 'head', values: new Map() }]
  for (const line of lines.slice(1)) {
    if (line === 'end of trees') return blocks
    const at = line.indexOf('=')
    const key = at < 0 ? line : line.slice(0, at)
    if (key === 'Tree') blocks.push({ name: line, values: new Map() })
    else if (key !== '') blocks[blocks.length - 1].values.set(key, at < 0 ? '' : line.slice(at + 1))
  }
  // Version 2 has no end mark; importances follow the last tree, under names that no tree uses.
  if (blocks[0].values.get('version') === 'v2') return blocks
  throw refusal('end', '"end of trees"', 'the end of the file: it may be cut')
}

function linkOf(head: Block): TreeEnsemble['link'] {
  const [name, ...options] = (head.values.get('objective') ?? 'regression').split(' ')
  if (
    name === 'binary' &&
    options.every((option) => !option.startsWith('sigmoid:') || option === 'sigmoid:1')
  )
    return 'sigmoid'
  if (name === 'cross_entropy') return 'sigmoid'
  if (['poisson', 'gamma', 'tweedie'].includes(name)) return 'exp'
  const identity = ['regression', 'regression_l1', 'huber', 'fair', 'quantile', 'mape', 'custom']
  if (identity.includes(name) && !options.includes('sqrt')) return 'identity'
  throw refusal(
    'objective',
    'binary sigmoid:1, cross_entropy, poisson, gamma, tweedie or a regression without sqrt',
    [name, ...options].join(' '),
  )
}

/** The arrays of one tree. Splits are numbered from 0; a negative child `c` is leaf `-c - 1`. */
function rootOf(block: Block, share: number): ImportedNode {
  const nLeaves = integer(block, 'num_leaves')
  if (block.values.get('is_linear') === '1') throw refusal(block.name, 'is_linear=0', 'linear leaves')
  const leafValue = numbers(block, 'leaf_value', nLeaves)
  const leafCount = optional(block, 'leaf_count', nLeaves)
  const leaf = (i: number): ImportedNode => ({ leaf: leafValue[i] * share, cover: leafCount[i] })
  if (nLeaves === 1) return leaf(0)
  const nSplits = nLeaves - 1
  const feature = numbers(block, 'split_feature', nSplits)
  const threshold = numbers(block, 'threshold', nSplits)
  const type = numbers(block, 'decision_type', nSplits)
  const children = [numbers(block, 'left_child', nSplits), numbers(block, 'right_child', nSplits)]
  const count = optional(block, 'internal_count', nSplits)
  const sets = readSets(block)
  const nodeAt = (i: number): ImportedNode => {
    if (!Number.isInteger(i) || i >= nSplits || i < -nLeaves)
      throw refusal(block.name, `children from ${-nLeaves} to ${nSplits - 1}`, String(i))
    return i < 0 ? leaf(-i - 1) : splitAt(i)
  }
  const splitAt = (i: number): ImportedNode => ({
    feature: feature[i],
    cover: count[i],
    ...testOf(block, type[i], threshold[i], sets),
    left: () => nodeAt(children[0][i]),
    right: () => nodeAt(children[1][i]),
  })
  return splitAt(0)
}

function testOf(
  block: Block,
  type: number,
  threshold: number,
  sets: Uint32Array[],
): { threshold: number | Uint32Array; missingLeft: boolean } {
  if (type & CATEGORICAL) {
    const set = sets[threshold]
    if (!set) throw refusal(block.name, `a category set below ${sets.length}`, String(threshold))
    return { threshold: set, missingLeft: false }
  }
  const defaultLeft = (type & DEFAULT_LEFT) !== 0
  const zeroLeft = threshold >= 0
  const missing = MISSING_TYPES[(type >> 2) & 3]
  if (missing === 'none') return { threshold, missingLeft: zeroLeft }
  if (missing === 'nan' || defaultLeft === zeroLeft) return { threshold, missingLeft: defaultLeft }
  throw refusal(
    block.name,
    'splits that send 0 by its value (train with zero_as_missing=false)',
    `missing type ${missing}`,
  )
}

function readSets(block: Block): Uint32Array[] {
  if (!block.values.has('cat_boundaries')) return []
  const bounds = numbers(block, 'cat_boundaries')
  const words = numbers(block, 'cat_threshold')
  return bounds.slice(1).map((end, i) => Uint32Array.from(words.slice(bounds[i], end)))
}

// ---------------------------------------------------------------- fields

function field({ name, values }: Block, key: string): string {
  const value = values.get(key)
  if (value === undefined) throw refusal(name, `a line ${key}=…`, 'none')
  return value
}

function numbers(block: Block, key: string, length?: number): number[] {
  const text = field(block, key).trim()
  const list = text === '' ? [] : text.split(/\s+/).map(numberOf)
  if (list.some(Number.isNaN)) throw refusal(`${block.name} ${key}`, 'numbers', excerpt(text))
  if (length !== undefined && list.length !== length)
    throw refusal(`${block.name} ${key}`, `${length} numbers`, `${list.length}`)
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

function refusal(place: string, expected: string, got: string): MillraceError {
  return new MillraceError('MR_MODEL_IMPORT', { source: 'LightGBM', place, expected, got })
}
