import { MODEL_LIMITS } from '../checks.ts'
import { nodesAtRest, type SourceRules, type TreeEnsemble, type TreeNodes } from '../trees.ts'
import { IMPORT_LIMITS, type Refuse } from './imported.ts'

/** What all trees of an ensemble share. */
export interface EnsembleHead {
  nFeatures: number
  baseScores: Float64Array
  link: TreeEnsemble['link']
  compare: TreeEnsemble['compare']
  rules?: SourceRules
}

/** A test of one feature: a threshold, or the set of codes that goes left. */
export interface WrittenSplit {
  feature: number
  test: number | Uint32Array
  missingLeft: boolean
  cover: number
}

/** Times that nodes of a source may be written: a split with three ways, or a node that several share, is written more than once. */
const COPIES_MAX = 64

/**
 * Lays imported trees out as an ensemble, each in preorder. Sources' trees are written by calls that nest as the tree does, so that a writer can
 * rewrite a split as several. Refuses depth and size over the limits, which also ends cycles.
 */
export class TreeWriter {
  private readonly refuse: Refuse
  private readonly roots: number[] = []
  private readonly outputOf: number[] = []
  private readonly categorySets: Uint32Array[] = []
  private nodes: TreeNodes
  private nNodes = 0
  private setWords = 0
  private depth = 0
  private readonly nodesMax: number

  /** `nNodes` is how many nodes the source says it has; rewriting may make some times as many. */
  constructor(refuse: Refuse, nNodes: number) {
    this.refuse = refuse
    this.nodesMax = Math.min(IMPORT_LIMITS.nodesMax, nNodes * COPIES_MAX)
    this.nodes = nodesAtRest(Math.max(1, Math.min(nNodes, ROOM_NODES)))
  }

  tree(output: number, write: () => void): void {
    if (this.roots.length >= IMPORT_LIMITS.treesMax)
      throw this.refuse('trees', `at most ${IMPORT_LIMITS.treesMax} trees`, 'more')
    this.roots.push(this.nNodes)
    this.outputOf.push(output)
    this.depth = 0
    write()
  }

  leaf(value: number, cover: number): void {
    const at = this.node(cover)
    this.nodes.value[at] = value
  }

  split(split: WrittenSplit, left: () => void, right: () => void): void {
    const at = this.openSplit(split)
    left()
    this.turnSplit(at)
    right()
    this.closeSplit()
  }

  /** The same without calls that nest: what is written next is its left side. Gives what `turnSplit` is told. */
  openSplit({ feature, test, missingLeft, cover }: WrittenSplit): number {
    const at = this.node(cover)
    const { nodes } = this
    nodes.feature[at] = feature
    nodes.missingLeft[at] = Number(missingLeft)
    if (typeof test === 'number') nodes.threshold[at] = test
    else nodes.categorySet[at] = this.addSet(test)
    if (++this.depth > MODEL_LIMITS.depthMax)
      throw this.refuse('trees', `at most ${MODEL_LIMITS.depthMax} levels and no cycle`, 'more')
    nodes.left[at] = at + 1
    return at
  }

  /** What is written next is the right side of a split. */
  turnSplit(at: number): void {
    this.nodes.right[at] = this.nNodes
  }

  closeSplit(): void {
    this.depth--
  }

  private node(cover: number): number {
    const at = this.nNodes++
    if (at >= this.nodesMax) throw this.refuse('trees', `at most ${this.nodesMax} nodes and no cycle`, 'more')
    if (at === this.nodes.left.length) this.grow()
    this.nodes.cover[at] = cover
    return at
  }

  private grow(): void {
    const { nodes } = this
    const more = nodesAtRest(2 * nodes.left.length)
    for (const name of Object.keys(nodes) as (keyof TreeNodes)[]) more[name].set(nodes[name])
    this.nodes = more
  }

  private addSet(set: Uint32Array): number {
    this.setWords += set.length
    if (this.setWords > MODEL_LIMITS.setWordsMax)
      throw this.refuse('category sets', `at most ${MODEL_LIMITS.setWordsMax} words`, 'more')
    return this.categorySets.push(set) - 1
  }

  ensemble({ rules, ...head }: EnsembleHead): TreeEnsemble {
    const { nodes, nNodes } = this
    return {
      kind: 'TreeEnsemble',
      ...head,
      nOutputs: head.baseScores.length,
      outputOf: Int32Array.from(this.outputOf),
      roots: Int32Array.from(this.roots),
      feature: nodes.feature.slice(0, nNodes),
      threshold: nodes.threshold.slice(0, nNodes),
      left: nodes.left.slice(0, nNodes),
      right: nodes.right.slice(0, nNodes),
      missingLeft: nodes.missingLeft.slice(0, nNodes),
      value: nodes.value.slice(0, nNodes),
      cover: nodes.cover.slice(0, nNodes),
      categorySet: nodes.categorySet.slice(0, nNodes),
      categorySets: this.categorySets,
      ...(rules ? { rules } : {}),
    }
  }
}

/** Nodes that there is room for before any is read: what a source says it has may be a lie. */
const ROOM_NODES = 64 * 1024

/** Errors: a refusal unless the arrays make one tree: every node but the root below exactly one parent, none outside. `-1` is no child. */
export function checkTree(
  left: ArrayLike<number>,
  right: ArrayLike<number>,
  place: string,
  refuse: Refuse,
): void {
  const seen = new Uint8Array(left.length)
  const waiting = [0]
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (!(node >= 0 && node < left.length && Number.isInteger(node)))
      throw refuse(place, `nodes from 0 to ${left.length - 1}`, String(node))
    if (seen[node] === 1) throw refuse(place, 'a tree', `node ${node} with two parents`)
    seen[node] = 1
    if (left[node] === -1 && right[node] === -1) continue
    waiting.push(right[node], left[node])
  }
}

/** Bits of some codes, over as many words as they need. */
export function bitsOf(codes: ArrayLike<number>): Uint32Array {
  let max = -1
  for (let i = 0; i < codes.length; i++) max = Math.max(max, codes[i])
  const words = new Uint32Array(Math.floor(max / 32) + 1)
  for (let i = 0; i < codes.length; i++) words[codes[i] >>> 5] |= 1 << (codes[i] & 31)
  return words
}
