/** Tree operators of ONNX as trees: `TreeEnsembleRegressor`, `TreeEnsembleClassifier` (ai.onnx.ml 1 to 3) and `TreeEnsemble` (5). */
import { numbersOf, type OnnxNode, onnxRefusal as refuse } from './onnx-file.ts'

export type BranchMode = 'leq' | 'lt' | 'gte' | 'gt' | 'eq' | 'neq' | 'member' | 'leaf'

/** One tree: nodes by index, the first is the root. `yes` and `no` are -1 in leaves. */
export interface OnnxTree {
  mode: BranchMode[]
  feature: number[]
  value: number[]
  yes: number[]
  no: number[]
  /** Whether a missing value counts as yes. */
  missingYes: boolean[]
  /** Rows that passed, as far as the file counts them; 0 where it does not. */
  cover: number[]
  /** Values that are members, by node. */
  members: Map<number, number[]>
  /** Weights of leaves by node: pairs of output and weight. */
  weights: Map<number, [output: number, weight: number][]>
}

export interface OnnxTrees {
  trees: OnnxTree[]
  nOutputs: number
  bases: Float64Array
  aggregate: 'SUM' | 'AVERAGE'
  transform: string
  /** Labels of a classifier, in the order of the outputs. */
  labels?: (string | number)[]
}

const MODES: Record<string, BranchMode | undefined> = {
  BRANCH_LEQ: 'leq',
  BRANCH_LT: 'lt',
  BRANCH_GTE: 'gte',
  BRANCH_GT: 'gt',
  BRANCH_EQ: 'eq',
  BRANCH_NEQ: 'neq',
  LEAF: 'leaf',
}
const MODES_5: BranchMode[] = ['leq', 'lt', 'gte', 'gt', 'eq', 'neq', 'member']

/** Errors: MR_MODEL_IMPORT for lists of unequal length, unknown modes, MIN and MAX, and what is no tree. Cost: O(nodes). */
export function treesOfNode(node: OnnxNode): OnnxTrees {
  return node.operator === 'TreeEnsemble' ? treesOf5(node) : treesOf3(node)
}

// ---------------------------------------------------------------- attributes

const placeOf = (node: OnnxNode, key: string) => `${node.operator}.${key}`

export function textAttribute(node: OnnxNode, key: string, otherwise: string): string {
  return node.attributes.get(key)?.text ?? otherwise
}

/** Numbers of an attribute, or of its twin `<key>_as_tensor`, which holds doubles too. */
export function numbersAttribute(node: OnnxNode, key: string): Float64Array | number[] {
  const tensor = node.attributes.get(`${key}_as_tensor`)?.tensor ?? node.attributes.get(key)?.tensor
  if (tensor) return numbersOf(tensor)
  const attribute = node.attributes.get(key)
  if (!attribute) return []
  return attribute.floats.length > 0 ? attribute.floats : attribute.ints
}

function listOf(node: OnnxNode, key: string, length: number, otherwise?: number): ArrayLike<number> {
  const list = numbersAttribute(node, key)
  if (list.length === 0 && otherwise !== undefined) return new Float64Array(length).fill(otherwise)
  if (list.length !== length) throw refuse(placeOf(node, key), `${length} numbers`, `${list.length}`)
  return list
}

function aggregateOf(node: OnnxNode, name: string): 'SUM' | 'AVERAGE' {
  if (name === 'SUM' || name === 'AVERAGE') return name
  throw refuse(placeOf(node, 'aggregate_function'), 'SUM or AVERAGE', name)
}

// ---------------------------------------------------------------- ai.onnx.ml 1 to 3

function treesOf3(node: OnnxNode): OnnxTrees {
  const isClassifier = node.operator === 'TreeEnsembleClassifier'
  const labels = isClassifier ? labelsOf(node) : undefined
  const nOutputs = labels?.length ?? node.attributes.get('n_targets')?.int ?? 1
  const ids = numbersAttribute(node, 'nodes_treeids')
  const groups = groupTrees(node, ids)
  const trees = groups.map((group) => readTree3(node, group))
  addWeights(node, isClassifier ? 'class' : 'target', { ids, groups, trees, nOutputs })
  const bases = Float64Array.from(numbersAttribute(node, 'base_values'))
  const aggregate = aggregateOf(node, textAttribute(node, 'aggregate_function', 'SUM'))
  const transform = textAttribute(node, 'post_transform', 'NONE')
  return { trees: trees.map((tree) => rooted(node, tree)), nOutputs, bases, aggregate, transform, labels }
}

