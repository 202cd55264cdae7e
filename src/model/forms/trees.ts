/** The form of tree ensembles. */
import { allFinite, between, check, checkLength, MODEL_LIMITS } from '../checks.ts'
import { writeTreesOnnx } from '../export/onnx-forms.ts'
import type { FormHead, Kernel, ModelForm, NamedArrays, PackedKernel, SectionReader } from '../form.ts'
import { treeContributions } from '../shap/tree-shap.ts'
import { blockBytes, type PackedTrees, packTrees } from '../tree/block.ts'
import { hiddenLeaves } from '../tree/hidden-leaves.ts'
import { BLOCK_NODES_MIN, treeKernel, unpackedKernel } from '../tree/kernel.ts'
import { firstScores, ruled, ruledExplainer, ruledKernel, ruledTrees } from '../tree/source-rules.ts'
import { compileTrees } from '../tree-walk.ts'
import { nodesAtRest, type SourceRules, type TreeEnsemble } from '../trees.ts'
import { treeExplainer } from './tree-explainer.ts'
import { treePieces } from './tree-pieces.ts'

export const treeForm: ModelForm<TreeEnsemble> = {
  kind: 'TreeEnsemble',
  format: 'trees',
  validate: validateTrees,
  extra: ({ compare, rules }) => ({ compare, ...(rules ? { sum: rules.sum, base: rules.base } : {}) }),
  arrays: treeArrays,
  read: treesOf,
  kernel: (model) => (model.rules ? ruledKernel(model, model.rules) : treeKernel(model)),
  pack: packEnsemble,
  unpack: (packed) => unpackEnsemble(packed as PackedEnsemble),
  explainer: (model) =>
    model.rules ? ruledExplainer(model, model.rules, treeExplainer) : treeExplainer(model),
  contributions: (model, rows, n, background) => treeContributions(model, rows, n, { background }),
  hidden: hiddenLeaves,
  pieces: { noun: 'tree', of: treePieces },
  scorerBytes,
  writeOnnx: writeTreesOnnx,
}

function scorerBytes(model: TreeEnsemble): number {
  const setWords = model.categorySets.reduce((sum, set) => sum + set.length, 0)
  return 4_096 + blockBytes(model.feature.length, model.roots.length, setWords)
}

// ---------------------------------------------------------------- from thread to thread

interface PackedEnsemble extends PackedKernel {
  baseScores: Float64Array
  rules?: SourceRules
  trees: PackedTrees
}

/** Small ensembles are read where they are scored, and not packed. */
function packEnsemble(model: TreeEnsemble): PackedEnsemble | null {
  const { kind, nFeatures, nOutputs, link, baseScores, rules } = model
  if (model.feature.length < BLOCK_NODES_MIN) return null
  const trees = packTrees(rules ? ruledTrees(model, rules) : compileTrees(model), rules?.sum)
  return trees && { kind, nFeatures, nOutputs, link, baseScores, rules, trees, bytes: scorerBytes(model) }
}

function unpackEnsemble(packed: PackedEnsemble): Kernel | null {
  const { trees, rules, baseScores } = packed
  const [base] = rules ? firstScores(packed, rules) : baseScores
  const kernel = unpackedKernel(trees, { base, sum: rules?.sum ?? 'f64' })
  return kernel && rules ? ruled(kernel, packed, rules) : kernel
}

// ---------------------------------------------------------------- as arrays

function treeArrays(model: TreeEnsemble): NamedArrays {
  const several: NamedArrays = model.nOutputs > 1 ? [['outputOf', model.outputOf]] : []
  const ruled: NamedArrays = model.rules
    ? [
        ['divisor', [model.rules.divisor]],
        ['zeroMissing', model.rules.zeroMissing],
      ]
    : []
  const n = model.feature.length
  const splits: number[] = []
  const leaves: number[] = []
  for (let node = 0; node < n; node++) (model.left[node] < 0 ? leaves : splits).push(node)
  const ofSplits = (values: ArrayLike<number>) => splits.map((node) => values[node])
  const setWords = model.categorySets.flatMap((set) => Array.from(set))
  return [
    ['baseScore', model.baseScores],
    ['treeSizes', model.roots.map((root, t) => (model.roots[t + 1] ?? n) - root)],
    ['leftStep', model.left.map((left, node) => (left < 0 ? 0 : left - node))],
    ['rightStep', splits.map((node) => model.right[node] - node)],
    ['feature', ofSplits(model.feature)],
    ['threshold', ofSplits(model.threshold)],
    ['missingLeft', ofSplits(model.missingLeft)],
    ['categorySet', model.categorySets.length > 0 ? splits.map((node) => model.categorySet[node] + 1) : []],
    ['setLengths', model.categorySets.map((set) => set.length)],
    ['setWords', setWords],
    ['value', leaves.map((node) => model.value[node])],
    ['cover', model.cover],
    ...several,
    ...ruled,
  ]
}

