import type { TreeEnsemble } from './trees.ts'

/**
 * Trees laid out for walking without branches.
 *
 * Each row is first spread to `z`: its features, then their negatives, then 1 where present and 0 where missing. A node goes on to
 * `kid + (z[slot] > limit)`; comparisons with NaN are false, so missing values go to the first child, and nodes that send them right have
 * their children swapped and test the negative. Leaves go on to themselves. All trees of a group walk to the depth of the deepest.
 * Nodes that test a category look their answer up in a bit set.
 */
export interface CompiledTrees {
  nFeatures: number
  nOutputs: number
  /** Output of each tree. */
  outputOf: Int32Array
  /** Entries of `z` a row. */
  width: number
  roundsToF32: boolean
  slot: Int32Array
  limit: Float64Array
  kid: Int32Array
  value: Float64Array
  roots: Int32Array
  /** Levels below the root, by tree. */
  depths: Int32Array
  /** Set of each node, -1 for numbers; `null` when no node tests a category. */
  setOf: Int32Array | null
  sets: Uint32Array[]
  /** Whether a missing or unknown category goes to the first child; both that and the order of children are in here by node. */
  missingFirst: Uint8Array
  baseScores: Float64Array
  z: Float64Array
}

/** Lays out an ensemble for walking. Siblings lie side by side. Cost: O(nodes). */
export function compileTrees(model: TreeEnsemble): CompiledTrees {
  const n = model.feature.length
  const hasSets = model.categorySets.length > 0 && model.categorySet.some((set) => set >= 0)
  const trees: CompiledTrees = {
    nFeatures: model.nFeatures,
    nOutputs: model.nOutputs,
    outputOf: model.outputOf,
    width: model.nFeatures,
    roundsToF32: model.compare === 'lt-f32',
    slot: new Int32Array(n),
    limit: new Float64Array(n).fill(Number.POSITIVE_INFINITY),
    kid: new Int32Array(n),
    value: new Float64Array(n),
    roots: model.roots.slice(),
    depths: new Int32Array(model.roots.length),
    setOf: hasSets ? new Int32Array(n).fill(-1) : null,
    sets: model.categorySets,
    missingFirst: new Uint8Array(n),
    baseScores: model.baseScores,
    z: new Float64Array(0),
  }
  model.roots.forEach((root, t) => {
    trees.depths[t] = layOutTree(model, trees, root)
  })
  trees.width = widthOf(trees)
  trees.z = new Float64Array(trees.width * ROW_BLOCK)
  return trees
}

/** Places a tree level by level, so that siblings are neighbours; returns its depth. */
function layOutTree(model: TreeEnsemble, trees: CompiledTrees, root: number): number {
  let level = [root]
  let at = root
  let next = root + 1
  let depth = 0
  while (level.length > 0) {
    const below: number[] = []
    for (const node of level) {
      if (model.left[node] < 0) writeLeaf(model, trees, node, at)
      else {
        below.push(...writeSplit(model, trees, node, at, next))
        next += 2
      }
      at++
    }
    level = below
    if (level.length > 0) depth++
  }
  return depth
}

function writeLeaf(model: TreeEnsemble, trees: CompiledTrees, node: number, at: number): void {
  trees.kid[at] = at
  trees.value[at] = model.value[node]
}

/** Writes a split and returns its children, first then second. */
function writeSplit(
  model: TreeEnsemble,
  trees: CompiledTrees,
  node: number,
  at: number,
  kid: number,
): [number, number] {
  const missingLeft = model.missingLeft[node] === 1
  const left = model.left[node]
  const right = model.right[node]
  trees.kid[at] = kid
  if (model.categorySet[node] >= 0) {
    trees.slot[at] = model.feature[node]
    trees.setOf![at] = model.categorySet[node]
    trees.missingFirst[at] = Number(missingLeft)
    return [left, right]
  }
  const test = numberTest(model, node, missingLeft)
  trees.slot[at] = test.block * model.nFeatures + model.feature[node]
  trees.limit[at] = test.limit
  return missingLeft ? [left, right] : [right, left]
}

/** Which block of `z` a node tests, and above which limit the row goes to the second child. */
function numberTest(
  model: TreeEnsemble,
  node: number,
  missingLeft: boolean,
): { block: number; limit: number } {
  const t = model.threshold[node]
  if (model.compare === 'le') {
    if (missingLeft) return { block: 0, limit: t }
    return t === Number.POSITIVE_INFINITY ? { block: 2, limit: 0 } : { block: 1, limit: doubleBelow(-t) }
  }
  const rounded = Math.fround(t)
  if (!missingLeft) return { block: 1, limit: -rounded }
  return rounded === Number.NEGATIVE_INFINITY
    ? { block: 2, limit: 0 }
    : { block: 0, limit: doubleBelow(rounded) }
}

const asDouble = new Float64Array(1)
const asBits = new BigInt64Array(asDouble.buffer)

/** The greatest double below `x`; `x` is not NaN and not -Infinity. */
export function doubleBelow(x: number): number {
  if (x === 0) return -Number.MIN_VALUE
  asDouble[0] = x
  asBits[0] += x > 0 ? -1n : 1n
  return asDouble[0]
}

function widthOf({ slot, nFeatures }: CompiledTrees): number {
  let blocks = 1
  for (const s of slot) blocks = Math.max(blocks, Math.floor(s / Math.max(1, nFeatures)) + 1)
  return blocks * nFeatures
}

// ---------------------------------------------------------------- walking

