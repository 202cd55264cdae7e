/** Metrics by name: what cards, gates, canaries and windows compute from outputs and targets. */
import { assert } from '../core/errors.ts'
import type { Histogram, Measured, ModelTask } from '../core/records.ts'
import { seededRng } from '../core/rng.ts'
import { cellsEce, countScores } from '../stats/counts.ts'
import { bootstrapInterval, CELL_STATISTICS } from '../stats/counts-bootstrap.ts'
import { aucInterval, pairedAucDelta } from '../stats/delong.ts'
import { buildNumericHistogram, quantileEdges, uniformEdges } from '../stats/histogram.ts'
import { wilson } from '../stats/intervals.ts'
import { r2, rowLogLoss } from '../stats/metrics.ts'
import { ascendingOrder } from '../stats/order.ts'
import { pairedDelta } from '../stats/paired.ts'

export interface Metric {
  name: string
  task: ModelTask
  higherIsBetter: boolean
  /** Value with a 95 % interval. NaN when it is not defined on these rows (one class, no rows). */
  of(outputs: Float64Array, targets: Float64Array): Measured
  /** The value alone, for metrics whose interval costs far more. */
  point?(outputs: Float64Array, targets: Float64Array): number
  /** Loss of one row, for metrics that are a function of its mean: what paired comparisons need. */
  rowLoss?(output: number, target: number): number
}

const Z95 = 1.959963984540054
/** Bins of the references that drift is measured against. */
export const REFERENCE_BINS = 20
/** Groups that the jackknife leaves out one by one. */
const JACKKNIFE_GROUPS = 50

/** Score bins over which calibration error is computed. */
const CALIBRATION_BINS = 200

const squared = (output: number, target: number) => (output - target) ** 2
const absolute = (output: number, target: number) => Math.abs(output - target)
const wrong = (output: number, target: number) => (output >= 0.5 === (target === 1) ? 0 : 1)

const ALL: Metric[] = [
  { name: 'auc', task: 'binary', higherIsBetter: true, of: aucOf },
  { name: 'logLoss', task: 'binary', higherIsBetter: false, of: meanLoss(rowLogLoss), rowLoss: rowLogLoss },
  { name: 'brier', task: 'binary', higherIsBetter: false, of: meanLoss(squared), rowLoss: squared },
  {
    name: 'calibrationError',
    task: 'binary',
    higherIsBetter: false,
    of: calibrationErrorOf,
    point: (outputs, targets) => cellsEce(countScores(outputs, targets, CALIBRATION_BINS)),
  },
  {
    name: 'averagePrecision',
    task: 'binary',
    higherIsBetter: true,
    of: averagePrecisionOf,
    point: (outputs, targets) => averagePrecision(ascendingOrder(outputs), outputs, targets),
  },
  { name: 'accuracy', task: 'binary', higherIsBetter: true, of: accuracyOf, rowLoss: wrong },
  { name: 'rmse', task: 'regression', higherIsBetter: false, of: rmseOf, rowLoss: squared },
  { name: 'mae', task: 'regression', higherIsBetter: false, of: meanLoss(absolute), rowLoss: absolute },
  { name: 'r2', task: 'regression', higherIsBetter: true, of: r2Of, rowLoss: squared },
]

/** Metrics of outputs and targets. What a model costs (latency, size) is not among them. */
export const METRICS: ReadonlyMap<string, Metric> = new Map(ALL.map((metric) => [metric.name, metric]))

/** The metric of a name that `checkProject` has let through. */
export function metricOf(name: string): Metric {
  const metric = METRICS.get(name)
  assert(metric, `metric "${name}" is known; known: ${[...METRICS.keys()].join(', ')}`)
  return metric
}

/** What paired comparisons use for a task: log loss ranks and calibrates at once; squared error is the mean's own loss. */
export const LOSS_OF: Record<ModelTask, string> = {
  binary: 'logLoss',
  regression: 'rmse',
  multiclass: 'crossEntropy',
  ranking: 'ndcg',
}
/** What a card and the console lead with. */
export const LEAD_OF: Record<ModelTask, string> = {
  binary: 'auc',
  regression: 'rmse',
  multiclass: 'macroAuc',
  ranking: 'ndcg',
}

