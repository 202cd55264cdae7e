/** Leaves of an ensemble as numbers: what trees make of a row before they answer. */
import { mix32 } from '../../core/rng.ts'
import type { HiddenLayer } from '../form.ts'
import { leavesOf } from '../leaf-neighbours.ts'
import type { TreeEnsemble } from '../trees.ts'

/** Places that leaves are spread over. */
const WIDTH = 256

/**
 * Each row as the leaves it ends in, spread by a hash over 256 columns with signs: products of rows are, but for chance, the share of trees that cannot tell the two apart (the
 * proximity of `indexLeaves`). Cost: depth a row and tree. Source: Charikar, Chen and Farach-Colton 2002 (count sketch); Weinberger et al. 2009.
 */
export function hiddenLeaves(model: TreeEnsemble): HiddenLayer {
  const nTrees = model.roots.length
  const size = 1 / Math.sqrt(nTrees)
  return {
    name: `leaves of ${nTrees} trees`,
    width: WIDTH,
    rows: (rows, n) => {
      const out = new Float64Array(n * WIDTH)
      const leaves = new Uint32Array(nTrees)
      for (let i = 0; i < n; i++) {
        leavesOf(model, rows.subarray(i * model.nFeatures, (i + 1) * model.nFeatures), leaves, 0)
        for (const leaf of leaves) {
          const hash = mix32(leaf)
          out[i * WIDTH + (hash & (WIDTH - 1))] += hash >>> 31 === 1 ? size : -size
        }
      }
      return out
    },
  }
}
