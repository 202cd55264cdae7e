/** Which of a few things is unlike the others. */
import { studentSf } from './distributions.ts'
import { refuseNotFinite, requireLength, requireRows } from './inputs.ts'

/** Others from which on a slope is learned. */
const SLOPE_MIN = 8

export interface PeerOptions {
  /** 1 for values that the others are not compared with. */
  barred?: ArrayLike<number>
  /** Something else that is known of each and that values may go along with, such as the size of what was measured. */
  beside?: ArrayLike<number>
}

/**
 * Chance for each value to lie as far above the others if all were draws of one normal population, along a line in `beside` where there are eight others or more: Student's t of one
 * more draw, against the line of the others and how they lie about it.
 *
 * Each p is uniform when nothing is unlike; two values that are both far up hide one another, as each is in the other's deviation, but for those that are `barred` from being
 * compared with. Missing: NaN is refused (MR_STATS_NAN). All the others on the line: 0 for a value above it, 1 for one that is not.
 * Shapes: `values`, `barred`, `beside`: `[k]` to `[k]`. Errors: MR_STATS_EMPTY where fewer than 3 are left to compare with, MR_STATS_LENGTH. Cost: O(k²).
 */
export function peerPs(values: Float64Array, { barred, beside }: PeerOptions = {}): Float64Array {
  refuseNotFinite('values', values)
  if (barred) requireLength('barred', barred, values.length)
  if (beside) {
    requireLength('beside', beside, values.length)
    refuseNotFinite('beside', beside)
  }
  const along = (i: number) => beside?.[i] ?? 0
  return values.map((value, at) => {
    const others = [...values.keys()].filter((i) => i !== at && barred?.[i] !== 1)
    requireRows('other values', others.length, 3)
    const n = others.length
    const [x0, y0] = [mean(others.map(along)), mean(others.map((i) => values[i]))]
    const spread = others.reduce((sum, i) => sum + (along(i) - x0) ** 2, 0)
    const hasSlope = n >= SLOPE_MIN && spread > 0
    const slope = hasSlope
      ? others.reduce((sum, i) => sum + (along(i) - x0) * (values[i] - y0), 0) / spread
      : 0
    const squares = others.reduce((sum, i) => sum + (values[i] - y0 - slope * (along(i) - x0)) ** 2, 0)
    const above = value - y0 - slope * (along(at) - x0)
    if (squares === 0) return above > 0 ? 0 : 1
    const df = hasSlope ? n - 2 : n - 1
    const far = 1 + 1 / n + (hasSlope ? (along(at) - x0) ** 2 / spread : 0)
    return studentSf(above / Math.sqrt((squares / df) * far), df)
  })
}

function mean(values: number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
