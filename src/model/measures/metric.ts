/** What a metric is, and what metrics are made of. */
import type { Measured, ModelTask } from '../../core/records.ts'

/** How much worse a second model is on the same rows: above 0 it is worse, whichever way the metric runs. */
export interface Worsening {
  value: number
  interval: [number, number]
  n: number
}

/**
 * A measure of outputs against targets. Outputs are `[n * width]`, row by row: one number a row, or one probability a class, whose targets are the codes of
 * the classes. `groups` are the rows at which groups begin, ascending from 0, where a model ranks.
 */
export interface Metric {
  name: string
  task: ModelTask
  higherIsBetter: boolean
  /** Value with a 95 % interval. NaN when it is not defined on these rows (one class, no rows). */
  of(outputs: Float64Array, targets: Float64Array, groups?: Int32Array): Measured
  /** The value alone, for metrics whose interval costs far more. */
  point?(outputs: Float64Array, targets: Float64Array): number
  /** Values without the rows of each fold in turn, where that costs less than asking for each. */
  without?(outputs: Float64Array, targets: Float64Array, fold: Int32Array, folds: number): Float64Array
  /** Loss of each row, or of each group, for metrics that are a function of its mean: what paired comparisons need. */
  losses?(outputs: Float64Array, targets: Float64Array, groups?: Int32Array): Float64Array
  /** From a difference of mean losses to the unit of the metric, increasing; undefined where the rows have none. Default: as it is. */
  scale?(baseLoss: number, targets: Float64Array): ((delta: number) => number) | undefined
  /** A comparison of its own, where a metric is no mean of losses. */
  worsening?(base: Float64Array, candidate: Float64Array, targets: Float64Array): Worsening | undefined
}

export const Z95 = 1.959963984540054

export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

/** Mean squared distance from the mean. */
export function varianceOf(values: ArrayLike<number>): number {
  const centre = mean(values)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] - centre) ** 2
  return sum / values.length
}

export function withError(value: number, error: number, n: number): Measured {
  return { value, interval: [value - Z95 * error, value + Z95 * error], n }
}

type Losses = NonNullable<Metric['losses']>

/** Mean of losses with its normal interval. */
export function meanOf(losses: Losses): Metric['of'] {
  return (outputs, targets, groups) => {
    const each = losses(outputs, targets, groups)
    const n = each.length
    if (n === 0) return { value: Number.NaN, n }
    return withError(mean(each), Math.sqrt(varianceOf(each) / Math.max(1, n - 1)), n)
  }
}

/** Losses of rows with one output each. */
export function eachRow(loss: (output: number, target: number) => number): Losses {
  return (outputs, targets) => outputs.map((o, i) => loss(o, targets[i]))
}

/** Groups that the jackknife leaves out one by one. */
export const JACKKNIFE_GROUPS = 50

/** Half the width of a 95 % interval, from the values without each group. NaN when one of them is. */
export function jackknifeHalf(left: number[]): number {
  return Z95 * Math.sqrt((left.length - 1) * varianceOf(left))
}
