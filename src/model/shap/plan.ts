/**
 * How the leaves of a tree are taken together. A cluster is a subtree: a row's pattern in it is a bit for each distinct feature on the path
 * to it (are all its splits satisfied) and a bit for each test inside it; all that the cluster adds to a feature's contribution is a table by pattern.
 * Small clusters have small tables and many look-ups a row; which cut of the tree is cheapest depends on the number of rows.
 */
import type { TreeEnsemble } from '../trees.ts'
import type { RankPlan } from './ranks.ts'

/** Bits of a pattern at most: a table column has 2 to that many entries. */
export const PATTERN_BITS_MAX = 13
/** Doubles of a cluster's table at most. */
const TABLE_ENTRIES_MAX = 65_536

export interface LeafPart {
  value: number
  /** Distinct features on the leaf's path, those on the way to the cluster first. */
  k: number
  /** By feature: product of the cover ratios of its splits. */
  shares: Float64Array
  /** By feature: its column of the cluster's table. */
  columns: number[]
  /** By pattern of the inner tests: which path bits count, and the bits of features first tested inside. */
  keep: Int32Array
  add: Int32Array
}

export interface Cluster {
  /** Distinct features on the path to it. */
  k: number
  nTests: number
  /** Features of its columns, those of the path first. */
  features: number[]
  leaves: LeafPart[]
  /** First double of its table. */
  tableAt: number
}

export interface TreePlan {
  /** Words for kernels/shap.ts, tables counted in doubles from 0, columns in columns. */
  program: Int32Array
  /** Words of the program that hold a table's place, and those that hold a column. */
  tableWords: number[]
  columnWords: number[]
  clusters: Cluster[]
  tableEntries: number
  slots: number
  /** Leaves that no cluster has. */
  others: Set<number>
}

interface TreeFacts {
  model: TreeEnsemble
  ranks: RankPlan
  /** Distinct features on the path to each node, by node minus root. */
  root: number
  depthOf: Int32Array
  inner: Int32Array
  leaves: Int32Array
  /** What is done with a node: APART, TOGETHER or OTHERWISE. */
  way: Uint8Array
}

/** Its children are looked at one by one; it is one cluster; none of its leaves is in a cluster. */
const [APART, TOGETHER, OTHERWISE] = [0, 1, 2]

// what things cost, in nanoseconds, about
const LOOKUP = 1
const CLUSTER_ROW = 1.5
const MASK_ROW = 0.5
const TABLE_ADD = 0.8
const LEAF_ENTRY = 6

/**
 * The cheapest cut of tree `t` for so many rows, where a leaf that is in no table costs each row `leafNs`: leaves with more features on their path than a
 * pattern has bits are in none. Cost: O(nodes * depth).
 */
export function planTree(
  model: TreeEnsemble,
  ranks: RankPlan,
  t: number,
  nRows: number,
  leafNs: number,
): TreePlan {
  const root = model.roots[t]
  const end = model.roots[t + 1] ?? model.feature.length
  const facts = factsOf(model, ranks, root, end)
  cut(facts, root, [], { nRows, leafNs })
  return write(facts)
}

function factsOf(model: TreeEnsemble, ranks: RankPlan, root: number, end: number): TreeFacts {
  const n = end - root
  const facts = {
    model,
    ranks,
    root,
    depthOf: new Int32Array(n),
    inner: new Int32Array(n),
    leaves: new Int32Array(n),
    way: new Uint8Array(n),
  }
  for (let node = end - 1; node >= root; node--) {
    const [left, right] = [model.left[node] - root, model.right[node] - root]
    facts.inner[node - root] = left < 0 ? 0 : 1 + facts.inner[left] + facts.inner[right]
    facts.leaves[node - root] = left < 0 ? 1 : facts.leaves[left] + facts.leaves[right]
  }
  return facts
}

interface RowCosts {
  nRows: number
  leafNs: number
}

/** Cost of the best cut below a node whose path has `path` distinct features; notes what is done with each node. */
function cut(facts: TreeFacts, node: number, path: readonly number[], costs: RowCosts): number {
  const { model, root, leaves, way } = facts
  const at = node - root
  const otherwise = costs.nRows * leaves[at] * costs.leafNs
  const together = costTogether(facts, node, path, costs.nRows)
  const apart = model.left[node] < 0 ? Number.POSITIVE_INFINITY : costApart(facts, node, path, costs)
  const least = Math.min(together, apart, otherwise)
  way[at] = together === least ? TOGETHER : apart === least ? APART : OTHERWISE
  return least
}

function costTogether(
  { model, root, inner, leaves }: TreeFacts,
  node: number,
  path: readonly number[],
  nRows: number,
): number {
  const at = node - root
  const bits = path.length + inner[at]
  if (bits > PATTERN_BITS_MAX) return Number.POSITIVE_INFINITY
  const features = featuresBelow(model, node, path).size
  if (2 ** bits * features > TABLE_ENTRIES_MAX) return Number.POSITIVE_INFINITY
  const kMost = Math.min(bits, features)
  const perRow = CLUSTER_ROW + features * LOOKUP + inner[at] * MASK_ROW
  return nRows * perRow + leaves[at] * kMost * (2 ** bits * TABLE_ADD + 2 ** kMost * LEAF_ENTRY)
}

function costApart(facts: TreeFacts, node: number, path: readonly number[], costs: RowCosts): number {
  const { model } = facts
  const below = path.includes(model.feature[node]) ? path : [...path, model.feature[node]]
  if (below.length > PATTERN_BITS_MAX) return Number.POSITIVE_INFINITY
  return (
    cut(facts, model.left[node], below, costs) +
    cut(facts, model.right[node], below, costs) +
    2 * costs.nRows * MASK_ROW
  )
}

