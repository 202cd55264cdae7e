/** Values that stand alone at an end of a column: typing errors, wrapped clocks, codes such as 99999. */
import { refuseNotFinite, requireRange } from './inputs.ts'

export interface FarValues {
  /** Values beyond the gap. */
  n: number
  /** Nearest of them, and the value on the other side of the gap, as distances. */
  far: number
  next: number
  /** Chance of such a gap in a tail of the shape that lies behind it. */
  pValue: number
}

export interface FarValuesOptions {
  /** Values that may stand alone; more are a part of the distribution, unless all of them are one value. Default: 10. */
  nMax?: number
  /** Chance below which a gap is no accident. Default: 1e-4. */
  alpha?: number
}

/** Values of the tail below which its shape is not known. */
const TAIL_MIN = 40
/** Times as far as the next one that a value must lie. */
const RATIO = 2

/**
 * The widest set of outermost values that a gap divides from all others: they lie at least twice as far from the middle as the next value, and so wide a gap would be
 * less likely than `alpha` in a tail that falls as the one behind the gap does. Undefined where there is none.
 *
 * Shapes: `distances` of the outermost values of one side from the middle, descending, equal ones repeated; a few hundred of them. Missing: NaN and infinities are refused.
 * Cost: O(n). Errors: MR_STATS_NAN, MR_STATS_RANGE when they do not descend. Source: in a tail that falls as a power, j times the logarithm of the ratio of the j-th to the next
 * value is exponential with Hill's mean (Hill 1975; Renyi 1953); tails that fall faster have smaller gaps, so that the test is cautious for them.
 */
export function farValues(
  distances: Float64Array,
  { nMax = 10, alpha = 1e-4 }: FarValuesOptions = {},
): FarValues | undefined {
  refuseNotFinite('distances', distances)
  for (let i = 1; i < distances.length; i++)
    requireRange(distances[i] <= distances[i - 1], 'distances', 'descending', distances[i])
  let found: FarValues | undefined
  for (let j = 1; j <= distances.length - TAIL_MIN; j++) {
    if (j > nMax && distances[j - 1] !== distances[0]) break
    found = gapAt(distances, j, alpha) ?? found
  }
  return found
}

/** The gap behind the `j` outermost values, when it is no accident. */
function gapAt(distances: Float64Array, j: number, alpha: number): FarValues | undefined {
  const [far, next, last] = [distances[j - 1], distances[j], distances[distances.length - 1]]
  if (!(last > 0) || far < RATIO * next || next === last) return undefined
  let sum = 0
  for (let i = j; i < distances.length - 1; i++) sum += Math.log(distances[i] / last)
  const hill = sum / (distances.length - 1 - j)
  const pValue = Math.exp((-j * Math.log(far / next)) / hill)
  return pValue <= alpha ? { n: j, far, next, pValue } : undefined
}
