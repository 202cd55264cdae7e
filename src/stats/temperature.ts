/** Temperature scaling: one number that makes the probabilities of a softmax as sure as they may be. */
import { type Numbers, refuseNotFinite, requireRange, requireRows } from './inputs.ts'

/** Temperatures that are looked at; what lies beyond says that the scores are noise, or that they separate the classes. */
const SHARPNESS = { min: 0.02, max: 50 }
const HALVINGS = 60
/** Decimals that are kept, so that the last bits of `exp`, which differ between engines, do not reach a model. */
const DECIMALS = 1e6

/**
 * The temperature t whose `softmax(scores / t)` has the least log loss: above 1 the scores were too sure.
 *
 * Shapes: `scores: [n * k]` raw scores row by row, finite; `codes: [n]` the class of each row, 0 to k - 1. Returns a number in [0.02, 50] with six decimals.
 * The loss is convex in 1 / t, so its derivative `Σ (Σ p z - z_y)` is halved to zero; where it has no zero inside, the nearer end. Cost: 60 passes, O(n k) each.
 * Errors: MR_STATS_EMPTY, MR_STATS_NAN, MR_STATS_RANGE. Source: Guo, Pleiss, Sun and Weinberger, 2017, section 4.2.
 */
export function fitTemperature(scores: Numbers, codes: Numbers): number {
  requireRows('fitTemperature', codes.length)
  refuseNotFinite('scores', scores)
  const k = scores.length / codes.length
  requireRange(Number.isInteger(k) && k >= 2, 'scores a row', 'a whole number of at least 2', k)
  for (let i = 0; i < codes.length; i++)
    requireRange(
      Number.isInteger(codes[i]) && codes[i] >= 0 && codes[i] < k,
      'a code',
      `0 to ${k - 1}`,
      codes[i],
    )
  let { min, max } = SHARPNESS
  for (let step = 0; step < HALVINGS; step++) {
    const middle = Math.sqrt(min * max)
    if (slope(scores, codes, k, middle) > 0) max = middle
    else min = middle
  }
  return Math.round(DECIMALS / Math.sqrt(min * max)) / DECIMALS
}

/** Derivative of the summed loss by `sharpness = 1 / t`. */
function slope(scores: Numbers, codes: Numbers, k: number, sharpness: number): number {
  let total = 0
  for (let i = 0; i < codes.length; i++) {
    const at = i * k
    let top = scores[at]
    for (let c = 1; c < k; c++) top = Math.max(top, scores[at + c])
    let weight = 0
    let moment = 0
    for (let c = 0; c < k; c++) {
      const w = Math.exp(sharpness * (scores[at + c] - top))
      weight += w
      moment += w * scores[at + c]
    }
    total += moment / weight - scores[at + codes[i]]
  }
  return total
}
