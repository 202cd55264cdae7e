/**
 * Intervals and tests of the area under the ROC curve after DeLong, DeLong and Clarke-Pearson, 1988, by ranks in O(n log n)
 * (Sun and Xu, 2014). The variance is that of placement values with divisors n₁ - 1 and n₀ - 1.
 */
import { normalQuantile, normalSf } from './distributions.ts'
import {
  type Estimate,
  type Numbers,
  refuseNaN,
  refuseNotLabel,
  requireLength,
  requireRows,
  requireShare,
} from './inputs.ts'
import { clopperPearson } from './intervals.ts'
import { requireBothClasses } from './metrics.ts'
import { ascendingOrder } from './order.ts'

/** AUC and its DeLong standard error; `se` is 0 when a class has a single row, where the variance is not defined. */
export interface AucWithError {
  auc: number
  se: number
  ones: number
  zeros: number
}

/**
 * AUC from tied runs in ascending order of score: `ones[r]` and `zeros[r]` rows of each class share the r-th score.
 * Returns NaN for both numbers when a class is absent. Cost: O(runs).
 */
export function aucOfRuns(ones: Numbers, zeros: Numbers): AucWithError {
  const n1 = total(ones)
  const n0 = total(zeros)
  if (n1 === 0 || n0 === 0) return { auc: Number.NaN, se: Number.NaN, ones: n1, zeros: n0 }
  let below0 = 0
  let pairs = 0
  for (let r = 0; r < ones.length; r++) {
    pairs += ones[r] * (below0 + zeros[r] / 2)
    below0 += zeros[r]
  }
  const auc = pairs / (n1 * n0)
  return { auc, se: Math.sqrt(placementVariance(ones, zeros, n1, n0, auc)), ones: n1, zeros: n0 }
}

function placementVariance(ones: Numbers, zeros: Numbers, n1: number, n0: number, auc: number): number {
  let below1 = 0
  let below0 = 0
  let spread1 = 0
  let spread0 = 0
  for (let r = 0; r < ones.length; r++) {
    spread1 += ones[r] * ((below0 + zeros[r] / 2) / n0 - auc) ** 2
    spread0 += zeros[r] * ((n1 - below1 - ones[r] / 2) / n1 - auc) ** 2
    below1 += ones[r]
    below0 += zeros[r]
  }
  if (n1 < 2 || n0 < 2) return 0
  return spread1 / (n1 - 1) / n1 + spread0 / (n0 - 1) / n0
}

/**
 * Interval of an AUC with a known standard error, on the logit scale, so that it stays in [0, 1] and leans the right way near the ends.
 * Where the error is 0 (perfect separation, or a single row of a class) it is Clopper and Pearson's for the smaller class instead: wide, never empty.
 * Source: Pepe, 2003, section 5.2.3.
 */
