/** Classes: how many there are, how often each occurs, and what each weighs. */
import { MillraceError } from '../../../core/errors.ts'
import type { ClassWeights } from '../../../define/boost-objectives.ts'
import type { Labels, Weights } from './objective.ts'

/** Class weights that are not by label: in the order of the classes. */
export type ListedWeights = 'none' | 'balanced' | readonly number[]

/** Classes at most: each is a tree a round, and a column of scores, gradients and hessians in memory. */
export const CLASSES_MAX = 1_000

/** Number of classes: as told, else one more than the largest code. Errors: MR_MODEL_CLASSES. */
export function countClasses({ target }: Labels, told: number): number {
  let largest = 0
  for (let i = 0; i < target.length; i++)
    if (target[i] > largest && Number.isInteger(target[i])) largest = target[i]
  const nClasses = told > 0 ? told : largest + 1
  if (nClasses > CLASSES_MAX) throw new MillraceError('MR_MODEL_CLASSES', { max: CLASSES_MAX, got: nClasses })
  return Math.max(2, nClasses)
}

/** Weight of each class's rows. Shapes: `target` codes `[n]`; returns `[nClasses]`. */
export function classTotals(target: Float64Array, weights: Weights, nClasses: number): Float64Array {
  const totals = new Float64Array(nClasses)
  for (let i = 0; i < target.length; i++) totals[target[i]] += weights ? weights[i] : 1
  return totals
}

/** Errors: MR_MODEL_ONE_CLASS unless two classes have weight. */
export function requireTwoClasses(totals: Float64Array, rows: number): void {
  if (totals.filter((total) => total > 0).length >= 2) return
  const value = totals.findIndex((total) => total > 0)
  throw new MillraceError('MR_MODEL_ONE_CLASS', { value, rows })
}

/**
 * Class weights that give each class that occurs the same total: `all / (classes that occur * of the class)`, so that the mean row weighs 1. A class that
 * does not occur gets 1. Convention: scikit-learn's `class_weight='balanced'` (King and Zeng, 2001).
 */
export function balancedClassWeights(totals: Float64Array): Float64Array {
  const present = totals.filter((total) => total > 0)
  const all = present.reduce((sum, total) => sum + total, 0)
  return totals.map((total) => (total > 0 ? all / (present.length * total) : 1))
}

/** Weights of classes as a parameter says; `null` when all weigh the same. Errors: MR_MODEL_PARAM. */
export function classWeightsOf(classWeights: ClassWeights, totals: Float64Array): Float64Array | null {
  if (classWeights === 'none') return null
  if (classWeights === 'balanced') return balancedClassWeights(totals)
  if (!Array.isArray(classWeights) || classWeights.length !== totals.length) {
    const expected = `${totals.length} numbers, one a class`
    throw new MillraceError('MR_MODEL_PARAM', {
      param: 'classWeights',
      expected,
      got: JSON.stringify(classWeights),
    })
  }
  return Float64Array.from(classWeights)
}

/** Labels with each row's weight times that of its class. */
export function withClassWeights(labels: Labels, ofClass: Float64Array | null): Labels {
  if (ofClass === null) return labels
  const { target, weights } = labels
  return { ...labels, weights: target.map((y, i) => ofClass[y] * (weights ? weights[i] : 1)) }
}

/** Weighing the terms of a log loss by `a` and `b` is the same as the weight `a (1 - y) + b y` and the target `b y` over it. */
export function weighTerms(
  target: Float64Array,
  weights: Float64Array | null,
  [ofZero, ofOne]: Float64Array | readonly [number, number],
): { target: Float64Array; weights: Float64Array } {
  const factors = target.map((y) => (y >= 0 && y <= 1 ? ofOne * y + ofZero * (1 - y) : 1))
  return {
    target: target.map((y, i) => (y > 0 && y < 1 && factors[i] > 0 ? (ofOne * y) / factors[i] : y)),
    weights: factors.map((factor, i) => factor * (weights ? weights[i] : 1)),
  }
}