function treesOf(head: FormHead, arrays: SectionReader): TreeEnsemble {
  const { nFeatures, nOutputs, link } = head
  const baseScores = arrays.take('baseScore', nOutputs)
  const sizes = arrays.take('treeSizes')
  const leftStep = arrays.take('leftStep')
  const n = leftStep.length
  between('nodes', 0, n, 0, MODEL_LIMITS.nodesMax)
  const rightStep = arrays.take('rightStep')
  const nSplits = rightStep.length
  const model: TreeEnsemble = {
    kind: 'TreeEnsemble',
    nFeatures,
    nOutputs,
    outputOf:
      nOutputs > 1 ? Int32Array.from(arrays.take('outputOf', sizes.length)) : new Int32Array(sizes.length),
    roots: rootsOf(sizes, n),
    ...nodesAtRest(n),
    categorySets: [],
    compare: head.extra.compare === undefined ? 'le' : (head.extra.compare as TreeEnsemble['compare']),
    baseScores,
    link,
    ...rulesOf(head, arrays),
  }
  const feature = arrays.take('feature', nSplits)
  const threshold = arrays.take('threshold', nSplits)
  const missingLeft = arrays.take('missingLeft', nSplits)
  const categorySet = arrays.take('categorySet')
  if (categorySet.length !== 0) arrays.expect('categorySet', nSplits, categorySet.length)
  model.categorySets = setsOf(arrays)
  const value = arrays.take('value', n - nSplits)
  model.cover.set(arrays.take('cover', n))
  let split = 0
  let leaf = 0
  for (let node = 0; node < n; node++) {
    if (leftStep[node] === 0) {
      model.value[node] = value[leaf++]
      continue
    }
    model.left[node] = node + leftStep[node]
    model.right[node] = node + rightStep[split]
    model.feature[node] = feature[split]
    model.threshold[node] = threshold[split]
    model.missingLeft[node] = missingLeft[split]
    if (categorySet.length > 0) model.categorySet[node] = categorySet[split] - 1
    split++
  }
  arrays.expect('rightStep', split, nSplits)
  return model
}

function rulesOf({ extra }: FormHead, arrays: SectionReader): { rules?: SourceRules } {
  if (extra.sum === undefined) return {}
  const [divisor] = arrays.take('divisor', 1)
  const zeroMissing = Array.from(arrays.take('zeroMissing'))
  const { sum, base } = extra as unknown as SourceRules
  return { rules: { sum, base, divisor, zeroMissing } }
}

function rootsOf(sizes: ArrayLike<number>, nNodes: number): Int32Array {
  const roots = new Int32Array(sizes.length)
  let at = 0
  for (let t = 0; t < sizes.length; t++) {
    roots[t] = at
    at += sizes[t]
  }
  check(at === nNodes, 'treeSizes', sizes.length, `${nNodes} nodes in all`, at)
  return roots
}

function setsOf(arrays: SectionReader): Uint32Array[] {
  const lengths = arrays.take('setLengths')
  const words = arrays.take('setWords')
  const sets: Uint32Array[] = []
  let at = 0
  for (let i = 0; i < lengths.length; i++) {
    between('setLengths', i, lengths[i], 0, MODEL_LIMITS.setWordsMax)
    sets.push(Uint32Array.from(words.subarray(at, at + lengths[i])))
    at += lengths[i]
  }
  arrays.expect('setWords', at, words.length)
  return sets
}

// ---------------------------------------------------------------- rules

function validateTrees(model: TreeEnsemble): void {
  const n = model.feature.length
  between('nodes', 0, n, 0, MODEL_LIMITS.nodesMax)
  between('trees', 0, model.roots.length, 0, MODEL_LIMITS.treesMax)
  for (const name of [
    'threshold',
    'left',
    'right',
    'missingLeft',
    'value',
    'cover',
    'categorySet',
  ] as const) {
    checkLength(name, model[name].length, n)
  }
  check(model.compare === 'le' || model.compare === 'lt-f32', 'compare', 0, 'le or lt-f32', model.compare)
  checkLength('baseScores', model.baseScores.length, model.nOutputs)
  allFinite('baseScores', model.baseScores)
  checkLength('outputOf', model.outputOf.length, model.roots.length)
  model.outputOf.forEach((output, t) => {
    between('outputOf', t, output, 0, model.nOutputs - 1)
  })
  if (model.rules) validateRules(model.rules, model.nFeatures)
  validateSets(model.categorySets)
  validateRoots(model.roots, n)
  const depth = new Int32Array(n).fill(-1)
  model.roots.forEach((root, t) => {
    validateTree(model, root, model.roots[t + 1] ?? n, depth)
  })
}