export function aucEstimate(found: AucWithError, level = 0.95): Estimate {
  requireShare('level', level)
  const { auc, se } = found
  const n = found.ones + found.zeros
  if (Number.isNaN(auc)) return { value: auc, interval: [0, 1], n, se: Number.NaN }
  if (se === 0 || auc === 0 || auc === 1) {
    const fewer = Math.min(found.ones, found.zeros)
    return { value: auc, interval: clopperPearson(auc * fewer, fewer, level).interval, n, se }
  }
  const logit = Math.log(auc / (1 - auc))
  const half = (normalQuantile((1 + level) / 2) * se) / (auc * (1 - auc))
  return { value: auc, interval: [sigmoid(logit - half), sigmoid(logit + half)], n, se }
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

/**
 * AUC with its DeLong interval.
 *
 * Shapes: `scores: [n]` (NaN refused), `labels: [n]` in {0, 1}. Interval: see `aucEstimate`. Cost: O(n log n).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE, MR_STATS_ONE_CLASS.
 */
export function aucInterval(scores: Numbers, labels: Numbers, options: { level?: number } = {}): Estimate {
  checkScored('aucInterval', scores, labels)
  const runs = runsOf(scores, labels)
  const found = aucOfRuns(runs.ones, runs.zeros)
  requireBothClasses('aucInterval', found.ones, found.zeros, scores.length)
  return aucEstimate(found, options.level)
}

function runsOf(scores: Numbers, labels: Numbers): { ones: number[]; zeros: number[] } {
  const order = ascendingOrder(scores)
  const ones: number[] = []
  const zeros: number[] = []
  let at = Number.NaN
  for (const row of order) {
    if (scores[row] !== at) {
      ones.push(0)
      zeros.push(0)
      at = scores[row]
    }
    if (labels[row] === 1) ones[ones.length - 1]++
    else zeros[zeros.length - 1]++
  }
  return { ones, zeros }
}

/**
 * Difference of the AUC of two models on the same rows, `candidate - base`, with a normal interval and two-sided p.
 * p is 1 when the two rank every row alike. Shapes, cost and errors as `aucInterval`.
 */
export function pairedAucDelta(
  base: Numbers,
  candidate: Numbers,
  labels: Numbers,
  options: { level?: number } = {},
): Estimate & { pValue: number } {
  const { level = 0.95 } = options
  requireShare('level', level)
  checkScored('pairedAucDelta', base, labels)
  checkScored('pairedAucDelta', candidate, labels)
  const ones = total(labels)
  const zeros = labels.length - ones
  requireBothClasses('pairedAucDelta', ones, zeros, labels.length)
  const a = placements(base, labels, ones, zeros)
  const b = placements(candidate, labels, ones, zeros)
  const difference = Float64Array.from(b, (v, row) => v - a[row])
  const value = classMean(difference, labels, 1, ones)
  const se = Math.sqrt(
    classVariance(difference, labels, 1, ones) + classVariance(difference, labels, 0, zeros),
  )
  const half = normalQuantile((1 + level) / 2) * se
  const pValue = se === 0 ? (value === 0 ? 1 : 0) : 2 * normalSf(Math.abs(value) / se)
  return {
    value,
    interval: [Math.max(-1, value - half), Math.min(1, value + half)],
    n: labels.length,
    se,
    pValue,
  }
}

/**
 * For a row of class 1 the share of class 0 it beats, for a row of class 0 the share of class 1 that beats it; ties half. The mean over the rows of either
 * class is the AUC. `ones` and `zeros` count the rows of each, both above 0. Nothing is checked. Cost: O(n log n).
 */
export function placements(scores: Numbers, labels: Numbers, ones: number, zeros: number): Float64Array {
  const order = ascendingOrder(scores)
  const found = new Float64Array(scores.length)
  let below1 = 0
  let below0 = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    let run1 = 0
    for (; end < order.length && scores[order[end]] === scores[order[start]]; end++)
      run1 += labels[order[end]]
    const run0 = end - start - run1
    for (let i = start; i < end; i++) {
      const row = order[i]
      found[row] = labels[row] === 1 ? (below0 + run0 / 2) / zeros : (ones - below1 - run1 / 2) / ones
    }
    below1 += run1
    below0 += run0
    start = end
  }
  return found
}

function classMean(values: Float64Array, labels: Numbers, label: number, n: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) if (labels[i] === label) sum += values[i]
  return sum / n
}

/** Variance of the mean of one class; 0 for a single row. */
function classVariance(values: Float64Array, labels: Numbers, label: number, n: number): number {
  if (n < 2) return 0
  const mean = classMean(values, labels, label, n)
  let sum = 0
  for (let i = 0; i < values.length; i++) if (labels[i] === label) sum += (values[i] - mean) ** 2
  return sum / (n - 1) / n
}

function total(values: Numbers): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum
}

function checkScored(what: string, scores: Numbers, labels: Numbers): void {
  requireRows(what, scores.length)
  requireLength('labels', labels, scores.length)
  refuseNaN('scores', scores)
  refuseNotLabel('labels', labels)
}