/** Rows spread at once in a batch. */
const ROW_BLOCK = 64

const oneScore = new Float64Array(1)

/** Raw score of one row `[nFeatures]` by trees of one output. */
export function rawOfRow(trees: CompiledTrees, x: Float64Array): number {
  spread(trees, x, 0, 0)
  if (!trees.setOf) return sumOfRow(trees)
  sumWithSets(trees, 0, oneScore, 0)
  return oneScore[0]
}

/** Raw scores of `n` rows that lie row by row, `[n * nOutputs]`. */
export function rawOfRows(trees: CompiledTrees, rows: Float64Array, n: number, out: Float64Array): void {
  for (let from = 0; from < n; from += ROW_BLOCK) {
    const size = Math.min(ROW_BLOCK, n - from)
    for (let i = 0; i < size; i++) spread(trees, rows, (from + i) * trees.nFeatures, i * trees.width)
    if (trees.setOf)
      for (let i = 0; i < size; i++) sumWithSets(trees, i * trees.width, out, (from + i) * trees.nOutputs)
    else sumOfBlock(trees, size, out, from)
  }
}

function spread(
  { z, nFeatures, width, roundsToF32 }: CompiledTrees,
  rows: Float64Array,
  at: number,
  zAt: number,
): void {
  for (let j = 0; j < nFeatures; j++) z[zAt + j] = roundsToF32 ? Math.fround(rows[at + j]) : rows[at + j]
  if (width > nFeatures) for (let j = 0; j < nFeatures; j++) z[zAt + nFeatures + j] = -z[zAt + j]
  if (width > 2 * nFeatures) {
    for (let j = 0; j < nFeatures; j++) z[zAt + 2 * nFeatures + j] = Number.isNaN(z[zAt + j]) ? 0 : 1
  }
}

/** Four trees at a time: their loads overlap, and there is no branch to mispredict. */
function sumOfRow({ z, slot, limit, kid, value, roots, depths, baseScores }: CompiledTrees): number {
  let sum = baseScores[0]
  let t = 0
  for (; t + 4 <= roots.length; t += 4) {
    let a = roots[t]
    let b = roots[t + 1]
    let c = roots[t + 2]
    let d = roots[t + 3]
    const depth = Math.max(Math.max(depths[t], depths[t + 1]), Math.max(depths[t + 2], depths[t + 3]))
    for (let k = 0; k < depth; k++) {
      a = kid[a] + Number(z[slot[a]] > limit[a])
      b = kid[b] + Number(z[slot[b]] > limit[b])
      c = kid[c] + Number(z[slot[c]] > limit[c])
      d = kid[d] + Number(z[slot[d]] > limit[d])
    }
    sum = sum + value[a] + value[b] + value[c] + value[d]
  }
  for (; t < roots.length; t++) {
    let a = roots[t]
    for (let k = 0; k < depths[t]; k++) a = kid[a] + Number(z[slot[a]] > limit[a])
    sum += value[a]
  }
  return sum
}

/** Tree by tree over a block of rows, four rows at a time. */
function sumOfBlock(trees: CompiledTrees, size: number, out: Float64Array, from: number): void {
  const { z, slot, limit, kid, value, roots, depths, width, nOutputs, outputOf } = trees
  for (let i = from; i < from + size; i++) out.set(trees.baseScores, i * nOutputs)
  for (let t = 0; t < roots.length; t++) {
    const root = roots[t]
    const depth = depths[t]
    const outAt = from * nOutputs + outputOf[t]
    let i = 0
    for (; i + 4 <= size; i += 4) {
      const at = i * width
      let a = root
      let b = root
      let c = root
      let d = root
      for (let k = 0; k < depth; k++) {
        a = kid[a] + Number(z[at + slot[a]] > limit[a])
        b = kid[b] + Number(z[at + width + slot[b]] > limit[b])
        c = kid[c] + Number(z[at + 2 * width + slot[c]] > limit[c])
        d = kid[d] + Number(z[at + 3 * width + slot[d]] > limit[d])
      }
      out[outAt + i * nOutputs] += value[a]
      out[outAt + (i + 1) * nOutputs] += value[b]
      out[outAt + (i + 2) * nOutputs] += value[c]
      out[outAt + (i + 3) * nOutputs] += value[d]
    }
    for (; i < size; i++) {
      let a = root
      for (let k = 0; k < depth; k++) a = kid[a] + Number(z[i * width + slot[a]] > limit[a])
      out[outAt + i * nOutputs] += value[a]
    }
  }
}

function sumWithSets(trees: CompiledTrees, at: number, out: Float64Array, outAt: number): void {
  const { z, slot, limit, kid, value, roots, setOf, sets, missingFirst, outputOf } = trees
  out.set(trees.baseScores, outAt)
  for (let t = 0; t < roots.length; t++) {
    let node = roots[t]
    for (let next = kid[node]; next !== node; next = kid[node]) {
      const x = z[at + slot[node]]
      const set = setOf![node]
      node = next + Number(set < 0 ? x > limit[node] : !inSet(sets[set], x, missingFirst[node] === 1))
    }
    out[outAt + outputOf[t]] += value[node]
  }
}

/** Whether a code is in a set; `missing` for NaN, for what is not a code, and for codes beyond the set. */
export function inSet(set: Uint32Array, x: number, missing: boolean): boolean {
  if (!(x >= 0 && x < set.length * 32 && Number.isInteger(x))) return missing
  return ((set[x >>> 5] >>> (x & 31)) & 1) === 1
}