export function labelsOf(node: OnnxNode): (string | number)[] {
  const { attributes } = node
  const texts = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints']
  for (const key of texts) {
    const attribute = attributes.get(key)
    if (attribute && attribute.texts.length > 0) return attribute.texts
    if (attribute && attribute.ints.length > 0) return attribute.ints
  }
  throw refuse(placeOf(node, 'classlabels'), 'labels', 'none')
}

/** Where the nodes of one tree lie in the lists, and its index by its number of a node. */
interface Group {
  at: number[]
  indexOf: Map<number, number>
}

function groupTrees(node: OnnxNode, ids: ArrayLike<number>): Group[] {
  const numbers = listOf(node, 'nodes_nodeids', ids.length)
  const groups = new Map<number, Group>()
  for (let i = 0; i < ids.length; i++) {
    const group: Group = groups.get(ids[i]) ?? { at: [], indexOf: new Map() }
    groups.set(ids[i], group)
    if (group.indexOf.has(numbers[i]))
      throw refuse(placeOf(node, 'nodes_nodeids'), `one node ${numbers[i]} in tree ${ids[i]}`, 'two')
    group.indexOf.set(numbers[i], group.at.length)
    group.at.push(i)
  }
  return [...groups.values()]
}

const lists = new WeakMap<OnnxNode, NodeLists>()

interface NodeLists {
  modes: string[]
  feature: ArrayLike<number>
  value: ArrayLike<number>
  yes: ArrayLike<number>
  no: ArrayLike<number>
  missing: ArrayLike<number>
  hits: ArrayLike<number>
}

function listsOf(node: OnnxNode, n: number): NodeLists {
  const known = lists.get(node)
  if (known) return known
  const modes = node.attributes.get('nodes_modes')?.texts ?? []
  if (modes.length !== n) throw refuse(placeOf(node, 'nodes_modes'), `${n} modes`, `${modes.length}`)
  const hits = listOf(node, 'nodes_hitrates', n, 0)
  const made = {
    modes,
    feature: listOf(node, 'nodes_featureids', n),
    value: listOf(node, 'nodes_values', n),
    yes: listOf(node, 'nodes_truenodeids', n),
    no: listOf(node, 'nodes_falsenodeids', n),
    missing: listOf(node, 'nodes_missing_value_tracks_true', n, 0),
    hits: countsRows(hits) ? hits : new Float64Array(n),
  }
  lists.set(node, made)
  return made
}

/** Converters that count nothing write 1 everywhere. */
function countsRows(hits: ArrayLike<number>): boolean {
  for (let i = 0; i < hits.length; i++) if (hits[i] !== 1) return true
  return false
}

function readTree3(node: OnnxNode, { at, indexOf }: Group): OnnxTree {
  const all = listsOf(node, numbersAttribute(node, 'nodes_treeids').length)
  const tree = emptyTree()
  const child = (number: number) => {
    const index = indexOf.get(number)
    if (index === undefined)
      throw refuse(placeOf(node, 'nodes_truenodeids'), 'nodes of the same tree', `${number}`)
    return index
  }
  for (const i of at) {
    const mode = MODES[all.modes[i]]
    if (mode === undefined)
      throw refuse(placeOf(node, 'nodes_modes'), Object.keys(MODES).join(', '), all.modes[i])
    const isLeaf = mode === 'leaf'
    tree.mode.push(mode)
    tree.feature.push(all.feature[i])
    tree.value.push(all.value[i])
    tree.yes.push(isLeaf ? -1 : child(all.yes[i]))
    tree.no.push(isLeaf ? -1 : child(all.no[i]))
    tree.missingYes.push(all.missing[i] === 1)
    tree.cover.push(all.hits[i])
  }
  return tree
}

function emptyTree(): OnnxTree {
  return {
    mode: [],
    feature: [],
    value: [],
    yes: [],
    no: [],
    missingYes: [],
    cover: [],
    members: new Map(),
    weights: new Map(),
  }
}

interface Weighing {
  ids: ArrayLike<number>
  groups: Group[]
  trees: OnnxTree[]
  nOutputs: number
}

