/** Which of a few things is unlike the others. */
import { studentSf } from './distributions.ts'
import { refuseNotFinite, requireRows } from './inputs.ts'

/**
 * Chance for each value to lie as far above the others if all were draws of one normal population: Student's t of one more draw, against mean and deviation of the others.
 *
 * Each p is uniform when nothing is unlike; two values that are both far up hide one another, as each is in the other's deviation, but for those that are `barred` from being
 * compared with. Missing: NaN is refused (MR_STATS_NAN). All the others equal: 0 for a value above them, 1 for one that is not.
 * Shapes: `values`, `barred`: `[k]` to `[k]`. Errors: MR_STATS_EMPTY where fewer than 3 are left to compare with. Cost: O(k²).
 */
export function peerPs(
  values: Float64Array,
  barred: ArrayLike<number> = new Uint8Array(values.length),
): Float64Array {
  refuseNotFinite('values', values)
  return values.map((value, at) => {
    const others = values.filter((_, i) => i !== at && barred[i] !== 1)
    requireRows('other values', others.length, 3)
    const n = others.length
    const mean = others.reduce((sum, x) => sum + x, 0) / n
    const squares = others.reduce((sum, x) => sum + (x - mean) ** 2, 0)
    if (squares === 0) return value > mean ? 0 : 1
    return studentSf((value - mean) / Math.sqrt((squares / (n - 1)) * (1 + 1 / n)), n - 1)
  })
}
