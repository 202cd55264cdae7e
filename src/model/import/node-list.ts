import type { TreeEnsemble } from '../trees.ts'

/** One node as an importer reads it. Children are functions, so that a tree can be walked without its source's numbering. */
export type ImportedNode =
  | { leaf: number; cover: number }
  | {
      feature: number
      cover: number
      missingLeft: boolean
      /** Numbers: the threshold; categories: the set that goes left. */
      threshold: number | Uint32Array
      left: () => ImportedNode
      right: () => ImportedNode
    }

/** What all trees of an ensemble share. */
export interface ImportedHead {
  nFeatures: number
  compare: TreeEnsemble['compare']
  nOutputs: number
  baseScores: Float64Array
  link: TreeEnsemble['link']
}

/** Lays imported trees out as an ensemble, each tree in preorder; tree `t` adds to output `t % nOutputs`. `visit` is told of each node, so that a caller can stop a cycle. */
export function ensembleOfNodes(
  head: ImportedHead,
  trees: readonly ImportedNode[],
  visit: (nNodes: number) => void,
): TreeEnsemble {
  const nodes: ImportedNode[] = []
  const left: number[] = []
  const right: number[] = []
  const roots: number[] = []
  for (const tree of trees) {
    roots.push(nodes.length)
    const waiting: { node: ImportedNode; parent: number; side: number[] }[] = [
      { node: tree, parent: -1, side: left },
    ]
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const at = nodes.length
      visit(at + 1)
      nodes.push(next.node)
      left.push(-1)
      right.push(-1)
      if (next.parent >= 0) next.side[next.parent] = at
      if ('leaf' in next.node) continue
      waiting.push(
        { node: next.node.right(), parent: at, side: right },
        { node: next.node.left(), parent: at, side: left },
      )
    }
  }
  return assemble(head, nodes, left, right, roots)
}

function assemble(
  head: ImportedHead,
  nodes: ImportedNode[],
  left: number[],
  right: number[],
  roots: number[],
): TreeEnsemble {
  const categorySets: Uint32Array[] = []
  const categorySet = new Int32Array(nodes.length).fill(-1)
  nodes.forEach((node, at) => {
    if ('leaf' in node || typeof node.threshold === 'number') return
    categorySet[at] = categorySets.length
    categorySets.push(node.threshold)
  })
  return {
    kind: 'TreeEnsemble',
    ...head,
    outputOf: Int32Array.from(roots, (_, t) => t % head.nOutputs),
    roots: Int32Array.from(roots),
    feature: Int32Array.from(nodes, (node) => ('leaf' in node ? 0 : node.feature)),
    threshold: Float64Array.from(nodes, (node) =>
      'leaf' in node || typeof node.threshold !== 'number' ? 0 : node.threshold,
    ),
    left: Int32Array.from(left),
    right: Int32Array.from(right),
    missingLeft: Uint8Array.from(nodes, (node) => ('leaf' in node ? 0 : Number(node.missingLeft))),
    value: Float64Array.from(nodes, (node) => ('leaf' in node ? node.leaf : 0)),
    cover: Float64Array.from(nodes, (node) => node.cover),
    categorySet,
    categorySets,
  }
}