function featuresBelow(model: TreeEnsemble, node: number, path: readonly number[]): Set<number> {
  const found = new Set(path)
  const visit = (at: number) => {
    if (model.left[at] < 0) return
    found.add(model.feature[at])
    visit(model.left[at])
    visit(model.right[at])
  }
  visit(node)
  return found
}

// ---------------------------------------------------------------- writing

interface Path {
  features: number[]
  shares: number[]
}

function write(facts: TreeFacts): TreePlan {
  const plan: TreePlan = {
    program: new Int32Array(0),
    tableWords: [],
    columnWords: [],
    clusters: [],
    tableEntries: 0,
    slots: 1,
    others: new Set(),
  }
  const words: number[] = []
  writeNode(facts, plan, words, facts.root, { features: [], shares: [] }, 0)
  plan.program = Int32Array.from(words)
  return plan
}

function writeNode(
  facts: TreeFacts,
  plan: TreePlan,
  words: number[],
  node: number,
  path: Path,
  slot: number,
): void {
  const { model, ranks, root, way } = facts
  plan.slots = Math.max(plan.slots, slot + 1)
  if (way[node - root] === OTHERWISE) {
    for (const leaf of leavesBelow(model, node)) plan.others.add(leaf)
    return
  }
  if (way[node - root] === TOGETHER) {
    writeCluster(facts, plan, words, node, path, slot)
    return
  }
  for (const child of [model.left[node], model.right[node]]) {
    if (way[child - root] === OTHERWISE) {
      writeNode(facts, plan, words, child, path, slot)
      continue
    }
    const below = through(model, node, child, path)
    const position = below.features.indexOf(model.feature[node])
    const isNew = below.features.length > path.features.length
    plan.columnWords.push(words.length + 3)
    const flip = child === model.left[node] ? 0 : 0xffff
    words.push(
      0,
      slot,
      slot + 1,
      ranks.columnOf[node],
      ranks.rankOf[node],
      flip,
      1 << position,
      Number(isNew),
    )
    writeNode(facts, plan, words, child, below, slot + 1)
  }
}

function leavesBelow(model: TreeEnsemble, node: number): number[] {
  if (model.left[node] < 0) return [node]
  return [...leavesBelow(model, model.left[node]), ...leavesBelow(model, model.right[node])]
}

/** A path with the split of `node` that leads to `child`. */
function through(model: TreeEnsemble, node: number, child: number, { features, shares }: Path): Path {
  const ratio = coverRatio(model, node, child)
  const at = features.indexOf(model.feature[node])
  if (at < 0) return { features: [...features, model.feature[node]], shares: [...shares, ratio] }
  return { features, shares: shares.map((share, j) => (j === at ? share * ratio : share)) }
}

/** Share of a node's rows that a child has; halves where the cover is not known. */
export function coverRatio({ cover, left, right }: TreeEnsemble, node: number, child: number): number {
  const total = cover[left[node]] + cover[right[node]]
  return total > 0 ? cover[child] / total : 0.5
}

function writeCluster(
  { model, ranks }: TreeFacts,
  plan: TreePlan,
  words: number[],
  node: number,
  path: Path,
  slot: number,
): void {
  const k = path.features.length
  const tests: number[] = []
  const cluster: Cluster = {
    k,
    nTests: 0,
    features: path.features.slice(),
    leaves: [],
    tableAt: plan.tableEntries,
  }
  const parts: { leaf: number; path: Path; conditions: Condition[] }[] = []
  const visit = (at: number, on: Path, conditions: Condition[]) => {
    if (model.left[at] < 0) {
      parts.push({ leaf: at, path: on, conditions })
      return
    }
    const test = tests.push(at) - 1
    const feature = model.feature[at]
    if (!cluster.features.includes(feature)) cluster.features.push(feature)
    for (const child of [model.left[at], model.right[at]])
      visit(child, through(model, at, child, on), [
        ...conditions,
        { test, feature, wanted: Number(child === model.left[at]) },
      ])
  }
  visit(node, path, [])
  cluster.nTests = tests.length
  cluster.leaves = parts.map((part) => leafPart(model.value[part.leaf], cluster, part))
  const bits = k + tests.length
  plan.tableWords.push(words.length + 4)
  words.push(1, slot, tests.length, cluster.features.length, cluster.tableAt, bits)
  tests.forEach((test, i) => {
    plan.columnWords.push(words.length)
    words.push(ranks.columnOf[test], ranks.rankOf[test], 1 << (k + i))
  })
  words.push(...cluster.features)
  plan.tableEntries += cluster.features.length * 2 ** bits
  plan.clusters.push(cluster)
}

interface Condition {
  test: number
  feature: number
  wanted: number
}

function leafPart(
  value: number,
  { k, nTests, features }: Cluster,
  { path, conditions }: { path: Path; conditions: Condition[] },
): LeafPart {
  const n = 2 ** nTests
  const keep = new Int32Array(n).fill(2 ** k - 1)
  const add = new Int32Array(n)
  path.features.forEach((feature, j) => {
    const own = conditions.filter((condition) => condition.feature === feature)
    for (let inner = 0; inner < n; inner++) {
      const met = own.every(({ test, wanted }) => ((inner >> test) & 1) === wanted)
      if (j >= k) add[inner] |= Number(met) << j
      else if (!met) keep[inner] &= ~(1 << j)
    }
  })
  return {
    value,
    k: path.features.length,
    shares: Float64Array.from(path.shares),
    columns: path.features.map((feature) => features.indexOf(feature)),
    keep,
    add,
  }
}
