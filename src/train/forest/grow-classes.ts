/** One tree of several classes: grown by Gini impurity, the leaf that gains most first. */
import { mix32 } from '../../core/rng.ts'
import { byHash } from '../gbdt/grow.ts'
import { type GrownTree, openTree } from '../gbdt/grown-tree.ts'
import type { Split } from '../gbdt/search.ts'
import { type Best, type ClassGround, openSweep, type Sweep } from './sweep.ts'

export interface ClassTree {
  tree: GrownTree
  /** Weight of each class in each leaf, `[nLeaves * nClasses]`. */
  totals: Float64Array
}

interface Leaf {
  node: number
  depth: number
  /** Its rows lie at `[begin, end)`. */
  begin: number
  end: number
  /** Weight of each class. */
  totals: Float64Array
  split: Split | null
}

interface Growth {
  ground: ClassGround
  salt: number
  tree: GrownTree
  /** Rows in the bag, leaf by leaf. */
  rows: Int32Array
  spare: Int32Array
  leaves: Leaf[]
  sweep: Sweep
}

/**
 * Grows a tree. Numbers are divided at borders between bins; categories are ordered by the share of a class, for each of the most frequent classes of a leaf in turn, and divided
 * somewhere in that order. Missing values go where that gains more; where a division saw none, they follow the larger side.
 * Cost: O(rows + bins) a node and feature tried, whatever the number of classes. Source: Breiman 2001; Geurts, Ernst and Wehenkel 2006.
 */
export function growClassTree(ground: ClassGround, salt: number): ClassTree {
  const { leaves: leavesMax, nClasses } = ground.params
  const growth = openGrowth(ground, salt)
  for (let leaf = bestLeaf(growth); leaf && growth.leaves.length < leavesMax; leaf = bestLeaf(growth))
    divide(growth, leaf)
  const { tree, leaves } = growth
  const totals = new Float64Array(leaves.length * nClasses)
  leaves.forEach((leaf, i) => {
    tree.leafOfNode[leaf.node] = i
    tree.leafNodes.push(leaf.node)
    tree.leafRows.push(leaf.end - leaf.begin)
    totals.set(leaf.totals, i * nClasses)
  })
  return { tree, totals }
}

function openGrowth(ground: ClassGround, salt: number): Growth {
  const { weights } = ground
  const rows = Int32Array.from(weights.keys()).filter((row) => weights[row] > 0)
  const growth: Growth = {
    ground,
    salt,
    tree: openTree(),
    rows,
    spare: new Int32Array(rows.length),
    leaves: [],
    sweep: openSweep(ground),
  }
  growth.leaves.push(openLeaf(growth, { parent: -1, depth: 0, begin: 0, end: rows.length }))
  return growth
}

function openLeaf(
  growth: Growth,
  { parent, depth, begin, end }: { parent: number; depth: number; begin: number; end: number },
): Leaf {
  const { tree, ground, rows } = growth
  const node = tree.splits.push(null) - 1
  tree.left.push(-1)
  tree.right.push(-1)
  tree.parent.push(parent)
  tree.missingLeft.push(false)
  tree.leafOfNode.push(-1)
  const totals = new Float64Array(ground.params.nClasses)
  for (let i = begin; i < end; i++) totals[ground.codes[rows[i]]] += ground.weights[rows[i]]
  const leaf: Leaf = { node, depth, begin, end, totals, split: null }
  leaf.split = findSplit(growth, leaf)
  return leaf
}

function bestLeaf({ leaves }: Growth): Leaf | null {
  let best: Leaf | null = null
  for (const leaf of leaves) if (leaf.split && leaf.split.gain > (best?.split?.gain ?? 0)) best = leaf
  return best
}

/** The best split over the features that are drawn; where none of them divides, further ones are tried one by one until one does. */
function findSplit({ ground, salt, rows, sweep }: Growth, leaf: Leaf): Split | null {
  const { minRowsInLeaf, maxDepth, featureShare } = ground.params
  const { begin, end, depth, totals } = leaf
  const isMixed = totals.reduce((n, total) => n + Number(total > 0), 0) > 1
  if (!isMixed || end - begin < 2 * minRowsInLeaf || depth >= maxDepth) return null
  const nFeatures = ground.bins.length
  const nodeSalt = mix32(salt ^ Math.imul(leaf.node + 1, 0x27d4eb2f))
  const order = byHash(
    Int32Array.from({ length: nFeatures }, (_, j) => j),
    nodeSalt,
  )
  const nDrawn = Math.max(1, Math.round(featureShare * nFeatures))
  let best: (Best & { feature: number }) | null = null
  for (let i = 0; i < nFeatures && (i < nDrawn || best === null); i++) {
    const feature = order[i]
    const found = sweep.best(rows.subarray(begin, end), totals, feature, mix32(nodeSalt + feature))
    if (found && found.gain > (best?.gain ?? 0)) best = { ...found, feature }
  }
  return best && { ...best, leftPacked: 0 }
}

/** Turns a leaf into a split: its left side takes its place among the leaves, the right one comes last. */
function divide(growth: Growth, leaf: Leaf): void {
  const { tree, ground, rows, spare, leaves } = growth
  const split = leaf.split as Split
  const { begin, end, node, depth } = leaf
  const bins = ground.bins[split.feature]
  const missing = ground.data.features[split.feature].nBins
  let left = begin
  let right = 0
  for (let i = begin; i < end; i++) {
    if (goesLeft(split, bins[rows[i]], missing)) rows[left++] = rows[i]
    else spare[right++] = rows[i]
  }
  rows.set(spare.subarray(0, right), left)
  tree.splits[node] = split
  tree.missingLeft[node] = split.missingLeft ?? left - begin >= right
  const sides = [
    { parent: node, depth: depth + 1, begin, end: left },
    { parent: node, depth: depth + 1, begin: left, end },
  ]
  // Children lie side by side, as those of boosting do.
  const [a, b] = sides.map((side) => openLeaf(growth, side))
  tree.left[node] = a.node
  tree.right[node] = b.node
  leaves[leaves.indexOf(leaf)] = a
  leaves.push(b)
}

function goesLeft({ bin, leftBins, missingLeft }: Split, of: number, missing: number): boolean {
  if (leftBins) return leftBins[of] === 1
  return of === missing ? missingLeft === true : of <= bin
}