function addWeights(
  node: OnnxNode,
  of: 'class' | 'target',
  { ids, groups, trees, nOutputs }: Weighing,
): void {
  const outputs = numbersAttribute(node, `${of}_ids`)
  const n = outputs.length
  const treeIds = listOf(node, `${of}_treeids`, n)
  const nodeIds = listOf(node, `${of}_nodeids`, n)
  const weights = listOf(node, `${of}_weights`, n)
  const treeOf = new Map(groups.map(({ at }, t) => [ids[at[0]], t]))
  for (let i = 0; i < n; i++) {
    const t = treeOf.get(treeIds[i])
    const index = t === undefined ? undefined : groups[t].indexOf.get(nodeIds[i])
    if (t === undefined || index === undefined)
      throw refuse(
        placeOf(node, `${of}_nodeids`),
        'nodes of its trees',
        `node ${nodeIds[i]} of tree ${treeIds[i]}`,
      )
    const output = outputs[i]
    if (!(output >= 0 && output < nOutputs))
      throw refuse(placeOf(node, `${of}_ids`), `from 0 to ${nOutputs - 1}`, `${output}`)
    const known = trees[t].weights.get(index)
    if (known) known.push([output, weights[i]])
    else trees[t].weights.set(index, [[output, weights[i]]])
  }
}

/** The same tree with its root first: the one node that is no node's child. */
function rooted(node: OnnxNode, tree: OnnxTree): OnnxTree {
  const isChild = new Uint8Array(tree.mode.length)
  for (const child of [...tree.yes, ...tree.no]) if (child >= 0) isChild[child] = 1
  const root = isChild.indexOf(0)
  if (root < 0) throw refuse(placeOf(node, 'nodes_truenodeids'), 'a root', 'a cycle')
  return root === 0 ? tree : swapped(tree, root)
}

function swapped(tree: OnnxTree, root: number): OnnxTree {
  const moved = (i: number) => (i === 0 ? root : i === root ? 0 : i)
  const swap = <T>(list: T[]) => list.map((_, i) => list[moved(i)])
  const keyed = <T>(map: Map<number, T>) => new Map([...map].map(([i, value]) => [moved(i), value]))
  const child = (i: number) => (i < 0 ? i : moved(i))
  return {
    mode: swap(tree.mode),
    feature: swap(tree.feature),
    value: swap(tree.value),
    yes: swap(tree.yes).map(child),
    no: swap(tree.no).map(child),
    missingYes: swap(tree.missingYes),
    cover: swap(tree.cover),
    members: keyed(tree.members),
    weights: keyed(tree.weights),
  }
}

// ---------------------------------------------------------------- ai.onnx.ml 5

const AGGREGATES_5 = ['AVERAGE', 'SUM', 'MIN', 'MAX']
const TRANSFORMS_5 = ['NONE', 'SOFTMAX', 'LOGISTIC', 'SOFTMAX_ZERO', 'PROBIT']

/** Splits and leaves are numbered apart; every tree is a root in one list of splits. */
function treesOf5(node: OnnxNode): OnnxTrees {
  const integer = (key: string, otherwise: number) => node.attributes.get(key)?.int ?? otherwise
  const nOutputs = integer('n_targets', 1)
  const roots = numbersAttribute(node, 'tree_roots')
  const features = numbersAttribute(node, 'nodes_featureids')
  const n = features.length
  const lists: Lists5 = {
    node,
    nOutputs,
    features,
    splits: listOf(node, 'nodes_splits', n),
    modes: listOf(node, 'nodes_modes', n),
    yes: listOf(node, 'nodes_truenodeids', n),
    no: listOf(node, 'nodes_falsenodeids', n),
    yesIsLeaf: listOf(node, 'nodes_trueleafs', n),
    noIsLeaf: listOf(node, 'nodes_falseleafs', n),
    missing: listOf(node, 'nodes_missing_value_tracks_true', n, 0),
    hits: listOf(node, 'nodes_hitrates', n, 0),
    leafOutputs: numbersAttribute(node, 'leaf_targetids'),
    leafWeights: numbersAttribute(node, 'leaf_weights'),
    members: membersOf(node, listOf(node, 'nodes_modes', n)),
    used: { nodes: 0 },
  }
  const aggregate = aggregateOf(node, AGGREGATES_5[integer('aggregate_function', 1)] ?? 'unknown')
  const transform = TRANSFORMS_5[integer('post_transform', 0)] ?? 'unknown'
  const trees = Array.from(roots, (root) => readTree5(lists, root))
  return { trees, nOutputs, bases: new Float64Array(0), aggregate, transform }
}

