/** Calibration maps with two or three parameters, for few rows: Platt's and the beta map. */
import { expFast } from './exp.ts'
import {
  type Numbers,
  refuseNotFinite,
  refuseNotProbability,
  refuseNotWeight,
  requireLength,
  requireRows,
} from './inputs.ts'
import { logFast } from './log.ts'
import { fitLogistic } from './logistic.ts'

/** `q = 1 / (1 + exp(-(slope * logit(p) + intercept)))`. */
export interface PlattCalibration {
  kind: 'platt'
  slope: number
  intercept: number
}

/** `logit(q) = a ln(p) - b ln(1 - p) + c`. */
export interface BetaCalibration {
  kind: 'beta'
  a: number
  b: number
  c: number
}

/** Probabilities are held this far from 0 and 1 before their logarithms are taken. */
export const CHANCE_MIN = 1e-12

/**
 * Platt's map from raw scores (log-odds) to probabilities, with his smoothed targets `(hits + 1) / (hits + 2)` and `1 / (misses + 2)`, so that separable rows
 * do not run away.
 *
 * Shapes: `scores` `[n]` finite, `labels` `[n]` in [0, 1] (soft ones are taken as shares of both), `weights` `[n]`.
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE. Cost: O(n) a step.
 * Source: Platt 1999; Lin, Lin and Weng 2007 for the safe Newton steps. Convention: as scikit-learn's `method='sigmoid'` on `decision_function`, with
 * slope and intercept of the other sign.
 */
export function fitPlatt(scores: Numbers, labels: Numbers, weights?: Numbers): PlattCalibration {
  checkRows(scores, labels, weights)
  refuseNotFinite('scores', scores)
  let hits = 0
  let misses = 0
  for (let i = 0; i < labels.length; i++) {
    hits += (weights?.[i] ?? 1) * labels[i]
    misses += (weights?.[i] ?? 1) * (1 - labels[i])
  }
  const [high, low] = [(hits + 1) / (hits + 2), 1 / (misses + 2)]
  const smooth = Float64Array.from(labels, (y) => low + y * (high - low))
  const { intercept, weights: slopes } = fitLogistic([scores], smooth, { weights })
  return { kind: 'platt', slope: slopes[0], intercept }
}

/**
 * Beta calibration of probabilities: three parameters, so that it can bend either way and leave what is calibrated as it is. `a` and `b` are at least 0.
 *
 * Shapes and errors as `fitPlatt`, `chances` in [0, 1]. Source: Kull, Silva Filho and Flach 2017. Convention: `betacal`'s `parameters='abm'`, its `m` given by `c`.
 */
export function fitBeta(chances: Numbers, labels: Numbers, weights?: Numbers): BetaCalibration {
  checkRows(chances, labels, weights)
  refuseNotProbability('chances', chances)
  const held = Float64Array.from(chances, hold)
  const columns = [held.map(logFast), held.map((p) => -logFast(1 - p))]
  const fit = fitLogistic(columns, labels, { weights, notNegative: true })
  return { kind: 'beta', a: fit.weights[0], b: fit.weights[1], c: fit.intercept }
}

function checkRows(values: Numbers, labels: Numbers, weights?: Numbers): void {
  requireRows('the calibration', values.length)
  requireLength('labels', labels, values.length)
  refuseNotProbability('labels', labels)
  if (!weights) return
  requireLength('weights', weights, values.length)
  refuseNotWeight('weights', weights)
}

function hold(p: number): number {
  return Math.max(CHANCE_MIN, Math.min(1 - CHANCE_MIN, p))
}

/** Calibrated probability of a probability. NaN gives NaN. */
export function applySigmoidCalibration(map: PlattCalibration | BetaCalibration, p: number): number {
  if (Number.isNaN(p)) return p
  const [up, down] = [logFast(hold(p)), logFast(1 - hold(p))]
  const score =
    map.kind === 'platt' ? map.slope * (up - down) + map.intercept : map.a * up - map.b * down + map.c
  return 1 / (1 + expFast(Math.max(-60, Math.min(60, -score))))
}
