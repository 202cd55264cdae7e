import { nodesAtRest, type TreeEnsemble } from '../../model/trees.ts'
import type { CategoryBins, FeatureBins } from './binning.ts'
import type { GrownTree } from './grown-tree.ts'
import type { Split } from './search.ts'

/** A grown tree with its final leaf values and covers, both by leaf number. */
export interface FinishedTree {
  tree: GrownTree
  values: Float64Array
  covers: Float64Array
}

/** A finished tree and the output that it adds to. */
export interface OutputTree extends FinishedTree {
  output: number
}

/** Translates trees in bins into the ensemble over raw values: the same row takes the same way in both. */
export function ensembleOf(
  trees: readonly OutputTree[],
  features: readonly FeatureBins[],
  baseScores: Float64Array,
  link: TreeEnsemble['link'],
): TreeEnsemble {
  const nNodes = trees.reduce((sum, { tree }) => sum + tree.splits.length, 0)
  const out: TreeEnsemble = {
    kind: 'TreeEnsemble',
    nFeatures: features.length,
    nOutputs: baseScores.length,
    outputOf: Int32Array.from(trees, ({ output }) => output),
    roots: new Int32Array(trees.length),
    ...nodesAtRest(nNodes),
    categorySets: [],
    compare: 'le',
    baseScores,
    link,
  }
  let at = 0
  trees.forEach((finished, t) => {
    out.roots[t] = at
    writeTree(out, finished, features, at)
    at += finished.tree.splits.length
  })
  return out
}

function writeTree(
  out: TreeEnsemble,
  finished: FinishedTree,
  features: readonly FeatureBins[],
  at: number,
): void {
  const { tree, values, covers } = finished
  for (let node = tree.splits.length - 1; node >= 0; node--) {
    const split = tree.splits[node]
    if (split === null) {
      out.value[at + node] = values[tree.leafOfNode[node]] + 0
      out.cover[at + node] = covers[tree.leafOfNode[node]]
      continue
    }
    writeSplit(out, at + node, split, features[split.feature], tree.missingLeft[node])
    out.left[at + node] = at + tree.left[node]
    out.right[at + node] = at + tree.right[node]
    out.cover[at + node] = out.cover[at + tree.left[node]] + out.cover[at + tree.right[node]]
  }
}

function writeSplit(
  out: TreeEnsemble,
  node: number,
  split: Split,
  bins: FeatureBins,
  missingLeft: boolean,
): void {
  out.feature[node] = split.feature
  out.missingLeft[node] = Number(missingLeft)
  if (bins.kind === 'number') {
    out.threshold[node] = split.bin < bins.edges.length ? bins.edges[split.bin] : Number.POSITIVE_INFINITY
    return
  }
  out.categorySet[node] = out.categorySets.length
  out.categorySets.push(categorySet(bins, split.leftBins!, missingLeft))
}

/** Bits of the codes that go left. Codes without a bin of their own go where missing values go. */
function categorySet({ codes }: CategoryBins, leftBins: Uint8Array, missingLeft: boolean): Uint32Array {
  const set = new Uint32Array((codes[codes.length - 1] >>> 5) + 1).fill(missingLeft ? 0xffffffff : 0)
  codes.forEach((code, bin) => {
    if (leftBins[bin]) set[code >>> 5] |= 1 << (code & 31)
    else set[code >>> 5] &= ~(1 << (code & 31))
  })
  return set
}
