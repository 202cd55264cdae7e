/** Checks of rows that learners share. */
import { MillraceError } from '../core/errors.ts'
import type { LearnRows } from './learner.ts'

const TARGETS = {
  number: { expected: 'a finite number', allows: Number.isFinite },
  probability: { expected: 'from 0 to 1', allows: (y: number) => y >= 0 && y <= 1 },
  count: {
    expected: 'finite and not negative',
    allows: (y: number) => y >= 0 && y < Number.POSITIVE_INFINITY,
  },
  /** Codes of classes. */
  class: { expected: 'a code of a class', allows: (y: number) => Number.isInteger(y) && y >= 0 },
} as const

export type TargetKind = keyof typeof TARGETS

/**
 * Refuses rows that nothing can be learned from: none, columns of other lengths, weights and targets out of range, and, for probabilities and classes, a target
 * that is the same in all rows that count. Errors: MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_WEIGHT, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS.
 */
export function checkRowsToLearn(rows: LearnRows, kind: TargetKind, { oneClass = false } = {}): void {
  const { nRows, columns, target, weights } = rows
  if (nRows < 1) throw new MillraceError('MR_MODEL_NO_ROWS', { need: 1, got: nRows })
  checkLengths(nRows, [['target', target], ...columns.map((c, j) => [`column ${j}`, c] as const)])
  if (weights) {
    checkLengths(nRows, [['weights', weights]])
    checkWeights(weights)
  }
  const { allows, expected } = TARGETS[kind]
  const row = target.findIndex((y) => !allows(y))
  if (row >= 0) throw new MillraceError('MR_MODEL_TARGET', { row, expected, got: String(target[row]) })
  if (!oneClass && (kind === 'probability' || kind === 'class')) checkClasses(target, weights, kind)
}

function checkLengths(nRows: number, arrays: readonly (readonly [string, Float64Array])[]): void {
  for (const [what, { length }] of arrays)
    if (length !== nRows) throw new MillraceError('MR_MODEL_SHAPE', { what, expected: nRows, got: length })
}

function checkWeights(weights: Float64Array): void {
  const row = weights.findIndex((w) => !(w >= 0 && w < Number.POSITIVE_INFINITY))
  if (row >= 0) throw new MillraceError('MR_MODEL_WEIGHT', { row, got: String(weights[row]) })
  if (!weights.some((w) => w > 0))
    throw new MillraceError('MR_MODEL_WEIGHT', { row: 0, got: 'all weights 0' })
}

/** Probabilities between 0 and 1 are both classes at once. */
function checkClasses(target: Float64Array, weights: Float64Array | undefined, kind: TargetKind): void {
  const first = target.find((_, i) => !weights || weights[i] > 0) as number
  if (kind === 'probability' && first > 0 && first < 1) return
  if (target.every((y, i) => y === first || weights?.[i] === 0))
    throw new MillraceError('MR_MODEL_ONE_CLASS', { value: first, rows: target.length })
}
