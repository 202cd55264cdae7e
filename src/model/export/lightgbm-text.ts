import { MillraceError } from '../../core/errors.ts'
import { floatBelow } from '../float32.ts'
import type { Model } from '../forms/registry.ts'
import { doubleBelow } from '../tree-walk.ts'
import type { Link, TreeEnsemble } from '../trees.ts'

export interface LightGbmExportOptions {
  /** Default: `Column_0`, … Spaces become `_`, as LightGBM writes them. */
  featureNames?: readonly string[]
  /** `ranking` names the objective; other tasks follow from the link. */
  task?: string
}

/**
 * An ensemble as text that LightGBM 4 loads (`Booster(model_file=…)`), and that is read back here. Scores of ensembles in doubles are the same to the
 * bit: the base is in the leaves of each output's first tree. What is summed in float32 agrees to its rounding.
 * Errors: MR_MODEL_EXPORT for models that are no trees. Cost: O(nodes).
 */
export function exportLightGbmText(model: Model, options: LightGbmExportOptions = {}): string {
  if (model.kind !== 'TreeEnsemble')
    throw new MillraceError('MR_MODEL_EXPORT', { format: 'LightGBM text', what: model.kind, known: 'trees' })
  const trees = inRounds(model).map((tree, i) => treeText(model, tree, i))
  const head = headLines(model, options, trees)
  return `${head.join('\n')}\n\n${trees.join('')}end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\npandas_categorical:null\n`
}

function headLines(model: TreeEnsemble, options: LightGbmExportOptions, trees: string[]): string[] {
  const { nFeatures, nOutputs } = model
  const names = Array.from({ length: nFeatures }, (_, j) =>
    (options.featureNames?.[j] ?? `Column_${j}`).replace(/\s/g, '_'),
  )
  return [
    'tree',
    'version=v4',
    `num_class=${nOutputs}`,
    `num_tree_per_iteration=${nOutputs}`,
    'label_index=0',
    `max_feature_idx=${nFeatures - 1}`,
    `objective=${objectiveOf(model.link, nOutputs, options.task)}`,
    `feature_names=${names.join(' ')}`,
    `feature_infos=${featureInfos(model).join(' ')}`,
    `tree_sizes=${trees.map((tree) => new TextEncoder().encode(tree).length).join(' ')}`,
  ]
}

function objectiveOf(link: Link, nOutputs: number, task: string | undefined): string {
  if (task === 'ranking') return 'lambdarank'
  if (link === 'softmax') return `multiclass num_class:${nOutputs}`
  if (link === 'sigmoid')
    return nOutputs > 1 ? `multiclassova num_class:${nOutputs} sigmoid:1` : 'binary sigmoid:1'
  if (link === 'shares')
    throw new MillraceError('MR_MODEL_EXPORT', {
      format: 'LightGBM text',
      what: 'a forest of classes',
      known: 'boosted trees',
    })
  return link === 'exp' ? 'poisson' : 'regression'
}

/** Categories by their codes, numbers by a range that holds all. */
function featureInfos(model: TreeEnsemble): string[] {
  const most = new Map<number, number>()
  for (let i = 0; i < model.feature.length; i++) {
    if (model.categorySet[i] < 0) continue
    const reach = model.categorySets[model.categorySet[i]].length * 32
    most.set(model.feature[i], Math.max(reach, most.get(model.feature[i]) ?? 1))
  }
  return Array.from({ length: model.nFeatures }, (_, j) => {
    const reach = most.get(j)
    return reach === undefined
      ? '[-1e+300:1e+300]'
      : Array.from({ length: reach }, (_, code) => code).join(':')
  })
}

// ---------------------------------------------------------------- trees

/** One tree of the text: of which ensemble's tree it is, -1 for one of a single 0, and what is added to its leaves. */
interface RoundTree {
  t: number
  added: number
}

/** LightGBM's trees go round the outputs; outputs that lack trees get leaves of 0. */
function inRounds({ nOutputs, outputOf, baseScores, roots }: TreeEnsemble): RoundTree[] {
  const byOutput = Array.from({ length: nOutputs }, (_, k) =>
    Array.from(roots.keys()).filter((t) => outputOf[t] === k),
  )
  const nRounds = Math.max(1, ...byOutput.map((trees) => trees.length))
  return Array.from({ length: nRounds * nOutputs }, (_, i) => {
    const round = Math.floor(i / nOutputs)
    const k = i % nOutputs
    return { t: byOutput[k][round] ?? -1, added: round === 0 ? baseScores[k] : 0 }
  })
}

