import type { Machine, Rows } from './machine.ts'
import type { Objective } from './objectives/objective.ts'
import { NO_LEAF } from './sizes.ts'

/** Leaf values from the rows' residuals, for losses whose Newton steps say little: quantiles and medians. Cost: O(rows). */
export function renewedValues(
  { labels }: Rows,
  machine: Machine,
  objective: Objective,
  { nLeaves, output }: { nLeaves: number; output: number },
): Float64Array {
  const weights = objective.residualWeights ?? labels.weights
  const starts = leafStarts(machine.leafOf, nLeaves)
  const residuals = new Float64Array(starts[nLeaves])
  const weightOf = weights && new Float64Array(residuals.length)
  const next = starts.slice()
  const base = output * machine.leafOf.length
  for (let row = 0; row < machine.leafOf.length; row++) {
    const leaf = machine.leafOf[row]
    if (leaf === NO_LEAF) continue
    const at = next[leaf]++
    residuals[at] = labels.target[row] - machine.score[base + row]
    if (weightOf) weightOf[at] = weights![row]
  }
  return Float64Array.from({ length: nLeaves }, (_, leaf) => {
    const [begin, end] = [starts[leaf], starts[leaf + 1]]
    return objective.leafValue!(residuals.subarray(begin, end), weightOf?.subarray(begin, end) ?? null)
  })
}

/** Where the rows of each leaf begin when they lie leaf by leaf, and behind them their number. */
function leafStarts(leafOf: Uint16Array, nLeaves: number): Int32Array {
  const starts = new Int32Array(nLeaves + 1)
  for (let row = 0; row < leafOf.length; row++) if (leafOf[row] !== NO_LEAF) starts[leafOf[row] + 1]++
  for (let leaf = 0; leaf < nLeaves; leaf++) starts[leaf + 1] += starts[leaf]
  return starts
}
