/**
 * Leaves that are explained without tables: path dependent by quadrature, against background rows pair by pair. What the two need of a tree is
 * found once; src/model/shap/path-machine.ts runs it. Only what leads to the leaves asked for is in a plan.
 */
import type { TreeEnsemble } from '../trees.ts'
import { coverRatio } from './plan.ts'
import { gaussLegendre, type Quadrature } from './quadrature.ts'
import type { RankPlan } from './ranks.ts'

/** Words of a node's test: column, rank, flip (all ones where the right child is the node), place of the node above of the same feature. */
export const TEST_WORDS = 4
/** Words of an operation: kind, node, level, feature. */
export const OP_WORDS = 4
export const ENTER = 0
export const LEAF = 1
export const LEAVE = 2
/** The first child of a node that is summed. */
export const FIRST = 4

export interface PathPlan {
  /** Nodes beside the root, numbered from 1 in the order of the tree. */
  nNodes: number
  /** Points of the quadrature: an even number. */
  nPoints: number
  /** Levels below the root. */
  depth: number
  tests: Int32Array
  ops: Int32Array
  /** Weights of the points, then by node: products where it is met, where it first fails; worth of sums in both; change where it failed before. */
  coefficients: Float64Array
}

export interface LeafChoice {
  model: TreeEnsemble
  ranks: RankPlan
  root: number
  /** By node minus root: leaves that are asked for. */
  wanted: (leaf: number) => boolean
}

/** Doubles of coefficients that a node has. */
export function nodeDoubles(nPoints: number): number {
  return 4 * nPoints + 2
}

/** Marks nodes that have leaves asked for below them, and the most distinct features on the way to one. */
function pruned({ model, root, wanted }: LeafChoice): { needed: Set<number>; kMax: number } {
  const needed = new Set<number>()
  let kMax = 0
  const visit = (node: number, features: readonly number[]): boolean => {
    if (model.left[node] < 0) {
      if (!wanted(node)) return false
      kMax = Math.max(kMax, features.length)
      needed.add(node)
      return true
    }
    const feature = model.feature[node]
    const below = features.includes(feature) ? features : [...features, feature]
    const [a, b] = [visit(model.left[node], below), visit(model.right[node], below)]
    if (a || b) needed.add(node)
    return a || b
  }
  visit(root, [])
  return { needed, kMax }
}

// ---------------------------------------------------------------- path dependent

interface Entered {
  feature: number
  slot: number
  share: number
}

/** Quadrature over the ways to some leaves of a tree; `null` where none has a split before it. Cost: O(nodes * features on a path). */
export function planPaths(choice: LeafChoice): PathPlan | null {
  const { model, ranks, root } = choice
  const { needed, kMax } = pruned(choice)
  if (kMax === 0) return null
  const nPoints = 2 * Math.ceil(kMax / 4)
  const rule = gaussLegendre(nPoints)
  const size = nodeDoubles(nPoints)
  const nNodes = needed.size - 1
  const plan: PathPlan = {
    nNodes,
    nPoints,
    depth: 0,
    tests: new Int32Array(nNodes * TEST_WORDS),
    ops: new Int32Array(0),
    coefficients: new Float64Array((nNodes + 1) * size),
  }
  plan.coefficients.set(rule.weights)
  const ops: number[] = []
  let last = 0
  const visit = (node: number, path: readonly Entered[], level: number) => {
    let first = FIRST
    for (const child of [model.left[node], model.right[node]]) {
      if (!needed.has(child)) continue
      const slot = ++last
      const feature = model.feature[node]
      const before = path.findLast((entered) => entered.feature === feature)
      const flip = child === model.left[node] ? 0 : 0xffff
      plan.tests.set(
        [ranks.columnOf[node], ranks.rankOf[node], flip, before?.slot ?? 0],
        (slot - 1) * TEST_WORDS,
      )
      const share = coverRatio(model, node, child) * (before?.share ?? 1)
      writeCoefficients(plan.coefficients, slot * size, rule, share, before?.share)
      plan.depth = Math.max(plan.depth, level + 1)
      if (model.left[child] < 0) {
        scaleDown(plan.coefficients, slot * size, nPoints, model.value[child])
        ops.push(LEAF | first, slot, level + 1, feature)
      } else {
        ops.push(ENTER, slot, level + 1, feature)
        visit(child, [...path, { feature, slot, share }], level + 1)
        ops.push(LEAVE | first, slot, level + 1, feature)
      }
      first = 0
    }
  }
  visit(root, [], 0)
  plan.ops = Int32Array.from(ops)
  return plan
}