interface TreeText {
  feature: number[]
  threshold: number[]
  decision: number[]
  left: number[]
  right: number[]
  count: number[]
  leafValue: number[]
  leafCount: number[]
  boundaries: number[]
  words: number[]
}

function treeText(model: TreeEnsemble, { t, added }: RoundTree, index: number): string {
  const text: TreeText = {
    feature: [],
    threshold: [],
    decision: [],
    left: [],
    right: [],
    count: [],
    leafValue: [],
    leafCount: [],
    boundaries: [0],
    words: [],
  }
  if (t < 0) text.leafValue.push(added)
  else writeNode(model, model.roots[t], text, added)
  const { leafValue, feature, boundaries, words } = text
  const zeros = (list: number[]) => list.map(() => 0)
  const lines: [string, number[] | number][] = [
    ['num_leaves', leafValue.length],
    ['num_cat', boundaries.length - 1],
    ['split_feature', feature],
    ['split_gain', zeros(feature)],
    ['threshold', text.threshold],
    ['decision_type', text.decision],
    ['left_child', text.left],
    ['right_child', text.right],
    ['leaf_value', leafValue],
    ['leaf_weight', zeros(leafValue)],
    ['leaf_count', t < 0 ? [0] : text.leafCount],
    ['internal_value', zeros(feature)],
    ['internal_weight', zeros(feature)],
    ['internal_count', text.count],
    ...(words.length > 0 || boundaries.length > 1
      ? ([
          ['cat_boundaries', boundaries],
          ['cat_threshold', words],
        ] as [string, number[]][])
      : []),
    ['is_linear', 0],
    ['shrinkage', 1],
  ]
  const body = lines.map(
    ([key, value]) => `${key}=${Array.isArray(value) ? value.map(numberText).join(' ') : value}`,
  )
  return `Tree=${index}\n${body.join('\n')}\n\n\n`
}

/** The shortest digits that read back the same. */
function numberText(x: number): string {
  return Object.is(x, -0) ? '-0' : String(x)
}

/** Writes a node and what is below; gives its number: splits from 0, leaves from -1 down. */
function writeNode(model: TreeEnsemble, node: number, text: TreeText, added: number): number {
  if (model.left[node] < 0) {
    text.leafValue.push(added + model.value[node] / (model.rules?.divisor ?? 1))
    text.leafCount.push(Math.round(model.cover[node]))
    return -text.leafValue.length
  }
  const at = text.feature.push(model.feature[node]) - 1
  text.count.push(Math.round(model.cover[node]))
  const isSwapped = writeTest(model, node, text)
  text.left[at] = 0
  text.right[at] = 0
  const [first, second] = isSwapped ? [model.right, model.left] : [model.left, model.right]
  text.left[at] = writeNode(model, first[node], text, added)
  text.right[at] = writeNode(model, second[node], text, added)
  return at
}

const CATEGORICAL = 1
const DEFAULT_LEFT = 2
const ZERO_MISSING = 4
const NAN_MISSING = 8

/** True when the children change sides: LightGBM sends codes that a set does not list right. */
function writeTest(model: TreeEnsemble, node: number, text: TreeText): boolean {
  const missingLeft = model.missingLeft[node] === 1
  const set = model.categorySet[node]
  if (set < 0) {
    const kind = model.rules?.zeroMissing.includes(model.feature[node]) ? ZERO_MISSING : NAN_MISSING
    text.threshold.push(
      finite(model.compare === 'le' ? model.threshold[node] : doubleOf(model.threshold[node])),
    )
    text.decision.push(kind | (missingLeft ? DEFAULT_LEFT : 0))
    return false
  }
  const words = model.categorySets[set]
  text.threshold.push(text.boundaries.length - 1)
  text.decision.push(CATEGORICAL | NAN_MISSING)
  for (const word of words) text.words.push(missingLeft ? ~word >>> 0 : word)
  text.boundaries.push(text.words.length)
  return missingLeft
}

/** The greatest double that rounds to a float32 below `t`. */
function doubleOf(t: number): number {
  const threshold = Math.fround(t)
  if (!Number.isFinite(threshold)) return threshold
  const below = floatBelow(threshold)
  const middle = below === Number.NEGATIVE_INFINITY ? -(2 ** 128) * (1 - 2 ** -25) : below / 2 + threshold / 2
  return Math.fround(middle) < threshold ? middle : doubleBelow(middle)
}

function finite(threshold: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, threshold))
}
