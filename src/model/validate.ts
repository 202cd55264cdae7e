import { MillraceError } from '../core/errors.ts'
import type { Model } from './score.ts'
import type { Calibration, LinearModel, TreeEnsemble } from './trees.ts'

/** How large a model may be before it is refused; each guards memory or time against a hostile file. */
export const MODEL_LIMITS = {
  headerBytesMax: 65_536,
  featuresMax: 65_536,
  nodesMax: 2 ** 23,
  treesMax: 100_000,
  /** Walking is bounded by the deepest path. */
  depthMax: 512,
  setWordsMax: 2 ** 22,
  calibrationPointsMax: 65_536,
}

const LINKS = ['identity', 'sigmoid', 'exp']

/**
 * Refuses a model that breaks a rule of its form: arrays of equal length, children behind their parent and each node reached once,
 * finite values and covers, features and sets in range, unused fields at rest (so that equal models have equal bytes).
 * Errors: MR_MODEL_INVALID with the place. Cost: O(nodes).
 */
export function validateModel(model: Model, calibration: Calibration | null = null): void {
  check(LINKS.includes(model.link), 'link', 0, 'identity, sigmoid or exp', model.link)
  between('nFeatures', 0, model.nFeatures, 0, MODEL_LIMITS.featuresMax)
  if (model.kind === 'TreeEnsemble') validateTrees(model)
  else validateLinear(model)
  if (calibration) validateCalibration(calibration)
}

function validateLinear({ nFeatures, weights, missing, intercept }: LinearModel): void {
  length('weights', weights.length, nFeatures)
  length('missing', missing.length, nFeatures)
  allFinite('weights', weights)
  allFinite('missing', missing)
  allFinite('intercept', [intercept])
}

function validateCalibration({ kind, x, y }: Calibration): void {
  check(kind === 'isotonic' || kind === 'none', 'calibration', 0, 'isotonic or none', kind)
  length('calibration y', y.length, x.length)
  between('calibration x', x.length, x.length, kind === 'none' ? 0 : 1, MODEL_LIMITS.calibrationPointsMax)
  allFinite('calibration x', x)
  allFinite('calibration y', y)
  for (let i = 1; i < x.length; i++) {
    check(x[i] > x[i - 1], 'calibration x', i, `above ${x[i - 1]}`, x[i])
    check(y[i] >= y[i - 1], 'calibration y', i, `at least ${y[i - 1]}`, y[i])
  }
}

// ---------------------------------------------------------------- trees

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
    length(name, model[name].length, n)
  }
  check(model.compare === 'le' || model.compare === 'lt-f32', 'compare', 0, 'le or lt-f32', model.compare)
  allFinite('baseScore', [model.baseScore])
  validateSets(model.categorySets)
  validateRoots(model.roots, n)
  const depth = new Int32Array(n).fill(-1)
  model.roots.forEach((root, t) => {
    validateTree(model, root, model.roots[t + 1] ?? n, depth)
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
  depth[root] = 0
  for (let node = root; node < end; node++) {
    check(depth[node] >= 0, 'node', node, 'reached by a parent', 'unreachable')
    between('depth', node, depth[node], 0, MODEL_LIMITS.depthMax)
    check(
      model.cover[node] >= 0 && model.cover[node] < Number.POSITIVE_INFINITY,
      'cover',
      node,
      'finite and not negative',
      model.cover[node],
    )
    if (model.left[node] === -1) validateLeaf(model, node)
    else validateSplit(model, node, end, depth)
  }
}

function validateLeaf(model: TreeEnsemble, node: number): void {
  check(model.right[node] === -1, 'right', node, '-1 in a leaf', model.right[node])
  check(Number.isFinite(model.value[node]), 'value', node, 'finite', model.value[node])
  for (const name of ['feature', 'threshold', 'missingLeft'] as const) atRest(model, name, node, 0)
  atRest(model, 'categorySet', node, -1)
}

function validateSplit(model: TreeEnsemble, node: number, end: number, depth: Int32Array): void {
  for (const side of ['left', 'right'] as const) {
    const child = model[side][node]
    between(side, node, child, node + 1, end - 1)
    check(depth[child] === -1, side, node, 'a node without another parent', child)
    depth[child] = depth[node] + 1
  }
  between('feature', node, model.feature[node], 0, model.nFeatures - 1)
  between('missingLeft', node, model.missingLeft[node], 0, 1)
  between('categorySet', node, model.categorySet[node], -1, model.categorySets.length - 1)
  check(!Number.isNaN(model.threshold[node]), 'threshold', node, 'a number', 'NaN')
  if (model.categorySet[node] >= 0) atRest(model, 'threshold', node, 0)
  atRest(model, 'value', node, 0)
}

function atRest(
  model: TreeEnsemble,
  name: 'feature' | 'threshold' | 'missingLeft' | 'categorySet' | 'value',
  node: number,
  rest: number,
): void {
  const got = model[name][node]
  if (!Object.is(got, rest)) check(false, name, node, `${rest}, as this node does not use it`, got)
}

// ---------------------------------------------------------------- checks

function check(holds: boolean, part: string, index: number, expected: string, got: unknown): asserts holds {
  if (!holds) throw new MillraceError('MR_MODEL_INVALID', { part, index, expected, got: String(got) })
}

function between(part: string, index: number, got: number, min: number, max: number): void {
  if (!(Number.isInteger(got) && got >= min && got <= max)) {
    throw new MillraceError('MR_MODEL_INVALID', {
      part,
      index,
      expected: `an integer from ${min} to ${max}`,
      got: String(got),
    })
  }
}

function length(part: string, got: number, expected: number): void {
  if (got !== expected)
    throw new MillraceError('MR_MODEL_INVALID', {
      part,
      index: got,
      expected: `${expected} long`,
      got: `${got}`,
    })
}

function allFinite(part: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new MillraceError('MR_MODEL_INVALID', {
        part,
        index: i,
        expected: 'finite',
        got: String(values[i]),
      })
    }
  }
}