/**
 * A feature's factor at a point u is `r + (1 - r) u` where it is met and `r (1 - u)` where not, with r the product of its splits' shares; a node
 * puts its own in place of that of the node before it. A sum below is worth `(o - r) / factor` to the feature, less what it was worth before.
 */
function writeCoefficients(
  out: Float64Array,
  at: number,
  { points, inverseRest }: Quadrature,
  share: number,
  before: number | undefined,
): void {
  const n = points.length
  for (let q = 0; q < n; q++) {
    const met = share + (1 - share) * points[q]
    const metBefore = before === undefined ? 1 : before + (1 - before) * points[q]
    const worthBefore = before === undefined ? 0 : (1 - before) / metBefore
    out[at + q] = met / metBefore
    out[at + n + q] = (share * (1 - points[q])) / metBefore
    out[at + 2 * n + q] = (1 - share) / met - worthBefore
    out[at + 3 * n + q] = -inverseRest[q] - worthBefore
  }
  out[at + 4 * n] = before ? share / before : 0
}

function scaleDown(out: Float64Array, at: number, nPoints: number, value: number): void {
  for (let q = 0; q < 2 * nPoints; q++) out[at + q] *= value
  out[at + 4 * nPoints] *= value
}

// ---------------------------------------------------------------- pairs

/** Words of a node: column among the rows' ranks and the background's, rank, feature, children (-1 for what is not asked for), two unused. */
export const PAIR_WORDS = 8

export interface PairPlan {
  /** Children are counted in nodes; a leaf has none. */
  words: Int32Array
  /** By node, of leaves. */
  values: Float64Array
  /** `a! b! / (a + b + 1)!`, `[side, side]`. */
  weights: Float64Array
  side: number
}

/** The nodes that lead to some leaves of a tree; `null` where none has a split before it. Values are shares of the mean over `nBackground`. */
export function planPairs(choice: LeafChoice, nBackground: number): PairPlan | null {
  const { model, ranks } = choice
  const { needed, kMax } = pruned(choice)
  if (kMax === 0) return null
  const nodes = [...needed].sort((a, b) => a - b)
  const placeOf = new Map(nodes.map((node, at) => [node, at]))
  const words = new Int32Array(nodes.length * PAIR_WORDS)
  nodes.forEach((node, at) => {
    const isLeaf = model.left[node] < 0
    const child = (of: number) => (isLeaf ? -1 : (placeOf.get(of) ?? -1))
    words.set(
      [
        isLeaf ? 0 : ranks.columnOf[node],
        isLeaf ? 0 : ranks.columnOf[node],
        ranks.rankOf[node],
        model.feature[node],
        child(model.left[node]),
        child(model.right[node]),
      ],
      at * PAIR_WORDS,
    )
  })
  const side = kMax + 1
  return {
    words,
    values: Float64Array.from(nodes, (node) => model.value[node] / nBackground),
    weights: Float64Array.from({ length: side * side }, (_, at) =>
      shapleyWeight(Math.floor(at / side), at % side),
    ),
    side,
  }
}

/** `a! b! / (a + b + 1)!`. */
export function shapleyWeight(a: number, b: number): number {
  let product = 1 / (a + b + 1)
  for (let i = 1; i <= Math.min(a, b); i++) product *= i / (Math.max(a, b) + i)
  return product
}
