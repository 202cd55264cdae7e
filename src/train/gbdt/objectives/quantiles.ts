import { selectInPlace } from '../../../stats/order.ts'
import type { Weights } from './objective.ts'

/**
 * The value below which a share `alpha` of the weight lies. Type 2 of Hyndman and Fan (1996): the smallest value with more than that share at or below
 * it, and where a value has exactly that share, the mean of it and the next. So weight 2 is the same as a row twice, and `alpha` 0.5 is the median.
 *
 * Shapes: `values [n]`, `weights [n]`, n >= 1. Reorders `values` when there are no weights. Cost: O(n) on average without weights, else O(n log n).
 */
export function quantile(values: Float64Array, weights: Weights, alpha: number): number {
  return weights ? weightedQuantile(values, weights, alpha) : plainQuantile(values, alpha)
}

function plainQuantile(values: Float64Array, alpha: number): number {
  const n = values.length
  const below = n * alpha
  const whole = Math.round(below)
  const isStep = Math.abs(below - whole) < 1e-9 * n && whole >= 1 && whole < n
  const k = isStep ? whole - 1 : Math.min(n - 1, Math.floor(below))
  const value = selectInPlace(values, k)
  return isStep ? (value + least(values, k + 1)) / 2 : value
}

function least(values: Float64Array, from: number): number {
  let low = values[from]
  for (let i = from + 1; i < values.length; i++) if (values[i] < low) low = values[i]
  return low
}

function weightedQuantile(values: Float64Array, weights: Float64Array, alpha: number): number {
  const order = Uint32Array.from(values.keys()).filter((i) => weights[i] > 0)
  order.sort((a, b) => values[a] - values[b] || a - b)
  let total = 0
  for (const i of order) total += weights[i]
  const goal = total * alpha
  let below = 0
  for (let at = 0; at < order.length; at++) {
    below += weights[order[at]]
    const isStep = Math.abs(below - goal) < 1e-9 * total && at + 1 < order.length
    if (isStep) return (values[order[at]] + values[order[at + 1]]) / 2
    if (below > goal) return values[order[at]]
  }
  return order.length > 0 ? values[order[order.length - 1]] : 0
}
