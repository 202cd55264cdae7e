/** What several models of classes weigh together: one weight a model, shared by all classes. */
import { expFast } from './exp.ts'
import {
  type Numbers,
  refuseNotFinite,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { logFast } from './log.ts'
import { solve } from './logistic.ts'

export interface BlendOptions {
  /** One a row, >= 0. Default: 1 each. */
  weights?: Numbers
  /** Penalty `ridge / 2 * |blend - towards|^2` beside the sum of losses. Default 0. */
  ridge?: number
  /** Default: 0 each. */
  towards?: Numbers
  /** Whether weights may be below 0. Default false. */
  signed?: boolean
}

const STEPS_MAX = 200
const RIDGE_MIN = 1e-12

/**
 * Weights (of at least 0 unless `signed`) by which the raw scores of models are added, so that the softmax of the sum has the least weighted log loss.
 *
 * Shapes: `scores: [m][n * k]`, the raw scores of each model row by row, finite; `codes: [n]` the class of each row, 0 to k - 1. Returns `[m]`.
 * The loss is convex; projected Newton steps with halving. Cost: O(n k m^2) a step, about ten steps. Plain arithmetic: the same bits everywhere.
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE. Source: a conditional logit (McFadden 1974) with weights held at 0 from below (Breiman 1996).
 */
export function fitClassBlend(
  scores: readonly Numbers[],
  codes: Numbers,
  options: BlendOptions = {},
): Float64Array {
  const k = checkInputs(scores, codes, options)
  const problem: Problem = { scores, codes, k, options }
  let blend: Float64Array = Float64Array.from(scores, (_, j) => held(options, options.towards?.[j] ?? 0))
  let loss = lossOf(problem, blend)
  for (let step = 0; step < STEPS_MAX; step++) {
    const next = improved(problem, blend, loss)
    if (!next) return blend
    blend = next.blend
    loss = next.loss
  }
  return blend
}

const held = ({ signed }: BlendOptions, weight: number) => (signed ? weight : Math.max(0, weight))

interface Problem {
  scores: readonly Numbers[]
  codes: Numbers
  k: number
  options: BlendOptions
}

function checkInputs(scores: readonly Numbers[], codes: Numbers, { weights }: BlendOptions): number {
  requireRows('the blend', codes.length)
  const k = (scores[0]?.length ?? 0) / codes.length
  requireRange(Number.isInteger(k) && k >= 2, 'scores a row', 'a whole number of at least 2', k)
  scores.forEach((own, j) => {
    requireLength(`scores of model ${j}`, own, codes.length * k)
    refuseNotFinite(`scores of model ${j}`, own)
  })
  for (let i = 0; i < codes.length; i++) {
    const isCode = Number.isInteger(codes[i]) && codes[i] >= 0 && codes[i] < k
    requireRange(isCode, 'a code', `0 to ${k - 1}`, codes[i])
  }
  if (weights) {
    requireLength('weights', weights, codes.length)
    refuseNotWeight('weights', weights)
  }
  return k
}

/** Chances of one row's classes into `out`; the log of their sum, less the score of its own class. */
function rowLoss({ scores, codes, k }: Problem, blend: Float64Array, i: number, out: Float64Array): number {
  let top = Number.NEGATIVE_INFINITY
  for (let c = 0; c < k; c++) {
    let sum = 0
    for (let j = 0; j < blend.length; j++) sum += blend[j] * scores[j][i * k + c]
    out[c] = sum
    top = Math.max(top, sum)
  }
  const own = out[codes[i]] - top
  let total = 0
  for (let c = 0; c < k; c++) {
    out[c] = expFast(Math.max(-60, out[c] - top))
    total += out[c]
  }
  for (let c = 0; c < k; c++) out[c] /= total
  return logFast(total) - own
}

function lossOf(problem: Problem, blend: Float64Array): number {
  const { codes, k, options } = problem
  const out = new Float64Array(k)
  let sum = 0
  blend.forEach((w, j) => {
    sum += ((options.ridge ?? 0) / 2) * (w - (options.towards?.[j] ?? 0)) ** 2
  })
  for (let i = 0; i < codes.length; i++) sum += (options.weights?.[i] ?? 1) * rowLoss(problem, blend, i, out)
  return sum
}

/** Gradient `[m]` and curvature `[m][m]` of the whole loss. */
function curveAt(problem: Problem, blend: Float64Array): { slope: Float64Array; curve: number[][] } {
  const { scores, codes, k, options } = problem
  const m = blend.length
  const slope = Float64Array.from(blend, (w, j) => (options.ridge ?? 0) * (w - (options.towards?.[j] ?? 0)))
  const curve = Array.from({ length: m }, () => new Array<number>(m).fill(0))
  const out = new Float64Array(k)
  const means = new Float64Array(m)
  for (let i = 0; i < codes.length; i++) {
    const w = options.weights?.[i] ?? 1
    rowLoss(problem, blend, i, out)
    for (let j = 0; j < m; j++) {
      means[j] = 0
      for (let c = 0; c < k; c++) means[j] += out[c] * scores[j][i * k + c]
      slope[j] += w * (means[j] - scores[j][i * k + codes[i]])
    }
    for (let c = 0; c < k; c++)
      for (let j = 0; j < m; j++)
        for (let l = 0; l <= j; l++)
          curve[j][l] += w * out[c] * (scores[j][i * k + c] - means[j]) * (scores[l][i * k + c] - means[l])
  }
  const top = Math.max(...curve.map((row, j) => row[j]))
  for (let j = 0; j < m; j++) {
    curve[j][j] += RIDGE_MIN * top + (options.ridge ?? 0)
    for (let l = j + 1; l < m; l++) curve[j][l] = curve[l][j]
  }
  return { slope, curve }
}

/** A step among the weights that are above 0 or want to be; nothing where none lowers the loss. */
function improved(
  problem: Problem,
  blend: Float64Array,
  loss: number,
): { blend: Float64Array; loss: number } | undefined {
  const { slope, curve } = curveAt(problem, blend)
  const free = Array.from(blend.keys()).filter((j) => problem.options.signed || blend[j] > 0 || slope[j] < 0)
  const move = solve(
    free.map((j) => free.map((l) => curve[j][l])),
    free.map((j) => -slope[j]),
  )
  for (let scale = 1; scale > 1e-10; scale /= 2) {
    const next = blend.slice()
    free.forEach((j, a) => {
      next[j] = held(problem.options, blend[j] + scale * move[a])
    })
    const nextLoss = lossOf(problem, next)
    if (loss - nextLoss > 1e-14 * Math.abs(loss)) return { blend: next, loss: nextLoss }
  }
  return undefined
}
