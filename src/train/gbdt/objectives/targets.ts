/** What targets may be, and the constants that fit them best. */
import { MillraceError } from '../../../core/errors.ts'
import type { Labels, Weights } from './objective.ts'

/** Errors: MR_MODEL_TARGET at the first row that does not hold. */
function checkEach(target: Float64Array, holds: (y: number) => boolean, expected: string): void {
  const row = target.findIndex((y) => !holds(y))
  if (row >= 0) throw new MillraceError('MR_MODEL_TARGET', { row, expected, got: String(target[row]) })
}

export function checkFinite({ target }: Labels): void {
  checkEach(target, Number.isFinite, 'a finite number')
}

export function checkShares({ target }: Labels): void {
  checkEach(target, (y) => y >= 0 && y <= 1, 'from 0 to 1')
}

export function checkNotNegative({ target }: Labels): void {
  checkEach(target, (y) => y >= 0 && y < Number.POSITIVE_INFINITY, 'a finite number of at least 0')
}

export function checkPositive({ target }: Labels): void {
  checkEach(target, (y) => y > 0 && y < Number.POSITIVE_INFINITY, 'a finite number above 0')
}

/** Codes of classes, `0` to `nClasses - 1`. */
export function checkCodes({ target }: Labels, nClasses: number): void {
  const expected = `the code of a class, an integer from 0 to ${nClasses - 1}`
  checkEach(target, (y) => y >= 0 && y < nClasses && Number.isInteger(y), expected)
}

/** A mean that a logarithm can be taken of. */
export function checkMeanAboveZero({ target, weights }: Labels): void {
  if (weightedMean(target, weights) > 0) return
  throw new MillraceError('MR_MODEL_TARGET', {
    row: 0,
    expected: 'above 0, or any other row of positive weight',
    got: String(target[0]),
  })
}

/** Mean around the first value, so that a large offset costs no digits. */
export function weightedMean(values: Float64Array, weights: Weights): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < values.length; i++) {
    const w = weights ? weights[i] : 1
    sum += w * (values[i] - values[0])
    total += w
  }
  return values[0] + sum / total
}

/** Halvings of the range of targets in which a best constant is sought: more than a double has bits. */
const HALVINGS = 60

/** The constant at which a convex loss has no slope, where `gradient(constant - y)` rises with its argument. Cost: 60 passes over the rows. */
export function flatPoint({ target, weights }: Labels, gradient: (x: number) => number): number {
  let low = target.reduce((a, b) => Math.min(a, b))
  let high = target.reduce((a, b) => Math.max(a, b))
  for (let step = 0; step < HALVINGS && low < high; step++) {
    const middle = low / 2 + high / 2
    let slope = 0
    for (let i = 0; i < target.length; i++) slope += (weights ? weights[i] : 1) * gradient(middle - target[i])
    if (slope > 0) high = middle
    else low = middle
  }
  return low / 2 + high / 2
}