function validateRules({ sum, base, divisor, zeroMissing }: SourceRules, nFeatures: number): void {
  check(sum === 'f64' || sum === 'f32', 'rules.sum', 0, 'f64 or f32', sum)
  check(base === 'first' || base === 'last', 'rules.base', 0, 'first or last', base)
  check(divisor > 0 && divisor < Number.POSITIVE_INFINITY, 'rules.divisor', 0, 'above 0', divisor)
  zeroMissing.forEach((feature, i) => {
    between('rules.zeroMissing', i, feature, i === 0 ? 0 : zeroMissing[i - 1] + 1, nFeatures - 1)
  })
}

function validateSets(sets: Uint32Array[]): void {
  let words = 0
  for (const set of sets) words += set.length
  between('categorySets words', 0, words, 0, MODEL_LIMITS.setWordsMax)
  between('categorySets', 0, sets.length, 0, MODEL_LIMITS.nodesMax)
}

function validateRoots(roots: Int32Array, n: number): void {
  if (roots.length === 0) check(n === 0, 'roots', 0, 'the root of a tree', 'none')
  else check(roots[0] === 0, 'roots', 0, '0', roots[0])
  for (let t = 1; t < roots.length; t++) between('roots', t, roots[t], roots[t - 1] + 1, n - 1)
}

/** `depth` of each node is set by its parent: -1 tells a node that none reaches, and a second parent finds it set. */
function validateTree(model: TreeEnsemble, root: number, end: number, depth: Int32Array): void {
  const { left, cover } = model
  depth[root] = 0
  for (let node = root; node < end; node++) {
    const level = depth[node]
    if (level < 0) check(false, 'node', node, 'reached by a parent', 'unreachable')
    if (level > MODEL_LIMITS.depthMax) between('depth', node, level, 0, MODEL_LIMITS.depthMax)
    if (!(cover[node] >= 0 && cover[node] < Number.POSITIVE_INFINITY))
      check(false, 'cover', node, 'finite and not negative', cover[node])
    if (left[node] === -1) validateLeaf(model, node)
    else validateSplit(model, node, end, depth)
  }
}

function validateLeaf(model: TreeEnsemble, node: number): void {
  const { right, value, feature, threshold, missingLeft, categorySet } = model
  if (right[node] !== -1) check(false, 'right', node, '-1 in a leaf', right[node])
  if (!Number.isFinite(value[node])) check(false, 'value', node, 'finite', value[node])
  atRest('feature', node, feature[node], 0)
  atRest('threshold', node, threshold[node], 0)
  atRest('missingLeft', node, missingLeft[node], 0)
  atRest('categorySet', node, categorySet[node], -1)
}

function validateSplit(model: TreeEnsemble, node: number, end: number, depth: Int32Array): void {
  const { left, right, feature, threshold, missingLeft, categorySet, value } = model
  validateChild('left', left[node], node, end, depth)
  validateChild('right', right[node], node, end, depth)
  const { nFeatures, categorySets } = model
  if (!(feature[node] >= 0 && feature[node] < nFeatures))
    between('feature', node, feature[node], 0, nFeatures - 1)
  if (missingLeft[node] > 1) between('missingLeft', node, missingLeft[node], 0, 1)
  if (!(categorySet[node] >= -1 && categorySet[node] < categorySets.length))
    between('categorySet', node, categorySet[node], -1, categorySets.length - 1)
  if (Number.isNaN(threshold[node])) check(false, 'threshold', node, 'a number', 'NaN')
  if (categorySet[node] >= 0) atRest('threshold', node, threshold[node], 0)
  atRest('value', node, value[node], 0)
}

function validateChild(
  side: 'left' | 'right',
  child: number,
  node: number,
  end: number,
  depth: Int32Array,
): void {
  if (!(child > node && child < end)) between(side, node, child, node + 1, end - 1)
  if (depth[child] !== -1) check(false, side, node, 'a node without another parent', child)
  depth[child] = depth[node] + 1
}

/** What a node does not use is at rest; -0 is not. */
function atRest(
  name: 'feature' | 'threshold' | 'missingLeft' | 'categorySet' | 'value',
  node: number,
  got: number,
  rest: number,
): void {
  if (!Object.is(got, rest)) check(false, name, node, `${rest}, as this node does not use it`, got)
}
