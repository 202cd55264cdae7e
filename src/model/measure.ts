/** Metrics by name: what cards, gates, canaries and windows compute from outputs and targets. */
import { assert } from '../core/errors.ts'
import type { Histogram, Measured, ModelTask } from '../core/records.ts'
import { buildNumericHistogram, quantileEdges, uniformEdges } from '../stats/histogram.ts'
import { pairedDelta } from '../stats/paired.ts'
import { BINARY_METRICS } from './measures/binary.ts'
import { likeliestOf, MULTICLASS_METRICS } from './measures/classes.ts'
import { JACKKNIFE_GROUPS, jackknifeHalf, type Metric, mean, type Worsening } from './measures/metric.ts'
import { RANKING_METRICS } from './measures/ranking.ts'
import { REGRESSION_METRICS } from './measures/regression.ts'

export type { Metric, Worsening } from './measures/metric.ts'

/** Bins of the references that drift is measured against. */
export const REFERENCE_BINS = 20

/** The metrics of each task, in the order in which they are shown. */
export const METRICS_OF: Readonly<Record<ModelTask, readonly Metric[]>> = {
  binary: BINARY_METRICS,
  regression: REGRESSION_METRICS,
  multiclass: MULTICLASS_METRICS,
  ranking: RANKING_METRICS,
}

/** Metrics of outputs and targets. What a model costs (latency, size) is not among them. Of a name that several tasks have, the first; all run the same way. */
export const METRICS: ReadonlyMap<string, Metric> = new Map(
  Object.values(METRICS_OF)
    .flat()
    .toReversed()
    .map((metric) => [metric.name, metric]),
)

/** The metric of a name that `checkProject` has let through; of a task where that is told. */
export function metricOf(name: string, task?: ModelTask): Metric {
  const metric = task === undefined ? METRICS.get(name) : METRICS_OF[task].find((m) => m.name === name)
  assert(metric, `metric "${name}" is known; known: ${[...METRICS.keys()].join(', ')}`)
  return metric
}

/** What paired comparisons use for a task: log loss ranks and calibrates at once; squared error is the mean's own loss; groups are compared by their order. */
export const LOSS_OF: Record<ModelTask, string> = {
  binary: 'logLoss',
  regression: 'rmse',
  multiclass: 'logLoss',
  ranking: 'ndcg',
}
/** What a card and the console lead with. */
export const LEAD_OF: Record<ModelTask, string> = {
  binary: 'auc',
  regression: 'rmse',
  multiclass: 'accuracy',
  ranking: 'ndcg',
}

/** Skill by a metric that every task has: 0 is no better than chance and 1 is perfect; a ranking's NDCG has no such zero and stands as it is. */
export const SKILL_OF: Record<ModelTask, { metric: string; of: (value: number) => number }> = {
  binary: { metric: 'auc', of: (value) => 2 * value - 1 },
  regression: { metric: 'r2', of: (value) => value },
  multiclass: { metric: 'macroAuc', of: (value) => 2 * value - 1 },
  ranking: { metric: 'ndcg', of: (value) => value },
}

/** Rows of a test, and the fold that each row is left out with. */
export interface FoldedRows {
  outputs: Float64Array
  targets: Float64Array
  /** Rows at which groups begin, where a model ranks. */
  groups?: Int32Array
  /** Fold of each row, from 0. */
  fold: Int32Array
  folds: number
}

/**
 * Values of a metric without the rows of each fold in turn: what a delete-a-group jackknife needs. A group of a ranking has the fold of its first row.
 * Cost: that of the metric where it is a mean of losses or knows a shorter way, else times the folds.
 */
export function valuesWithout(metric: Metric, rows: FoldedRows): number[] {
  const { outputs, targets, groups, fold, folds } = rows
  if (metric.without) return Array.from(metric.without(outputs, targets, fold, folds))
  if (metric.losses && !metric.scale) {
    const losses = metric.losses(outputs, targets, groups)
    const change = meansWithout(losses, groups ? groups.map((row) => fold[row]) : fold, folds)
    const { value } = metric.of(outputs, targets, groups)
    return change.map((delta) => value + (metric.higherIsBetter ? -delta : delta))
  }
  const width = outputs.length / Math.max(1, targets.length)
  const value = metric.point ?? ((o: Float64Array, t: Float64Array) => metric.of(o, t).value)
  return Array.from({ length: folds }, (_, f) =>
    value(
      outputs.filter((_, i) => fold[Math.floor(i / width)] !== f),
      targets.filter((_, i) => fold[i] !== f),
    ),
  )
}

/** By how much the mean grows when each fold is left out. */
function meansWithout(losses: Float64Array, fold: Int32Array, folds: number): number[] {
  const [sums, counts] = [new Float64Array(folds), new Float64Array(folds)]
  losses.forEach((loss, i) => {
    sums[fold[i]] += loss
    counts[fold[i]]++
  })
  const sum = sums.reduce((a, b) => a + b, 0)
  return Array.from(sums, (own, f) => (sum - own) / (losses.length - counts[f]) - sum / losses.length)
}

