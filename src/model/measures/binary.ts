/** Metrics of models that say the probability of a yes. */
import type { Measured } from '../../core/records.ts'
import { seededRng } from '../../core/rng.ts'
import { cellsEce, countScores } from '../../stats/counts.ts'
import { bootstrapInterval, CELL_STATISTICS } from '../../stats/counts-bootstrap.ts'
import { aucInterval, pairedAucDelta } from '../../stats/delong.ts'
import { wilson } from '../../stats/intervals.ts'
import { aucWithout, rowLogLoss } from '../../stats/metrics.ts'
import { ascendingOrder } from '../../stats/order.ts'
import { eachRow, JACKKNIFE_GROUPS, jackknifeHalf, type Metric, meanOf, type Worsening } from './metric.ts'

/** Share from which a label is true, where neither a version nor a request states another. */
export const LABEL_THRESHOLD = 0.5

/** Score bins over which calibration error is computed. */
const CALIBRATION_BINS = 200

const squared = (output: number, target: number) => (output - target) ** 2
const wrong = (output: number, target: number) => (output >= LABEL_THRESHOLD === (target === 1) ? 0 : 1)

const logLosses = eachRow(rowLogLoss)
const squares = eachRow(squared)

export const BINARY_METRICS: Metric[] = [
  {
    name: 'auc',
    task: 'binary',
    higherIsBetter: true,
    of: aucOf,
    worsening: aucWorsening,
    without: aucWithout,
  },
  { name: 'logLoss', task: 'binary', higherIsBetter: false, of: meanOf(logLosses), losses: logLosses },
  { name: 'brier', task: 'binary', higherIsBetter: false, of: meanOf(squares), losses: squares },
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
  { name: 'accuracy', task: 'binary', higherIsBetter: true, of: accuracyOf, losses: eachRow(wrong) },
]

function bothClasses(targets: Float64Array): boolean {
  return targets.includes(0) && targets.includes(1)
}

function aucOf(outputs: Float64Array, targets: Float64Array): Measured {
  if (!bothClasses(targets)) return { value: Number.NaN, n: targets.length }
  const { value, interval, n } = aucInterval(outputs, targets)
  return { value, interval, n }
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

/** Expected calibration error with a bootstrap interval; also of the likeliest of several classes, against whether it was right. */
export function calibrationErrorOf(outputs: Float64Array, targets: Float64Array): Measured {
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
