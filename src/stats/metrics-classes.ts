/**
 * Metrics of models that give a probability to each of K classes. Shapes: `probabilities` row-major `[n * K]`, `codes: [n]` of the classes that
 * were, 0 to K - 1, `weights: [n]` >= 0. All refuse NaN, unequal lengths and no rows with a coded error.
 */
import { MillraceError } from '../core/errors.ts'
import {
  type Numbers,
  refuseNotFinite,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { auc, LOG_LOSS_CLIP } from './metrics.ts'
import { meanOfRows } from './row-mean.ts'

/**
 * Mean of `-ln` of the probability given to the class that was, at least 1e-15. Units: nats. Rows must not sum to 1: they are taken as they are, as
 * scikit-learn's `log_loss` does for rows that do. Cost: O(n K).
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function classLogLoss(probabilities: Numbers, codes: Numbers, weights?: Numbers): number {
  const width = checkClasses('classLogLoss', probabilities, codes, weights)
  return meanOfRows(codes.length, weights, (i) => {
    const p = probabilities[i * width + codes[i]]
    return -Math.log(Math.min(1, Math.max(LOG_LOSS_CLIP, p)))
  })
}

/** Code of each row's likeliest class; of equals the first. Shapes: `[n * K]` to `[n]`. Cost: O(n K). */
export function likeliestClasses(probabilities: Numbers, width: number): Int32Array {
  const codes = new Int32Array(probabilities.length / width)
  for (let i = 0, at = 0; i < codes.length; i++, at += width) {
    for (let k = 1; k < width; k++) if (probabilities[at + k] > probabilities[at + codes[i]]) codes[i] = k
  }
  return codes
}

/** Share of rows whose likeliest class, of equals the first, is the one that was. Errors and cost as `classLogLoss`. */
export function classAccuracy(probabilities: Numbers, codes: Numbers, weights?: Numbers): number {
  const width = checkClasses('classAccuracy', probabilities, codes, weights)
  const said = likeliestClasses(probabilities, width)
  return meanOfRows(codes.length, weights, (i) => Number(said[i] === codes[i]))
}

/**
 * Share of rows whose class is among the `k` likeliest. Convention: equal probabilities are ranked with the later class first, as in scikit-learn's
 * `top_k_accuracy_score`. Errors and cost as `classLogLoss`, and MR_STATS_RANGE unless `1 <= k <= K`.
 */
export function topKAccuracy(probabilities: Numbers, codes: Numbers, k: number, weights?: Numbers): number {
  const width = checkClasses('topKAccuracy', probabilities, codes, weights)
  requireRange(Number.isInteger(k) && k >= 1 && k <= width, 'k', `a whole number from 1 to ${width}`, k)
  return meanOfRows(codes.length, weights, (i) => {
    const own = probabilities[i * width + codes[i]]
    let above = 0
    for (let c = 0; c < width; c++) {
      const p = probabilities[i * width + c]
      if (p > own || (p === own && c > codes[i])) above++
    }
    return Number(above < k)
  })
}

/**
 * Mean over rows of `Σ_k (p_k - [class is k])²`, Brier's own sum over classes: in [0, 2], and with two classes twice `brier`. scikit-learn's
 * `brier_score_loss` with `scale_by_half=False`. Errors and cost as `classLogLoss`.
 */
export function classBrier(probabilities: Numbers, codes: Numbers, weights?: Numbers): number {
  const width = checkClasses('classBrier', probabilities, codes, weights)
  return meanOfRows(codes.length, weights, (i) => {
    let sum = 0
    for (let k = 0; k < width; k++) sum += (probabilities[i * width + k] - Number(codes[i] === k)) ** 2
    return sum
  })
}

/**
 * Mean over classes of the AUC of each against the rest, over the classes that some rows have and others have not. Convention: macro, one against the
 * rest (scikit-learn's `roc_auc_score(multi_class='ovr')`). Errors as `classLogLoss`, MR_STATS_ONE_CLASS when one class has all rows. Cost: O(K n log n).
 */
export function macroAuc(probabilities: Numbers, codes: Numbers, weights?: Numbers): number {
  const width = checkClasses('macroAuc', probabilities, codes, weights)
  const n = codes.length
  const totals = totalsOf(codes, width, weights)
  const all = totals.reduce((sum, total) => sum + total, 0)
  const told = Array.from(totals.keys()).filter((k) => totals[k] > 0 && totals[k] < all)
  if (told.length === 0)
    throw new MillraceError('MR_STATS_ONE_CLASS', { what: 'macroAuc', label: codes[0], n })
  let sum = 0
  for (const k of told) {
    const scores = Float64Array.from({ length: n }, (_, i) => probabilities[i * width + k])
    const labels = Float64Array.from({ length: n }, (_, i) => Number(codes[i] === k))
    sum += auc(scores, labels, weights)
  }
  return sum / told.length
}

function totalsOf(codes: Numbers, width: number, weights?: Numbers): Float64Array {
  const totals = new Float64Array(width)
  for (let i = 0; i < codes.length; i++) totals[codes[i]] += weights ? weights[i] : 1
  return totals
}

// ---------------------------------------------------------------- of codes alone

/** Weight of rows by class that was (row) and class that was said (column), row-major `[K * K]`. Cost: O(n + K²). */
export function confusionMatrix(
  said: Numbers,
  codes: Numbers,
  width: number,
  weights?: Numbers,
): Float64Array {
  requireRows('confusionMatrix', codes.length)
  requireLength('said', said, codes.length)
  refuseNotCode('said', said, width)
  refuseNotCode('codes', codes, width)
  checkWeights(codes, weights)
  const counts = new Float64Array(width * width)
  for (let i = 0; i < codes.length; i++) counts[codes[i] * width + said[i]] += weights ? weights[i] : 1
  return counts
}

/** Weights of each class: that was, that was said, and both. */
function marginsOf(counts: Numbers, width: number) {
  return Array.from({ length: width }, (_, k) => {
    let was = 0
    let said = 0
    for (let j = 0; j < width; j++) {
      was += counts[k * width + j]
      said += counts[j * width + k]
    }
    return { was, said, right: counts[k * width + k] }
  })
}

/**
 * F1 of several classes from a confusion matrix: each class's `2 · right / (was + said)`, averaged over the classes that were or were said (`macro`) or by
 * the weight of the class that was (`weighted`). scikit-learn's `f1_score(average=…)`. Errors: MR_STATS_EMPTY when nothing was counted. Cost: O(K²).
 */
export function classF1(counts: Numbers, average: 'macro' | 'weighted'): number {
  const used = marginsOf(counts, Math.sqrt(counts.length)).filter(({ was, said }) => was + said > 0)
  requireRows('classF1', used.length)
  let sum = 0
  let total = 0
  for (const { was, said, right } of used) {
    const weight = average === 'macro' ? 1 : was
    sum += (weight * 2 * right) / (was + said)
    total += weight
  }
  return sum / total
}

/**
 * Cohen's kappa of ordered classes with squared distances: `1 - Σ d² observed / Σ d² expected`, expected from the margins. In [-1, 1]; NaN when both name
 * one and the same class for all rows, as in scikit-learn's `cohen_kappa_score(weights='quadratic')`.
 * Source: Cohen, 1968. Cost: O(K²).
 */
export function quadraticKappa(counts: Numbers): number {
  const width = Math.sqrt(counts.length)
  const margins = marginsOf(counts, width)
  const all = margins.reduce((sum, { was }) => sum + was, 0)
  requireRows('quadraticKappa', all)
  let observed = 0
  let expected = 0
  for (let a = 0; a < width; a++) {
    for (let s = 0; s < width; s++) {
      observed += (a - s) ** 2 * counts[a * width + s]
      expected += ((a - s) ** 2 * margins[a].was * margins[s].said) / all
    }
  }
  return 1 - observed / expected
}

// ---------------------------------------------------------------- inputs

function checkClasses(what: string, probabilities: Numbers, codes: Numbers, weights?: Numbers): number {
  requireRows(what, codes.length)
  const width = Math.max(1, Math.round(probabilities.length / codes.length))
  requireLength('probabilities', probabilities, codes.length * width)
  refuseNotFinite('probabilities', probabilities)
  refuseNotCode('codes', codes, width)
  checkWeights(codes, weights)
  return width
}

function checkWeights(codes: Numbers, weights?: Numbers): void {
  if (weights === undefined) return
  requireLength('weights', weights, codes.length)
  refuseNotWeight('weights', weights)
}

function refuseNotCode(what: string, codes: Numbers, width: number): void {
  refuseNotFinite(what, codes)
  for (let i = 0; i < codes.length; i++) {
    const good = Number.isInteger(codes[i]) && codes[i] >= 0 && codes[i] < width
    requireRange(good, what, `whole numbers from 0 to ${width - 1}`, codes[i])
  }
}