/** All metrics of a task, as they go into records. */
export function measureAll(
  task: ModelTask,
  outputs: Float64Array,
  targets: Float64Array,
  groups?: Int32Array,
): Record<string, Measured> {
  return Object.fromEntries(METRICS_OF[task].map((m) => [m.name, recorded(m.of(outputs, targets, groups))]))
}

/** A measured value that a record can hold: without an interval that is not finite; undefined when the value itself is not. */
export function recordable({ value, interval, n }: Measured): Measured | undefined {
  if (!Number.isFinite(value)) return undefined
  return interval?.every(Number.isFinite) ? { value, interval, n } : { value, n }
}

/** As records have it: a metric that is not defined on its rows is 0 with 0 rows of evidence. */
export const recorded = (measured: Measured): Measured => recordable(measured) ?? { value: 0, n: 0 }

/** Tasks whose output is a probability: bins of their histograms are equal, so that two can be laid side by side. */
const ARE_PROBABILITIES: Record<ModelTask, boolean> = {
  binary: true,
  regression: false,
  multiclass: true,
  ranking: false,
}

/**
 * Distribution of outputs `[n * width]`, the reference of prediction drift: probabilities (of several classes, of the likeliest one) over equal bins, values
 * over bins of about equal counts.
 */
export function scoreHistogram(task: ModelTask, outputs: Float64Array, width = 1): Histogram {
  const shown = width === 1 ? outputs : topOutputs(outputs, width)
  return buildNumericHistogram(
    shown,
    ARE_PROBABILITIES[task] || shown.length === 0
      ? uniformEdges(0, 1, REFERENCE_BINS)
      : quantileEdges(shown, REFERENCE_BINS),
  )
}

/** How often each class is the likeliest: the reference of a drift of what is said. */
export function classMix(outputs: Float64Array, classes: readonly string[]): Histogram {
  const width = classes.length
  const counts = new Array<number>(width).fill(0)
  for (let at = 0; at < outputs.length; at += width) counts[likeliestOf(outputs, at, width)]++
  return { kind: 'category', categories: [...classes], counts, other: 0, nulls: 0 }
}

/** The largest output of each row. */
function topOutputs(outputs: Float64Array, width: number): Float64Array {
  return Float64Array.from(
    { length: outputs.length / width },
    (_, i) => outputs[i * width + likeliestOf(outputs, i * width, width)],
  )
}

// ---------------------------------------------------------------- two models on the same rows

/**
 * How much worse `candidate` is than `base` on the same rows, with a 95 % interval of the paired difference.
 *
 * Unit: that of the metric; for errors in the unit of the target (RMSE, MAE) the share of the base model's error, so that a tolerance means the
 * same whatever is predicted. Undefined where the rows allow no comparison: fewer than 2 rows (or groups), or one class where two are needed.
 * AUC by DeLong; metrics with losses by the paired t interval; others by a jackknife over 50 groups of every 50th row.
 */
export function worsening(
  metric: Metric,
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
  groups?: Int32Array,
): Worsening | undefined {
  if (targets.length < 2) return undefined
  if (metric.worsening) return metric.worsening(base, candidate, targets)
  const { losses } = metric
  if (losses)
    return lossWorsening(metric, losses(base, targets, groups), losses(candidate, targets, groups), targets)
  const value = metric.point ?? ((o: Float64Array, t: Float64Array) => metric.of(o, t).value)
  const sign = metric.higherIsBetter ? 1 : -1
  return jackknifed(
    (b, c, t) => sign * (value(b, t) - value(c, t)),
    [base, candidate, targets],
    targets.length,
  )
}

function lossWorsening(
  metric: Metric,
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
): Worsening | undefined {
  if (base.length < 2) return undefined
  const { value, interval, n } = pairedDelta(base, candidate)
  const scale = metric.scale ? metric.scale(mean(base), targets) : (delta: number) => delta
  if (scale === undefined) return undefined
  const [low, high] = interval as [number, number]
  return { value: scale(value), interval: [scale(low), scale(high)], n }
}

/**
 * Value of a statistic of `n` rows, each with one value a column or more, with the interval of a delete-a-group jackknife. Undefined when it is not defined,
 * with or without some group. Source: Shao and Tu, 1995, "The Jackknife and Bootstrap", section 2.3.
 */
function jackknifed(
  statistic: (...columns: Float64Array[]) => number,
  columns: Float64Array[],
  n: number,
): Worsening | undefined {
  const groups = Math.min(JACKKNIFE_GROUPS, n)
  const value = statistic(...columns)
  const left = Array.from({ length: groups }, (_, g) =>
    statistic(
      ...columns.map((column) => column.filter((_, i) => Math.floor((i * n) / column.length) % groups !== g)),
    ),
  )
  const half = jackknifeHalf(left)
  return Number.isFinite(value + half) ? { value, interval: [value - half, value + half], n } : undefined
}
