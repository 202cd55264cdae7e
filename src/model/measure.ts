/** Metrics by name: what cards, gates, canaries and windows compute from outputs and targets. */
import { assert } from '../core/errors.ts'
import type { Measured, ModelTask } from '../core/records.ts'
import { seededRng } from '../core/rng.ts'
import { countScores } from '../stats/counts.ts'
import { bootstrapInterval, CELL_STATISTICS } from '../stats/counts-bootstrap.ts'
import { aucInterval } from '../stats/delong.ts'
import { r2, rmse, rowLogLoss } from '../stats/metrics.ts'

export interface Metric {
  name: string
  task: ModelTask
  higherIsBetter: boolean
  /** Value with a 95 % interval. NaN when it is not defined on these rows (one class, no rows). */
  of(outputs: Float64Array, targets: Float64Array): Measured
  /** Loss of one row, for metrics that are its mean: what paired comparisons need. */
  rowLoss?(output: number, target: number): number
}

const Z95 = 1.959963984540054

/** Mean of a loss over rows with its normal interval. */
function meanLoss(loss: (output: number, target: number) => number): Metric['of'] {
  return (outputs, targets) => {
    let mean = 0
    let m2 = 0
    for (let i = 0; i < outputs.length; i++) {
      const delta = loss(outputs[i], targets[i]) - mean
      mean += delta / (i + 1)
      m2 += (delta * delta * i) / (i + 1)
    }
    const n = outputs.length
    if (n === 0) return { value: Number.NaN, n }
    const half = n > 1 ? Z95 * Math.sqrt(m2 / (n - 1) / n) : 0
    return { value: mean, interval: [mean - half, mean + half], n }
  }
}

function plain(of: (outputs: Float64Array, targets: Float64Array) => number): Metric['of'] {
  return (outputs, targets) => ({
    value: outputs.length === 0 ? Number.NaN : of(outputs, targets),
    n: outputs.length,
  })
}

const squared = (output: number, target: number) => (output - target) ** 2

const ALL: Metric[] = [
  { name: 'auc', task: 'binary', higherIsBetter: true, of: aucOf },
  { name: 'logLoss', task: 'binary', higherIsBetter: false, of: meanLoss(rowLogLoss), rowLoss: rowLogLoss },
  { name: 'brier', task: 'binary', higherIsBetter: false, of: meanLoss(squared), rowLoss: squared },
  { name: 'calibrationError', task: 'binary', higherIsBetter: false, of: calibrationErrorOf },
  { name: 'rmse', task: 'regression', higherIsBetter: false, of: rmseOf, rowLoss: squared },
  {
    name: 'mae',
    task: 'regression',
    higherIsBetter: false,
    of: meanLoss((o, t) => Math.abs(o - t)),
    rowLoss: (o, t) => Math.abs(o - t),
  },
  { name: 'r2', task: 'regression', higherIsBetter: true, of: plain(r2Of) },
]

export const METRICS: ReadonlyMap<string, Metric> = new Map(ALL.map((metric) => [metric.name, metric]))

/** The metric of a name that `checkProject` has let through. */
export function metricOf(name: string): Metric {
  const metric = METRICS.get(name)
  assert(metric, `metric "${name}" is known; known: ${[...METRICS.keys()].join(', ')}`)
  return metric
}

/** What paired comparisons use for a task: log loss ranks and calibrates at once; squared error is the mean's own loss. */
export const LOSS_OF: Record<ModelTask, string> = { binary: 'logLoss', regression: 'rmse' }
/** What a card and the console lead with. */
export const LEAD_OF: Record<ModelTask, string> = { binary: 'auc', regression: 'rmse' }

/** All metrics of a task. */
export function measureAll(
  task: ModelTask,
  outputs: Float64Array,
  targets: Float64Array,
): Record<string, Measured> {
  return Object.fromEntries(
    ALL.filter((m) => m.task === task).map((m) => [m.name, tidy(m.of(outputs, targets))]),
  )
}

/** Undefined values become 0 rows of evidence, so that the record is JSON. */
function tidy(measured: Measured): Measured {
  return Number.isFinite(measured.value) ? measured : { value: 0, n: 0 }
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
  const { value, interval, n } = bootstrapInterval(countScores(outputs, targets, 200), CELL_STATISTICS.ece, {
    rng: seededRng(1),
    replicates: 100,
  })
  return { value, interval, n }
}

/** Root of the mean squared error; the interval is that of the mean, through the root. */
function rmseOf(outputs: Float64Array, targets: Float64Array): Measured {
  const { interval, n } = meanLoss(squared)(outputs, targets)
  if (n === 0) return { value: Number.NaN, n }
  const [low, high] = interval as [number, number]
  return { value: rmse(outputs, targets), interval: [Math.sqrt(Math.max(0, low)), Math.sqrt(high)], n }
}

function r2Of(outputs: Float64Array, targets: Float64Array): number {
  const first = targets[0]
  return targets.every((t) => t === first) ? Number.NaN : r2(outputs, targets)
}
