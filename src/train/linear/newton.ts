/** Proximal Newton steps for generalised linear models with an elastic net. */
import { solveCholesky } from '../../stats/cholesky.ts'
import type { Design } from './design.ts'

export interface Penalty {
  l1: number
  l2: number
}

/** Curvature (lower triangle) and gradient of the summed loss. */
export interface Curve {
  hessian: Float64Array
  gradient: Float64Array
}

/** Slope and curvature of a row's loss, its weight included. */
export type RowCurve = (row: number) => { slope: number; curvature: number }

/** Sums over rows, whose entries lie in the order of the columns. Cost: O(nRows * perRow^2). */
export function curveOf({ nRows, width, perRow, at, value }: Design, rowCurve: RowCurve): Curve {
  const hessian = new Float64Array(width * width)
  const gradient = new Float64Array(width)
  for (let i = 0; i < nRows; i++) {
    const { slope, curvature } = rowCurve(i)
    const from = i * perRow
    for (let a = from; a < from + perRow; a++) {
      if (value[a] === 0) continue
      gradient[at[a]] += slope * value[a]
      const scaled = curvature * value[a]
      const row = at[a] * width
      for (let b = from; b <= a; b++) hessian[row + at[b]] += scaled * value[b]
    }
  }
  return { hessian, gradient }
}

export function gradientOf(
  { nRows, width, perRow, at, value }: Design,
  slopeOf: (row: number) => number,
): Float64Array {
  const gradient = new Float64Array(width)
  for (let i = 0; i < nRows; i++) {
    const slope = slopeOf(i)
    for (let a = i * perRow; a < (i + 1) * perRow; a++) gradient[at[a]] += slope * value[a]
  }
  return gradient
}

/** Raw scores of all rows. */
export function rawsOf({ nRows, perRow, at, value }: Design, beta: Float64Array): Float64Array {
  const raws = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    let sum = 0
    for (let a = i * perRow; a < (i + 1) * perRow; a++) sum += beta[at[a]] * value[a]
    raws[i] = sum
  }
  return raws
}

/** How far apart columns that are linear in others are kept, as a share of the largest curvature. */
const RIDGE = 1e-10

/** The change of the weights that the quadratic with this curve and the penalties asks for; the intercept has none. The curve is used up. */
export function stepOf(curve: Curve, beta: Float64Array, penalty: Penalty, tolerance: number): Float64Array {
  const { hessian, gradient } = curve
  const width = beta.length
  let top = 0
  for (let a = 0; a < width; a++) top = Math.max(top, hessian[a * width + a])
  for (let a = 1; a < width; a++) {
    hessian[a * width + a] += RIDGE * top + penalty.l2
    gradient[a] += penalty.l2 * beta[a]
  }
  return penalty.l1 === 0
    ? solveCholesky(
        hessian,
        gradient.map((g) => -g),
      )
    : descend(hessian, gradient, beta, penalty.l1, tolerance)
}

const SWEEPS_MAX = 10_000

/** Coordinate descent on the quadratic: each weight in turn to its best, by the soft threshold. Source: Friedman, Hastie and Tibshirani 2010. */
function descend(
  hessian: Float64Array,
  gradient: Float64Array,
  beta: Float64Array,
  l1: number,
  tolerance: number,
): Float64Array {
  const width = beta.length
  const at = (a: number, b: number) => (a >= b ? hessian[a * width + b] : hessian[b * width + a])
  const slopes = gradient.slice()
  const step = new Float64Array(width)
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    let moved = 0
    for (let a = 0; a < width; a++) {
      const curvature = at(a, a)
      if (!(curvature > 0)) continue
      const now = beta[a] + step[a]
      const best = threshold(curvature * now - slopes[a], a === 0 ? 0 : l1) / curvature
      const change = best - now
      if (change === 0) continue
      step[a] += change
      for (let b = 0; b < width; b++) slopes[b] += change * at(a, b)
      moved = Math.max(moved, Math.abs(change))
    }
    if (moved <= tolerance / 10) break
  }
  return step
}

function threshold(x: number, by: number): number {
  return x > by ? x - by : x < -by ? x + by : 0
}

/**
 * Slope of the penalised loss along a step. At a kink of the absolute value `ahead` says which side counts: the way the step goes on, or the way it came.
 */
export function slopeAlong(
  gradient: Float64Array,
  beta: Float64Array,
  step: Float64Array,
  { l1, l2 }: Penalty,
  ahead: boolean,
): number {
  let sum = 0
  for (let a = 0; a < beta.length; a++) {
    sum += gradient[a] * step[a]
    if (a === 0) continue
    sum += l2 * beta[a] * step[a]
    sum += l1 * (beta[a] === 0 ? (ahead ? 1 : -1) * Math.abs(step[a]) : Math.sign(beta[a]) * step[a])
  }
  return sum
}
