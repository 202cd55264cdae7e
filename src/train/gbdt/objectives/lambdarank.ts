import { expClamped } from '../../../stats/exp.ts'
import { logFast } from '../../../stats/log.ts'
import { type Labels, type OpenObjective, type ParamsOf, weigh } from './objective.ts'
import {
  discountsOf,
  gainsOf,
  idealGains,
  meanNdcgLoss,
  requireQueries,
  rowsOf,
  sortByScore,
} from './queries.ts'

/**
 * LambdaMART: pairs of rows of a query push each other apart, by how much their exchange would change the query's NDCG. Targets are relevances, 0 for
 * none; gains are `2^relevance - 1` or `labelGains`.
 *
 * A pair of which the better row scores d above the other pushes by `|ΔNDCG| / (1 + e^d)`; only pairs with a row among the first `truncation` count.
 * With `normalise` (as LightGBM's `lambdarank_norm`) `|ΔNDCG|` is divided by `0.01 + |d|`, and a query's pushes P, all together, are scaled to
 * `log2(1 + P)`, so that long queries do not outweigh short ones. The hessian is that of the pairs' logistic losses. Validation: one less NDCG@`evalAt`.
 * Base score 0. Cost: O(rows * truncation) a round, and the sorting of each query. Source: Burges, 2010; normalisation after LightGBM.
 */
export const lambdarank: OpenObjective<ParamsOf<'lambdarank'>> = (labels, params) => {
  const queries = requireQueries(labels)
  const gains = gainsOf(labels, params.labelGains)
  const discounts = discountsOf(queries)
  const ideal = idealGains(gains, queries, discounts, params.truncation)
  const rows = rowsOf(queries)
  const check = (other: Labels) => {
    requireQueries(other)
    gainsOf(other, params.labelGains)
  }
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: false,
    baseScores: Float64Array.of(0),
    check,
    gradients: (score, { target, weights }, grad, hess) => {
      grad.fill(0)
      hess.fill(0)
      for (let q = 0; q < ideal.length; q++) {
        if (!(ideal[q] > 0)) continue
        const order = rows.subarray(queries[q], queries[q + 1])
        sortByScore(order, score)
        pushApart({ order, score, target, gains, discounts, ideal: ideal[q], ...params }, grad, hess)
      }
      weigh(grad, hess, weights)
    },
    meanLoss: (score, other) =>
      meanNdcgLoss(score, gainsOf(other, params.labelGains), requireQueries(other), params.evalAt),
  }
}

interface Query {
  /** Rows from the highest score down. */
  order: Int32Array
  score: Float64Array
  target: Float64Array
  gains: Float64Array
  discounts: Float64Array
  ideal: number
  truncation: number
  normalise: boolean
}

/** Adds the pushes of one query's pairs. */
function pushApart(query: Query, grad: Float64Array, hess: Float64Array): void {
  const { order, score, target, gains, discounts, ideal } = query
  const n = order.length
  const first = Math.min(query.truncation, n - 1)
  const byDistance = query.normalise && score[order[0]] !== score[order[n - 1]]
  let pushes = 0
  for (let i = 0; i < first; i++) {
    const a = order[i]
    for (let j = i + 1; j < n; j++) {
      const b = order[j]
      if (target[a] === target[b]) continue
      const side = target[a] > target[b] ? 1 : -1
      const d = side * (score[a] - score[b])
      let change = (side * (gains[a] - gains[b]) * (discounts[i] - discounts[j])) / ideal
      if (byDistance) change /= 0.01 + Math.abs(d)
      const p = 1 / (1 + expClamped(d))
      const push = change * p
      const bend = push * (1 - p)
      grad[a] -= side * push
      grad[b] += side * push
      hess[a] += bend
      hess[b] += bend
      pushes += 2 * push
    }
  }
  if (query.normalise && pushes > 0) scaleQuery(order, logFast(1 + pushes) / Math.LN2 / pushes, grad, hess)
}

function scaleQuery(order: Int32Array, factor: number, grad: Float64Array, hess: Float64Array): void {
  for (const row of order) {
    grad[row] *= factor
    hess[row] *= factor
  }
}