interface Lists5 {
  node: OnnxNode
  nOutputs: number
  features: ArrayLike<number>
  splits: ArrayLike<number>
  modes: ArrayLike<number>
  yes: ArrayLike<number>
  no: ArrayLike<number>
  yesIsLeaf: ArrayLike<number>
  noIsLeaf: ArrayLike<number>
  missing: ArrayLike<number>
  hits: ArrayLike<number>
  leafOutputs: ArrayLike<number>
  leafWeights: ArrayLike<number>
  members: Map<number, number[]>
  /** Splits read so far: each belongs to one tree, so that more than there are means a cycle. */
  used: { nodes: number }
}

/** Members of all splits that test membership, in their order, ended by NaN. */
function membersOf(node: OnnxNode, modes: ArrayLike<number>): Map<number, number[]> {
  const values = numbersAttribute(node, 'membership_values')
  const members = new Map<number, number[]>()
  let at = 0
  for (let i = 0; i < modes.length; i++) {
    if (MODES_5[modes[i]] !== 'member') continue
    const own: number[] = []
    for (; at < values.length && !Number.isNaN(values[at]); at++) own.push(values[at])
    at++
    members.set(i, own)
  }
  return members
}

function readTree5(lists: Lists5, root: number): OnnxTree {
  const { node, features, leafOutputs, leafWeights } = lists
  const tree = emptyTree()
  const waiting: { at: number; isLeaf: boolean; parent: number; side: 'yes' | 'no' }[] = [
    { at: root, isLeaf: isLeaf5(lists, root), parent: -1, side: 'yes' },
  ]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { at, isLeaf, parent, side } = next
    const count = isLeaf ? leafWeights.length : features.length
    if (!(Number.isInteger(at) && at >= 0 && at < count))
      throw refuse(placeOf(node, 'nodes_truenodeids'), `below ${count}`, String(at))
    const index = tree.mode.length
    if (parent >= 0) tree[side][parent] = index
    if (isLeaf) {
      pushLeaf(tree, leafOutputs[at] ?? 0, leafWeights[at], lists)
      continue
    }
    if (++lists.used.nodes > features.length) throw refuse(placeOf(node, 'tree_roots'), 'trees', 'a cycle')
    pushSplit(tree, lists, at)
    waiting.push(
      { at: lists.no[at], isLeaf: lists.noIsLeaf[at] === 1, parent: index, side: 'no' },
      { at: lists.yes[at], isLeaf: lists.yesIsLeaf[at] === 1, parent: index, side: 'yes' },
    )
  }
  return tree
}

/** A tree of one leaf is written as a split whose two sides are the same leaf; that needs no rule of its own. */
function isLeaf5({ features }: Lists5, root: number): boolean {
  return features.length === 0 && root === 0
}

function pushLeaf(tree: OnnxTree, output: number, weight: number, { node, nOutputs }: Lists5): void {
  if (!(output >= 0 && output < nOutputs))
    throw refuse(placeOf(node, 'leaf_targetids'), `from 0 to ${nOutputs - 1}`, String(output))
  tree.weights.set(tree.mode.length, [[output, weight]])
  tree.mode.push('leaf')
  for (const list of [tree.feature, tree.value, tree.cover]) list.push(0)
  tree.yes.push(-1)
  tree.no.push(-1)
  tree.missingYes.push(false)
}

function pushSplit(tree: OnnxTree, lists: Lists5, at: number): void {
  const mode = MODES_5[lists.modes[at]]
  if (mode === undefined)
    throw refuse(placeOf(lists.node, 'nodes_modes'), 'a mode from 0 to 6', String(lists.modes[at]))
  if (mode === 'member') tree.members.set(tree.mode.length, lists.members.get(at) ?? [])
  tree.mode.push(mode)
  tree.feature.push(lists.features[at])
  tree.value.push(lists.splits[at])
  tree.yes.push(-1)
  tree.no.push(-1)
  tree.missingYes.push(lists.missing[at] === 1)
  tree.cover.push(lists.hits[at])
}