/** All metrics of a task, as they go into records: a metric that is not defined on these rows is 0 with 0 rows of evidence. */
export function measureAll(
  task: ModelTask,
  outputs: Float64Array,
  targets: Float64Array,
): Record<string, Measured> {
  return Object.fromEntries(
    ALL.filter((m) => m.task === task).map((m) => [
      m.name,
      recordable(m.of(outputs, targets)) ?? { value: 0, n: 0 },
    ]),
  )
}

/** A measured value that a record can hold: without an interval that is not finite; undefined when the value itself is not. */
export function recordable({ value, interval, n }: Measured): Measured | undefined {
  if (!Number.isFinite(value)) return undefined
  return interval?.every(Number.isFinite) ? { value, interval, n } : { value, n }
}

/** Distribution of outputs, the reference of prediction drift: probabilities over equal bins, values over bins of about equal counts. */
export function scoreHistogram(task: ModelTask, outputs: Float64Array): Histogram {
  return buildNumericHistogram(
    outputs,
    task === 'binary' || outputs.length === 0
      ? uniformEdges(0, 1, REFERENCE_BINS)
      : quantileEdges(outputs, REFERENCE_BINS),
  )
}

// ---------------------------------------------------------------- two models on the same rows

export interface Worsening {
  /** How much worse the second model is: above 0 it is worse, whichever way the metric runs. */
  value: number
  interval: [number, number]
  n: number
}

/**
 * How much worse `candidate` is than `base` on the same rows, with a 95 % interval of the paired difference.
 *
 * Unit: that of the metric; for errors in the unit of the target (RMSE, MAE) the share of the base model's error, so that a tolerance means the
 * same whatever is predicted. Undefined where the rows allow no comparison: fewer than 2 rows, or one class where two are needed.
 * AUC by DeLong; metrics with a row loss by the paired t interval; others by a jackknife over 50 groups of every 50th row.
 */
export function worsening(
  metric: Metric,
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
): Worsening | undefined {
  if (targets.length < 2) return undefined
  if (metric.name === 'auc') return aucWorsening(base, candidate, targets)
  if (metric.rowLoss) return lossWorsening(metric, metric.rowLoss, base, candidate, targets)
  const value = metric.point ?? ((o: Float64Array, t: Float64Array) => metric.of(o, t).value)
  const sign = metric.higherIsBetter ? 1 : -1
  return jackknifed((b, c, t) => sign * (value(b, t) - value(c, t)), [base, candidate, targets])
}

function aucWorsening(
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
): Worsening | undefined {
  if (!bothClasses(targets)) return undefined
  const { value, interval, n } = pairedAucDelta(base, candidate, targets)
  const [low, high] = interval as [number, number]
  return { value: -value, interval: [-high, -low], n }
}

function lossWorsening(
  metric: Metric,
  rowLoss: NonNullable<Metric['rowLoss']>,
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
): Worsening | undefined {
  const losses = (outputs: Float64Array) => outputs.map((o, i) => rowLoss(o, targets[i]))
  const baseLosses = losses(base)
  const { value, interval, n } = pairedDelta(baseLosses, losses(candidate))
  const scale = scaleOf(metric.name, mean(baseLosses), targets)
  if (scale === undefined) return undefined
  const [low, high] = interval as [number, number]
  return { value: scale(value), interval: [scale(low), scale(high)], n }
}

/** From a difference of mean losses to the unit of the metric; increasing, so interval ends stay ends. */
function scaleOf(
  name: string,
  baseLoss: number,
  targets: Float64Array,
): ((delta: number) => number) | undefined {
  if (name === 'rmse') {
    const error = Math.sqrt(baseLoss)
    return (delta) => (Math.sqrt(Math.max(0, baseLoss + delta)) - error) / (error || 1)
  }
  if (name === 'mae') return (delta) => delta / (baseLoss || 1)
  if (name !== 'r2') return (delta) => delta
  const spread = varianceOf(targets)
  return spread === 0 ? undefined : (delta) => delta / spread
}

/**
 * Value of a statistic of rows with the interval of a delete-a-group jackknife. Undefined when it is not defined, with or without some group.
 * Source: Shao and Tu, 1995, "The Jackknife and Bootstrap", section 2.3.
 */
