import { mix32 } from '../../../core/rng.ts'
import { expFast } from '../../../stats/exp.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import { gainsOf, meanNdcgLoss, requireQueries } from './queries.ts'

/** Scores further below the largest of a query count as so far. */
const REACH = 60
/** A row that has all of the probability is taken to leave so much. */
const REST_MIN = 1e-15

/**
 * XE-NDCG: the cross entropy of a query's softmax to shares of `2^relevance - u`, with `u` drawn anew from [0, 1) for each row and round; a bound of NDCG that needs no pairs.
 *
 * Gradients hold the terms of the first, second and third order, the hessian is `p (1 - p)`: LightGBM's `rank_xendcg`. Draws are a hash of row and round, so that the same
 * training has the same bytes. Validation: one less NDCG@`evalAt`. Base score 0. Cost: O(rows) a round. Source: Bruch 2021, "An alternative cross entropy loss for
 * learning-to-rank".
 */
export const xendcg: OpenObjective<ParamsOf<'xendcg'>> = (labels, { evalAt }) => {
  const queries = requireQueries(labels)
  const gains = gainsOf(labels, [])
  const check = (other: Labels) => {
    requireQueries(other)
    gainsOf(other, [])
  }
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: false,
    baseScores: Float64Array.of(0),
    check,
    gradients: (score, { weights }, grad, hess, round) => {
      const salt = mix32(Math.imul(round + 1, 0x9e3779b9))
      for (let q = 0; q + 1 < queries.length; q++) {
        const [begin, end] = [queries[q], queries[q + 1]]
        const shares = sharesOf(gains, begin, end, salt)
        pushQuery(score.subarray(begin, end), shares, grad.subarray(begin, end), hess.subarray(begin, end))
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, other) => meanNdcgLoss(score, gainsOf(other, []), requireQueries(other), evalAt),
  }
}

/** Target shares of the rows of a query: `2^relevance - u` over their sum. */
function sharesOf(gains: Float64Array, begin: number, end: number, salt: number): Float64Array {
  const shares = new Float64Array(end - begin)
  let sum = 0
  for (let i = begin; i < end; i++) {
    shares[i - begin] = 1 + gains[i] - mix32(Math.imul(i + 1, 0x85ebca6b) ^ salt) / 2 ** 32
    sum += shares[i - begin]
  }
  return shares.map((share) => share / sum)
}

/** Gradients and hessians of one query. */
function pushQuery(score: Float64Array, shares: Float64Array, grad: Float64Array, hess: Float64Array): void {
  if (score.length < 2) {
    grad.fill(0)
    hess.fill(0)
    return
  }
  const chances = softmaxOf(score)
  let term = chances.map((p, i) => p - shares[i])
  grad.set(term)
  for (let order = 2; order <= 3; order++) {
    const parts = term.map((t, i) => t / Math.max(REST_MIN, 1 - chances[i]))
    const all = parts.reduce((sum, part) => sum + part, 0)
    term = chances.map((p, i) => p * (all - parts[i]))
    for (let i = 0; i < grad.length; i++) grad[i] += term[i]
  }
  chances.forEach((p, i) => {
    hess[i] = p * (1 - p)
  })
}

function softmaxOf(score: Float64Array): Float64Array {
  const top = score.reduce((a, b) => Math.max(a, b))
  const parts = score.map((s) => expFast(Math.max(-REACH, s - top)))
  const sum = parts.reduce((a, b) => a + b, 0)
  return parts.map((part) => part / sum)
}
