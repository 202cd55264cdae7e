/** Logistic and linear regression on a few columns: what calibration maps and combiners of models are fitted by. */
import { expFast } from './exp.ts'
import {
  type Numbers,
  refuseNotFinite,
  refuseNotProbability,
  refuseNotWeight,
  requireLength,
  requireRows,
} from './inputs.ts'
import { log1pFast } from './log.ts'

export interface FewFit {
  intercept: number
  /** One a column. */
  weights: Float64Array
}

export interface FewOptions {
  /** One a row, >= 0. Default: 1 each. */
  weights?: Numbers
  /** Weights of columns are at least 0. Default false. */
  notNegative?: boolean
  /** Penalty `ridge / 2 * |weights - towards|^2` beside the sum of losses; the intercept is free. Default 0. */
  ridge?: number
  /** Default: 0 each. */
  towards?: Numbers
}

interface Problem {
  columns: readonly Numbers[]
  target: Numbers
  loss: 'logistic' | 'squares'
  options: FewOptions
}

const STEPS_MAX = 100
/** Added to curvatures, as a share of the largest: columns that are linear in others share their weight. */
const RIDGE_MIN = 1e-12

/**
 * `P(y = 1) = 1 / (1 + exp(-(intercept + weights · columns)))` of least weighted log loss, by Newton's method with halved steps.
 *
 * Shapes: columns `[k][n]`, target `[n]` in [0, 1], all finite. With `notNegative` columns whose weight would be below 0 have 0.
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE. Cost: O(n k^2) a step, about eight steps. Plain arithmetic: the same bits everywhere.
 */
export function fitLogistic(columns: readonly Numbers[], target: Numbers, options: FewOptions = {}): FewFit {
  checkInputs(columns, target, options)
  refuseNotProbability('target', target)
  return fitActive({ columns, target, loss: 'logistic', options })
}

/** The same of least squares. */
export function fitSquares(columns: readonly Numbers[], target: Numbers, options: FewOptions = {}): FewFit {
  checkInputs(columns, target, options)
  refuseNotFinite('target', target)
  return fitActive({ columns, target, loss: 'squares', options })
}

function checkInputs(columns: readonly Numbers[], target: Numbers, { weights }: FewOptions): void {
  requireRows('the fit', target.length)
  columns.forEach((column, j) => {
    requireLength(`column ${j}`, column, target.length)
    refuseNotFinite(`column ${j}`, column)
  })
  if (!weights) return
  requireLength('weights', weights, target.length)
  refuseNotWeight('weights', weights)
}

/** Fits with all columns, and takes the one with the lowest weight below 0 out until there is none; one whose loss would still fall comes back once. */
function fitActive(problem: Problem): FewFit {
  const { columns, options } = problem
  let active = columns.map((_, j) => j)
  const returned = new Set<number>()
  for (;;) {
    const fit = newton(problem, active)
    if (!options.notNegative) return fit
    const lowest = active.reduce((low, j) => (fit.weights[j] < fit.weights[low] ? j : low), active[0] ?? 0)
    if (active.length > 0 && fit.weights[lowest] < 0) {
      active = active.filter((j) => j !== lowest)
      continue
    }
    const missed = columns.findIndex(
      (_, j) => !active.includes(j) && !returned.has(j) && slopeAt(problem, fit, j) < -1e-9,
    )
    if (missed < 0) return fit
    returned.add(missed)
    active = [...active, missed].sort((a, b) => a - b)
  }
}

function scoreOf({ columns }: Problem, { intercept, weights }: FewFit, i: number): number {
  let sum = intercept
  for (let j = 0; j < columns.length; j++) if (weights[j] !== 0) sum += weights[j] * columns[j][i]
  return sum
}

function chanceOf(s: number): number {
  return 1 / (1 + expFast(Math.max(-60, Math.min(60, -s))))
}

/** Derivative of the whole loss by the weight of a column. */
function slopeAt(problem: Problem, fit: FewFit, j: number): number {
  const { columns, target, loss, options } = problem
  let slope = (options.ridge ?? 0) * (fit.weights[j] - (options.towards?.[j] ?? 0))
  for (let i = 0; i < target.length; i++) {
    const s = scoreOf(problem, fit, i)
    slope +=
      (options.weights?.[i] ?? 1) * ((loss === 'squares' ? s : chanceOf(s)) - target[i]) * columns[j][i]
  }
  return slope
}