function jackknifed(
  statistic: (...columns: Float64Array[]) => number,
  columns: Float64Array[],
): Worsening | undefined {
  const n = columns[0].length
  const groups = Math.min(JACKKNIFE_GROUPS, n)
  const value = statistic(...columns)
  const left = Array.from({ length: groups }, (_, g) =>
    statistic(...columns.map((column) => column.filter((_, i) => i % groups !== g))),
  )
  const half = jackknifeHalf(left)
  return Number.isFinite(value + half) ? { value, interval: [value - half, value + half], n } : undefined
}

/** Half the width of a 95 % interval, from the values without each group. NaN when one of them is. */
function jackknifeHalf(left: number[]): number {
  return Z95 * Math.sqrt((left.length - 1) * varianceOf(left))
}

// ---------------------------------------------------------------- single metrics

/** Mean of a loss over rows with its normal interval. */
function meanLoss(loss: (output: number, target: number) => number): Metric['of'] {
  return (outputs, targets) => {
    const n = outputs.length
    if (n === 0) return { value: Number.NaN, n }
    const losses = outputs.map((o, i) => loss(o, targets[i]))
    return withError(mean(losses), Math.sqrt(varianceOf(losses) / Math.max(1, n - 1)), n)
  }
}

function withError(value: number, error: number, n: number): Measured {
  return { value, interval: [value - Z95 * error, value + Z95 * error], n }
}

function bothClasses(targets: Float64Array): boolean {
  return targets.includes(0) && targets.includes(1)
}

function aucOf(outputs: Float64Array, targets: Float64Array): Measured {
  if (!bothClasses(targets)) return { value: Number.NaN, n: targets.length }
  const { value, interval, n } = aucInterval(outputs, targets)
  return { value, interval, n }
}

function calibrationErrorOf(outputs: Float64Array, targets: Float64Array): Measured {
  if (outputs.length === 0) return { value: Number.NaN, n: 0 }
  const { value, interval, n } = bootstrapInterval(
    countScores(outputs, targets, CALIBRATION_BINS),
    CELL_STATISTICS.ece,
    {
      rng: seededRng(1),
      replicates: 100,
    },
  )
  return { value, interval, n }
}

/** Share of right answers at 0.5, with Wilson's interval. */
function accuracyOf(outputs: Float64Array, targets: Float64Array): Measured {
  const n = outputs.length
  if (n === 0) return { value: Number.NaN, n }
  const right = outputs.reduce((sum, o, i) => sum + 1 - wrong(o, targets[i]), 0)
  const { value, interval } = wilson(right, n)
  return { value, interval, n }
}

/** Average precision with the interval of a jackknife; rows are sorted once. */
function averagePrecisionOf(outputs: Float64Array, targets: Float64Array): Measured {
  const n = outputs.length
  if (!bothClasses(targets)) return { value: Number.NaN, n }
  const order = ascendingOrder(outputs)
  const groups = Math.min(JACKKNIFE_GROUPS, n)
  const value = averagePrecision(order, outputs, targets)
  const left = Array.from({ length: groups }, (_, g) =>
    averagePrecision(order, outputs, targets, (row) => row % groups === g),
  )
  const half = jackknifeHalf(left)
  if (!Number.isFinite(half)) return { value, n }
  return { value, interval: [Math.max(0, value - half), Math.min(1, value + half)], n }
}

/**
 * Σ (recall - recall before) × precision over falling thresholds, rows of one score together (scikit-learn's convention: steps, no interpolation).
 * NaN without rows of class 1. `order` sorts the outputs upwards. Cost: O(n).
 */
function averagePrecision(
  order: ArrayLike<number>,
  outputs: Float64Array,
  targets: Float64Array,
  without: (row: number) => boolean = () => false,
): number {
  let ones = 0
  let rows = 0
  let total = 0
  for (let end = order.length, at = end; end > 0; end = at) {
    let found = 0
    for (; at > 0 && outputs[order[at - 1]] === outputs[order[end - 1]]; at--) {
      const row = order[at - 1]
      if (without(row)) continue
      rows++
      found += targets[row]
    }
    ones += found
    if (found > 0) total += found * (ones / rows)
  }
  return total / ones
}

/** Root of the mean squared error; the interval is that of the mean, through the root. */
function rmseOf(outputs: Float64Array, targets: Float64Array): Measured {
  const { value, interval, n } = meanLoss(squared)(outputs, targets)
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

function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

/** Mean squared distance from the mean. */
function varianceOf(values: ArrayLike<number>): number {
  const centre = mean(values)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] - centre) ** 2
  return sum / values.length
}
