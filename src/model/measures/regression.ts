/** Metrics of models that say a number. */
import type { Measured } from '../../core/records.ts'
import { r2 } from '../../stats/metrics.ts'
import { eachRow, type Metric, mean, meanOf, varianceOf, withError } from './metric.ts'

const squared = (output: number, target: number) => (output - target) ** 2
const squares = eachRow(squared)
const distances = eachRow((output, target) => Math.abs(output - target))

export const REGRESSION_METRICS: Metric[] = [
  {
    name: 'rmse',
    task: 'regression',
    higherIsBetter: false,
    of: rmseOf,
    losses: squares,
    scale: (baseLoss) => {
      const error = Math.sqrt(baseLoss)
      return (delta) => (Math.sqrt(Math.max(0, baseLoss + delta)) - error) / (error || 1)
    },
  },
  {
    name: 'mae',
    task: 'regression',
    higherIsBetter: false,
    of: meanOf(distances),
    losses: distances,
    scale: (baseLoss) => (delta) => delta / (baseLoss || 1),
  },
  {
    name: 'r2',
    task: 'regression',
    higherIsBetter: true,
    of: r2Of,
    losses: squares,
    scale: (_, targets) => {
      const spread = varianceOf(targets)
      return spread === 0 ? undefined : (delta) => delta / spread
    },
  },
]

/** Root of the mean squared error; the interval is that of the mean, through the root. */
function rmseOf(outputs: Float64Array, targets: Float64Array): Measured {
  const { value, interval, n } = meanOf(squares)(outputs, targets)
  if (n === 0) return { value, n }
  const [low, high] = interval as [number, number]
  return { value: Math.sqrt(value), interval: [Math.sqrt(Math.max(0, low)), Math.sqrt(high)], n }
}

/** Share of variance explained, with the normal interval of its linearisation: a row moves it by `(share × (y - ȳ)² - e²) / variance`. */
function r2Of(outputs: Float64Array, targets: Float64Array): Measured {
  const n = targets.length
  const spread = n < 2 ? 0 : varianceOf(targets)
  if (spread === 0) return { value: Number.NaN, n }
  const value = r2(outputs, targets)
  const centre = mean(targets)
  const influence = outputs.map(
    (o, i) => ((1 - value) * (targets[i] - centre) ** 2 - squared(o, targets[i])) / spread,
  )
  return withError(value, Math.sqrt(varianceOf(influence) / n), n)
}
