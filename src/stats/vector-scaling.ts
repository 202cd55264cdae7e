/** Vector scaling: a slope and an intercept for each class, by which its raw score is moved before the softmax. */
import { fitClassBlend } from './class-blend.ts'
import { type Numbers, requireRange, requireRows } from './inputs.ts'

export interface VectorScaling {
  slopes: number[]
  intercepts: number[]
}

/** Classes that are fitted at most: the cost grows with their cube. */
export const VECTOR_CLASSES_MAX = 12
/** Pull towards no change, as a share of a row: what settles intercepts, of which only differences matter, and classes of few rows. */
const RIDGE = 1

/**
 * Slopes and intercepts whose `softmax(slope * score + intercept)` has the least log loss, with a penalty of half the squared distance from slopes of 1 and intercepts of 0.
 *
 * Shapes: `scores: [n * k]` raw scores row by row, finite; `codes: [n]` the class of each row, 0 to k - 1. Returns `[k]` each. Convex; cost: O(n k^3) a step, about ten steps.
 * Plain arithmetic: the same bits everywhere. Errors: MR_STATS_EMPTY, MR_STATS_NAN, MR_STATS_RANGE for more than `VECTOR_CLASSES_MAX` classes.
 * Source: Guo, Pleiss, Sun and Weinberger, 2017, section 4.2, with the penalty, which theirs lacks.
 */
export function fitVectorScaling(scores: Numbers, codes: Numbers): VectorScaling {
  requireRows('fitVectorScaling', codes.length)
  const k = scores.length / codes.length
  requireRange(
    Number.isInteger(k) && k >= 2 && k <= VECTOR_CLASSES_MAX,
    'scores a row',
    `2 to ${VECTOR_CLASSES_MAX}`,
    k,
  )
  const only = (c: number, value: (at: number) => number) => {
    const column = new Float64Array(scores.length)
    for (let at = c; at < column.length; at += k) column[at] = value(at)
    return column
  }
  const classes = Array.from({ length: k }, (_, c) => c)
  const terms = [...classes.map((c) => only(c, (at) => scores[at])), ...classes.map((c) => only(c, () => 1))]
  const towards = [...classes.map(() => 1), ...classes.map(() => 0)]
  const found = Array.from(fitClassBlend(terms, codes, { ridge: RIDGE, towards, signed: true }))
  return { slopes: found.slice(0, k), intercepts: found.slice(k) }
}