function lossOf(problem: Problem, fit: FewFit, active: readonly number[]): number {
  const { target, loss, options } = problem
  let sum = 0
  for (const j of active)
    sum += ((options.ridge ?? 0) / 2) * (fit.weights[j] - (options.towards?.[j] ?? 0)) ** 2
  for (let i = 0; i < target.length; i++) {
    const s = scoreOf(problem, fit, i)
    const row =
      loss === 'squares'
        ? 0.5 * (s - target[i]) ** 2
        : Math.max(s, 0) - s * target[i] + log1pFast(expFast(-Math.min(60, Math.abs(s))))
    sum += (options.weights?.[i] ?? 1) * row
  }
  return sum
}

function newton(problem: Problem, active: readonly number[]): FewFit {
  let fit: FewFit = { intercept: 0, weights: new Float64Array(problem.columns.length) }
  let loss = lossOf(problem, fit, active)
  for (let step = 0; step < STEPS_MAX; step++) {
    const move = solve(...curveAt(problem, fit, active))
    let moved = false
    for (let scale = 1; scale > 1e-10; scale /= 2) {
      const next = { intercept: fit.intercept + scale * move[0], weights: fit.weights.slice() }
      active.forEach((j, a) => {
        next.weights[j] += scale * move[a + 1]
      })
      const nextLoss = lossOf(problem, next, active)
      if (!(nextLoss <= loss)) continue
      moved = loss - nextLoss > 1e-14 * Math.abs(loss)
      loss = nextLoss
      fit = next
      break
    }
    if (!moved) return fit
  }
  return fit
}

/** Curvature `[k + 1][k + 1]` by rows and the step's right side, intercept first. */
function curveAt(problem: Problem, fit: FewFit, active: readonly number[]): [number[][], number[]] {
  const { columns, target, loss, options } = problem
  const size = active.length + 1
  const curve = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  const right = new Array<number>(size).fill(0)
  const x = new Float64Array(size)
  for (let i = 0; i < target.length; i++) {
    const w = options.weights?.[i] ?? 1
    const s = scoreOf(problem, fit, i)
    const p = loss === 'squares' ? s : chanceOf(s)
    const h = loss === 'squares' ? w : w * p * (1 - p)
    x[0] = 1
    for (let a = 1; a < size; a++) x[a] = columns[active[a - 1]][i]
    for (let a = 0; a < size; a++) {
      right[a] -= w * (p - target[i]) * x[a]
      for (let b = 0; b <= a; b++) curve[a][b] += h * x[a] * x[b]
    }
  }
  const top = Math.max(...curve.map((row, a) => row[a]))
  for (let a = 0; a < size; a++) {
    for (let b = a + 1; b < size; b++) curve[a][b] = curve[b][a]
    curve[a][a] += RIDGE_MIN * top + (a > 0 ? (options.ridge ?? 0) : 0)
    if (a > 0)
      right[a] -=
        (options.ridge ?? 0) * (fit.weights[active[a - 1]] - (options.towards?.[active[a - 1]] ?? 0))
  }
  return [curve, right]
}

/** Gauss with row exchange. Columns without curvature get 0. */
export function solve(rows: number[][], right: number[]): number[] {
  const n = right.length
  for (let col = 0; col < n; col++) {
    let pivot = col
    for (let row = col + 1; row < n; row++)
      if (Math.abs(rows[row][col]) > Math.abs(rows[pivot][col])) pivot = row
    ;[rows[col], rows[pivot]] = [rows[pivot], rows[col]]
    ;[right[col], right[pivot]] = [right[pivot], right[col]]
    if (rows[col][col] === 0) continue
    for (let row = col + 1; row < n; row++) {
      const factor = rows[row][col] / rows[col][col]
      for (let k = col; k < n; k++) rows[row][k] -= factor * rows[col][k]
      right[row] -= factor * right[col]
    }
  }
  for (let row = n - 1; row >= 0; row--) {
    for (let k = row + 1; k < n; k++) right[row] -= rows[row][k] * right[k]
    right[row] = rows[row][row] === 0 ? 0 : right[row] / rows[row][row]
  }
  return right
}
